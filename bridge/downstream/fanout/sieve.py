"""What need not be written of what is pending: changes of a book that is said whole anyway, topics left, other orders."""

from bridge.hub.contract import Publication
from bridge.model import (
    BookDelta,
    BookSnapshot,
    Covered,
    FeedStatus,
    Gap,
    InstrumentId,
    OrderUpdate,
    Topic,
    TopicRefused,
    Uncovered,
    topic_of,
)


def sifted(
    pending: list[Publication], *, replaces_books: bool, orders_of: frozenset[InstrumentId] | None
) -> list[Publication]:
    """Leave out what need not be written.

    Args:
        pending: in order.
        replaces_books: books are said whole.
        orders_of: the instruments whose orders are told; None = all.
    """
    if replaces_books:
        pending = newest_books(pending)
    return pending if orders_of is None else without_other_orders(pending, orders_of)


def newest_books(pending: list[Publication]) -> list[Publication]:
    """Leave out all but the newest change of a book that is said whole anyway."""
    newest: dict[Topic, int] = {}
    for place, publication in enumerate(pending):
        if isinstance(publication.event, BookDelta | BookSnapshot):
            newest[topic_of(publication.event)] = place
    return [
        publication
        for place, publication in enumerate(pending)
        if not isinstance(publication.event, BookDelta) or newest[topic_of(publication.event)] == place
    ]


def without_other_orders(pending: list[Publication], instruments: frozenset[InstrumentId]) -> list[Publication]:
    """Leave out the orders of all but these instruments."""
    return [
        publication
        for publication in pending
        if not isinstance(publication.event, OrderUpdate) or publication.event.instrument in instruments
    ]


def belongs(publication: Publication, topics: frozenset[Topic]) -> bool:
    """Whether a publication is of these topics alone."""
    match publication.event:
        case TopicRefused(topic=topic):
            return topic in topics
        case Gap(topics=touched):
            return topics.issuperset(touched)
        case Covered() | Uncovered() | FeedStatus():
            return False
        case event:
            return topic_of(event) in topics
