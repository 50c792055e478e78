"""Which topic a vendor's event is about, before the hub has assembled it."""

from bridge.model import (
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    MarketEvent,
    OrderUpdate,
    QuotePatch,
    Topic,
    Trade,
    UpstreamEvent,
    topic_of,
)

MarketFact = QuotePatch | Trade | BookSnapshot | BookDelta | BookReplacement | Bar | OrderUpdate
"""What of an `UpstreamEvent` is a `MarketEvent`."""


def subject_of(event: UpstreamEvent) -> Topic | None:
    """Return the topic; None for what is not about one topic (a feed's status, coverage, refusals)."""
    return topic_of(event) if isinstance(event, MarketEvent) else None
