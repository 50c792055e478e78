"""What a ladder does besides: books in doubt are mended by the rung in use, and a mistake of ours begins it anew."""

from decimal import Decimal

import pytest
import trio

from bridge.dialects.contract import Transport
from bridge.model import BookDelta, BookLevel, BookSnapshot, Cause, FeedHealth, Gap, InstrumentId, Topic, Trade
from bridge.upstream.watches.repairs import TOLERANCE_SECONDS
from tests.support.connections import FEED, now
from tests.support.ladders import LadderHouse, running

BOOK, TRADE = Topic.parse("book:X"), Topic.parse("trade:X")
SSE, WEBSOCKET = Transport.SSE, Transport.WEBSOCKET
X = {"instrument": InstrumentId("X"), "feed": FEED}


def level(price, size=1):
    return (BookLevel(Decimal(price), Decimal(size)),)


def book(bid, ask):
    return BookSnapshot(**X, ts_recv=now(), bids=level(bid), asks=level(ask))


def trade(number):
    return Trade(**X, ts_recv=now(), price=Decimal(number), size=Decimal(1), trade_id=str(number))


@pytest.mark.parametrize("fallen", [False, True])
async def test_a_book_in_doubt_is_declared_and_said_anew_by_the_rung_in_use(fallen, autojump_clock):
    house = LadderHouse(BOOK)
    house.sse.broken = fallen
    async with running(house):
        await trio.sleep(20)
        used = house.websocket if fallen else house.sse
        assert house.transport is (WEBSOCKET if fallen else SSE)
        opened = used.opened
        used.say(book(9, 10))
        used.say(BookDelta(**X, ts_recv=now(), bids=level(10, 5), asks=()))
        await trio.sleep(TOLERANCE_SECONDS + 5)
        assert (house.of(Gap)[-1].topics, house.of(Gap)[-1].cause) == ((BOOK,), Cause.VENDOR)
        if fallen:
            assert [text for one in used.connections for text in one.said if text.startswith("-")] == ["- book:X"]
        else:
            assert used.opened == opened + 1, "an event stream cannot be told to begin a book afresh"
        used.say(book(8, 9))
        await trio.sleep(5)
        told = house.feed.statistics()
        assert (told.doubted, told.mended) == (1, 1)
        assert house.of(BookSnapshot)[-1].bids == level(8)
        assert house.covered() == {BOOK}


async def test_a_mistake_of_ours_ends_the_ladder_for_a_moment_and_it_begins_anew(autojump_clock, monkeypatch):
    house = LadderHouse(TRADE)
    sound, calls = house.feed._ladder.candidate, []

    def breaks_once(*args, **more):
        calls.append(args)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return sound(*args, **more)

    async with running(house):
        await trio.sleep(5)
        house.sse.say(trade(1))
        monkeypatch.setattr(house.feed._ladder, "candidate", breaks_once)
        house.breaks(SSE)
        await trio.sleep(0.2)
        assert house.covered() == set()
        assert (house.status().status, house.status().reason) == (
            FeedHealth.DOWN,
            f"{FEED}: an internal error (RuntimeError)",
        )
        house.mends(SSE)
        await trio.sleep(60)
        assert house.covered() == {TRADE}
        assert house.status().status is FeedHealth.LIVE
        house.sse.say(trade(2))
        await trio.sleep(1)
        assert [event.price for event in house.of(Trade)] == [1, 2]
        assert [gap.topics for gap in house.of(Gap)] == [(TRADE,)]
        assert house.feed.statistics().mistakes == 1
