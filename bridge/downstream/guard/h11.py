"""The guard's part 4: HTTP/1.1.

It differs from Hypercorn's own in this: a WebSocket is the guarded one; a pipelined request waits without stopping the reader,
so a client that leaves is still noticed; `Upgrade: h2c` is ignored (HTTP/2 without TLS is spoken by prior knowledge only); what
`target` finds wrong is refused; what comes behind a `Connection: close` is thrown away instead of spoiling the answer; who
is answered before its request has ended is told that its connection ends; a blank line ahead of a request is passed over.
"""

from typing import Any, Final, cast

import h11
import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Body, Data, EndBody, Request, Response
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H2ProtocolAssumedError, H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import HTTPStream

from bridge.downstream.guard.target import as_origin_form, refusal_of
from bridge.downstream.guard.terms import MayErr, always, is_refusal
from bridge.downstream.guard.websocket import GuardedWebSocket
from bridge.errors import SubscriberProtocolError

MAX_PIPELINED_BYTES: Final = 65_536
"""What a client may send ahead of our answer: far more than any browser or proxy does."""


class GuardedH11(H11Protocol):
    """Hypercorn's HTTP/1.1 with the differences above.

    Args:
        arguments: Hypercorn's nine.
        may_err: see `terms.MayErr`.
    """

    def __init__(self, *arguments: Any, may_err: MayErr = always) -> None:  # noqa: ANN401 - handed on
        super().__init__(*arguments)
        self._may_err = may_err
        self._turn = trio.Lock()

    async def stream_send(self, event: StreamEvent) -> None:
        """Take what a stream has for its client; who may err no more, or is answered before its request has ended, is told."""
        if isinstance(event, Response):
            unread = self.connection.their_state is h11.SEND_BODY
            if unread or (is_refusal(event.status_code) and not self._may_err()):
                event.headers.append((b"connection", b"close"))
        await super().stream_send(event)

    async def handle(self, event: Event) -> None:
        """Take what came from the socket."""
        if isinstance(event, RawData):
            if self.connection.their_state is not h11.MUST_CLOSE:
                self.connection.receive_data(event.data)
            await self._proceed()
        else:
            await super().handle(event)

    async def _proceed(self) -> None:
        async with self._turn:  # the reader, or the end of a request whose successor has already come
            await self._handle_events()

    async def _handle_events(self) -> None:
        while True:
            if self.connection.they_are_waiting_for_100_continue:
                await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))
            if self.connection.their_state is h11.MUST_CLOSE:
                return
            self._pass_over_a_blank_line()
            try:
                event = self.connection.next_event()
            except h11.RemoteProtocolError as error:
                error.__traceback__ = None  # h11's own frame in it has the error: a circle
                await self._refuse(error.error_status_hint)
                return
            if not await self._take(event):
                return

    def _pass_over_a_blank_line(self) -> None:
        """Ignore one ahead of a request (RFC 9112 §2.2): some clients send it behind a body."""
        connection = self.connection
        if isinstance(connection, h11.Connection) and connection.their_state is h11.IDLE:
            waiting = connection._receive_buffer  # noqa: SLF001 - see guard
            if bytes(waiting)[:2] == b"\r\n":
                waiting.maybe_extract_at_most(2)

    async def _refuse(self, status: int) -> None:
        if self.connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self._send_error_response(status)
        await self.send(Closed())

    async def _take(self, event: object) -> bool:
        """Handle one event of h11's; False when there is nothing more to do until bytes come or the request ends."""
        if isinstance(event, h11.Request):
            return await self._begin(event)
        if event is h11.PAUSED:
            if len(self.connection.trailing_data[0]) > MAX_PIPELINED_BYTES:
                raise SubscriberProtocolError("too much was sent ahead of the answer")
            return False
        if self.stream is None:
            return False
        if isinstance(event, h11.Data):
            await self.stream.handle(Body(stream_id=STREAM_ID, data=event.data))
        elif isinstance(event, h11.EndOfMessage):
            await self.stream.handle(EndBody(stream_id=STREAM_ID))
        elif isinstance(event, Data):  # a WebSocket's bytes, passed through
            await self.stream.handle(event)
        else:
            return False
        return True

    async def _begin(self, request: h11.Request) -> bool:
        await self._check_protocol(request)  # before it counts as a request: HTTP/2's preface is none
        refusal = refusal_of(request)
        if refusal is not None:
            await self._refuse(refusal)
            return False
        await self.send(Updated(idle=False))
        await self._create_stream(request)
        return True

    async def _maybe_recycle(self) -> None:
        with trio.CancelScope(shield=True):  # an app may be cancelled by its last word: the disconnect that follows
            await super()._maybe_recycle()
        if self.connection.our_state is h11.IDLE and self.connection.trailing_data[0]:
            self.task_group.spawn(self._proceed)

    async def _create_stream(self, request: h11.Request) -> None:
        kind = GuardedWebSocket if _wants_websocket(request) else HTTPStream
        stream = kind(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        self.stream = stream
        if isinstance(stream, GuardedWebSocket):
            self.connection = H11WSConnection(cast("h11.Connection", self.connection))
        target, headers = as_origin_form(request)
        await stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1
        await self.context.mark_request()

    async def _check_protocol(self, event: h11.Request) -> None:
        if event.method == b"PRI" and event.target == b"*" and event.http_version == b"2.0":
            raise H2ProtocolAssumedError(b"PRI * HTTP/2.0\r\n\r\n" + self.connection.trailing_data[0])


def _wants_websocket(request: h11.Request) -> bool:
    headers = dict(request.headers)  # h11 gives lower-case names without surrounding spaces
    tokens = {token.strip().lower() for token in headers.get(b"connection", b"").split(b",")}
    return request.method == b"GET" and b"upgrade" in tokens and headers.get(b"upgrade", b"").lower() == b"websocket"
