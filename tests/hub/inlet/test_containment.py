"""One event that breaks the way in is lost alone: that is declared, counted, logged once, and everything else goes on."""

from decimal import Decimal

import pytest
import structlog

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Bound, Hub
from bridge.hub.inlet.assemble import Assembler
from bridge.hub.inlet.derivations import Derivations
from bridge.hub.settings import HubSettings
from bridge.model import (
    BookDelta,
    BookLevel,
    BookSnapshot,
    Cause,
    Covered,
    FeedName,
    Gap,
    InstrumentId,
    QuotePatch,
    Topic,
    Trade,
    UnixNanos,
    Want,
)

FEED = FeedName("f")
X = {"instrument": InstrumentId("X"), "feed": FEED, "ts_recv": UnixNanos(0)}
Y = {**X, "instrument": InstrumentId("Y")}
TOPICS = tuple(Topic.parse(text) for text in ("book:X", "quote:X", "trade:X", "book:Y"))
ROOMY = Bound(10**9, lambda some: 100 * len(some), lambda: None)
POISON = Decimal(666)


def book(number, at=X):
    return BookSnapshot(**at, bids=(BookLevel(Decimal(number), Decimal(1)),), asks=())


def breaking(function):
    """Make a method break over the poisonous price, half way."""

    def broken(self, event, *others):
        made = function(self, event, *others)
        if POISON in (getattr(event, "bid", None), *(level.price for level in getattr(event, "bids", ()))):
            raise RuntimeError("a bug")
        return made

    return broken


@pytest.fixture
def hub(monkeypatch):
    for name in ("book", "quote"):
        monkeypatch.setattr(Assembler, name, breaking(getattr(Assembler, name)))
    hub = Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())
    hub.publish(Covered(feed=FEED, topics=TOPICS, ts_recv=UnixNanos(0)))
    return hub


def test_a_book_that_breaks_the_assembly_is_in_doubt_until_it_comes_whole_and_no_other_is(hub):
    subscription = hub.open([Want(topic, FEED) for topic in TOPICS], None, ROOMY)
    hub.publish(book(1))
    hub.publish(book(1, Y))
    subscription.take()
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            hub.publish(book(POISON))
    gaps = [publication.event for publication in subscription.take()]
    assert [(gap.topics, gap.cause, gap.repaired) for gap in gaps] == [(TOPICS[:1], Cause.BRIDGE, False)] * 5
    assert len(logs) == 1
    assert hub.statistics().mistakes == 5
    hub.publish(BookDelta(**X, bids=(BookLevel(Decimal(2), Decimal(2)),), asks=()))
    assert subscription.take() == []
    assert hub.state(Want(TOPICS[0], FEED)) is None
    hub.publish(BookDelta(**Y, bids=(BookLevel(Decimal(2), Decimal(2)),), asks=()))
    hub.publish(book(3))
    assert [type(publication.event).__name__ for publication in subscription.take()] == ["BookDelta", "BookSnapshot"]


def test_a_quote_that_breaks_the_assembly_leaves_no_old_one_standing(hub):
    hub.publish(QuotePatch(**X, bid=Decimal(1)))
    hub.publish(QuotePatch(**X, bid=POISON))
    assert hub.state(Want(TOPICS[1], FEED)) is None
    hub.publish(QuotePatch(**X, ask=Decimal(2)))
    quote = hub.state(Want(TOPICS[1], FEED)).event
    assert (quote.bid, quote.ask) == (None, Decimal(2))


def test_what_breaks_after_the_log_took_it_is_delivered_and_the_rest_goes_on(hub, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Derivations, "take", broken)
    subscription = hub.open([Want(topic, FEED) for topic in TOPICS], None, ROOMY)
    hub.publish(Trade(**X, price=Decimal(1), size=Decimal(1)))
    said = [publication.event for publication in subscription.take()]
    assert [type(event) for event in said] == [Trade, Gap]
    assert said[1].cause is Cause.BRIDGE
