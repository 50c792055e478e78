"""The guard's part 10: connections that have something to say, woken a few in each turn of the event loop; see `ration`.

Theory of operation. Trio's epoll announces all sockets that can be read at once, and each is a task to be run before anything
else happens. Ours are watched by an epoll of their own, which Trio watches as one file. It is asked for as many as the ration
allows; the kernel keeps the others, and serves them in turn.
"""

import select
from collections.abc import Callable
from typing import Final

import trio

from bridge.downstream.guard.ration import Ration

_ONCE: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT if hasattr(select, "epoll") else 0


class RationedEpoll:
    """Waits for sockets to be readable. One of each server.

    Args:
        busy: whether something waits that comes first; see `Ration`.

    Raises:
        OSError: no more files may be open.
    """

    def __init__(self, busy: Callable[[], bool] = bool) -> None:
        self._epoll = select.epoll()
        self._left = select.poll()
        self._left.register(self._epoll.fileno(), select.POLLIN)
        self._ration = Ration(busy)
        self._waiting: dict[int, trio.lowlevel.Task] = {}
        self._known: set[int] = set()

    def __repr__(self) -> str:
        return f"<RationedEpoll {len(self._waiting)} waiting>"

    async def wait_readable(self, file: int) -> None:
        """Wait until there is something to read, or until it is said to be `closing`: then nothing may be read."""
        if file in self._known:
            self._epoll.modify(file, _ONCE)
        else:
            self._epoll.register(file, _ONCE)
            self._known.add(file)
        self._waiting[file] = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._waiting[file]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def closing(self, file: int) -> None:
        """Forget a file before it is closed, which the kernel's epoll does by itself, and wake who waits for it."""
        self._known.discard(file)
        task = self._waiting.pop(file, None)
        if task is not None:
            trio.lowlevel.reschedule(task)

    async def run(self) -> None:
        """Wake whoever can read, until cancelled."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                self._wake()
        finally:
            self._epoll.close()

    def _wake(self) -> None:
        most = self._ration.take(trio.current_time())
        if not most:
            return
        ready = self._epoll.poll(0, most)
        if len(ready) < most or not self._left.poll(0):
            self._ration.emptied()
        for file, _ in ready:
            task = self._waiting.pop(file, None)
            if task is not None:  # else it was cancelled: what it waited for is announced when it asks again
                trio.lowlevel.reschedule(task)
