"""Runs bridges until a signal: the first asks them to drain, the second SIGINT or SIGTERM stops them at once.

SIGHUP is for who can make something of it; without, it ends the process as ever.
"""

import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio

from bridge.app import Running
from bridge.errors import BridgeError

Runner = Callable[..., Any]
"""An async function that takes `task_status`, starts with a `Running`, and returns when that has drained."""

INTERRUPTED = 130


Reload = Callable[[Running], Awaitable[None]]
"""Has what runs read its configuration again; raises nothing."""


async def run_until_signal(
    runners: Sequence[Runner], announce: Callable[[Running], None], reload: Reload | None = None
) -> int:
    """Start the runners in order, say where the last one is, and drain them in reverse order at a signal.

    Args:
        runners: each is started when the one before it is up.
        announce: told of each as it comes up.
        reload: called at a SIGHUP, for the one that came up last, and one call after the other.

    Returns:
        The exit code: 0 after a drain, 130 after a second signal.

    Raises:
        BridgeError: a runner could not start or go on; what its nurseries wrapped around it is taken off.
    """
    try:
        return await _run_until_signal(runners, announce, reload)
    except BaseExceptionGroup as group:
        told, others = group.split(BridgeError)
        if told is None or others is not None:
            raise
        raise _first(told) from group


def _first(group: BaseExceptionGroup[BridgeError]) -> BridgeError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, BridgeError)  # noqa: S101 - the caller split all else off
    return error


async def _run_until_signal(
    runners: Sequence[Runner], announce: Callable[[Running], None], reload: Reload | None
) -> int:
    async with trio.open_nursery() as nursery:
        watch = _Watch(nursery)
        nursery.start_soon(watch.for_the_end)
        if reload is not None:
            nursery.start_soon(watch.for_hangups, reload)
        for runner in runners:
            watch.up.append(await nursery.start(runner))
            announce(watch.up[-1])
    return watch.code


class _Watch:
    """What signals do to those that are up.

    Args:
        nursery: cancelled when all is over.

    Attributes:
        up: in the order in which they came up.
        code: the exit code.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._draining = False
        self.up: list[Running] = []
        self.code = 0

    async def for_the_end(self) -> None:
        """Drain at the first signal, end at the second."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                if self._draining or not self.up:
                    self.code = INTERRUPTED if number == signal.SIGINT else 0
                    self._nursery.cancel_scope.cancel()
                    return
                self._draining = True
                self._nursery.start_soon(self._drain)

    async def for_hangups(self, reload: Reload) -> None:
        """Have the configuration read again, once after the other."""
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            async for _ in hangups:
                if self.up and not self._draining:
                    await reload(self.up[-1])

    async def _drain(self) -> None:
        for running in reversed(self.up):
            await running.drain()
        self._nursery.cancel_scope.cancel()
