"""Which topic a publication belongs to: exactly one, the same object each time."""

from decimal import Decimal

import pytest

from bridge.model import (
    Bar,
    BookDelta,
    BookSnapshot,
    Covered,
    FeedHealth,
    FeedStatus,
    OrderUpdate,
    Quote,
    Side,
    Topic,
    TopicKind,
    Trade,
    topic_of,
)

COMMON = {"instrument": "BTC-USD", "feed": "f", "ts_recv": 1}
PRICES = dict.fromkeys(("open", "high", "low", "close"), Decimal(1))
ORDER = {
    "order_id": "o",
    "side": Side.BUY,
    "order_type": "limit",
    "quantity": Decimal(1),
    "filled_quantity": Decimal(0),
}


@pytest.mark.parametrize(
    ("event", "topic"),
    [
        (Quote(**COMMON), Topic.parse("quote:BTC-USD")),
        (Trade(**COMMON, price=Decimal(1), size=Decimal(1)), Topic.parse("trade:BTC-USD")),
        (BookSnapshot(**COMMON, bids=(), asks=()), Topic.parse("book:BTC-USD")),
        (BookDelta(**COMMON, bids=(), asks=(), depth=20), Topic.parse("book.20:BTC-USD")),
        (Bar(**COMMON, interval="1mo", **PRICES), Topic.parse("bar.1mo:BTC-USD")),
        (OrderUpdate(**COMMON, account="f/me", status="new", **ORDER), Topic(TopicKind.ORDER, scope="f/me")),
        (FeedStatus(feed="f", status=FeedHealth.LIVE, ts_recv=1), Topic(TopicKind.STATUS, scope="f")),
    ],
)
def test_an_event_belongs_to_one_topic(event, topic):
    assert topic_of(event) == topic
    assert topic_of(event) is topic_of(event)


def test_what_names_its_topics_itself_is_not_asked():
    with pytest.raises(ValueError, match="names its topics itself"):
        topic_of(Covered(feed="f", topics=(), ts_recv=1))
