"""The guard's part 9: what one HTTP/2 stream has ready for its client, bounded in bytes and in how long it waits."""

from typing import Final

import trio
from hypercorn.protocol.h2 import BufferCompleteError, StreamBuffer
from hypercorn.typing import Event as Flag

HIGH_WATER_BYTES: Final = 32_768
"""What a stream may have waiting for its client's window: two frames."""

LOW_WATER_BYTES: Final = 16_384
"""Where more is taken again."""


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
