"""One rung of the ladder: a feed over one transport, what is wanted of it, and what it has said of itself.

A rung is an ordinary feed that publishes to the junction instead of the hub. One that nothing is wanted of is connected to
nothing.
"""

from typing import Protocol

import trio

from bridge.dialects.contract import Transport
from bridge.model import Covered, FeedHealth, FeedStatus, InstrumentId, Topic, TopicKind, TopicRefused, Uncovered
from bridge.upstream.contract import Feed
from bridge.upstream.standing.standing import Standing
from bridge.upstream.watches.watches import Watched


class RungInterest:
    """What the ladder wants of a rung; satisfies `upstream.contract.Interest`. One feed waits on it."""

    def __init__(self) -> None:
        self._wanted: frozenset[Topic] = frozenset()
        self._seen: frozenset[Topic] = frozenset()
        self._change = trio.Event()

    def set(self, topics: frozenset[Topic]) -> None:
        """Want exactly these."""
        if topics != self._wanted:
            self._wanted = topics
            self._change.set()

    def wanted(self) -> frozenset[Topic]:
        """See `Interest.wanted`."""
        self._seen = self._wanted
        return self._wanted

    async def changed(self) -> None:
        """See `Interest.changed`."""
        while self._wanted == self._seen:
            if self._change.is_set():
                self._change = trio.Event()
            await self._change.wait()
        await trio.lowlevel.checkpoint()


class RungFeed(Feed, Watched, Protocol):
    """A feed over one transport."""


class Rung:
    """See the module.

    Attributes:
        number: its place on the ladder, the best 0.
        transport: which.
        standing: the rung's own; what it publishes goes to the junction.
        interest: what is wanted of it.
        feed: carries it; set once it is made.
        covered: what it receives completely.
        refused: what it was refused, for want of room too; what is covered after all is not.
        stale: instruments of which it said so.
        asked: what is wanted of it now.
    """

    feed: RungFeed

    def __init__(self, number: int, transport: Transport, standing: Standing) -> None:
        self.number = number
        self.transport = transport
        self.standing = standing
        self.interest = RungInterest()
        self.covered: set[Topic] = set()
        self.refused: set[Topic] = set()
        self.stale: set[InstrumentId] = set()
        self.asked: frozenset[Topic] = frozenset()

    def __repr__(self) -> str:
        return f"<Rung {self.transport} {self.standing.health} {len(self.covered)} of {len(self.asked)} topics>"

    def want(self, topics: frozenset[Topic]) -> None:
        """Let it carry exactly these."""
        self.asked = topics
        self.refused &= topics
        self.interest.set(topics)

    def note(self, event: Covered | Uncovered | TopicRefused | FeedStatus) -> None:
        """Remember what it said of itself."""
        match event:
            case Covered(topics=topics):
                self.covered.update(topics)
                self.refused.difference_update(topics)
            case Uncovered(topics=topics):
                self.covered.difference_update(topics)
            case TopicRefused(topic=topic):
                self.refused.add(topic)
            case FeedStatus(instrument=str(instrument), status=FeedHealth.STALE):
                self.stale.add(instrument)
            case FeedStatus(instrument=str(instrument)):
                self.stale.discard(instrument)
            case FeedStatus():
                pass

    def serves(self, topic: Topic) -> bool:
        """Whether it carries a topic as far as one can; polling asks for single orders and never learns of new ones."""
        return topic in self.asked and not (topic.kind is TopicKind.ORDER and self.transport is Transport.POLLING)

    @property
    def is_live(self) -> bool:
        """Whether it says so, of something that is wanted."""
        return bool(self.asked) and self.standing.own_health is FeedHealth.LIVE

    def is_full(self, served: frozenset[Topic]) -> bool:
        """Whether it carries all that it was asked for, as far as it is granted, and all of what is served by another."""
        lacking = {topic for topic in self.asked if self.serves(topic)} - self.covered
        return self.is_live and bool(self.covered) and lacking <= self.refused and not lacking & served
