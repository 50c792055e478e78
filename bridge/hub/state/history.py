"""What is still kept of one topic: its newest publications, bounded in events, estimated bytes and seconds.

A book's history is cut only where a whole book stands: every so often its state is put between the deltas as a checkpoint,
which only a reader from before what is kept ever sees. So whatever is kept can be replayed by itself.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice

import msgspec

from bridge.hub.contract import Publication
from bridge.hub.settings import HubSettings
from bridge.model import SECONDS, Bar, BookDelta, BookSnapshot, Gap, LogEvent, OrderUpdate, Quote, Trade, UnixNanos

CHECKPOINT_EVERY = 250
"""Publications of a book from one checkpoint to the next at most; fewer where less than four times as many are kept."""

FIXED_BYTES = 400
"""What a publication of any kind takes at least, measured with its decimals."""

LEVEL_BYTES = 250
SHARED_LEVEL_BYTES = 20
"""A level of a checkpoint: only a reference to what a delta brought."""

FIELD_BYTES = 100


def estimated_bytes(event: LogEvent) -> int:
    """Estimate what keeping an event costs, its encodings included."""
    match event:
        case Trade():
            return FIXED_BYTES * 2
        case Quote():
            return FIXED_BYTES * 3 + FIELD_BYTES * len(event.extra or ())
        case BookSnapshot() | BookDelta():
            return FIXED_BYTES + LEVEL_BYTES * (len(event.bids) + len(event.asks))
        case _:
            return FIXED_BYTES * 2


def every_one_matters(event: LogEvent) -> bool:
    """Whether losing it must be declared: trades, orders, final bars and gaps; all else is replaced by newer state."""
    return isinstance(event, Trade | OrderUpdate | Gap) or (isinstance(event, Bar) and event.is_final is True)


class _Entry(msgspec.Struct, frozen=True, gc=False):
    publication: Publication
    size_bytes: int
    kept_since: UnixNanos


class History:
    """One topic's.

    Args:
        settings: the bounds.
        of_book: whether what is kept must begin with a whole book.

    Attributes:
        trimmed: the offset of the newest publication that is no longer kept; 0 = none was dropped.
        trimmed_log: likewise of those whose loss must be declared.
        size_bytes: estimated.
    """

    __slots__ = (
        "_checkpoint_every",
        "_deltas",
        "_entries",
        "_most_bytes",
        "_most_events",
        "_most_nanos",
        "_of_book",
        "size_bytes",
        "trimmed",
        "trimmed_log",
    )

    def __init__(self, settings: HubSettings, *, of_book: bool = False) -> None:
        self.adopt(settings)
        self._of_book = of_book
        self._entries: deque[_Entry] = deque()
        self._deltas = 0
        self.trimmed = 0
        self.trimmed_log = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def adopt(self, settings: HubSettings) -> None:
        """Keep to other bounds from the next event on."""
        self._most_events = settings.history_events
        self._most_bytes = settings.history_bytes
        self._most_nanos = round(settings.history_seconds * SECONDS)
        self._checkpoint_every = max(1, min(CHECKPOINT_EVERY, settings.history_events // 4))

    def append(self, publication: Publication, now: UnixNanos) -> None:
        """Keep it, and let go of what the bounds no longer allow."""
        if self._of_book:
            self._deltas += 1
        self._keep(_Entry(publication, estimated_bytes(publication.event), now))

    @property
    def wants_checkpoint(self) -> bool:
        """Whether the book as it stands is to be put down before the next delta."""
        return not self._entries or self._deltas >= self._checkpoint_every

    def checkpoint(self, book: Publication, now: UnixNanos) -> None:
        """Put down the book as it stood at an offset that is already here; `book.whole` is set."""
        self._deltas = 0
        levels = len(book.event.bids) + len(book.event.asks) if isinstance(book.event, BookSnapshot) else 0
        self._keep(_Entry(book, FIXED_BYTES + SHARED_LEVEL_BYTES * levels, now))

    def expire(self, now: UnixNanos) -> None:
        """Let go of what is older than the bound."""
        oldest = now - self._most_nanos
        while self._entries and self._entries[0].kept_since < oldest:
            self._drop()
        if self._of_book:
            self._drop_to_a_whole_book()

    def clear(self) -> None:
        """Let go of everything."""
        while self._entries:
            self._drop()

    def after(self, offset: int) -> list[Publication]:
        """Everything kept with a greater offset, ascending; for a reader from before what is kept, a book begins whole."""
        kept = self._from(offset)
        if not (kept and self._of_book):
            return kept
        base = kept[0]
        rest = [publication for publication in kept[1:] if not publication.whole]
        return rest if base.whole and offset >= self.trimmed else [base, *rest]

    def until(self, offset: int) -> Iterator[Publication]:
        """Everything kept up to an offset, ascending, checkpoints left out unless one is the first."""
        for number, entry in enumerate(self._entries):
            if entry.publication.offset > offset:
                return
            if not number or not entry.publication.whole:
                yield entry.publication

    def newest(self, limit: int) -> list[Publication]:
        """The newest events whose loss would matter, gaps left out, oldest first."""
        found: list[Publication] = []
        for entry in reversed(self._entries):
            if len(found) >= limit:
                break
            event = entry.publication.event
            if every_one_matters(event) and not isinstance(event, Gap):
                found.append(entry.publication)
        found.reverse()
        return found

    def _from(self, offset: int) -> list[Publication]:
        found: list[Publication] = []
        for entry in reversed(self._entries):
            if entry.publication.offset <= offset:
                break
            found.append(entry.publication)
        found.reverse()
        return found

    def _keep(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self.size_bytes += entry.size_bytes
        while len(self._entries) > self._most_events or self.size_bytes > self._most_bytes:
            self._drop()
        if self._of_book:
            self._drop_to_a_whole_book()

    def _drop_to_a_whole_book(self) -> None:
        if any(isinstance(entry.publication.event, BookDelta) for entry in islice(self._entries, 2)):
            while self._entries and not isinstance(self._entries[0].publication.event, BookSnapshot):
                self._drop()

    def _drop(self) -> None:
        entry = self._entries.popleft()
        self.size_bytes -= entry.size_bytes
        offset = entry.publication.offset
        self.trimmed = offset
        if every_one_matters(entry.publication.event):
            self.trimmed_log = offset
