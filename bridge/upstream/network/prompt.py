"""A TCP stream whose reads return in the turn in which the bytes came.

Trio's own tries to read before it waits, and gives everyone else a turn after it has read: a busy bridge pays a vain system
call for most reads, and what came stands still for a turn. Here a read waits first, which is turn enough, and then reads.
"""

import operator
import os

import trio

READ_BYTES = 16_384
"""At once: some hundred events, which are all published before anything else has its turn; as much as Trio's own TLS asks for."""


class PromptStream(trio.abc.HalfCloseableStream):
    """Owns a `SocketStream`, reads its socket, and leaves all else to it.

    Args:
        stream: owned from now on.
    """

    __slots__ = ("_stream", "socket")

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.socket = stream.socket

    def __repr__(self) -> str:
        return f"<PromptStream {self.socket.fileno()}>"

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait until something came and return it; b"" at the end.

        Raises:
            BrokenResourceError: the connection broke.
            ClosedResourceError: we have closed.
            ValueError, TypeError: that is no size.
        """
        size = READ_BYTES if max_bytes is None else operator.index(max_bytes)
        if size < 1:
            raise ValueError("max_bytes must be >= 1")
        while True:
            if self.socket.fileno() < 0:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self.socket)
            try:
                return os.read(self.socket.fileno(), size)
            except BlockingIOError:  # a false alarm
                continue
            except OSError as error:
                raise trio.BrokenResourceError(f"socket connection broken: {error}") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, as any Trio stream."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until a send might not block."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """End our direction."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()
