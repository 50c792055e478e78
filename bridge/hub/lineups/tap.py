"""How a feed that stands in a line-up is connected: where it publishes, and what is wanted of it."""

from collections.abc import Callable, Iterable

import trio

from bridge.hub.interest import FeedInterest
from bridge.model import FeedName, Topic, UpstreamEvent


class Tap:
    """One feed's; satisfies `upstream.contract.Interest`. One feed waits on it at a time.

    Attributes:
        publish: takes its events.

    Args:
        own: what is wanted of the feed itself.
        wanted_of: what is wanted of it for each line-up.
    """

    def __init__(
        self,
        own: FeedInterest,
        publish: Callable[[UpstreamEvent], None],
        wanted_of: Callable[[FeedName], Iterable[frozenset[Topic]]],
    ) -> None:
        self.publish = publish
        self._own = own
        self._wanted_of = wanted_of
        self._seen: frozenset[Topic] = frozenset()
        self._change = trio.Event()
        own.listen(self.ring)

    def __repr__(self) -> str:
        return f"<Tap {self._own.feed}>"

    def ring(self) -> None:
        """Something may be wanted or not wanted any more."""
        self._change.set()

    def wanted(self) -> frozenset[Topic]:
        """The topics to be subscribed at the vendor now."""
        self._seen = self._now()
        return self._seen

    async def changed(self) -> None:
        """Return once `wanted()` differs from what it was at the last call of `wanted()`; at once if it does already."""
        while self._now() == self._seen:
            await self._change.wait()
            self._change = trio.Event()
        await trio.lowlevel.checkpoint()

    def _now(self) -> frozenset[Topic]:
        return self._own.topics.union(*self._wanted_of(self._own.feed))
