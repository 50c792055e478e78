"""The newest state of one topic: a quote, a book, the open bar, a feed's health. Trades and orders have none.

State is forgotten with its coverage, so that an old price is never shown as a live one. A book's snapshot is made when
somebody asks for it, once per change.
"""

from bridge.book import Book
from bridge.hub.contract import Publication
from bridge.model import Bar, BookDelta, BookSnapshot, FeedStatus, LogEvent, Quote


class Latest:
    """One topic's newest state, as the log has told it."""

    __slots__ = ("_at_head", "_book", "_newest", "_standing")

    def __init__(self) -> None:
        self._newest: Publication | None = None
        self._book: Book | None = None
        self._standing: Publication | None = None
        self._at_head: Publication | None = None

    def update(self, publication: Publication) -> None:
        """Take what was published; what is no state of the whole topic is passed over."""
        event = publication.event
        if isinstance(event, BookDelta):
            if self._book is None:
                return
            self._book.apply(event)
        elif isinstance(event, BookSnapshot):
            self._book = self._book or Book()
            self._book.apply(event)
        elif not _is_state(event):
            return
        self._newest = publication
        self._standing = self._at_head = None

    def forget(self) -> None:
        """Know nothing any more."""
        self._newest = self._book = self._standing = self._at_head = None

    def standing(self) -> Publication | None:
        """The state with the offset that made it, marked `whole`; None when there is none (or the last bar is over)."""
        if self._standing is None and self._newest is not None:
            event = self._newest.event
            if isinstance(event, Bar) and event.is_final is True:
                return None
            self._standing = Publication(self._newest.offset, self._whole(event), whole=True)
        return self._standing

    def at(self, head: int) -> Publication | None:
        """The state as it is handed out at a join: with the log's head as its offset. One object while head and state stay."""
        standing = self.standing()
        if standing is None:
            return None
        if self._at_head is None or self._at_head.offset != head:
            self._at_head = Publication(head, standing.event, whole=True)
        return self._at_head

    def _whole(self, event: LogEvent) -> LogEvent:
        if self._book is None or not isinstance(event, BookSnapshot | BookDelta):
            return event
        bids, asks = self._book.cut()
        return BookSnapshot(
            instrument=event.instrument,
            feed=event.feed,
            source=event.source,
            ts_recv=event.ts_recv,
            ts_event=event.ts_event,
            bids=bids,
            asks=asks,
            depth=event.depth,
            sequence=event.sequence,
        )


def _is_state(event: LogEvent) -> bool:
    return isinstance(event, Quote | Bar) or (isinstance(event, FeedStatus) and event.instrument is None)
