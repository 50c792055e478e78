"""What somebody wants and its feed does not have: each derived topic, what it is made of, and when it can be vouched for.

Theory of operation: a derived topic rests on sources, which the feed is asked for in its stead. It is covered while all its
sources are (without those that the vendor refused), and each such coverage is said in the log like a feed's own, so that breaks,
gaps and resumption are those of any topic. Nothing is derived while it is not covered. What is made here is handed back to
`Intake`, which appends it behind what it was made of.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from bridge.book import Book
from bridge.clock import Clock
from bridge.hub.inlet.derived_bars import DerivedBars
from bridge.hub.inlet.derived_quote import DerivedQuote
from bridge.hub.state.topic import Topics
from bridge.model import (
    Bar,
    BookDelta,
    BookSnapshot,
    Code,
    FeedName,
    QuotePatch,
    Topic,
    TopicKind,
    Trade,
    UnixNanos,
    Want,
    topic_of,
)

Source = Trade | Bar | BookSnapshot | BookDelta
"""What may be derived from."""

Made = Bar | QuotePatch


class Maker(Protocol):
    """Makes one derived topic's events."""

    def begin(self, since: UnixNanos) -> None:
        """From `since`, by our clock, nothing of the sources is missed."""
        ...

    def end(self) -> None:
        """Something may be missed from here on."""
        ...

    def take(self, event: Source, book: Book | None) -> Sequence[Made]:
        """Return what follows from an event; `book` is the full book as it stands."""
        ...

    def close(self, now: UnixNanos) -> Sequence[Made]:
        """Return what is over by the clock; `now` is of one that only rises."""
        ...


class Derived:
    """One derived topic.

    Attributes:
        sources: what it is made of.
        lacking: those of them that the vendor refused.
        covered: whether it is vouched for.
    """

    __slots__ = ("covered", "lacking", "maker", "sources", "want")

    def __init__(self, want: Want, sources: Sequence[Topic], steady: Clock) -> None:
        self.want = want
        self.sources = tuple(sources)
        self.lacking: set[Topic] = set()
        self.covered = False
        self.maker: Maker = DerivedBars(want, steady) if want.topic.kind is TopicKind.BAR else DerivedQuote(want)

    def __repr__(self) -> str:
        return f"<Derived {self.want.topic} of {' and '.join(map(str, self.sources))}>"


class Derivations:
    """All that is derived now.

    Args:
        topics: the hub's records, only read: which sources are covered.
        steady: nanoseconds that only rise.
    """

    def __init__(self, topics: Topics, steady: Clock) -> None:
        self._topics = topics
        self._steady = steady
        self._derived: dict[Want, Derived] = {}
        self._quoteless: set[FeedName] = set()
        """Feeds whose quotes are made here: what they tell of one themselves is an answer."""
        self._by_source: dict[FeedName, dict[Topic, list[Derived]]] = {}

    def __len__(self) -> int:
        return len(self._derived)

    def begin(self, want: Want, sources: Sequence[Topic]) -> Derived:
        """Somebody wants this now."""
        derived = self._derived[want] = Derived(want, sources, self._steady)
        if want.topic.kind is TopicKind.QUOTE:
            self._quoteless.add(want.feed)
        by_topic = self._by_source.setdefault(want.feed, {})
        for source in sources:
            by_topic.setdefault(source, []).append(derived)
        return derived

    def end(self, want: Want) -> bool:
        """Nobody wants it any more; return whether it was covered."""
        derived = self._derived.pop(want, None)
        if derived is None:
            return False
        by_topic = self._by_source[want.feed]
        for source in derived.sources:
            by_topic[source].remove(derived)
            if not by_topic[source]:
                del by_topic[source]
        if not by_topic:
            del self._by_source[want.feed]
        return derived.covered

    def take(self, event: Source, book: Book | None = None) -> list[Made]:
        """Return what follows from an event that has just been appended."""
        if not self._by_source:
            return []
        on = self._by_source.get(event.feed, {}).get(topic_of(event), ())
        return [made for derived in on if derived.covered for made in derived.maker.take(event, book)]

    def ready(self, feed: FeedName, topics: Iterable[Topic]) -> list[Derived]:
        """Return what can be vouched for now that these topics are covered or refused, and could not be before."""
        found = self._on(feed, topics)
        return [derived for derived in found if not derived.covered and self._all_covered(derived)]

    def accepted(self, feed: FeedName, topics: Iterable[Topic]) -> None:
        """The vendor confirmed these."""
        for topic in topics:
            for derived in self._on(feed, (topic,)):
                derived.lacking.discard(topic)

    def broken(self, feed: FeedName, topics: Iterable[Topic]) -> list[Topic]:
        """Return what can no longer be vouched for, now that these are not covered any more."""
        lost = [derived for derived in self._on(feed, topics) if derived.covered]
        for derived in lost:
            derived.covered = False
            derived.maker.end()
        return [derived.want.topic for derived in lost]

    def refused(self, feed: FeedName, topic: Topic, code: str) -> list[Topic]:
        """Return what a refusal of a topic refuses too: what can be made of nothing else, or has to wait."""
        found = self._on(feed, (topic,))
        if Code(code).is_passing:
            return [derived.want.topic for derived in found]
        for derived in found:
            derived.lacking.add(topic)
        return [derived.want.topic for derived in found if derived.lacking.issuperset(derived.sources)]

    def asks(self) -> list[Want]:
        """Return the quotes whose vendors are to be asked for the day's figures now."""
        now = self._steady()
        return [
            one.want
            for one in self._derived.values()
            if one.covered and isinstance(one.maker, DerivedQuote) and one.maker.asks(now)
        ]

    def plain(self, want: Want) -> None:
        """A want is begun that is made of nothing else: a feed that is asked for a quote tells of quotes itself from here on."""
        if want.topic.kind is TopicKind.QUOTE:
            self._quoteless.discard(want.feed)

    def answered(self, patch: QuotePatch) -> Sequence[Made] | None:
        """Return what a vendor's answer says of a quote that is made here; None when its feed has quotes of its own."""
        derived = self._derived.get(Want(Topic(TopicKind.QUOTE, patch.instrument), patch.feed))
        if derived is None and patch.feed not in self._quoteless:
            return None
        if derived is None or not derived.covered or not isinstance(derived.maker, DerivedQuote):
            return ()  # it came too late
        return derived.maker.answered(patch)

    def close(self) -> list[Made]:
        """Return what is over by the clock."""
        now = self._steady()
        return [made for derived in self._derived.values() for made in derived.maker.close(now)]

    def _on(self, feed: FeedName, topics: Iterable[Topic]) -> list[Derived]:
        """Return what rests on any of these, each once."""
        by_topic = self._by_source.get(feed)
        if by_topic is None:
            return []
        return list({derived.want: derived for topic in topics for derived in by_topic.get(topic, ())}.values())

    def _all_covered(self, derived: Derived) -> bool:
        needed = [source for source in derived.sources if source not in derived.lacking]
        return bool(needed) and all(self._covered(derived.want.feed, source) for source in needed)

    def _covered(self, feed: FeedName, topic: Topic) -> bool:
        record = self._topics.find(feed, topic)
        return record is not None and record.coverage.since is not None
