"""Where a lost session stood, so that the next one may go on from there instead of anew."""

import msgspec

from bridge.model import Topic


class Bookmark(msgspec.Struct, frozen=True):
    """A vendor's own place in its stream.

    Attributes:
        cursor: as the vendor spells it.
        topics: those of which everything up to it was received; for others it says nothing.
    """

    cursor: str
    topics: frozenset[Topic]

    def among(self, topics: frozenset[Topic]) -> "Bookmark":
        """Return what it is worth to a session that carries only these."""
        return Bookmark(self.cursor, self.topics & topics)
