"""One subscriber's place at the hub: what it wants, what is pending for it, and the bound on that.

Rule: overflow is decided here and nowhere else. Past the bound nothing more is taken in, `overflowed` says so, and what
was pending may still be taken; whoever serves the subscriber then says goodbye with `position`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from bridge.hub.contract import Publication
from bridge.model import (
    FeedName,
    FeedStatus,
    Gap,
    InstrumentId,
    LogEvent,
    Topic,
    TopicKind,
    TopicRefused,
    Verdict,
    Want,
    topic_of,
)


class Bound(msgspec.Struct, frozen=True):
    """What a subscriber may have pending, and who is told.

    Attributes:
        pending_bytes: at most; what a join hands out at once (replay and state) is not counted against it.
        cost: how many bytes a publication will be for this subscriber.
        wake: called without awaiting when something becomes pending, and when the bound is passed.
    """

    pending_bytes: int
    cost: Callable[[Publication], int]
    wake: Callable[[], None]


class Keeper(Protocol):
    """Whose index the subscription stands in: the hub."""

    def admit(self, subscription: "Subscription", wants: Sequence[Want]) -> None:
        """Enter it for more wants, freshly: what state they have becomes pending."""
        ...

    def dismiss(self, subscription: "Subscription", wants: Sequence[Want]) -> None:
        """Take it out of the index for these wants and let go of the interest."""
        ...

    def forget(self, subscription: "Subscription") -> None:
        """It is closed."""
        ...

    def cursor(self, offset: int | None = None) -> str:
        """Spell an offset of this epoch."""
        ...


class Subscription:
    """Made by `Hub.open`; whoever opened it closes it.

    Attributes:
        verdict: how it began.
        cursor: where its stream begins.
        wants: what it holds.
        overflowed: the bound was passed; nothing more is taken in.
    """

    __slots__ = (
        "_backlog_bytes",
        "_bound",
        "_closed",
        "_keeper",
        "_live_bytes",
        "_pending",
        "cursor",
        "overflowed",
        "position",
        "verdict",
        "wants",
    )

    def __init__(self, keeper: Keeper, bound: Bound) -> None:
        self._keeper = keeper
        self._bound = bound
        self._pending: deque[Publication] = deque()
        self._backlog_bytes = 0
        self._live_bytes = 0
        self._closed = False
        self.verdict = Verdict.FRESH
        self.cursor = keeper.cursor()
        self.position = self.cursor
        """The cursor of the newest publication taken, or `cursor` before any."""
        self.wants: tuple[Want, ...] = ()
        self.overflowed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "overflowed" if self.overflowed else "open"
        return f"<Subscription {state} {len(self.wants)} wants, {len(self._pending)} pending at {self.position}>"

    @property
    def pending_bytes(self) -> int:
        """What is pending, by the bound's cost."""
        return self._backlog_bytes + self._live_bytes

    def add(self, wants: Sequence[Want]) -> None:
        """Want more; what is held already is passed over. New topics start fresh: their state becomes pending."""
        new = tuple(want for want in dict.fromkeys(wants) if want not in self.wants)
        if new and not self._closed:
            self.wants += new
            self._keeper.admit(self, new)

    def remove(self, topics: Sequence[Topic]) -> tuple[Topic, ...]:
        """Want these no longer, and drop what is pending of them; return those that were held."""
        gone = tuple(want for want in self.wants if want.topic in topics)
        if gone:
            self.wants = tuple(want for want in self.wants if want not in gone)
            self._keeper.dismiss(self, gone)
            left = [publication for publication in self._pending if not _concerns(publication.event, topics)]
            self._pending = deque(left)
            total = sum(map(self._bound.cost, left))
            self._live_bytes = min(self._live_bytes, total)
            self._backlog_bytes = total - self._live_bytes
        return tuple(dict.fromkeys(want.topic for want in gone))

    def take(self) -> list[Publication]:
        """Return all that is pending, ascending, and empty it."""
        taken = list(self._pending)
        self._pending.clear()
        self._backlog_bytes = self._live_bytes = 0
        if taken:
            self.position = self._keeper.cursor(taken[-1].offset)
        return taken

    def close(self) -> None:
        """Leave every index and let go of the interest; safe to repeat."""
        if not self._closed:
            self._closed = True
            wants, self.wants = self.wants, ()
            self._keeper.dismiss(self, wants)
            self._keeper.forget(self)
            self._pending.clear()
            self._backlog_bytes = self._live_bytes = 0

    def follows(self, feed: FeedName, instrument: InstrumentId) -> bool:
        """Whether news of one instrument of a feed concerns it."""
        return any(
            want.feed == feed and (want.topic.instrument == instrument or want.topic.kind is TopicKind.STATUS)
            for want in self.wants
        )

    def begin(self, wants: tuple[Want, ...], verdict: Verdict, cursor: str) -> None:
        """Note how it began (the hub's, before anything is pending)."""
        self.wants = wants
        self.verdict = verdict
        self.cursor = self.position = cursor

    def backlog(self, publications: Sequence[Publication]) -> None:
        """Take in what a join hands out, whatever its size (the hub's)."""
        if not publications:
            return
        first = not self._pending
        self._pending.extend(publications)
        self._backlog_bytes += sum(map(self._bound.cost, publications))
        if first:
            self._bound.wake()

    def offer(self, publication: Publication) -> None:
        """Take in a publication, or notice that the bound is passed (the hub's)."""
        if self.overflowed:
            return
        bound = self._bound
        size = self._live_bytes + bound.cost(publication)
        if size > bound.pending_bytes:
            self.overflowed = True
            bound.wake()
            return
        self._live_bytes = size
        pending = self._pending
        pending.append(publication)
        if len(pending) == 1:
            bound.wake()


def _concerns(event: LogEvent, topics: Sequence[Topic]) -> bool:
    if isinstance(event, Gap):
        return all(topic in topics for topic in event.topics)
    if isinstance(event, TopicRefused):
        return event.topic in topics
    return not isinstance(event, FeedStatus) and topic_of(event) in topics
