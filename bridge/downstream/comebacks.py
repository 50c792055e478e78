"""How those whom we send away come back: never all at once, wherever they then go."""

from typing import NamedTuple

SPREAD_SECONDS = 5.0
"""They come back spread over this long at least."""

COMEBACKS_PER_SECOND = 200
"""How many of those sent away together are to come back in a second: a handshake with TLS and its replay take milliseconds."""


class Comeback(NamedTuple):
    """When to come back: after so long at least, and then within the spread."""

    least_seconds: float
    spread_seconds: float


SOON = Comeback(0.0, 1.0)
"""For one whose end was jittered already, while nothing is wrong here."""


def spread_seconds(leaving: int) -> float:
    """Return over how long so many clients that leave at the same moment are told to come back."""
    return max(SPREAD_SECONDS, leaving / COMEBACKS_PER_SECOND)


def together(leaving: int) -> Comeback:
    """Return when so many that a drain sends away come back: not before another process can have the port."""
    return Comeback(1.0, spread_seconds(leaving))
