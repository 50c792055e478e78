"""Runs bridges until a signal: the first asks them to drain, the second SIGINT or SIGTERM stops them at once."""

import signal
from collections.abc import Callable, Sequence
from typing import Any

import trio

from bridge.app import Running
from bridge.errors import BridgeError

Runner = Callable[..., Any]
"""An async function that takes `task_status`, starts with a `Running`, and returns when that has drained."""

INTERRUPTED = 130


async def run_until_signal(runners: Sequence[Runner], announce: Callable[[Running], None]) -> int:
    """Start the runners in order, say where the last one is, and drain them in reverse order at a signal.

    Args:
        runners: each is started when the one before it is up.
        announce: told of each as it comes up.

    Returns:
        The exit code: 0 after a drain, 130 after a second signal.

    Raises:
        BridgeError: a runner could not start or go on; what its nurseries wrapped around it is taken off.
    """
    try:
        return await _run_until_signal(runners, announce)
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


async def _run_until_signal(runners: Sequence[Runner], announce: Callable[[Running], None]) -> int:
    code = 0
    async with trio.open_nursery() as nursery:
        up: list[Running] = []

        async def watch() -> None:
            nonlocal code
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for number in signals:
                    if any(running.closing.is_set() for running in up) or not up:
                        code = INTERRUPTED if number == signal.SIGINT else 0
                        nursery.cancel_scope.cancel()
                        return
                    nursery.start_soon(drain)

        async def drain() -> None:
            for running in reversed(up):
                running.closing.set()
                await running.closed.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        for runner in runners:
            up.append(await nursery.start(runner))
            announce(up[-1])
    return code
