"""The table of slow consumers, row by row, through the hub."""

from decimal import Decimal

import pytest
import trio

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.hub.subscribers import handout, runs
from bridge.model import (
    Bar,
    BookDelta,
    BookSnapshot,
    Cause,
    FeedHealth,
    FeedStatus,
    Gap,
    QuotePatch,
    Topic,
    UnixNanos,
    Want,
    Wishes,
)
from tests.hub.facts import (
    BAR,
    BOOK,
    FEED,
    QUOTE,
    TRADE,
    X,
    cover,
    levels,
    names,
    order,
    order_update,
    trade,
    uncover,
    wants,
)

COST = 100


@pytest.fixture
def hub() -> Hub:
    hub = Hub(MemoryLog(), lambda: UnixNanos(7), HubSettings())
    cover(hub, TRADE, QUOTE, BOOK, BAR, order("f/a"))
    return hub


def lagging(hub: Hub, *topics: Topic, room: int = 80, skips: bool = True):
    subscription = hub.open(
        wants(*topics), None, Bound(room * COST, lambda some: COST * len(some), lambda: None, skips=skips)
    )
    subscription.take()
    subscription.blocked = True
    return subscription


def quote(bid: int) -> QuotePatch:
    return QuotePatch(**X, bid=Decimal(bid))


def bar(opened: int, close: int, *, final: bool = False) -> Bar:
    one = Decimal(1)
    return Bar(
        **X, interval="1m", ts_open=UnixNanos(opened), open=one, high=one, low=one, close=Decimal(close), is_final=final
    )


async def test_of_quotes_only_the_newest_waits_whole_and_marked_at_its_own_offset(hub):
    subscription = lagging(hub, QUOTE, TRADE)
    for number in range(1, 4):
        hub.publish(quote(number))
        hub.publish(trade(number))
    taken = subscription.take()
    assert names(taken) == ["Trade", "Trade", "Quote", "Trade"]
    newest = taken[2]
    assert (newest.event.bid, newest.event.conflated, newest.whole, newest.offset) == (3, True, True, hub.head - 1)
    assert subscription.counts.conflated == 2


async def test_a_single_quote_that_waited_is_as_it_was(hub):
    subscription = lagging(hub, QUOTE)
    hub.publish(quote(1))
    (one,) = subscription.take()
    assert (one.whole, one.event.conflated) == (False, False)


async def test_two_who_lag_share_one_conflated_quote_and_one_folded_delta(hub):
    hub.publish(BookSnapshot(**X, bids=levels((1, 1), (2, 1), (3, 1)), asks=()))
    one, other = lagging(hub, QUOTE, BOOK), lagging(hub, QUOTE, BOOK)
    for number in range(1, 4):
        hub.publish(quote(number))
        hub.publish(BookDelta(**X, bids=levels((9, number)), asks=()))
    assert [id(each) for each in one.take()] == [id(each) for each in other.take()]


async def test_health_of_a_feed_and_of_an_instrument_do_not_replace_each_other(hub):
    subscription = lagging(hub, QUOTE)
    for health in (FeedHealth.STALE, FeedHealth.LIVE):
        hub.publish(FeedStatus(feed=FEED, status=health, ts_recv=UnixNanos(0)))
        hub.publish(FeedStatus(feed=FEED, status=health, ts_recv=UnixNanos(0), instrument=X["instrument"]))
    assert [(one.event.status, one.event.instrument) for one in subscription.take()] == [("live", None), ("live", "X")]


async def test_the_changes_of_a_book_arrive_as_one_whose_chain_is_unbroken(hub):
    hub.publish(BookSnapshot(**X, bids=levels((1, 1), (2, 1), (3, 1)), asks=()))
    subscription = lagging(hub, BOOK)
    before = hub.state(Want(BOOK, FEED)).event.sequence
    for size in (5, 6, 0):
        hub.publish(BookDelta(**X, bids=levels((2, size)), asks=()))
    (folded,) = subscription.take()
    assert folded.event.bids == levels((2, 0))
    assert (folded.event.prev_sequence, folded.event.sequence) == (before, before + 3)
    assert folded.offset == hub.head
    assert subscription.counts.folded == 2


async def test_where_a_fold_would_be_longer_than_the_book_the_book_is_said(hub):
    hub.publish(BookSnapshot(**X, bids=levels((1, 1)), asks=()))
    subscription = lagging(hub, BOOK)
    for price in range(10, 40):
        hub.publish(BookDelta(**X, bids=levels((price, 1)), asks=()))
        hub.publish(BookDelta(**X, bids=levels((price, 0)), asks=()))
    (whole,) = subscription.take()
    assert isinstance(whole.event, BookSnapshot)
    assert whole.event.bids == levels((1, 1))
    hub.publish(BookDelta(**X, bids=levels((7, 1)), asks=()))
    (after,) = subscription.take()
    assert after.event.prev_sequence == whole.event.sequence


async def test_a_book_that_changes_for_ever_holds_no_more_than_its_bound(hub, monkeypatch):
    monkeypatch.setattr(runs, "MAX_DELTAS", 10)
    hub.publish(BookSnapshot(**X, bids=levels(*((price, 1) for price in range(1, 100))), asks=()))
    subscription = lagging(hub, BOOK)
    for size in range(2, 1_000):
        hub.publish(BookDelta(**X, bids=levels((5, size)), asks=()))
        assert subscription.pending_bytes <= 10 * COST
    (whole,) = subscription.take()
    assert dict(whole.event.bids)[Decimal(5)] == 999


async def test_of_open_bars_the_newest_waits_and_every_final_one_does(hub):
    subscription = lagging(hub, BAR)
    for opened in (60, 120, 180):
        for close in (1, 2, 3):
            hub.publish(bar(opened, close))
        if opened < 180:
            hub.publish(bar(opened, 4, final=True))
    told = [(one.event.ts_open, one.event.close, one.event.is_final) for one in subscription.take()]
    assert told == [(60, 4, True), (120, 4, True), (180, 3, False)]
    hub.publish(bar(180, 5))
    hub.publish(bar(180, 6, final=True))
    (final,) = subscription.take()
    assert (final.event.close, final.event.is_final) == (6, True), "it takes the place of the open one"


async def test_the_gap_stands_at_the_event_before_it_so_that_breaking_off_loses_nothing(hub):
    subscription = lagging(hub, TRADE, room=8)
    for number in range(1, 21):
        hub.publish(trade(number))
    taken = subscription.take()
    assert names(taken) == ["Trade"] * 7 + ["Gap"]
    gap = taken[-1]
    assert isinstance(gap.event, Gap)
    assert (gap.event.cause, gap.event.missed, gap.event.topics) == (Cause.SLOW_CONSUMER, 13, (TRADE,))
    assert (gap.offset, gap.event.from_, gap.event.to) == (taken[6].offset, hub.cursor(taken[6].offset), hub.cursor())
    assert gap.event.feed is None
    hub.publish(trade(21))
    assert [int(one.event.size) for one in subscription.take()] == [21]
    assert (subscription.counts.gaps, subscription.counts.missed) == (1, 13)
    subscription.close()
    again = hub.open(wants(TRADE), gap.event.from_, Bound(10**6, lambda some: COST * len(some), lambda: None))
    assert [int(one.event.size) for one in again.take()] == list(range(8, 22))


async def test_a_gap_names_trades_and_bars_together_and_health_and_quotes_go_on_beside_it(hub):
    subscription = lagging(hub, TRADE, BAR, QUOTE, room=8)
    for number in range(1, 11):
        hub.publish(trade(number))
        hub.publish(bar(60 * number, 1, final=True))
        hub.publish(quote(number))
    taken = subscription.take()
    (gap,) = [one.event for one in taken if isinstance(one.event, Gap)]
    assert set(gap.topics) == {TRADE, BAR}
    assert gap.missed == 20 - 7
    assert taken[-1].event.bid == 10


async def test_once_something_was_left_out_nothing_smaller_slips_in_behind_it(hub):
    bound = Bound(1_000, lambda some: sum(int(getattr(one.event, "size", 0)) for one in some), lambda: None, skips=True)
    subscription = hub.open(wants(TRADE), None, bound)
    subscription.blocked = True
    for size in (500, 400, 1, 300):
        hub.publish(trade(size))
    kept, gap = subscription.take()
    assert (int(kept.event.size), gap.event.missed) == (500, 3)


async def test_state_held_back_is_forgotten_with_its_coverage(hub):
    subscription = lagging(hub, QUOTE, BOOK)
    subscription.wish(Wishes(max_rate=0.01))
    for bid in (1, 2):
        hub.publish(quote(bid))
        hub.publish(BookSnapshot(**X, bids=levels((bid, 1)), asks=()))
        assert len(subscription.take()) == (2 if bid == 1 else 0)
    uncover(hub, QUOTE, BOOK)
    subscription.wish(Wishes())
    assert subscription.take() == []


async def test_orders_are_never_left_out_and_have_room_of_their_own_behind_trades(hub):
    account = order("f/a")
    subscription = lagging(hub, TRADE, account, room=8)
    for number in range(1, 21):
        hub.publish(trade(number))
    hub.publish(order_update("f/a", "1"))
    assert not subscription.overflowed
    taken = subscription.take()
    assert names(taken) == ["Trade"] * 7 + ["Gap", "OrderUpdate"], "the hole is told before any later id"
    for number in range(9):
        hub.publish(order_update("f/a", str(number)))
    assert subscription.overflowed
    assert [one.event.order_id for one in subscription.take()] == [str(number) for number in range(8)]
    assert subscription.position == hub.cursor(hub.head - 1)


async def test_with_goodbye_configured_trades_overflow_as_orders_do(hub):
    subscription = lagging(hub, TRADE, QUOTE, room=8, skips=False)
    for number in range(1, 10):
        hub.publish(trade(number))
        hub.publish(quote(number))
    assert subscription.overflowed
    assert [int(one.event.size) for one in subscription.take() if one.policy.want.topic == TRADE] == list(range(1, 9))


async def test_state_alone_never_passes_the_bound(hub):
    subscription = lagging(hub, QUOTE, room=1, skips=False)
    for number in range(1_000):
        hub.publish(quote(number))
    assert not subscription.overflowed
    assert subscription.pending_bytes == COST


async def test_who_is_not_blocked_but_too_late_is_held_to_the_table_as_well(hub):
    subscription = hub.open(
        wants(QUOTE, TRADE), None, Bound(8 * COST, lambda some: COST * len(some), lambda: None, skips=True)
    )
    subscription.take()
    for number in range(1, 8):
        hub.publish(quote(number))
        hub.publish(trade(number))
    assert subscription.lagging
    assert names(subscription.take()) == ["Trade"] * 6 + ["Quote", "Trade"]
    assert not subscription.lagging
    hub.publish(quote(20))
    hub.publish(quote(21))
    assert [one.event.bid for one in subscription.take()] == [20, 21]


async def test_topics_that_were_removed_leave_no_gap(hub):
    subscription = lagging(hub, TRADE, BAR, room=8)
    for number in range(1, 11):
        hub.publish(trade(number))
    hub.publish(bar(60, 1, final=True))
    subscription.remove([TRADE])
    (gap,) = subscription.take()
    assert gap.event.topics == (BAR,)
    assert gap.event.missed == 1


async def test_a_long_past_leaves_in_pieces_and_the_present_after_it(hub, monkeypatch):
    monkeypatch.setattr(handout, "PIECE", 4)
    before = hub.cursor()
    for number in range(10):
        hub.publish(trade(number))
    wakes = []
    subscription = hub.open(
        wants(TRADE), before, Bound(300, lambda some: COST * len(some), lambda: wakes.append(1), skips=True)
    )
    hub.publish(trade(10))
    assert subscription.pending_bytes == 1_100
    pieces = []
    while wakes:
        wakes.clear()
        pieces.append([int(one.event.size) for one in subscription.take()])
    assert pieces == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


async def test_what_is_held_back_by_a_rate_wakes_once_and_says_when(hub, autojump_clock):
    wakes = []
    subscription = hub.open(wants(QUOTE), None, Bound(10**6, lambda some: COST * len(some), lambda: wakes.append(1)))
    subscription.wish(Wishes(max_rate=2))
    hub.publish(quote(1))
    assert [one.event.bid for one in subscription.take()] == [1]
    assert subscription.due_at == float("inf")
    wakes.clear()
    for number in range(2, 100):
        hub.publish(quote(number))
    assert len(wakes) == 1
    assert subscription.take() == []
    assert 0.5 <= subscription.due_at - trio.current_time() <= 0.57
    await trio.sleep_until(subscription.due_at)
    assert [one.event.bid for one in subscription.take()] == [99]
    assert subscription.due_at == float("inf")


async def test_clients_of_one_rate_that_began_apart_soon_leave_together(hub, autojump_clock):
    many = [hub.open(wants(QUOTE), None, Bound(10**6, lambda some: COST * len(some), lambda: None)) for _ in range(50)]
    times: list[set[float]] = []
    for one in many:
        one.wish(Wishes(max_rate=1))
        hub.publish(quote(hub.head))
        one.take()
        await trio.sleep(0.02)
    for one in many:
        hub.publish(quote(hub.head))
        one.take()
        times.append({round(one.due_at, 6)})
    assert len(set.union(*times)) <= 9


async def test_what_piles_up_is_held_to_the_policies_also_where_it_is_weighed_only_now_and_then(hub):
    subscription = lagging(hub, QUOTE, TRADE, room=100_000)
    assert subscription.bound.unweighed > 20
    for number in range(10):
        hub.publish(quote(number))
        hub.publish(trade(number + 1))
    subscription.blocked = False
    pending = subscription.take()
    assert names(pending) == [*["Trade"] * 9, "Quote", "Trade"]
    assert subscription.counts.conflated == 9
    hub.publish(quote(11))
    hub.publish(quote(12))
    assert names(subscription.take()) == ["Quote", "Quote"]
