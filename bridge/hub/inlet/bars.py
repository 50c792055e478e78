"""The open bars that feeds have told us of: repeats are left out, and a bar that opens later closes the one before.

A vendor that has no word for "final" says it by opening the next candle; we say it in its place, with the held figures.
"""

from decimal import Decimal

import msgspec

from bridge.book import same_number
from bridge.model import Bar, FeedName, InstrumentId, Interval

_TOLD = ("ts_open", "is_final", "open", "high", "low", "close", "volume", "derived", "partial")
"""What makes two bars the same; when they came does not."""


class HeldBars:
    """The newest bar of each feed, instrument and interval.

    Attributes:
        stale: bars dropped because a later or final one was held.
        unchanged: bars that repeated the held one.
    """

    def __init__(self) -> None:
        self._bars: dict[tuple[FeedName, InstrumentId, str], Bar] = {}
        self.stale = 0
        self.unchanged = 0

    def add(self, bar: Bar) -> list[Bar]:
        """Return the bars to log, in order: a bar closed by this one first; [] when it is old or repeats itself."""
        place = (bar.feed, bar.instrument, bar.interval)
        held = self._bars.get(place)
        if held is not None and _same_bar(held, bar):
            self.unchanged += 1
            return []
        age = 0 if held is None or bar.ts_open is None or held.ts_open is None else bar.ts_open - held.ts_open
        if age < 0 and bar.is_final is True:
            return [bar]
        if age < 0 or (held is not None and age == 0 and held.is_final is True and bar.is_final is not True):
            self.stale += 1
            return []
        self._bars[place] = bar
        if held is not None and age > 0 and held.is_final is not True:
            return [msgspec.structs.replace(held, is_final=True, ts_recv=bar.ts_recv), bar]
        return [bar]

    def forget(self, feed: FeedName, instrument: InstrumentId, interval: Interval | None) -> None:
        """Trust nothing said of an open bar so far."""
        if interval is not None:
            self._bars.pop((feed, instrument, interval.value), None)


def _same_bar(one: Bar, other: Bar) -> bool:
    return all(_same(getattr(one, name), getattr(other, name)) for name in _TOLD)


def _same(one: object, other: object) -> bool:
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return same_number(one, other)
    return one == other
