"""What all direct outlets have in common: one write at once, and a task only while something is left of it.

Rule: the task waits without holding anything; the write is always one step without a checkpoint, made when the socket is
free. The deadline is about standing still: it begins anew whenever the peer has taken something.
"""

import trio

from bridge.downstream.outlets.asgi import SseOutlet, WebSocketOutlet
from bridge.downstream.outlets.outlet import Frame, Surroundings, as_it_is
from bridge.downstream.outlets.seam import DirectPath
from bridge.model import Code


class DirectOutlet:
    """Writes framed bytes straight to a socket.

    Args:
        socket: the way to it.
        asgi: how the stream was opened, and how it ends.
        around: what it lives in.
    """

    __slots__ = ("_around", "_asgi", "_kept", "_socket", "frame")

    def __init__(self, socket: DirectPath, asgi: SseOutlet | WebSocketOutlet, around: Surroundings) -> None:
        self._socket = socket
        self._asgi = asgi
        self._around = around
        self._kept = b""
        self.frame: Frame = as_it_is

    @property
    def kept_bytes(self) -> int:
        """What the socket was not free for, and what the kernel left over."""
        return len(self._kept) + self._socket.rest_bytes

    def try_write(self, data: bytes) -> bool:
        """See `Outlet`."""
        if self._write(data):
            return True
        self._around.start(self._finish)
        return False

    async def close(self, code: Code) -> None:
        """See `Outlet`."""
        await self._asgi.close(code)

    def _write(self, data: bytes) -> bool:
        """Write as far as it goes, keep what the socket was not free for, and return whether all has gone."""
        gone = self._socket.send(data)
        if gone is None:
            self._kept = data
            return False
        return gone

    def _push(self) -> bool:
        """Go on with what is kept; return whether all has gone."""
        data, self._kept = self._kept, b""
        if data:
            return self._write(data)
        return not self._socket.busy

    async def _finish(self) -> None:
        while not self._push():
            with trio.move_on_after(self._around.patience_seconds) as patience:
                await self._room()
            if patience.cancelled_caught:
                await self._give_up()
                return
        self._around.freed()

    async def _room(self) -> None:
        """Wait until something has changed for the better."""
        await self._socket.step()

    async def _give_up(self) -> None:
        """End what has stood still for too long."""
        self._socket.hang_up()
        self._around.stalled()
        await trio.lowlevel.checkpoint()
