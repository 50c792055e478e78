"""A tape played as a feed: at its pace, whole, with the feed's own names and times."""

from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

import pytest
import trio

from bridge.dialects.contract import Outcome, Question, QuestionKind, Refusal
from bridge.model import (
    AccountId,
    Code,
    Covered,
    FeedHealth,
    FeedName,
    FeedStatus,
    InstrumentId,
    OrderUpdate,
    Side,
    Topic,
    TopicKind,
    Trade,
    UnixNanos,
    Want,
)
from bridge.tape import TapeEvent, generate
from bridge.upstream.feed import FeedTools
from bridge.upstream.tape import AUDIENCE_SECONDS, TapeFeed
from tests.support.connections import FakeInterest, now

NAME = FeedName("tape")
ACCOUNT = AccountId("tape/demo")
TRADES = Topic(TopicKind.TRADE, InstrumentId("AAPL"))
BASE = {"instrument": InstrumentId("AAPL"), "feed": FeedName(""), "ts_recv": UnixNanos(0)}


def trade(number: int) -> Trade:
    return Trade(price=Decimal(number), size=Decimal(1), trade_id=str(number), **BASE)


def order() -> OrderUpdate:
    words = {"order_type": "limit", "status": "pending", "order_id": "ord_1", "side": Side.BUY}
    return OrderUpdate(account=AccountId("x"), quantity=Decimal(1), filled_quantity=Decimal(0), **words, **BASE)


class ListTape:
    """A tape of given events, a lap of them or laps without end."""

    def __init__(self, *events, topics=(TRADES,)) -> None:
        self.topics = topics
        self._events = events

    def events(self, start, *, once=False):
        while True:
            yield from self._events
            if once:
                return


class House:
    def __init__(self, tape, **options) -> None:
        self.said = []
        self.times = []
        self.interest = FakeInterest()
        tools = FeedTools(publish=self.publish, interest=self.interest, clock=now, random=Random(1))
        self.feed = TapeFeed(NAME, tape, tools, **options)

    def publish(self, event) -> None:
        self.said.append(event)
        self.times.append(trio.current_time())

    def of(self, kind):
        return [event for event in self.said if isinstance(event, kind)]

    def when(self, kind):
        return [round(at, 3) for at, event in zip(self.times, self.said, strict=True) if isinstance(event, kind)]


@asynccontextmanager
async def running(house):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.feed.run)
        yield house
        nursery.cancel_scope.cancel()


SECOND = 1_000_000_000


async def test_events_come_at_the_tapes_pace_with_the_feeds_name_and_the_time_of_now(autojump_clock):
    tape = ListTape(TapeEvent(0, trade(1)), TapeEvent(2 * SECOND, trade(2)), TapeEvent(SECOND // 2, trade(3)))
    async with running(House(tape, once=False)) as house:
        await trio.sleep(2.9)
        assert [event.trade_id for event in house.of(Trade)] == ["1", "2", "3", "1"]
        assert house.when(Trade) == [0, 2, 2.5, 2.5]
        assert {event.feed for event in house.of(Trade)} == {NAME}
        assert [event.ts_recv for event in house.of(Trade)][1] == UnixNanos(1_700_000_002 * SECOND)


async def test_the_feed_is_live_and_covers_all_that_is_on_the_tape_before_it_plays(autojump_clock):
    async with running(House(ListTape(TapeEvent(0, trade(1)), TapeEvent(SECOND, trade(2))), account=ACCOUNT)) as house:
        await trio.sleep(0.5)
        status, covered, first = house.said
        assert (status.status, isinstance(status, FeedStatus)) == (FeedHealth.LIVE, True)
        assert set(covered.topics) == {TRADES, Topic(TopicKind.ORDER, scope=ACCOUNT)}
        assert isinstance(covered, Covered)
        assert isinstance(first, Trade)


async def test_speed_shortens_the_waits(autojump_clock):
    async with running(House(ListTape(TapeEvent(SECOND, trade(1))), speed=4)) as house:
        await trio.sleep(1.1)
        assert house.when(Trade) == [0.25, 0.5, 0.75, 1.0]


async def test_a_tape_played_once_waits_for_a_listener_and_then_falls_silent(autojump_clock):
    async with running(House(ListTape(TapeEvent(0, trade(1)), TapeEvent(SECOND, trade(2))), once=True)) as house:
        await trio.sleep(10)
        assert house.of(Trade) == []
        house.interest.set(TRADES)
        await trio.sleep(20)
        assert house.when(Trade) == [10 + AUDIENCE_SECONDS, 11 + AUDIENCE_SECONDS]


async def test_a_tape_faster_than_we_are_lets_others_run(autojump_clock):
    others = []

    async def count():
        while True:
            others.append(len(house.of(Trade)))
            await trio.lowlevel.checkpoint()

    async with running(
        House(ListTape(*(TapeEvent(0, trade(n)) for n in range(1000)), TapeEvent(SECOND, trade(0))))
    ) as house:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            with trio.fail_after(5):
                while len(house.of(Trade)) < 1000:
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert len(set(others)) >= 5


async def test_orders_belong_to_the_simulated_account_and_can_be_asked_for(autojump_clock):
    async with running(House(ListTape(TapeEvent(SECOND, order())), account=ACCOUNT)) as house:
        await trio.sleep(1.5)
        (update,) = house.of(OrderUpdate)
        assert (update.account, update.feed) == (ACCOUNT, NAME)
        asked = await house.feed.ask(Question(kind=QuestionKind.ORDER, order_id="ord_1"), 1)
        assert (asked.outcome, asked.events) == (Outcome.ANSWERED, (update,))
        unknown = await house.feed.ask(Question(kind=QuestionKind.ORDER, order_id="ord_2"), 1)
        assert unknown.outcome is Outcome.UNKNOWN
        bars = await house.feed.ask(Question(kind=QuestionKind.BARS, instrument=TRADES.instrument), 1)
        assert bars.outcome is Outcome.UNSUPPORTED


async def test_without_an_account_the_tapes_orders_are_left_out(autojump_clock):
    async with running(House(ListTape(TapeEvent(SECOND, order())))) as house:
        await trio.sleep(3.5)
        assert house.of(OrderUpdate) == []


def test_a_tape_serves_what_it_holds_and_what_can_be_made_of_that(autojump_clock):
    book = Topic(TopicKind.BOOK, InstrumentId("AAPL"))
    interest = FakeInterest.__new__(FakeInterest)
    tools = FeedTools(publish=lambda _: None, interest=interest, clock=lambda: UnixNanos(0), random=Random(1))
    feed = TapeFeed(NAME, ListTape(topics=(TRADES, book)), tools, account=ACCOUNT)

    def served(topic, accounts=()):
        return [str(want.topic) for want in feed.resolve(Topic.parse(topic), accounts)]

    def refused(topic, accounts=()):
        with pytest.raises(Refusal) as refusal:
            feed.resolve(Topic.parse(topic), accounts)
        return refusal.value.code

    assert served("trade:AAPL") == ["trade:AAPL"]
    assert served("book.5:AAPL") == ["book.5:AAPL"]
    assert served("all:AAPL") == ["quote:AAPL", "book:AAPL", "trade:AAPL"]
    assert served("bar.5m:AAPL") == ["bar.5m:AAPL"]
    assert feed.sources(Want(Topic.parse("bar.5m:AAPL"), NAME)) == (TRADES,)
    assert feed.sources(Want(book, NAME)) == (book,)
    assert served("order", [ACCOUNT]) == ["order"]
    assert served("status") == ["status"]
    assert refused("order", [AccountId("tape/other")]) is Code.FORBIDDEN
    assert refused("quote:TSLA") is Code.UNKNOWN_INSTRUMENT
    feed = TapeFeed(NAME, ListTape(topics=(book,)), tools)
    assert refused("bar.5m:AAPL") is Code.UNSUPPORTED_TOPIC
    assert refused("trade:TSLA") is Code.UNKNOWN_INSTRUMENT


async def test_a_made_up_tape_plays_with_all_its_kinds(autojump_clock):
    house = House(generate([InstrumentId("AAPL"), InstrumentId("BTC-USD")]), account=ACCOUNT)
    async with running(house):
        await trio.sleep(30)
    kinds = {type(event).__name__ for event in house.said}
    assert kinds >= {"QuotePatch", "Trade", "BookSnapshot", "BookDelta", "Bar", "OrderUpdate"}
    assert {event.feed for event in house.said} == {NAME}
