"""What was left out for one who lags too far: which topics, how many events, from where to where."""

from collections.abc import Collection

import msgspec

from bridge.hub.contract import Publication
from bridge.model import Bar, Cause, Gap, Topic, Trade, UnixNanos


class LagCounts(msgspec.Struct):
    """What lagging, or the wish to be slowed, has cost one subscriber so far.

    Attributes:
        conflated: state events that a newer one replaced.
        folded: book events that were folded into others.
        gaps: holes declared; `missed` events in them.
    """

    conflated: int = 0
    folded: int = 0
    gaps: int = 0
    missed: int = 0


class Hole:
    """Log events left out in a row: no other of its topics' was kept in between.

    Attributes:
        topics: how many of each.
        to: the offset of the last.
    """

    __slots__ = ("_since", "_until", "to", "topics")

    def __init__(self) -> None:
        self.topics: dict[Topic, int] = {}
        self.to = 0
        self._since: UnixNanos | None = None
        self._until: UnixNanos | None = None

    def add(self, publication: Publication) -> None:
        """Leave out one more, of a topic that it names."""
        event, want = publication.event, publication.policy.want
        if want is not None:
            self.topics[want.topic] = self.topics.get(want.topic, 0) + 1
        self.to = publication.offset
        if isinstance(event, Trade | Bar) and event.ts_event is not None:
            self._until = event.ts_event
            self._since = self._since or event.ts_event

    def forget(self, topics: Collection[Topic]) -> None:
        """These are not wanted any more, so nothing of them is missing."""
        self.topics = {topic: count for topic, count in self.topics.items() if topic not in topics}

    def gap(self, after: str, to: str, now: UnixNanos) -> Gap:
        """Declare it.

        Args:
            after: the cursor of the event before it.
            to: its end's cursor.
            now: our wall time.
        """
        return Gap(
            topics=tuple(self.topics),
            from_=after,
            to=to,
            cause=Cause.SLOW_CONSUMER,
            ts_recv=now,
            missed=sum(self.topics.values()),
            ts_from=self._since,
            ts_to=self._until,
        )
