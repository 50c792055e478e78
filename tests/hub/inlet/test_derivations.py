"""What a feed lacks is made of what it has: asked for, covered, broken, refused and ended like any topic, and marked."""

from decimal import Decimal

import pytest
import trio

from bridge.broker.memory import MemoryLog
from bridge.clock import TrioClock
from bridge.hub.hub import Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    SECONDS,
    Bar,
    BookDelta,
    BookSnapshot,
    Covered,
    Gap,
    Quote,
    QuotePatch,
    Topic,
    TopicRefused,
    Trade,
    UnixNanos,
    Verdict,
    Want,
    unix_nanos,
)
from tests.hub.facts import BAR, BOOK, FEED, QUOTE, ROOMY, TRADE, X, cover, levels, names, trade, uncover, wants

NOON = unix_nanos("2024-03-01T12:00:00Z")
M5 = Topic.parse("bar.5m:X")


def made_of(want: Want) -> tuple[Topic, ...]:
    return {QUOTE: (BOOK, TRADE), BAR: (TRADE,), M5: (TRADE,)}.get(want.topic, (want.upstream,))


class Clock:
    now = NOON

    def __call__(self) -> UnixNanos:
        return UnixNanos(self.now)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def hub(clock):
    return Hub(MemoryLog(), clock, HubSettings(), made_of)


def sell(hub, seconds: float, price: str, size: str = "1", *, late: float = 0) -> None:
    """Publish a trade so many seconds after noon."""
    moment = UnixNanos(NOON + round(seconds * SECONDS))
    received = UnixNanos(moment + round(late * SECONDS))
    hub.publish(
        Trade(**{**X, "ts_recv": received}, ts_event=moment, price=Decimal(price), size=Decimal(size)),
    )


def covered_at(hub, moment: int, *topics: Topic) -> None:
    hub.publish(Covered(feed=FEED, topics=topics, ts_recv=UnixNanos(moment)))


def bars(subscription) -> list[tuple]:
    """The bars that are pending: opening in seconds after noon, figures, final?, partial?"""
    return [
        (
            (bar.ts_open - NOON) // SECONDS,
            *(str(one) for one in (bar.open, bar.high, bar.low, bar.close, bar.volume)),
            bar.is_final,
            bar.partial,
        )
        for bar in (publication.event for publication in subscription.take())
        if isinstance(bar, Bar)
    ]


def quotes(subscription) -> list[Quote]:
    return [one.event for one in subscription.take() if isinstance(one.event, Quote)]


# ── interest ──


async def test_the_feed_is_asked_for_the_sources_until_nobody_wants_what_they_make(autojump_clock):
    hub = Hub(MemoryLog(), TrioClock(NOON), HubSettings(linger_seconds=5), made_of)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        one, other = hub.open(wants(QUOTE), None, ROOMY), hub.open(wants(BAR, TRADE), None, ROOMY)
        assert hub.interest(FEED).wanted() == {BOOK, TRADE}
        assert hub.statistics().derived == 2
        one.close()
        await trio.sleep(6)
        assert hub.interest(FEED).wanted() == {TRADE}
        other.close()
        await trio.sleep(6)
        assert hub.interest(FEED).wanted() == frozenset()
        assert hub.statistics().derived == 0
        nursery.cancel_scope.cancel()


async def test_what_was_made_is_forgotten_like_anything_else(autojump_clock):
    hub = Hub(MemoryLog(), TrioClock(NOON), HubSettings(linger_seconds=5, history_seconds=20), made_of)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        subscription = hub.open(wants(QUOTE, BAR), None, ROOMY)
        cover(hub, TRADE, BOOK)
        sell(hub, 1, "10")
        book(hub, (9, 5), (11, 6))
        subscription.close()
        await trio.sleep(6)
        uncover(hub, TRADE, BOOK)
        await trio.sleep(60)
        statistics = hub.statistics()
        assert (statistics.topics, statistics.derived, statistics.interests, statistics.history_events) == (1, 0, 0, 0)
        nursery.cancel_scope.cancel()


# ── bars ──


async def test_every_trade_moves_the_open_bar_and_the_first_past_its_end_closes_it(hub):
    subscription = hub.open(wants(BAR), None, ROOMY)
    covered_at(hub, NOON - SECONDS, TRADE)
    sell(hub, 1, "10", "2")
    sell(hub, 30, "12", "0.5")
    sell(hub, 61, "11")
    assert bars(subscription) == [
        (0, "10", "10", "10", "10", "2", False, False),
        (0, "10", "12", "10", "12", "2.5", False, False),
        (0, "10", "12", "10", "12", "2.5", True, False),
        (60, "11", "11", "11", "11", "1", False, False),
    ]


async def test_what_is_made_says_so_and_stands_behind_what_it_was_made_of(hub):
    subscription = hub.open(wants(TRADE, BAR, QUOTE), None, ROOMY)
    cover(hub, TRADE, BOOK)
    sell(hub, 0, "10")
    pending = subscription.take()
    assert names(pending) == ["Trade", "Bar", "Quote"] or names(pending) == ["Trade", "Quote", "Bar"]
    assert all(publication.event.derived for publication in pending[1:])


async def test_a_bar_that_began_before_coverage_is_partial_and_the_next_is_not(hub):
    subscription = hub.open(wants(BAR), None, ROOMY)
    covered_at(hub, NOON + 20 * SECONDS, TRADE)
    sell(hub, 30, "10")
    sell(hub, 60, "11")
    assert [(opened, partial) for opened, *_, partial in bars(subscription)] == [(0, True), (0, True), (60, False)]


async def test_a_vendors_clock_that_runs_ahead_does_not_have_us_vouch_for_what_we_did_not_hear(hub):
    subscription = hub.open(wants(BAR), None, ROOMY)
    covered_at(hub, NOON - SECONDS, TRADE)
    sell(hub, 1, "10", late=-3)
    assert [partial for *_, partial in bars(subscription)] == [True]


async def test_the_clock_closes_a_bar_two_seconds_after_its_end(autojump_clock):
    hub = Hub(MemoryLog(), TrioClock(NOON), HubSettings(), made_of)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        subscription = hub.open(wants(BAR), None, ROOMY)
        cover(hub, TRADE)
        await trio.sleep(10.5)
        sell(hub, 10.5, "10")
        await trio.sleep(51)
        assert [final for *_, final, _ in bars(subscription)] == [False]
        await trio.sleep(1)
        assert [final for *_, final, _ in bars(subscription)] == [True]
        assert hub.state(Want(BAR, FEED)) is None
        nursery.cancel_scope.cancel()


async def test_of_delayed_data_a_bar_is_over_by_the_datas_own_clock(autojump_clock):
    hub = Hub(MemoryLog(), TrioClock(UnixNanos(NOON + 900 * SECONDS)), HubSettings(), made_of)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        subscription = hub.open(wants(BAR), None, ROOMY)
        cover(hub, TRADE)
        await trio.sleep(10)
        sell(hub, 10, "10", late=900)
        await trio.sleep(20)
        sell(hub, 30, "11", late=900)
        await trio.sleep(31)
        assert [final for *_, final, _ in bars(subscription)] == [False, False]
        await trio.sleep(2)
        assert [(final, volume) for *_, volume, final, _ in bars(subscription)] == [(True, "2")]
        nursery.cancel_scope.cancel()


async def test_bars_begin_with_those_of_the_trades_that_are_kept(hub, clock):
    hub.open(wants(TRADE), None, ROOMY)
    covered_at(hub, NOON, TRADE)
    for second, price in ((30, "9"), (60, "10"), (119, "14"), (121, "13"), (130, "12")):
        sell(hub, second, price)
    clock.now = UnixNanos(NOON + 140 * SECONDS)
    late = hub.open(wants(BAR), None, ROOMY)
    kept = [publication.event for publication in hub.recent(Want(BAR, FEED), 10) if publication.event.is_final]
    assert [((bar.ts_open - NOON) // SECONDS, str(bar.close), bar.partial) for bar in kept] == [
        (0, "9", True),
        (60, "14", False),
    ]
    assert bars(late) == [(120, "13", "13", "12", "12", "2", False, False)]
    sell(hub, 150, "15")
    assert bars(late) == [(120, "13", "15", "12", "15", "3", False, False)]


async def test_a_break_of_the_trades_is_a_declared_gap_in_their_bars_and_marks_those_it_touched(hub):
    subscription = hub.open(wants(BAR), None, ROOMY)
    covered_at(hub, NOON - SECONDS, TRADE)
    sell(hub, 1, "10")
    uncover(hub, TRADE)
    assert hub.state(Want(BAR, FEED)) is None
    covered_at(hub, NOON + 40 * SECONDS, TRADE)
    sell(hub, 50, "11")
    sell(hub, 60, "12")
    pending = subscription.take()
    assert names(pending) == ["Bar", "Gap", "Bar", "Bar", "Bar"]
    assert isinstance(pending[1].event, Gap)
    assert pending[1].event.topics == (BAR,)
    assert [one.event.partial for one in pending if isinstance(one.event, Bar)] == [False, True, True, False]


async def test_bars_come_again_after_nobody_wanted_them_with_the_time_between_declared(autojump_clock):
    hub = Hub(MemoryLog(), TrioClock(NOON), HubSettings(linger_seconds=5), made_of)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        hub.open(wants(TRADE), None, ROOMY)
        first = hub.open(wants(BAR), None, ROOMY)
        covered_at(hub, NOON - SECONDS, TRADE)
        sell(hub, 1, "10")
        sell(hub, 61, "11")
        cursor = [first.take(), first.position][1]
        first.close()
        await trio.sleep(10)
        sell(hub, 125, "12")
        again = hub.open(wants(BAR), cursor, ROOMY)
        assert again.verdict is Verdict.RESET
        assert names(again.take()) == ["Gap", "Bar"]
        finals = [
            one.event for one in hub.recent(Want(BAR, FEED), 20) if isinstance(one.event, Bar) and one.event.is_final
        ]
        assert [((bar.ts_open - NOON) // SECONDS, str(bar.close)) for bar in finals] == [(0, "10"), (60, "11")]
        nursery.cancel_scope.cancel()


async def test_two_intervals_are_made_of_one_subscription(hub):
    subscription = hub.open(wants(BAR, M5), None, ROOMY)
    covered_at(hub, NOON - SECONDS, TRADE)
    sell(hub, 1, "10")
    sell(hub, 61, "11")
    made = [(one.event.interval, one.event.is_final) for one in subscription.take()]
    assert sorted(made) == [("1m", False), ("1m", False), ("1m", True), ("5m", False), ("5m", False)]
    assert hub.interest(FEED).wanted() == {TRADE}


# ── quotes ──


def book(hub, bid: tuple[int, int], ask: tuple[int, int]) -> None:
    hub.publish(BookSnapshot(**X, bids=levels(bid, (1, 1)), asks=levels(ask, (99, 1))))


async def test_a_quote_is_the_books_top_and_the_last_trade(hub):
    subscription = hub.open(wants(QUOTE), None, ROOMY)
    cover(hub, BOOK, TRADE)
    book(hub, (9, 5), (11, 6))
    sell(hub, 1, "10", "3")
    hub.publish(BookDelta(**X, bids=levels((2, 7)), asks=()))
    hub.publish(BookDelta(**X, bids=levels((10, 4)), asks=()))
    first, second, third = quotes(subscription)
    assert (first.bid, first.bid_size, first.ask, first.ask_size, first.last) == (9, 5, 11, 6, None)
    assert (second.bid, second.last, second.last_size, second.last_time) == (9, 10, 3, NOON + SECONDS)
    assert (third.bid, third.bid_size, third.last, third.changed) == (10, 4, 10, {"bid", "bid_size"})


async def test_what_is_not_known_of_a_quote_is_absent(hub):
    subscription = hub.open(wants(QUOTE), None, ROOMY)
    covered_at(hub, NOON, BOOK, TRADE)
    hub.publish(BookSnapshot(**X, bids=levels((9, 5)), asks=()))
    sell(hub, 1, "10")
    quote = quotes(subscription)[-1]
    assert (quote.ask, quote.ask_size) == (None, None)
    assert [quote.open, quote.high, quote.low, quote.volume, quote.prev_close, quote.change] == [None] * 6


async def test_a_days_figures_are_told_once_its_every_trade_was_seen(hub):
    day = 86_400
    subscription = hub.open(wants(QUOTE), None, ROOMY)
    covered_at(hub, NOON, BOOK, TRADE)
    sell(hub, 100, "8", "2")
    sell(hub, day / 2 + 1, "10", "2")
    sell(hub, day / 2 + 2, "9.5", "0.5")
    today, opened, later = quotes(subscription)
    assert (today.open, today.volume, today.prev_close) == (None, None, None)
    assert [str(one) for one in (opened.open, opened.prev_close, opened.change, opened.change_percent)] == [
        "10",
        "8",
        "2",
        "25.0000",
    ]
    assert [str(one) for one in (later.open, later.high, later.low, later.volume)] == ["10", "10", "9.5", "2.5"]
    assert [str(one) for one in (later.change, later.change_percent)] == ["1.5", "18.7500"]


async def test_the_close_of_a_day_whose_last_trades_may_be_missing_is_not_told(hub):
    subscription = hub.open(wants(QUOTE), None, ROOMY)
    covered_at(hub, NOON, BOOK, TRADE)
    sell(hub, 100, "8")
    uncover(hub, TRADE)
    covered_at(hub, NOON + 200 * SECONDS, TRADE)
    sell(hub, 43_201, "10")
    quote = quotes(subscription)[-1]
    assert (quote.open, quote.prev_close, quote.change) == (10, None, None)


async def test_a_trade_that_comes_late_does_not_turn_the_last_price_back(hub):
    subscription = hub.open(wants(QUOTE), None, ROOMY)
    cover(hub, BOOK, TRADE)
    sell(hub, 5, "10")
    sell(hub, 4, "9")
    assert [quote.last for quote in quotes(subscription)] == [10]


async def test_a_quote_waits_for_all_its_sources_and_falls_with_any(hub):
    subscription = hub.open(wants(QUOTE), None, ROOMY)
    cover(hub, TRADE)
    sell(hub, 1, "10")
    book(hub, (9, 5), (11, 6))
    assert quotes(subscription) == []
    cover(hub, BOOK)
    assert [(quote.bid, quote.last) for quote in quotes(subscription)] == [(9, None)]
    sell(hub, 2, "10.5")
    uncover(hub, BOOK)
    assert hub.state(Want(QUOTE, FEED)) is None
    sell(hub, 3, "12")
    cover(hub, BOOK)
    book(hub, (8, 5), (13, 6))
    assert [(quote.bid, str(quote.last)) for quote in quotes(subscription)] == [(9, "10.5"), (8, "None")]


# ── refusals ──


def refuse(hub, topic: Topic, code: str) -> None:
    hub.publish(TopicRefused(feed=FEED, topic=topic, code=code, message="no", ts_recv=UnixNanos(0)))


async def test_a_refusal_of_the_only_source_refuses_what_is_made_of_it(hub):
    subscription = hub.open(wants(BAR, M5), None, ROOMY)
    refuse(hub, TRADE, "unknown_instrument")
    assert [str(one.event.topic) for one in subscription.take()] == ["bar.1m:X", "bar.5m:X"]
    later = hub.refused(Want(Topic.parse("bar.5m:X"), FEED))
    assert (later.code, later.topic) == ("unknown_instrument", M5)
    subscription.close()
    assert hub.refused(Want(BAR, FEED)).topic == BAR
    assert hub.refused(Want(QUOTE, FEED)) is None


async def test_a_quote_is_made_of_the_book_alone_where_the_vendor_refuses_trades(hub):
    subscription = hub.open(wants(QUOTE), None, ROOMY)
    cover(hub, BOOK)
    book(hub, (9, 5), (11, 6))
    refuse(hub, TRADE, "unsupported_topic")
    assert [(one.bid, one.last) for one in quotes(subscription)] == [(9, None)]
    refuse(hub, BOOK, "forbidden")
    assert [one.event.topic for one in subscription.take()] == [QUOTE]


async def test_a_full_quota_is_told_to_who_wants_what_would_be_made(hub):
    subscription = hub.open(wants(BAR), None, ROOMY)
    refuse(hub, TRADE, "upstream_full")
    assert [one.event.code for one in subscription.take()] == ["upstream_full"]
    cover(hub, TRADE)
    hub.publish(trade())
    assert names(subscription.take()) == ["Bar"]


def test_what_is_made_of_other_things_from_now_on_is_asked_for_and_made_of_those(clock):
    made = {QUOTE: (QUOTE,)}
    hub = Hub(MemoryLog(), clock, HubSettings(), lambda want: made.get(want.topic, (want.upstream,)))
    subscription = hub.open(wants(QUOTE), None, ROOMY)
    assert hub.interest(FEED).wanted() == {QUOTE}
    made[QUOTE] = (BOOK, TRADE)
    hub.look_again(FEED)
    assert hub.interest(FEED).wanted() == {BOOK, TRADE}
    cover(hub, BOOK, TRADE)
    hub.publish(BookSnapshot(**X, bids=levels(("9", "1")), asks=levels(("10", "1"))))
    subscription.take()
    assert hub.state(Want(QUOTE, FEED)).event.derived
    made[QUOTE] = (QUOTE,)
    hub.look_again(FEED)
    assert hub.interest(FEED).wanted() == {QUOTE}
    assert hub.state(Want(QUOTE, FEED)) is None
    assert hub.statistics().derived == 0
    cover(hub, QUOTE)
    hub.publish(QuotePatch(**X, bid=Decimal(8)))
    (quote,) = (one.event for one in subscription.take() if isinstance(one.event, Quote))
    assert (quote.bid, quote.derived) == (8, False), "its own word counts again"


def test_what_is_made_of_the_same_is_left_alone(hub):
    hub.open(wants(BAR), None, ROOMY)
    cover(hub, TRADE)
    head = hub.head
    hub.look_again(FEED)
    assert hub.head == head


def test_a_source_that_is_refused_for_the_time_being_refuses_what_is_made_of_it_for_as_long(hub):
    subscription = hub.open(wants(BAR), None, ROOMY)
    hub.publish(TopicRefused(feed=FEED, topic=TRADE, code="upstream_unavailable", message="not now", ts_recv=NOON))
    assert [(one.event.topic, one.event.code) for one in subscription.take()] == [(BAR, "upstream_unavailable")]
    assert hub.refused(wants(BAR)[0]) is None
    cover(hub, TRADE)
    sell(hub, 1, "5")
    assert names(subscription.take()) == ["Bar"]
