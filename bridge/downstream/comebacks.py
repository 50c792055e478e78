"""How those whom we send away come back: never all at once, wherever they then go."""

SPREAD_SECONDS = 5.0
"""They come back spread over this long at least."""

COMEBACKS_PER_SECOND = 200
"""How many of those sent away together are to come back in a second: a handshake with TLS and its replay take milliseconds."""


def spread_seconds(leaving: int) -> float:
    """Return over how long so many clients that leave at the same moment are told to come back."""
    return max(SPREAD_SECONDS, leaving / COMEBACKS_PER_SECOND)
