"""Each way out over real sockets, read by parsers that we did not write, beside the reference: the same over plain ASGI."""

import itertools
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import h2.events
import pytest
import trio
import wsproto.events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.downstream.outlets import choice
from tests.support.asgi import Bench
from tests.support.serving import until
from tests.support.streams import (
    REFERENCE,
    Follower,
    H1Follower,
    Http2Follower,
    Streaming,
    WebSocketFollower,
    only_asgi_when_asked,
    streaming,
)

LIMITS = {"sse_connections_per_user": 0, "websocket_connections_per_user": 0, "drain_seconds": 1}
TOPICS = "trade:A,quote:A"

WAYS: dict[str, tuple[type[Follower], str | None]] = {
    "http1": (H1Follower, None),
    "http1 tls": (H1Follower, "http/1.1"),
    "http2": (Http2Follower, None),
    "http2 tls": (Http2Follower, "h2"),
    "websocket": (WebSocketFollower, None),
    "websocket tls": (WebSocketFollower, "http/1.1"),
}


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch):
    """Serve who asks for it over ASGI."""
    monkeypatch.setattr(choice, "direct_path", only_asgi_when_asked(choice.direct_path))


@pytest.fixture
def served(tmp_path: Path):
    return partial(streaming, tmp_path)


async def follow(
    served: Streaming, way: str, *headers: tuple[bytes, bytes], topics: str = TOPICS, follower: Follower | None = None
) -> Follower:
    """Open a stream that reads on in the background; returns once it has begun."""
    kind, tls = WAYS[way]
    follower = follower or kind()
    stream = await served.connect(tls=tls)
    served.nursery.start_soon(partial(follower.run, stream, topics, *headers))
    await follower.opened.wait()
    return follower


def told(follower: Follower) -> list:
    """What was told of the market, without what each stream has for itself."""
    return [event for event in follower.events if event["type"] not in {"stream", "ok", "goaway"}]


# ── the same events in the same order, on all ways out ──

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("trades"), st.integers(1, 300)),
        st.tuples(st.just("quote"), st.integers(1, 9)),
        st.tuples(st.just("others"), st.just(0)),
        st.tuples(st.just("refuse"), st.just(0)),
    ),
    max_size=12,
)


async def play(bench: Bench, moves: list[tuple[str, int]]) -> None:
    numbers = itertools.count()
    for kind, number in moves:
        match kind:
            case "trades":
                for price in range(number):
                    bench.trade(f"{price}.5", "A", trade_id=f"{next(numbers)}{'x' * (price % 200)}")
            case "quote":
                bench.quote(str(number), "A")
            case "refuse":
                bench.trade("1", "B")
            case _:
                await trio.lowlevel.checkpoint()
    bench.trade("999", "A", trade_id="last")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
async def test_every_way_out_gives_the_same_events_in_the_same_order_as_plain_asgi(moves):
    with tempfile.TemporaryDirectory() as folder:
        async with streaming(Path(folder)) as served:
            served.bench.cover("trade:A", "quote:A", "trade:B")
            direct = [await follow(served, way) for way in WAYS]
            plain = [await follow(served, way, REFERENCE) for way in ("http1", "http2", "websocket")]
            everyone = [*direct, *plain]
            await play(served.bench, moves)
            for one in everyone:
                await until(lambda one=one: any(event.get("trade_id") == "last" for event in one.events))
            expected = [event for event in told(plain[0]) if event["type"] == "trade"]
            assert len(expected) == sum(number for kind, number in moves if kind == "trades") + 1
            for one in everyone:
                assert one.of("trade") == expected
                assert [event["bid"] for event in one.of("quote")][-1:] == [
                    event["bid"] for event in plain[0].of("quote")
                ][-1:]
                offsets = [int(event["id"].partition("-")[2]) for event in told(one)]
                assert offsets == sorted(offsets)
            served.bench.house.closing.set()
            for one in everyone:
                await one.ended.wait()
                assert one.events[-1]["type"] == "goaway"
                assert one.events[-1]["id"] == expected[-1]["id"]
            assert [one.closed for one in everyone if isinstance(one, WebSocketFollower)] == [1012] * 3


# ── how an HTTP/1 response is framed ──


async def test_http11_gets_chunks(served):
    async with served() as server:
        one = await follow(server, "http1")
        assert one.headers[b"transfer-encoding"] == b"chunked"


@pytest.mark.parametrize("headers", [(), REFERENCE])
async def test_a_proxy_that_speaks_http10_gets_bare_bytes_and_their_end_is_the_connections(served, headers):
    async with served() as server:
        server.bench.cover("trade:A")
        stream = await server.connect()
        wanted = b"".join(b"%b: %b\r\n" % pair for pair in ([headers] if headers else []))
        await stream.send_all(b"GET /v1/stream?subscribe=trade:A HTTP/1.0\r\nHost: localhost\r\n" + wanted + b"\r\n")
        got = b""
        while b"event: stream" not in got:
            got += bytes(await stream.receive_some())
        server.bench.trade("1.25", "A")
        server.bench.trade("1.50", "A")
        while got.count(b"event: trade") < 2:
            got += bytes(await stream.receive_some())
        server.bench.house.closing.set()
        while piece := bytes(await stream.receive_some()):
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        assert b"chunked" not in head.lower()
        assert b"\r" not in body
        lines = [line for line in body.decode().split("\n") if line]
        assert all(line.partition(":")[0] in {"id", "event", "data", "retry"} for line in lines), lines
        assert [line for line in lines if line.startswith("event")][-3:] == [
            "event: trade",
            "event: trade",
            "event: goaway",
        ]


# ── two writers on one socket ──


@pytest.mark.parametrize("tls", [None, "http/1.1"])
async def test_a_pong_in_the_middle_of_a_large_backlog_is_between_frames_never_in_one(served, tls):
    async with served() as server:
        server.bench.cover("trade:A")
        one = WebSocketFollower()
        stream = await server.connect(tls=tls, receive_buffer=8_192)
        hold = trio.Event()
        hold.set()

        async def receive(maximum: int) -> bytes:
            await hold.wait()
            return bytes(await real(maximum))

        real, stream.receive_some = stream.receive_some, receive
        server.nursery.start_soon(one.run, stream, "trade:A")
        await one.opened.wait()
        await until(lambda: one.of("ok"))
        for number in range(10):
            hold = trio.Event()
            for price in range(1_000):
                server.bench.trade(str(number * 1_000 + price), "A", trade_id="x" * 300)
                if price % 100 == 0:
                    await trio.lowlevel.checkpoint()
            await until(lambda: server.bench.house.connections.statistics()[0].pending_bytes > 0)
            await one.say(wsproto.events.Ping(payload=b"%d" % number))
            await trio.sleep(0.01)
            hold.set()
            await until(lambda number=number: len(one.of("trade")) == (number + 1) * 1_000)
        await until(lambda: len(one.pongs) == 10)
        assert one.pongs == [b"%d" % number for number in range(10)]
        assert [trade["price"] for trade in one.of("trade")] == [str(price) for price in range(10_000)]


@pytest.mark.parametrize("tls", [None, "h2"])
async def test_other_requests_on_an_http2_connection_are_answered_in_the_middle_of_a_backlog(served, tls):
    async with served() as server:
        server.bench.cover("trade:A")
        one = Http2Follower(window=2**20)
        stream = await server.connect(tls=tls)
        server.nursery.start_soon(one.run, stream, "trade:A")
        await one.opened.wait()
        for number in range(20):
            for price in range(300):
                server.bench.trade(str(number * 300 + price), "A", trade_id="x" * 300)
            asked = await one.client.request(
                [(b":method", b"GET"), (b":path", b"/healthz"), (b":scheme", b"http"), (b":authority", b"localhost")]
            )
            await until(
                lambda asked=asked: any(
                    isinstance(event, h2.events.ResponseReceived) and event.stream_id == asked
                    for event in one.client.events
                )
            )
        await until(lambda: len(one.of("trade")) == 6_000)
        assert [trade["price"] for trade in one.of("trade")] == [str(price) for price in range(6_000)]


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@needs_openssl
async def test_a_tls_key_update_in_mid_stream_harms_nothing(served, tmp_path: Path):
    async with served() as server:
        server.bench.cover("trade:A")
        url = server.listening.urls[1]
        process = await trio.lowlevel.open_process(
            ["openssl", "s_client", "-connect", url.removeprefix("https://"), "-tls1_3"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.send_all(b"GET /v1/stream?subscribe=trade:A HTTP/1.0\nHost: localhost\n\n")
        got = b""
        while b"event: stream" not in got:
            got += bytes(await process.stdout.receive_some())
        for number in range(30):
            for price in range(100):
                server.bench.trade(str(number * 100 + price), "A", trade_id="x" * 300)
            await process.stdin.send_all(b"K\n")  # update our keys and ask for new ones of the server
            await trio.sleep(0.005)
            while f'"price":"{number * 100 + 99}"'.encode() not in got:
                piece = bytes(await process.stdout.receive_some())
                assert piece, got[-2_000:]
                got += piece
        prices = [line for line in got.decode().split("\n") if line.startswith("data:") and '"trade"' in line]
        assert len(prices) == 3_000
        assert got.count(b"KEYUPDATE") == 30
        process.kill()
        await process.wait()
