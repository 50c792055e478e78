"""The hub as its users see it: state, cuts, refusals, leases, and forgetting."""

from decimal import Decimal

import pytest
import trio

from bridge.broker.memory import MemoryLog
from bridge.clock import TrioClock
from bridge.hub.hub import Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    Bar,
    BookDelta,
    BookSnapshot,
    Covered,
    InstrumentId,
    QuotePatch,
    Topic,
    TopicRefused,
    Trade,
    UnixNanos,
    Verdict,
    Want,
)
from tests.hub.facts import (
    BAR,
    BOOK,
    FEED,
    QUOTE,
    ROOMY,
    TRADE,
    X,
    cover,
    levels,
    names,
    trade,
    uncover,
    wants,
)


@pytest.fixture
def hub() -> Hub:
    return Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())


async def test_an_old_price_is_never_shown_as_a_live_one(hub):
    cover(hub, QUOTE, BOOK, BAR)
    hub.publish(QuotePatch(**X, bid=Decimal(1), ask=Decimal(2)))
    hub.publish(BookSnapshot(**X, bids=levels((1, 1)), asks=()))
    one = Decimal(1)
    hub.publish(Bar(**X, interval="1m", ts_open=UnixNanos(0), open=one, high=one, low=one, close=one))
    start = hub.cursor(0)
    uncover(hub, QUOTE, BOOK, BAR)
    for topic in (QUOTE, BOOK, BAR):
        assert hub.state(Want(topic, FEED)) is None
    assert hub.open(wants(QUOTE, BOOK, BAR), None, ROOMY).take() == []
    assert "Quote" not in names(hub.read(wants(QUOTE, BOOK), start, 10).publications)
    cover(hub, QUOTE)
    hub.publish(QuotePatch(**X, last=Decimal(3)))
    assert hub.state(Want(QUOTE, FEED)).event.bid is None


async def test_a_book_confirmed_before_its_coverage_is_said_again_after_the_gap(hub):
    cover(hub, BOOK)
    subscription = hub.open(wants(BOOK, Topic.parse("book.1:X")), None, ROOMY)
    hub.publish(BookSnapshot(**X, bids=levels((9, 1), (8, 1)), asks=()))
    uncover(hub, BOOK)
    hub.publish(BookSnapshot(**X, bids=levels((7, 1), (6, 1)), asks=()))
    subscription.take()
    cover(hub, BOOK)
    assert names(subscription.take()) == ["Gap", "Gap", "BookSnapshot", "BookSnapshot"]


async def test_cut_books_are_made_while_somebody_wants_them(hub, autojump_clock):
    cut = Topic.parse("book.1:X")
    cover(hub, BOOK)
    hub.publish(BookSnapshot(**X, bids=levels((9, 1), (8, 1)), asks=levels((10, 1))))
    subscription = hub.open(wants(cut), None, ROOMY)
    (first,) = subscription.take()
    assert (first.event.bids, first.event.asks, first.event.depth) == (levels((9, 1)), levels((10, 1)), 1)
    hub.publish(BookDelta(**X, bids=levels((8, 5)), asks=()))
    assert subscription.take() == []
    hub.publish(BookDelta(**X, bids=levels((9, 0)), asks=()))
    (change,) = subscription.take()
    assert change.event.bids == levels((9, 0), (8, 5))
    assert change.event.prev_sequence == first.event.sequence
    assert hub.interest(FEED).wanted() == {BOOK}
    assert hub.statistics().cuts == 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        subscription.close()
        await trio.sleep(31)
        assert hub.statistics().cuts == 0
        assert hub.state(Want(cut, FEED)) is None
        nursery.cancel_scope.cancel()


async def test_state_is_one_object_while_nothing_changes(hub):
    hub.publish(QuotePatch(**X, bid=Decimal(1)))
    want = Want(QUOTE, FEED)
    assert hub.state(want) is hub.state(want)
    before = hub.state(want)
    hub.publish(trade())
    after = hub.state(want)
    assert (before.offset, after.offset, after.event) == (1, 2, before.event)
    assert hub.state(Want(TRADE, FEED)) is None


async def test_a_refusal_reaches_the_cuts_too_and_is_remembered_for_a_minute(autojump_clock):
    hub = Hub(MemoryLog(), TrioClock(UnixNanos(0)), HubSettings())
    cut = Topic.parse("book.5:X")
    subscription = hub.open(wants(BOOK, cut), None, ROOMY)

    def refuse(code: str) -> None:
        hub.publish(TopicRefused(feed=FEED, topic=BOOK, code=code, message="no", ts_recv=UnixNanos(0)))

    refuse("upstream_full")
    assert [publication.event.topic for publication in subscription.take()] == [BOOK, cut]
    assert hub.refused(Want(BOOK, FEED)) is None
    refuse("unknown_instrument")
    assert hub.refused(Want(BOOK, FEED)).code == "unknown_instrument"
    assert hub.refused(Want(cut, FEED)).code == "unknown_instrument"
    assert hub.refused(Want(TRADE, FEED)) is None
    await trio.sleep(59)
    assert hub.refused(Want(BOOK, FEED)) is not None
    await trio.sleep(1)
    assert hub.refused(Want(BOOK, FEED)) is None


async def test_a_vendor_that_takes_a_topic_after_all_is_believed(hub):
    hub.publish(TopicRefused(feed=FEED, topic=BOOK, code="forbidden", message="no", ts_recv=UnixNanos(0)))
    cover(hub, BOOK)
    assert hub.refused(Want(BOOK, FEED)) is None


async def test_a_lease_is_interest_without_a_subscription(hub, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        hub.lease(wants(QUOTE, Topic.parse("book.3:X")), 15)
        assert hub.interest(FEED).wanted() == {QUOTE, BOOK}
        await trio.sleep(14)
        assert hub.interest(FEED).wanted() == {QUOTE, BOOK}
        await trio.sleep(2)
        assert hub.interest(FEED).wanted() == frozenset()
        nursery.cancel_scope.cancel()


async def test_everything_is_forgotten_again(autojump_clock):
    hub = Hub(MemoryLog(), TrioClock(UnixNanos(0)), HubSettings(history_seconds=60, linger_seconds=5))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        topics = [Topic.parse(f"{kind}:{number}") for number in range(50) for kind in ("trade", "book.5", "quote")]
        asked = [topic for topic in topics if topic.depth is None]
        asked += [Topic.parse(f"book:{number}") for number in range(50)]
        subscription = hub.open(wants(*topics), None, ROOMY)
        cover(hub, *asked)
        for number in range(50):
            here = {**X, "instrument": InstrumentId(str(number))}
            hub.publish(Trade(**here, price=Decimal(1), size=Decimal(1)))
            hub.publish(BookSnapshot(**here, bids=levels((1, 1)), asks=()))
            hub.publish(QuotePatch(**here, bid=Decimal(1)))
        subscription.close()
        await trio.sleep(6)
        uncover(hub, *asked)
        assert hub.statistics().topics == 201
        await trio.sleep(130)
        statistics = hub.statistics()
        assert (statistics.topics, statistics.interests, statistics.history_events, statistics.cuts) == (1, 0, 0, 0)
        assert hub.open(wants(topics[0]), subscription.cursor, ROOMY).verdict is Verdict.RESET
        nursery.cancel_scope.cancel()


async def test_what_is_leased_is_not_forgotten_however_quiet(autojump_clock):
    hub = Hub(MemoryLog(), TrioClock(UnixNanos(0)), HubSettings(history_seconds=10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        hub.lease(wants(QUOTE), 100)
        start = hub.cursor()
        hub.publish(QuotePatch(**X, bid=Decimal(1)))
        await trio.sleep(60)
        assert hub.state(Want(QUOTE, FEED)) is not None
        assert hub.read(wants(QUOTE), start, 5).verdict is Verdict.RESUMED
        await trio.sleep(60)
        assert hub.state(Want(QUOTE, FEED)) is None
        nursery.cancel_scope.cancel()


async def test_a_vendor_that_goes_on_from_where_it_was_costs_no_gap_and_a_book_comes_whole():
    hub = Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())
    cover(hub, TRADE, BOOK, QUOTE)
    subscription = hub.open(wants(TRADE, BOOK, QUOTE), None, ROOMY)
    hub.publish(trade(1))
    hub.publish(BookSnapshot(**X, bids=levels((1, 1)), asks=()))
    hub.publish(QuotePatch(**X, bid=Decimal(1)))
    before = hub.cursor()
    uncover(hub, TRADE, BOOK, QUOTE)
    assert hub.state(Want(QUOTE, FEED)) is None, "an old bid is never shown as a live one"
    hub.publish(Covered(feed=FEED, topics=(TRADE, BOOK, QUOTE), ts_recv=UnixNanos(0), continued=True))
    hub.publish(trade(2))
    hub.publish(BookDelta(**X, bids=levels((2, 2)), asks=()))
    hub.publish(BookSnapshot(**X, bids=levels((3, 3)), asks=()))
    assert names(subscription.take()) == ["Trade", "BookSnapshot", "Quote", "Trade", "BookSnapshot"]
    back = hub.open(wants(TRADE), before, ROOMY)
    assert (back.verdict, names(back.take())) == (Verdict.RESUMED, ["Trade"])
