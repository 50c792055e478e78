"""A token ends at night while its endpoint is down for five minutes: the feed says why and comes back by itself."""

import random
from contextlib import asynccontextmanager

import pytest
import trio

from bridge.dialects.contract import Credential, Transport
from bridge.errors import TransportLost, VendorRefused
from bridge.model import SECONDS, FeedHealth, FeedStatus, InstrumentId, Topic, TopicKind, UnixNanos
from bridge.upstream.credentials.tokens import KeeperTerms, SourceKeeper
from tests.support.connections import FakeInterest, FakeVendor, now, stream_feed
from tests.support.ladders import LadderHouse
from tests.support.ladders import running as ladder_running

A = Topic(TopicKind.TRADE, InstrumentId("A"))
LIFE_SECONDS = 1800.0
OUTAGE_SECONDS = 300.0


class Mint:
    """A token endpoint."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.fault: Exception | None = None

    async def get(self) -> Credential:
        self.asked.append(trio.current_time())
        await trio.sleep(0.1)
        if self.fault is not None:
            raise self.fault
        return Credential(
            token=f"t{len(self.asked)}-secret", expires_at=UnixNanos(now() + round(LIFE_SECONDS * SECONDS))
        )

    async def changed(self) -> None:
        await trio.sleep_forever()

    def __repr__(self) -> str:
        return "the mint https://vendor/token"


class Strict(FakeVendor):
    """Lets in whoever shows a token that has not ended, and hangs up at its end."""

    async def connect(self, request):
        credential = self.requests[-1]
        if credential is None or credential.expires_at <= now():
            self.attempts.append(trio.current_time())
            raise VendorRefused(401, "jwt expired")
        connection = await super().connect(request)
        connection.ends_at = credential.expires_at
        return connection

    async def keep_time(self) -> None:
        while True:
            await trio.sleep(1)
            for connection in list(self.connections):
                if connection.ends_at <= now():
                    connection.lose("token expired")


class Night:
    def __init__(self, vendor: Strict) -> None:
        self.mint = Mint()
        self.keeper = SourceKeeper(self.mint, KeeperTerms(60, now, random.Random(4).random))
        self.vendor = vendor
        self.said = []
        self.feed = stream_feed(vendor, FakeInterest(A), self.said.append, self.keeper)

    def statuses(self):
        return [event for event in self.said if isinstance(event, FeedStatus)]


@asynccontextmanager
async def running(night):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(night.feed.run)
        nursery.start_soon(night.vendor.keep_time)
        yield night
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
@pytest.mark.parametrize(
    "fault", [VendorRefused(503, "maintenance"), TransportLost("vendor:443: connection refused")], ids=["503", "gone"]
)
async def test_the_feed_says_why_asks_politely_and_recovers_by_itself(transport, fault, autojump_clock):
    async with running(Night(Strict(transport))) as night:
        await trio.sleep(LIFE_SECONDS - 120)
        assert night.statuses()[-1].status is FeedHealth.LIVE
        asked, connected = len(night.mint.asked), len(night.vendor.attempts)
        night.mint.fault = fault
        await trio.sleep(OUTAGE_SECONDS)
        last = night.statuses()[-1]
        assert last.status is FeedHealth.DOWN
        assert "no token from the mint https://vendor/token" in last.reason
        assert "secret" not in last.reason
        during = night.mint.asked[asked:]
        assert 3 <= len(during) <= 20, "polite: the ceilings double from a second to a minute"
        assert len([at for at in during if at > during[0] + 120]) <= 8
        assert len(night.vendor.attempts) - connected <= 1, "nobody knocks without a token"
        night.mint.fault = None
        await trio.sleep(120)
        assert night.statuses()[-1].status is FeedHealth.LIVE
        assert night.statuses()[-1].reason is None
        assert night.keeper.problem is None


async def test_a_token_endpoint_that_is_down_only_ahead_of_the_tokens_end_is_noticed_by_nobody(autojump_clock):
    async with running(Night(Strict(Transport.WEBSOCKET))) as night:
        await trio.sleep(LIFE_SECONDS - 65)
        night.mint.fault = TransportLost("vendor:443: connection refused")
        await trio.sleep(15)
        night.mint.fault = None
        await trio.sleep(600)
        assert [status.status for status in night.statuses()] == [
            FeedHealth.CONNECTING,
            FeedHealth.CONNECTING,
            FeedHealth.LIVE,
        ]


async def test_another_feed_is_not_touched_by_it(autojump_clock):
    other = Night(Strict(Transport.SSE))
    async with running(Night(Strict(Transport.SSE))) as night, running(other):
        await trio.sleep(LIFE_SECONDS - 120)
        night.mint.fault = TransportLost("vendor:443: connection refused")
        await trio.sleep(OUTAGE_SECONDS)
        assert night.statuses()[-1].status is FeedHealth.DOWN
        assert [status.status for status in other.statuses()][-1] is FeedHealth.LIVE
        assert FeedHealth.DOWN not in [status.status for status in other.statuses()]


async def test_a_ladder_stays_on_its_transport_for_want_of_a_token(autojump_clock):
    mint = Mint()
    keeper = SourceKeeper(mint, KeeperTerms(60, now, random.Random(4).random))
    house = LadderHouse(A, keeper=keeper)
    async with ladder_running(house):
        await trio.sleep(LIFE_SECONDS - 120)
        mint.fault = TransportLost("vendor:443: connection refused")
        await trio.sleep(100)
        house.sse.refusals.extend(VendorRefused(401, "jwt expired") for _ in range(20))
        house.sse.connections[0].lose("token expired")
        await trio.sleep(200)
        assert house.status().status is FeedHealth.DOWN
        assert "no token from the mint" in house.status().reason
        house.sse.refusals.clear()
        mint.fault = None
        await trio.sleep(120)
        assert house.status().status is FeedHealth.LIVE
        assert house.moves == []
