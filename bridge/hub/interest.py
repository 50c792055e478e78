"""What clients want, counted per feed: a topic is wanted while someone holds it, and for a linger or a lease after.

Two things hang on it: the feed subscribes upstream to exactly `wanted()`, and the hub derives what is cut or made of other
topics while that is active. Times are Trio's own seconds, which no operator can set back; the hub's `run` calls `expire` when
they are due.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import trio

from bridge.model import FeedName, Topic, TopicKind, Want

Sources = Callable[[Want], Sequence[Topic]]
"""What its feed is to be asked for so that a want can be served: `(want.upstream,)`, or what it is derived from."""

Watcher = Callable[[FeedName, bool], None]
"""Is told a feed's name, and whether anything is wanted of it; in the midst of whatever changed that."""


def as_asked(want: Want) -> Sequence[Topic]:
    """Ask every feed for just what is wanted."""
    return (want.upstream,)


class _Hold:
    """One want: how many hold it, until when it lives on without them, and what is asked of the feed for it."""

    __slots__ = ("count", "sources", "until")

    def __init__(self, sources: Sequence[Topic]) -> None:
        self.sources = sources
        self.count = 0
        self.until = -math.inf


class FeedInterest:
    """What is wanted of one feed; satisfies `upstream.contract.Interest`. One feed waits on it at a time.

    Args:
        feed: the feed's name.
    """

    def __init__(self, feed: FeedName) -> None:
        self.feed = feed
        self._counts: dict[Topic, int] = {}
        self._current: frozenset[Topic] | None = None
        self._seen: frozenset[Topic] = frozenset()
        self._change = trio.Event()
        self._listeners: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<FeedInterest {self.feed} {len(self._counts)} topics>"

    @property
    def topics(self) -> frozenset[Topic]:
        """What `wanted()` returns, for others than the feed that waits for changes."""
        if self._current is None:
            self._current = frozenset(self._counts)
        return self._current

    def wanted(self) -> frozenset[Topic]:
        """The topics to be subscribed at the vendor now: never `status` or a cut book; `order` with its account."""
        self._seen = self.topics
        return self._seen

    async def changed(self) -> None:
        """Return once `wanted()` differs from what it was at the last call of `wanted()`; at once if it does already."""
        while self._counts.keys() == self._seen:
            if self._change.is_set():
                self._change = trio.Event()
            await self._change.wait()
        await trio.lowlevel.checkpoint()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after each change, in the midst of whatever made it."""
        self._listeners.append(listener)

    def begin(self, topic: Topic) -> None:
        """One more active want rests on this upstream topic."""
        count = self._counts.get(topic, 0)
        self._counts[topic] = count + 1
        if not count:
            self._turn()

    def end(self, topic: Topic) -> None:
        """One active want fewer."""
        count = self._counts[topic]
        if count > 1:
            self._counts[topic] = count - 1
        else:
            del self._counts[topic]
            self._turn()

    def _turn(self) -> None:
        self._current = None
        self._change.set()
        for listener in self._listeners:
            listener()


class InterestLedger:
    """The holds of all wants, and each feed's interest made of them.

    Args:
        linger_seconds: how long a want stays active after its last holder let go; may be changed.
        sources: what to ask its feed for.
    """

    def __init__(self, linger_seconds: float, sources: Sources = as_asked) -> None:
        self.linger_seconds = linger_seconds
        self._sources = sources
        self._holds: dict[Want, _Hold] = {}
        self._feeds: dict[FeedName, FeedInterest] = {}
        self._ending: set[Want] = set()
        self._retired: set[FeedName] = set()
        self._watchers: list[Watcher] = []

    def __len__(self) -> int:
        return len(self._holds)

    def feed(self, name: FeedName) -> FeedInterest:
        """Return a feed's interest: the same object each time, unless it was retired meanwhile."""
        self._retired.discard(name)
        return self._feed(name)

    def wants(self) -> Iterable[Want]:
        """Return every want that is active."""
        return self._holds.keys()

    def watch(self, watcher: Watcher) -> None:
        """Tell this of every feed's interest when it changes, of feeds not heard of yet as well."""
        self._watchers.append(watcher)
        for interest in self._feeds.values():
            _attach(interest, watcher)

    def retire(self, name: FeedName) -> None:
        """A feed is over, until somebody asks for its interest again."""
        self._retired.add(name)

    def departed(self) -> list[FeedName]:
        """Forget the retired feeds of which nothing is wanted; return them."""
        gone = [name for name in self._retired if not self._feed(name).topics]
        for name in gone:
            self._retired.discard(name)
            del self._feeds[name]
        return gone

    def active(self, want: Want) -> bool:
        """Whether anyone holds it, or did so within the linger or a lease."""
        return want in self._holds

    def hold(self, want: Want) -> bool:
        """Count one more holder; return whether the want became active by it."""
        hold, begun = self._open(want)
        hold.count += 1
        self._ending.discard(want)
        return begun

    def release(self, want: Want, now: float) -> None:
        """Count one holder fewer; with the last one the linger begins."""
        hold = self._holds[want]
        hold.count -= 1
        if not hold.count:
            hold.until = max(hold.until, now + self.linger_seconds)
            self._ending.add(want)

    def lease(self, want: Want, until: float) -> bool:
        """Keep the want active until then at least, without a holder; return whether it became active by it."""
        hold, begun = self._open(want)
        hold.until = max(hold.until, until)
        if not hold.count:
            self._ending.add(want)
        return begun

    def expire(self, now: float) -> list[Want]:
        """End what nobody holds and whose time is over; return it."""
        ended = [want for want in self._ending if self._holds[want].until <= now]
        for want in ended:
            self._ending.discard(want)
            for topic in self._holds.pop(want).sources:
                self._feed(want.feed).end(topic)
        return ended

    def made_otherwise(self, feed: FeedName) -> list[Want]:
        """Return the active wants of a feed for which it has to be asked for other things than it is."""
        mine = ((want, hold) for want, hold in self._holds.items() if want.feed == feed and hold.sources)
        return [want for want, hold in mine if tuple(self._sources(want)) != tuple(hold.sources)]

    def ask_otherwise(self, want: Want) -> None:
        """Ask an active want's feed for what the want is made of now."""
        hold = self._holds[want]
        before, hold.sources = hold.sources, self._sources(want)
        for topic in hold.sources:
            self.feed(want.feed).begin(topic)
        for topic in before:
            self.feed(want.feed).end(topic)

    def next_expiry(self) -> float:
        """When `expire` has something to do; infinity = not before something changes."""
        return min((self._holds[want].until for want in self._ending), default=math.inf)

    def _feed(self, name: FeedName) -> FeedInterest:
        interest = self._feeds.get(name)
        if interest is None:
            interest = self._feeds[name] = FeedInterest(name)
            for watcher in self._watchers:
                _attach(interest, watcher)
        return interest

    def _open(self, want: Want) -> tuple[_Hold, bool]:
        hold = self._holds.get(want)
        if hold is not None:
            return hold, False
        sources = () if want.topic.kind is TopicKind.STATUS else self._sources(want)
        hold = self._holds[want] = _Hold(sources)
        for topic in sources:
            self._feed(want.feed).begin(topic)
        return hold, True


def _attach(interest: FeedInterest, watcher: Watcher) -> None:
    interest.listen(lambda: watcher(interest.feed, bool(interest.topics)))
