"""The quote that a feed does not have, made of the best levels of its book and of its trades, while somebody wants it.

What is not known is absent: a day's figures are those that the vendor told when it was asked; where it tells none, they are said
only when every trade of that day (UTC) was seen, and the close before it only when the last trade of the day before was. Books,
trades and answers have clocks of their own; the quote's time is the latest.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import UNSET

from bridge.bars import BarBuilder
from bridge.book import Book
from bridge.hub.inlet.day import DAY_FIELDS, Figures, ToldDay, change_of
from bridge.model import (
    MILLISECONDS,
    QUOTE_FIELDS,
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

HOLD_NANOS: Final = 500 * MILLISECONDS
"""How long the first word of a quote waits for the day's figures: a printed ticker breaks on a quote without them. What is held
goes with the next whole second at the latest, which is within what a state request waits."""

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
        self._told = ToldDay()
        self._said = False
        self._held: QuotePatch | None = None
        self._held_until: UnixNanos | None = None
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
        self._told.forget()
        self._said = False
        self._held = self._held_until = None

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
        """Return what was held back for an answer that has not come."""
        return self._release() if self._held_until is not None and now >= self._held_until else ()

    def asks(self, now: UnixNanos) -> bool:
        """Whether the vendor is to be asked for the day's figures now; the first word waits for the answer, for a moment."""
        if not self._told.due(now):
            return False
        if not self._said:
            self._held_until = UnixNanos(now + HOLD_NANOS)
        return True

    def answered(self, patch: QuotePatch) -> Sequence[QuotePatch]:
        """Return what the vendor's answer says of the quote: the day's figures, and the last price before any trade is heard."""
        self._told.take(patch)
        figures = self._told.figures(self._close)
        answer = QuotePatch(
            instrument=patch.instrument,
            feed=patch.feed,
            ts_recv=patch.ts_recv,
            ts_event=self._time(patch.ts_event),
            derived=True,
            **(figures or {}),
        )
        return self._say(answer) or self._release()

    def _say(self, patch: QuotePatch) -> Sequence[QuotePatch]:
        """Return a patch to say, or hold it back together with those before it."""
        self._said = True
        if self._held_until is None:
            return (patch,)
        self._held = patch if self._held is None else _both(self._held, patch)
        return ()

    def _release(self) -> Sequence[QuotePatch]:
        held, self._held, self._held_until = self._held, None, None
        return () if held is None else (held,)

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
        return self._say(patch)

    def _trade(self, trade: Trade) -> Sequence[QuotePatch]:
        moment = trade.ts_recv if trade.ts_event is None else trade.ts_event
        if self._last_time is not None and moment < self._last_time:
            return ()
        self._last_time = moment
        day = self._day_after(trade, moment)
        self._told.trade(trade.price)
        figures = self._told.figures(trade.price) or self._heard(trade.price, day)
        patch = QuotePatch(
            instrument=trade.instrument,
            feed=trade.feed,
            source=self._source(Trade, trade.source),
            ts_recv=trade.ts_recv,
            ts_event=self._time(trade.ts_event),
            last_size=trade.size,
            last_time=trade.ts_event,
            derived=True,
            **figures,
        )
        return self._say(patch)

    def _heard(self, last: Decimal, day: Bar | None) -> Figures:
        """Return what the trades themselves say of the day: nothing, unless all of them were heard."""
        if day is None or day.partial:
            return {"last": last, **dict.fromkeys(DAY_FIELDS)}
        change, percent = change_of(last, self._prev_close)
        return {
            "last": last,
            "open": day.open,
            "high": day.high,
            "low": day.low,
            "volume": day.volume,
            "prev_close": self._prev_close,
            "change": change,
            "change_percent": percent,
        }

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


def _both(first: QuotePatch, second: QuotePatch) -> QuotePatch:
    """Return one patch that says what two do."""
    fields = {name: value for name in QUOTE_FIELDS if (value := getattr(first, name)) is not UNSET}
    fields |= {name: value for name in QUOTE_FIELDS if (value := getattr(second, name)) is not UNSET}
    return msgspec.structs.replace(second, **fields)
