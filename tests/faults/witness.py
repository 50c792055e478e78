"""A client's account with the time in it: when it was told that something is wrong, and when it had everything again."""

import math
from dataclasses import dataclass, field
from typing import Any

import trio

from tests.support.ledger import Ledger

BOUNDS_SECONDS = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 360, 600)
"""What the page says: the least of these that is not passed, with the longest waits that chance may draw."""


@dataclass
class Witness(Ledger):
    """A `Ledger` that looks at the clock.

    Attributes:
        told_at: when it was first told of trouble, on Trio's clock; None = never.
        words: what it was told of the stream and the feed since the fault, each once, in order.
        back_at: when it had heard something newer than `owed` of everything; None = not yet.
        owed: topic → the number that was the newest when the fault was over; None = it is not over.
    """

    watching: bool = False
    told_at: float | None = None
    words: list[str] = field(default_factory=list)
    back_at: float | None = None
    owed: dict[str, int] | None = None

    def watch(self) -> None:
        """From now on is what counts."""
        self.watching, self.words, self.told_at, self.back_at, self.owed = True, [], None, None, None
        self.missed = 0

    def take(self, event: dict[str, Any]) -> None:
        """Note an event and when it came."""
        super().take(event)
        if not self.watching or self.back_at is not None:
            return
        kind = event["type"]
        word = {
            "stream": f"`{event.get('verdict')}`",
            "feed_status": f"`{event.get('status')}`",
            "gap": f"gap (`{event.get('cause')}`)",
        }.get(kind)
        if word is not None and self.told_at is None and word != "`live`":
            self.told_at = trio.current_time()
        if word is not None and word not in self.words and (self.words or word != "`live`"):
            self.words.append(word)
        if self.owed is not None and all(self.newest(topic) > number for topic, number in self.owed.items()):
            self.back_at = trio.current_time()


def bound(seconds: float | None) -> str:
    """How the page says how long something took at most."""
    if seconds is None:
        return "-"
    return f"{next(one for one in (*BOUNDS_SECONDS, math.inf) if seconds <= one)} s"
