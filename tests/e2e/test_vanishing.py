"""Clients that vanish or stop reading leave nothing behind, counted in the bridge and at its vendor; nobody else notices.

The bounds are the project's promises: a second for what was theirs, the linger and a second more for what was subscribed
upstream on their behalf, the write deadline and a second more for those that stop reading.
"""

import json
import socket
import struct
import subprocess
from collections import Counter
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import BinaryIO

import h2.events
import httpx2
import pytest
import trio
from websockets.trio.client import connect

from bridge.dialects.contract import Transport
from tests.support.houses import LoudTape, Pair, census, paired
from tests.support.http2 import Http2Client, get

LINGER_SECONDS = 1
WRITE_DEADLINE_SECONDS = 2
A_SECOND_MORE = 1.0

CONFIG = f"""
[listen]
bind = ["127.0.0.1:0"]
[auth]
mode = "none"
[limits]
sse_connections_per_user = 0
websocket_connections_per_user = 0
polls_per_user = 0
linger_seconds = {LINGER_SECONDS}
write_deadline_seconds = {WRITE_DEADLINE_SECONDS}
[instruments."BTC-USD"]
liquidity = {{ sse = "BTC", websocket = "BTC-USD", rest = "BTC" }}
[instruments."ETH-USD"]
liquidity = {{ sse = "ETH", websocket = "ETH-USD", rest = "ETH" }}
[feeds.liquidity]
dialect = "liquidity"
book_depth = 1000
transports = ["%s"]
"""

MINE = "trade:BTC-USD,book:BTC-USD"
"""What those hold that stay."""

THEIRS = "trade:BTC-USD,trade:ETH-USD,book:ETH-USD"
"""What those hold that leave: some of it nobody else holds."""


# ── those that stay: clients that we did not write, one on each transport ──


class Staying:
    """Four clients of `MINE`, and all they were sent."""

    def __init__(self, port: int, folder) -> None:
        self.url = f"127.0.0.1:{port}"
        self.polling = trio.Lock()  # held by a test that counts: no poll is then on its way
        self._folder = folder
        self._taken: dict[str, list] = {"websocket": [], "poll": []}
        self._outputs: dict[str, BinaryIO] = {}
        self._rest: dict[str, bytes] = {}

    @contextmanager
    def curls(self):
        with ExitStack() as stack:
            for name, option in (("sse", "--http1.1"), ("sse over http2", "--http2-prior-knowledge")):
                url, path = f"http://{self.url}/v1/stream?subscribe={MINE}", self._folder / name
                output = stack.enter_context(path.open("wb"))
                process = subprocess.Popen(["curl", "-sN", option, url], stdout=output)
                stack.callback(process.wait)
                stack.callback(process.kill)
                self._outputs[name] = stack.enter_context(path.open("rb"))
                self._taken[name], self._rest[name] = [], b""
            yield

    async def follow(self, *, task_status=trio.TASK_STATUS_IGNORED):
        async with connect(f"ws://{self.url}/v1/ws", max_size=None, proxy=None) as opened:
            await opened.send(json.dumps({"op": "subscribe", "topics": MINE.split(",")}))
            task_status.started()
            async for message in opened:
                self._taken["websocket"].append(json.loads(message))

    async def poll(self, *, task_status=trio.TASK_STATUS_IGNORED):
        async with httpx2.AsyncClient(base_url=f"http://{self.url}", trust_env=False) as client:
            question = {"subscribe": "trade:BTC-USD"}
            while True:
                async with self.polling:
                    page = (await client.get("/v1/poll", params=question, timeout=30)).json()
                self._taken["poll"] += page["events"]
                question |= {"after": page["cursor"], "wait": "1"}
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                await trio.lowlevel.checkpoint()

    def taken(self):
        """Everything each was sent, by client; what curl has not finished writing comes the next time."""
        for name, output in self._outputs.items():
            *whole, self._rest[name] = (self._rest[name] + output.read()).split(b"\n\n")
            data = (line for message in whole for line in message.split(b"\n") if line.startswith(b"data: "))
            self._taken[name] += [json.loads(line.removeprefix(b"data: ")) for line in data]
        return self._taken

    def trades(self, name):
        return [int(event["size"]) for event in self._taken[name] if event["type"] == "trade"]

    def last_trades(self):
        return [max(self.trades(name), default=0) for name in self.taken()]

    async def reach(self, number):
        """Wait until each has seen this trade."""
        while min(self.last_trades()) < number:  # noqa: ASYNC110 - what curl has written announces itself to nobody
            await trio.sleep(0.1)


@asynccontextmanager
async def staying(pair: Pair, folder):
    """Have four clients that stay; when the block ends they must have missed nothing, up to then and a bit beyond."""
    clients = Staying(pair.port, folder)
    async with trio.open_nursery() as nursery:
        with clients.curls():
            await nursery.start(clients.follow)
            await nursery.start(clients.poll)
            await clients.reach(1)
            yield clients
            await clients.reach(max(clients.last_trades()) + 1)
            for name, events in clients.taken().items():
                assert_nothing_missed(name, clients.trades(name), events)
        nursery.cancel_scope.cancel()


def assert_nothing_missed(name, trades, events):
    assert trades == list(range(trades[0], trades[-1] + 1)), name
    kinds = Counter(event["type"] for event in events)
    assert not kinds.keys() & {"gap", "goaway", "problem"}, (name, kinds)
    assert kinds["stream"] == (0 if name == "poll" else 1)
    sequence = None
    for event in events:
        if event["type"] == "book_delta":
            assert event["prev_sequence"] == sequence, name
        if event["type"] in ("book_delta", "book_snapshot"):
            sequence = event["sequence"]


# ── those that go ──


async def dial(pair: Pair, request: bytes, receive_buffer: int | None = None) -> trio.SocketStream:
    sock = trio.socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await sock.connect(("127.0.0.1", pair.port))
    stream = trio.SocketStream(sock)
    await stream.send_all(request)
    return stream


async def read_until(stream: trio.SocketStream, mark: bytes) -> None:
    seen = b""
    while mark not in seen:
        more = await stream.receive_some(4096)
        assert more, seen
        seen += more


SSE_REQUEST = b"GET /v1/stream?subscribe=%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


def text_frame(text: bytes) -> bytes:
    """A client's frame, masked with zeros."""
    return b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text


async def open_sse(pair, topics=THEIRS, **options):
    stream = await dial(pair, SSE_REQUEST % topics.encode(), **options)
    await read_until(stream, b"event: stream")
    return stream


async def open_websocket(pair, topics=THEIRS, **options):
    stream = await dial(pair, UPGRADE, **options)
    await read_until(stream, b"\r\n\r\n")
    await stream.send_all(text_frame(json.dumps({"op": "subscribe", "topics": topics.split(",")}).encode()))
    await read_until(stream, b'"ok"')
    return stream


async def open_poll(pair):
    cursor = pair.bridge.house.hub.cursor()
    path = f"/v1/poll?subscribe=trade:QUIET&after={cursor}&wait=25"
    return await dial(pair, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


async def open_http2(pair, receive_buffer=None, **options):
    client = Http2Client(await dial(pair, b"", receive_buffer), **options)
    await client.start()
    await client.until(h2.events.RemoteSettingsChanged)
    return client


async def open_streams(client: Http2Client, count: int, topics: str = THEIRS) -> list[int]:
    numbers = [await client.request(get(f"/v1/stream?subscribe={topics}".encode())) for _ in range(count)]
    for number in numbers:
        await client.until(h2.events.DataReceived, number)
    return numbers


async def say_fin(stream):
    stream.socket.shutdown(socket.SHUT_WR)


async def say_rst(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def reset_streams(client, numbers):
    for number in numbers:
        client.connection.reset_stream(number)
    await client.flush()


class Count:
    """What is there now, on the bridge and on its vendor."""

    def __init__(self, pair: Pair) -> None:
        house, hub = pair.bridge.house, pair.bridge.house.hub.statistics()
        seats = house.admission.statistics().taken
        self.theirs = {
            "tasks": census(pair.server),
            "streams listed": len(house.connections),
            "subscriptions": hub.subscriptions,
            "seats": {transport: seats.get(transport, 0) for transport in Transport},
            "connections": pair.bridge.listening.statistics().connections.connections,
        }
        self.upstream = {
            "interests": hub.interests,
            "wanted of the feed": pair.wanted(),
            "feed's connections": len(pair.bridge.feeds["liquidity"].statistics().connections),
            "subscribed at the vendor": pair.subscribed(),
            "streams at the vendor": len(pair.vendor.house.connections),
        }
        self.all_tasks = census(pair.root)


async def counted(pair, clients):
    """Count while no poll is on its way, and none has just been."""
    async with clients.polling:
        await trio.sleep(0.2)
        return Count(pair)


async def until(condition):
    while not condition():  # noqa: ASYNC110 - it is counted from outside, and what is counted tells nobody
        await trio.sleep(0.01)


async def comes_back(pair, before, part, seconds):
    """Wait until this part of the count is what it was before, at most so many seconds."""
    with trio.move_on_after(seconds):
        await until(lambda: getattr(Count(pair), part) == getattr(before, part))
    now, then = getattr(Count(pair), part), getattr(before, part)
    assert {name: (now[name], then[name]) for name in then if now[name] != then[name]} == {}


async def fifty_of_each(pair, stack, connections):
    """Open 50 event streams, 50 HTTP/2 streams (ten on each connection), 50 WebSockets and 50 long polls."""
    plain = []
    for open_one in (open_sse, open_websocket, open_poll):
        for _ in range(50):
            plain.append(await open_one(pair))
            stack.push_async_callback(trio.aclose_forcefully, plain[-1])
    numbers = {client: await open_streams(client, 10) for client in connections}
    await until(lambda: pair.bridge.house.admission.statistics().taken.get(Transport.POLLING, 0) >= 50)
    return plain, numbers


@pytest.mark.parametrize("manner", ["fin", "rst", "http2 reset"])
async def test_two_hundred_clients_that_vanish_at_once_leave_nothing(manner, tmp_path):
    with trio.fail_after(60):
        async with (
            paired(CONFIG % "sse", LoudTape(["BTC-USD", "ETH-USD"], levels=5, per_second=10)) as pair,
            staying(pair, tmp_path) as clients,
            AsyncExitStack() as stack,
        ):
            connections = []
            opened_before = manner == "http2 reset"  # the streams go, their connections stay
            if opened_before:
                connections = [await open_http2(pair) for _ in range(5)]
            before = await counted(pair, clients)
            if not opened_before:
                connections = [await open_http2(pair) for _ in range(5)]
            for client in connections:
                stack.push_async_callback(trio.aclose_forcefully, client.stream)
            plain, numbers = await fifty_of_each(pair, stack, connections)
            during = Count(pair)
            assert during.theirs["streams listed"] == before.theirs["streams listed"] + 150
            assert (
                during.theirs["subscriptions"] >= before.theirs["subscriptions"] + 200
            )  # a waiting poll has one as well
            assert during.upstream["wanted of the feed"] == before.upstream["wanted of the feed"] + 3
            assert during.theirs["seats"][Transport.POLLING] >= 50

            go = say_fin if manner == "fin" else say_rst
            async with clients.polling:
                for stream in plain:
                    await go(stream)
                for client in connections:
                    await (reset_streams(client, numbers[client]) if opened_before else go(client.stream))
                gone_at = trio.current_time()
                await comes_back(pair, before, "theirs", A_SECOND_MORE)
            async with clients.polling:
                left = gone_at + LINGER_SECONDS + A_SECOND_MORE - trio.current_time()
                await comes_back(pair, before, "upstream", left)
                await until(
                    lambda: not Count(pair).all_tasks - before.all_tasks
                )  # what compares two connections ends later
            assert pair.bridge.listening.statistics().connections.contained == 0


# ── those that stop reading ──


async def stalled(pair, stack, transport):
    """Open one stream that is never read again."""
    if transport == "http2 window":  # reads the socket, but opens no window
        client = await open_http2(pair, acknowledge=False)
        await open_streams(client, 1, MINE)
        stack.push_async_callback(trio.aclose_forcefully, client.stream)
    elif transport == "http2 socket":
        client = await open_http2(pair, window=2**30, receive_buffer=8192)
        client.connection.increment_flow_control_window(2**30)
        await open_streams(client, 1, MINE)
        stack.push_async_callback(trio.aclose_forcefully, client.stream)
    else:
        opened = await (open_sse if transport == "sse" else open_websocket)(pair, MINE, receive_buffer=8192)
        stack.push_async_callback(trio.aclose_forcefully, opened)


async def test_clients_that_stop_reading_are_gone_within_the_write_deadline(tmp_path):
    with trio.fail_after(60):
        async with (
            paired(CONFIG % "websocket", LoudTape(["BTC-USD"], levels=500, per_second=20)) as pair,
            staying(pair, tmp_path) as clients,
            AsyncExitStack() as stack,
        ):
            before = await counted(pair, clients)
            known = {one.stream for one in pair.bridge.house.connections.statistics()}
            for transport in ("sse", "websocket", "http2 window", "http2 socket"):
                for _ in range(5):
                    await stalled(pair, stack, transport)
            stuck = await seconds_stuck(pair, known)
            assert len(stuck) == 20
            assert max(stuck.values()) <= WRITE_DEADLINE_SECONDS + A_SECOND_MORE
            async with clients.polling:
                await comes_back(pair, before, "theirs", WRITE_DEADLINE_SECONDS + A_SECOND_MORE - max(stuck.values()))
                await comes_back(pair, before, "upstream", A_SECOND_MORE)
                await until(lambda: not Count(pair).all_tasks - before.all_tasks)


async def seconds_stuck(pair, known):
    """Wait until all streams but the known ones are gone; returns for each how long nothing had left for it by then."""
    sent, since, stuck = {}, {}, {}
    while len(stuck) < len(since) or not since:
        now = {
            one.stream: one.sent_bytes for one in pair.bridge.house.connections.statistics() if one.stream not in known
        }
        for name, size in now.items():
            if size != sent.get(name):
                sent[name], since[name] = size, trio.current_time()
        for name in since.keys() - now.keys() - stuck.keys():
            stuck[name] = trio.current_time() - since[name]
        await trio.sleep(0.02)
    return stuck


async def test_http2_stream_that_stalls_does_not_take_the_others_of_its_connection_along(tmp_path):
    with trio.fail_after(60):
        async with (
            paired(CONFIG % "websocket", LoudTape(["BTC-USD"], levels=200, per_second=50)) as pair,
            staying(pair, tmp_path),
        ):
            client = await open_http2(pair, acknowledge=False)
            stalls, lives = await open_streams(client, 2, MINE)
            reset, data = await read_all_but(client, stalls, lives)
            assert reset == stalls
            await client.until(h2.events.DataReceived, lives)
            assert data
            await trio.aclose_forcefully(client.stream)


async def read_all_but(client, stalls, lives):
    """Open windows for the connection and one stream until the other is reset; returns which was, and what came."""
    data = 0
    while True:
        for event in await client.read():
            match event:
                case h2.events.DataReceived(stream_id=number, flow_controlled_length=length):
                    client.connection.increment_flow_control_window(length)
                    if number == lives:
                        data += length
                        client.connection.increment_flow_control_window(length, lives)
                    await client.flush()
                case h2.events.StreamReset(stream_id=number):
                    return number, data
        assert not client.ended
