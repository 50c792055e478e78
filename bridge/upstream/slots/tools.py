"""What every carrier of a feed is handed: how to connect, whom to tell, and what only one of them may do at a time."""

from collections.abc import Callable

import msgspec
import trio

from bridge.dialects.contract import Lane
from bridge.model import Topic
from bridge.upstream.credentials.tokens import TokenKeeper
from bridge.upstream.session.session import Session
from bridge.upstream.slots.door import Door
from bridge.upstream.slots.link import LinkTools
from bridge.upstream.standing.standing import Standing


class CarrierTools(msgspec.Struct, frozen=True, kw_only=True):
    """What every carrier of a feed uses.

    Attributes:
        link: what its links use.
        session: makes a session for a lane.
        next_name: names the next connection.
        standing: the feed's.
        keeper: the feed's credential.
        door: every connect goes through it.
        handing_over: held during a hand-over.
        random: draws from [0, 1).
        notify: tells the feed to look at its plan again.
        another_is_live: whether any carrier of the feed is ready.
        unproven: told of what stands on a suspect connection that could not be replaced, and why.
    """

    link: LinkTools
    session: Callable[[Lane], Session]
    next_name: Callable[[], str]
    standing: Standing
    keeper: TokenKeeper
    door: Door
    handing_over: trio.Lock
    random: Callable[[], float]
    notify: Callable[[], None]
    another_is_live: Callable[[], bool]
    unproven: Callable[[frozenset[Topic], str], None]
