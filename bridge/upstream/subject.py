"""Which topic a vendor's event is about, before the hub has assembled it."""

from bridge.model import (
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    OrderUpdate,
    QuotePatch,
    Topic,
    TopicKind,
    Trade,
    UpstreamEvent,
    topic_of,
)


def subject_of(event: UpstreamEvent) -> Topic | None:
    """Return the topic; None for what is not about one topic (a feed's status, coverage, refusals)."""
    match event:
        case Trade() | Bar() | OrderUpdate() | BookSnapshot() | BookDelta():
            return topic_of(event)
        case QuotePatch():
            return Topic(TopicKind.QUOTE, event.instrument)
        case BookReplacement():
            return Topic(TopicKind.BOOK, event.instrument)
        case _:
            return None
