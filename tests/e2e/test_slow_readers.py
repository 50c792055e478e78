"""Peers that read slowly or not at all, on each direct way out: what becomes of them, and that nobody else notices."""

from functools import partial
from pathlib import Path

import h2.events
import pytest
import trio

from tests.support.asgi import NOTHING_LEFT, with_limits
from tests.support.http2 import Http2Client, get
from tests.support.serving import until
from tests.support.streams import H1Follower, Http2Follower, Streaming, WebSocketFollower, streaming

UNLIMITED = {"sse_connections_per_user": 0, "websocket_connections_per_user": 0, "pending_bytes_per_connection": 2**28}
NEVER = 1_000.0
EVENTS = 8_000

UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)
SUBSCRIBE = b'{"op":"subscribe","topics":["trade:A"]}'

WAYS = ["http1", "http2", "websocket"]


@pytest.fixture
def served(tmp_path: Path):
    return partial(streaming, tmp_path)


async def deaf(server: Streaming, way: str, *, tls: bool = False) -> trio.abc.Stream:
    """Open a stream, read its beginning, and nothing more; its kernel takes little."""
    protocol = ("h2" if way == "http2" else "http/1.1") if tls else None
    stream = await server.connect(tls=protocol, receive_buffer=4_096)
    before = len(server.bench.house.connections)
    if way == "http1":
        await stream.send_all(b"GET /v1/stream?subscribe=trade:A HTTP/1.1\r\nHost: localhost\r\n\r\n")
    elif way == "websocket":
        await stream.send_all(UPGRADE)
        await stream.receive_some(4_096)
        await stream.send_all(b"\x81" + bytes([0x80 | len(SUBSCRIBE)]) + bytes(4) + SUBSCRIBE)
    else:
        client = Http2Client(stream, window=2**31 - 1)
        await client.start()
        client.connection.increment_flow_control_window(2**31 - 1 - 65_535)
        await client.request(get(b"/v1/stream?subscribe=trade:A"))
    await until(lambda: len(server.bench.house.connections) > before)
    await until(lambda: server.bench.hub.statistics().subscriptions > before)
    return stream


async def flood(server: Streaming, events: int = EVENTS) -> None:
    """Publish far more than the kernel keeps for one peer."""
    for price in range(events):
        server.bench.trade(str(price), "A", trade_id="x" * 300)
        if price % 100 == 99:
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_peer_that_stops_reading_is_hung_up_on_after_the_write_deadline_and_leaves_nothing(served, way, tls):
    async with served(with_limits(write_deadline_seconds=0.5, **UNLIMITED)) as server:
        server.bench.cover("trade:A")
        well = H1Follower()
        server.nursery.start_soon(well.run, await server.connect(), "trade:A")
        await well.opened.wait()
        await deaf(server, way, tls=tls)
        await flood(server)
        await until(lambda: server.bench.left() == {"connections": 1, "subscriptions": 1, "seats": 1})
        await until(lambda: len(well.of("trade")) == EVENTS)
        await until(lambda: server.listening.statistics().connections.connections == 1)
        statistics = server.listening.statistics().connections
        assert (statistics.contained, statistics.stalled) == (0, 1)


@pytest.mark.parametrize("way", WAYS)
async def test_a_drain_with_a_peer_that_does_not_read_ends_within_its_bound(served, way):
    async with served(with_limits(write_deadline_seconds=NEVER, drain_seconds=0.5, **UNLIMITED)) as server:
        server.bench.cover("trade:A")
        await deaf(server, way)
        await flood(server)
        (shown,) = server.bench.house.connections.statistics()
        assert shown.pending_bytes > 0
        server.bench.house.closing.set()
        with trio.fail_after(10):
            await until(lambda: server.listening.statistics().connections.connections == 0)
            await until(lambda: server.bench.left() == NOTHING_LEFT)


@pytest.mark.parametrize("way", WAYS)
async def test_a_peer_that_vanishes_while_its_socket_is_full_leaves_nothing(served, way):
    async with served(with_limits(write_deadline_seconds=NEVER, **UNLIMITED)) as server:
        server.bench.cover("trade:A")
        stream = await deaf(server, way)
        await flood(server)
        assert server.bench.house.connections.statistics()[0].pending_bytes > 0
        await trio.aclose_forcefully(stream)  # with bytes unread the kernel says RST
        with trio.fail_after(5):
            await until(lambda: server.bench.left() == NOTHING_LEFT)


async def test_a_client_that_reads_a_byte_at_a_time_makes_nobody_else_miss_anything(served):
    async with served(with_limits(write_deadline_seconds=1, **UNLIMITED)) as server:
        server.bench.cover("trade:A")
        others = [H1Follower(), WebSocketFollower(), Http2Follower(window=2**24)]
        for other in others:
            server.nursery.start_soon(other.run, await server.connect(), "trade:A")
            await other.opened.wait()
        stream = await deaf(server, "http1")

        async def read_slowly() -> None:
            try:
                while await stream.receive_some(1):  # noqa: ASYNC110 - it waits on purpose, for nothing
                    await trio.sleep(0.05)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        server.nursery.start_soon(read_slowly)
        await flood(server)
        for other in others:
            await until(lambda other=other: len(other.of("trade")) == EVENTS)
            assert not other.ended.is_set()
        await until(lambda: len(server.bench.house.connections) == 3)
        for price in range(100):
            server.bench.trade(str(price), "A")
            await trio.sleep(0.01)
        for other in others:
            await until(lambda other=other: len(other.of("trade")) == EVENTS + 100)


async def test_an_http2_client_with_a_window_of_one_byte_gets_every_byte_slowly(served):
    async with served(with_limits(write_deadline_seconds=2, **UNLIMITED)) as server:
        server.bench.cover("trade:A")
        one = Http2Follower(window=1)
        server.nursery.start_soon(one.run, await server.connect(), "trade:A")
        await one.opened.wait()
        for price in range(5):
            server.bench.trade(str(price), "A")
        await until(lambda: len(one.of("trade")) == 5)
        assert [trade["price"] for trade in one.of("trade")] == list("01234")
        server.bench.house.closing.set()
        await one.ended.wait()
        assert one.events[-1]["reason"] == "going_away"


async def test_an_http2_stream_whose_window_stays_shut_is_reset_and_the_others_of_its_connection_live_on(served):
    async with served(with_limits(write_deadline_seconds=0.5, **UNLIMITED)) as server:
        server.bench.cover("trade:A", "trade:B")
        client = Http2Client(await server.connect(), acknowledge=False, window=20_000)
        await client.start()
        client.connection.increment_flow_control_window(2**24)
        shut = await client.request(get(b"/v1/stream?subscribe=trade:A"))
        alive = await client.request(get(b"/v1/stream?subscribe=trade:B"))
        for stream_id in (shut, alive):
            await client.until(h2.events.DataReceived, stream_id)
        await until(lambda: server.bench.hub.statistics().subscriptions == 2)
        for price in range(200):
            server.bench.trade(str(price), "A", trade_id="x" * 300)
        reset = await client.until(h2.events.StreamReset, shut)
        assert reset.error_code == 8, "CANCEL"
        await until(lambda: server.bench.left()["subscriptions"] == 1)
        server.bench.trade("7.25", "B")
        while True:
            event = await client.until(h2.events.DataReceived, alive)
            if b'"7.25"' in event.data:
                break


async def test_streams_that_open_at_once_on_one_http2_connection_all_begin(served):
    async with served(with_limits(**UNLIMITED)) as server:
        for _ in range(10):
            client = Http2Client(await server.connect())
            await client.start()
            asked = [await client.request(get(b"/v1/stream?subscribe=trade:A")) for _ in range(10)]
            for stream_id in asked:
                await client.until(h2.events.DataReceived, stream_id)


async def test_settings_that_open_the_window_wake_what_waits(served):
    async with served(with_limits(write_deadline_seconds=5, **UNLIMITED)) as server:
        server.bench.cover("trade:A")
        client = Http2Client(await server.connect(), acknowledge=False, window=3_000)
        await client.start()
        asked = await client.request(get(b"/v1/stream?subscribe=trade:A"))
        await client.until(h2.events.DataReceived, asked)
        await until(lambda: server.bench.hub.statistics().subscriptions == 1)
        for price in range(20):
            server.bench.trade(str(price), "A", trade_id="x" * 300)
        client.connection.update_settings({4: 2**20})
        await client.flush()
        got = b""
        while got.count(b"event: trade") < 20:
            got += (await client.until(h2.events.DataReceived, asked)).data
        assert client.connection.remote_settings is not None
