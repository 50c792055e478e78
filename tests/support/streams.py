"""A real server over a house in memory, and clients that read its streams with parsers that we did not write.

h11 takes chunks apart, h2 DATA frames, wsproto WebSocket frames, each as strictly as it can: bytes in the wrong place are an
error, not a skipped line. `Follower.events` is what came, in order.
"""

import abc
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h2.events
import h11
import trio
import trustme
import wsproto
import wsproto.events

from bridge.downstream.requests.dispatcher import Dispatcher
from bridge.downstream.server import Listening, serve_app
from bridge.downstream.settings import Certificate, LimitSettings, ListenSettings
from tests.support.asgi import Bench, with_limits
from tests.support.http2 import Http2Client, get
from tests.support.serving import connect, port_of

PATIENCE_SECONDS = 60
"""A bound, not an expectation."""

REFERENCE = (b"x-over", b"asgi")
"""A request with this header is served over ASGI, where a test has installed `only_asgi_when_asked`."""


def only_asgi_when_asked(found: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap `direct_path` so that it knows no way for requests with `REFERENCE`."""
    return lambda scope: None if REFERENCE in [tuple(pair) for pair in scope["headers"]] else found(scope)


@dataclass
class Streaming:
    """A server on the loopback; `authority` signed its certificate."""

    bench: Bench
    listening: Listening
    authority: trustme.CA
    nursery: trio.Nursery
    clients: list[trio.SocketStream] = field(default_factory=list)

    async def connect(self, *, tls: str | None = None, receive_buffer: int | None = None) -> trio.abc.Stream:
        """Open a connection; `tls` is the protocol to agree on."""
        stream = await connect(port_of(self.listening, 0 if tls is None else 1), receive_buffer)
        self.clients.append(stream)
        if tls is None:
            return stream
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        context.set_alpn_protocols([tls])
        secure = trio.SSLStream(stream, context, server_hostname="localhost", https_compatible=True)
        await secure.do_handshake()
        return secure


@asynccontextmanager
async def streaming(folder: Path, limits: LimitSettings | None = None, **bench: Any) -> AsyncIterator[Streaming]:
    """Serve a `Bench` on real sockets, plain and with TLS, for `PATIENCE_SECONDS` at most; ends hard."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    chain, key = folder / "chain.pem", folder / "key.pem"
    leaf.cert_chain_pems[0].write_to_path(chain)
    leaf.private_key_pem.write_to_path(key)
    chosen = limits or with_limits(sse_connections_per_user=0, websocket_connections_per_user=0, drain_seconds=1)
    made = Bench(limits=chosen, **bench)
    listen = ListenSettings(
        bind=("127.0.0.1:0",),
        tls_bind=("127.0.0.1:0",),
        certificates=(Certificate(certificate=str(chain), private_key=str(key)),),
    )
    made.house = replace(made.house, listen=listen)
    with trio.fail_after(PATIENCE_SECONDS):
        async with _served(made) as (listening, nursery):
            served = Streaming(made, listening, authority, nursery)
            try:
                yield served
            finally:
                nursery.cancel_scope.cancel()
                for client in served.clients:
                    client.socket.close()


@asynccontextmanager
async def _served(made: Bench) -> AsyncIterator[tuple[Listening, trio.Nursery]]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.hub.run)

        async def serve(*, task_status: trio.TaskStatus[Listening]) -> None:
            await serve_app(made.house, Dispatcher(made.house), task_status=task_status)

        listening = await nursery.start(serve)
        yield listening, nursery


class Follower(abc.ABC):
    """One client. `opened` is set with its first event, `ended` once its stream has ended in order."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.opened = trio.Event()
        self.ended = trio.Event()

    def of(self, *kinds: str) -> list[Any]:
        return [event for event in self.events if event["type"] in kinds]

    def take(self, event: Any) -> None:
        self.events.append(event)
        self.opened.set()

    @abc.abstractmethod
    async def run(self, stream: trio.abc.Stream, topics: str, *headers: tuple[bytes, bytes]) -> None:
        """Ask, and read until the stream has ended."""


class SseText:
    """Splits an event stream's text into its events' data."""

    def __init__(self, take: Callable[[Any], None]) -> None:
        self._take = take
        self._text = b""

    def feed(self, data: bytes) -> None:
        *blocks, self._text = (self._text + data).split(b"\n\n")
        for block in blocks:
            for line in block.split(b"\n"):
                name, colon, value = line.partition(b":")
                assert colon, line
                assert name in {b"", b"id", b"event", b"data", b"retry"}, line
                if name == b"data":
                    self._take(json.loads(value))

    def end(self) -> None:
        assert self._text == b""


class H1Follower(Follower):
    """HTTP/1.1 or 1.0, by h11."""

    def __init__(self, version: bytes = b"1.1") -> None:
        super().__init__()
        self.version = version
        self.headers: dict[bytes, bytes] = {}

    async def run(self, stream: trio.abc.Stream, topics: str, *headers: tuple[bytes, bytes]) -> None:
        parser = h11.Connection(h11.CLIENT)
        wanted = [(b"host", b"localhost"), *headers]
        request = parser.send(h11.Request(method="GET", target=f"/v1/stream?subscribe={topics}", headers=wanted))
        assert request is not None
        await stream.send_all(
            request.replace(b"HTTP/1.1", b"HTTP/" + self.version, 1) + (parser.send(h11.EndOfMessage()) or b"")
        )
        text = SseText(self.take)
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(bytes(await stream.receive_some(65_536)))
            elif isinstance(event, h11.Response):
                assert event.status_code == 200
                self.headers = dict(event.headers)
            elif isinstance(event, h11.Data):
                text.feed(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
        text.end()
        self.ended.set()


class Http2Follower(Follower):
    """HTTP/2, by h2. `window` is each stream's first; `client` stays for tests that say more."""

    def __init__(self, window: int | None = None) -> None:
        super().__init__()
        self.window = window
        self.client: Http2Client | None = None

    async def run(self, stream: trio.abc.Stream, topics: str, *headers: tuple[bytes, bytes]) -> None:
        client = self.client = Http2Client(stream, window=self.window)
        await client.start()
        stream_id = await client.request(get(f"/v1/stream?subscribe={topics}".encode(), *headers))
        text = SseText(self.take)
        while True:
            event = await client.until(
                (h2.events.DataReceived, h2.events.StreamEnded, h2.events.StreamReset), stream_id
            )
            if isinstance(event, h2.events.DataReceived):
                text.feed(event.data)
            else:
                assert isinstance(event, h2.events.StreamEnded), event
                break
        text.end()
        self.ended.set()


class WebSocketFollower(Follower):
    """WebSocket, by wsproto; `say` sends whatever a test wants, `pongs` is what came back."""

    def __init__(self) -> None:
        super().__init__()
        self.parser = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.text = ""
        self.pongs: list[bytes] = []
        self.closed: int | None = None
        self.stream: trio.abc.Stream | None = None

    async def say(self, event: wsproto.events.Event) -> None:
        assert self.stream is not None
        await self.stream.send_all(self.parser.send(event))

    async def run(self, stream: trio.abc.Stream, topics: str, *headers: tuple[bytes, bytes]) -> None:
        self.stream = stream
        await self.say(wsproto.events.Request(host="localhost", target="/v1/ws", extra_headers=list(headers)))
        while self.closed is None:
            self.parser.receive_data(bytes(await stream.receive_some(65_536)) or None)
            for event in self.parser.events():
                await self._hear(event, topics)
        self.ended.set()

    async def _hear(self, event: wsproto.events.Event, topics: str) -> None:
        match event:
            case wsproto.events.AcceptConnection():
                message = json.dumps({"op": "subscribe", "topics": topics.split(",")})
                await self.say(wsproto.events.TextMessage(data=message))
            case wsproto.events.TextMessage(data=data, message_finished=finished):
                self.text += data
                if finished:
                    self.take(json.loads(self.text))
                    self.text = ""
            case wsproto.events.Ping():
                await self.say(event.response())
            case wsproto.events.Pong(payload=payload):
                self.pongs.append(bytes(payload))
            case wsproto.events.CloseConnection(code=code):
                self.closed = code
            case _:
                raise AssertionError(event)
