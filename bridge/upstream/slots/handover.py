"""The two waits of a hand-over: for a place beside the old connection, and for the new one to be as good as the old."""

import trio

from bridge.errors import BridgeError, TransportLost
from bridge.upstream.bell import Bell
from bridge.upstream.slots.link import CONFIRM_SECONDS, Link
from bridge.upstream.slots.overlap import SETTLE_SECONDS, Overlap

PLACE_SECONDS = 3.0
"""How long a hand-over waits for a place: longer than any connection of ours takes to close."""

PATIENCE_SECONDS = 2 * CONFIRM_SECONDS
"""From the request to the confirmation of all that the old connection has: a connect and a confirmation, each at its longest."""


async def has_spare_place(places: trio.Semaphore | None) -> bool:
    """Return whether the vendor grants one more connection, or does as soon as another of ours is closed."""
    with trio.move_on_after(PLACE_SECONDS) as patience:
        if places is not None:
            async with places:
                pass
    return not patience.cancelled_caught


async def succession(old: Link, new: Link, overlap: Overlap, bell: Bell) -> BridgeError | None:
    """Wait until the new link has all that the old one has, and `SETTLE_SECONDS` more while the old one lives.

    Args:
        old: the link that speaks; it may end meanwhile, then the new one still may follow it.
        new: just started.
        overlap: told when the new one is confirmed; when it is full, nothing more is waited for.
        bell: rung whenever something happens to either.

    Returns:
        Why the new one cannot follow; None when it can.
    """
    with trio.move_on_after(PATIENCE_SECONDS) as patience:
        while new.end is None and not overlap.full and _lacks(old, new):
            await bell.wait()
    if patience.cancelled_caught:
        return TransportLost(f"{new.name}: not everything was confirmed within {PATIENCE_SECONDS:g} s")
    overlap.confirmed(trio.current_time())
    with trio.move_on_after(SETTLE_SECONDS):
        while new.end is None and old.end is None and not overlap.full:
            await bell.wait()
    return new.end


def _lacks(old: Link, new: Link) -> bool:
    return not new.ready or not new.session.pending.isdisjoint(old.session.confirmed)
