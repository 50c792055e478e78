"""How a feed is that may stand in a line-up, and what a client is told of it."""

import msgspec

from bridge.hub.lineups.preference import BROKEN
from bridge.model import FeedHealth, FeedName, FeedStatus, InstrumentId, Topic, UnixNanos


class Condition(msgspec.Struct):
    """How one feed is; shared by the line-ups it stands in.

    Attributes:
        settle_seconds: how long it must have been live before what prefers it goes back to it.
        status: what it said last; None = nothing yet.
        live_since: since when it has been live, in seconds that only rise; None = it is not.
        stale: what it said to be stale though it is live: instruments, and single topics; with what it said.
    """

    settle_seconds: float
    status: FeedStatus | None = None
    live_since: float | None = None
    stale: dict[InstrumentId | Topic, FeedStatus] = msgspec.field(default_factory=dict)

    def note(self, said: FeedStatus, now: float) -> None:
        """Remember what it said of itself, or of a part."""
        part = said.topic or said.instrument
        if part is None:
            self.status = said
            if said.status is not FeedHealth.LIVE:
                self.live_since = None
            elif self.live_since is None:
                self.live_since = now
            if said.status in {FeedHealth.CONNECTING, FeedHealth.DOWN}:
                self.stale.clear()  # what comes after that is new
        elif said.status in BROKEN:
            self.stale[part] = said
        else:
            self.stale.pop(part, None)

    @property
    def health(self) -> FeedHealth | None:
        """As it said last; None = nothing yet."""
        return None if self.status is None else self.status.status

    def health_of(self, topic: Topic) -> FeedHealth | None:
        """How it is for one topic: no better than what it said of that, or of its instrument."""
        part = self._part_of(topic)
        return self.health if part is None else part.status

    def lacks(self, topic: Topic) -> bool:
        """Whether it is live, but not for this topic."""
        return self._part_of(topic) is not None

    def settles_at(self, since: float = float("-inf")) -> float:
        """When it has been live long enough, and what began at `since` has lasted as long; infinity = it is not live."""
        return float("inf") if self.live_since is None else max(self.live_since, since) + self.settle_seconds

    def trouble(self, topic: Topic | None = None) -> str | None:
        """What is wrong with it, or with a topic, behind its name and a comma; None = nothing that another takes over for."""
        part = None if topic is None else self._part_of(topic)
        said = part or self.status
        if said is None or said.status not in BROKEN:
            return None
        because = f": {said.reason}" if said.reason else ""
        of = "" if part is None else f" for {part.topic or part.instrument}"
        return f"which is {said.status.value}{of}{because}"

    def said_as(self, lineup: FeedName, feed: FeedName, now: UnixNanos, topic: Topic | None = None) -> FeedStatus:
        """Return how it is, or how a topic is, in the name of a line-up that it serves.

        What it adds to being live is nobody's business there.
        """
        part = None if topic is None else self._part_of(topic)
        if part is not None:
            return msgspec.structs.replace(part, feed=lineup, source=feed, ts_recv=now)
        if self.status is None:
            return FeedStatus(feed=lineup, source=feed, status=FeedHealth.CONNECTING, ts_recv=now)
        reason = None if self.health is FeedHealth.LIVE else self.status.reason
        return msgspec.structs.replace(self.status, feed=lineup, source=feed, ts_recv=now, reason=reason)

    def _part_of(self, topic: Topic) -> FeedStatus | None:
        if not self.stale or self.health is not FeedHealth.LIVE:
            return None
        return self.stale.get(topic) or (self.stale.get(topic.instrument) if topic.instrument is not None else None)
