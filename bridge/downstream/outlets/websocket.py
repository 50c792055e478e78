"""The direct way out of a WebSocket. What it is given are frames already: a server's are the same for all its clients."""

import trio

from bridge.downstream.outlets.asgi import WebSocketOutlet
from bridge.downstream.outlets.direct import DirectOutlet
from bridge.downstream.outlets.outlet import Surroundings
from bridge.downstream.outlets.seam import WebSocketPath


class FrameOutlet(DirectOutlet):
    """A WebSocket.

    Args:
        path: the way to its socket.
        asgi: how it was opened, and how it ends.
        around: what it lives in.
    """

    __slots__ = ("_path",)

    def __init__(self, path: WebSocketPath, asgi: WebSocketOutlet, around: Surroundings) -> None:
        super().__init__(path.socket, asgi, around)
        self._path = path

    def _write(self, data: bytes) -> bool:
        if not self._path.open:  # a close frame is the last of its direction (RFC 6455 §5.5.1)
            raise trio.BrokenResourceError
        return super()._write(data)
