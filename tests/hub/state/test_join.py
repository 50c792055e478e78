"""Joining, resuming and polling: gaps where there are holes, and none where there are not."""

from decimal import Decimal

import pytest
import trio

from bridge.broker.memory import MemoryLog
from bridge.clock import TrioClock
from bridge.hub.hub import Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    Bar,
    Cause,
    Gap,
    Quote,
    QuotePatch,
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
    names,
    order,
    order_update,
    trade,
    uncover,
    wants,
)


@pytest.fixture
def hub() -> Hub:
    return Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())


async def test_a_join_to_a_topic_never_covered_is_told_of_no_gap(hub):
    subscription = hub.open(wants(TRADE, BOOK), None, ROOMY)
    cover(hub, TRADE, BOOK)
    hub.publish(trade())
    assert names(subscription.take()) == ["Trade"]
    back = hub.open(wants(TRADE, BOOK), subscription.cursor, ROOMY)
    assert back.verdict is Verdict.RESUMED
    assert names(back.take()) == ["Trade"]


async def test_a_break_is_declared_to_those_who_were_promised_continuity_and_to_no_other(hub):
    cover(hub, TRADE, QUOTE)
    promised = hub.open(wants(TRADE, QUOTE), None, ROOMY)
    uncover(hub, TRADE, QUOTE)
    lost = hub.cursor()
    newcomer = hub.open(wants(TRADE), None, ROOMY)
    cover(hub, TRADE, QUOTE)
    (gap,) = promised.take()
    assert gap.event == Gap(
        topics=(TRADE,),
        from_=lost,
        to=hub.cursor(gap.offset),
        cause=Cause.UPSTREAM,
        ts_recv=UnixNanos(0),
        repaired=False,
        feed=FEED,
    )
    assert newcomer.take() == []
    assert hub.open(wants(TRADE, QUOTE), promised.position, ROOMY).take() == []


async def test_the_only_client_that_stays_away_past_the_linger_returns_to_a_declared_gap(hub, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        subscription = hub.open(wants(TRADE), None, ROOMY)
        interest = hub.interest(FEED)
        assert interest.wanted() == {TRADE}
        cover(hub, TRADE)
        hub.publish(trade())
        subscription.take()
        subscription.close()
        await trio.sleep(29)
        assert interest.wanted() == {TRADE}
        await trio.sleep(2)
        assert interest.wanted() == frozenset()
        uncover(hub, TRADE)
        back = hub.open(wants(TRADE), subscription.position, ROOMY)
        (gap,) = back.take()
        assert back.verdict is Verdict.RESET
        assert (gap.event.from_, gap.event.cause) == (subscription.position, Cause.UPSTREAM)
        nursery.cancel_scope.cancel()


async def test_who_returns_within_the_linger_resumes(hub, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        subscription = hub.open(wants(TRADE), None, ROOMY)
        cover(hub, TRADE)
        subscription.close()
        hub.publish(trade(7))
        await trio.sleep(29)
        back = hub.open(wants(TRADE), subscription.position, ROOMY)
        await trio.sleep(60)
        assert back.verdict is Verdict.RESUMED
        assert names(back.take()) == ["Trade"]
        assert hub.interest(FEED).wanted() == {TRADE}
        nursery.cancel_scope.cancel()


async def test_another_epoch_resets_and_declares_a_gap_once_per_log_topic(hub):
    topics = (TRADE, BAR, order("f/a"), QUOTE, BOOK)
    cover(hub, *topics)
    hub.publish(QuotePatch(**X, bid=Decimal(1)))
    for after in ("zzz-500", hub.cursor(hub.head + 1)):
        subscription = hub.open(wants(*topics), after, ROOMY)
        *gaps, quote = subscription.take()
        assert subscription.verdict is Verdict.RESET
        assert subscription.cursor == hub.cursor(0)
        assert [gap.event.topics for gap in gaps] == [(TRADE,), (BAR,), (order("f/a"),)]
        assert {(gap.event.from_, gap.event.cause) for gap in gaps} == {(after, Cause.HISTORY)}
        assert isinstance(quote.event, Quote)
        assert (quote.offset, quote.whole) == (hub.head, True)


async def test_history_that_no_longer_reaches_back_is_a_gap_of_that_cause(autojump_clock):
    hub = Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings(history_events=3))
    cover(hub, TRADE)
    start = hub.cursor()
    for size in range(1, 7):
        hub.publish(trade(size))
    subscription = hub.open(wants(TRADE), start, ROOMY)
    gap, *kept = subscription.take()
    assert subscription.verdict is Verdict.RESET
    assert subscription.cursor == start
    assert (gap.event.from_, gap.event.to, gap.event.cause) == (start, hub.cursor(4), Cause.HISTORY)
    assert [int(publication.event.size) for publication in kept] == [4, 5, 6]
    assert hub.open(wants(TRADE), hub.cursor(4), ROOMY).verdict is Verdict.RESUMED


async def test_orders_of_one_account_never_reach_another(hub):
    mine, other = order("f/mine"), order("f/other")
    cover(hub, mine, other)
    start = hub.cursor()
    subscription = hub.open(wants(mine), None, ROOMY)
    hub.publish(order_update("f/mine", "1"))
    hub.publish(order_update("f/other", "2"))
    assert [publication.event.order_id for publication in subscription.take()] == ["1"]
    assert [it.event.order_id for it in hub.open(wants(mine), start, ROOMY).take()] == ["1"]
    assert [it.event.order_id for it in hub.read(wants(other), start, 10).publications] == ["2"]


async def test_an_open_bar_is_state_and_a_final_one_is_history(hub):
    def bar(ts_open: int, *, is_final: bool) -> Bar:
        one = Decimal(1)
        return Bar(
            **X, interval="1m", ts_open=UnixNanos(ts_open), open=one, high=one, low=one, close=one, is_final=is_final
        )

    cover(hub, BAR)
    start = hub.cursor()
    hub.publish(bar(0, is_final=False))
    hub.publish(bar(0, is_final=True))
    assert hub.state(Want(BAR, FEED)) is None
    hub.publish(bar(60, is_final=False))
    told = [(it.event.ts_open, it.event.is_final, it.whole) for it in hub.open(wants(BAR), start, ROOMY).take()]
    assert told == [(0, True, False), (60, False, True)]
    assert [it.event.ts_open for it in hub.recent(Want(BAR, FEED), 5)] == [0]


async def test_a_poll_begins_with_the_state_and_goes_on_without_a_gap(hub):
    hub.publish(QuotePatch(**X, bid=Decimal(1)))
    first = hub.read(wants(TRADE, QUOTE), None, 10)
    assert (first.verdict, first.more, first.cursor) == (Verdict.FRESH, False, hub.cursor())
    assert names(first.publications) == ["Quote"]
    cover(hub, TRADE, QUOTE)
    for size in (1, 2, 3):
        hub.publish(trade(size))
        hub.publish(QuotePatch(**X, bid=Decimal(size + 1)))
    second = hub.read(wants(TRADE, QUOTE), first.cursor, 4)
    assert (second.verdict, second.more) == (Verdict.RESUMED, True)
    third = hub.read(wants(TRADE, QUOTE), second.cursor, 4)
    assert (third.more, third.cursor) == (False, hub.cursor())
    assert names(second.publications + third.publications) == ["Trade", "Quote"] * 3
    assert hub.read(wants(TRADE, QUOTE), third.cursor, 4).publications == []


async def test_a_poll_gets_the_state_where_history_no_longer_reaches_back(autojump_clock):
    clock = TrioClock(UnixNanos(0))
    hub = Hub(MemoryLog(), clock, HubSettings(history_seconds=10))
    cover(hub, QUOTE, TRADE)
    first = hub.read(wants(QUOTE), None, 10)
    hub.publish(QuotePatch(**X, bid=Decimal(1)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        await trio.sleep(30)
        assert hub.statistics().history_events == 0
        page = hub.read(wants(QUOTE), first.cursor, 10)
        assert page.verdict is Verdict.RESUMED
        (quote,) = page.publications
        assert (quote.event.bid, quote.whole) == (Decimal(1), True)
        nursery.cancel_scope.cancel()


async def test_what_is_no_cursor_is_refused_and_holds_nothing(hub):
    with pytest.raises(ValueError, match="no cursor"):
        hub.open(wants(TRADE), "yesterday", ROOMY)
    with pytest.raises(ValueError, match="no cursor"):
        hub.read(wants(TRADE), "yesterday", 1)
    assert hub.interest(FEED).wanted() == frozenset()


async def test_a_cursor_given_in_the_midst_of_a_break_is_told_of_all_of_it(hub):
    cover(hub, TRADE, QUOTE)
    subscription = hub.open(wants(TRADE, QUOTE), None, ROOMY)
    uncover(hub, TRADE, QUOTE)
    lost = hub.cursor()
    hub.publish(QuotePatch(**X, bid=Decimal(1)))
    subscription.take()
    subscription.close()
    assert subscription.position != lost
    cover(hub, TRADE, QUOTE)
    gap, *_ = hub.open(wants(TRADE), subscription.position, ROOMY).take()
    assert gap.event.from_ == lost
    assert hub.read(wants(TRADE), subscription.position, 5).publications[0].event.from_ == lost


async def test_a_poller_during_a_break_is_told_of_it_when_it_is_over(hub):
    cover(hub, TRADE)
    first = hub.read(wants(TRADE), None, 5)
    uncover(hub, TRADE)
    lost = hub.cursor()
    second = hub.read(wants(TRADE), first.cursor, 5)
    assert (second.verdict, [it.event.to for it in second.publications]) == (Verdict.RESET, [lost])
    quiet = hub.read(wants(TRADE), second.cursor, 5)
    assert (quiet.verdict, quiet.publications) == (Verdict.RESUMED, [])
    cover(hub, TRADE)
    (gap,) = hub.read(wants(TRADE), quiet.cursor, 5).publications
    assert gap.event.from_ == lost
