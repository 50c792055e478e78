"""What is wanted of one feed itself, of topics that a line-up has of it too: what is derived from one feed's data, say.

The feed is subscribed once and says everything once. Its own record in the hub is told the same as the line-up, as long as
somebody wants it: coverage that had begun before is said when the want begins, with the state there is, and ends with it.
"""

from collections.abc import Callable, Mapping

import msgspec

from bridge.clock import Clock
from bridge.hub.interest import FeedInterest
from bridge.hub.lineups.lineup import Lineup
from bridge.hub.lineups.standby import Fact
from bridge.model import Covered, Topic, Uncovered, UpstreamEvent


class Share:
    """One feed's.

    Args:
        own: what is wanted of the feed itself.
        publish: takes what it says into the log.
        clock: wall time.
    """

    def __init__(self, own: FeedInterest, publish: Callable[[UpstreamEvent], None], clock: Clock) -> None:
        self._own = own
        self._publish = publish
        self._clock = clock
        self._covered: set[Topic] = set()

    def __repr__(self) -> str:
        return f"<Share of {self._own.feed}, {len(self._covered)} topics>"

    def adopt(self, topic: Topic) -> None:
        """What was the feed's alone, and covered, is a line-up's topic too from here on."""
        self._covered.add(topic)

    def fact(self, event: Fact, topic: Topic) -> None:
        """The feed told something of a line-up's topic."""
        if topic in self._own.topics:
            self._publish(event)

    def coverage(self, event: Covered | Uncovered) -> None:
        """The feed said of topics of line-ups that it receives them completely, or does not any more."""
        known = self._own.topics if isinstance(event, Covered) else self._covered
        topics = tuple(topic for topic in event.topics if topic in known)
        if topics:
            part = msgspec.structs.replace(event, topics=topics)
            self._covered = self._covered.union(topics) if isinstance(event, Covered) else self._covered - {*topics}
            self._publish(part)

    def settle(self, lineups: Mapping[Topic, Lineup]) -> None:
        """Begin and end what is wanted, or not wanted any more, of topics that were covered all the while."""
        feed, wanted, now = self._own.feed, self._own.topics, self._clock()
        ended = tuple(self._covered - wanted)
        if ended:
            self._covered.difference_update(ended)
            reason = "nobody wants it of this feed"
            self._publish(Uncovered(feed=feed, topics=ended, ts_recv=now, reason=reason))
        for topic in wanted - self._covered:
            lineup = lineups.get(topic)
            if lineup is not None and lineup.receives(feed, topic):
                self._covered.add(topic)
                self._publish(Covered(feed=feed, topics=(topic,), ts_recv=now))
                state = lineup.state_of(feed, topic)
                if state is not None:
                    self._publish(state)
