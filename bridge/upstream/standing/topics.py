"""Which topics a feed receives completely, and which it was refused. Each is published on change only; plain state.

What is *stale* is not received, whatever the vendor confirms; where it would be but for that, its coverage is *withheld*, and
begins when the topic is heard again.
"""

from collections.abc import Iterable

import trio

from bridge.clock import Clock
from bridge.model import Cause, Covered, FeedName, Topic, TopicRefused, Uncovered
from bridge.upstream.contract import Publish
from bridge.upstream.session.counters import SessionCounters

REFUSED_SECONDS = 60.0
"""How long a topic that the vendor refused is left alone, as the contract has it."""

REASON_CHARACTERS = 300


class TopicStanding(SessionCounters):
    """One feed's standing as to topics, and its counters.

    Args:
        name: the feed's.
        publish: where it is said.
        clock: stamps it.
    """

    def __init__(self, name: FeedName, publish: Publish, clock: Clock) -> None:
        super().__init__()
        self.name = name
        self.publish = publish
        self.clock = clock
        self._covered: set[Topic] = set()
        self._stale: set[Topic] = set()
        self._withheld: set[Topic] = set()
        self._refused: dict[Topic, float] = {}
        self._overflow: frozenset[Topic] = frozenset()

    # ── coverage ──
    @property
    def covered(self) -> int:
        """How many topics are covered."""
        return len(self._covered)

    @property
    def covered_topics(self) -> frozenset[Topic]:
        """Those that are."""
        return frozenset(self._covered)

    def covers(self, topic: Topic) -> bool:
        """Whether a topic is received completely."""
        return topic in self._covered

    def skip(self, topics: Iterable[Topic], reason: str, cause: Cause) -> None:
        """Of those of these that are received completely, something is missing: a moment without coverage."""
        known = [topic for topic in topics if topic in self._covered]
        self.uncover(known, reason)
        self.cover(known, cause=cause)

    def cover(self, topics: Iterable[Topic], *, continued: bool = False, cause: Cause = Cause.UPSTREAM) -> None:
        """These are received completely from here on; what is stale among them, once it is not.

        Args:
            topics: those not covered yet count.
            continued: as they were before the break, which cost nothing.
            cause: whose fault the break before was.
        """
        topics = frozenset(topics)
        self._withheld |= self._stale & topics
        new = tuple(sorted(topics - self._covered - self._stale, key=str))
        if new:
            self._covered.update(new)
            now = self.clock()
            self.publish(Covered(feed=self.name, topics=new, ts_recv=now, continued=continued, cause=cause))

    def uncover(self, topics: Iterable[Topic], reason: str) -> None:
        """Something of these may be missed from here on."""
        topics = frozenset(topics)
        self._withheld -= topics
        gone = tuple(sorted(topics & self._covered, key=str))
        if gone:
            self._covered.difference_update(gone)
            self.publish(
                Uncovered(feed=self.name, topics=gone, ts_recv=self.clock(), reason=reason[:REASON_CHARACTERS])
            )

    def uncover_all(self, reason: str) -> None:
        """Something of everything may be missed from here on."""
        self.uncover(self._covered | self._withheld, reason)

    # ── refusals ──
    @property
    def refused(self) -> int:
        """How many wanted topics are refused, by the vendor or for want of room."""
        return len(self._refused) + len(self._overflow)

    def refuse(self, topic: Topic, code: str, message: str) -> None:
        """The vendor said no; the topic is left alone for `REFUSED_SECONDS`."""
        self._refused[topic] = trio.current_time() + REFUSED_SECONDS
        self._publish_refusal(topic, code, message)

    def still_refused(self, wanted: frozenset[Topic]) -> frozenset[Topic]:
        """Return what of `wanted` is to be left alone; forgets what is no longer wanted or may be tried again."""
        now = trio.current_time()
        self._refused = {topic: until for topic, until in self._refused.items() if topic in wanted and until > now}
        return frozenset(self._refused)

    def retry_at(self) -> float:
        """When the first refused topic may be tried again, on Trio's clock; infinity when there is none."""
        return min(self._refused.values(), default=float("inf"))

    def overflow(self, topics: frozenset[Topic], code: str, message: str) -> None:
        """There is no room for exactly these; said once for each while it lasts."""
        new, self._overflow = topics - self._overflow, topics
        for topic in sorted(new, key=str):
            self._publish_refusal(topic, code, message)

    def _publish_refusal(self, topic: Topic, code: str, message: str) -> None:
        message = message[:REASON_CHARACTERS]
        self.publish(TopicRefused(feed=self.name, topic=topic, code=code, message=message, ts_recv=self.clock()))
