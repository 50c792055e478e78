"""Bars that a feed does not have, made of its trades, or of its shorter bars, while somebody wants them.

Every event moves the open bar, so each is said again; a final one is said once. What is kept of the source when the bars are
first wanted becomes their history. A break of the source leaves its mark: the bars that it touched are `partial`.
"""

from collections.abc import Iterable, Sequence

from bridge.bars import BarBuilder
from bridge.book import Book
from bridge.model import SECONDS, Bar, BookDelta, BookSnapshot, Gap, LogEvent, Trade, UnixNanos, Want

MOST_BEHIND = 1_800 * SECONDS
"""Delayed data comes 10 to 20 minutes late; what is older is an old trade, said again, and tells nothing of the clock."""


class DerivedBars:
    """One interval of one instrument.

    Args:
        want: the bars.
    """

    def __init__(self, want: Want) -> None:
        if want.topic.interval is None:
            msg = f"{want.topic} names no interval"
            raise ValueError(msg)
        self._builder = BarBuilder(want.topic.interval)
        self._covered_at: UnixNanos | None = None
        self._behind = 0

    def begin(self, since: UnixNanos) -> None:
        """From `since`, by our clock, nothing of the source is missed."""
        self._builder.broken()
        self._covered_at = since

    def end(self) -> None:
        """Something of the source may be missed from here on."""
        self._builder.broken()
        self._covered_at = None

    def history(self, kept: Iterable[LogEvent]) -> list[Bar]:
        """Return the bars of what is kept of the source, oldest first, the open one last; and go on from there."""
        final: list[Bar] = []
        newest: Bar | None = None
        for event in kept:
            if isinstance(event, Gap):
                self._builder.broken()
            elif isinstance(event, Trade | Bar):
                for newest in self._add(event):
                    if newest.is_final is True:
                        final.append(newest)
        return final if newest is None or newest.is_final is True else [*final, newest]

    def take(self, event: Trade | Bar | BookSnapshot | BookDelta, book: Book | None) -> Sequence[Bar]:
        """Return the bar that an event closed, if any, and the open one after it."""
        return self._add(event) if isinstance(event, Trade | Bar) else ()

    def close(self, now: UnixNanos) -> Sequence[Bar]:
        """Return the open bar as final if it is over by the clock of its events, which may run behind ours."""
        return self._builder.close(UnixNanos(now - self._behind))

    def _add(self, event: Trade | Bar) -> list[Bar]:
        moment = event.ts_recv if event.ts_event is None else event.ts_event
        if self._covered_at is not None:
            # A vendor's clock that runs ahead of ours would have us vouch for what went by before we listened.
            since = self._covered_at + max(0, moment - event.ts_recv)
            # A vendor's bar is whole, whenever we began to listen.
            whole_from = event.ts_open if isinstance(event, Bar) and event.ts_open is not None else since
            self._builder.broken(UnixNanos(min(since, whole_from)))
            self._covered_at = None
        behind = event.ts_recv - moment
        self._behind = behind if 0 < behind <= MOST_BEHIND else 0
        return self._builder.add_trade(event) if isinstance(event, Trade) else self._builder.add_bar(event)
