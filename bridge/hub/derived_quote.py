"""The quote that a feed does not have, made of the best levels of its book and of its trades, while somebody wants it.

What is not known is absent: a day's figures are said only when every trade of that day (UTC) was seen, and the close before it
only when the last trade of the day before was. Books and trades have clocks of their own; the quote's time is the later one.
"""

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Final

from bridge.bars import BarBuilder
from bridge.book import Book
from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    FeedName,
    Interval,
    QuotePatch,
    Trade,
    UnixNanos,
    Want,
)

PERCENT_DIGITS: Final = Decimal("0.0001")
"""A quotient has no digits of its own; this is finer than any vendor's."""

_WIDE: Final = Context(prec=60)

Top = tuple[BookLevel | None, BookLevel | None]


class DerivedQuote:
    """One instrument's.

    Args:
        want: the quote.
    """

    def __init__(self, want: Want) -> None:
        self._want = want
        self._top: Top | None = None
        self._told_by: dict[type, FeedName | None] = {}
        """Which feed of a line-up told the book, and which the trades."""
        self._newest: UnixNanos | None = None
        self._last_time: UnixNanos | None = None
        self._day = BarBuilder(Interval.D1)
        self._covered_at: UnixNanos | None = None
        self._close: Decimal | None = None
        """The newest price, if nothing was missed since."""
        self._prev_close: Decimal | None = None

    def begin(self, since: UnixNanos) -> None:
        """From `since`, by our clock, nothing of the sources is missed."""
        self._covered_at = since

    def end(self) -> None:
        """Something may be missed from here on, and what was said is not to be trusted."""
        self._top = self._last_time = self._close = self._prev_close = None
        self._told_by.clear()
        self._day.broken()

    def take(self, event: Trade | Bar | BookSnapshot | BookDelta, book: Book | None) -> Sequence[QuotePatch]:
        """Return what an event changed of the quote.

        Args:
            event: of one of the sources.
            book: the full book after it; None when there is none.
        """
        if isinstance(event, Trade):
            return self._trade(event)
        return [] if book is None or isinstance(event, Bar) else self._book(event, book)

    def close(self, now: UnixNanos) -> Sequence[QuotePatch]:
        """Nothing of a quote ends by the clock."""
        return ()

    def _book(self, event: BookSnapshot | BookDelta, book: Book) -> Sequence[QuotePatch]:
        top = (book.best_bid, book.best_ask)
        if top == self._top:
            return ()
        self._top = bid, ask = top
        patch = QuotePatch(
            instrument=event.instrument,
            feed=event.feed,
            source=self._source(Book, event.source),
            ts_recv=event.ts_recv,
            ts_event=self._time(event.ts_event),
            bid=None if bid is None else bid.price,
            bid_size=None if bid is None else bid.size,
            ask=None if ask is None else ask.price,
            ask_size=None if ask is None else ask.size,
            derived=True,
        )
        return (patch,)

    def _trade(self, trade: Trade) -> Sequence[QuotePatch]:
        moment = trade.ts_recv if trade.ts_event is None else trade.ts_event
        if self._last_time is not None and moment < self._last_time:
            return ()
        self._last_time = moment
        day = self._day_after(trade, moment)
        whole = day is not None and not day.partial
        change, percent = _change(trade.price, self._prev_close if whole else None)
        patch = QuotePatch(
            instrument=trade.instrument,
            feed=trade.feed,
            source=self._source(Trade, trade.source),
            ts_recv=trade.ts_recv,
            ts_event=self._time(trade.ts_event),
            last=trade.price,
            last_size=trade.size,
            last_time=trade.ts_event,
            open=day.open if day is not None and whole else None,
            high=day.high if day is not None and whole else None,
            low=day.low if day is not None and whole else None,
            volume=day.volume if day is not None and whole else None,
            prev_close=self._prev_close if whole else None,
            change=change,
            change_percent=percent,
            derived=True,
        )
        return (patch,)

    def _day_after(self, trade: Trade, moment: UnixNanos) -> Bar | None:
        """Return the day as it is after a trade; note the close of the one before when the day turns."""
        if self._covered_at is not None:
            self._day.broken(UnixNanos(self._covered_at + max(0, moment - trade.ts_recv)))
            self._covered_at = None
        days = self._day.add_trade(trade)
        if len(days) > 1:
            self._prev_close = self._close
        self._close = trade.price
        return days[-1] if days else None

    def _source(self, of: type, feed: FeedName | None) -> FeedName | None:
        """Note whose a part is; return the feed whose the whole quote is, None when two feeds', so that it is the line-up's."""
        self._told_by[of] = feed
        return feed if len(set(self._told_by.values())) == 1 else None

    def _time(self, moment: UnixNanos | None) -> UnixNanos | None:
        if moment is not None and (self._newest is None or moment > self._newest):
            self._newest = moment
        return self._newest


def _change(last: Decimal, before: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
    if before is None:
        return None, None
    change = _WIDE.subtract(last, before)
    if not before:
        return change, None
    percent = _WIDE.divide(_WIDE.multiply(change, Decimal(100)), before)
    return change, percent.quantize(PERCENT_DIGITS, context=_WIDE)
