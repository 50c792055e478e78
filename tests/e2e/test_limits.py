"""Every limit and every refusal of the contract, met by real clients at a real `feedbridge serve` and at the simulators."""

import json
import subprocess
import time
from contextlib import ExitStack, suppress
from socket import create_connection
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from tests.support.clients import (
    HTTP1,
    HTTP2,
    Answer,
    curl,
    eventually,
    handshake,
    heard,
    said,
    stream,
    token,
    websocket,
)
from tests.support.commands import running

SECRET = "a-secret-of-more-than-64-bytes-for-the-limits, so that HS512 would take it"
OTHER_SECRET = "another-secret-of-more-than-32-bytes"
DESK = "https://desk.example"

FEED = """
[feeds.liquidity]
dialect = "liquidity"
url = { env = "VENDOR_URL" }
token = { env = "VENDOR_TOKEN" }
account = "demo"
[instruments."BTC-USD"]
liquidity = { sse = "BTC", websocket = "BTC-USD", rest = "BTC" }
"""

CONFIG = f"""
[listen]
bind = ["127.0.0.1:0"]
allowed_origins = ["{DESK}"]
[limits]
linger_seconds = 1
[auth]
secret = {{ env = "BRIDGE_SECRET" }}
{FEED}"""

OPEN_CONFIG = f"""
[listen]
bind = ["127.0.0.1:0"]
allowed_hosts = ["bridge.desk.example"]
[limits]
linger_seconds = 1
[auth]
mode = "none"
[dialects.canonical]
sse_refusal = "retry"
{FEED}"""


class Simulator(NamedTuple):
    url: str
    token: str


def simulated(dialect, *options):
    """Run a simulator; yields where it is and a token that it accepts."""
    with running("simulate", dialect, *options) as command:
        yield Simulator(command.wait_for(r" at (http\S+)")[1], command.wait_for(r"^token (\S+)")[1])


@pytest.fixture(scope="module")
def upstream():
    """What the bridges read."""
    yield from simulated("liquidity")


@pytest.fixture(scope="module")
def liquidity():
    yield from simulated("liquidity")


@pytest.fixture(scope="module")
def tradingview():
    yield from simulated("tradingview", "--api-key", "the-right-key")


def serving(folder, config, vendor):
    path = folder / "bridge.toml"
    path.write_text(config)
    known = {"BRIDGE_SECRET": SECRET, "VENDOR_URL": vendor.url, "VENDOR_TOKEN": vendor.token}
    with running("serve", "--config", str(path), **known) as command:
        yield command.wait_for(r"serves (http\S+)")[1]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory, upstream):
    """A bridge that asks for tokens."""
    yield from serving(tmp_path_factory.mktemp("bridge"), CONFIG, upstream)


@pytest.fixture(scope="module")
def open_bridge(tmp_path_factory, upstream):
    """A bridge for anybody on this machine, kind to EventSource."""
    yield from serving(tmp_path_factory.mktemp("open"), OPEN_CONFIG, upstream)


def bearer(text):
    return ("-H", f"Authorization: Bearer {text}")


def of(sub, **claim):
    """A good token of a user of its own, for everything unless `claim` says otherwise."""
    return token(SECRET, sub, **{"topics": ["*"], **claim})


def authorized(text):
    return {"additional_headers": {"Authorization": f"Bearer {text}"}}


def assert_refused(answer: Answer, status: int, code: str, retry: str = "no", after: int | None = None):
    """The contract's answer: `{"error":{"code","message","retry","retry_after"?}}`, and `Retry-After` where it is told."""
    assert (answer.status, answer.json["error"]["code"]) == (status, code), answer
    assert answer.headers["content-type"].startswith("application/json")
    error = answer.json["error"]
    assert set(answer.json) == {"error"}
    assert set(error) == {"code", "message", "retry"} | ({"retry_after"} if after is not None else set())
    assert error["retry"] == retry
    assert error["message"]
    assert error.get("retry_after") == after
    assert answer.headers.get("retry-after") == (None if after is None else str(after))


STREAM = "/v1/stream?subscribe={topic}"
PLACES = {
    "sse": (STREAM, HTTP1),
    "sse over http2": (STREAM, HTTP2),
    "poll": ("/v1/poll?subscribe={topic}", HTTP1),
    "state": ("/v1/instruments/BTC-USD/quote", HTTP1),
    "websocket": ("/v1/ws", ""),
}


def refusal_at(bridge, place, text, topic="quote:BTC-USD"):
    """What a place answers to a token that it does not like; None = no token at all."""
    path, option = PLACES[place]
    url = bridge + path.format(topic=topic)
    if place == "websocket":
        return handshake(url, **(authorized(text) if text else {}))
    return curl(url, option, *(bearer(text) if text else ()))


# ── how many ──


def test_the_sixth_event_stream_is_refused_until_one_of_the_five_ends(bridge):
    url, mine = f"{bridge}/v1/stream?subscribe=quote:BTC-USD", bearer(of("six-streams"))
    with ExitStack() as stack:
        held = [stack.enter_context(stream(url, HTTP2 if n % 2 else HTTP1, *mine)) for n in range(5)]
        assert [one.status for one in held] == [200] * 5
        for option in (HTTP1, HTTP2):
            assert_refused(curl(url, option, *mine), 429, "too_many_connections", "after", 5)
        with stream(url, *bearer(of("another"))) as another:
            assert another.status == 200
        with websocket(f"{bridge}/v1/ws", **authorized(of("six-streams"))) as socket:
            assert said(socket, "ok", op="ping")["op"] == "ping"
        assert all(one.until("quote") for one in held)
        held[0].close()

        def admitted():
            with stream(url, *mine) as again:
                return again.status == 200

        assert eventually(admitted, 1)


def test_the_sixth_websocket_is_refused_until_one_of_the_five_ends(bridge):
    url, mine = f"{bridge}/v1/ws", authorized(of("six-sockets"))
    with ExitStack() as stack:
        held = [stack.enter_context(websocket(url, **mine)) for _ in range(5)]
        assert_refused(handshake(url, **mine), 429, "too_many_connections", "after", 5)
        with websocket(url, **authorized(of("another"))) as another:
            assert said(another, "ok", op="ping")["op"] == "ping"
        assert all(said(one, "ok", op="ping")["op"] == "ping" for one in held)
        held[0].close()
        with websocket(url, **mine) as again:
            assert said(again, "ok", op="ping")["op"] == "ping"


def test_the_sixth_poll_at_once_is_refused(bridge):
    mine, path = bearer(of("six-polls")), f"{bridge}/v1/poll?subscribe=status"
    cursor = curl(path, *mine).json["cursor"]
    long_poll = f"{path}&after={cursor}&wait=25"  # quiet: the feed's health does not change
    with ExitStack() as stack:
        for _ in range(5):
            held = subprocess.Popen(["curl", "-s", *mine, long_poll], stdout=subprocess.DEVNULL)
            stack.callback(held.wait)
            stack.callback(held.kill)
        refused = eventually(lambda: curl(path, *mine).status == 429, 5)
        assert refused
        assert_refused(curl(path, HTTP2, *mine), 429, "too_many_connections", "after", 5)
    assert eventually(lambda: curl(path, *mine).status == 200, 1)


def topics(count):
    """So many topics that cost the vendor one."""
    return [f"book.{depth}:BTC-USD" for depth in range(1, count + 1)]


@pytest.mark.parametrize("option", [HTTP1, HTTP2])
def test_fifty_subscriptions_are_served_and_the_fifty_first_is_refused_on_event_streams(bridge, option):
    mine = bearer(of(f"fifty-one{option}"))
    with stream(f"{bridge}/v1/stream?subscribe={','.join(topics(50))}", option, *mine) as fifty:
        assert fifty.until("stream")["topics"] == topics(50)
    with stream(f"{bridge}/v1/stream?subscribe=all:BTC-USD,{','.join(topics(49))}", option, *mine) as fifty:
        assert len(fifty.until("stream")["topics"]) == 52  # `all:` counts as one and is told in its three parts
    answer = curl(f"{bridge}/v1/stream?subscribe={','.join(topics(51))}", option, *mine)
    assert_refused(answer, 400, "too_many_subscriptions")


def test_fifty_one_topics_are_refused_in_a_poll(bridge):
    answer = curl(f"{bridge}/v1/poll?subscribe={','.join(topics(51))}", *bearer(of("fifty-one-polled")))
    assert_refused(answer, 400, "too_many_subscriptions")


def test_the_fifty_first_subscription_of_a_websocket_is_a_problem_and_nothing_of_its_message_is_done(bridge):
    with websocket(f"{bridge}/v1/ws", **authorized(of("fifty-one-ws"))) as socket:
        told = said(socket, "ok", "problem", op="subscribe", topics=topics(51), ref="all at once")
        assert (told["type"], told["code"], told["ref"], told["retry"]) == (
            "problem",
            "too_many_subscriptions",
            "all at once",
            "no",
        )
        assert said(socket, "ok", "problem", op="subscribe", topics=topics(49), ref="49")["topics"] == topics(49)
        two = said(socket, "ok", "problem", op="subscribe", topics=["quote:AAPL", "quote:ETH-USD"], ref="two more")
        assert (two["code"], two["ref"]) == ("too_many_subscriptions", "two more")
        assert said(socket, "ok", "problem", op="subscribe", topics=["quote:AAPL"])["topics"] == ["quote:AAPL"]
        assert (
            said(socket, "ok", "problem", op="subscribe", topics=["quote:ETH-USD"])["code"] == "too_many_subscriptions"
        )
        assert said(socket, "ok", "problem", op="unsubscribe", topics=["quote:AAPL"])["topics"] == ["quote:AAPL"]
        assert said(socket, "ok", "problem", op="subscribe", topics=["quote:ETH-USD"])["topics"] == ["quote:ETH-USD"]


def test_the_hundred_and_first_message_in_a_second_is_not_executed_and_told_once(bridge):
    with websocket(f"{bridge}/v1/ws", **authorized(of("talker"))) as socket:
        began = time.monotonic()
        for n in range(200):
            socket.send(json.dumps({"op": "ping", "ref": str(n)}))
        time.sleep(0.1)  # for the bucket to hold a few tokens again
        socket.send(json.dumps({"op": "ping", "ref": "last"}))
        answers = []
        while not answers or answers[-1].get("ref") != "last":
            answers.append(heard(socket, "ok", "problem"))
        lasted = time.monotonic() - began
        executed = [int(answer["ref"]) for answer in answers[:-1] if answer["type"] == "ok"]
        assert executed[:100] == list(range(100))
        assert 100 <= len(executed) <= 100 + 100 * lasted + 1
        problems = [answer for answer in answers if answer["type"] == "problem"]
        assert [problem["code"] for problem in problems] == ["rate_limited"] * len(problems)
        assert 1 <= len(problems) <= 1 + lasted
        assert problems[0]["retry"] == "after"
        assert (
            answers.index(problems[0]) == 100 or executed[100] == 100
        )  # a token more, earned while the first were read


def test_too_many_messages_for_three_seconds_close_with_4429(bridge):
    with websocket(f"{bridge}/v1/ws", **authorized(of("shouter"))) as socket:
        began = time.monotonic()
        while socket.state is State.OPEN and time.monotonic() < began + 10:
            with suppress(ConnectionClosed):
                socket.send('{"op":"ping"}')
            time.sleep(0.001)
        assert closing_of(socket)[0] == (4429, "rate_limited")
        assert time.monotonic() - began >= 2


def closing_of(socket):
    """Read a WebSocket to its end; returns the close code with its reason, and the last message."""
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(socket.recv(timeout=10)))
    return (socket.close_code, socket.close_reason), messages[-1]


# ── tokens ──


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def wrong_tokens():
    return {
        "none at all": lambda _: None,
        "forged": lambda _: token(OTHER_SECRET, "eve", topics=["*"]),
        "unsigned": lambda _: token(None, "eve", algorithm="none", topics=["*"]),
        "HS512 with the right secret": lambda _: token(SECRET, "eve", algorithm="HS512", topics=["*"]),
        "RS256 without a provider": lambda key: token(key, "eve", algorithm="RS256", topics=["*"]),
        "no token": lambda _: "nonsense",
        "too far away an end": lambda _: token(SECRET, "eve", ttl=10 * 86_400, topics=["*"]),
    }


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", wrong_tokens())
def test_wrong_token_is_unauthorized(bridge, place, kind, rsa_key):
    assert_refused(refusal_at(bridge, place, wrong_tokens()[kind](rsa_key)), 401, "unauthorized")


@pytest.mark.parametrize("place", PLACES)
def test_expired_token_is_told_so(bridge, place):
    assert_refused(refusal_at(bridge, place, token(SECRET, "late", ttl=-10, topics=["*"])), 401, "token_expired")


def test_signature_of_another_token_is_no_good(bridge):
    head, _, signature = of("alice").split(".")
    claims = of("mallory", accounts=["liquidity/demo"]).split(".")[1]
    assert_refused(refusal_at(bridge, "sse", of("alice")[:-4] + "AAAA"), 401, "unauthorized")
    assert_refused(refusal_at(bridge, "sse", f"{head}.{claims}.{signature}"), 401, "unauthorized")


def test_token_may_stand_in_the_query_of_streams_but_not_of_polls(bridge):
    mine = of("query")
    with stream(f"{bridge}/v1/stream?subscribe=quote:BTC-USD&token={mine}") as shown:
        assert shown.until("stream")["verdict"] == "fresh"
    with websocket(f"{bridge}/v1/ws?token={mine}") as socket:
        assert said(socket, "ok", op="ping")
    for path in ("/v1/poll?subscribe=quote:BTC-USD&token=", "/v1/instruments/BTC-USD/quote?token="):
        assert_refused(curl(bridge + path + mine), 401, "unauthorized")


def test_bearer_subprotocol_is_taken_and_only_its_name_echoed(bridge):
    with websocket(f"{bridge}/v1/ws", subprotocols=["bearer", of("protocol")]) as socket:
        assert socket.subprotocol == "bearer"
        assert said(socket, "ok", op="ping")


def test_two_different_credentials_are_a_bad_request(bridge):
    one, two = of("alice"), of("bob")
    for option in (HTTP1, HTTP2):
        answer = curl(f"{bridge}/v1/stream?subscribe=quote:BTC-USD&token={two}", option, *bearer(one))
        assert_refused(answer, 400, "bad_request")
    assert_refused(handshake(f"{bridge}/v1/ws?token={two}", **authorized(one)), 400, "bad_request")
    assert_refused(handshake(f"{bridge}/v1/ws?token={two}", subprotocols=["bearer", one]), 400, "bad_request")
    with stream(f"{bridge}/v1/stream?subscribe=quote:BTC-USD&token={one}", *bearer(one)) as same:
        assert same.status == 200


# ── what may be seen ──


@pytest.mark.parametrize("place", ["sse", "sse over http2", "poll", "state"])
def test_topic_outside_the_grant_is_forbidden(bridge, place):
    mine = of("narrow", topics=["trade:*", "quote:ETH-USD"])
    assert_refused(refusal_at(bridge, place, mine), 403, "forbidden")


def test_topic_outside_the_grant_is_a_problem_on_a_websocket_that_lives_on(bridge):
    with websocket(f"{bridge}/v1/ws", **authorized(of("narrow-ws", topics=["trade:*"]))) as socket:
        asked = ["trade:BTC-USD", "book:BTC-USD"]
        told = said(socket, "ok", "problem", op="subscribe", topics=asked, ref="r")
        assert (told["code"], told["topic"], told["ref"], told["retry"]) == ("forbidden", "book:BTC-USD", "r", "no")
        assert said(socket, "ok", "problem", op="subscribe", topics=["trade:BTC-USD"])["topics"] == ["trade:BTC-USD"]
        assert heard(socket, "trade", "book_snapshot", "book_delta")["type"] == "trade"


def test_all_is_cut_to_what_is_granted(bridge):
    mine = bearer(of("cut", topics=["trade:*"]))
    with stream(f"{bridge}/v1/stream?subscribe=all:BTC-USD", *mine) as shown:
        assert shown.until("stream")["topics"] == ["trade:BTC-USD"]


def test_orders_reach_their_account_and_nobody_else(bridge):
    everything = "order,all:BTC-USD,status"
    holder = bearer(of("holder", accounts=["liquidity/demo"]))
    others = [of("none"), of("other", accounts=["liquidity/other"]), of("spoof", accounts=["tape/demo", "*"])]
    with ExitStack() as stack:
        owner = stack.enter_context(stream(f"{bridge}/v1/stream?subscribe={everything}", *holder))
        sockets = []
        for theirs in others:
            assert_refused(refusal_at(bridge, "sse", theirs, everything), 403, "forbidden")
            assert_refused(refusal_at(bridge, "poll", theirs, "order"), 403, "forbidden")
            sockets.append(stack.enter_context(websocket(f"{bridge}/v1/ws", **authorized(theirs))))
            told = said(sockets[-1], "ok", "problem", op="subscribe", topics=["order"])
            assert (told["type"], told["code"], told["topic"]) == ("problem", "forbidden", "order")
            assert said(sockets[-1], "ok", "problem", op="subscribe", topics=["all:BTC-USD", "status"])["type"] == "ok"
        first = owner.until("order")
        assert first["account"] == "liquidity/demo"
        last = owner.until("order")
        assert offset(last) > offset(first)
        for socket in sockets:
            seen = [heard(socket, "quote", "trade", "book_delta", "order", "feed_status")]
            while offset(seen[-1]) <= offset(last):
                seen.append(heard(socket, "quote", "trade", "book_delta", "order", "feed_status"))
            assert "order" not in {event["type"] for event in seen}
        page = curl(f"{bridge}/v1/poll?subscribe=order,all:BTC-USD&after={first['id']}", *holder).json
        assert last in page["events"]
        page = curl(f"{bridge}/v1/poll?subscribe=all:BTC-USD&after={first['id']}", *bearer(others[2])).json
        assert page["events"]
        assert last not in page["events"]


def offset(event):
    return int(event["id"].rpartition("-")[2])


# ── pages of elsewhere ──


def test_foreign_origin_is_refused_and_a_configured_one_is_not(bridge):
    url, mine = f"{bridge}/v1/stream?subscribe=quote:BTC-USD", of("page")
    for option in (HTTP1, HTTP2):
        answer = curl(url, option, "-H", "Origin: https://evil.example", *bearer(mine))
        assert_refused(answer, 403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers
        with stream(url, option, "-H", f"Origin: {DESK}", *bearer(mine)) as shown:
            assert (shown.status, shown.headers["access-control-allow-origin"]) == (200, DESK)
    assert_refused(handshake(f"{bridge}/v1/ws", origin="https://evil.example", **authorized(mine)), 403, "forbidden")
    assert_refused(handshake(f"{bridge}/v1/ws", origin="null", **authorized(mine)), 403, "forbidden")
    with websocket(f"{bridge}/v1/ws", origin=DESK, **authorized(mine)) as socket:
        assert said(socket, "ok", op="ping")


def test_foreign_host_is_refused_without_tokens(open_bridge):
    url = f"{open_bridge}/v1/stream?subscribe=quote:BTC-USD"
    host, port = open_bridge.removeprefix("http://").split(":")
    for option in (HTTP1, HTTP2):
        assert_refused(curl(url, option, "-H", f"Host: evil.example:{port}"), 403, "forbidden")
        for known in ("localhost", "127.0.0.1", "[::1]", "bridge.desk.example"):
            with stream(url, option, "-H", f"Host: {known}:{port}") as shown:
                assert shown.status == 200
    evil, known = (f"http://{name}:{port}/v1/ws" for name in ("evil.example", "bridge.desk.example"))
    with create_connection((host, port)) as sock:
        assert_refused(handshake(evil, sock=sock), 403, "forbidden")
    with create_connection((host, port)) as sock, websocket(known, sock=sock) as socket:
        assert said(socket, "ok", op="ping")


def test_orders_and_renewal_are_not_there_without_tokens(open_bridge):
    with websocket(f"{open_bridge}/v1/ws") as socket:
        told = said(socket, "ok", "problem", op="subscribe", topics=["order"])
        assert (told["type"], told["code"]) == ("problem", "forbidden")
        assert said(socket, "ok", "problem", op="renew", token=of("eve"))["code"] == "bad_request"


def test_event_streams_are_refused_so_that_a_browser_comes_back_where_that_is_configured(open_bridge):
    url = f"{open_bridge}/v1/stream?subscribe="
    for refused in (",".join(topics(51)), "order", "nonsense", "quote:NASDAQ:AAPL"):
        for option in (HTTP1, HTTP2):
            answer = curl(url + refused, option)
            assert answer.status == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.body == b"retry: 15000\n\n"
    assert_refused(curl(f"{open_bridge}/v1/poll?subscribe=order"), 403, "forbidden")


# ── the vendors' own, at their simulators ──


def assert_liquidity_refused(answer, status):
    assert answer.status == status
    assert set(answer.json) == {"data", "message", "status"}
    assert (answer.json["data"], answer.json["status"]) == ({}, status)
    assert answer.json["message"]


def test_liquidity_refuses_the_sixth_connection_of_each_kind(liquidity):
    url, mine = f"{liquidity.url}/api/realtime?subscribe=quote:AAPL", bearer(liquidity.token)
    with ExitStack() as stack:
        for _ in range(5):
            assert stack.enter_context(stream(url, *mine)).status == 200
        answer = curl(url, *mine)
        assert_liquidity_refused(answer, 429)
        assert int(answer.headers["retry-after"]) > 0
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(websocket(f"{liquidity.url}/ws", **authorized(liquidity.token)))
        answer = handshake(f"{liquidity.url}/ws", **authorized(liquidity.token))
        assert_liquidity_refused(answer, 429)
        assert int(answer.headers["retry-after"]) > 0


def test_liquidity_refuses_the_fifty_first_subscription(tmp_path):
    row = '{"ts": 1, "kind": "trade", "instrument": "STOCK%d", "price": "1", "size": "1"}\n'
    tape = tmp_path / "tape.jsonl"
    tape.write_text("".join(row % n for n in range(51)))
    channels = [f"trade:STOCK{n}" for n in range(51)]
    for vendor in simulated("liquidity", "--tape", str(tape)):
        url = f"{vendor.url}/api/realtime?subscribe="
        with stream(url + ",".join(channels[:50]), *bearer(vendor.token)) as fifty:
            assert fifty.status == 200
        assert_liquidity_refused(curl(url + ",".join(channels), *bearer(vendor.token)), 400)
        with websocket(f"{vendor.url}/ws", **authorized(vendor.token)) as socket:
            for n in range(51):
                socket.send(json.dumps({"type": "subscribe", "channel": "trades", "symbol": f"STOCK{n}"}))
            error = heard(socket, "error")["error"]
            assert (error["code"], error["symbol"]) == ("SUBSCRIPTION_LIMIT_EXCEEDED", "STOCK50")
            assert said(socket, "pong", type="ping")


def test_liquidity_refuses_what_it_does_not_have(liquidity):
    url = f"{liquidity.url}/api/realtime?subscribe="
    assert_liquidity_refused(curl(url + "quote:AAPL,quote:NOTHING", *bearer(liquidity.token)), 404)
    assert_liquidity_refused(curl(url + "quote", *bearer(liquidity.token)), 400)


def test_liquidity_refuses_wrong_and_expired_tokens(liquidity):
    for place in ("/api/realtime?subscribe=quote:AAPL", "/v1/assets/AAPL/quote"):
        for wrong in ((), bearer("nonsense"), bearer(token(OTHER_SECRET, "demo", topics=["*"]))):
            assert_liquidity_refused(curl(liquidity.url + place, *wrong), 401)
    assert_liquidity_refused(handshake(f"{liquidity.url}/ws"), 401)
    assert_liquidity_refused(handshake(f"{liquidity.url}/ws", **authorized("nonsense")), 401)


def assert_tradingview_refused(answer, status, code):
    assert answer.status == status
    assert set(answer.json) == {"success", "error"}
    assert answer.json["success"] is False
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["message"]


def minted(tradingview, key="the-right-key"):
    return curl(
        f"{tradingview.url}/api/token/generate",
        *("-H", f"X-RapidAPI-Key: {key}", "-H", "X-RapidAPI-Host: tradingview-data1.p.rapidapi.com"),
        *("-H", "Content-Type: application/json", "-d", "{}"),
    )


def test_tradingview_mints_for_the_right_key_only(tradingview):
    answer = minted(tradingview)
    assert (answer.status, answer.json["success"]) == (200, True)
    with stream(f"{answer.json['sseUrl']}?token={answer.json['token']}&symbols=NASDAQ:AAPL") as shown:
        assert shown.until("connected")["symbols"] == ["NASDAQ:AAPL"]
    assert_tradingview_refused(minted(tradingview, "another-key"), 401, "UNAUTHORIZED")
    none = curl(f"{tradingview.url}/api/token/generate", "-d", "{}", "-H", "Content-Type: application/json")
    assert_tradingview_refused(none, 401, "UNAUTHORIZED")


def test_tradingview_refuses_the_eleventh_symbol(tradingview):
    names = [f"NASDAQ:S{n}" for n in range(11)]
    url = f"{tradingview.url}/sse/stream?token={tradingview.token}&symbols="
    assert_tradingview_refused(curl(url + ",".join(names)), 400, "SUBSCRIPTION_LIMIT")
    with websocket(f"{tradingview.url}/ws?token={tradingview.token}") as socket:
        assert heard(socket, "connected")
        told = said(socket, "error", "quote_subscribed", action="subscribe_quote", symbols=names, id="eleven")
        assert (told["type"], told["code"], told["id"]) == ("error", "SUBSCRIPTION_LIMIT", "eleven")
        assert said(socket, "pong", action="ping")["type"] == "pong"


def test_tradingview_refuses_the_eleventh_subscription(tradingview):
    with websocket(f"{tradingview.url}/ws?token={tradingview.token}") as socket:
        for n in range(10):
            told = said(socket, "error", "quote_subscribed", action="subscribe_quote", symbols="NASDAQ:AAPL", id=str(n))
            assert told["type"] == "quote_subscribed"
        told = said(socket, "error", "quote_subscribed", action="subscribe_quote", symbols="NASDAQ:AAPL", id="10")
        assert (told["type"], told["code"]) == ("error", "SUBSCRIPTION_LIMIT")
        assert len(said(socket, "status", action="status")["subscriptions"]) == 10


def test_tradingview_refuses_wrong_tokens(tradingview):
    assert_tradingview_refused(curl(f"{tradingview.url}/sse/stream?symbols=NASDAQ:AAPL"), 401, "UNAUTHORIZED")
    assert_tradingview_refused(
        curl(f"{tradingview.url}/sse/stream?symbols=NASDAQ:AAPL&token=nonsense"), 401, "UNAUTHORIZED"
    )
    assert_tradingview_refused(handshake(f"{tradingview.url}/ws?token=nonsense"), 401, "UNAUTHORIZED")


def test_token_that_ends_ends_a_simulators_streams_and_opens_none_again():
    for dialect, sse, words in (
        ("liquidity", "/api/realtime?subscribe=quote:AAPL", []),
        ("tradingview", "/sse/stream?symbols=NASDAQ:AAPL", ["auth_expiring", "auth_expired"]),
    ):
        for vendor in simulated(dialect, "--token-ttl", "3"):
            ends = time.time() + 3
            url = f"{vendor.url}{sse}&token={vendor.token}"
            with stream(url) as open_stream, websocket(f"{vendor.url}/ws?token={vendor.token}") as socket:
                told = [event.get("type", "") for event in open_stream.events()]
                assert [word for word in told if word.startswith("auth")] == words
                assert open_stream.process.wait(5) == 0  # curl: ended in order
                assert time.time() < ends + 2
                (_, reason), last = closing_of(socket)
                assert reason == "token_expired"
                assert last["type"] == ("error" if dialect == "liquidity" else "auth_expired")
            answer = curl(url)
            assert answer.status == 401
            assert handshake(f"{vendor.url}/ws?token={vendor.token}").status == 401
