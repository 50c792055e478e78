"""The guard's part 3: a WebSocket on HTTP/1.1.

It differs from Hypercorn's own in this: no permessage-deflate (compressed frames cannot be shared, cost memory for each client,
and a malformed offer raised); a broken or early frame ends the connection with the right close code; an oversized message or a
flood of pings ends it, and the app is told; the app learns the close code that the client gave; a refused handshake leaves
nothing open, and is refused as RFC 6455 §4.2 says: a key that is not 16 bytes in base64, and a version that we do not speak,
with the one that we do.
"""

import base64
import binascii
from typing import Final, cast

import trio
from hypercorn.protocol.events import Body, Data, EndBody, Event, Request, Response, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, FrameTooLargeError, WSStream
from hypercorn.typing import ASGIReceiveEvent
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping
from wsproto.events import Event as WebSocketEvent
from wsproto.frame_protocol import CloseReason

from bridge.downstream.guard.frames import FrameBudget

_VERSION: Final = b"13"
_KEY_BYTES: Final = 16

_NO_STATUS: Final = 1005
"""What an app is told when the client's close frame held no code (RFC 6455 §7.1.5)."""


class GuardedWebSocket(WSStream):
    """Hypercorn's WebSocket stream with the differences above."""

    _client_code: int | None = None
    _pinging: trio.CancelScope | None = None
    _pings: FrameBudget | None = None

    async def handle(self, event: Event) -> None:
        """Take what the connection's protocol says."""
        if self.closed:
            return
        if isinstance(event, Request):
            await super().handle(_cleaned(event))
            if self.closed:  # it was refused: the handshake is not a WebSocket's
                await self._finish()
        elif isinstance(event, (Body, Data)) and not self.handshake.accepted:
            await self._refuse_early_bytes()
        elif isinstance(event, StreamClosed):
            await self._end()
        else:
            await super().handle(event)

    async def _refuse_early_bytes(self) -> None:
        """End it: the client sent frames before the handshake's answer, which RFC 6455 §4.1 forbids."""
        if self.state is ASGIWebsocketState.HANDSHAKE:
            self.state = ASGIWebsocketState.HTTPCLOSED
            await self._send_error_response(400)
        await self._finish()

    async def _send_error_response(self, status_code: int) -> None:
        """Refuse; Hypercorn's own has no word of the version that we speak (RFC 6455 §4.4, RFC 9110 §15.5.22)."""
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        if self.state is ASGIWebsocketState.HANDSHAKE and self.handshake.version not in (None, _VERSION):
            status_code = 426
            headers = [*headers, (b"connection", b"upgrade"), (b"upgrade", b"websocket")]
            headers.append((b"sec-websocket-version", _VERSION))
        await self.send(Response(stream_id=self.stream_id, status_code=status_code, headers=headers))
        await self.send(EndBody(stream_id=self.stream_id))

    async def _finish(self) -> None:
        self.closed = False  # so that our own StreamClosed comes through once more
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _end(self) -> None:
        self.closed = True
        if self._pinging is not None:
            self._pinging.cancel()
        if self.app_put is not None:
            ended_by_us = self.state in {ASGIWebsocketState.HTTPCLOSED, ASGIWebsocketState.CLOSED}
            normal, abnormal = CloseReason.NORMAL_CLOSURE.value, CloseReason.ABNORMAL_CLOSURE.value
            code = self._client_code or (normal if ended_by_us else abnormal)
            await self.app_put(cast("ASGIReceiveEvent", {"type": "websocket.disconnect", "code": code}))

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if self.closed:
                return
            if isinstance(event, CloseConnection):
                await self._on_close(event)
                return
            try:
                await self._on_event(event)
            except FrameTooLargeError:
                await self._fail(CloseReason.MESSAGE_TOO_BIG)
                return

    async def _on_event(self, event: WebSocketEvent) -> None:
        if isinstance(event, Message):
            self.buffer.extend(event)
            if event.message_finished:
                message = self.buffer.to_message()
                self.buffer.clear()
                await self._put(message)
        elif isinstance(event, Ping):
            await self._answer(event)

    async def _answer(self, ping: Ping) -> None:
        """Send the pong, up to as many as an HTTP/2 client may have frames."""
        now = trio.current_time()
        self._pings = self._pings or FrameBudget(now)
        if self._pings.spend(now):
            await self._send_wsproto_event(ping.response())
        else:
            await self._fail(CloseReason.POLICY_VIOLATION)

    async def _put(self, message: dict[str, object]) -> None:
        if self.app_put is not None and self.state is ASGIWebsocketState.CONNECTED:
            await self.app_put(message)

    async def _on_close(self, event: CloseConnection) -> None:
        if self.connection.state is ConnectionState.OPEN:  # not the client's word but wsproto's: the frames are broken
            await self._fail(event.code)
            return
        if self.state is ASGIWebsocketState.CONNECTED:
            self._client_code = int(event.code) if event.code else _NO_STATUS
        if self.connection.state is ConnectionState.REMOTE_CLOSING:
            await self._send_wsproto_event(event.response())
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _fail(self, code: int) -> None:
        """End it for what the client did (RFC 6455 §7.1.7)."""
        self._client_code = int(code)
        await self._send_wsproto_event(CloseConnection(code=code))
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_pings(self) -> None:
        """Ping at the configured interval until the stream ends; Hypercorn's own sleeps on after the end."""
        with trio.CancelScope() as self._pinging:
            while not self.closed:
                await trio.sleep(self.config.websocket_ping_interval or 0)
                await self._send_wsproto_event(Ping())


def _cleaned(request: Request) -> Request:
    """Take away what is not to be answered: extensions, and a key that is none, without which Hypercorn refuses."""
    keys = [value for name, value in request.headers if name.lower() == b"sec-websocket-key"]
    unwanted = {b"sec-websocket-extensions"}
    if len(keys) != 1 or not _is_key(keys[0]):
        unwanted.add(b"sec-websocket-key")
    return Request(
        stream_id=request.stream_id,
        headers=[(name, value) for name, value in request.headers if name.lower() not in unwanted],
        http_version=request.http_version,
        method=request.method,
        raw_path=request.raw_path,
        state=request.state,
    )


def _is_key(value: bytes) -> bool:
    """Say whether it is 16 bytes in base64 (RFC 6455 §4.2.1)."""
    try:
        return len(base64.b64decode(value, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
