"""Keeps one feed's crash to itself: it is down for a while, says so, and begins again; the others never hear of it."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from bridge.errors import Mistake
from bridge.upstream.backoff import BASE_SECONDS, Backoff
from bridge.upstream.standing.standing import Standing

MISTAKE_CAP_SECONDS = 300.0
"""The longest ceiling between two attempts of what broke by a mistake of ours: it seldom mends itself, and each attempt costs the
vendor a connection; but what only one message broke should not wait for an operator."""

SOUND_SECONDS = 300.0
"""What ran for so long without a mistake begins to count anew."""

_log = structlog.get_logger(__name__)


async def sheltered(run: Callable[[], Awaitable[None]], standing: Standing, random: Callable[[], float]) -> None:
    """Run a feed until cancelled, again and again when it breaks.

    Args:
        run: its work; leaves nothing behind when it ends.
        standing: the feed's.
        random: draws from [0, 1).
    """
    backoff = Backoff(BASE_SECONDS, MISTAKE_CAP_SECONDS, random)
    while True:
        began_at = trio.current_time()
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - contained to the feed, logged with its traceback
            if standing.mistakes.note(error):
                _log.exception("a feed broke by a mistake of ours", feed=standing.name)
            mistake = Mistake(f"{standing.name}: an internal error ({name_of(error)})")
        else:
            return
        if trio.current_time() - began_at >= SOUND_SECONDS:
            backoff.reset()
        standing.uncover_all(str(mistake))
        standing.failed(mistake, another_is_live=False)
        await trio.sleep(backoff.next())


def name_of(error: Exception) -> str:
    """Return the name of what went wrong; of several at once the first one's."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
