"""Bars from trades or from shorter bars.

Theory of operation: a bar belongs to the interval that holds its event's own time (`ts_event`, else `ts_recv`), in UTC,
weeks from Monday, months by the calendar. It is final with the first event past its end, or by `close` two seconds after
it; an interval without an event makes no bar; what began before the first event we know of is `partial`. Everything made
here says `derived`. Pure: the time is handed in.
"""

import calendar
import time
from decimal import Context, Decimal

import msgspec

from bridge.model import SECONDS, Bar, FeedName, Interval, Trade, UnixNanos

CLOSE_GRACE_SECONDS = 2
"""How long after an interval's end `close` still waits for its stragglers."""

_EXACT = Context(prec=200)
"""Sums of volumes keep every digit; Python's own context would round at 28."""

_DAY = 86_400 * SECONDS
_WEEK = 7 * _DAY
_MONDAY = 3 * _DAY
"""1970-01-01 was a Thursday: three days after a Monday."""

LENGTHS = {
    Interval.M1: 60 * SECONDS,
    Interval.M5: 300 * SECONDS,
    Interval.M15: 900 * SECONDS,
    Interval.M30: 1_800 * SECONDS,
    Interval.H1: 3_600 * SECONDS,
    Interval.H4: 14_400 * SECONDS,
    Interval.D1: _DAY,
}
"""The intervals that simply divide the day."""


def interval_start(interval: Interval, moment: UnixNanos) -> UnixNanos:
    """Return when the interval that holds `moment` began (inclusive)."""
    if interval is Interval.W1:
        return UnixNanos(moment - (moment + _MONDAY) % _WEEK)
    if interval is Interval.MO1:
        year, month = time.gmtime(moment // SECONDS)[:2]
        return _month(year, month)
    return UnixNanos(moment - moment % LENGTHS[interval])


def interval_end(interval: Interval, moment: UnixNanos) -> UnixNanos:
    """Return when the interval that holds `moment` ends (exclusive)."""
    if interval is Interval.MO1:
        year, month = time.gmtime(moment // SECONDS)[:2]
        return _month(year + month // 12, month % 12 + 1)
    length = _WEEK if interval is Interval.W1 else LENGTHS[interval]
    return UnixNanos(interval_start(interval, moment) + length)


def _month(year: int, month: int) -> UnixNanos:
    return UnixNanos(calendar.timegm((year, month, 1, 0, 0, 0)) * SECONDS)


class BarBuilder:
    """Builds the bars of one instrument and one interval; fed with trades, or with shorter bars, not with both.

    Args:
        interval: the length of what is built.
        since: the moment since which nothing was missed: a bar that began before it is `partial`. None = the first event's.
    """

    def __init__(self, interval: Interval, since: UnixNanos | None = None) -> None:
        self.interval = interval
        self.late = 0
        """Events left out because their interval was over, or because a shorter bar did not say when it began."""
        self._since = since
        self._bar: Bar | None = None
        self._end = UnixNanos(0)
        self._over = UnixNanos(-(2**63))
        self._before: Bar | None = None
        self._shorter: Bar | None = None

    def __repr__(self) -> str:
        return (
            f"<BarBuilder {self.interval.value} {'empty' if self._bar is None else self._bar.ts_open} late {self.late}>"
        )

    def add_trade(self, trade: Trade) -> list[Bar]:
        """Take a trade; return the bar it closed, if any, then the open bar as it now stands."""
        moment = trade.ts_event if trade.ts_event is not None else trade.ts_recv
        if moment < self._over:
            self.late += 1
            return []
        closed = self._turn(moment)
        held = self._bar
        if held is None:
            bar = self._opened(trade, moment, (trade.price,) * 4, trade.size)
        else:
            bar = msgspec.structs.replace(
                held,
                high=max(held.high, trade.price),
                low=min(held.low, trade.price),
                close=trade.price,
                volume=trade.size if held.volume is None else _EXACT.add(held.volume, trade.size),
                ts_recv=trade.ts_recv,
                ts_event=trade.ts_event,
                source=_source(held, trade),
            )
        self._bar = bar
        return [*closed, bar]

    def add_bar(self, bar: Bar) -> list[Bar]:
        """Take a shorter bar, or a newer version of the one before; return what closed and how the open bar now stands.

        A shorter bar that is final and ends with the interval closes it at once. Volume is known when all parts' is.
        """
        moment = bar.ts_open
        if moment is None or moment < self._over or (self._shorter is not None and moment < _opening(self._shorter)):
            self.late += 1
            return []
        closed = self._turn(moment)
        if self._shorter is not None and moment > _opening(self._shorter):
            self._before = self._bar
        self._shorter = bar
        alone = self._opened(bar, moment, (bar.open, bar.high, bar.low, bar.close), bar.volume)
        self._bar = alone if self._before is None else _joined(self._before, bar)
        if bar.partial:
            self._bar = msgspec.structs.replace(self._bar, partial=True)
        if bar.is_final and interval_end(Interval(bar.interval), moment) >= self._end:
            return [*closed, *self._finish()]
        return [*closed, self._bar]

    def broken(self, since: UnixNanos | None = None) -> None:
        """Something may have been missed up to `since` (None = up to the next event): the bars it belongs to are `partial`."""
        self._since = since
        if self._bar is not None:
            self._bar = msgspec.structs.replace(self._bar, partial=True)
        if self._before is not None:
            self._before = msgspec.structs.replace(self._before, partial=True)

    def close(self, now: UnixNanos) -> list[Bar]:
        """Return the open bar as final if its interval ended at least `CLOSE_GRACE_SECONDS` before `now`; else nothing."""
        if self._bar is None or now < self._end + CLOSE_GRACE_SECONDS * SECONDS:
            return []
        return self._finish()

    def _turn(self, moment: UnixNanos) -> list[Bar]:
        if self._since is None:
            self._since = moment
        if self._bar is not None and moment >= self._end:
            return self._finish()
        return []

    def _finish(self) -> list[Bar]:
        bar = self._bar
        self._bar = self._before = self._shorter = None
        self._over = self._end
        return [] if bar is None else [msgspec.structs.replace(bar, is_final=True)]

    def _opened(
        self, event: Trade | Bar, moment: UnixNanos, prices: tuple[Decimal, ...], volume: Decimal | None
    ) -> Bar:
        start = interval_start(self.interval, moment)
        self._end = interval_end(self.interval, moment)
        first, high, low, last = prices
        return Bar(
            instrument=event.instrument,
            feed=event.feed,
            source=event.source,
            ts_recv=event.ts_recv,
            ts_event=event.ts_event,
            interval=self.interval.value,
            ts_open=start,
            open=first,
            high=high,
            low=low,
            close=last,
            volume=volume,
            is_final=False,
            derived=True,
            partial=self._since is not None and start < self._since,
        )


def _opening(bar: Bar) -> UnixNanos:
    return bar.ts_open if bar.ts_open is not None else UnixNanos(0)


def _joined(before: Bar, bar: Bar) -> Bar:
    return msgspec.structs.replace(
        before,
        high=max(before.high, bar.high),
        low=min(before.low, bar.low),
        close=bar.close,
        volume=None if before.volume is None or bar.volume is None else _EXACT.add(before.volume, bar.volume),
        ts_recv=bar.ts_recv,
        ts_event=bar.ts_event,
        source=_source(before, bar),
    )


def _source(held: Bar, event: Trade | Bar) -> FeedName | None:
    """Return which feed of a line-up a bar is made of; None when of several, so that it is the line-up's."""
    return held.source if held.source == event.source else None
