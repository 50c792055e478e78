"""SIGTERM while a thousand streams are open: all get their goodbye inside the window, none is cut, nobody comes back together.

Also the ends that no signal made: of streams that have lived their time.

Server-sent events over HTTP/1.1, WebSockets and HTTP/2 streams at the same time, to a real process. The clients are bare
sockets and the h2 library: they know nothing of our code.
"""

import json
import math
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import h2.events
import trio

from tests.support.clients import curl, eventually
from tests.support.commands import get, running
from tests.support.http2 import Http2Client
from tests.support.http2 import get as request_of
from tests.support.readers import until

EVENT_STREAMS = 500
WEBSOCKETS = 300
HTTP2_CONNECTIONS = 2
STREAMS_EACH = 100
CLIENTS = EVENT_STREAMS + WEBSOCKETS + HTTP2_CONNECTIONS * STREAMS_EACH
DRAIN_SECONDS = 10
LONGEST_WAIT_MS = 6_000
"""The spread for a thousand, as the goodbyes' page has it, and the second before it."""

CONFIG = """
[listen]
bind = ["127.0.0.1:0"]
[auth]
mode = "none"
[limits]
drain_seconds = {drain}
unready_seconds = {unready}
sse_connections_per_user = 0
websocket_connections_per_user = 0
connections_per_address = 0
arrivals_per_address_per_second = 0
[feeds.liquidity]
dialect = "liquidity"
transports = ["websocket"]
url = "{url}"
[instruments."BTC-USD"]
liquidity = {{ sse = "BTC", websocket = "BTC-USD", rest = "BTC" }}
"""
PATH = "/v1/stream?subscribe=trade:BTC-USD"
UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)
SUBSCRIBE = json.dumps({"op": "subscribe", "topics": ["trade:BTC-USD"]}).encode()


@dataclass
class Crowd:
    """What all clients have been told.

    Attributes:
        goodbyes: the last word of each.
        retries: what each event stream was told for its EventSource, last.
        closes: the WebSockets' close codes.
        told_last: of each HTTP/2 connection, whether it was told GOAWAY.
    """

    open: int = 0
    goodbyes: list[dict] = field(default_factory=list)
    retries: list[int] = field(default_factory=list)
    closes: Counter = field(default_factory=Counter)
    told_last: list[bool] = field(default_factory=list)

    def read_event_stream(self, text: str) -> None:
        """Take a whole event stream's text."""
        data = re.findall(r"^data: (.*)$", text, re.MULTILINE)
        self.goodbyes.append(json.loads(data[-1]))
        ids = re.findall(r"^id: (.*)$", text, re.MULTILINE)
        assert ids[-1] == self.goodbyes[-1]["id"] == max(ids, key=lambda one: int(one.rpartition("-")[2]))
        self.retries.append(int(re.findall(r"^retry: (\d+)$", text, re.MULTILINE)[-1]))
        assert self.retries[-1] == self.goodbyes[-1]["retry_after_ms"]


async def dial(port: int) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", port)


async def read_on(stream: trio.SocketStream, seen: bytes, crowd: Crowd, begun: bytes) -> bytes:
    """Read to the end; count as open once `begun` has come."""
    counted = False
    async with stream:
        while data := await stream.receive_some(65_536):
            seen += data
            if not counted and begun in seen:
                counted, crowd.open = True, crowd.open + 1
    return seen


async def event_stream(port: int, crowd: Crowd) -> None:
    stream = await dial(port)
    await stream.send_all(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    raw = await read_on(stream, b"", crowd, b'"verdict"')
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body.endswith(b"\r\n0\r\n\r\n"), "the response ended in order"
    crowd.read_event_stream(unchunked(body).decode())


def unchunked(body: bytes) -> bytes:
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if not (length := int(size, 16)):
            return whole
        whole, body = whole + body[:length], body[length + 2 :]


async def websocket(port: int, crowd: Crowd) -> None:
    stream = await dial(port)
    await stream.send_all(UPGRADE)
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += await stream.receive_some(4_096)
    await stream.send_all(b"\x81" + bytes([0x80 | len(SUBSCRIBE)]) + bytes(4) + SUBSCRIBE)
    raw = await read_on(stream, seen, crowd, b'"verdict"')
    *texts, (opcode, close) = frames(raw.partition(b"\r\n\r\n")[2])
    assert opcode == 8
    crowd.closes[int.from_bytes(close[:2])] += 1
    crowd.goodbyes.append(json.loads([payload for kind, payload in texts if kind == 1][-1]))


def frames(raw: bytes) -> list[tuple[int, bytes]]:
    """Take a server's frames apart (RFC 6455 §5.2); a server does not mask."""
    found = []
    while raw:
        size, start = raw[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(raw[2:start])
        found.append((raw[0] & 15, raw[start : start + size]))
        raw = raw[start + size :]
    return found


async def http2(port: int, crowd: Crowd) -> None:
    """One connection with many streams."""
    client = Http2Client(await dial(port))
    await client.start()
    texts = {await client.request(request_of(PATH.encode())): "" for _ in range(STREAMS_EACH)}
    counted, ended, goaway = set(), set(), False
    while not client.ended:
        await client.read()
        for event in client.events:
            match event:
                case h2.events.DataReceived():
                    texts[event.stream_id] += event.data.decode()
                case h2.events.StreamEnded():
                    ended.add(event.stream_id)
                case h2.events.ConnectionTerminated():
                    goaway = True
                    assert len(ended) == STREAMS_EACH, "not before the last stream's end"
        client.events.clear()
        begun = {number for number, text in texts.items() if '"verdict"' in text}
        crowd.open += len(begun - counted)
        counted |= begun
    await trio.aclose_forcefully(client.stream)
    crowd.told_last.append(goaway)
    for text in texts.values():
        crowd.read_event_stream(text)


KINDS: list[tuple[Callable[[int, Crowd], Awaitable[None]], int]] = [
    (event_stream, EVENT_STREAMS),
    (websocket, WEBSOCKETS),
    (http2, HTTP2_CONNECTIONS),
]


async def until_open(crowd: Crowd, clients: int) -> None:
    await until(lambda: crowd.open >= clients, 120)


async def test_a_thousand_streams_are_told_goodbye_in_time_and_to_come_back_at_different_times(tmp_path):
    with running("simulate", "liquidity", "--anonymous") as party:
        url = party.wait_for(r" at (http\S+)")[1]
        (tmp_path / "bridge.toml").write_text(CONFIG.format(url=url, drain=DRAIN_SECONDS, unready=0))
        with running("serve", "--config", str(tmp_path / "bridge.toml")) as command:
            port = int(command.wait_for(r"serves http://\S+:(\d+)")[1])
            crowd = Crowd()
            with trio.fail_after(240):
                async with trio.open_nursery() as nursery:
                    for client, count in KINDS:
                        for _ in range(count):
                            nursery.start_soon(client, port, crowd)
                    await until_open(crowd, CLIENTS)
                    command.process.send_signal(signal.SIGTERM)
                assert await trio.to_thread.run_sync(command.process.wait, 60) == 0
            line = json.loads(command.wait_for(r'.*"event": "drained".*')[0])
    assert line["cut"] == 0, "nobody was cut at the end of the window"
    assert len(crowd.goodbyes) == CLIENTS
    assert {(word["type"], word["reason"], word["retry"]) for word in crowd.goodbyes} == {
        ("goaway", "going_away", "after")
    }
    assert crowd.closes == {1012: WEBSOCKETS}
    assert crowd.told_last == [True] * HTTP2_CONNECTIONS
    waits = [word["retry_after_ms"] for word in crowd.goodbyes]
    assert 0 < min(waits) <= max(waits) <= LONGEST_WAIT_MS
    by_second = Counter(math.floor(wait / 1_000) for wait in waits)
    assert max(by_second.values()) < 2 * CLIENTS / ((LONGEST_WAIT_MS - 1_000) / 1_000), "no second has twice its share"
    assert len(crowd.retries) == CLIENTS - WEBSOCKETS


async def test_a_connection_whose_last_stream_has_lived_its_time_is_told_goaway_so_that_its_client_comes_anew(tmp_path):
    text = CONFIG.format(url="http://127.0.0.1:9", drain=2, unready=0)
    text = text.replace("[limits]", "[limits]\nconnection_lifetime_seconds = 1")
    (tmp_path / "bridge.toml").write_text(text)
    with running("serve", "--config", str(tmp_path / "bridge.toml")) as command:
        port = int(command.wait_for(r"serves http://\S+:(\d+)")[1])
        crowd = Crowd()
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for client in (event_stream, websocket, http2):
                    nursery.start_soon(client, port, crowd)
        assert crowd.told_last == [True]
        assert crowd.closes == {1012: 1}
        assert len(crowd.goodbyes) == STREAMS_EACH + 2
        assert {(word["reason"], word["retry"]) for word in crowd.goodbyes} == {("going_away", "after")}
        assert max(word["retry_after_ms"] for word in crowd.goodbyes) <= 1_000
        assert curl(f"http://127.0.0.1:{port}/healthz").status == 200
        assert command.stop() == 0


async def test_readiness_goes_off_before_anybody_is_sent_away(tmp_path):
    (tmp_path / "bridge.toml").write_text(CONFIG.format(url="http://127.0.0.1:9", drain=2, unready=600))
    with running("serve", "--config", str(tmp_path / "bridge.toml")) as command:
        url = command.wait_for(r"serves (http\S+)")[1]
        crowd = Crowd()
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(event_stream, int(url.rpartition(":")[2]), crowd)
                await until_open(crowd, 1)
                assert curl(f"{url}/readyz").json["status"] == "ready"
                command.process.send_signal(signal.SIGTERM)
                assert await trio.to_thread.run_sync(eventually, lambda: get(f"{url}/readyz")[0] == 503, 20)
                status, text = await trio.to_thread.run_sync(get, f"{url}/readyz")
                assert (status, json.loads(text)["status"]) == (503, "closing")
                assert json.loads(text)["feeds"][0]["feed"] == "liquidity"
                nursery.start_soon(event_stream, int(url.rpartition(":")[2]), crowd)
                await until_open(crowd, 2)
                assert crowd.goodbyes == [], "who is there stays, and who comes is served"
                nursery.cancel_scope.cancel()
            command.process.send_signal(signal.SIGTERM)
            assert await trio.to_thread.run_sync(command.process.wait, 30) == 0
