"""A line-up: several feeds in order of preference, one of which serves. To the rest of the hub it is one feed.

Theory of operation. What clients want is counted for the line-up (`Want.feed` is its name). The feed that serves and all that
are preferred to it are subscribed; what the serving one says goes into the log under the line-up's name, with the feed's own
as `source`. So topics, records, cursors and book chains live through a switch, and two feeds' books can never meet: a switch
ends the coverage of every topic, by which all state is forgotten, and coverage that begins again declares the gap.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import structlog

from bridge.clock import Clock
from bridge.hub.contract import Publication
from bridge.hub.doubles import Doubles
from bridge.hub.interest import FeedInterest
from bridge.hub.preference import BROKEN, Chance, choose
from bridge.hub.standby import Fact, Standby, said_by
from bridge.model import (
    Code,
    Covered,
    FeedHealth,
    FeedName,
    FeedStatus,
    InstrumentId,
    MarketEvent,
    Topic,
    TopicRefused,
    Trade,
    Uncovered,
    UpstreamEvent,
    Want,
)

_log = structlog.get_logger(__name__)


class Condition(msgspec.Struct):
    """How one feed is; shared by the line-ups it stands in.

    Attributes:
        settle_seconds: how long it must have been live before what prefers it goes back to it.
        status: what it said last; None = nothing yet.
        live_since: since when it has been live, in seconds that only rise; None = it is not.
        stale: the instruments of which it said that they are.
    """

    settle_seconds: float
    status: FeedStatus | None = None
    live_since: float | None = None
    stale: set[InstrumentId] = msgspec.field(default_factory=set)

    @property
    def health(self) -> FeedHealth | None:
        """As it said last; None = nothing yet."""
        return None if self.status is None else self.status.status

    def health_for(self, wanted: Iterable[Topic]) -> FeedHealth | None:
        """How it is for who wants these: no better than the worst of them."""
        stale = self.health is FeedHealth.LIVE and any(topic.instrument in self.stale for topic in wanted)
        return FeedHealth.STALE if stale else self.health


class LineupTools(msgspec.Struct, frozen=True, kw_only=True):
    """What a line-up works with.

    Attributes:
        publish: takes what it says into the log.
        state: finds what the log's state is of a want.
        conditions: of every feed.
        clock: wall time; `now` seconds that only rise.
        changed: called when other feeds are to be subscribed.
    """

    publish: Callable[[UpstreamEvent], None]
    state: Callable[[Want], Publication | None]
    conditions: Mapping[FeedName, Condition]
    clock: Clock
    now: Callable[[], float]
    changed: Callable[[], None]


class Lineup:
    """See the module.

    Attributes:
        name: the feeds', joined by `+`, which no feed's name contains.
        feeds: the preferred one first.
        on: the one that serves.
    """

    def __init__(self, feeds: Sequence[FeedName], interest: FeedInterest, tools: LineupTools) -> None:
        self.name = interest.feed
        self.feeds = tuple(feeds)
        self.on = self.feeds[0]
        self._interest = interest
        self._tools = tools
        self._standby = Standby()
        self._doubles = Doubles(tools.now)
        self._covered: dict[FeedName, set[Topic]] = {feed: set() for feed in feeds}
        self._refused: dict[FeedName, dict[Topic, TopicRefused]] = {feed: {} for feed in feeds}
        self._say_how_it_is(None)

    def __repr__(self) -> str:
        return f"<Lineup {self.name} on {self.on}>"

    def wanted_of(self, feed: FeedName) -> frozenset[Topic]:
        """What one of the feeds is to be subscribed to: all that is wanted, or nothing."""
        plays = feed in self.feeds and self.feeds.index(feed) <= self.feeds.index(self.on)
        return self._interest.topics if plays else frozenset()

    def receives(self, feed: FeedName, topic: Topic) -> bool:
        """Whether one of the feeds receives a topic completely."""
        return feed in self.feeds and topic in self._covered[feed]

    def state_of(self, feed: FeedName, topic: Topic) -> Fact | None:
        """Return a topic's state as one of the feeds has it, in that feed's name; None = not known."""
        if feed != self.on:
            return self._standby.state(feed, topic)
        standing = self._tools.state(Want(topic, self.name))
        return None if standing is None else said_by(feed, standing.event)

    def adopt(self, feed: FeedName, topic: Topic) -> None:
        """One of the feeds receives a topic for others already, and will not say so again."""
        standing = self._tools.state(Want(topic, feed))
        state = None if standing is None else said_by(feed, standing.event)
        if state is not None:
            self._standby.take(state)
        self._covered[feed].add(topic)
        if feed == self.on:
            self._begin(feed, (topic,))

    # ── what its feeds say ──
    def fact(self, event: Fact) -> None:
        """A feed told something of one of the topics."""
        if event.feed != self.on:
            self._standby.take(event)
        elif isinstance(event, Trade):
            doubtful = self._doubles.doubtful(event) or event.possible_duplicate
            self._tools.publish(
                msgspec.structs.replace(event, feed=self.name, source=event.feed, possible_duplicate=doubtful)
            )
        else:
            self._say(event)

    def covered(self, event: Covered) -> None:
        """A feed receives these topics completely."""
        self._covered[event.feed].update(event.topics)
        for topic in event.topics:
            self._refused[event.feed].pop(topic, None)
        if event.feed == self.on:
            self._say(event)
        self.decide()

    def uncovered(self, event: Uncovered) -> None:
        """A feed may miss something of these topics."""
        self._covered[event.feed].difference_update(event.topics)
        self._standby.forget(event.feed, event.topics)
        if event.feed == self.on:
            self._say(event)

    def refused(self, event: TopicRefused) -> None:
        """A feed said no to a topic; it matters once that feed serves."""
        self._refused[event.feed][event.topic] = event
        if event.feed == self.on:
            self._say(event)
        self.decide()

    def health(self, feed: FeedName) -> None:
        """A feed's condition has changed."""
        if self._tools.conditions[feed].health is not FeedHealth.LIVE:
            self._standby.forget(feed, self._interest.topics - self._covered[feed])
        before = self.on
        self.decide()
        if self.on == before == feed:
            self._say_how_it_is(None)

    def instrument_health(self, event: FeedStatus) -> None:
        """A feed said how one instrument is."""
        before = self.on
        self.decide()
        if self.on == before == event.feed and any(t.instrument == event.instrument for t in self._interest.topics):
            self._tools.publish(msgspec.structs.replace(event, feed=self.name, source=event.feed))

    # ── which feed serves ──
    def due_at(self) -> float:
        """When a preferred feed will have been live long enough; infinity = nothing to wait for."""
        now = self._tools.now()
        return min((at for at in map(self._settles_at, self._preferred()) if at > now), default=float("inf"))

    def decide(self) -> None:
        """Look whether another feed is to serve."""
        place = self.feeds.index(self.on)
        wanted = self._interest.topics
        best = choose(place, [self._chance(feed, wanted) for feed in self.feeds]) if wanted else 0
        to = self.feeds[best]
        if to != self.on:
            self._switch(to, wanted)

    def _preferred(self) -> tuple[FeedName, ...]:
        return self.feeds[: self.feeds.index(self.on)]

    def _settles_at(self, feed: FeedName) -> float:
        condition = self._tools.conditions[feed]
        return float("inf") if condition.live_since is None else condition.live_since + condition.settle_seconds

    def _chance(self, feed: FeedName, wanted: frozenset[Topic]) -> Chance:
        refused = {t for t, event in self._refused[feed].items() if event.code != Code.UPSTREAM_UNAVAILABLE.value}
        complete = not (wanted - self._covered[feed] - refused)
        health = self._tools.conditions[feed].health_for(wanted)
        return Chance(health, complete and self._settles_at(feed) <= self._tools.now())

    def _switch(self, to: FeedName, wanted: frozenset[Topic]) -> None:
        """Let another feed serve: what the old one said is not vouched for any more, what the new one holds is said anew."""
        old, why = self.on, self._why(to)
        _log.warning("another feed serves", lineup=self.name, feed=to, reason=why)
        self._put_by(old)
        topics = tuple(sorted(wanted | self._covered[old], key=str))
        if topics:
            self._tools.publish(Uncovered(feed=self.name, topics=topics, ts_recv=self._tools.clock(), reason=why))
        self.on = to
        self._doubles.switched()
        self._say_how_it_is(why)
        self._begin(to, topics)
        self._tools.changed()

    def _put_by(self, old: FeedName) -> None:
        """Keep what stands: a feed that stays subscribed does not say its book again."""
        for topic in self._covered[old]:
            state = self.state_of(old, topic)
            if state is not None:
                self._standby.take(state)

    def _begin(self, to: FeedName, topics: Sequence[Topic]) -> None:
        covered = tuple(topic for topic in topics if topic in self._covered[to])
        if covered:
            self._tools.publish(Covered(feed=self.name, topics=covered, ts_recv=self._tools.clock()))
        for topic in topics:  # also of what is not confirmed yet: it may have come before the confirmation
            state = self._standby.state(to, topic)
            if state is not None:
                self._say(state)
        self._standby.forget(to, topics)
        for topic in topics:
            if topic in self._refused[to]:
                self._say(self._refused[to][topic])

    def _why(self, to: FeedName) -> str:
        condition = self._tools.conditions[self.on]
        if condition.health_for(self._interest.topics) not in BROKEN or condition.status is None:
            return f"preferred to {self.on}"
        if condition.health not in BROKEN:
            stale = sorted({str(t.instrument) for t in self._interest.topics if t.instrument in condition.stale})
            return f"in place of {self.on}, which is stale for {', '.join(stale)}"
        because = f": {condition.status.reason}" if condition.status.reason else ""
        return f"in place of {self.on}, which is {condition.status.status.value}{because}"

    # ── what it says ──
    def _say(self, event: UpstreamEvent) -> None:
        """Say in its own name what a feed said in that feed's."""
        if isinstance(event, MarketEvent):
            self._tools.publish(msgspec.structs.replace(event, feed=self.name, source=event.feed))
        else:
            self._tools.publish(msgspec.structs.replace(event, feed=self.name))

    def _say_how_it_is(self, why: str | None) -> None:
        """Say the serving feed's health, and where it is not the first one's, in whose place it serves."""
        status = self._tools.conditions[self.on].status
        health = FeedHealth.CONNECTING if status is None else status.status
        if health is not FeedHealth.LIVE and why is None and status is not None:
            why = status.reason
        if why is None and self.on != self.feeds[0]:
            why = f"in place of {self.feeds[0]}"
        self._tools.publish(
            FeedStatus(
                feed=self.name,
                source=self.on,
                status=health,
                ts_recv=self._tools.clock(),
                reason=why,
                since=None if status is None else status.since,
            )
        )
