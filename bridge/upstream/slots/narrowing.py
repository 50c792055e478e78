"""Finds the topics for which a vendor refuses a request as a whole, so that one that it does not have keeps out no other.

Only decides what to ask for next. A topic is blamed only when a request without it is granted, or when it was asked for alone
of a vendor that has granted others before: a refusal of the very first request is more likely the address's fault, and then
nothing is claimed of any topic.
"""

from bridge.errors import BridgeError, VendorRefused
from bridge.model import Topic

BAD_REQUEST = frozenset({400, 404, 422})
"""Answers that speak of what was asked for, not of who asked or how busy the vendor is."""

NARROWING_BASE_SECONDS = 0.25
NARROWING_CAP_SECONDS = 5.0
"""While the topics that a vendor refuses are looked for, all others wait: sooner than after a loss, and still politely."""


class Narrowing:
    """What of a slot's topics is left out of the next request."""

    def __init__(self) -> None:
        self._withheld: frozenset[Topic] = frozenset()
        self._suspects: frozenset[Topic] = frozenset()

    def among(self, topics: frozenset[Topic]) -> frozenset[Topic]:
        """Return what of `topics` to ask for now; never nothing of something."""
        return (topics - self._withheld) or topics

    def granted(self) -> None:
        """A request was granted: what was left out may be asked for again."""
        self._withheld = self._suspects = frozenset()

    def refused(self, tried: frozenset[Topic], topics: frozenset[Topic], failure: BridgeError) -> bool:
        """A first request was refused; return whether another choice of `topics` is worth asking for soon."""
        if not is_of_topics(failure):
            return False
        if len(tried) > 1:
            self._withheld |= _half(tried)
            return True
        self._suspects |= tried
        self._withheld = self._suspects
        if topics <= self._suspects:
            self.granted()
            return False
        return True

    def addition_refused(self, added: frozenset[Topic], failure: BridgeError) -> Topic | None:
        """The old request is fine and one with `added` is not: return the topic to blame, or None and ask for fewer."""
        if not added or not is_of_topics(failure):
            return None
        if len(added) > 1:
            self._withheld |= _half(added)
            return None
        self.granted()
        (topic,) = added
        return topic


def is_of_topics(failure: BridgeError) -> bool:
    """Whether a failure may be the fault of a topic."""
    return isinstance(failure, VendorRefused) and failure.status in BAD_REQUEST


def _half(topics: frozenset[Topic]) -> frozenset[Topic]:
    return frozenset(sorted(topics, key=str)[len(topics) // 2 :])
