"""What each request meets: the right handler, or the right refusal, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import msgspec
import pytest
import trio
from websockets.exceptions import InvalidStatus
from websockets.trio.client import connect

from bridge.dialects.contract import Endpoint, EndpointKind, HttpAnswer, Refusal
from bridge.downstream.handlers import Handlers
from bridge.downstream.requests.dispatcher import Dispatcher
from bridge.downstream.settings import AuthSettings, ListenSettings
from bridge.model import Code
from tests.support.serving import opened, plainly, port_of, small_house

STREAM = Endpoint(kind=EndpointKind.SSE, path="/v1/stream")
SOCKET = Endpoint(kind=EndpointKind.WEBSOCKET, path="/ws")
QUOTE = Endpoint(kind=EndpointKind.STATE, path="/v1/instruments/{id}/quote", name="quote")
MINT = Endpoint(kind=EndpointKind.MINT, path="/api/token/generate", method="POST")

NO_WEBSOCKET = "this endpoint is not a WebSocket; ask without Upgrade"
NOTHING = "there is nothing at this path"

SERVED = (
    plainly("canonical", STREAM, QUOTE),
    plainly("alpha", SOCKET, MINT, hosts=("alpha.example",)),
    plainly("beta", SOCKET, hosts=("beta.example",)),
)
LISTEN = ListenSettings(
    bind=("127.0.0.1:0",),
    allowed_origins=("https://app.example",),
    default_websocket_dialect="beta",
    trusted_proxies=("127.0.0.1",),
)


def told(name: str):
    """A handler that answers with what it was handed; refuses or fails when asked to."""

    async def handler(house, exchange) -> HttpAnswer:
        request, peer = exchange.request, exchange.peer
        wish(request)
        seen = {
            "handler": name,
            "dialect": exchange.served.dialect.name,
            "segments": dict(request.segments),
            "body": request.body.decode(),
            "address": peer.address,
            "http": peer.http_version,
        }
        return HttpAnswer(
            body=msgspec.json.encode(seen), headers=(("content-type", "application/json"), ("etag", '"1"'))
        )

    return handler


def wish(request) -> None:
    match request.query.get("wish", [""])[0]:
        case "refuse":
            raise Refusal(Code.RATE_LIMITED, "slowly", retry_after_seconds=1.2)
        case "forbid":
            raise Refusal(Code.FORBIDDEN, "no")
        case "fail":
            raise RuntimeError("s3cret insides")


async def stream(house, exchange, scope, receive, send) -> None:
    wish(exchange.request)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": True})
    if exchange.request.query.get("wish") == ["fail later"]:
        raise RuntimeError("s3cret insides")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def head(house, exchange, scope, receive, send) -> None:
    wish(exchange.request)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-head", b"yes")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def socket(house, exchange, scope, receive, send) -> None:
    wish(exchange.request)
    await send({"type": "websocket.accept"})
    if exchange.request.query.get("wish") == ["fail later"]:
        raise RuntimeError("s3cret insides")
    await send({"type": "websocket.send", "text": exchange.served.dialect.name})
    while (await receive())["type"] != "websocket.disconnect":
        pass


HANDLERS = Handlers(
    sse=stream,
    sse_head=head,
    websocket=socket,
    poll=told("poll"),
    state=told("state"),
    instruments=told("instruments"),
    mint=told("mint"),
)


@asynccontextmanager
async def client(*, http2: bool = False, auth: AuthSettings | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    house = small_house(served=SERVED, listen=LISTEN, auth=auth or AuthSettings(mode="none"))
    async with opened(house, HANDLERS) as listening:
        url = f"http://127.0.0.1:{port_of(listening)}"
        async with httpx2.AsyncClient(base_url=url, http1=not http2, http2=http2, trust_env=False) as asking:
            yield asking
            with trio.fail_after(5):
                await asking.aclose()


@pytest.fixture(autouse=True)
async def _bounded():
    with trio.fail_after(20):
        yield


@pytest.mark.parametrize("http2", [False, True])
async def test_each_endpoint_meets_its_handler(http2: bool):
    async with client(http2=http2) as asking:
        for path, handler, segments in (
            ("/v1/poll", "poll", {}),
            ("/v1/instruments", "instruments", {}),
            ("/v1/instruments/BTC%2FUSD/quote", "state", {"id": "BTC/USD"}),
            ("/v1/instruments/A%20%3F/quote?x=%2F", "state", {"id": "A ?"}),
        ):
            seen = (await asking.get(path)).json()
            assert (seen["handler"], seen["segments"], seen["dialect"]) == (handler, segments, "canonical")
            assert (seen["address"], seen["http"]) == ("127.0.0.1", "2" if http2 else "1.1")
        seen = (await asking.post("/api/token/generate", content=b'{"ttl":1}')).json()
        assert (seen["handler"], seen["dialect"], seen["body"]) == ("mint", "alpha", '{"ttl":1}')
        answer = await asking.get("/v1/stream")
        assert (answer.status_code, answer.text) == (200, "data: hello\n\n")


async def test_head_has_the_headers_and_no_body():
    async with client() as asking:
        answer = await asking.head("/v1/poll")
        assert (answer.status_code, answer.headers["etag"], answer.content) == (200, '"1"', b"")
        assert (await asking.head("/healthz")).status_code == 200
        answer = await asking.head("/v1/stream")
        assert (answer.status_code, answer.headers["x-head"], answer.content) == (200, "yes", b"")
        answer = await asking.head("/v1/stream?wish=refuse")
        assert (answer.status_code, answer.headers["retry-after"], answer.content) == (429, "2", b"")


async def test_nothing_at_a_path_is_404_in_nobodys_shape_and_a_wrong_method_405_in_its_endpoints():
    async with client() as asking:
        answer = await asking.get("/nothing")
        assert answer.status_code == 404
        assert answer.json() == {
            "error": {"code": "bad_request", "message": "there is nothing at this path", "retry": "no"}
        }
        for method, path, allow, whose in (
            ("DELETE", "/v1/poll", "GET, HEAD, OPTIONS", "canonical"),
            ("GET", "/api/token/generate", "POST, OPTIONS", "alpha"),
            ("POST", "/v1/stream", "GET, HEAD, OPTIONS", "canonical"),
            ("GET", "/v1/stream/any", "PATCH, OPTIONS", "canonical"),
            ("POST", "/ws", "GET, OPTIONS", "beta"),
        ):
            answer = await asking.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allow)
            assert answer.json()[whose] == "bad_request"
        answer = await asking.post("/healthz")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert answer.json()["error"]["code"] == "bad_request"
        answer = await asking.get("/ws")
        assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")


@pytest.mark.parametrize(("path", "name"), [("/v1/poll", "canonical"), ("/v1/stream", "canonical")])
async def test_refusal_becomes_the_tables_status_in_the_dialects_shape(path: str, name: str):
    async with client() as asking:
        answer = await asking.get(path, params={"wish": "refuse"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
        assert answer.json() == {name: "rate_limited", "message": "slowly"}
        assert (await asking.get(path, params={"wish": "forbid"})).status_code == 418  # the dialect's own


@pytest.mark.parametrize("path", ["/v1/poll", "/v1/stream"])
async def test_failing_handler_answers_500_without_its_insides_and_the_server_lives_on(path: str):
    async with client() as asking:
        answer = await asking.get(path, params={"wish": "fail"})
        assert answer.status_code == 500
        assert answer.json()["canonical"] == "internal"
        assert "s3cret" not in answer.text
        with pytest.raises(httpx2.RemoteProtocolError):
            await asking.get("/v1/stream", params={"wish": "fail later"})
        assert (await asking.get("/v1/poll")).status_code == 200


async def test_websocket_goes_to_the_dialect_of_the_host_else_to_the_default():
    async with client() as asking:
        url = f"ws://127.0.0.1:{asking.base_url.port}/ws"
        for host, name in (("alpha.example", "alpha"), ("beta.example", "beta"), (None, "beta")):
            headers = {} if host is None else {"X-Forwarded-Host": host}
            async with connect(url, additional_headers=headers, proxy=None) as socket:
                assert await socket.recv() == name


@pytest.mark.parametrize(
    ("path", "headers", "status", "body"),
    [
        ("/ws?wish=refuse", {}, 429, {"beta": "rate_limited", "message": "slowly"}),
        ("/ws?wish=fail", {}, 500, {"beta": "internal", "message": "something went wrong here; try again"}),
        ("/v1/stream", {}, 400, {"canonical": "bad_request", "message": NO_WEBSOCKET}),
        ("/nothing", {}, 404, None),
        ("/nothing", {"X-Forwarded-Host": "beta.example"}, 404, {"beta": "bad_request", "message": NOTHING}),
        ("/ws", {"Origin": "https://evil.example"}, 403, None),
        ("/ws", {"X-Forwarded-Host": "evil.example"}, 403, None),
    ],
)
async def test_refused_handshake_is_a_real_http_answer(path: str, headers: dict[str, str], status: int, body: object):
    async with client() as asking:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{asking.base_url.port}{path}", additional_headers=headers, proxy=None):
                pass
        assert refused.value.response.status_code == status
        said = msgspec.json.decode(refused.value.response.body or b"")
        assert said == body if body else said["error"]["retry"] == "no"
        if status == 429:
            assert refused.value.response.headers["retry-after"] == "2"


async def test_websocket_that_fails_later_closes_with_1011():
    async with (
        client() as asking,
        connect(f"ws://127.0.0.1:{asking.base_url.port}/ws?wish=fail%20later", proxy=None) as socket,
    ):
        with pytest.raises(Exception, match="1011"):
            await socket.recv()


async def test_foreign_origin_is_refused_and_an_allowed_one_may_read_everything():
    async with client() as asking:
        for path in ("/v1/poll", "/v1/stream", "/healthz", "/v1/poll?wish=refuse"):
            answer = await asking.get(path, headers={"Origin": "https://evil.example"})
            assert (answer.status_code, answer.headers["vary"]) == (403, "Origin")
            assert "access-control-allow-origin" not in answer.headers
            answer = await asking.get(path, headers={"Origin": "https://app.example"})
            assert answer.status_code in {200, 429}
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
            assert answer.headers["vary"] == "Origin"
        own = str(asking.base_url).rstrip("/")
        assert (await asking.get("/v1/poll", headers={"Origin": own})).status_code == 200


async def test_preflight_says_what_may_be_asked():
    asks = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    async with client() as asking:
        answer = await asking.options("/v1/poll", headers={"Origin": "https://app.example", **asks})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        answer = await asking.options("/v1/stream/any", headers={"Origin": "https://app.example", **asks})
        assert answer.headers["access-control-allow-methods"] == "PATCH, OPTIONS"
        answer = await asking.options("/v1/poll", headers={"Origin": "https://evil.example", **asks})
        assert answer.status_code == 403


async def test_unknown_host_is_refused_without_authentication_only():
    for auth, status in ((AuthSettings(mode="none"), 403), (AuthSettings(mode="jwt"), 200)):
        async with client(auth=auth) as asking:
            for path in ("/v1/poll", "/healthz"):
                assert (await asking.get(path, headers={"Host": "evil.example"})).status_code == status
            assert (await asking.get("/v1/poll", headers={"Host": "alpha.example"})).status_code == 200


async def test_query_with_masses_of_fields_is_a_bad_request():
    async with client() as asking:
        answer = await asking.get("/v1/poll?" + "&".join(["a=1"] * 1_001))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


async def test_lifespan_is_answered():
    sent: list[str] = []
    asked = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive():
        return {"type": next(asked)}

    async def send(message):
        sent.append(message["type"])

    await Dispatcher(small_house(), HANDLERS)({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
