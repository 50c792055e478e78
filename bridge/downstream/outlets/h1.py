"""The direct way out of an event stream over HTTP/1: chunks, or bare bytes toward a peer of HTTP/1.0."""

from bridge.downstream.outlets.asgi import SseOutlet
from bridge.downstream.outlets.direct import DirectOutlet
from bridge.downstream.outlets.outlet import Surroundings, as_it_is
from bridge.downstream.outlets.seam import EventStreamPath


def chunked(data: bytes) -> bytes:
    """Frame as one chunk (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class EventStreamOutlet(DirectOutlet):
    """An event stream over HTTP/1.

    Args:
        path: the way to its socket.
        asgi: how it was opened, and how it ends.
        around: what it lives in.
    """

    __slots__ = ()

    def __init__(self, path: EventStreamPath, asgi: SseOutlet, around: Surroundings) -> None:
        super().__init__(path.socket, asgi, around)
        self.frame = chunked if path.chunked else as_it_is
