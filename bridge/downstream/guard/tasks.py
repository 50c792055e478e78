"""The guard's part 2: an ASGI app as a task of its connection, and what waits for that app to `receive()` it.

Stock Hypercorn puts what a client says into a ten-slot channel and waits until the app takes it, so an app that does not
read blocks the connection's reader and never learns that its client is gone. Here a disconnect is always taken at once and
gives the app a short while to end by itself before it is cancelled; anything else waits for room, but not for ever.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio.task_group import TaskGroup
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, Scope

from bridge.downstream.failures import described

INBOX_EVENTS: Final = 10
"""Unread events an app may have: Hypercorn's own number; each is at most one read of 64 KiB."""

DISCONNECT_GRACE_SECONDS: Final = 0.5
"""How long an app may take to end by itself once its client is gone; less than the second within which nothing may be left."""

_DISCONNECTS: Final = frozenset({"http.disconnect", "websocket.disconnect"})

log = structlog.get_logger(__name__)


class Inbox:
    """What a client said and its app has not yet read.

    Args:
        patience_seconds: how long an event may wait for the app to make room.
        give_up: called when it waited in vain; hangs up.
    """

    def __init__(self, patience_seconds: float, give_up: Callable[[], None]) -> None:
        self.scope = trio.CancelScope()
        self._patience_seconds = patience_seconds
        self._give_up = give_up
        self._events: deque[ASGIReceiveEvent] = deque()
        self._last: ASGIReceiveEvent | None = None
        self._ended = False
        self._changed = trio.Event()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def put(self, event: ASGIReceiveEvent) -> None:
        """Add an event; waits while the app has too much unread, but never for a disconnect or an app that has ended."""
        if event["type"] in _DISCONNECTS:
            self._last = event
            self.scope.deadline = trio.current_time() + DISCONNECT_GRACE_SECONDS
            self._change()
            return
        with trio.move_on_after(self._patience_seconds) as patience:
            while len(self._events) >= INBOX_EVENTS and not self._closed:
                await self._changed.wait()
        if patience.cancelled_caught:
            self._give_up()
        elif not self._closed:
            self._events.append(event)
            self._change()

    async def get(self) -> ASGIReceiveEvent:
        """Return the next event: the app's `receive`. After a disconnect, the disconnect again and again."""
        while not self._events and self._last is None:
            await self._changed.wait()
        await trio.lowlevel.checkpoint()
        if self._events:
            self._change()
            return self._events.popleft()
        return self._last  # type: ignore[return-value]  # the loop ends with an event or a disconnect

    @property
    def _closed(self) -> bool:
        return self._ended or self._last is not None

    def end(self) -> None:
        """Take nothing any more: the app has ended."""
        self._ended = True
        self._events.clear()
        self._change()


class AppTasks(TaskGroup):
    """The tasks of one connection, in the nursery that its server opened.

    Args:
        nursery: the connection's.
        patience_seconds: see `Inbox`.
        give_up: see `Inbox`.
    """

    def __init__(self, nursery: trio.Nursery, patience_seconds: float, give_up: Callable[[], None]) -> None:
        super().__init__()
        self._nursery = nursery
        self._patience_seconds = patience_seconds
        self._give_up = give_up

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start the app for one request; returns what puts events into its inbox."""
        inbox = Inbox(self._patience_seconds, self._give_up)

        async def run() -> None:
            with inbox.scope:
                try:
                    await app(scope, inbox.get, send, _no_threads, _no_threads)
                except* Exception as group:  # noqa: BLE001 - one request's failure is not its connection's
                    log.error("request_failed", kind=scope["type"], errors=described(group))  # noqa: TRY400 - see there
            inbox.end()
            await send(None)

        assert self._nursery is not None  # noqa: S101 - set above; Hypercorn's type allows None
        self._nursery.start_soon(run)
        return inbox.put


def _no_threads(*_: object) -> None:
    """Stand in for what Hypercorn offers to WSGI apps only."""
    raise RuntimeError("an ASGI app needs no threads of the server")
