"""Which outlet a stream gets: the direct one where there is a path to its socket, else ASGI."""

from collections.abc import Awaitable, Callable

from bridge.downstream.outlets.asgi import SseOutlet, WebSocketOutlet
from bridge.downstream.outlets.h1 import EventStreamOutlet
from bridge.downstream.outlets.h2 import Http2Outlet
from bridge.downstream.outlets.outlet import Outlet, Scope, Send, Surroundings
from bridge.downstream.outlets.seam import EventStreamPath, Http2Path, WebSocketPath, direct_path
from bridge.downstream.outlets.websocket import FrameOutlet

Opening = Callable[[Surroundings], Awaitable[Outlet]]
"""Accepts a stream's request and returns its outlet."""


def event_stream(scope: Scope, send: Send) -> Opening:
    """Return how to open an event stream."""

    async def accept(around: Surroundings) -> Outlet:
        # On HTTP/2 the guard resets a stream whose client takes nothing; hanging up would end the others of its connection.
        shared = scope["http_version"] == "2"
        asgi = SseOutlet(send, around._replace(patience_seconds=float("inf")) if shared else around)
        await asgi.open()
        match direct_path(scope):
            case EventStreamPath() as path:
                return EventStreamOutlet(path, asgi, around)
            case Http2Path() as path:
                return Http2Outlet(path, asgi, around)
            case _:
                return asgi

    return accept


def websocket(scope: Scope, send: Send, subprotocol: str | None) -> Opening:
    """Return how to open a WebSocket, echoing a subprotocol; None = none."""

    async def accept(around: Surroundings) -> Outlet:
        asgi = WebSocketOutlet(send, around)
        await asgi.open(subprotocol)
        match direct_path(scope):
            case WebSocketPath() as path:
                return FrameOutlet(path, asgi, around)
            case _:
                return asgi

    return accept
