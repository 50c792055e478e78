"""What a line-up is handed: the log's way in and its state, how every feed is, and the time."""

from collections.abc import Callable, Mapping

import msgspec

from bridge.clock import Clock
from bridge.hub.contract import Publication
from bridge.hub.lineups.condition import Condition
from bridge.model import FeedName, UpstreamEvent, Want


class LineupTools(msgspec.Struct, frozen=True, kw_only=True):
    """What a line-up works with.

    Attributes:
        publish: takes what it says into the log.
        state: finds what the log's state is of a want.
        conditions: of every feed.
        clock: wall time; `now` seconds that only rise.
        changed: called when other feeds are to be subscribed.
    """

    publish: Callable[[UpstreamEvent], None]
    state: Callable[[Want], Publication | None]
    conditions: Mapping[FeedName, Condition]
    clock: Clock
    now: Callable[[], float]
    changed: Callable[[], None]
