"""What a feed lacks and can be made of what it has: the one table of derivations, plain and without a vendor's name.

| wanted | made of | what stays absent |
|---|---|---|
| `bar.I` | its trades; else its longest bars that fit into I | without trades and such bars: all of it |
| `quote` | its book's best levels and its trades, or whichever of the two there is | what a book and trades do not tell |
| `book.N` | its full book | |

Trades are never made of prices, nor a book of a quote: nobody sent their sizes.
"""

from collections.abc import Callable

from bridge.model import InstrumentId, Interval, Topic, TopicKind

SHORTER = {
    Interval.M1: (),
    Interval.M5: (Interval.M1,),
    Interval.M15: (Interval.M5, Interval.M1),
    Interval.M30: (Interval.M15, Interval.M5, Interval.M1),
    Interval.H1: (Interval.M30, Interval.M15, Interval.M5, Interval.M1),
    Interval.H4: (Interval.H1, Interval.M30, Interval.M15, Interval.M5, Interval.M1),
    Interval.D1: (Interval.H4, Interval.H1, Interval.M30, Interval.M15, Interval.M5, Interval.M1),
    Interval.W1: (Interval.D1, Interval.H4, Interval.H1, Interval.M30, Interval.M15, Interval.M5, Interval.M1),
    Interval.MO1: (Interval.D1, Interval.H4, Interval.H1, Interval.M30, Interval.M15, Interval.M5, Interval.M1),
}
"""Which bars fill an interval without a rest, the longest first: they bring the fewest messages. A week does not fit a month."""


def sources_of(topic: Topic, has: Callable[[Topic], bool]) -> tuple[Topic, ...]:
    """Return what to ask a feed for so that it can serve a topic; empty = it cannot.

    Args:
        topic: of kind quote, trade, book or bar.
        has: whether the feed itself has a topic.
    """
    if has(topic):
        return (topic if topic.depth is None else Topic(TopicKind.BOOK, topic.instrument),)
    match topic.kind:
        case TopicKind.BAR if topic.instrument is not None and topic.interval is not None:
            return _bar_sources(topic.instrument, topic.interval, has)
        case TopicKind.QUOTE:
            parts = (Topic(TopicKind.BOOK, topic.instrument), Topic(TopicKind.TRADE, topic.instrument))
            return tuple(part for part in parts if has(part))
        case _:
            return ()


def _bar_sources(instrument: InstrumentId, interval: Interval, has: Callable[[Topic], bool]) -> tuple[Topic, ...]:
    shorter = (Topic(TopicKind.BAR, instrument, interval=one) for one in SHORTER[interval])
    for source in (Topic(TopicKind.TRADE, instrument), *shorter):
        if has(source):
            return (source,)
    return ()
