"""The hub's counters, as pages and logs show them."""

import msgspec


class HubStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of the hub.

    Attributes:
        epoch: the log's life; `head` its newest offset.
        publications: applied since the start, by the event's class name.
        subscriptions: open now; `pending_bytes` of all of them, by their own cost; `overflowed` of them past their bound.
        interests: wants that are active now, lingering and leased ones included.
        topics: records held; `covered` of them; `cuts` cut books and `derived` quotes and bars made now.
        history_events: publications kept; `history_bytes` their estimated size.
        stale_quotes: quote patches dropped because they were older than the quote held.
        baseless_deltas: book deltas dropped because no book was held.
        echoes: trades dropped because they had been said before, with the same id.
        stale_bars: bars dropped because a later one was held.
        unchanged: events left out because they said nothing new.
        refusals: vendors' refusals remembered now.
        mistakes: events lost by a mistake of ours.
    """

    epoch: str
    head: int
    publications: dict[str, int]
    subscriptions: int
    pending_bytes: int
    overflowed: int
    interests: int
    topics: int
    covered: int
    cuts: int
    derived: int
    history_events: int
    history_bytes: int
    stale_quotes: int
    baseless_deltas: int
    stale_bars: int
    echoes: int
    unchanged: int
    refusals: int
    mistakes: int = 0
