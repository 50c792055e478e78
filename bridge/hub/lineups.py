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
from bridge.hub.lineup import Condition, Lineup, LineupTools
from bridge.hub.share import Share
from bridge.hub.standby import Fact
from bridge.hub.tap import Tap
from bridge.model import (
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    Covered,
    FeedHealth,
    FeedName,
    FeedStatus,
    OrderUpdate,
    QuotePatch,
    Topic,
    TopicRefused,
    Trade,
    Uncovered,
    UpstreamEvent,
    topic_of,
)


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

    def serving(self, feed: FeedName) -> FeedName:
        """Return the feed that serves for what a want names: of a line-up the one it is on, else the feed itself."""
        return next((lineup.on for lineup in self._lineups.values() if lineup.name == feed), feed)

    def behind(self, feed: FeedName) -> tuple[FeedName, ...]:
        """Return the feeds of a line-up, or one that is none."""
        return next((lineup.feeds for lineup in self._lineups.values() if lineup.name == feed), (feed,))

    def needs(self, feed: FeedName) -> bool:
        """Whether clients miss something while a feed is down: something wanted is served by it and by no other."""
        wants = bool(self._hub.interest(feed).topics)
        return wants or any(one.on == feed and one.wanted_of(feed) for one in self._lineups.values())

    async def run(self) -> None:
        """Let each line-up look again when something may have changed or is due, until cancelled."""
        while True:
            self._look = trio.Event()
            for lineup in self._lineups.values():
                lineup.decide()
            for share in self._shares.values():
                share.settle(self._topics)
            due_at = min((lineup.due_at() for lineup in self._lineups.values()), default=float("inf"))
            with trio.move_on_at(due_at):
                await self._look.wait()

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
            lineup.fact(event)
            self._shares[event.feed].fact(event, topic)

    def _lineup(self, feed: FeedName, topic: Topic) -> Lineup | None:
        lineup = self._topics.get(topic)
        return lineup if lineup is not None and feed in lineup.feeds else None

    def _health(self, event: FeedStatus) -> None:
        self._hub.publish(event)
        condition = self._conditions[event.feed]
        if event.instrument is None:
            self._feed_health(event, condition)
        elif event.status is FeedHealth.STALE:
            condition.stale.add(event.instrument)
        else:
            condition.stale.discard(event.instrument)
        for lineup in self._lineups.values():
            if event.feed in lineup.feeds and event.instrument is None:
                lineup.health(event.feed)
            elif event.feed in lineup.feeds:
                lineup.instrument_health(event)
        self._look.set()

    def _feed_health(self, event: FeedStatus, condition: Condition) -> None:
        condition.status = event
        if event.status is not FeedHealth.LIVE:
            condition.live_since = None
        elif condition.live_since is None:
            condition.live_since = trio.current_time()

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
