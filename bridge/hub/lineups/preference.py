"""Which of several feeds serves: plain decisions, from how each of them is. The first is the preferred one.

| the feed in use is | and | then |
|---|---|---|
| stale or down | another is live | the first that is live |
| stale or down | none is live | the first that is not known to be broken; with none, it stays |
| not live | one preferred to it is live | that one, at once: nothing is lost by it |
| live | one preferred to it has been live long enough, and receives all that is wanted | that one |
"""

from collections.abc import Sequence

import msgspec

from bridge.model import FeedHealth

BROKEN = frozenset({FeedHealth.STALE, FeedHealth.DOWN})
"""What another feed takes over from."""


class Chance(msgspec.Struct, frozen=True):
    """How one feed is.

    Attributes:
        health: as it said; None = nothing yet.
        settled: it has been live long enough and receives all that is wanted, so that it may be gone back to.
    """

    health: FeedHealth | None
    settled: bool = False


def choose(on: int, chances: Sequence[Chance]) -> int:
    """Return the place of the feed that is to serve.

    Args:
        on: the place of the one that does now.
        chances: of all, the preferred first.
    """
    live = next((place for place, chance in enumerate(chances) if chance.health is FeedHealth.LIVE), None)
    health = chances[on].health
    if health in BROKEN:
        sound = (place for place, chance in enumerate(chances) if chance.health not in BROKEN)
        return next(sound, on) if live is None else live
    if health is not FeedHealth.LIVE and live is not None and live < on:
        return live
    return next((place for place in range(on) if chances[place].settled), on)
