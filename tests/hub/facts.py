"""Topics, events and short ways to say them, for the hub's tests."""

from decimal import Decimal

from bridge.hub.hub import Bound, Hub
from bridge.model import (
    BookLevel,
    Covered,
    FeedName,
    InstrumentId,
    OrderUpdate,
    Side,
    Topic,
    TopicKind,
    Trade,
    Uncovered,
    UnixNanos,
    Want,
)

FEED = FeedName("f")
X = {"instrument": InstrumentId("X"), "feed": FEED, "ts_recv": UnixNanos(0)}
ROOMY = Bound(10**9, lambda some: 100 * len(some), lambda: None)
TRADE, QUOTE, BOOK, BAR = (Topic.parse(text) for text in ("trade:X", "quote:X", "book:X", "bar.1m:X"))


def order(account: str) -> Topic:
    return Topic(TopicKind.ORDER, scope=account)


def wants(*topics: Topic) -> list[Want]:
    return [Want(topic, FEED) for topic in topics]


def cover(hub: Hub, *topics: Topic) -> None:
    hub.publish(Covered(feed=FEED, topics=topics, ts_recv=UnixNanos(0)))


def uncover(hub: Hub, *topics: Topic) -> None:
    hub.publish(Uncovered(feed=FEED, topics=topics, ts_recv=UnixNanos(0)))


def trade(size: int = 1) -> Trade:
    return Trade(**X, price=Decimal(1), size=Decimal(size))


def order_update(account: str, order_id: str) -> OrderUpdate:
    return OrderUpdate(
        **X,
        account=account,
        order_id=order_id,
        side=Side.BUY,
        order_type="limit",
        quantity=Decimal(1),
        filled_quantity=Decimal(0),
        status="new",
    )


def levels(*pairs: tuple[int, int]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in pairs)


def names(publications) -> list[str]:
    return [type(publication.event).__name__ for publication in publications]
