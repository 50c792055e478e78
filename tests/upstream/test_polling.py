"""A feed over REST, against a vendor in memory and in virtual time."""

import itertools
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
import trio

from bridge.dialects.contract import Frame, Lane, Outcome, Question, QuestionKind, Refused, Transport
from bridge.errors import TransportLost, VendorProtocolError, VendorRefused
from bridge.model import (
    AccountId,
    BookReplacement,
    Code,
    Covered,
    FeedHealth,
    FeedStatus,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Side,
    Topic,
    TopicKind,
    TopicRefused,
    Uncovered,
)
from bridge.upstream.polling import PollingFeed
from bridge.upstream.standing.standing import Standing
from tests.support.connections import FEED, FakeInterest, FakeVendor, asking, now

QUOTE = Topic(TopicKind.QUOTE, InstrumentId("AAPL"))
BOOK = Topic(TopicKind.BOOK, InstrumentId("AAPL"))
TRADE = Topic(TopicKind.TRADE, InstrumentId("AAPL"))
ACCOUNT = AccountId("vendor/acme")
ORDER = Topic(TopicKind.ORDER, scope=ACCOUNT)


def order(status: str) -> OrderUpdate:
    return OrderUpdate(
        instrument=QUOTE.instrument,
        feed=FEED,
        ts_recv=now(),
        account=ACCOUNT,
        order_id="ord_1",
        side=Side.BUY,
        order_type="limit",
        quantity=Decimal(10),
        filled_quantity=Decimal(0),
        status=status,
    )


class House:
    def __init__(self, *wanted: Topic) -> None:
        self.vendor = FakeVendor(Transport.POLLING, poll_seconds={"quote": 5, "book": 3, "order": 5})
        self.vendor.lanes = lambda topic: ""
        self.vendor.answers = self.answer
        self.status = "pending"
        self.failures = []
        self.interest = FakeInterest(*wanted)
        self.said = []
        tools = msgspec.structs.replace(asking(self.vendor, self.said.append), account=ACCOUNT)
        standing = Standing(FEED, self.said.append, now)
        self.feed = PollingFeed(standing, self.vendor.transport_profile, self.interest, tools, lambda: 1.0)

    def answer(self, question: Question):
        if self.failures:
            return self.failures.pop(0)
        if question.kind is QuestionKind.ORDER:
            return [order(self.status)]
        base = {"instrument": question.instrument, "feed": FEED, "ts_recv": now()}
        if question.kind is QuestionKind.QUOTE:
            return [QuotePatch(full=True, last=Decimal(10), **base)]
        return [BookReplacement(bids=(), asks=(), **base)]

    def of(self, kind):
        return [event for event in self.said if isinstance(event, kind)]

    def polled(self, kind):
        return [round(at, 1) for at, question in self.vendor.fetched if question.kind is kind]


@asynccontextmanager
async def running(house):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.feed.run)
        yield house
        nursery.cancel_scope.cancel()


async def test_each_topic_is_polled_at_once_and_then_at_the_vendors_interval(autojump_clock):
    async with running(House(QUOTE, BOOK)) as house:
        await trio.sleep(16.5)
        quotes, books = house.polled(QuestionKind.QUOTE), house.polled(QuestionKind.BOOK)
        assert len(quotes) == 4
        assert len(books) == 6
        assert max(quotes[0], books[0]) <= 0.3
        assert all(4.7 <= b - a <= 5.3 for a, b in itertools.pairwise(quotes))
        assert {topic for event in house.of(Covered) for topic in event.topics} == {QUOTE, BOOK}
        assert len(house.of(QuotePatch)) == 4
        assert house.of(FeedStatus)[-1].status is FeedHealth.LIVE


async def test_polls_are_spread_so_that_the_vendor_sees_five_a_second_at_most(autojump_clock):
    topics = [Topic(TopicKind.QUOTE, InstrumentId(f"I{n}")) for n in range(20)]
    async with running(House(*topics)) as house:
        await trio.sleep(60)
        times = [at for at, _ in house.vendor.fetched]
        assert len(times) > 200
        assert all(later - earlier > 0.95 for earlier, later in zip(times, times[5:], strict=False))


async def test_what_is_no_longer_wanted_is_no_longer_polled(autojump_clock):
    async with running(House(QUOTE)) as house:
        await trio.sleep(1)
        house.interest.set()
        await trio.sleep(60)
        assert len(house.vendor.fetched) == 1
        assert [event.topics for event in house.of(Uncovered)] == [(QUOTE,)]
        assert house.of(FeedStatus)[-1].status is FeedHealth.CONNECTING


@pytest.mark.parametrize("failure", [TransportLost("gone"), VendorProtocolError("not JSON"), ZeroDivisionError()])
async def test_failures_back_off_uncover_after_two_and_are_recovered_from(failure, autojump_clock):
    async with running(House(QUOTE)) as house:
        await trio.sleep(1)
        house.failures = [failure] * 3
        await trio.sleep(60)
        assert len(house.of(Uncovered)) == 1
        assert [event.status for event in house.of(FeedStatus)][-2:] == [FeedHealth.DOWN, FeedHealth.LIVE]
        assert len(house.of(Covered)) == 2


async def test_one_failed_poll_breaks_nothing(autojump_clock):
    async with running(House(QUOTE)) as house:
        await trio.sleep(1)
        house.failures = [Frame(data=b"0", ts_recv=now(), status=503)]
        await trio.sleep(60)
        assert house.of(Uncovered) == []


async def test_a_vendor_that_asks_us_to_stay_away_is_left_alone_for_as_long(autojump_clock):
    async with running(House(QUOTE)) as house:
        house.failures = [Frame(data=b"0", ts_recv=now(), status=429, retry_after_seconds=100)]
        await trio.sleep(99)
        assert len(house.vendor.fetched) == 1
        await trio.sleep(5)
        assert len(house.vendor.fetched) == 2


@pytest.mark.parametrize("refusal", [None, Refused(None, Code.UNKNOWN_INSTRUMENT, "no such asset")])
async def test_what_the_vendor_does_not_know_is_refused_and_left_alone_for_a_minute(refusal, autojump_clock):
    async with running(House(QUOTE, BOOK)) as house:
        frame = Frame(data=b"0", ts_recv=now(), status=404)
        house.vendor.answers = lambda question: (
            (frame if refusal is None else [refusal]) if question.kind is QuestionKind.QUOTE else house.answer(question)
        )
        await trio.sleep(50)
        assert [(event.topic, event.code) for event in house.of(TopicRefused)] == [(QUOTE, Code.UNKNOWN_INSTRUMENT)]
        assert len(house.polled(QuestionKind.QUOTE)) == 1
        assert len(house.polled(QuestionKind.BOOK)) > 10
        await trio.sleep(20)
        assert len(house.polled(QuestionKind.QUOTE)) == 2


async def test_a_topic_that_rest_does_not_have_is_refused(autojump_clock):
    house = House(TRADE)
    house.feed._tools.dialect.lane = lambda topic, transport: None if topic is TRADE else Lane(transport)
    async with running(house):
        await trio.sleep(1)
        assert [(event.topic, event.code) for event in house.of(TopicRefused)] == [(TRADE, Code.UNSUPPORTED_TOPIC)]


async def test_an_order_is_polled_from_when_it_was_asked_for_until_it_is_final(autojump_clock):
    async with running(House(ORDER)) as house:
        await trio.sleep(10)
        assert house.vendor.fetched == []
        answer = await house.feed.ask(Question(kind=QuestionKind.ORDER, order_id="ord_1"), 2)
        assert answer.outcome is Outcome.ANSWERED
        await trio.sleep(12)
        house.status = "executed"
        await trio.sleep(60)
        statuses = [event.status for event in house.of(OrderUpdate)]
        assert statuses == ["pending"] * (len(statuses) - 1) + ["executed"]
        assert 3 <= len(statuses) <= 5
        assert house.of(Covered) == []


async def test_an_order_is_not_polled_for_nobody(autojump_clock):
    async with running(House()) as house:
        await house.feed.ask(Question(kind=QuestionKind.ORDER, order_id="ord_1"), 2)
        await trio.sleep(60)
        assert len(house.vendor.fetched) == 1


async def test_a_vendor_that_asks_us_to_stay_away_from_one_topic_is_left_alone_with_all(autojump_clock):
    async with running(House(QUOTE, BOOK)) as house:
        await trio.sleep(4)
        house.failures.append(VendorRefused(429, "slow down", retry_after_seconds=100))
        await trio.sleep(5)
        assert not house.failures
        asked = len(house.vendor.fetched)
        await trio.sleep(90)
        assert len(house.vendor.fetched) <= asked + 1
        await trio.sleep(30)
        assert len(house.vendor.fetched) > asked + 5
