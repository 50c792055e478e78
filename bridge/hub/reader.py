"""The log's reader: the only one through which publications reach history, state, coverage and subscriptions.

It is called once per publication, in log order, without awaiting, wherever the log lives.
"""

from collections import Counter

from bridge.clock import Clock
from bridge.hub.contract import Publication
from bridge.hub.refusals import Refusals
from bridge.hub.topic import TopicRecord, Topics
from bridge.model import Covered, FeedStatus, Gap, MarketEvent, TopicRefused, Uncovered, Want, topic_of


class LogReader:
    """Applies publications to the records.

    Args:
        topics: the hub's records.
        refusals: what vendors said no to.
        clock: stamps what is kept.

    Attributes:
        counts: publications applied, by the event's class name.
    """

    def __init__(self, topics: Topics, refusals: Refusals, clock: Clock) -> None:
        self._topics = topics
        self._refusals = refusals
        self._clock = clock
        self.counts: Counter[str] = Counter()

    def apply(self, publication: Publication) -> None:
        """Take a publication in."""
        event = publication.event
        self.counts[type(event).__name__] += 1
        match event:
            case MarketEvent() | FeedStatus():
                topic = topic_of(event)
                record = self._topics.find(event.feed, topic) or self._record(Want(topic, event.feed), publication)
                record.receive(publication, self._clock())
            case Gap():
                self._gap(publication, event)
            case Covered():
                self._covered(publication, event)
            case Uncovered():
                self._uncovered(publication, event)
            case TopicRefused():
                self._refused(publication, event)

    def _gap(self, publication: Publication, event: Gap) -> None:
        for topic in event.topics:
            if event.feed is not None:
                record = self._record(Want(topic, event.feed), publication)
                record.coverage.tell(publication.offset)
                record.receive(publication, self._clock())

    def _covered(self, publication: Publication, event: Covered) -> None:
        for topic in event.topics:
            want = Want(topic, event.feed)
            self._refusals.accepted(want)
            self._record(want, publication)
            for record in self._topics.family(event.feed, topic):
                record.coverage.cover(publication.offset)
                record.covered()

    def _uncovered(self, publication: Publication, event: Uncovered) -> None:
        for topic in event.topics:
            for record in self._topics.family(event.feed, topic):
                record.coverage.lose(publication.offset)
                record.uncovered()

    def _refused(self, publication: Publication, event: TopicRefused) -> None:
        self._refusals.remember(event, self._clock())
        record = self._topics.find(event.feed, event.topic)
        if record is not None:
            for subscription in list(record.subscriptions):
                subscription.offer(publication)

    def _record(self, want: Want, publication: Publication) -> TopicRecord:
        return self._topics.make(want, publication.offset, self._clock())
