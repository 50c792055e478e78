"""Keeps the house's own chores going: one that breaks by a mistake of ours begins again, and ends nothing else."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from bridge.errors import Mistakes

PAUSE_SECONDS = 1.0
"""Before a chore begins again: what it sees to (lingers, old history, which feed serves) bears with that."""

_log = structlog.get_logger(__name__)


async def kept(keep: Callable[[], Awaitable[None]]) -> None:
    """Run a chore until cancelled, again when it breaks; each mistake is logged once."""
    mistakes = Mistakes()
    while True:
        try:
            await keep()
        except Exception as error:  # noqa: BLE001 - contained to the chore, logged with its traceback
            if mistakes.note(error):
                _log.exception("a chore broke by a mistake of ours")
        else:
            return
        await trio.sleep(PAUSE_SECONDS)
