"""Every endpoint of every dialect, at the root and under its prefixes, on HTTP/1.1 and HTTP/2, against RFC 9110's plain rules.

A handler that answers at once stands in for what an endpoint does; what is looked at is everything around it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import trio

from bridge.dialects.contract import EndpointKind, HttpAnswer, SymbolTable
from bridge.dialects.loader import load_dialect
from bridge.downstream.contract import ServedDialect
from bridge.downstream.handlers import Handlers
from bridge.downstream.requests.control import MAX_BODY_BYTES
from bridge.downstream.requests.endpoints import HEALTH
from bridge.downstream.requests.routes import Route, routes_of
from bridge.downstream.settings import DialectSettings, LimitSettings, ListenSettings
from tests.support.serving import opened, port_of, small_house

SSE, WEBSOCKET, STATE, MINT = EndpointKind.SSE, EndpointKind.WEBSOCKET, EndpointKind.STATE, EndpointKind.MINT


def served(name: str, *prefixes: str, hosts: tuple[str, ...] = ()) -> ServedDialect:
    dialect = load_dialect(name)
    return ServedDialect(
        dialect=dialect,
        symbols=SymbolTable(dialect.spelling, {}),
        limits=LimitSettings(),
        settings=DialectSettings(hosts=hosts),
        prefixes=prefixes,
    )


SERVED = (
    served("canonical", ""),
    served("liquidity", "", "/liquidity", hosts=("liquidity.example",)),
    served("tradingview", "", "/tradingview", hosts=("tradingview.example",)),
)
ROUTES = routes_of(SERVED)
PLAIN = [route for route in ROUTES if route.endpoint.kind is not WEBSOCKET]
CANONICAL = [route for route in PLAIN if route.served.dialect.name == "canonical"]


def path_of(route: Route) -> str:
    return "/".join("any" if part.startswith("{") else part for part in route.pattern)


def named(route: Route) -> str:
    return f"{route.endpoint.method} {'/'.join(route.pattern)}"


async def answered(house, exchange) -> HttpAnswer:
    return HttpAnswer(body=b'{"well":"done"}')


async def streamed(house, exchange, scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


LISTEN = ListenSettings(bind=("127.0.0.1:0",), trusted_proxies=("127.0.0.1",))

HANDLERS = Handlers(
    sse=streamed,
    sse_head=streamed,
    poll=answered,
    patch=answered,
    instruments=answered,
    state=answered,
    mint=answered,
)


@asynccontextmanager
async def client(version: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with opened(small_house(served=SERVED, listen=LISTEN), HANDLERS) as listening:
        url, http2 = f"http://127.0.0.1:{port_of(listening)}", version == "2"
        async with httpx2.AsyncClient(base_url=url, http1=not http2, http2=http2, trust_env=False) as asking:
            yield asking


@pytest.fixture(params=["1.1", "2"])
def version(request) -> str:
    return request.param


@pytest.fixture(autouse=True)
async def _bounded():
    with trio.fail_after(60):
        yield


def refused(answer: httpx2.Response, route: Route | None = None) -> int:
    """Return the status of a refusal, once it is one in the shape of the endpoint's party."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    match route.served.dialect.name if route else "canonical":
        case "canonical":
            assert set(body) == {"error"}
        case "liquidity":
            assert set(body) == {"data", "message", "status"}
        case "tradingview":
            assert (body["success"], set(body["error"])) == (False, {"code", "message"})
    return answer.status_code


async def test_the_right_method_is_answered_with_what_http_wants_of_every_answer(version: str):
    async with client(version) as asking:
        for route in PLAIN:
            if route.endpoint.name in ("openapi", "asyncapi"):
                continue
            answer = await asking.request(route.endpoint.method, path_of(route))
            assert answer.status_code == 200, named(route)
            assert "date" in answer.headers
            assert answer.headers.get_list("vary") == ["Origin"]
            assert "connection" not in answer.headers
            assert "accept-ranges" not in answer.headers


async def test_head_is_get_without_its_body(version: str):
    async with client(version) as asking:
        for path in [*(path_of(route) for route in PLAIN if route.endpoint.method == "GET"), *HEALTH]:
            got, head = await asking.get(path), await asking.head(path)
            assert (head.status_code, head.content) == (200, b""), path
            same = {name for name in got.headers if name != "date"}
            assert {name: head.headers.get(name) for name in same} == {name: got.headers[name] for name in same}, path


async def test_options_says_what_a_path_takes(version: str):
    async with client(version) as asking:
        for route in ROUTES:
            allow = {WEBSOCKET: "GET, OPTIONS"}.get(route.endpoint.kind, ", ".join((*route.methods, "OPTIONS")))
            answer = await asking.options(path_of(route))
            assert (answer.status_code, answer.headers["allow"], answer.content) == (204, allow, b""), named(route)
            assert "content-length" not in answer.headers
        for path in HEALTH:
            assert (await asking.options(path)).headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "GET", "FOO"])
async def test_a_wrong_method_is_405_with_what_is_allowed(version: str, method: str):
    async with client(version) as asking:
        for route in PLAIN:
            if method not in route.methods:
                answer = await asking.request(method, path_of(route))
                assert refused(answer, route) == 405, named(route)
                assert answer.headers["allow"] == ", ".join((*route.methods, "OPTIONS"))


async def test_a_websocket_endpoint_tells_plain_requests_what_it_is(version: str):
    async with client(version) as asking:
        for route in (route for route in ROUTES if route.endpoint.kind is WEBSOCKET):
            hosts = route.served.settings.hosts
            headers = {"X-Forwarded-Host": hosts[0]} if hosts else {}
            answer = await asking.get(path_of(route), headers=headers)
            refused(answer, route)
            assert answer.status_code == (426 if version == "1.1" else 400), named(route)
            told = {name: answer.headers.get(name) for name in ("upgrade", "connection")}
            wanted = ("websocket", "upgrade") if version == "1.1" else (None, None)  # HTTP/2 forbids both
            assert tuple(told.values()) == wanted
            assert refused(await asking.post(path_of(route), headers=headers), route) == 405


@pytest.mark.parametrize(
    ("path", "whose"),
    [
        ("/", None),
        ("/nothing", None),
        ("/v1", None),
        ("/v1/poll/", None),
        ("//v1/poll", None),
        ("/v1//poll", None),
        ("/v1%2Fpoll", None),
        ("/V1/poll", None),
        ("/v1/poll/..%2f", None),
        ("/v1/instruments//quote", None),
        ("/v1/instruments/A/B/quote", None),
        ("/v1/instruments/%ff/quote", None),
        ("/liquidity/nothing", "liquidity"),
        ("/liquidity", None),
        ("/tradingview/api/nothing", "tradingview"),
        ("/tradingview/v1/poll", "tradingview"),
        ("/tradingviewer/x", None),
    ],
)
async def test_an_unknown_path_is_404_in_the_shape_of_who_it_is_meant_for(version: str, path: str, whose: str | None):
    route = next((route for route in ROUTES if route.served.dialect.name == whose), None)
    async with client(version) as asking:
        assert refused(await asking.get(path), route) == 404
        assert refused(await asking.post(path, content=b"x"), route) == 404
        by_name = await asking.get("/nothing", headers={"X-Forwarded-Host": "tradingview.example"})
        assert by_name.json()["success"] is False


async def test_percent_encoded_letters_are_the_letters(version: str):
    async with client(version) as asking:
        assert (await asking.get("/v1/p%6Fll")).status_code == 200
        assert (await asking.get("/%68ealthz")).json() == {"status": "ok"}
        assert (await asking.get("/%2Fhealthz")).status_code == 404
        assert (await asking.get("/v1/instruments/BTC%2FUSD/quote")).status_code == 200
        assert (await asking.get("/v1/instruments/NASDAQ:AAPL/quote")).status_code == 200
        assert (await asking.get("/v1/instruments/NASDAQ%3aAAPL/quote")).status_code == 200


ACCEPTS = {
    "": True,
    "*/*": True,
    "text/event-stream": True,
    "TEXT/Event-Stream;charset=utf-8": True,
    "text/*": True,
    "application/json, text/event-stream;q=0.1": True,
    "application/json, */*;q=0.001": True,
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": True,
    "application/json": False,
    "application/json, text/event-stream;q=0": False,
    "text/event-stream;q=0.000, */*": False,
    "*/*;q=0": False,
    "text/html": False,
}


@pytest.mark.parametrize("accept", ACCEPTS)
async def test_only_a_stream_that_could_not_be_read_is_refused_by_accept(version: str, accept: str):
    async with client(version) as asking:
        for route in PLAIN:
            if route.endpoint.name in ("openapi", "asyncapi"):
                continue
            answer = await asking.request(route.endpoint.method, path_of(route), headers={"Accept": accept})
            minds = route.endpoint.kind is SSE and route in CANONICAL
            assert answer.status_code == (200 if ACCEPTS[accept] or not minds else 406), named(route)
            if answer.status_code == 406:
                refused(answer, route)


@pytest.mark.parametrize(
    ("encodings", "good"),
    [
        ("", True),
        ("gzip, br", True),
        ("identity", True),
        ("gzip;q=1, *;q=0.1", True),
        ("identity;q=0", False),
        ("gzip, *;q=0", False),
        ("identity;q=0.5, *;q=0", True),
        ("identity; q=0.0", False),
    ],
)
async def test_an_answer_is_never_encoded_and_who_rules_that_out_is_told_on_our_own_endpoints(
    version: str, encodings: str, good: bool
):
    async with client(version) as asking:
        for route in PLAIN:
            headers = {"Accept-Encoding": encodings}
            answer = await asking.request(route.endpoint.method, path_of(route), headers=headers)
            assert "content-encoding" not in answer.headers
            assert answer.status_code == (200 if good or route not in CANONICAL else 406), named(route)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Content-Type": "application/json"}, 200),
        ({"Content-Type": "Application/JSON; charset=utf-8"}, 200),
        ({"Content-Type": "application/merge-patch+json"}, 200),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/jsonp"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "identity"}, 200),
    ],
)
async def test_a_body_is_to_be_what_we_read(version: str, headers: dict[str, str], status: int):
    async with client(version) as asking:
        answer = await asking.patch("/v1/stream/any", content=b"{}", headers=headers)
        assert answer.status_code == status
        if status == 415:
            refused(answer)
            assert {"accept-patch", "accept-encoding"} & set(answer.headers)
        mint = await asking.post("/api/token/generate", content=b"{}", headers=headers)
        assert mint.status_code == 200, "a vendor's client is served as it always was"


async def test_a_body_that_is_too_long_is_413_in_the_endpoints_shape(version: str):
    async with client(version) as asking:
        for route in PLAIN:
            if route.endpoint.method in ("POST", "PATCH"):
                content = b" " * (MAX_BODY_BYTES + 1)
                answer = await asking.request(route.endpoint.method, path_of(route), content=content)
                assert refused(answer, route) == 413


async def test_a_parameter_stands_once_and_others_are_passed_over(version: str):
    async with client(version) as asking:
        for route in PLAIN:
            for parameter in route.endpoint.parameters:
                if parameter.place.value != "query":
                    continue
                twice = f"{path_of(route)}?{parameter.name}=true&{parameter.name}=false"
                answer = await asking.get(twice)
                assert answer.status_code == (200 if parameter.many else 400), twice
                if not parameter.many:
                    refused(answer, route)
                    assert parameter.name in answer.text
                assert (await asking.get(f"{path_of(route)}?{parameter.name}=1&{parameter.name}=1")).status_code == 200
            if route.endpoint.method == "GET":
                assert (await asking.get(f"{path_of(route)}?_=1&_=2&never=heard")).status_code == 200


async def test_a_range_is_not_served_and_not_minded(version: str):
    async with client(version) as asking:
        for route in CANONICAL:
            if route.endpoint.kind is STATE and route.endpoint.method == "GET":
                answer = await asking.get(path_of(route), headers={"Range": "bytes=0-3"})
                assert (answer.status_code, len(answer.content) > 4) == (200, True)
                assert "content-range" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/asyncapi.json"])
async def test_a_conditional_request_is_judged_by_the_whole_list_however_it_is_written(version: str, path: str):
    async with client(version) as asking:
        tag = (await asking.get(path)).headers["etag"]
        for known in (
            [tag],
            [f"W/{tag}"],
            [f'"a", {tag}'],
            ['"a"', tag],
            [tag, '"a"'],
            ["*"],
            [f'"a,b",W/"c",{tag}'],
        ):
            answer = await asking.get(path, headers=[("If-None-Match", one) for one in known])
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag), known
            assert answer.headers["cache-control"] == "public, max-age=300"
            assert (await asking.head(path, headers=[("If-None-Match", one) for one in known])).status_code == 304
        for other in ('"a"', f'"a,{tag[1:]}', tag.strip('"'), "", f'{tag[:-1]}x"'):
            assert (await asking.get(path, headers={"If-None-Match": other})).status_code == 200, other


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/asyncapi.json"])
async def test_who_asks_for_what_it_was_gets_412_once_it_is_another(version: str, path: str):
    async with client(version) as asking:
        tag = (await asking.get(path)).headers["etag"]
        for held in ([tag], ["*"], ['"a"', tag], [f'"a", W/"b",{tag}']):
            assert (await asking.get(path, headers=[("If-Match", one) for one in held])).status_code == 200, held
        for other in ('"a"', f"W/{tag}", ""):
            answer = await asking.get(path, headers={"If-Match": other, "If-None-Match": tag})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (412, b"", tag), other


async def test_the_whole_server_is_asked_with_a_star():
    async with opened(small_house(served=SERVED, listen=LISTEN), HANDLERS) as listening:
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(listening))
        async with stream:
            await stream.send_all(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            said = b"".join([chunk async for chunk in stream])
        assert said.startswith(b"HTTP/1.1 204 ")
        assert b"allow: GET, HEAD, POST, PATCH, OPTIONS\r\n" in said
