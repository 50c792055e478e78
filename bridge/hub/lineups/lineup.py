"""A line-up: several feeds in order of preference, one of which serves. To the rest of the hub it is one feed.

Theory of operation. What clients want is counted for the line-up (`Want.feed` is its name). The feed that serves and all that
are preferred to it are subscribed; what the serving one says goes into the log under the line-up's name, with the feed's own
as `source`. So topics, records, cursors and book chains live through a switch, and two feeds' books can never meet: a switch
ends the coverage of every topic, by which all state is forgotten, and coverage that begins again declares the gap.

A topic that the serving feed refuses, or is stale for, makes a *detour*: it alone is served by the next feed that has it, by the
same rules, where a refusal counts like a feed that is down. Only what every feed has refused is refused.
"""

from collections.abc import Sequence

import msgspec
import structlog

from bridge.hub.interest import FeedInterest
from bridge.hub.lineups.doubles import Doubles
from bridge.hub.lineups.preference import Chance, choose
from bridge.hub.lineups.reception import Reception
from bridge.hub.lineups.standby import Fact, Standby, said_by
from bridge.hub.lineups.tools import LineupTools
from bridge.model import (
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


class Lineup:
    """See the module.

    Attributes:
        name: the feeds', joined by `+`, which no feed's name contains.
        feeds: the preferred one first.
        on: the one that serves whatever makes no detour.
    """

    def __init__(self, feeds: Sequence[FeedName], interest: FeedInterest, tools: LineupTools) -> None:
        self.name = interest.feed
        self.feeds = tuple(feeds)
        self.on = self.feeds[0]
        self._interest = interest
        self._tools = tools
        self._standby = Standby()
        self._doubles = Doubles(tools.now)
        self._reception = Reception(feeds, tools.now)
        self._detours: dict[Topic, FeedName] = {}
        self._say_how_it_is(None)

    def __repr__(self) -> str:
        return f"<Lineup {self.name} on {self.on}, {len(self._detours)} detours>"

    @property
    def serving(self) -> tuple[FeedName, ...]:
        """The feeds that serve some topic now, the one in use first."""
        return tuple(dict.fromkeys((self.on, *self._detours.values())))

    def serving_of(self, instrument: InstrumentId | None) -> FeedName:
        """Return the feed to put a question about an instrument to."""
        on = [self._server(topic) for topic in self._interest.topics if topic.instrument == instrument]
        return self.on if self.on in on or not on else on[0]

    def wanted_of(self, feed: FeedName) -> frozenset[Topic]:
        """What one of the feeds is to be subscribed to: what is served by it, or by one that it is preferred to."""
        if feed not in self.feeds:
            return frozenset()
        place = self.feeds.index(feed)
        return frozenset(topic for topic in self._interest.topics if place <= self.feeds.index(self._server(topic)))

    def wants(self, topic: Topic) -> bool:
        """Whether anyone wants a topic of it."""
        return topic in self._interest.topics

    def receives(self, feed: FeedName, topic: Topic) -> bool:
        """Whether one of the feeds receives a topic completely."""
        return feed in self.feeds and topic in self._reception.covered(feed)

    def state_of(self, feed: FeedName, topic: Topic) -> Fact | None:
        """Return a topic's state as one of the feeds has it, in that feed's name; None = not known."""
        if feed != self._server(topic):
            return self._standby.state(feed, topic)
        standing = self._tools.state(Want(topic, self.name))
        return None if standing is None else said_by(feed, standing.event)

    def adopt(self, feed: FeedName, topic: Topic) -> None:
        """One of the feeds receives a topic for others already, and will not say so again."""
        standing = self._tools.state(Want(topic, feed))
        state = None if standing is None else said_by(feed, standing.event)
        if state is not None:
            self._standby.take(state)
        self._reception.cover(feed, (topic,))
        if feed == self._server(topic):
            self._begin(feed, (topic,))

    # ── what its feeds say ──
    def fact(self, event: Fact, topic: Topic) -> None:
        """A feed told something of one of the topics."""
        if event.feed != self._server(topic):
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
        self._reception.cover(event.feed, event.topics)
        self._say_of_served(event)
        self.decide()

    def uncovered(self, event: Uncovered) -> None:
        """A feed may miss something of these topics."""
        self._reception.uncover(event.feed, event.topics)
        self._standby.forget(event.feed, event.topics)
        self._say_of_served(event)

    def refused(self, event: TopicRefused) -> None:
        """A feed said no to a topic; clients are told when no other has it."""
        news = self._reception.refuse(event)
        if self._reception.nobody_has(event.topic) and (news or event.feed == self.on):
            self._say(self._reception.refusal(self.on, event.topic) or event)
        self.decide()

    def health(self, feed: FeedName) -> None:
        """A feed's condition has changed."""
        if self._tools.conditions[feed].health is not FeedHealth.LIVE:
            self._standby.forget(feed, self._interest.topics - self._reception.covered(feed))
        before, detours = self.on, dict(self._detours)
        self.decide()
        if self.on == before == feed:
            self._say_how_it_is(None)
        for topic, served_by in self._detours.items():
            if served_by == feed == detours.get(topic):
                self._say_how_it_is(None, topic)

    def part_health(self, event: FeedStatus) -> None:
        """A feed said how one instrument is, or one topic of it: clients are told where it goes on serving that."""
        meant = [topic for topic in self._interest.topics if event.topic in (None, topic)]
        served = [t for t in meant if t.instrument == event.instrument and self._server(t) == event.feed]
        self.decide()
        for topic in sorted(served, key=str):
            if self._server(topic) == event.feed:
                self._say_how_it_is(None, topic)

    # ── which feed serves ──
    def due_at(self) -> float:
        """When a preferred feed will have been live long enough; infinity = nothing to wait for."""
        now, reception = self._tools.now(), self._reception
        ends = [self._tools.conditions[feed].settles_at() for feed in self._preferred_to(self.on)]
        ends += [
            self._tools.conditions[feed].settles_at(reception.since(feed, topic))
            for topic, on in self._detours.items()
            for feed in self._preferred_to(on)
        ]
        return min((at for at in ends if at > now), default=float("inf"))

    def decide(self) -> None:
        """Look whether another feed is to serve, all or some topics."""
        wanted = self._interest.topics
        self._detours = {topic: feed for topic, feed in self._detours.items() if topic in wanted}
        for feed in self.feeds:
            self._reception.forget(feed, self.wanted_of(feed))
        to = self._choice(self.on, [self._chance(feed, wanted) for feed in self.feeds]) if wanted else self.feeds[0]
        if to != self.on:
            self._switch(to, wanted)
        for topic in (*self._detours, *(self._lacking(self.on, wanted) - self._detours.keys())):
            self._decide_on(topic)

    def _decide_on(self, topic: Topic) -> None:
        on = self._server(topic)
        to = self._choice(on, [self._chance_of(feed, topic) for feed in self.feeds])
        if self._reception.refusal(to, topic) is not None:  # then better one that is down, and may come back
            to = next((feed for feed in self.feeds if self._reception.refusal(feed, topic) is None), on)
        if to != on:
            self._move(topic, on, to)
        elif on == self.on:
            self._detours.pop(topic, None)

    def _server(self, topic: Topic) -> FeedName:
        return self._detours.get(topic, self.on)

    def _choice(self, on: FeedName, chances: Sequence[Chance]) -> FeedName:
        return self.feeds[choose(self.feeds.index(on), chances)]

    def _preferred_to(self, feed: FeedName) -> tuple[FeedName, ...]:
        return self.feeds[: self.feeds.index(feed)]

    def _chance(self, feed: FeedName, wanted: frozenset[Topic]) -> Chance:
        condition = self._tools.conditions[feed]
        complete = not (wanted - self._reception.covered(feed) - self._lacking(feed, wanted))
        return Chance(condition.health, complete and condition.settles_at() <= self._tools.now())

    def _chance_of(self, feed: FeedName, topic: Topic) -> Chance:
        """How a feed is for one topic: as good as down when it has refused it."""
        condition = self._tools.conditions[feed]
        if self._reception.refusal(feed, topic) is not None:
            return Chance(FeedHealth.DOWN)
        settled = condition.settles_at(self._reception.since(feed, topic)) <= self._tools.now()
        return Chance(condition.health_of(topic), settled and not condition.lacks(topic))

    def _lacking(self, feed: FeedName, topics: frozenset[Topic]) -> frozenset[Topic]:
        """Return what of some topics a feed has refused, or is stale for although it is live."""
        condition, refused = self._tools.conditions[feed], self._reception.refusals(feed)
        stale = (topic for topic in topics if condition.lacks(topic)) if condition.stale else ()
        return (topics & refused).union(stale)

    def _switch(self, to: FeedName, wanted: frozenset[Topic]) -> None:
        """Let another feed serve; what it lacks stays with the old one until there is a better."""
        old, why = self.on, self._why(self.on)
        _log.warning("another feed serves", lineup=self.name, feed=to, reason=why)
        stays = self._lacking(to, wanted)
        concerned = (wanted | self._reception.covered(old)) - self._detours.keys() - stays
        topics = tuple(sorted(concerned, key=str))
        self._leave(old, topics, why)
        self._detours.update((topic, old) for topic in stays - self._detours.keys())
        self.on = to
        self._doubles.switched()
        self._say_how_it_is(why)
        for topic in stays:
            self._say_how_it_is(None, topic)
        self._begin(to, topics)
        self._tools.changed()

    def _move(self, topic: Topic, old: FeedName, to: FeedName) -> None:
        """Let another feed serve one topic."""
        refusal = self._reception.refusal(old, topic)
        why = (
            self._why(old, topic) if refusal is None else f"in place of {old}, which refused {topic}: {refusal.message}"
        )
        _log.warning("another feed serves a topic", lineup=self.name, topic=str(topic), feed=to, reason=why)
        self._leave(old, (topic,), why)
        self._detours[topic] = to
        if to == self.on:
            del self._detours[topic]
        self._doubles.switched(topic.instrument)
        self._say_how_it_is(why, topic)
        self._begin(to, (topic,))
        self._tools.changed()

    def _leave(self, old: FeedName, topics: Sequence[Topic], why: str) -> None:
        """Vouch no more for what a feed said, but keep what stands: one that stays subscribed does not say its book again."""
        for topic in topics:
            state = self.state_of(old, topic) if topic in self._reception.covered(old) else None
            if state is not None:
                self._standby.take(state)
        if topics:
            now = self._tools.clock()
            self._tools.publish(Uncovered(feed=self.name, topics=tuple(topics), ts_recv=now, reason=why))

    def _begin(self, to: FeedName, topics: Sequence[Topic]) -> None:
        covered = tuple(topic for topic in topics if topic in self._reception.covered(to))
        if covered:
            self._tools.publish(Covered(feed=self.name, topics=covered, ts_recv=self._tools.clock()))
        for topic in topics:  # also of what is not confirmed yet: it may have come before the confirmation
            state = self._standby.state(to, topic)
            if state is not None:
                self._say(state)
        self._standby.forget(to, topics)

    def _why(self, old: FeedName, topic: Topic | None = None) -> str:
        trouble = self._tools.conditions[old].trouble(topic)
        return f"preferred to {old}" if trouble is None else f"in place of {old}, {trouble}"

    # ── what it says ──
    def _say(self, event: UpstreamEvent) -> None:
        """Say in its own name what a feed said in that feed's."""
        if isinstance(event, MarketEvent):
            self._tools.publish(msgspec.structs.replace(event, feed=self.name, source=event.feed))
        else:
            self._tools.publish(msgspec.structs.replace(event, feed=self.name))

    def _say_of_served(self, event: Covered | Uncovered) -> None:
        topics = tuple(topic for topic in event.topics if self._server(topic) == event.feed)
        if topics:
            self._say(msgspec.structs.replace(event, topics=topics))

    def _say_how_it_is(self, why: str | None, topic: Topic | None = None) -> None:
        """Say the serving feed's health, of all or of a topic; where it is not the first one's, in whose place it serves."""
        on = self.on if topic is None else self._server(topic)
        said = self._tools.conditions[on].said_as(self.name, on, self._tools.clock(), topic)
        reason = why or said.reason or (None if on == self.feeds[0] else f"in place of {self.feeds[0]}")
        instrument = None if topic is None else topic.instrument
        self._tools.publish(msgspec.structs.replace(said, instrument=instrument, topic=topic, reason=reason))
