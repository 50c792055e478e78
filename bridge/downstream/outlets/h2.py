"""The direct way out of an event stream over HTTP/2: DATA frames no larger than the client's windows and frame size allow.

A shut window is waited for; one that stays shut ends this stream alone. A full socket is the whole connection's matter.
"""

import trio

from bridge.downstream.outlets.asgi import SseOutlet
from bridge.downstream.outlets.direct import DirectOutlet
from bridge.downstream.outlets.outlet import Surroundings
from bridge.downstream.outlets.seam import Http2Path


class Http2Outlet(DirectOutlet):
    """An event stream over HTTP/2.

    Args:
        path: the way to its socket and windows.
        asgi: how it was opened, and how it ends.
        around: what it lives in.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Http2Path, asgi: SseOutlet, around: Surroundings) -> None:
        super().__init__(path.socket, asgi, around)
        self._path = path

    def _write(self, data: bytes) -> bool:
        if self._socket.busy:
            self._kept = data
            return False
        room = self._path.room()
        if len(data) <= room:  # nearly always
            self._path.add(data)
            return self._path.send()
        return self._write_frames(data, room)

    def _write_frames(self, data: bytes, room: int) -> bool:
        at = 0
        while at < len(data) and room:
            self._path.add(data[at : at + room])
            at += room
            room = self._path.room()
        self._kept = data[at:]
        return (at == 0 or self._path.send()) and not self._kept

    async def _room(self) -> None:
        if self._socket.busy or self._path.room():
            await super()._room()
            return
        try:
            while not self._path.room():  # a window that others of the connection share opens for them, too
                opened = trio.Event()
                self._path.on_room(opened.set)
                await opened.wait()
        finally:
            self._path.on_room(None)

    async def _give_up(self) -> None:
        if self._socket.busy:
            await super()._give_up()
        else:
            with trio.CancelScope(shield=True):  # the reset ends this very task
                await self._path.reset()
