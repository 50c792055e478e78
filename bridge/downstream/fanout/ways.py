"""What a stream's writer works with."""

from collections.abc import Callable

import msgspec

from bridge.clock import Clock
from bridge.dialects.contract import Conversation
from bridge.downstream.fanout.codec import Codec
from bridge.downstream.fanout.pump import Pump
from bridge.hub.hub import Hub
from bridge.model import Code, TopicRefused


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """One writer's.

    Attributes:
        heartbeat_seconds: how long it may be silent; 0 = for ever.
        pending_bytes: what may wait for the peer; 0 = without bound. `skips`: trades past that are declared missing.
        padding_bytes: of the comment that follows each write; 0 = none.
        farewell_seconds: how long the goodbye may take; 0 = for ever.
        refused: told when the vendor refused a topic; says so to the client and drops the topic.
        ended: told when the goodbye has gone.
        failed: told when a step failed.
        stalled: told when the goodbye took too long.
    """

    hub: Hub
    clock: Clock
    codec: Codec
    conversation: Conversation
    pump: Pump
    heartbeat_seconds: float
    pending_bytes: int
    skips: bool
    padding_bytes: int = 0
    farewell_seconds: float
    refused: Callable[[TopicRefused], None]
    ended: Callable[[Code], None]
    failed: Callable[[Exception], None]
    stalled: Callable[[], None]
