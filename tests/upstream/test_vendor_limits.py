"""However many clients come and go, a vendor sees a bounded rate of connects and subscribes."""

import random
import sys

import pytest
import trio

from bridge.broker.loader import open_log
from bridge.dialects.contract import Transport
from bridge.errors import TransportLost, VendorRefused
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import InstrumentId, Topic, TopicKind, Want
from bridge.upstream.backoff import CAP_SECONDS
from bridge.upstream.slots.door import BURST, PER_SECOND
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_feed import StreamFeed
from bridge.upstream.stream_terms import StreamTerms
from tests.support.connections import FEED, FakeVendor, asking, now

CLIENTS = 1000
TOPICS = [Topic(TopicKind.TRADE, InstrumentId(f"I{n}")) for n in range(150)]
MINUTES = 5


class House:
    """A hub and a feed, and a thousand clients that come and go without pause."""

    def __init__(self, vendor: FakeVendor, linger_seconds: float) -> None:
        self.vendor = vendor
        self.hub = Hub(open_log("memory:"), now, HubSettings(linger_seconds=linger_seconds))
        self.random = random.Random(5)
        terms = StreamTerms(
            transport=vendor.transport,
            profile=vendor.transport_profile,
            max_connections=vendor.transport_profile.max_connections,
            depth=None,
            account=None,
            interest=self.hub.interest(FEED),
            random=self.random.random,
        )
        self.feed = StreamFeed(Standing(FEED, self.hub.publish, now), terms, asking(vendor, self.hub.publish))

    async def client(self) -> None:
        bound = Bound(pending_bytes=sys.maxsize, cost=len, wake=lambda: None)
        while True:
            await trio.sleep(self.random.uniform(0, 60))
            wants = [Want(topic, FEED) for topic in self.random.sample(TOPICS, 3)]
            subscription = self.hub.open(wants, None, bound)
            await trio.sleep(self.random.uniform(0, 30))
            subscription.close()

    async def run(self, seconds: float, clients: int = CLIENTS) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.hub.run)
            nursery.start_soon(self.feed.run)
            for _ in range(clients):
                nursery.start_soon(self.client)
            await trio.sleep(seconds)
            nursery.cancel_scope.cancel()


def most_within(times: list[float], seconds: float) -> int:
    """The most that came within any window of so many seconds."""
    first = most = 0
    for place, at in enumerate(times):
        while times[first] <= at - seconds:
            first += 1
        most = max(most, place - first + 1)
    return most


@pytest.mark.parametrize("linger_seconds", [0, 30])
@pytest.mark.parametrize("clients", [20, CLIENTS])
async def test_a_stream_that_cannot_be_changed_costs_a_bounded_rate_of_connects(
    clients, linger_seconds, autojump_clock
):
    vendor = FakeVendor(Transport.SSE)
    await House(vendor, linger_seconds).run(MINUTES * 60, clients)
    assert vendor.most <= 5
    assert most_within(vendor.attempts, 1) <= BURST + PER_SECOND
    assert most_within(vendor.attempts, 60) <= BURST + 60 * PER_SECOND
    assert vendor.attempts


@pytest.mark.parametrize("clients", [20, CLIENTS])
async def test_a_websocket_costs_few_connects_and_no_more_messages_than_the_vendor_allows(clients, autojump_clock):
    vendor = FakeVendor(Transport.WEBSOCKET, messages_per_second=5, max_connections=1)
    await House(vendor, 0).run(MINUTES * 60, clients)
    assert len(vendor.attempts) <= 10
    assert most_within(vendor.told, 60) <= 60 * 5
    assert vendor.told


@pytest.mark.parametrize("status", [401, 403, 406, 429, 503, None])
@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
async def test_a_vendor_that_refuses_is_left_more_and_more_alone_whoever_comes(status, transport, autojump_clock):
    vendor = FakeVendor(transport)
    fault = TransportLost("gone") if status is None else VendorRefused(status, "no")
    vendor.refusals.extend([fault] * 10_000)
    await House(vendor, 0).run(MINUTES * 60, 200)
    assert most_within(vendor.attempts, 60) <= 12
    later = [at for at in vendor.attempts if at > 120]
    assert len(later) <= (MINUTES - 2) * 60 / (CAP_SECONDS / 2) * 1.5, "as seldom as a single connection would knock"
    assert later


async def test_retry_after_is_honoured_by_all_connections_whoever_comes(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    vendor.refusals.append(VendorRefused(429, "slow down", retry_after_seconds=300))
    house = House(vendor, 0)
    await house.run(290)
    assert len(vendor.attempts) == 1


async def test_after_an_outage_connections_come_back_one_by_one_and_then_all(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    house = House(vendor, 30)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.run, 600, 300)
        await trio.sleep(120)
        vendor.broken = True
        for connection in list(vendor.connections):
            connection.lose()
        since = len(vendor.attempts)
        await trio.sleep(60)
        knocks = vendor.attempts[since:]
        assert 3 <= len(knocks) <= 14
        vendor.broken = False
        await trio.sleep(60)
        assert len(vendor.connections) == 3, "150 topics, 50 on each"
        nursery.cancel_scope.cancel()
