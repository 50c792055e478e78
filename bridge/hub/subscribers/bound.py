"""What a subscriber may have pending, and who is told when something is."""

from collections.abc import Callable, Sequence

import msgspec

from bridge.hub.contract import Publication

UNWEIGHED_BYTES = 65_536
"""A publication that is not weighed yet is taken for this much: so many may be pending before their bytes are looked at."""

BOUNDED_SHARE = 7 / 8
"""Of the bound, for what may be declared missing: the rest is for orders and gaps, which may not."""


class Bound(msgspec.Struct, frozen=True):
    """What a subscriber may have pending.

    Attributes:
        pending_bytes: of the log's events at most; what a join hands out at once is not counted, and state cannot grow.
        cost: how many bytes publications will be for this subscriber.
        wake: called without awaiting when there is something to `take` or `due_at` comes nearer, at most once until the next
            `take`; and when the bound is passed.
        skips: whether trades and final bars that have no room are declared missing by a `gap`; False = they overflow.
    """

    pending_bytes: int
    cost: Callable[[Sequence[Publication]], int]
    wake: Callable[[], None]
    skips: bool = False

    @property
    def unweighed(self) -> int:
        """How many publications may be pending before they are weighed: weighing each would cost more than the append."""
        return self.pending_bytes // UNWEIGHED_BYTES

    @property
    def skipping_bytes(self) -> int:
        """How much what may be skipped may take."""
        return int(self.pending_bytes * BOUNDED_SHARE) if self.skips else self.pending_bytes
