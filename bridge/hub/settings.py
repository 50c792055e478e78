"""What bounds the hub: a part of `[limits]`."""

import msgspec


class HubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The hub's bounds.

    Attributes:
        linger_seconds: how long interest outlives its last subscriber.
        history_events: publications kept per topic at most; `history_bytes` their estimated size, `history_seconds` their age.
        refusal_seconds: how long a vendor's refusal of a topic is remembered.
    """

    linger_seconds: float = 30
    history_events: int = 10_000
    history_bytes: int = 8_388_608
    history_seconds: float = 900
    refusal_seconds: float = 60
