"""Cut books: `book.N` of an instrument, made of the full book once for everyone, while somebody wants that cut.

Each cut is a chain of its own: a snapshot first, then the changes of its best N levels; a full snapshot makes a new one.
"""

from bridge.book import Book, difference
from bridge.hub.inlet.assemble import Numbering
from bridge.model import BookDelta, BookSnapshot, FeedName, InstrumentId, Levels


class Cut:
    """One cut and where it stands."""

    __slots__ = ("asks", "bids", "depth", "sequence")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.bids: Levels = ()
        self.asks: Levels = ()
        self.sequence: int | None = None
        """Its newest number; None = it begins with a snapshot."""


class Cuts:
    """All cuts that somebody wants.

    Args:
        numbering: shared with the full books.
    """

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._cuts: dict[tuple[FeedName, InstrumentId], dict[int, Cut]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._cuts.values()))

    def begin(self, feed: FeedName, instrument: InstrumentId, depth: int) -> None:
        """Somebody wants this cut now."""
        self._cuts.setdefault((feed, instrument), {}).setdefault(depth, Cut(depth))

    def end(self, feed: FeedName, instrument: InstrumentId, depth: int) -> None:
        """Nobody wants it any more."""
        cuts = self._cuts.get((feed, instrument), {})
        cuts.pop(depth, None)
        if not cuts:
            self._cuts.pop((feed, instrument), None)

    def first(self, event: BookSnapshot, head: int) -> list[BookSnapshot]:
        """Return the first snapshots of the cuts that have none yet; `event` is the full book as it stands."""
        cuts = self._cuts.get((event.feed, event.instrument), {})
        return [self._snapshot(cut, event, head) for cut in cuts.values() if cut.sequence is None]

    def follow(self, event: BookSnapshot | BookDelta, book: Book, head: int) -> list[BookSnapshot | BookDelta]:
        """Return what a published change of the full book is to each of its cuts; `book` is the book after it."""
        cuts = self._cuts.get((event.feed, event.instrument))
        if not cuts:
            return []
        found: list[BookSnapshot | BookDelta] = []
        for cut in cuts.values():
            if isinstance(event, BookSnapshot):
                found.append(self._snapshot(cut, event, head))
            elif (delta := self._delta(cut, event, book)) is not None:
                found.append(delta)
        return found

    def _snapshot(self, cut: Cut, event: BookSnapshot, head: int) -> BookSnapshot:
        cut.bids, cut.asks = event.bids[: cut.depth], event.asks[: cut.depth]
        cut.sequence = self._numbering.after(cut.sequence, head)
        return BookSnapshot(
            instrument=event.instrument,
            feed=event.feed,
            source=event.source,
            ts_recv=event.ts_recv,
            ts_event=event.ts_event,
            bids=cut.bids,
            asks=cut.asks,
            depth=cut.depth,
            sequence=cut.sequence,
        )

    def _delta(self, cut: Cut, event: BookDelta, book: Book) -> BookDelta | None:
        bids, asks = book.bids.top(cut.depth), book.asks.top(cut.depth)
        changed_bids = difference(cut.bids, bids, highest_first=True)
        changed_asks = difference(cut.asks, asks, highest_first=False)
        if cut.sequence is None or not (changed_bids or changed_asks):
            return None
        previous = cut.sequence
        cut.bids, cut.asks = bids, asks
        cut.sequence = self._numbering.after(previous, 0)
        return BookDelta(
            instrument=event.instrument,
            feed=event.feed,
            source=event.source,
            ts_recv=event.ts_recv,
            ts_event=event.ts_event,
            bids=changed_bids,
            asks=changed_asks,
            depth=cut.depth,
            sequence=cut.sequence,
            prev_sequence=previous,
        )
