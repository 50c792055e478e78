"""What a feed's sessions count together, whichever of them is alive."""

from bridge.errors import Mistakes

KINDS_TOLD = 64
"""Kinds of unknown messages that are logged, once each: a vendor that makes up kinds must not fill the log."""


class SessionCounters:
    """What sessions of one feed have in common to count."""

    def __init__(self) -> None:
        self.events = 0
        self.unknown = 0
        self.malformed = 0
        self.reconciled = 0
        self.doubted = 0
        self.mended = 0
        self.mistakes = Mistakes()
        self._kinds: set[str] = set()

    def strange(self, kind: str) -> bool:
        """Count a message of a kind that we do not know; return whether it is worth a line in the log: once a kind."""
        self.unknown += 1
        if kind in self._kinds or len(self._kinds) >= KINDS_TOLD:
            return False
        self._kinds.add(kind)
        return True
