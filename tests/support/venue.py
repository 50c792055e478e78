"""A vendor whose every word is numbered (`market`), on a real socket: Liquidity's SSE, WebSocket and REST, TradingView's SSE,
WebSocket and token. It imports nothing of ours.

What it says goes to whoever has subscribed by then. Each connection has its own queue, so one that stands still holds up
nobody; past `MOST_WAITING` messages it is hung up on, as vendors do.
"""

import json
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import trio

from tests.support.faults import hang_up
from tests.support.market import Market
from tests.support.vendor import EVENT_STREAM, Call, answer, chunk

MOST_WAITING = 2_000
HEARTBEAT_SECONDS = 15.0
REQUEST_SECONDS = 10.0
JSON = "Content-Type: application/json"

Topics = set[tuple[str, str]]


@dataclass(eq=False)
class Listener:
    """One open stream.

    Attributes:
        topics: (kind, instrument) of what was subscribed; orders go to all of Liquidity's event streams.
        spell: how a fact is told on it.
        orders: whether orders are told.
    """

    spell: Callable[[str, str], bytes]
    orders: bool = False
    topics: Topics = field(default_factory=set)
    queue: trio.MemorySendChannel[bytes] | None = None

    def tell(self, message: bytes) -> None:
        """Queue a message, or hang up."""
        assert self.queue is not None
        try:
            self.queue.send_nowait(message)
        except trio.WouldBlock:
            self.queue.close()
        except trio.ClosedResourceError:
            pass


class Venue:
    """Made by `open_venue`.

    Attributes:
        port: where it listens on 127.0.0.1.
        market: what it has said.
        requests: how often each path was asked for.
        quiet: whether its event streams have no heartbeats, which Liquidity's page does not promise.
    """

    def __init__(self, port: int, market: Market) -> None:
        self.port = port
        self.market = market
        self.requests: Counter[str] = Counter()
        self.quiet = False
        self._listeners: set[Listener] = set()

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    def subscribed(self) -> Counter[tuple[str, str]]:
        """How often each topic is subscribed."""
        return Counter(topic for listener in self._listeners for topic in listener.topics)

    def say(self, kind: str, instrument: str) -> int:
        """Say the next trade, book, quote or order; return its number."""
        number = self.market.next(kind, instrument)
        for listener in list(self._listeners):
            if (kind, instrument) in listener.topics or (kind == "order" and listener.orders):
                listener.tell(listener.spell(kind, instrument))
        return number

    async def serve(self, call: Call) -> None:
        """Serve one connection, by its path."""
        path = urlsplit(call.target).path
        self.requests[path] += 1
        query = parse_qs(urlsplit(call.target).query)
        if path == "/api/realtime":
            await self._liquidity_stream(call, query.get("subscribe", [""])[0])
        elif path == "/sse/stream":
            await self._tradingview_stream(call, query["symbols"][0])
        elif path == "/ws":
            await (self._tradingview_socket(call) if "token" in query else self._liquidity_socket(call))
        elif path == "/api/token/generate":
            token = {"success": True, "token": "a-token-of-the-venue", "expiresAt": 4_102_444_800_000}
            await call.send(answer("200 OK", json.dumps(token).encode(), JSON))
        elif found := re.fullmatch(r"/v1/assets/([^/]+)/(quote|book)", path):
            await call.send(answer("200 OK", self.market.liquidity_object(found[2], found[1]), JSON))
        else:
            await call.send(answer("404 Not Found", b'{"data":{},"message":"no such thing","status":404}', JSON))

    # ── event streams ──
    async def _liquidity_stream(self, call: Call, subscribe: str) -> None:
        market = self.market
        pairs = [item.partition(":") for item in subscribe.split(",") if item]
        listener = Listener(market.liquidity_event, orders=True, topics={(kind, name) for kind, _, name in pairs})
        first = [b'event: CONNECT\ndata: {"clientId":"numbered"}\n\n']
        first += [market.liquidity_event(kind, name) for kind, _, name in pairs if kind in {"book", "quote"}]
        await self._stream(call, listener, first)

    async def _tradingview_stream(self, call: Call, symbols: str) -> None:
        def spell(_: str, instrument: str) -> bytes:
            return b"data: %b\n\n" % self.market.tradingview_message(instrument)

        names = symbols.split(",")
        hello = {"type": "connected", "clientId": "sse_1", "symbols": names, "timestamp": 1}
        first = [b"data: %b\n\n" % json.dumps(hello).encode(), *(spell("quote", name) for name in names)]
        await self._stream(call, Listener(spell, topics={("quote", name) for name in names}), first)

    async def _stream(self, call: Call, listener: Listener, first: list[bytes]) -> None:
        await call.send(EVENT_STREAM)
        async with self._open(listener) as messages, trio.open_nursery() as nursery:

            async def leave() -> None:
                await call.until_client_leaves()
                nursery.cancel_scope.cancel()

            nursery.start_soon(leave)
            for message in first:
                await call.send(chunk(message))
            while True:
                message = b""
                with trio.move_on_after(HEARTBEAT_SECONDS):
                    message = await messages.receive()
                if message or not self.quiet:
                    await call.send(chunk(message or b":\n\n"))

    # ── WebSockets ──
    async def _liquidity_socket(self, call: Call) -> None:
        kinds = {"orderbook": "book", "trades": "trade"}
        listener = Listener(self.market.liquidity_message)

        def hear(message: dict[str, str]) -> None:
            topic = (kinds[message["channel"]], message["symbol"])
            if message["type"] == "unsubscribe":
                listener.topics.discard(topic)
                return
            listener.topics.add(topic)
            if topic[0] == "book":
                listener.tell(self.market.liquidity_message(*topic, whole=True))

        await self._converse(call, listener, hear)

    async def _tradingview_socket(self, call: Call) -> None:
        listener = Listener(lambda _, instrument: self.market.tradingview_message(instrument))

        def hear(message: dict[str, str]) -> None:
            match message["action"]:
                case "ping":
                    listener.tell(b'{"type":"pong","timestamp":1}')
                case "subscribe_quote":
                    names = message["symbols"]
                    said = {"type": "quote_subscribed", "id": message["id"], "symbols": names, "timestamp": 1}
                    listener.tell(json.dumps(said).encode())
                    for name in names:
                        listener.topics.add(("quote", name))
                        listener.tell(self.market.tradingview_message(name))

        listener.topics = set()
        await self._converse(call, listener, hear, b'{"type":"connected","clientId":"ws_1","timestamp":1}')

    async def _converse(
        self, call: Call, listener: Listener, hear: Callable[[dict[str, str]], None], *first: bytes
    ) -> None:
        await call.accept()
        async with self._open(listener) as messages, trio.open_nursery() as nursery:

            async def listen() -> None:
                with suppress(EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
                    while True:
                        hear(json.loads(await call.heard()))
                nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            for message in first:
                await call.say(message)
            async for message in messages:
                await call.say(message)
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _open(self, listener: Listener) -> AsyncIterator[trio.MemoryReceiveChannel[bytes]]:
        listener.queue, messages = trio.open_memory_channel[bytes](MOST_WAITING)
        self._listeners.add(listener)
        try:
            yield messages
        finally:
            self._listeners.discard(listener)


class OneAtATime(Call):
    """A connection on which a pong and a message may be sent by two tasks."""

    def __init__(self, stream: trio.abc.Stream, transport: trio.SocketStream) -> None:
        super().__init__(stream, transport)
        self._turn = trio.Lock()

    async def send(self, raw: bytes) -> None:
        """Send when it is our turn."""
        async with self._turn:
            await super().send(raw)


GONE = (EOFError, trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError)
"""How a connection ends."""


@asynccontextmanager
async def open_venue(now: Callable[[], float], tls: ssl.SSLContext | None = None) -> AsyncIterator[Venue]:
    """Listen on a free loopback port until the block ends.

    Args:
        now: seconds since 1970, for what it says.
        tls: None = plain.
    """
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=1_000)
    venue = Venue(listener.socket.getsockname()[1], Market(now))

    async def handle(transport: trio.SocketStream) -> None:
        stream: trio.abc.Stream = transport
        if tls is not None:
            stream = trio.SSLStream(transport, tls, server_side=True, https_compatible=True)
        call = OneAtATime(stream, transport)
        try:
            with trio.move_on_after(REQUEST_SECONDS) as patience:
                await call.read_request()
            if not patience.cancelled_caught:
                await venue.serve(call)
        except GONE:
            pass
        except BaseExceptionGroup as group:
            _, rest = group.split(GONE)
            if rest is not None:
                raise rest from None
        finally:
            hang_up(transport)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield venue
        nursery.cancel_scope.cancel()
