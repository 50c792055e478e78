"""What a new connection has said of a quote or a book so far, folded into one event."""

from decimal import Decimal

import msgspec
from msgspec import UNSET

from bridge.model import (
    QUOTE_FIELDS,
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    Levels,
    QuotePatch,
    UpstreamEvent,
)


class QuoteFold:
    """All patches of one quote in one."""

    def __init__(self) -> None:
        self.patch: QuotePatch | None = None
        """None before the first; `full` once a full one was among them."""

    def add(self, patch: QuotePatch) -> None:
        """Fold a patch in; a full one replaces what was before."""
        if self.patch is None or patch.full:
            self.patch = patch
            return
        said = {name: value for name in QUOTE_FIELDS if (value := getattr(patch, name)) is not UNSET}
        self.patch = msgspec.structs.replace(
            self.patch,
            **said,
            extra={**self.patch.extra, **patch.extra},
            ts_recv=patch.ts_recv,
            ts_event=patch.ts_event,
        )


class BookFold:
    """All snapshots, replacements and deltas of one book in one."""

    def __init__(self) -> None:
        self._whole = False
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._last: BookSnapshot | BookDelta | BookReplacement | None = None

    def add(self, event: BookSnapshot | BookDelta | BookReplacement) -> None:
        """Fold an event in."""
        self._last = event
        if not isinstance(event, BookDelta):
            self._whole = True
            self._bids, self._asks = {}, {}
        for side, levels in ((self._bids, event.bids), (self._asks, event.asks)):
            side.update(levels)

    def folded(self) -> UpstreamEvent | None:
        """Return a replacement, or one delta while no whole book has come, or None when nothing has."""
        if self._last is None:
            return None
        last = self._last
        kind = BookReplacement if self._whole else BookDelta
        return kind(
            instrument=last.instrument,
            feed=last.feed,
            ts_recv=last.ts_recv,
            ts_event=last.ts_event,
            bids=_levels(self._bids, falling=True, empty=not self._whole),
            asks=_levels(self._asks, falling=False, empty=not self._whole),
        )


def _levels(side: dict[Decimal, Decimal], *, falling: bool, empty: bool) -> Levels:
    """Best first; `empty` keeps the levels of size 0, which a delta needs."""
    prices = sorted(side, reverse=falling)
    return tuple(BookLevel(price, side[price]) for price in prices if empty or side[price])
