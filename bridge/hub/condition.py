"""How a feed is that may stand in a line-up, and what a client is told of it."""

import msgspec

from bridge.hub.preference import BROKEN
from bridge.model import FeedHealth, FeedName, FeedStatus, UnixNanos


class Condition(msgspec.Struct):
    """How one feed is; shared by the line-ups it stands in.

    Attributes:
        settle_seconds: how long it must have been live before what prefers it goes back to it.
        status: what it said last; None = nothing yet.
        live_since: since when it has been live, in seconds that only rise; None = it is not.
    """

    settle_seconds: float
    status: FeedStatus | None = None
    live_since: float | None = None

    @property
    def health(self) -> FeedHealth | None:
        """As it said last; None = nothing yet."""
        return None if self.status is None else self.status.status

    def settles_at(self, since: float = float("-inf")) -> float:
        """When it has been live long enough, and what began at `since` has lasted as long; infinity = it is not live."""
        return float("inf") if self.live_since is None else max(self.live_since, since) + self.settle_seconds

    @property
    def trouble(self) -> str | None:
        """What is wrong with it, behind its name and a comma; None = nothing that another feed takes over for."""
        if self.status is None or self.health not in BROKEN:
            return None
        because = f": {self.status.reason}" if self.status.reason else ""
        return f"which is {self.status.status.value}{because}"

    def said_as(self, lineup: FeedName, feed: FeedName, now: UnixNanos) -> FeedStatus:
        """Return how it is in the name of a line-up that it serves; what it adds to being live is nobody's business there."""
        if self.status is None:
            return FeedStatus(feed=lineup, source=feed, status=FeedHealth.CONNECTING, ts_recv=now)
        reason = None if self.health is FeedHealth.LIVE else self.status.reason
        return msgspec.structs.replace(self.status, feed=lineup, source=feed, ts_recv=now, reason=reason)
