"""What follows from each publication of the log: history, state and coverage change, and whom it concerns is offered it.

Called by the log in its order, never awaiting; nothing else touches those.
"""

from collections import defaultdict

from bridge.clock import Clock
from bridge.hub.contract import Log, Publication
from bridge.hub.state.refusals import Refusals
from bridge.hub.state.topic import TopicRecord, Topics
from bridge.model import (
    Covered,
    FeedStatus,
    Gap,
    MarketEvent,
    TopicRefused,
    Uncovered,
    Want,
    topic_of,
)


class Applier:
    """The hub's way of taking in its log.

    Args:
        log: whose publications these are.
        topics: the records that change.
        refusals: what vendors' refusals are remembered in.
        steady: nanoseconds that only rise, for the ages of what is kept.
    """

    def __init__(self, log: Log, topics: Topics, refusals: Refusals, steady: Clock) -> None:
        self._log = log
        self._topics = topics
        self._refusals = refusals
        self._steady = steady
        self._counts: defaultdict[type, int] = defaultdict(int)

    @property
    def counts(self) -> dict[str, int]:
        """Publications applied so far, by the event's class name."""
        return {kind.__name__: count for kind, count in self._counts.items()}

    def apply(self, publication: Publication) -> None:
        """Take in the log's next publication."""
        event = publication.event
        self._counts[type(event)] += 1
        match event:
            case MarketEvent() | FeedStatus():
                topic = topic_of(event)
                record = self._topics.find(event.feed, topic) or self._record(Want(topic, event.feed))
                record.receive(publication, self._steady())
            case Gap():
                self._gap(publication, event)
            case Covered():
                self._covered(publication.offset, event)
            case Uncovered():
                for topic in event.topics:
                    for record in self._topics.family(event.feed, topic):
                        record.coverage.lose(publication.offset)
                        record.uncovered()
            case TopicRefused():
                self._refused(publication, event)

    def _gap(self, publication: Publication, event: Gap) -> None:
        for topic in event.topics:
            if event.feed is not None:
                record = self._record(Want(topic, event.feed))
                record.coverage.tell(publication.offset)
                record.receive(publication, self._steady())

    def _covered(self, offset: int, event: Covered) -> None:
        for topic in event.topics:
            self._refusals.accepted(Want(topic, event.feed))
            self._record(Want(topic, event.feed))
            for record in self._topics.family(event.feed, topic):
                record.coverage.cover(offset, continued=event.continued)
                record.covered()

    def _refused(self, publication: Publication, event: TopicRefused) -> None:
        self._refusals.remember(event, self._steady())
        record = self._topics.find(event.feed, event.topic)
        if record is not None:
            for subscription in list(record.subscriptions):
                subscription.offer(publication)

    def _record(self, want: Want) -> TopicRecord:
        return self._topics.make(want, self._log.head, self._steady())
