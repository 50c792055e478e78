"""All line-ups: they stand between the feeds that have one and the hub, and are told of everything that those say.

A feed in a line-up publishes through its `Tap` and follows the interest that the tap has for it: what is wanted of the feed
itself, and what is wanted of each line-up in which it is to be subscribed. Facts about other topics pass as they are, and so
do those about a line-up's topics that somebody wants of the feed itself (`Share`).
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import trio

from bridge.clock import Clock
from bridge.hub.hub import Hub
from bridge.hub.lineups.condition import Condition
from bridge.hub.lineups.lineup import Lineup
from bridge.hub.lineups.share import Share
from bridge.hub.lineups.standby import Fact
from bridge.hub.lineups.tap import Tap
from bridge.hub.lineups.tools import LineupTools
from bridge.model import (
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    Covered,
    FeedName,
    FeedStatus,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Topic,
    TopicRefused,
    Trade,
    Uncovered,
    UpstreamEvent,
    topic_of,
)

SWEEP_SECONDS = 60.0
"""How often topics that are idle are looked for."""


class Lineups:
    """See the module.

    Args:
        hub: where it all goes.
        clock: wall time.
        settle_seconds: of every feed that may stand in a line-up: how long it must have been live to be gone back to.
    """

    def __init__(self, hub: Hub, clock: Clock, settle_seconds: Mapping[FeedName, float]) -> None:
        self._hub = hub
        self._conditions = {feed: Condition(seconds) for feed, seconds in settle_seconds.items()}
        self._taps = {feed: Tap(hub.interest(feed), self.publish, self._wanted_of) for feed in settle_seconds}
        self._shares = {feed: Share(hub.interest(feed), hub.publish, clock) for feed in settle_seconds}
        self._covered: dict[FeedName, set[Topic]] = {feed: set() for feed in settle_seconds}
        for feed in settle_seconds:
            hub.interest(feed).listen(self._changed)
        self._lineups: dict[tuple[FeedName, ...], Lineup] = {}
        self._topics: dict[Topic, Lineup] = {}
        self._idle: set[Topic] = set()
        self._sweep_at = 0.0
        self._look = trio.Event()
        self._tools = LineupTools(
            publish=hub.publish,
            state=hub.state,
            conditions=self._conditions,
            clock=clock,
            now=trio.current_time,
            changed=self._tell_feeds,
        )

    def __repr__(self) -> str:
        return f"<Lineups {', '.join(f'{one.name} on {one.on}' for one in self._lineups.values())}>"

    def tap(self, feed: FeedName) -> Tap | None:
        """Return what a feed is connected by instead of to the hub; None for one that stands in no line-up."""
        return self._taps.get(feed)

    def place(self, topic: Topic, feeds: Sequence[FeedName]) -> FeedName:
        """Return the feed to want a topic of: the only one there is, or the line-up of several.

        Args:
            topic: as it is subscribed upstream; never a cut book.
            feeds: those that have it, the preferred one first; always the same for a topic.
        """
        if len(feeds) == 1:
            return feeds[0]
        lineup = self._lineups.get(tuple(feeds))
        if lineup is None:
            interest = self._hub.interest(FeedName("+".join(feeds)))
            lineup = self._lineups[tuple(feeds)] = Lineup(feeds, interest, self._tools)
            interest.listen(self._changed)
        if topic not in self._topics:
            self._topics[topic] = lineup
            for feed in feeds:
                if topic in self._covered[feed]:
                    lineup.adopt(feed, topic)
                    self._shares[feed].adopt(topic)
        return lineup.name

    def serving(self, feed: FeedName, instrument: InstrumentId | None = None) -> FeedName:
        """Return the feed that serves for what a want names: of a line-up the one it is on, else the feed itself.

        Args:
            feed: the name.
            instrument: the one in question: where all that is wanted of it makes a detour, that counts.
        """
        found = (lineup.serving_of(instrument) for lineup in self._lineups.values() if lineup.name == feed)
        return next(found, feed)

    def behind(self, feed: FeedName) -> tuple[FeedName, ...]:
        """Return the feeds that serve some of a line-up's topics now, or one that is none."""
        return next((lineup.serving for lineup in self._lineups.values() if lineup.name == feed), (feed,))

    def needs(self, feed: FeedName) -> bool:
        """Whether clients miss something while a feed is down: something wanted is served by it and by no other."""
        wants = bool(self._hub.interest(feed).topics)
        return wants or any(feed in one.serving and one.wanted_of(feed) for one in self._lineups.values())

    async def run(self) -> None:
        """Let each line-up look again when something may have changed or is due, until cancelled."""
        while True:
            self._look = trio.Event()
            for lineup in self._lineups.values():
                lineup.decide()
            for share in self._shares.values():
                share.settle(self._topics)
            self._sweep(trio.current_time())
            due_at = min((lineup.due_at() for lineup in self._lineups.values()), default=float("inf"))
            with trio.move_on_at(min(due_at, self._sweep_at)):
                await self._look.wait()

    def _sweep(self, now: float) -> None:
        """Forget topics that were idle at two sweeps in a row: what is resolved now may be wanted in a moment."""
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_SECONDS
        received = set().union(*self._covered.values())
        idle = {topic for topic, lineup in self._topics.items() if topic not in received and not lineup.wants(topic)}
        for topic in idle & self._idle:
            del self._topics[topic]
        self._idle = idle

    # ── from the feeds ──
    def publish(self, event: UpstreamEvent) -> None:
        """Take what a feed of a line-up says. Never awaits."""
        match event:
            case OrderUpdate():
                self._hub.publish(event)
            case QuotePatch() | Trade() | BookSnapshot() | BookDelta() | BookReplacement() | Bar():
                self._fact(event)
            case FeedStatus():
                self._health(event)
            case Covered() | Uncovered():
                self._coverage(event)
            case TopicRefused():
                lineup = self._lineup(event.feed, event.topic)
                if lineup is None:
                    self._hub.publish(event)
                else:
                    lineup.refused(event)

    def _fact(self, event: Fact) -> None:
        topic = topic_of(event)
        lineup = self._lineup(event.feed, topic)
        if lineup is None:
            self._hub.publish(event)
        else:
            lineup.fact(event, topic)
            self._shares[event.feed].fact(event, topic)

    def _lineup(self, feed: FeedName, topic: Topic) -> Lineup | None:
        lineup = self._topics.get(topic)
        return lineup if lineup is not None and feed in lineup.feeds else None

    def _health(self, event: FeedStatus) -> None:
        self._hub.publish(event)
        self._conditions[event.feed].note(event, trio.current_time())
        for lineup in self._lineups.values():
            if event.feed not in lineup.feeds:
                continue
            if event.instrument is None:
                lineup.health(event.feed)
            else:
                lineup.part_health(event)
        self._look.set()

    def _coverage(self, event: Covered | Uncovered) -> None:
        covered = self._covered[event.feed]
        self._covered[event.feed] = (
            covered.union(event.topics) if isinstance(event, Covered) else covered - {*event.topics}
        )
        parts: dict[Lineup | None, list[Topic]] = {}
        for topic in event.topics:
            parts.setdefault(self._lineup(event.feed, topic), []).append(topic)
        for lineup, topics in parts.items():
            part = msgspec.structs.replace(event, topics=tuple(topics))
            if lineup is None:
                self._hub.publish(part)
                continue
            self._shares[event.feed].coverage(part)
            if isinstance(part, Covered):
                lineup.covered(part)
                self._look.set()  # it may be due to get something back
            else:
                lineup.uncovered(part)

    # ── to the feeds ──
    def _wanted_of(self, feed: FeedName) -> Iterable[frozenset[Topic]]:
        return [lineup.wanted_of(feed) for lineup in self._lineups.values()]

    def _changed(self) -> None:
        self._look.set()
        self._tell_feeds()

    def _tell_feeds(self) -> None:
        for tap in self._taps.values():
            tap.ring()
