"""All that the hub holds of one wanted thing, and the index that finds it: by feed, then by topic.

A topic nobody holds, that is not covered and of which nothing is kept any more, leaves the index (`Topics.idle` names them).
"""

from bridge.hub.contract import Publication
from bridge.hub.settings import HubSettings
from bridge.hub.state.coverage import Coverage
from bridge.hub.state.history import History
from bridge.hub.state.latest import Latest
from bridge.hub.subscribers.subscription import Subscription, offer_to_all
from bridge.model import (
    SECONDS,
    Bar,
    BookDelta,
    FeedName,
    FeedStatus,
    Gap,
    InstrumentId,
    Topic,
    TopicKind,
    UnixNanos,
    Want,
)

GAP_KINDS = frozenset({TopicKind.TRADE, TopicKind.BAR, TopicKind.ORDER})
"""Log topics: a client that returns too late gets a gap for each, beside whatever state there is."""

DOUBTFUL_KINDS = GAP_KINDS | {TopicKind.BOOK}
"""Topics whose followers are told when coverage broke under them."""

FORGOTTEN_KINDS = frozenset({TopicKind.QUOTE, TopicKind.BOOK})
"""State topics whose kept publications are worthless once their coverage ended."""


STATELESS_KINDS = frozenset({TopicKind.TRADE, TopicKind.ORDER})
"""Topics of which there is no newest state."""


class TopicRecord:
    """One want's coverage, history, state and subscriptions.

    Attributes:
        subscriptions: who holds it; True = continuity was promised, so that a break must be told.
        touched: when something last happened to it.
    """

    __slots__ = ("coverage", "history", "latest", "subscriptions", "touched", "want")

    def __init__(self, want: Want, coverage: Coverage, settings: HubSettings) -> None:
        self.want = want
        self.coverage = coverage
        self.history = History(settings, of_book=want.topic.kind is TopicKind.BOOK)
        self.latest = Latest()
        self.subscriptions: dict[Subscription, bool] = {}
        self.touched = UnixNanos(0)

    def __repr__(self) -> str:
        return f"<TopicRecord {self.want.topic} of {self.want.feed}, {len(self.subscriptions)} subscriptions>"

    @property
    def newest_final(self) -> UnixNanos:
        """When the newest final bar that is kept began; -1 = none is kept."""
        kept = (publication.event for publication in self.history.after(0))
        begun = (bar.ts_open for bar in kept if isinstance(bar, Bar) and bar.is_final is True)
        return max((moment for moment in begun if moment is not None), default=UnixNanos(-1))

    def receive(self, publication: Publication, now: UnixNanos) -> None:
        """Keep a publication and offer it to everyone whom it concerns."""
        event = publication.event
        self.touched = now
        if type(event) is BookDelta and self.history.wants_checkpoint and (book := self.latest.standing()) is not None:
            self.history.checkpoint(book, now)
        self.history.append(publication, now)
        if self.want.topic.kind not in STATELESS_KINDS:
            self.latest.update(publication)
        if isinstance(event, Gap):
            audience = [subscription for subscription, promised in self.subscriptions.items() if promised]
        elif isinstance(event, FeedStatus) and event.instrument is not None:
            audience = [it for it in self.subscriptions if _follows(it, event.feed, event.instrument)]
        else:
            audience = list(self.subscriptions)
        offer_to_all(audience, publication)

    def state_at(self, offset: int) -> Publication | None:
        """Return the state as it was at an offset, if that is still known; None = none, or not known any more."""
        standing = self.latest.standing()
        if standing is not None and standing.offset <= offset:
            return Publication(offset, standing.event, whole=True)
        then = Latest()
        for publication in self.history.until(offset):
            then.update(publication)
        return then.at(offset)

    def covered(self) -> None:
        """From here on everyone who holds the topic is promised continuity."""
        for subscription in self.subscriptions:
            self.subscriptions[subscription] = True

    def uncovered(self) -> None:
        """Forget what can no longer be vouched for."""
        self.latest.forget()
        for subscription in self.subscriptions:
            subscription.lose(self.want)
        if self.want.topic.kind in FORGOTTEN_KINDS:
            self.history.clear()


def _follows(subscription: Subscription, feed: FeedName, instrument: InstrumentId) -> bool:
    """Whether news of one instrument of a feed concerns it."""
    return any(
        want.feed == feed and (want.topic.instrument == instrument or want.topic.kind is TopicKind.STATUS)
        for want in subscription.wants
    )


class Topics:
    """The index of all records.

    Args:
        settings: the hub's.
    """

    def __init__(self, settings: HubSettings) -> None:
        self._settings = settings
        self._feeds: dict[FeedName, dict[Topic, TopicRecord]] = {}
        self._books: dict[Want, dict[Topic, TopicRecord]] = {}
        """Full book → it and its cuts."""

    def __len__(self) -> int:
        return sum(map(len, self._feeds.values()))

    def adopt(self, settings: HubSettings) -> None:
        """Keep to other bounds from now on."""
        self._settings = settings
        for record in self.all():
            record.history.adopt(settings)

    def counts(self) -> dict[str, int]:
        """Return what `HubStatistics` tells of the records and of what they keep."""
        records = self.all()
        return {
            "topics": len(records),
            "covered": sum(record.coverage.since is not None for record in records),
            "history_events": sum(len(record.history) for record in records),
            "history_bytes": sum(record.history.size_bytes for record in records),
        }

    def all(self) -> list[TopicRecord]:
        """Every record."""
        return [record for topics in self._feeds.values() for record in topics.values()]

    def find(self, feed: FeedName, topic: Topic) -> TopicRecord | None:
        """Return what is held of a feed's topic; None = nothing."""
        topics = self._feeds.get(feed)
        return None if topics is None else topics.get(topic)

    def make(self, want: Want, head: int, now: UnixNanos) -> TopicRecord:
        """Return what is held of a want, beginning a record if there is none. A cut book shares its book's coverage."""
        record = self.find(want.feed, want.topic)
        if record is not None:
            return record
        whole = want.upstream
        coverage = Coverage(head) if whole == want.topic else self.make(Want(whole, want.feed), head, now).coverage
        record = TopicRecord(want, coverage, self._settings)
        record.touched = now
        self._feeds.setdefault(want.feed, {})[want.topic] = record
        if whole.kind is TopicKind.BOOK:
            self._books.setdefault(Want(whole, want.feed), {})[want.topic] = record
        return record

    def leave(self, subscription: Subscription, want: Want, now: UnixNanos) -> None:
        """A subscription holds a want no more."""
        record = self.find(want.feed, want.topic)
        if record is not None and record.subscriptions.pop(subscription, None) is not None:
            record.touched = now

    def family(self, feed: FeedName, topic: Topic) -> list[TopicRecord]:
        """Return the records that stand or fall with a topic: its own, and a full book's cuts."""
        if topic.kind is TopicKind.BOOK:
            return list(self._books.get(Want(topic, feed), {}).values())
        record = self.find(feed, topic)
        return [] if record is None else [record]

    def idle(self, now: UnixNanos) -> list[TopicRecord]:
        """Let history age, and return the records that nothing holds but perhaps interest. Feeds' health is never idle."""
        until = now - round(self._settings.history_seconds * SECONDS)
        found = []
        for record in self.all():
            record.history.expire(now)
            if (
                not (record.subscriptions or record.history)
                and record.touched < until
                and record.coverage.since is None
                and record.want.topic.kind is not TopicKind.STATUS
            ):
                found.append(record)
        return found

    def forget(self, record: TopicRecord) -> None:
        """Take a record out of the index."""
        want = record.want
        topics = self._feeds[want.feed]
        del topics[want.topic]
        if not topics:
            del self._feeds[want.feed]
        if want.topic.kind is TopicKind.BOOK:
            whole = Want(want.upstream, want.feed)
            self._books[whole].pop(want.topic)
            if not self._books[whole]:
                del self._books[whole]

    def vacate(self, feed: FeedName) -> None:
        """Forget all of a feed; nobody holds any of it."""
        for record in list(self._feeds.get(feed, {}).values()):
            self.forget(record)
