"""What stands between a feed and the log: it passes every event on, and shows those of some kinds to who follows them.

A follower sees an event after it stands in the log, and must not raise. It may publish in turn.
"""

from collections.abc import Callable
from typing import Any

from bridge.model import UpstreamEvent
from bridge.upstream.contract import Publish


class Witness:
    """Satisfies `upstream.contract.Publish`.

    Args:
        publish: takes the feed's events into the log.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._followers: dict[type, list[Callable[[Any], None]]] = {}

    def __call__(self, event: UpstreamEvent) -> None:
        """Publish an event, then show it."""
        self._publish(event)
        for follower in self._followers.get(type(event), ()):
            follower(event)

    def show(self, kind: type, follower: Callable[[Any], None]) -> None:
        """Show every event of exactly this class to a follower from here on."""
        self._followers.setdefault(kind, []).append(follower)
