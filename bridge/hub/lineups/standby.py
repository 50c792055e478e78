"""What the feeds that do not serve have said meanwhile: kept as state only, so that who takes over begins with a fresh book.

A vendor says a book whole once, when it is subscribed. A feed that is kept subscribed because it is preferred has said it
before it serves again; so its changes are applied here, beside the log, and what stands is said as if it came now.
"""

from collections.abc import Iterable

import msgspec

from bridge.hub.inlet.assemble import Assembler, Numbering
from bridge.model import (
    QUOTE_FIELDS,
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    FeedName,
    LogEvent,
    Quote,
    QuotePatch,
    Topic,
    TopicKind,
    Trade,
    topic_of,
)

Fact = QuotePatch | Trade | BookSnapshot | BookDelta | BookReplacement | Bar
"""What a feed says of an instrument."""


class Standby:
    """The state of the feeds of one line-up that do not serve."""

    def __init__(self) -> None:
        self._assembler = Assembler(Numbering())
        self._bars: dict[tuple[FeedName, Topic], Bar] = {}

    def take(self, event: Fact) -> None:
        """Take what a feed said; trades leave nothing behind."""
        match event:
            case QuotePatch():
                self._assembler.quote(event)
            case BookSnapshot() | BookDelta() | BookReplacement():
                self._assembler.book(event, 0)
            case Bar():
                self._bars[event.feed, topic_of(event)] = event
            case _:
                pass

    def forget(self, feed: FeedName, topics: Iterable[Topic]) -> None:
        """Trust nothing that a feed has said of these so far."""
        for topic in topics:
            self._bars.pop((feed, topic), None)
            if topic.instrument is not None and topic.kind is TopicKind.QUOTE:
                self._assembler.forget_quote(feed, topic.instrument)
            elif topic.instrument is not None and topic.kind is TopicKind.BOOK:
                self._assembler.forget_book(feed, topic.instrument)

    def state(self, feed: FeedName, topic: Topic) -> Fact | None:
        """Return a topic's state in the feed's own name, as the feed could say it whole; None = not known."""
        if topic.instrument is None:
            return None
        if topic.kind is TopicKind.QUOTE:
            quote = self._assembler.held_quote(feed, topic.instrument)
            return None if quote is None else patch_of(quote)
        if topic.kind is TopicKind.BOOK:
            return self._assembler.whole_book(feed, topic.instrument)
        return self._bars.get((feed, topic))


def said_by(feed: FeedName, state: LogEvent) -> Fact | None:
    """Return a state of the log as a feed could say it whole; None when it is no state of an instrument."""
    if isinstance(state, Quote):
        return patch_of(msgspec.structs.replace(state, feed=feed, source=None))
    if isinstance(state, BookSnapshot | Bar):
        return msgspec.structs.replace(state, feed=feed, source=None)
    return None


def patch_of(quote: Quote) -> QuotePatch:
    """Return what says a whole quote anew."""
    fields = {name: value for name in QUOTE_FIELDS if (value := getattr(quote, name)) is not None}
    return QuotePatch(
        instrument=quote.instrument,
        feed=quote.feed,
        ts_recv=quote.ts_recv,
        ts_event=quote.ts_event,
        full=True,
        extra=quote.extra or {},
        **fields,
    )
