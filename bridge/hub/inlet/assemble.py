"""What a wire says in pieces, put together before the log: whole quotes, numbered books, closed bars.

Held per feed and instrument, and forgotten when the topic's coverage ends, so that nothing old is taken for confirmed.

* A `QuotePatch` becomes the whole `Quote` and the names of what it changed; what is older than the held quote is dropped, until
  so many in a row are older that it is the vendor's clock that went back.
* Book snapshots and deltas are numbered in one chain a book, and a replacement becomes the difference to the held book
  when that is the shorter way to say it. A delta without a book is dropped. Levels that change nothing are left out.
* Bars are `hub.bars`' matter.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from bridge.book import Book, same_number
from bridge.hub.inlet.bars import HeldBars
from bridge.hub.inlet.echoes import Echoes
from bridge.model import (
    QUOTE_FIELDS,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    FeedName,
    InstrumentId,
    Levels,
    Quote,
    QuotePatch,
    Topic,
    TopicKind,
    UnixNanos,
)

OLDER_IN_A_ROW = 20
"""Quotes older than the one held that are dropped one after another: messages that overtook each other are fewer, and a vendor
whose clock was ahead once, or was set back, must not leave a quote standing for as long as that."""

EXTRA_FIELDS = 512
"""A vendor's other fields that a quote holds; TradingView has some hundred. More names than that are made up."""

Place = tuple[FeedName, InstrumentId]
"""What state is held by."""


class Numbering:
    """The numbers of all book chains: each goes up by one, a chain that begins anew begins above every number given before.

    So no chain ever goes back within an epoch, without remembering chains that are over.
    """

    def __init__(self) -> None:
        self._highest = 0

    def after(self, previous: int | None, head: int) -> int:
        """Return the number after `previous`; of a new chain (None) one above all given and above the log's head."""
        number = max(self._highest, head) + 1 if previous is None else previous + 1
        self._highest = max(self._highest, number)
        return number


class HeldBook:
    """A book, the number it stands at, and the event that brought it there."""

    __slots__ = ("book", "newest", "sequence")

    def __init__(self, sequence: int, newest: BookSnapshot | BookDelta | BookReplacement) -> None:
        self.book = Book()
        self.sequence = sequence
        self.newest = newest


class HeldQuote:
    """A quote, the newest vendor's time seen of it, and how many older ones were dropped since."""

    __slots__ = ("newest", "older", "quote")

    def __init__(self, quote: Quote, newest: UnixNanos | None) -> None:
        self.quote = quote
        self.newest = newest
        self.older = 0


class Assembler:
    """Turns what decoders emit into what stands in the log.

    Attributes:
        stale_quotes: patches dropped because they were older than the quote held.
        baseless_deltas: deltas dropped because no book was held.
        bars: what is known of open bars; `echoes` trades said twice.
        unchanged: events that said nothing new.
    """

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self.bars = HeldBars()
        self.echoes = Echoes()
        self._quotes: dict[Place, HeldQuote] = {}
        self._books: dict[Place, HeldBook] = {}
        self.stale_quotes = 0
        self.baseless_deltas = 0
        self.unchanged = 0

    def counts(self) -> dict[str, int]:
        """Return what `HubStatistics` tells of what is left out."""
        return {
            "stale_quotes": self.stale_quotes,
            "baseless_deltas": self.baseless_deltas,
            "stale_bars": self.bars.stale,
            "unchanged": self.unchanged + self.bars.unchanged,
            "echoes": self.echoes.count,
        }

    def forget(self, feed: FeedName, topic: Topic) -> None:
        """Trust nothing that a feed has said of a topic so far."""
        if topic.instrument is None:
            return
        match topic.kind:
            case TopicKind.QUOTE:
                self.forget_quote(feed, topic.instrument)
            case TopicKind.BOOK:
                self.forget_book(feed, topic.instrument)
            case TopicKind.BAR:
                self.bars.forget(feed, topic.instrument, topic.interval)
            case TopicKind.TRADE:
                self.echoes.forget(feed, topic.instrument)
            case _:
                pass

    def held_book(self, feed: FeedName, instrument: InstrumentId) -> Book | None:
        """Return the full book as it stands; None = none or in doubt. Not to be changed by the caller."""
        held = self._books.get((feed, instrument))
        return None if held is None else held.book

    def whole_book(self, feed: FeedName, instrument: InstrumentId) -> BookSnapshot | None:
        """Return the full book as a snapshot with its number; None = none or in doubt."""
        held = self._books.get((feed, instrument))
        if held is None:
            return None
        return _snapshot(held, *held.book.cut())

    def held_quote(self, feed: FeedName, instrument: InstrumentId) -> Quote | None:
        """Return the quote as it stands; None = none or in doubt."""
        held = self._quotes.get((feed, instrument))
        return None if held is None else held.quote

    def forget_quote(self, feed: FeedName, instrument: InstrumentId) -> None:
        """Trust nothing said of a quote so far."""
        self._quotes.pop((feed, instrument), None)

    def forget_book(self, feed: FeedName, instrument: InstrumentId) -> None:
        """Trust nothing said of a book so far: deltas are dropped until it comes whole."""
        self._books.pop((feed, instrument), None)

    def quote(self, patch: QuotePatch) -> Quote | None:
        """Return the whole quote after a patch; None when it is old or says nothing new."""
        place = (patch.feed, patch.instrument)
        held = self._quotes.get(place)
        newest = None if held is None else held.newest
        if held is not None and self._is_old(patch, held):
            self.stale_quotes += 1
            return None
        fields, changed = _merged(patch, None if held is None else held.quote)
        extra, changed_extra = _merged_extra(patch, None if held is None else held.quote.extra)
        if not changed and not changed_extra and (held is None or patch.ts_event in (None, newest)):
            self.unchanged += 1
            return None
        quote = Quote(
            instrument=patch.instrument,
            feed=patch.feed,
            source=patch.source,
            ts_recv=patch.ts_recv,
            ts_event=patch.ts_event,
            extra=extra or None,
            changed=changed,
            changed_extra=changed_extra,
            derived=patch.derived,
            **fields,
        )
        self._quotes[place] = HeldQuote(quote, newest if patch.ts_event is None else patch.ts_event)
        return quote

    def _is_old(self, patch: QuotePatch, held: HeldQuote) -> bool:
        if patch.ts_event is None or held.newest is None or patch.ts_event >= held.newest:
            return False
        held.older += 1
        return held.older < OLDER_IN_A_ROW

    def book(self, event: BookSnapshot | BookDelta | BookReplacement, head: int) -> BookSnapshot | BookDelta | None:
        """Return a numbered snapshot or delta; None when it has no base or changes nothing."""
        place = (event.feed, event.instrument)
        held = self._books.get(place)
        if isinstance(event, BookDelta):
            if held is None:
                self.baseless_deltas += 1
                return None
            return self._delta(event, held, held.book.apply(event))
        if isinstance(event, BookReplacement) and held is not None:
            book = Book()
            whole = book.apply(event)
            changes = held.book.difference(book)
            if _count(changes) <= _count(whole):
                held.book = book
                return self._delta(event, held, changes)
        return self._snapshot(event, held, head)

    def _snapshot(self, event: BookSnapshot | BookReplacement, held: HeldBook | None, head: int) -> BookSnapshot:
        if held is None:
            held = self._books[event.feed, event.instrument] = HeldBook(self._numbering.after(None, head), event)
        else:
            held.sequence = self._numbering.after(held.sequence, head)
        held.newest = event
        return _snapshot(held, *held.book.apply(event))

    def _delta(
        self, event: BookDelta | BookReplacement, held: HeldBook, changes: tuple[Levels, Levels]
    ) -> BookDelta | None:
        bids, asks = changes
        if not bids and not asks:
            self.unchanged += 1
            return None
        held.newest = event
        previous = held.sequence
        held.sequence = self._numbering.after(previous, 0)
        return BookDelta(
            instrument=event.instrument,
            feed=event.feed,
            source=event.source,
            ts_recv=event.ts_recv,
            ts_event=event.ts_event,
            bids=bids,
            asks=asks,
            sequence=held.sequence,
            prev_sequence=previous,
        )


def _snapshot(held: HeldBook, bids: Levels, asks: Levels) -> BookSnapshot:
    newest = held.newest
    return BookSnapshot(
        instrument=newest.instrument,
        feed=newest.feed,
        source=newest.source,
        ts_recv=newest.ts_recv,
        ts_event=newest.ts_event,
        bids=bids,
        asks=asks,
        sequence=held.sequence,
    )


def _count(levels: tuple[Levels, Levels]) -> int:
    return len(levels[0]) + len(levels[1])


def same_value(one: object, other: object) -> bool:
    """Whether two values of a field are the same, numbers digit for digit."""
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return same_number(one, other)
    return one == other


def _merged(patch: QuotePatch, held: Quote | None) -> tuple[dict[str, Any], frozenset[str]]:
    fields: dict[str, Any] = {}
    changed = []
    for name in QUOTE_FIELDS:
        before = None if held is None else getattr(held, name)
        said = getattr(patch, name)
        if said is UNSET:
            said = None if patch.full else before
        if said is not before and not same_value(said, before):
            changed.append(name)
        if said is not None:
            fields[name] = said
    return fields, frozenset(changed)


def _merged_extra(
    patch: QuotePatch, held: Mapping[str, msgspec.Raw] | None
) -> tuple[Mapping[str, msgspec.Raw], frozenset[str]]:
    before = held or {}
    if not patch.extra and not (patch.full and before):
        return before, frozenset()
    merged = {} if patch.full else dict(before)
    for name, said in patch.extra.items():
        if said is None:
            merged.pop(name, None)
        elif name in merged or len(merged) < EXTRA_FIELDS:
            merged[name] = said
    names = before.keys() | merged.keys()
    changed = frozenset(
        name for name in names if bytes(before.get(name, msgspec.Raw(b""))) != bytes(merged.get(name, msgspec.Raw(b"")))
    )
    return merged, changed
