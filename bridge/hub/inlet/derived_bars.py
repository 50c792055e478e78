"""Bars that a feed does not have, made of its trades, or of its shorter bars, while somebody wants them.

Every event moves the open bar, so each is said again; a final one is said once. What is kept of the source when the bars are
first wanted becomes their history. A break of the source leaves its mark: the bars that it touched are `partial`.

An open bar is over by the time of its events, which goes on from the newest one: data may be late, and our wall clock may be set.
"""

from collections.abc import Iterable, Sequence

from bridge.bars import BarBuilder
from bridge.book import Book
from bridge.clock import Clock
from bridge.model import Bar, BookDelta, BookSnapshot, Gap, LogEvent, Trade, UnixNanos, Want


class DerivedBars:
    """One interval of one instrument.

    Args:
        want: the bars.
        steady: nanoseconds that only rise.
    """

    def __init__(self, want: Want, steady: Clock) -> None:
        if want.topic.interval is None:
            msg = f"{want.topic} names no interval"
            raise ValueError(msg)
        self._builder = BarBuilder(want.topic.interval)
        self._covered_at: UnixNanos | None = None
        self._steady = steady
        self._reached: UnixNanos | None = None
        """The time of the newest event, and when that was, of what only rises."""
        self._reached_at = steady()

    def begin(self, since: UnixNanos) -> None:
        """From `since`, by our clock, nothing of the source is missed."""
        self._builder.broken()
        self._covered_at = since

    def end(self) -> None:
        """Something of the source may be missed from here on."""
        self._builder.broken()
        self._covered_at = None

    def history(self, kept: Iterable[LogEvent], now: UnixNanos) -> list[Bar]:
        """Return the bars of what is kept of the source, oldest first, the open one last; and go on from there.

        Args:
            kept: oldest first.
            now: our wall time.
        """
        final: list[Bar] = []
        newest: Bar | None = None
        for event in kept:
            if isinstance(event, Gap):
                self._builder.broken()
            elif isinstance(event, Trade | Bar):
                for newest in self._add(event):
                    if newest.is_final is True:
                        final.append(newest)
                self._reached_at = UnixNanos(self._steady() - max(0, now - event.ts_recv))
        return final if newest is None or newest.is_final is True else [*final, newest]

    def take(self, event: Trade | Bar | BookSnapshot | BookDelta, book: Book | None) -> Sequence[Bar]:
        """Return the bar that an event closed, if any, and the open one after it."""
        return self._add(event) if isinstance(event, Trade | Bar) else ()

    def close(self, now: UnixNanos) -> Sequence[Bar]:
        """Return the open bar as final if it is over by the clock of its events.

        Args:
            now: of what only rises.
        """
        return () if self._reached is None else self._builder.close(UnixNanos(self._reached + now - self._reached_at))

    def _add(self, event: Trade | Bar) -> list[Bar]:
        moment = event.ts_recv if event.ts_event is None else event.ts_event
        if self._covered_at is not None:
            # A vendor's clock that runs ahead of ours would have us vouch for what went by before we listened.
            since = self._covered_at + max(0, moment - event.ts_recv)
            # A vendor's bar is whole, whenever we began to listen.
            whole_from = event.ts_open if isinstance(event, Bar) and event.ts_open is not None else since
            self._builder.broken(UnixNanos(min(since, whole_from)))
            self._covered_at = None
        self._reached, self._reached_at = moment, self._steady()
        return self._builder.add_trade(event) if isinstance(event, Trade) else self._builder.add_bar(event)
