"""One WebSocket of a vendor, by `trio_websocket`.

Theory of operation: the connection's task (`carry`) holds the library's reader in an inner nursery. Whatever leaves that
reader (a refused handshake, or wsproto's complaint about a ping that met a close) ends there and becomes the connection's
end, never the feed's. The connection's cancel scope ends task, reader and stream in one stroke, because the library by itself
leaves the stream open, and its reader waiting, after an oversize message or a broken frame.
"""

import urllib.parse
from contextlib import suppress

import msgspec
import trio
import trio_websocket
from wsproto.utilities import LocalProtocolError

from bridge.clock import Clock
from bridge.dialects.contract import Frame, HttpRequest
from bridge.errors import BridgeError, TransportLost, VendorProtocolError
from bridge.upstream.changes import first_of
from bridge.upstream.network.answer import CLOSE_SECONDS
from bridge.upstream.network.faults import words
from bridge.upstream.network.line import Line
from bridge.upstream.network.refusals import without_secrets
from bridge.upstream.network.route import host_header
from bridge.upstream.network.silence import WentMute

SEND_SECONDS = 10.0
"""A vendor that does not take a subscribe for so long does not read."""

QUEUED_MESSAGES = 256
"""Messages that may wait for the session; then the socket fills and the vendor is slowed."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A full book of 5,000 levels a side has about 0.5 MB; this only stops a runaway."""

_CLOSED = (trio_websocket.ConnectionClosed, LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError)
_NO_CLOSE_FRAME = 1006
_PROTOCOL_CODES = (1002, 1007)
_TOO_BIG_CODE = 1009
_TOO_BIG = "Exceeded maximum message size"  # how `trio_websocket` words its own close 1009


class WebSocketTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor's profile says of its WebSocket.

    Attributes:
        read_timeout_seconds: silence after which a connection counts as dead.
        pong_seconds: how long to wait for a pong.
        max_message_bytes: the bound on one message.
    """

    read_timeout_seconds: float
    pong_seconds: float = 10
    max_message_bytes: int = MAX_MESSAGE_BYTES


class WebSocketConnection:
    """One WebSocket; satisfies `upstream.contract.Connection`. Any frame of data is handed out, text or binary.

    Attributes:
        last_event_id: always None.
        close_code: what the vendor's close frame said; None before, or without one.
        carried: whether the upgrade was accepted.
        fault: what ended the reader out of turn; None when nothing did.

    Args:
        line: the stream, owned from now on.
        peer: `host:port`, for sentences.
        clock: stamps frames as they are handed out.
        terms: the vendor's.
    """

    def __init__(self, line: Line, peer: str, clock: Clock, terms: WebSocketTerms) -> None:
        self.last_event_id: str | None = None
        self.close_code: int | None = None
        self.carried = False
        self.fault: BaseException | None = None
        self._line = line
        self._peer = peer
        self._clock = clock
        self._terms = terms
        self._scope = trio.CancelScope()
        self._unread = trio.Event()
        self._alive_at = trio.current_time()
        self._lost: str | None = None

    @property
    def heard_at(self) -> float:
        """When bytes last came, or a message that had waited was taken; Trio's time."""
        return max(self._line.heard_at, self._alive_at)

    @property
    def silence_seconds(self) -> float:
        """See the contract."""
        return self._terms.read_timeout_seconds

    async def carry(self, request: HttpRequest, *, task_status: trio.TaskStatus[None]) -> None:
        """Open the WebSocket and hold its reader until the end; reports started either way. Only `Cancelled` leaves it."""
        parts = urllib.parse.urlsplit(request.url)
        headers = [(name.encode(), value.encode()) for name, value in (*request.headers, ("user-agent", "feedbridge"))]
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._socket = await trio_websocket.wrap_client_stream(
                        nursery,
                        self._line,  # type: ignore[arg-type]  # annotated narrower than what it is used as: any Stream
                        host_header(request.url),
                        urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, "")),
                        extra_headers=headers,
                        message_queue_size=QUEUED_MESSAGES,
                        max_message_size=self._terms.max_message_bytes,
                        receive_buffer_size=None,
                    )
                    self._line.accept()
                    self.carried = True
                    task_status.started()
        except* Exception as group:  # noqa: BLE001 - the library leaks other libraries' errors; here is where they end
            self.fault = group
        finally:
            self._unread.set()
            await trio.aclose_forcefully(self._line)
        if not self.carried:
            task_status.started()

    def cut(self) -> None:
        """End task, reader and stream now, without a word to the vendor."""
        self._scope.cancel()

    async def receive(self) -> Frame | None:
        """Return the next message; see the contract."""
        if self._lost is not None:
            raise TransportLost(f"{self._peer}: {self._lost}")
        try:
            message = await self._socket.get_message()
        except trio_websocket.ConnectionClosed as error:
            raise self._ended(error.reason) from error
        self._alive_at = trio.current_time()
        return Frame(data=message.encode() if isinstance(message, str) else message, ts_recv=self._clock())

    async def send(self, text: bytes) -> None:
        """Send a text message within `SEND_SECONDS`; see the contract."""
        try:
            with trio.fail_after(SEND_SECONDS):
                await self._socket.send_message(text.decode())
        except trio.TooSlowError as error:
            raise TransportLost(f"{self._peer}: the vendor stopped reading") from error
        except _CLOSED as error:
            raise TransportLost(f"{self._peer}: {self._why()}") from error

    async def ping(self) -> None:
        """Send a ping and return when its pong has come; see the contract."""
        try:
            with trio.fail_after(self._terms.pong_seconds):
                await self._socket.ping()
        except trio.TooSlowError as error:
            raise WentMute(f"{self._peer}: no pong within {self._terms.pong_seconds:g} s") from error
        except _CLOSED as error:
            raise TransportLost(f"{self._peer}: {self._why()}") from error

    async def aclose(self) -> None:
        """Say goodbye and close within `answer.CLOSE_SECONDS`; never raises, safe to repeat, also under cancellation."""
        self._lost = self._lost or "closed on this side"
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await first_of(self._say_goodbye, self._unread.wait)  # when nobody reads any more, no answer will be heard
            await trio.aclose_forcefully(self._line)
        self._scope.cancel()

    async def _say_goodbye(self) -> None:
        with suppress(*_CLOSED):  # it was closing already, which is what we want
            await self._socket.aclose()

    def __repr__(self) -> str:
        return f"<WebSocketConnection {self._peer} {self._why()}, {self._line.received_bytes} bytes>"

    def _why(self) -> str:
        """How it ended, as far as is known now."""
        if self._lost is None and self._socket.closed is None:
            return "open"
        return self._lost or self._line.ended or "closing"

    def _ended(self, reason: trio_websocket.CloseReason | None) -> BridgeError:
        """Judge a connection that ended while we were receiving; whatever the verdict, it is cut and stays lost."""
        self.cut()
        if self._lost is not None:
            return TransportLost(f"{self._peer}: {self._lost}")
        complaint = self._complaint(reason)
        if complaint is not None:
            self._lost = complaint
            return VendorProtocolError(complaint)
        if reason is None or reason.code == _NO_CLOSE_FRAME:
            self._lost = self._line.ended or (words(self.fault) if self.fault else "closed on this side")
        else:
            self.close_code = reason.code
            said = without_secrets(f"{reason.code} {reason.reason or ''}".rstrip(), ())
            self._lost = f"the vendor closed the WebSocket: {said}"
        return TransportLost(f"{self._peer}: {self._lost}")

    def _complaint(self, reason: trio_websocket.CloseReason | None) -> str | None:
        """Return what the vendor did wrong, in words. The library reports its own verdict as if the vendor had closed."""
        if reason is None:
            return None
        said = reason.reason or ""
        if reason.code == _TOO_BIG_CODE and said.startswith(_TOO_BIG):
            return f"a message of more than {self._terms.max_message_bytes} bytes"
        if reason.code in _PROTOCOL_CODES and not self._line.said_goodbye:
            return f"it broke the WebSocket protocol: {said}"
        return None
