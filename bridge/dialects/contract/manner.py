"""How we answer as a party where its documents leave it open and installations differ: the operator's word.

Every member has the default of a party whose documents say nothing else; a dialect names those it heeds.
"""

import msgspec


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said of a dialect's own endpoints.

    Attributes:
        realtime_path: where its event stream stands; None = where its documents have it.
        named_events: whether the messages of an event stream have a name beside the `type` in their data.
        timestamp_unit: of the times that its messages themselves have: `s` or `ms`.
        orders_by_asset: whether a stream tells only the orders of instruments that it subscribes to, not all of the user's.
    """

    realtime_path: str | None = None
    named_events: bool = False
    timestamp_unit: str = "s"
    orders_by_asset: bool = False
