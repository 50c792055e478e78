"""Down the ladder on failure and up again when the better transport works: one book, every trade once, every hole declared."""

from decimal import Decimal

import trio

from bridge.dialects.contract import QuestionKind, Transport
from bridge.errors import VendorRefused
from bridge.model import (
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    Code,
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
from bridge.upstream.ladder.ladder import PAUSE_SECONDS
from tests.support.connections import FEED, now
from tests.support.ladders import ALL, LadderHouse, running

X = InstrumentId("X")
TRADE, BOOK, QUOTE = (Topic(kind, X) for kind in (TopicKind.TRADE, TopicKind.BOOK, TopicKind.QUOTE))
SSE, WEBSOCKET, POLLING = Transport.SSE, Transport.WEBSOCKET, Transport.POLLING


def trade(number: int, trade_id: bool = True) -> Trade:
    return Trade(
        instrument=X,
        feed=FEED,
        ts_recv=now(),
        price=Decimal(number),
        size=Decimal(1),
        trade_id=str(number) if trade_id else None,
    )


def book(best: int) -> BookReplacement:
    bids = tuple(BookLevel(Decimal(best - n), Decimal(1)) for n in range(3))
    asks = tuple(BookLevel(Decimal(best + 1 + n), Decimal(1)) for n in range(3))
    return BookReplacement(instrument=X, feed=FEED, ts_recv=now(), bids=bids, asks=asks)


class Stream:
    """A vendor that trades every tenth of a second and says its book on every second connection event."""

    def __init__(self, house: LadderHouse) -> None:
        self.house = house
        self.sent: list[int] = []

    async def run(self, seconds: float) -> None:
        until = trio.current_time() + seconds
        while trio.current_time() < until:
            number = len(self.sent) + 1
            self.sent.append(number)
            # The WebSocket has no ids, and all of it comes a little later there.
            if SSE in self.house.vendors:
                self.house.sse.say(trade(number), book(1000 + number))
            await trio.sleep(0.03)
            if WEBSOCKET in self.house.vendors:
                self.house.websocket.say(trade(number, trade_id=False), book(1000 + number))
            await trio.sleep(0.07)


def told_trades(house: LadderHouse) -> list[int]:
    return [int(event.price) for event in house.of(Trade)]


def told_best(house: LadderHouse) -> Decimal:
    """The best bid of a client that applies every book event; checks the chain."""
    bids: dict[Decimal, Decimal] = {}
    sequence = None
    for event in house.take():
        if isinstance(event, BookSnapshot):
            bids = {level.price: level.size for level in event.bids}
        elif isinstance(event, BookDelta):
            assert event.prev_sequence == sequence
            for level in event.bids:
                bids[level.price] = level.size
            bids = {price: size for price, size in bids.items() if size}
        else:
            continue
        sequence = event.sequence
    return max(bids)


async def test_the_preferred_transport_is_the_only_one_that_is_connected_while_it_works(autojump_clock):
    async with running(LadderHouse(TRADE)) as house:
        await trio.sleep(3600)
        assert house.transport is SSE
        assert (house.sse.opened, house.websocket.opened, house.polling.fetched) == (1, 0, [])
        assert house.status().status is FeedHealth.LIVE
        assert house.status().reason is None


async def test_it_falls_to_the_next_transport_with_the_hole_declared_and_a_fresh_book(autojump_clock):
    async with running(LadderHouse(TRADE, BOOK)) as house:
        await Stream(house).run(2)
        house.breaks(SSE)
        await Stream(house).run(15)
        assert house.transport is WEBSOCKET
        assert house.covered() == {TRADE, BOOK}
        assert house.status().status is FeedHealth.LIVE
        assert house.status().reason.startswith("over websocket; for sse failed: sse is broken")
        assert {topic for gap in house.of(Gap) for topic in gap.topics} == {TRADE, BOOK}
        place = max(house.take().index(gap) for gap in house.of(Gap))
        assert any(isinstance(event, BookSnapshot) for event in house.take()[place:])
        assert house.moves == [WEBSOCKET]


async def test_a_transport_that_swallows_the_connect_is_fallen_from_too(autojump_clock):
    house = LadderHouse(TRADE)
    house.sse.connect_seconds = float("inf")
    async with running(house):
        await trio.sleep(12)
        assert house.transport is WEBSOCKET
        assert house.covered() == {TRADE}


async def test_it_climbs_without_a_break_a_double_or_a_hole_when_the_better_one_works_again(autojump_clock):
    house = LadderHouse(TRADE, BOOK)
    house.sse.broken = True
    async with running(house):
        stream = Stream(house)
        await stream.run(20)
        assert house.transport is WEBSOCKET
        first = told_trades(house)[0]
        lost_before = len([event for event in house.said if isinstance(event, Uncovered)])
        house.mends(SSE)
        await stream.run(2 * PAUSE_SECONDS + 20)
        assert house.transport is SSE
        assert house.status().reason is None
        await trio.sleep(5)
        assert told_trades(house) == stream.sent[first - 1 :]
        assert not any(event.possible_duplicate for event in house.of(Trade))
        assert len([event for event in house.said if isinstance(event, Uncovered)]) == lost_before
        assert house.of(Gap) == []
        assert len(house.of(BookSnapshot)) == 1
        assert told_best(house) == 1000 + stream.sent[-1]
        assert house.websocket.connections == []
        assert house.feed.statistics().overlaps_removed > 0


async def test_the_old_connection_may_be_lost_in_the_midst_of_the_comparison(autojump_clock):
    house = LadderHouse(TRADE, BOOK)
    house.sse.broken = True
    async with running(house):
        stream = Stream(house)
        await stream.run(20)
        first = told_trades(house)[0]
        house.mends(SSE)
        while house.feed._trial is None or not house.feed._junction._holding:
            await stream.run(0.1)
        await stream.run(0.5)
        house.breaks(WEBSOCKET)
        await stream.run(10)
        assert house.transport is SSE
        assert house.of(Gap) == []
        assert [n for n in told_trades(house) if told_trades(house).count(n) > 1] == []
        assert told_trades(house) == stream.sent[first - 1 :]
        assert told_best(house) == 1000 + stream.sent[-1]


async def test_what_polling_does_not_carry_is_said_to_wait_and_comes_back_with_a_better_transport(autojump_clock):
    house = LadderHouse(TRADE, QUOTE)
    house.polling.answers = lambda question: (
        [QuotePatch(instrument=X, feed=FEED, ts_recv=now(), full=True, last=Decimal(7))]
        if question.kind is QuestionKind.QUOTE
        else []
    )
    async with running(house):
        await trio.sleep(3)
        house.breaks(SSE, WEBSOCKET)
        await trio.sleep(40)
        assert house.transport is POLLING
        assert house.covered() == {QUOTE}
        (refusal,) = house.refusals()
        assert (refusal.topic, refusal.code) == (TRADE, Code.UPSTREAM_UNAVAILABLE.value)
        assert (
            refusal.message == "vendor is read over polling for now, which does not carry it; it comes back by itself"
        )
        assert house.hub.refused(next(w for w in house.subscription.wants if w.topic == TRADE)) is None
        house.mends(WEBSOCKET)
        await trio.sleep(2 * PAUSE_SECONDS + 20)
        assert house.transport is WEBSOCKET
        assert house.covered() == {QUOTE, TRADE}
        house.websocket.say(trade(5))
        await trio.sleep(1)
        assert told_trades(house) == [5]


async def test_a_topic_waits_only_once_however_long_it_waits(autojump_clock):
    house = LadderHouse(TRADE, QUOTE)
    house.polling.answers = lambda _: [QuotePatch(instrument=X, feed=FEED, ts_recv=now(), full=True, last=Decimal(7))]
    house.sse.broken = house.websocket.broken = True
    async with running(house):
        await trio.sleep(3600)
        assert house.transport is POLLING
        assert len(house.refusals()) == 1


async def test_a_vendor_that_is_gone_altogether_is_asked_less_and_less_and_found_again(autojump_clock):
    house = LadderHouse(TRADE, BOOK)
    house.breaks(SSE, WEBSOCKET, POLLING)
    async with running(house):
        await trio.sleep(120)
        assert house.status().status is FeedHealth.DOWN
        await trio.sleep(3600)
        attempts = sorted(at for vendor in house.vendors.values() for at in vendor.attempts)
        last_hour = [at for at in attempts if at > 120]
        assert len(last_hour) < 3600 / 15, "no more than one transport alone would ask"
        house.mends(WEBSOCKET)
        await trio.sleep(1000)
        assert house.transport is WEBSOCKET
        assert house.status().status is FeedHealth.LIVE
        house.mends(SSE)
        await trio.sleep(2000)
        assert house.transport is SSE


async def test_a_better_transport_that_comes_and_goes_is_tried_ever_more_seldom(autojump_clock):
    house = LadderHouse(TRADE)
    async with running(house):
        for _ in range(40):
            house.breaks(SSE)
            await trio.sleep(100)
            house.mends(SSE)
            await trio.sleep(11)
        changes = len(house.moves)
        assert changes <= 16
        assert house.covered() == {TRADE}


async def test_what_comes_back_before_the_next_one_works_is_kept(autojump_clock):
    house = LadderHouse(TRADE)
    house.websocket.connect_seconds = 20
    async with running(house):
        await trio.sleep(3)
        house.sse.refusals.extend(VendorRefused(503, "busy") for _ in range(3))
        house.sse.connections[0].lose()
        await trio.sleep(60)
        assert house.transport is SSE
        assert house.covered() == {TRADE}
        assert house.websocket.connections == []
        assert house.status().reason is None


async def test_a_vendor_that_asks_us_to_stay_away_from_one_transport_is_obeyed_from_another(autojump_clock):
    house = LadderHouse(TRADE)
    house.sse.refusals.append(VendorRefused(429, "slow down", retry_after_seconds=600))
    async with running(house):
        await trio.sleep(590)
        assert house.transport is WEBSOCKET
        assert len(house.sse.attempts) == 1
        await trio.sleep(100)
        assert house.transport is SSE


async def test_without_a_credential_no_other_transport_is_tried(autojump_clock):
    class Broken:
        problem = "the token endpoint is down"

        async def current(self):
            await trio.lowlevel.checkpoint()
            raise VendorRefused(503, "no tokens today")

        def spoiled(self, credential):
            pass

        async def renewal(self, held):
            await trio.sleep_forever()

        async def run(self):
            await trio.sleep_forever()

    house = LadderHouse(TRADE, keeper=Broken())
    async with running(house):
        await trio.sleep(600)
        assert house.moves == []
        said = [event for event in house.said if isinstance(event, FeedStatus)]
        assert [status.status for status in said].count(FeedHealth.DOWN) == 1
        assert not any("trying" in (status.reason or "") for status in said)
        assert house.status().status is FeedHealth.DOWN
        assert "no tokens today" in house.status().reason


async def test_nothing_wanted_connects_nothing_and_begins_at_the_top_again(autojump_clock):
    house = LadderHouse(TRADE, sse=ALL, websocket=ALL)
    house.sse.broken = True
    async with running(house):
        await trio.sleep(20)
        assert house.transport is WEBSOCKET
        house.subscription.close()
        house.mends(SSE)
        await trio.sleep(100)
        assert house.websocket.connections == house.sse.connections == []
        house.want(TRADE)
        await trio.sleep(3)
        assert house.covered() == {TRADE}
        assert house.transport is SSE
