"""The guard's part 7: one socket with two writers, Hypercorn and the fan-out.

Rule: what the kernel did not take of one write goes out before the first byte of the next, whoever writes next. Hypercorn's
writes, under TLS too, arrive here as `send_all`; the fan-out's as `send_now`, which never waits. Who may call which, and
when, is the seam's matter (`seam`). It is closed here and nowhere else, or we would write to whoever gets its number next.

The kernel would take megabytes for a peer that does not read, and what it has taken can neither be conflated nor be left out
any more. So it is told to take little more than what is under way.
"""

import contextlib
import os
import socket
from typing import Final

import trio

from bridge.downstream.guard.epoll import RationedEpoll

CLOSED: Final = -1
"""The number of no file."""

UNSENT_BYTES: Final = 131_072
"""What the kernel takes beyond what the peer has room for: two slices of a backlog, so that a fast peer never waits for us."""


READ_BYTES: Final = 65_536
"""Of one read of whoever names no number (TLS)."""


class SharedSocket(trio.abc.HalfCloseableStream):
    """A connection's stream to the kernel, in place of the `SocketStream` that was accepted.

    Args:
        stream: the accepted one.
        epoll: what waits for it to be readable until it is `welcome`; None = Trio's own.

    Attributes:
        rest: what is left of a write.
        turn: whose turn it is among those of the fan-out that wait; Hypercorn's writes have a lock of their own.
    """

    __slots__ = ("_epoll", "_file", "_rationed", "_stream", "rest", "socket", "turn")

    def __init__(self, stream: trio.SocketStream, epoll: RationedEpoll | None = None) -> None:
        self._stream = stream
        self._epoll = epoll
        self._rationed = epoll is not None
        self._file = stream.socket.fileno()
        self.socket = stream.socket
        self.rest: bytes | memoryview = b""
        self.turn = trio.Lock()
        with contextlib.suppress(OSError, AttributeError):  # not every system has it
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    def __repr__(self) -> str:
        return f"<SharedSocket {len(self.rest)} bytes left over>"

    def send_now(self, data: bytes) -> bool:
        """Write what the kernel takes at once and keep the rest; only while there is none. Return whether all went.

        Raises:
            BrokenResourceError: the peer is gone, or we have closed.
        """
        try:
            taken = os.write(self._file, data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise trio.BrokenResourceError from error
        if taken == len(data):
            return True
        self.rest = memoryview(data)[taken:]
        return False

    async def send_some(self) -> None:
        """Write some of the rest, waiting until the kernel takes any.

        Raises:
            BrokenResourceError: the peer is gone.
            ClosedResourceError: we have closed.
        """
        if not self.rest:
            await trio.lowlevel.checkpoint()
            return
        if self._file == CLOSED:  # Trio would wait for a file without a number
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_writable(self.socket)
        rest, self.rest = self.rest, b""
        self.send_now(rest)  # type: ignore[arg-type]  # os.write takes any buffer

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write the rest, then this."""
        while self.rest:
            await self.send_some()
        await self._stream.send_all(data)

    def welcome(self) -> None:
        """From the next read on, read as Trio does."""
        self._rationed = False

    def close(self) -> None:
        """Close at once, whoever is writing or reading."""
        self._forget()
        self.socket.close()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes something."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Write the rest, then end our direction."""
        while self.rest:
            await self.send_some()
        await self._stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Read what has come.

        Raises:
            BrokenResourceError: the peer is gone.
            ClosedResourceError: we have closed.
        """
        while self._rationed and self._epoll is not None:
            if self._file == CLOSED:
                raise trio.ClosedResourceError
            await self._epoll.wait_readable(self._file)
            if self._file == CLOSED:
                raise trio.ClosedResourceError
            try:
                return os.read(self._file, max_bytes or READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError from error
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close; what is left over is lost."""
        self._forget()
        await self._stream.aclose()

    def _forget(self) -> None:
        if self._epoll is not None and self._file != CLOSED:
            self._epoll.closing(self._file)
        self._file = CLOSED
