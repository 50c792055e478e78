"""The way out over ASGI: the server frames, and a write is a task that waits for it.

The reference that the direct outlets are held against, and the way of streams that have no direct path.
"""

from bridge.downstream.goodbyes import GOODBYES
from bridge.downstream.outlets.outlet import Frame, Send, Surroundings, WriteDeadline, as_it_is
from bridge.model import Code
from bridge.wire.websocket import texts_of

CLOSED_BY_OTHER_MEANS = 1011
"""Close code for a code whose row has none; no such goodbye is ever said."""


class AsgiOutlet:
    """What both have in common.

    Args:
        send: the request's ASGI `send`.
        around: what it lives in.
    """

    frame: Frame = staticmethod(as_it_is)

    def __init__(self, send: Send, around: Surroundings) -> None:
        self._send = send
        self._around = around
        self._deadline = WriteDeadline(around)
        self.kept_bytes = 0

    def try_write(self, data: bytes) -> bool:
        """Have a task write it."""
        self.kept_bytes = len(data)
        self._around.start(self._write, data)
        return False

    async def _write(self, data: bytes) -> None:
        with self._deadline.write():
            await self._put(data)
        self.kept_bytes = 0
        self._around.freed()

    async def _put(self, data: bytes) -> None:
        raise AssertionError("each kind has its own")


class SseOutlet(AsgiOutlet):
    """An event stream over ASGI."""

    HEADERS = (
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store, no-transform"),
        (b"x-accel-buffering", b"no"),  # nginx would otherwise collect the stream before it passes it on
    )

    async def open(self) -> None:
        """Answer 200 with the headers of an event stream."""
        with self._deadline.write():
            await self._send({"type": "http.response.start", "status": 200, "headers": list(self.HEADERS)})

    async def _put(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def close(self, code: Code) -> None:
        """End the body; the goaway before it said why."""
        with self._deadline.write():
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class WebSocketOutlet(AsgiOutlet):
    """A WebSocket over ASGI."""

    async def open(self, subprotocol: str | None) -> None:
        """Accept the handshake, echoing a subprotocol; None = none."""
        with self._deadline.write():
            await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})

    async def _put(self, data: bytes) -> None:
        for text in texts_of(data):
            await self._send({"type": "websocket.send", "text": text.decode()})

    async def close(self, code: Code) -> None:
        """Send the close frame with the goodbye's code, and its name as the reason."""
        close = GOODBYES[code].close or CLOSED_BY_OTHER_MEANS
        with self._deadline.write():
            await self._send({"type": "websocket.close", "code": close, "reason": code.value})
