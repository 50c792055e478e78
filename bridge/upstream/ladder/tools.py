"""What a ladder is handed: what its transports carry, what lets it in, what is wanted of it, and whom to tell."""

from collections.abc import Callable

import msgspec

from bridge.dialects.contract import Transport
from bridge.upstream.contract import Interest
from bridge.upstream.credentials.tokens import TokenKeeper
from bridge.upstream.ladder.reach import Reach
from bridge.upstream.watches.watches import WatchTerms


class LadderTools(msgspec.Struct, frozen=True, kw_only=True):
    """What a ladder works with.

    Attributes:
        reach: says what each transport carries.
        keeper: the feed's credential; the ladder runs it, its rungs borrow it.
        interest: what clients want.
        random: draws from [0, 1).
        moved: told which transport is in use, so that what is derived of what it carries follows.
        watch: what is watched over, on whichever rung; None = nothing.
    """

    reach: Reach
    keeper: TokenKeeper
    interest: Interest
    random: Callable[[], float]
    moved: Callable[[Transport], None]
    watch: WatchTerms | None = None
