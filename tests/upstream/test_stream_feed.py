"""A feed over open connections, against a vendor in memory and in virtual time."""

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio

from bridge.dialects.contract import (
    Transport,
)
from bridge.model import (
    Covered,
    FeedHealth,
    FeedStatus,
    InstrumentId,
    Topic,
    TopicKind,
    Trade,
    Uncovered,
)
from tests.support.connections import FEED, FakeInterest, FakeVendor, now, stream_feed

A, B, C = (Topic(TopicKind.TRADE, InstrumentId(name)) for name in "ABC")


def trade(topic: Topic, number: int) -> Trade:
    return Trade(
        instrument=topic.instrument,
        feed=FEED,
        ts_recv=now(),
        price=Decimal(number),
        size=Decimal(1),
        trade_id=f"{topic.instrument}{number}",
    )


class House:
    def __init__(self, vendor: FakeVendor, *wanted: Topic, keeper=None) -> None:
        self.vendor = vendor
        self.interest = FakeInterest(*wanted)
        self.said = []
        self.feed = stream_feed(vendor, self.interest, self.said.append, keeper)

    def of(self, kind):
        return [event for event in self.said if isinstance(event, kind)]

    def trades(self):
        return [event.trade_id for event in self.of(Trade)]

    def health(self):
        return [event.status for event in self.of(FeedStatus)]

    def covered(self):
        """What is covered, by reading the log from its beginning."""
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
    assert house.vendor.connections == []


@pytest.fixture(params=[Transport.SSE, Transport.WEBSOCKET])
def vendor(request):
    return FakeVendor(request.param)


async def test_wanted_topics_are_subscribed_confirmed_and_published(vendor, autojump_clock):
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        assert vendor.subscribed() == {"trade:A": 1, "trade:B": 1}
        assert house.covered() == {A, B}
        vendor.say(trade(A, 1))
        vendor.say(trade(C, 2))
        await trio.sleep(0.1)
        assert house.trades() == ["A1"]
        assert house.health() == [FeedHealth.CONNECTING, FeedHealth.CONNECTING, FeedHealth.LIVE]


async def test_nothing_wanted_means_nothing_connected(vendor, autojump_clock):
    async with running(House(vendor)) as house:
        await trio.sleep(100)
        assert vendor.opened == 0
        house.interest.set(A)
        await trio.sleep(1)
        assert len(vendor.connections) == 1
        house.interest.set()
        await trio.sleep(1)
        assert vendor.connections == []
        assert house.covered() == set()
        assert house.health()[-1] is FeedHealth.CONNECTING


async def test_a_burst_of_changes_is_one_change(vendor, autojump_clock):
    topics = [Topic(TopicKind.TRADE, InstrumentId(f"I{n}")) for n in range(20)]
    async with running(House(vendor)) as house:
        await trio.sleep(1)
        for n in range(20):
            house.interest.set(*topics[: n + 1])
            await trio.sleep(0.004)
        await trio.sleep(2)
        assert vendor.opened == 1
        assert len(vendor.subscribed()) == 20


async def test_a_change_leaves_what_stays_covered_without_a_break(vendor, autojump_clock):
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        house.interest.set(B, C)
        for number in range(40):
            vendor.say(trade(A, number), trade(B, number), trade(C, number))
            await trio.sleep(0.1)
        assert vendor.subscribed() == {"trade:B": 1, "trade:C": 1}
        assert house.covered() == {B, C}
        assert all(B not in event.topics for event in house.of(Uncovered))
        assert [t for t in house.trades() if t.startswith("B")] == [f"B{n}" for n in range(40)]
        assert vendor.opened == (2 if vendor.transport is Transport.SSE else 1)


async def test_a_lost_session_is_uncovered_reconnected_and_subscribed_again(vendor, autojump_clock):
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        vendor.connections[0].lose()
        await trio.sleep(0.5)
        assert house.covered() == set()
        assert house.health()[-1] is FeedHealth.CONNECTING
        assert "hung up" in house.of(FeedStatus)[-1].reason
        await trio.sleep(5)
        assert house.covered() == {A, B}
        assert house.health()[-1] is FeedHealth.LIVE
        assert vendor.subscribed() == {"trade:A": 1, "trade:B": 1}
        assert house.feed.statistics().losses == 1
