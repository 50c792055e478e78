"""What a join owes one subscriber of the log's past: its own gaps, then a stretch of a list that many share.

It may be long (everything that history keeps), so it is never copied at once: it leaves in pieces, which begin and end at the
same places for everyone, so that those who read the same past also share the bytes joined of it.
"""

from collections.abc import Callable, Collection, Sequence

from bridge.hub.contract import Publication
from bridge.hub.policy import concerns
from bridge.model import Topic

PIECE = 512
"""Publications at once: about what one write takes."""


class Handout:
    """One subscriber's.

    Args:
        lead: its own, ascending; they stand before the shared ones.
        shared: ascending; others may add to its end, nobody changes what is in it.
        start: the first of the shared ones that it is owed; all after it that are there now are.
    """

    __slots__ = ("_at", "_lead", "_shared", "_stop", "_without")

    def __init__(self, lead: list[Publication], shared: list[Publication], start: int) -> None:
        self._lead = lead
        self._shared = shared
        self._at = start
        self._stop = len(shared)
        self._without: frozenset[Topic] = frozenset()

    def __len__(self) -> int:
        return len(self._lead) + self._stop - self._at

    def pending_bytes(self, cost: Callable[[Sequence[Publication]], int]) -> int:
        """Estimate what is left, taking every event for as large as the next one."""
        if not len(self):
            return 0
        return len(self) * cost((self._lead[0] if self._lead else self._shared[self._at],))

    def take(self) -> list[Publication]:
        """Return the next piece, and owe it no longer; it is empty only when nothing of it is wanted any more."""
        until = min(self._stop, (self._at // PIECE + 1) * PIECE)
        taken = self._lead + self._shared[self._at : until]
        self._lead = []
        self._at = until
        if self._without:
            return [one for one in taken if not concerns(one.policy, one.event, self._without)]
        return taken

    def remove(self, topics: Collection[Topic]) -> None:
        """These are not wanted any more."""
        self._without |= frozenset(topics)
