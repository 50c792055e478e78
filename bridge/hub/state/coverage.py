"""Since when one topic has been subscribed upstream without a break, and what a cursor from before that must be told.

Theory of operation: the life of a topic here is `born … (covered … lost …)*`, each moment an offset. Nothing is promised
before the first coverage; whoever held the topic while it was covered, or came back with a cursor, is owed a declared gap
for every break. A cursor from before `born` may come from a forgotten life of the topic, so nothing is vouched for it.
"""

from typing import NamedTuple

from bridge.model import Cause

ELSEWHERE = -1
"""The place of a cursor of another epoch: older than everything here."""


REMEMBERED_BREAKS = 32
"""Breaks told apart; older ones are taken for one long break, which declares too much rather than too little."""


class Hole(NamedTuple):
    """What a returning client may have missed: everything after `after`, up to and including `to`.

    Attributes:
        after: its cursor's offset, or where the break began in the midst of which its cursor was given.
    """

    after: int
    to: int
    cause: Cause


class Coverage:
    """One topic's coverage; a book and its cuts share one.

    Args:
        born: the head of the log when we first heard of the topic.

    Attributes:
        since: the offset of the `Covered` that still holds; None = not covered.
        lost: where the last coverage ended, or up to where a hole was declared before any began; None = never.
    """

    __slots__ = ("_before", "_breaks", "_sound_after", "_told", "born", "lost", "since")

    def __init__(self, born: int) -> None:
        self.born = born
        self.since: int | None = None
        self.lost: int | None = None
        self._sound_after = born
        self._told: int | None = None
        self._before: tuple[int, int | None] | None = None
        """`since` and `lost` as they were before the break that is on; None = there is none, or it has been told."""
        self._breaks: list[tuple[int, int]] = []

    def __repr__(self) -> str:
        return f"<Coverage since {self.since} lost {self.lost}>"

    @property
    def promised(self) -> bool:
        """Whether someone joining now may rely on continuity from here."""
        return self.since is not None

    def cover(self, offset: int, *, continued: bool = False) -> bool:
        """Coverage begins at this offset; return whether it is news.

        Args:
            offset: of the `Covered`.
            continued: nothing was lost by the break, so there was none.
        """
        if self.since is not None:
            return False
        if continued and self._before is not None:
            self.since, self.lost = self._before
            return True
        self.since = offset
        if self.lost is not None:
            self._sound_after = offset if self._told is None else self._told
            self._told = None
            self._breaks.append((self.lost, self._sound_after))
            if len(self._breaks) > REMEMBERED_BREAKS:
                (first, _), (_, last) = self._breaks[:2]
                self._breaks[:2] = [(first, last)]
        return True

    def tell(self, offset: int) -> None:
        """A gap of the log at this offset tells everyone of the break that ends now; nothing is lost from there on."""
        if self.since is None and self._told is None:
            self._told = offset
            self._before = None

    def lose(self, offset: int) -> bool:
        """Coverage ends at this offset; return whether it is news."""
        if self.since is None:
            return False
        self._before = self.since, self.lost
        self.since = None
        self.lost = offset
        return True

    def hole(self, after: int, head: int) -> Hole | None:
        """What a cursor must be told of breaks; None = it missed nothing that will not be declared later."""
        cause = Cause.HISTORY if after == ELSEWHERE else Cause.UPSTREAM
        begin = next((lost for lost, covered in self._breaks if lost <= after < covered), after)
        if self.since is not None:
            return Hole(begin, self.since, cause) if after < self._sound_after else None
        if after < self._sound_after or (self.lost is not None and after < self.lost):
            return Hole(begin, head, cause)
        return None

    def declared(self, hole: Hole) -> None:
        """Note that a hole was declared to someone, so that one declared before coverage is continued when it begins."""
        if self.since is None and self.lost is None:
            self.lost = hole.to
