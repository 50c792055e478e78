"""The seam: how the fan-out reaches the socket of a stream that Hypercorn has accepted, past Hypercorn.

Every private attribute of Hypercorn, Trio, h11 and wsproto that the direct way needs is touched here and nowhere else, and
`tests/downstream/outlets/test_seam.py` fails when an upgrade moves one. When the libraries are not the ones this was written
for, or something is not as expected, `direct_path` says None, once with a reason in the log, and the stream is served over ASGI.

Two writers, one socket. Hypercorn writes too (pongs, window updates, ends), always under the connection's `send_lock`; over
TLS what was encrypted also waits for `SSLStream`'s inner lock, which its reader takes too (an answered KeyUpdate). Bytes must
reach the socket in the order in which they were made, so we write only when nobody holds a lock and nothing is left over.
A lock of Trio's is taken without a checkpoint in between, so looking at it is enough.
"""

import importlib.metadata
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any, Final, cast

import h2.exceptions
import h11
import structlog
import trio
from hypercorn.protocol.h11 import H11WSConnection
from wsproto.connection import ConnectionState

from bridge.downstream.guard.connection import CONNECTION_KEY, GuardedConnection
from bridge.downstream.guard.h2 import GuardedH2
from bridge.downstream.guard.h11 import GuardedH11
from bridge.downstream.guard.websocket import GuardedWebSocket

PINNED: Final = {"hypercorn": "0.18.", "trio": "0.35.", "h11": "0.16.", "h2": "4.4.", "wsproto": "1.3."}
"""The releases whose insides are known."""

CHUNKED, BARE = "ChunkedWriter", "Http10Writer"
"""What h11 calls its two ways of framing a body without a length."""

log = structlog.get_logger(__name__)


class DirectPath:
    """One stream's way to the socket under it; several streams of an HTTP/2 connection share the socket.

    Args:
        connection: the connection.
    """

    __slots__ = ("_connection", "_lock", "_socket")

    def __init__(self, connection: GuardedConnection) -> None:
        self._connection = connection
        self._socket = connection.socket
        self._lock = connection.send_lock

    @property
    def busy(self) -> bool:
        """Whether nothing may be written now."""
        return bool(self._socket.rest) or self._lock.locked()

    @property
    def rest_bytes(self) -> int:
        """What is left over of a write, whoever's."""
        return len(self._socket.rest)

    def send(self, data: bytes) -> bool | None:
        """Write at once, keep what the kernel does not take, and return whether all went; None = `busy`, nothing was done.

        Raises:
            BrokenResourceError: the peer is gone.
        """
        socket = self._socket
        return None if socket.rest or self._lock.locked() else socket.send_now(data)

    async def step(self) -> None:
        """Wait until a piece of what is left over has gone, or whoever was writing has written.

        When it returns, whoever called it may write before another stream of the connection gets its turn: two that waited
        for one another's locks would otherwise never find it free.

        Raises:
            BrokenResourceError: the peer is gone.
            ClosedResourceError: we have closed.
        """
        async with self._socket.turn, self._lock:
            await self._socket.send_some()

    def hang_up(self) -> None:
        """Close the connection at once, because its peer takes nothing."""
        self._connection.terms.stalled += 1
        self._connection.hang_up()


class _Tls(DirectPath):
    """The same, encrypted."""

    __slots__ = ("_inner", "_outgoing", "_tls")

    def __init__(self, connection: GuardedConnection) -> None:
        super().__init__(connection)
        stream = cast("trio.SSLStream[Any]", connection.stream)
        self._inner = stream._inner_send_lock  # noqa: SLF001
        self._tls = stream._ssl_object  # noqa: SLF001
        self._outgoing = stream._outgoing  # noqa: SLF001

    @property
    def busy(self) -> bool:
        return bool(self._socket.rest) or self._lock.locked() or self._inner.locked()

    def send(self, data: bytes) -> bool | None:
        if self.busy:
            return None
        try:
            taken = self._tls.write(data)
            while taken < len(data):
                taken += self._tls.write(memoryview(data)[taken:])
        except ssl.SSLError as error:
            raise trio.BrokenResourceError from error
        return self._socket.send_now(self._outgoing.read())

    async def step(self) -> None:
        async with self._socket.turn, self._lock, self._inner:
            await self._socket.send_some()


class EventStreamPath:
    """The way of an HTTP/1 response.

    Attributes:
        socket: the way to the socket.
        chunked: how the response is framed: in chunks, or (HTTP/1.0) bare, its end being the connection's.
    """

    __slots__ = ("chunked", "socket")

    def __init__(self, socket: DirectPath, *, chunked: bool) -> None:
        self.socket = socket
        self.chunked = chunked


class WebSocketPath:
    """The way of a WebSocket.

    Attributes:
        socket: the way to the socket.
    """

    __slots__ = ("_stream", "socket")

    def __init__(self, socket: DirectPath, stream: GuardedWebSocket) -> None:
        self.socket = socket
        self._stream = stream

    @property
    def open(self) -> bool:
        """Whether no close frame was sent or received yet."""
        return self._stream.connection.state is ConnectionState.OPEN


class Http2Path:
    """The way of an HTTP/2 response, through the connection's own state machine, so that its windows stay true.

    Attributes:
        socket: the way to the socket.
    """

    __slots__ = ("_connection", "_protocol", "_stream_id", "socket")

    def __init__(self, socket: DirectPath, protocol: GuardedH2, stream_id: int) -> None:
        self.socket = socket
        self._protocol = protocol
        self._connection = protocol.connection
        self._stream_id = stream_id

    def room(self) -> int:
        """Return how many bytes the next DATA frame may have; 0 = the client's window is shut, or the stream has ended."""
        connection = self._connection
        try:
            window = connection.local_flow_control_window(self._stream_id)
        except h2.exceptions.ProtocolError:
            return 0
        return max(0, min(window, connection.max_outbound_frame_size))

    def add(self, data: bytes) -> None:
        """Make a DATA frame of at most `room` bytes; it goes with the next `send`.

        Raises:
            BrokenResourceError: the stream has ended.
        """
        try:
            self._connection.send_data(self._stream_id, data)
        except h2.exceptions.ProtocolError as error:
            raise trio.BrokenResourceError from error

    def send(self) -> bool:
        """Write the frames made and return whether all went; only while the socket is not `busy`.

        Raises:
            BrokenResourceError: the peer is gone.
        """
        return bool(self.socket.send(self._connection.data_to_send()))

    def on_room(self, call: Callable[[], None] | None) -> None:
        """Have something called whenever a window may have grown; None = no more."""
        if call is None:
            self._protocol.on_window.pop(self._stream_id, None)
        else:
            self._protocol.on_window[self._stream_id] = call

    async def reset(self) -> None:
        """End the stream because its client takes nothing; others of the connection live on."""
        await self._protocol.give_up(self._stream_id)


def direct_path(scope: Any) -> EventStreamPath | WebSocketPath | Http2Path | None:  # noqa: ANN401 - ASGI's
    """Return the way to the socket of a response that has begun; None = over ASGI only.

    Args:
        scope: the request's ASGI scope.
    """
    connection = scope.get("state", {}).get(CONNECTION_KEY)
    if not isinstance(connection, GuardedConnection) or not _known():
        return None
    try:
        return _path(connection, scope)
    except AttributeError as error:
        _warn(str(error))
        return None


def _path(connection: GuardedConnection, scope: Any) -> EventStreamPath | WebSocketPath | Http2Path | None:  # noqa: ANN401
    socket = (_Tls if isinstance(connection.stream, trio.SSLStream) else DirectPath)(connection)
    protocol = connection.protocol.protocol
    if isinstance(protocol, GuardedH2):
        state = scope["state"]  # a dict of each request's own, also where the scope was copied
        found = [key for key, stream in protocol.streams.items() if stream.scope["state"] is state]
        return Http2Path(socket, protocol, found[0]) if found else None
    if not isinstance(protocol, GuardedH11):
        return None
    if isinstance(protocol.connection, H11WSConnection):
        stream = protocol.stream
        return WebSocketPath(socket, stream) if isinstance(stream, GuardedWebSocket) else None
    if protocol.connection.our_state is not h11.SEND_BODY:
        return None
    framing = type(protocol.connection._writer).__name__  # noqa: SLF001
    return EventStreamPath(socket, chunked=framing == CHUNKED) if framing in {CHUNKED, BARE} else None


@cache
def _warn(reason: str) -> None:
    """Log it once."""
    log.warning("no_direct_path", reason=reason)


@cache
def _known() -> bool:
    """Whether the libraries are those whose insides are known."""
    other = {
        name: version
        for name, release in PINNED.items()
        if not (version := importlib.metadata.version(name)).startswith(release)
    }
    if other:
        _warn(f"not the releases that it was written for: {other}")
    return not other
