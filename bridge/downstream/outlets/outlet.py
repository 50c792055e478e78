"""How bytes leave: one contract for all outlets, and the write deadline of those that wait for the server.

| outlet | writes |
|---|---|
| `outlet_h1` | HTTP/1.1 chunks, or bare bytes, straight to the socket |
| `outlet_websocket` | WebSocket frames, straight to the socket |
| `outlet_h2` | HTTP/2 DATA through the connection's own windows, straight to the socket |
| `outlet_asgi` | over ASGI: the reference for the others, and the way where there is no direct one |

`outlets` says which one a stream gets; nothing above it knows.
"""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, Protocol

import trio

from bridge.model import Code

AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
Scope = MutableMapping[str, Any]

Frame = Callable[[bytes], bytes]
"""Makes of joined messages what an outlet writes. The same function for all outlets of a kind, so that its result is shared."""

Start = Callable[..., None]
"""Starts an async function, with its arguments, in the stream's own nursery."""


def as_it_is(data: bytes) -> bytes:
    """Frame nothing."""
    return data


@cache
def padded(frame: Frame, padding_bytes: int) -> Frame:
    """Return a frame that lets a comment of so many bytes follow what is written; the same one for the same arguments.

    A proxy that passes things on in blocks of that size keeps part of the comment back, and nothing of what is before it.

    Args:
        frame: what the outlet wants.
        padding_bytes: 0 = none.
    """
    if not padding_bytes:
        return frame
    comment = b":%b\n\n" % (b" " * max(0, padding_bytes - 3))
    return lambda data: frame(data + comment)


class Outlet(Protocol):
    """One stream's way out.

    Attributes:
        frame: what to make of joined messages before they are written.
        kept_bytes: what was given and has not gone yet.
    """

    @property
    def frame(self) -> Frame: ...  # noqa: D102 - said above

    @property
    def kept_bytes(self) -> int: ...  # noqa: D102 - said above

    def try_write(self, data: bytes) -> bool:
        """Write framed bytes without waiting.

        Returns:
            True: all has gone. False: what has not is kept and goes as soon as it can; nothing more may be given until
            `Surroundings.freed` was called.

        Raises:
            BrokenResourceError: the peer is gone.
        """
        ...

    async def close(self, code: Code) -> None:
        """End the stream in order, saying why as far as the transport can. Only when nothing is kept."""
        ...


class Surroundings(NamedTuple):
    """What an outlet lives in.

    Attributes:
        start: starts a task of the stream.
        freed: tells that what was kept has gone.
        stalled: hangs up, because the peer takes nothing.
        patience_seconds: how long it may take nothing.
    """

    start: Start
    freed: Callable[[], None]
    stalled: Callable[[], None]
    patience_seconds: float


class WriteDeadline:
    """Hangs up on a peer that lets one write over ASGI wait too long.

    The server shields its own writes from cancellation, so a cancel scope around `send` would not help: a task of its own
    watches, and hanging up makes the pinned write end.

    Args:
        around: the outlet's surroundings.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold one write to the deadline."""
        watch = trio.CancelScope(deadline=trio.current_time() + self._around.patience_seconds)
        self._around.start(self._watch, watch)
        try:
            yield
        finally:
            watch.deadline = float("inf")
            watch.cancel()

    async def _watch(self, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep_forever()
        if scope.deadline != float("inf"):
            self._around.stalled()
