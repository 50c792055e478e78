"""A feed whose stream goes deaf is found out and said to be stale; one that is merely quiet never is."""

from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
import trio

from bridge.dialects.contract import Heartbeat, Question, QuestionKind, Transport
from bridge.dialects.loader import load_dialect
from bridge.errors import TransportLost, VendorRefused
from bridge.model import (
    Covered,
    FeedHealth,
    FeedStatus,
    Gap,
    InstrumentId,
    QuotePatch,
    Topic,
    TopicKind,
    Trade,
    Uncovered,
)
from bridge.upstream.polling import PollingFeed
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_feed import StreamFeed
from bridge.upstream.stream_terms import StreamTerms
from tests.support.connections import FEED, FakeInterest, FakeVendor, asking, now
from tests.support.ladders import LadderHouse
from tests.support.ladders import running as ladder_running

X, Y = InstrumentId("X"), InstrumentId("Y")
QUOTE, TRADE, OTHER = Topic(TopicKind.QUOTE, X), Topic(TopicKind.TRADE, X), Topic(TopicKind.TRADE, Y)
STALE_SECONDS = 30.0


def trade(number: int, instrument: InstrumentId = X) -> Trade:
    return Trade(instrument=instrument, feed=FEED, ts_recv=now(), price=Decimal(number), size=Decimal(1))


def quote(last: int) -> QuotePatch:
    return QuotePatch(instrument=X, feed=FEED, ts_recv=now(), ts_event=now(), full=True, last=Decimal(last))


class House:
    """A feed over one transport whose vendor's REST shows `last`, or raises `fault`, or knows no such thing."""

    def __init__(self, vendor: FakeVendor, *wanted: Topic) -> None:
        self.vendor = vendor
        self.last = 1
        self.moves = False
        self.fault = None
        vendor.answers = self._answer
        self.said = []
        terms = StreamTerms(
            transport=vendor.transport,
            profile=vendor.transport_profile,
            max_connections=vendor.transport_profile.max_connections,
            depth=None,
            account=None,
            interest=FakeInterest(*wanted),
            random=lambda: 1.0,
            stale_seconds=STALE_SECONDS,
        )
        self.feed = StreamFeed(Standing(FEED, self.said.append, now), terms, asking(vendor, self.said.append))

    def _answer(self, question: Question):
        if self.fault is not None:
            return self.fault
        self.last += self.moves
        return [quote(self.last)] if question.instrument == X and question.kind is QuestionKind.QUOTE else []

    def of(self, kind):
        return [event for event in self.said if isinstance(event, kind)]

    def health(self, instrument=None):
        return [event.status for event in self.of(FeedStatus) if event.instrument == instrument]

    def covered(self):
        covered = set()
        for event in self.said:
            if isinstance(event, Covered):
                assert covered.isdisjoint(event.topics)
                covered.update(event.topics)
            elif isinstance(event, Uncovered):
                assert covered.issuperset(event.topics)
                covered.difference_update(event.topics)
        return covered


@asynccontextmanager
async def running(house):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.feed.run)
        yield house
        nursery.cancel_scope.cancel()


@pytest.fixture(params=[Transport.SSE, Transport.WEBSOCKET])
def vendor(request):
    return FakeVendor(request.param)


async def beating(vendor, seconds):
    """Heartbeats, and nothing else."""
    for _ in range(round(seconds)):
        await trio.sleep(1)
        vendor.say(Heartbeat())


async def test_heartbeats_without_data_while_rest_has_news_are_stale_within_the_threshold(vendor, autojump_clock):
    async with running(House(vendor, QUOTE)) as house:
        for _ in range(50):
            vendor.say(quote(1))
            await trio.sleep(0.1)
        house.moves = True
        began = trio.current_time()
        while FeedHealth.STALE not in house.health(X):
            await beating(vendor, 1)
        assert trio.current_time() - began < STALE_SECONDS + 10 + 3 + 5
        assert house.covered() == set()
        assert house.health()[-1] is FeedHealth.STALE
        (status,) = [event for event in house.of(FeedStatus) if event.instrument == X]
        assert "silent for" in status.reason
        assert "over REST" in status.reason


async def test_the_first_new_word_makes_it_live_again_with_the_hole_declared(vendor, autojump_clock):
    async with running(House(vendor, QUOTE)) as house:
        house.moves = True
        await beating(vendor, 100)
        assert house.health(X) == [FeedHealth.STALE]
        vendor.say(quote(99))
        await trio.sleep(1)
        assert house.health(X) == [FeedHealth.STALE, FeedHealth.LIVE]
        assert house.health()[-1] is FeedHealth.LIVE
        assert house.covered() == {QUOTE}
        words = house.said
        back = max(place for place, event in enumerate(words) if isinstance(event, Covered))
        assert any(isinstance(event, QuotePatch) and event.last == 99 for event in words[back:])


async def test_what_went_deaf_is_moved_to_another_connection(vendor, autojump_clock):
    async with running(House(vendor, QUOTE)) as house:
        await trio.sleep(2)
        assert vendor.opened == 1
        house.moves = True
        await beating(vendor, 60)
        assert vendor.opened == 2
        assert len(vendor.connections) == 1


async def test_an_illiquid_but_healthy_instrument_is_never_stale(vendor, autojump_clock):
    async with running(House(vendor, QUOTE, TRADE)) as house:
        for hour in range(1, 7):
            await trio.sleep(3600)
            house.last = hour
            vendor.say(quote(hour), trade(hour))
        assert FeedHealth.STALE not in house.health() + house.health(X)
        assert vendor.opened == 1
        assert house.covered() == {QUOTE, TRADE}
        looks_an_hour = len(vendor.fetched) / 6
        assert 0 < looks_an_hour < 60


async def test_an_illiquid_instrument_beside_a_busy_one_is_never_stale_and_costs_the_busy_one_nothing(
    vendor, autojump_clock
):
    async with running(House(vendor, QUOTE, OTHER)) as house:
        await trio.sleep(1)
        for number in range(600):
            vendor.say(trade(number, Y))
            await trio.sleep(1)
        assert FeedHealth.STALE not in house.health() + house.health(X) + house.health(Y)
        assert len(house.of(Trade)) == 600
        assert house.of(Uncovered) == []


async def test_one_instrument_that_is_stale_leaves_the_others_alone(vendor, autojump_clock):
    async with running(House(vendor, QUOTE, OTHER)) as house:
        house.moves = True
        await trio.sleep(1)
        for number in range(100):
            vendor.say(trade(number, Y))
            await trio.sleep(1)
        assert house.health(X) == [FeedHealth.STALE]
        assert FeedHealth.STALE not in house.health()
        assert house.covered() == {OTHER}
        assert len(house.of(Trade)) == 100


async def test_without_rest_a_new_connection_that_is_as_silent_proves_the_silence(vendor, autojump_clock):
    async with running(House(vendor, TRADE)) as house:
        house.fault = VendorRefused(404, "no such thing")
        await beating(vendor, 3600)
        assert house.health()[-1] is FeedHealth.LIVE
        assert house.health(X) == []
        assert house.of(Uncovered) == []
        assert 1 < vendor.opened <= 14


async def test_without_rest_a_silent_topic_beside_a_busy_one_costs_no_connection(vendor, autojump_clock):
    async with running(House(vendor, TRADE, OTHER)) as house:
        house.fault = VendorRefused(404, "no such thing")
        for number in range(900):
            vendor.say(trade(number, Y))
            await trio.sleep(1)
        assert vendor.opened == 1
        assert FeedHealth.STALE not in house.health() + house.health(X)


@pytest.mark.parametrize(
    "fault", [VendorRefused(429, "slow down", retry_after_seconds=600), VendorRefused(429, "slow down")]
)
async def test_a_vendor_that_is_asked_too_often_is_not_looked_at_for_a_while(fault, autojump_clock):
    vendor = FakeVendor(Transport.WEBSOCKET)
    async with running(House(vendor, QUOTE, TRADE, OTHER)) as house:
        house.fault = fault
        await trio.sleep(STALE_SECONDS + 40)
        assert len(vendor.fetched) == 1


async def test_a_mistake_of_ours_in_reading_an_answer_ends_nothing(vendor, autojump_clock):
    async with running(House(vendor, QUOTE)) as house:
        house.fault = ZeroDivisionError("ours")
        await trio.sleep(300)
        assert len(vendor.fetched) > 1
        assert house.covered() == {QUOTE}


async def test_without_rest_and_without_a_new_connection_it_is_stale(vendor, autojump_clock):
    async with running(House(vendor, TRADE)) as house:
        house.fault = TransportLost("REST is gone")
        await trio.sleep(2)
        vendor.refusals.extend(TransportLost("no new connections") for _ in range(100))
        await beating(vendor, 60)
        assert house.health(X) == [FeedHealth.STALE]
        assert house.health()[-1] is FeedHealth.STALE
        assert "no new connections" in house.of(FeedStatus)[-1].reason


def mute_vendor(dialect: str, transport: Transport) -> FakeVendor:
    profile = load_dialect(dialect).profile.transports[transport]
    vendor = FakeVendor(transport)
    vendor.transport_profile = msgspec.structs.replace(profile, confirms=True)
    vendor.silence_seconds = profile.read_timeout_seconds
    return vendor


@pytest.mark.parametrize(
    ("dialect", "transport", "within"),
    [
        ("liquidity", Transport.SSE, 330),
        ("liquidity", Transport.WEBSOCKET, 90),
        ("tradingview", Transport.SSE, 90),
        ("tradingview", Transport.WEBSOCKET, 90),
        ("canonical", Transport.SSE, 45),
    ],
)
async def test_a_connection_on_which_nothing_comes_at_all_is_stale_within_its_threshold(
    dialect, transport, within, autojump_clock
):
    vendor = mute_vendor(dialect, transport)
    house = House(vendor, QUOTE)
    house.fault = TransportLost("REST is as mute")
    async with running(house):
        await trio.sleep(1)
        vendor.refusals.extend(TransportLost("mute") for _ in range(1000))
        began = trio.current_time()
        for _ in range(within + 10):
            await trio.sleep(1)
        first = next(event for event in house.of(FeedStatus) if event.status in {FeedHealth.STALE, FeedHealth.DOWN})
        assert first.ts_recv / 1e9 - 1_700_000_000 - began <= within + 10
        assert house.covered() == set()


async def test_polling_that_gets_no_answers_is_declared_within_two_of_them(autojump_clock):
    vendor = FakeVendor(Transport.POLLING, poll_seconds={"quote": 5})
    vendor.answers = lambda _: [quote(1)]
    said = []
    interest = FakeInterest(QUOTE)
    feed = PollingFeed(
        Standing(FEED, said.append, now), vendor.transport_profile, interest, asking(vendor, said.append), lambda: 1.0
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed.run)
        await trio.sleep(10)
        vendor.answers = lambda _: TransportLost("no whole answer within 15 s")
        vendor.connect_seconds = 15  # what the client waits for an answer
        await trio.sleep(2 * (15 + 5) + 5)
        assert any(isinstance(event, Uncovered) for event in said)
        assert feed.statistics().status is not FeedHealth.LIVE
        nursery.cancel_scope.cancel()


async def test_a_deaf_transport_is_fallen_from_and_its_hole_declared(autojump_clock):
    house = LadderHouse(QUOTE, TRADE, stale_seconds=STALE_SECONDS)
    state = {"last": 1}

    def answer(_):
        state["last"] += 1
        return [quote(state["last"])]

    for vendor in house.vendors.values():
        vendor.answers = answer
    async with ladder_running(house):
        await trio.sleep(2)
        house.sse.say(trade(1), quote(1))
        await trio.sleep(1)
        for number in range(2, 600):
            house.websocket.say(trade(number), quote(number))
            await trio.sleep(0.5)
        assert house.transport is Transport.WEBSOCKET
        assert house.moves == [Transport.WEBSOCKET]
        assert any(TRADE in gap.topics for gap in house.of(Gap))
        assert house.status().status is FeedHealth.LIVE
