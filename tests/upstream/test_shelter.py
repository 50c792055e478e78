"""A crash stays with what crashed: one session, one feed; it is counted, logged once, and tried again politely."""

import pytest
import structlog
import trio

from bridge.dialects.contract import Transport
from bridge.model import FeedHealth, FeedStatus, InstrumentId, Topic, TopicKind, Trade, UnixNanos, exact
from bridge.upstream.shelter import MISTAKE_CAP_SECONDS, SOUND_SECONDS
from tests.support.connections import FEED, FakeInterest, FakeVendor, stream_feed

A = Topic(TopicKind.TRADE, InstrumentId("A"))
TRADE = Trade(instrument=InstrumentId("A"), feed=FEED, ts_recv=UnixNanos(0), price=exact("1"), size=exact("1"))


class House:
    def __init__(self, vendor):
        self.vendor = vendor
        self.said = []
        self.interest = FakeInterest(A)
        self.feed = stream_feed(vendor, self.interest, self.said.append)

    def statuses(self):
        return [(event.status, event.reason) for event in self.said if isinstance(event, FeedStatus)]


@pytest.fixture(params=[Transport.SSE, Transport.WEBSOCKET])
def vendor(request):
    return FakeVendor(request.param)


async def test_a_decoder_that_breaks_at_every_message_is_tried_ever_more_seldom_and_logged_once(vendor, autojump_clock):
    house = House(vendor)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.feed.run)
            for _ in range(3600):
                await trio.sleep(1)
                vendor.say(KeyError("price"))
            statistics = house.feed.statistics()
            nursery.cancel_scope.cancel()
    # 1 + 2 + 4 + … + 256 s of waiting, then an attempt every MISTAKE_CAP_SECONDS and a second or so
    assert 10 <= statistics.mistakes <= 10 + 3600 / MISTAKE_CAP_SECONDS + 10
    assert statistics.mistakes == vendor.opened
    assert sum(entry["event"] == "a session broke by a mistake of ours" for entry in logs) == 1
    assert (FeedHealth.DOWN, "vendor/1: an internal error (KeyError)") in house.statuses()


async def test_one_message_that_breaks_the_decoder_costs_a_second(vendor, autojump_clock):
    house = House(vendor)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.feed.run)
        for _ in range(5):
            await trio.sleep(SOUND_SECONDS + 10)
            assert len(vendor.connections) == 1
            vendor.say(ZeroDivisionError())
            await trio.sleep(2)
            assert len(vendor.connections) == 1
        nursery.cancel_scope.cancel()


async def test_a_feed_that_breaks_as_a_whole_begins_again_and_covers_what_it_covered(vendor, autojump_clock):
    house = House(vendor)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.feed.run)
            await trio.sleep(1)
            sound, vendor.lanes = vendor.lanes, lambda topic: {}["no such lane"]
            house.interest.set(A, Topic(TopicKind.TRADE, InstrumentId("B")))
            await trio.sleep(10)
            assert vendor.connections == []
            assert house.statuses()[-1] == (FeedHealth.DOWN, "vendor: an internal error (KeyError)")
            assert house.feed.statistics().covered == 0
            vendor.lanes = sound
            await trio.sleep(60)
            assert vendor.subscribed() == {"trade:A": 1, "trade:B": 1}
            assert house.statuses()[-1][0] is FeedHealth.LIVE
            nursery.cancel_scope.cancel()
    assert sum(entry["event"] == "a feed broke by a mistake of ours" for entry in logs) == 1


async def test_what_the_log_refuses_breaks_only_the_session_that_brought_it(vendor, autojump_clock):
    house = House(vendor)
    publish = house.said.append

    def picky(event):
        if isinstance(event, Trade):
            raise RuntimeError("not this one")  # noqa: TRY004 - a bug of any kind
        publish(event)

    house.feed = stream_feed(vendor, house.interest, picky)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.feed.run)
        await trio.sleep(1)
        vendor.say(TRADE)
        await trio.sleep(5)
        assert len(vendor.connections) == 1
        assert house.feed.statistics().mistakes == 1
        nursery.cancel_scope.cancel()
