"""How bytes leave: one contract, and the ASGI way of keeping it for event streams and WebSockets.

This is the part that a direct write to the socket replaces; nothing above it knows how a byte travels.

*Write deadline.* The server shields its own writes from cancellation, so a peer that stops reading can pin the task that
writes: no cancel scope around `send` would help. A watchdog of its own therefore hangs up on the peer when one write takes
too long, which makes the pinned write end.
"""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Protocol

import trio

from bridge.downstream.codec import texts
from bridge.downstream.goodbyes import GOODBYES
from bridge.model import Code

AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
Scope = MutableMapping[str, Any]

CLOSED_BY_OTHER_MEANS = 1011
"""Close code for a code whose row has none; no such goodbye is ever said."""


class Outlet(Protocol):
    """One stream's way out. Used by one task."""

    async def open(self) -> None:
        """Accept the request; nothing is written before."""
        ...

    async def write(self, data: bytes) -> None:
        """Write framed bytes; returns when the server has taken them."""
        ...

    async def close(self, code: Code) -> None:
        """End the stream in order, saying why as far as the transport can."""
        ...


class WriteDeadline:
    """Hangs up on a peer that lets one write wait too long.

    Args:
        seconds: how long one write may take; 0 = for ever.
        hang_up: closes the connection under the stream, at once and without waiting.
    """

    def __init__(self, seconds: float, hang_up: Callable[[], None]) -> None:
        self._seconds = seconds or float("inf")
        self._hang_up = hang_up
        self._scope = trio.CancelScope()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold one write to the deadline."""
        self._scope.deadline = trio.current_time() + self._seconds
        try:
            yield
        finally:
            self._scope.deadline = float("inf")

    async def run(self) -> None:
        """Watch until cancelled, or until a deadline has passed and the peer was hung up on."""
        with self._scope:
            await trio.sleep_forever()
        self._hang_up()


class SseOutlet:
    """An event stream over ASGI.

    Args:
        send: the request's ASGI `send`.
        deadline: holds each write.
    """

    HEADERS = (
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store, no-transform"),
        (b"x-accel-buffering", b"no"),  # nginx would otherwise collect the stream before it passes it on
    )

    def __init__(self, send: Send, deadline: WriteDeadline) -> None:
        self._send = send
        self._deadline = deadline

    async def open(self) -> None:
        """Answer 200 with the headers of an event stream."""
        with self._deadline.write():
            await self._send({"type": "http.response.start", "status": 200, "headers": list(self.HEADERS)})

    async def write(self, data: bytes) -> None:
        """Write whole messages in one piece."""
        with self._deadline.write():
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def close(self, code: Code) -> None:
        """End the body; the goaway before it said why."""
        with self._deadline.write():
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class WebSocketOutlet:
    """A WebSocket over ASGI.

    Args:
        send: the connection's ASGI `send`.
        deadline: holds each write.
        subprotocol: what to echo in the handshake; None = none.
    """

    def __init__(self, send: Send, deadline: WriteDeadline, subprotocol: str | None) -> None:
        self._send = send
        self._deadline = deadline
        self._subprotocol = subprotocol

    async def open(self) -> None:
        """Accept the handshake."""
        with self._deadline.write():
            await self._send({"type": "websocket.accept", "subprotocol": self._subprotocol, "headers": []})

    async def write(self, data: bytes) -> None:
        """Write each text as a message of its own."""
        with self._deadline.write():
            for text in texts(data):
                await self._send({"type": "websocket.send", "text": text.decode()})

    async def close(self, code: Code) -> None:
        """Send the close frame with the goodbye's code, and its name as the reason."""
        close = GOODBYES[code].close or CLOSED_BY_OTHER_MEANS
        with self._deadline.write():
            await self._send({"type": "websocket.close", "code": close, "reason": code.value})
