"""Which books cannot be right as they stand: what a feed is told of its own, so that it can look and have them said anew.

Three things give a book away that nobody numbered: its best bid reaches its best ask, changes come of a book that never
came whole, or it has more levels than any market. Here they are only noted, from the first event that showed it to the one
that showed otherwise; how long to bear with it, and what to do, is the feed's to decide. Bounded by the books that are held.
"""

from collections.abc import Callable

from bridge.book import Book
from bridge.model import BookDelta, BookReplacement, BookSnapshot, FeedName, InstrumentId, Topic, TopicKind, topic_of

MOST_LEVELS = 50_000
"""Levels of both sides of a believable book: the deepest that a vendor offers has 5,000 a side."""

MOST_GIVEN_UP = 10_000
"""Books given up of which it is remembered since when they were wrong."""

Place = tuple[FeedName, InstrumentId]
"""Where a book stands in the log."""


class FeedSuspicions:
    """One feed's; satisfies `upstream.contract.Suspicions`.

    Args:
        feed: the feed's name.
    """

    def __init__(self, feed: FeedName) -> None:
        self.feed = feed
        self.crossed: dict[Topic, str] = {}
        self.baseless: set[Topic] = set()
        self._listeners: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<FeedSuspicions {self.feed} {len(self.crossed)} crossed, {len(self.baseless)} without a base>"

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after each change, in the midst of whatever made it."""
        self._listeners.append(listener)

    def cross(self, topic: Topic, sentence: str) -> None:
        """A book is crossed, or else wrong in itself."""
        self.crossed[topic] = sentence
        self._turn()

    def miss(self, topic: Topic) -> None:
        """A change came of a book that is not there."""
        self.baseless.add(topic)
        self._turn()

    def clear(self, topic: Topic) -> None:
        """Nothing is wrong with a book any more, or nothing is known of it."""
        if topic in self.crossed or topic in self.baseless:
            self.crossed.pop(topic, None)
            self.baseless.discard(topic)
            self._turn()

    def _turn(self) -> None:
        for listener in self._listeners:
            listener()


class Suspicions:
    """All feeds'. A line-up's book is suspected of the feed that serves."""

    def __init__(self) -> None:
        self._feeds: dict[FeedName, FeedSuspicions] = {}
        self._suspected: dict[Place, tuple[FeedName, int]] = {}
        """Book → the feed that is told, and the offset of the last event before the one that gave it away."""
        self._wrong_after: dict[Place, int] = {}
        """Book that was given up while it was suspected → that offset, until the gap is declared."""

    def feed(self, name: FeedName) -> FeedSuspicions:
        """Return a feed's: the same object each time."""
        found = self._feeds.get(name)
        if found is None:
            found = self._feeds[name] = FeedSuspicions(name)
        return found

    def look(self, event: BookSnapshot | BookDelta | BookReplacement, book: Book | None, head: int) -> None:
        """Look at a book after an event of its.

        Args:
            event: as its feed said it.
            book: as it stands; None = there is none.
            head: the log's before the event.
        """
        place = (event.feed, event.instrument)
        wrong = book is None or book.crossed or len(book.bids) + len(book.asks) > MOST_LEVELS
        if place in self._suspected and (not wrong or (book is not None and self._is_baseless(place))):
            self.clear(*place)
        if wrong and place not in self._suspected:
            self._suspect(place, event, book, head)

    def clear(self, feed: FeedName, instrument: InstrumentId) -> None:
        """A book is sound again, or is not held any more."""
        name, _ = self._suspected.pop((feed, instrument), (None, 0))
        if name is not None:
            self.feed(name).clear(Topic(TopicKind.BOOK, instrument))

    def give_up(self, feed: FeedName, instrument: InstrumentId) -> None:
        """Nothing said of a book stands any more."""
        place = (feed, instrument)
        if place in self._suspected and not self._is_baseless(place):
            self._wrong_after[place] = self._suspected[place][1]
            if len(self._wrong_after) > MOST_GIVEN_UP:
                del self._wrong_after[next(iter(self._wrong_after))]
        self.clear(feed, instrument)

    def wrong_after(self, feed: FeedName, instrument: InstrumentId, lost: int) -> int:
        """Return the offset after which a book that was given up at `lost` was already wrong: there, or before."""
        return self._wrong_after.get((feed, instrument), lost)

    def declared(self, feed: FeedName, instrument: InstrumentId) -> None:
        """The gap of a book that was given up is declared."""
        self._wrong_after.pop((feed, instrument), None)

    def _is_baseless(self, place: Place) -> bool:
        return Topic(TopicKind.BOOK, place[1]) in self.feed(self._suspected[place][0]).baseless

    def _suspect(
        self, place: Place, event: BookSnapshot | BookDelta | BookReplacement, book: Book | None, head: int
    ) -> None:
        name = event.source or event.feed
        topic = topic_of(event)
        self._suspected[place] = name, head
        if book is None:
            self.feed(name).miss(topic)
            return
        bid, ask = book.best_bid, book.best_ask
        if bid is not None and ask is not None and book.crossed:
            self.feed(name).cross(topic, f"its best bid {bid.price} is not below its best ask {ask.price}")
        else:
            self.feed(name).cross(topic, f"it has {len(book.bids) + len(book.asks)} levels")
