"""A subscription's bound, its position, and what becomes of it when it is changed or closed."""

from decimal import Decimal

import pytest

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    Covered,
    FeedHealth,
    FeedName,
    FeedStatus,
    InstrumentId,
    QuotePatch,
    Topic,
    TopicRefused,
    Trade,
    UnixNanos,
    Want,
)

FEED = FeedName("f")
X = {"instrument": InstrumentId("X"), "feed": FEED, "ts_recv": UnixNanos(0)}
TRADE, QUOTE = Topic.parse("trade:X"), Topic.parse("quote:X")


@pytest.fixture
def hub() -> Hub:
    return Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())


def bound(limit: int = 10**9, wakes: list | None = None) -> Bound:
    told = wakes if wakes is not None else []
    return Bound(limit, lambda some: 100 * len(some), lambda: told.append(True))


def trade(size: int = 1) -> Trade:
    return Trade(**X, price=Decimal(1), size=Decimal(size))


def wants(*topics: Topic) -> list[Want]:
    return [Want(topic, FEED) for topic in topics]


def sizes(subscription) -> list[int]:
    return [int(publication.event.size) for publication in subscription.take()]


async def test_it_wakes_once_until_it_is_taken(hub):
    wakes: list[bool] = []
    subscription = hub.open(wants(TRADE), None, bound(wakes=wakes))
    assert wakes == []
    hub.publish(trade(1))
    hub.publish(trade(2))
    assert len(wakes) == 1
    assert subscription.pending_bytes == 200
    assert sizes(subscription) == [1, 2]
    assert (subscription.pending_bytes, subscription.take()) == (0, [])
    hub.publish(trade(3))
    assert len(wakes) == 2


async def test_past_the_bound_it_says_so_keeps_what_it_had_and_takes_no_more(hub):
    wakes: list[bool] = []
    subscription = hub.open(wants(TRADE), None, bound(250, wakes))
    other = hub.open(wants(TRADE), None, bound())
    for size in (1, 2, 3, 4):
        hub.publish(trade(size))
    assert subscription.overflowed
    assert len(wakes) == 2
    assert subscription.pending_bytes == 200
    assert sizes(subscription) == [1, 2]
    assert subscription.position == hub.cursor(2)
    hub.publish(trade(5))
    assert sizes(subscription) == []
    assert sizes(other) == [1, 2, 3, 4, 5]


async def test_who_overflowed_comes_back_with_its_position_and_misses_nothing(hub):
    hub.publish(Covered(feed=FEED, topics=(TRADE,), ts_recv=UnixNanos(0)))
    subscription = hub.open(wants(TRADE), None, bound(250))
    for size in (1, 2, 3, 4):
        hub.publish(trade(size))
    assert sizes(subscription) == [1, 2]
    subscription.close()
    assert sizes(hub.open(wants(TRADE), subscription.position, bound(250))) == [3, 4]


async def test_what_a_join_hands_out_is_not_counted_against_the_bound(hub):
    hub.publish(Covered(feed=FEED, topics=(TRADE,), ts_recv=UnixNanos(0)))
    before = hub.cursor()
    for size in range(10):
        hub.publish(trade(size))
    subscription = hub.open(wants(TRADE), before, bound(250))
    hub.publish(trade(10))
    assert not subscription.overflowed
    assert subscription.pending_bytes == 1_100
    assert sizes(subscription) == list(range(11))


async def test_it_stands_at_the_newest_publication_taken(hub):
    subscription = hub.open(wants(TRADE), None, bound())
    assert subscription.position == subscription.cursor == hub.cursor(0)
    hub.publish(trade())
    assert subscription.position == hub.cursor(0)
    subscription.take()
    assert subscription.position == hub.cursor(1)


async def test_more_topics_start_fresh_with_their_state(hub):
    subscription = hub.open(wants(TRADE), None, bound())
    hub.publish(trade())
    hub.publish(QuotePatch(**X, bid=Decimal(1)))
    subscription.add(wants(QUOTE, TRADE))
    first, quote = subscription.take()
    assert (first.offset, quote.offset, quote.whole) == (1, 2, True)
    assert subscription.wants == tuple(wants(TRADE, QUOTE))
    hub.publish(QuotePatch(**X, bid=Decimal(2)))
    (changed,) = subscription.take()
    assert (changed.offset, changed.whole) == (3, False)


async def test_removing_a_topic_drops_what_is_pending_of_it(hub):
    subscription = hub.open(wants(TRADE, QUOTE), None, bound())
    hub.publish(trade())
    hub.publish(QuotePatch(**X, bid=Decimal(1)))
    hub.publish(TopicRefused(feed=FEED, topic=TRADE, code="forbidden", message="no", ts_recv=UnixNanos(0)))
    assert subscription.remove([TRADE, Topic.parse("trade:Y")]) == (TRADE,)
    assert subscription.pending_bytes == 100
    hub.publish(trade())
    assert [type(publication.event).__name__ for publication in subscription.take()] == ["Quote"]
    assert subscription.wants == tuple(wants(QUOTE))


async def test_health_comes_free_of_charge_and_with_the_join(hub):
    live = FeedStatus(feed=FEED, status=FeedHealth.LIVE, ts_recv=UnixNanos(0))
    hub.publish(live)
    hub.publish(FeedStatus(feed=FeedName("other"), status=FeedHealth.DOWN, ts_recv=UnixNanos(0)))
    subscription = hub.open(wants(TRADE), None, bound())
    assert [publication.event for publication in subscription.take()] == [live]
    for instrument in ("Y", "X"):
        hub.publish(
            FeedStatus(feed=FEED, status=FeedHealth.STALE, ts_recv=UnixNanos(0), instrument=InstrumentId(instrument))
        )
    assert [publication.event.instrument for publication in subscription.take()] == ["X"]
    assert hub.feed_status(FEED) == live
    assert hub.feed_status(FeedName("third")) is None
    subscription.remove([TRADE])
    hub.publish(live)
    assert subscription.take() == []


async def test_closing_leaves_every_index_and_may_be_repeated(hub):
    subscription = hub.open(wants(TRADE, QUOTE), None, bound())
    hub.publish(trade())
    subscription.close()
    subscription.close()
    subscription.add(wants(TRADE))
    hub.publish(trade())
    assert subscription.take() == []
    statistics = hub.statistics()
    assert (statistics.subscriptions, statistics.pending_bytes) == (0, 0)
