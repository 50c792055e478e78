"""The guard's part 5: HTTP/2.

It differs from Hypercorn's own in this:

* a stream's buffer is bounded, and what waits for a client's window waits at most the write deadline: then the stream is reset
  (stock: everything is buffered, for ever, because it tests the piece taken instead of what is left);
* a request that it cannot take (CONNECT, no path, no host, bytes that are not ASCII) is answered 400 instead of ending the
  process or the connection; a malformed one ends its stream (stock: the connection), see `guard_request`;
* DATA for a request that was answered already is thrown away, its window given back;
* WebSocket over HTTP/2 (RFC 8441) is not advertised: its close never ended the stream. Browsers then use HTTP/1.1;
* priorities (deprecated by RFC 9113) are ignored; resets in masses end the connection (CVE-2023-44487);
* a response that breaks off is reset (stock: its client waits for ever);
* a draining server refuses new streams as safe to repeat, and says GOAWAY after the last.
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
from hypercorn.events import Updated
from hypercorn.protocol.events import Body, Data, Request, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import BufferCompleteError, H2Protocol, StreamBuffer
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import Event as Flag
from hypercorn.utils import filter_pseudo_headers
from priority.priority import MissingStreamError

from bridge.downstream.guard_request import is_malformed, is_readable
from bridge.errors import SubscriberProtocolError

HIGH_WATER_BYTES: Final = 32_768
"""What a stream may have waiting for its client's window: two frames."""

LOW_WATER_BYTES: Final = 16_384
"""Where more is taken again."""

MAX_RESETS: Final = 200
RESET_WINDOW_SECONDS: Final = 10.0
"""A client that resets this many of its streams in this time is attacking; a browser closing all its tabs is far below."""


class PeerStalledError(Exception):
    """A client did not open its window within the write deadline."""


class BoundedStreamBuffer(StreamBuffer):
    """What one stream has ready for its client.

    Args:
        event_class: Hypercorn's event.
        patience_seconds: how long to wait for the client to take any of it.
    """

    def __init__(self, event_class: type[Flag], patience_seconds: float) -> None:
        super().__init__(event_class)
        self._patience_seconds = patience_seconds
        self._sent: Flag = event_class()

    @property
    def ended(self) -> bool:
        """Whether nothing will be pushed any more."""
        return self._complete

    async def push(self, data: bytes) -> None:
        """Add a piece; waits while too much is left.

        Raises:
            PeerStalledError: nothing was taken for as long as our patience lasts.
            BufferCompleteError: the stream has ended.
        """
        if self._complete:
            raise BufferCompleteError
        self.buffer.extend(data)
        await self._is_empty.clear()
        if len(self.buffer) >= HIGH_WATER_BYTES:
            if self._paused.is_set():  # clearing makes a new event: whoever waits already would wait for ever
                await self._paused.clear()
            await self._patiently(self._paused)

    async def pop(self, max_length: int) -> bytes:
        """Take at most so many bytes."""
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if len(self.buffer) < LOW_WATER_BYTES:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data

    async def drain(self) -> None:
        """Wait until all is taken; of a stream that has ended, until its end was sent too (stock: a GOAWAY could overtake it).

        Raises:
            PeerStalledError: it was not, for as long as our patience lasts.
        """
        await self._patiently(self._sent if self._complete else self._is_empty)

    async def finish(self) -> None:
        """Note that nothing more will be sent."""
        await self._sent.set()

    async def close(self) -> None:
        """Throw away what is left and let go whoever waits."""
        await super().close()
        await self.finish()

    async def _patiently(self, flag: Flag) -> None:
        with trio.move_on_after(self._patience_seconds) as patience:
            await flag.wait()
        if patience.cancelled_caught:
            raise PeerStalledError


class GuardedH2(H2Protocol):
    """Hypercorn's HTTP/2 with the differences above.

    Args:
        arguments: Hypercorn's nine.
        patience_seconds: how long a client may take nothing of a stream.
        stalled: told when one did; its stream is then reset.
    """

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - handed on
        patience_seconds: float,
        stalled: Callable[[], None],
    ) -> None:
        super().__init__(*arguments)
        self._patience_seconds = patience_seconds
        self._stalled = stalled
        self._resets: deque[float] = deque(maxlen=MAX_RESETS)
        self.on_window: dict[int, Callable[[], None]] = {}
        del self.connection.local_settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL]
        self.connection.config.validate_inbound_headers = False  # see `guard_request`
        self.connection.decoder.max_header_list_size = self.config.h2_max_header_list_size

    async def say_goodbye(self) -> None:
        """Tell the client that the connection ends (GOAWAY)."""
        self.connection.close_connection()
        await self._flush()

    async def stream_send(self, event: StreamEvent) -> None:
        """Take what a stream has for its client; a stream whose client takes nothing is reset."""
        if isinstance(event, StreamClosed):
            await self._on_closed(event)
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
            if isinstance(event, h2.events.RequestReceived):
                await self._on_request(event)
            elif isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                self.connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                await self._on_reset(event)
            else:
                await super()._handle_events([event])
        await self._flush()

    async def _on_request(self, event: h2.events.RequestReceived) -> None:
        if self.context.terminated.is_set():
            self.connection.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
        elif not is_readable(event.headers):
            self.connection.send_headers(event.stream_id, [(b":status", b"400")], end_stream=True)
        elif is_malformed(event.headers):
            self.connection.reset_stream(event.stream_id, ErrorCodes.PROTOCOL_ERROR)
        else:
            await self._create_stream(event)
            await self.send(Updated(idle=False))

    async def _on_reset(self, event: h2.events.StreamReset) -> None:
        await super()._handle_events([event])
        now = trio.current_time()
        self._resets.append(now)
        if len(self._resets) == MAX_RESETS and now - self._resets[0] < RESET_WINDOW_SECONDS:
            raise SubscriberProtocolError("streams are reset in masses")
        await self.send(Updated(idle=self.idle))

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
