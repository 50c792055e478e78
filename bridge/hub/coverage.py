"""Since when one topic has been subscribed upstream without a break, and what a cursor from before that must be told.

Theory of operation: the life of a topic here is `born … (covered … lost …)*`, each moment an offset. Nothing is promised
before the first coverage; whoever held the topic while it was covered, or came back with a cursor, is owed a declared gap
for every break. A cursor from before `born` may come from a forgotten life of the topic, so nothing is vouched for it.
"""

from typing import NamedTuple

from bridge.model import Cause

ELSEWHERE = -1
"""The place of a cursor of another epoch: older than everything here."""


class Hole(NamedTuple):
    """What a returning client may have missed: everything after its cursor, up to and including `to`."""

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

    __slots__ = ("_sound_after", "born", "lost", "since")

    def __init__(self, born: int) -> None:
        self.born = born
        self.since: int | None = None
        self.lost: int | None = None
        self._sound_after = born

    def __repr__(self) -> str:
        return f"<Coverage since {self.since} lost {self.lost}>"

    @property
    def promised(self) -> bool:
        """Whether someone joining now may rely on continuity from here."""
        return self.since is not None

    def cover(self, offset: int) -> bool:
        """Coverage begins at this offset; return whether it is news."""
        if self.since is not None:
            return False
        self.since = offset
        if self.lost is not None:
            self._sound_after = offset
        return True

    def lose(self, offset: int) -> bool:
        """Coverage ends at this offset; return whether it is news."""
        if self.since is None:
            return False
        self.since = None
        self.lost = offset
        return True

    def hole(self, after: int, head: int) -> Hole | None:
        """What a cursor must be told of breaks; None = it missed nothing that will not be declared later."""
        cause = Cause.HISTORY if after == ELSEWHERE else Cause.UPSTREAM
        if self.since is not None:
            return Hole(self.since, cause) if after < self._sound_after else None
        if after < self._sound_after or (self.lost is not None and after < self.lost):
            return Hole(head, cause)
        return None

    def declared(self, hole: Hole) -> None:
        """Note that a hole was declared to someone, so that one declared before coverage is continued when it begins."""
        if self.since is None and self.lost is None:
            self.lost = hole.to
