"""The guard's part 5: HTTP/2.

It differs from Hypercorn's own in this:

* a stream's buffer is bounded, and what waits for a client's window waits at most the write deadline: then the stream is reset
  (stock: everything is buffered, for ever, because it tests the piece taken instead of what is left);
* a request that it cannot take (CONNECT, no path, no host, bytes that are not ASCII) is answered 400 instead of ending the
  process or the connection; a malformed one ends its stream (stock: the connection), see `request`;
* DATA for a request that was answered already is thrown away, its window given back;
* WebSocket over HTTP/2 (RFC 8441) is not advertised: its close never ended the stream. Browsers then use HTTP/1.1;
* priorities (deprecated by RFC 9113) are ignored;
* a client that has streams reset in masses, by itself (CVE-2023-44487) or by us (CVE-2025-8671), or sends more frames than
  `frames` allows, gets a GOAWAY;
* a response that breaks off is reset (stock: its client waits for ever);
* a draining server refuses new streams as safe to repeat, and says GOAWAY after the last; so is one too many on a connection
  (h2: an error of the connection).
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

import h2.events
import h2.exceptions
import h2.settings
import trio
from h2.errors import ErrorCodes
from hypercorn.events import Closed, RawData, Updated
from hypercorn.events import Event as ConnectionEvent
from hypercorn.protocol.events import Body, Data, Request, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.utils import filter_pseudo_headers
from priority.priority import MissingStreamError

from bridge.downstream.guard.buffer import HIGH_WATER_BYTES, BoundedStreamBuffer, PeerStalledError
from bridge.downstream.guard.frames import CalmConnection, let_go
from bridge.downstream.guard.request import is_malformed, is_readable
from bridge.downstream.guard.terms import MAX_STREAMS, MayErr, always, is_refusal

MAX_RESETS: Final = 200
RESET_WINDOW_SECONDS: Final = 10.0
"""A client that has this many of its streams reset in this time, by itself or for its mistakes, is attacking; a browser closing
all its tabs is far below."""


_OF_USE: Final = (
    h2.events.DataReceived,
    h2.events.StreamEnded,
    h2.events.WindowUpdated,
    h2.events.RemoteSettingsChanged,
    h2.events.ConnectionTerminated,
)
"""What Hypercorn does something for; for the rest it would only write once more."""


class GuardedH2(H2Protocol):
    """Hypercorn's HTTP/2 with the differences above.

    Args:
        arguments: Hypercorn's nine.
        patience_seconds: how long a client may take nothing of a stream.
        stalled: told when one did; its stream is then reset.
        unruly: told when the connection ends because its client asks for too much work.
        may_err: see `terms.MayErr`.
    """

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - handed on
        patience_seconds: float,
        stalled: Callable[[], None],
        unruly: Callable[[], None],
        may_err: MayErr = always,
    ) -> None:
        super().__init__(*arguments)
        self._patience_seconds = patience_seconds
        self._stalled = stalled
        self._unruly = unruly
        self._may_err = may_err
        self._resets: deque[float] = deque(maxlen=MAX_RESETS)
        self.on_window: dict[int, Callable[[], None]] = {}
        let_go(self.connection)  # ours takes its place
        settings = self.connection.local_settings
        del settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL]
        self.connection: CalmConnection = CalmConnection(settings, trio.current_time())

    async def handle(self, event: ConnectionEvent) -> None:
        """Take what came from the socket."""
        if not isinstance(event, RawData):
            await super().handle(event)
            return
        if self.closed:
            return
        self.connection.now = trio.current_time()
        try:
            events = self.connection.receive_data(event.data)
        except h2.exceptions.ProtocolError as error:
            if isinstance(error, h2.exceptions.DenialOfServiceError):
                self._unruly()
            await self._flush()  # the GOAWAY that h2 has made of it
            await self.send(Closed())
        else:
            await self._handle_events(events)

    async def say_goodbye(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Tell the client that the connection ends (GOAWAY)."""
        self.connection.close_connection(code)
        await self._flush()

    async def stream_send(self, event: StreamEvent) -> None:
        """Take what a stream has for its client; a stream whose client takes nothing is reset."""
        if isinstance(event, StreamClosed):
            await self._on_closed(event)
            return
        if isinstance(event, Response) and is_refusal(event.status_code) and not self._may_err():
            await self._end_unruly()
            return
        try:
            for piece in _pieces(event):
                await super().stream_send(piece)
        except PeerStalledError:
            await self.give_up(event.stream_id)

    async def _on_closed(self, event: StreamClosed) -> None:
        with trio.CancelScope(shield=True):  # an app may be cancelled by its last word: the disconnect that follows
            if self._is_unfinished(event.stream_id):
                await self.reset(event.stream_id, ErrorCodes.INTERNAL_ERROR)
            await super().stream_send(event)

    def _is_unfinished(self, stream_id: int) -> bool:
        """Whether the app ended in the middle of its response."""
        buffer = self.stream_buffers.get(stream_id)
        return isinstance(buffer, BoundedStreamBuffer) and not buffer.ended

    async def give_up(self, stream_id: int) -> None:
        """Hang up on a client that takes nothing of a stream: the stream ends, others of its connection live on."""
        self._stalled()
        await self.reset(stream_id, ErrorCodes.CANCEL)

    async def reset(self, stream_id: int, code: ErrorCodes) -> None:
        """End a stream at once; others live on."""
        with trio.CancelScope(shield=True):  # the app, which often is who waits here, ends on the way
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self.connection.reset_stream(stream_id, code)
            buffer = self._forget(stream_id)
            if buffer is not None:
                await buffer.close()
            await self._close_stream(stream_id)
            await self._flush()
            await self.send(Updated(idle=self.idle))

    def _forget(self, stream_id: int) -> StreamBuffer | None:
        with contextlib.suppress(MissingStreamError):
            self.priority.remove_stream(stream_id)
        return self.stream_buffers.pop(stream_id, None)

    async def _send_data(self, stream_id: int) -> None:
        buffer = self.stream_buffers.get(stream_id)
        try:
            await super()._send_data(stream_id)
        except (KeyError, MissingStreamError):  # reset by us while it was being written
            self._forget(stream_id)
        if stream_id not in self.stream_buffers and isinstance(buffer, BoundedStreamBuffer):
            await buffer.finish()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if self.closed:
                return
            if isinstance(event, h2.events.RequestReceived):
                await self._on_request(event)
            elif isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                self.connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                await self._on_reset(event)
            elif isinstance(event, _OF_USE):
                await super()._handle_events([event])
        await self._flush()

    async def _on_request(self, event: h2.events.RequestReceived) -> None:
        ending, full = self.context.terminated.is_set(), len(self.streams) >= MAX_STREAMS
        readable = is_readable(event.headers)
        malformed = readable and is_malformed(event.headers)
        if readable and not (ending or full or malformed):
            await self._create_stream(event)
            await self.send(Updated(idle=False))
            return
        with contextlib.suppress(h2.exceptions.ProtocolError):  # what came right behind it may have reset it
            if ending or full:
                self.connection.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
            elif malformed:
                self.connection.reset_stream(event.stream_id, ErrorCodes.PROTOCOL_ERROR)
            else:
                self.connection.send_headers(event.stream_id, [(b":status", b"400")], end_stream=True)
            if full or malformed:
                await self._count_reset()

    async def _on_reset(self, event: h2.events.StreamReset) -> None:
        await super()._handle_events([event])
        await self._count_reset()
        if not self.closed:
            await self.send(Updated(idle=self.idle))

    async def _count_reset(self) -> None:
        """Note that the client had a stream reset, and end the connection when it does so in masses."""
        now = trio.current_time()
        self._resets.append(now)
        if len(self._resets) == MAX_RESETS and now - self._resets[0] < RESET_WINDOW_SECONDS:
            await self._end_unruly()

    async def _end_unruly(self) -> None:
        self._unruly()
        await self.say_goodbye(ErrorCodes.ENHANCE_YOUR_CALM)
        await self.send(Closed())

    async def _window_updated(self, stream_id: int | None) -> None:
        await super()._window_updated(stream_id)
        if stream_id:
            waiting = [self.on_window[stream_id]] if stream_id in self.on_window else []
        else:
            waiting = list(self.on_window.values())
        for call in waiting:
            call()

    async def _priority_updated(self, event: h2.events.PriorityUpdated) -> None:
        """Ignore it: a client could fill the tree with streams that it never opens."""

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        headers = dict(request.headers)
        stream_id = request.stream_id
        stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            stream_id,
        )
        self.streams[stream_id] = stream
        self.stream_buffers[stream_id] = BoundedStreamBuffer(self.context.event_class, self._patience_seconds)
        self.priority.insert_stream(stream_id)
        self.priority.block(stream_id)
        await stream.handle(
            Request(
                stream_id=stream_id,
                headers=filter_pseudo_headers(request.headers),
                http_version="2",
                method=headers[b":method"].decode("ascii").upper(),
                raw_path=headers[b":path"],
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1
        await self.context.mark_request()


def _pieces(event: StreamEvent) -> Iterator[StreamEvent]:
    """Cut a body so that each piece fits what a stream may have waiting."""
    if not isinstance(event, (Body, Data)) or len(event.data) <= HIGH_WATER_BYTES:
        yield event
        return
    for start in range(0, len(event.data), HIGH_WATER_BYTES):
        yield type(event)(stream_id=event.stream_id, data=event.data[start : start + HIGH_WATER_BYTES])
