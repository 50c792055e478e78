"""The guard's part 3: a WebSocket on HTTP/1.1.

It differs from Hypercorn's own in this: no permessage-deflate (compressed frames cannot be shared, cost memory for each client,
and a malformed offer raised); a broken or early frame ends the connection with the right close code; an oversized message or a
flood of pings ends it, and the app is told; the app learns the close code that the client gave; a refused handshake leaves
nothing open.
"""

from typing import Final, cast

import trio
from hypercorn.protocol.events import Body, Data, Event, Request, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, FrameTooLargeError, WSStream
from hypercorn.typing import ASGIReceiveEvent
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping
from wsproto.events import Event as WebSocketEvent
from wsproto.frame_protocol import CloseReason

from bridge.downstream.guard_frames import FrameBudget

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
            await super().handle(_without_extensions(event))
            if self.closed:  # Hypercorn answered 400: the handshake is not a WebSocket's
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


def _without_extensions(request: Request) -> Request:
    headers = [(name, value) for name, value in request.headers if name.lower() != b"sec-websocket-extensions"]
    return Request(
        stream_id=request.stream_id,
        headers=headers,
        http_version=request.http_version,
        method=request.method,
        raw_path=request.raw_path,
        state=request.state,
    )
