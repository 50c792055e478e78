"""What a feed over connections that stay open is told: the vendor's numbers, the operator's, and what clients want."""

from collections.abc import Callable

import msgspec

from bridge.dialects.contract import Transport, TransportProfile
from bridge.model import AccountId
from bridge.upstream.contract import Interest
from bridge.upstream.watches.watches import WatchTerms


class StreamTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream feed is made with.

    Attributes:
        transport: which one; `profile` its numbers.
        max_connections: how many connections it may have; None = no limit.
        depth: levels a side asked of the vendor; None = its default.
        account: whose orders arrive; None = nobody's.
        interest: what clients want.
        random: draws from [0, 1).
        bridge: our own id, for a relay.
        whole_books: whether this transport says books whole, each time.
        stale_seconds: how long a topic may be silent before it is looked at; 0 = for ever.
        watch: what is watched over; None = nothing, or it is done by who has several transports.
    """

    transport: Transport
    profile: TransportProfile
    max_connections: int | None
    depth: int | None
    account: AccountId | None
    interest: Interest
    random: Callable[[], float]
    bridge: str | None = None
    whole_books: bool = False
    stale_seconds: float = 0
    watch: WatchTerms | None = None
