"""Books in doubt are declared and said anew, one instrument at a time: a feed, a hub and a vendor in memory, in virtual time."""

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio

from bridge.broker.memory import MemoryLog
from bridge.dialects.contract import Comment, Missed, QuestionKind, Transport
from bridge.errors import VendorRefused
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    Cause,
    Gap,
    InstrumentId,
    Topic,
    Trade,
    Want,
)
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_feed import StreamFeed
from bridge.upstream.stream_terms import StreamTerms
from bridge.upstream.watches.repairs import ATTEMPTS, PAUSE_SECONDS, TOLERANCE_SECONDS
from bridge.upstream.watches.watches import WatchTerms
from bridge.upstream.watches.witness import Witness
from tests.support.connections import FEED, FakeVendor, asking, now

X, Y = InstrumentId("X"), InstrumentId("Y")
BOOK, OTHER, TRADES = Topic.parse("book:X"), Topic.parse("book:Y"), Topic.parse("trade:X")
ROOMY = Bound(10**9, lambda some: 100 * len(some), lambda: None)


def levels(*pairs):
    return tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in pairs)


def book(bid, ask, instrument=X, kind=BookSnapshot):
    return kind(
        instrument=instrument, feed=FEED, ts_recv=now(), bids=levels((bid, 1)), asks=levels((ask, 1)) if ask else ()
    )


def change(bid, size, instrument=X):
    return BookDelta(instrument=instrument, feed=FEED, ts_recv=now(), bids=levels((bid, size)), asks=())


class House:
    """A hub that somebody follows three topics of, and its one feed.

    Attributes:
        said: all that the follower got, oldest first.
    """

    def __init__(self, vendor: FakeVendor, *, whole_books: bool = False) -> None:
        self.vendor = vendor
        self.hub = Hub(MemoryLog(), now, HubSettings())
        witness = Witness(self.hub.publish)
        terms = StreamTerms(
            transport=vendor.transport,
            profile=vendor.transport_profile,
            max_connections=5,
            depth=None,
            account=None,
            interest=self.hub.interest(FEED),
            random=lambda: 1.0,
            whole_books=whole_books,
            watch=WatchTerms(witness=witness, random=lambda: 1.0, suspicions=self.hub.suspicions(FEED)),
        )
        self.feed = StreamFeed(Standing(FEED, witness, now), terms, asking(vendor, witness))
        self.subscription = self.hub.open([Want(topic, FEED) for topic in (BOOK, OTHER, TRADES)], None, ROOMY)
        self._said = []

    @property
    def said(self):
        self._said += [publication.event for publication in self.subscription.take()]
        return self._said

    def gaps(self):
        return [(event.topics, event.cause) for event in self.said if isinstance(event, Gap)]

    def asked_anew(self):
        """How often the vendor was told to begin a book afresh, by topic."""
        return [text for connection in self.vendor.connections for text in connection.said if text.startswith("-")]

    def stands(self):
        state = self.hub.state(Want(BOOK, FEED))
        return None if state is None else (state.event.bids, state.event.asks)


@asynccontextmanager
async def running(house):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.feed.run)
        await trio.sleep(1)
        yield house
        nursery.cancel_scope.cancel()


@pytest.fixture
def websocket():
    return FakeVendor(Transport.WEBSOCKET)


async def test_a_book_crossed_for_a_moment_is_borne_with(websocket, autojump_clock):
    async with running(House(websocket)) as house:
        websocket.say(book(9, 10))
        websocket.say(change(10, 5))
        await trio.sleep(TOLERANCE_SECONDS / 2)
        websocket.say(change(10, 0))
        await trio.sleep(60)
        assert house.gaps() == []
        assert house.asked_anew() == []


async def test_a_crossed_book_is_declared_and_asked_for_anew_on_the_same_connection(websocket, autojump_clock):
    async with running(House(websocket)) as house:
        websocket.say(book(9, 10))
        websocket.say(book(1, 2, Y))
        websocket.say(change(10, 5))
        await trio.sleep(TOLERANCE_SECONDS + 0.1)
        assert house.gaps() == [((BOOK,), Cause.VENDOR)]
        assert house.asked_anew() == ["- book:X"]
        assert house.stands() is None
        assert websocket.opened == 1
        websocket.say(change(8, 3))  # still of the old book
        websocket.say(book(11, 12))
        websocket.say(change(1, 7, Y))
        await trio.sleep(1)
        assert house.stands() == (levels((11, 1)), levels((12, 1)))
        names = [(type(event).__name__, event.instrument) for event in house.said[-2:]]
        assert names == [("BookSnapshot", X), ("BookDelta", Y)]
        await trio.sleep(1000)
        assert house.asked_anew() == ["- book:X"]
        assert len(house.gaps()) == 1


async def test_a_book_that_comes_without_a_base_is_asked_for_anew_and_nothing_more_is_declared(
    websocket, autojump_clock
):
    async with running(House(websocket)) as house:
        websocket.say(change(8, 3))
        await trio.sleep(TOLERANCE_SECONDS + 0.1)
        assert house.asked_anew() == ["- book:X"]
        websocket.say(book(8, 9))
        await trio.sleep(1)
        assert house.stands() == (levels((8, 1)), levels((9, 1)))
        assert house.gaps() == []


async def test_fresh_books_are_asked_for_a_bounded_number_of_times_and_the_book_stays_marked(websocket, autojump_clock):
    async with running(House(websocket)) as house:
        websocket.say(book(9, 10))
        websocket.say(change(10, 5))
        await trio.sleep(4000)
        assert house.asked_anew() == ["- book:X"] * ATTEMPTS
        assert house.gaps() == [((BOOK,), Cause.VENDOR)]
        assert house.stands() is None
        websocket.say(book(8, 9))
        await trio.sleep(1)
        assert house.stands() == (levels((8, 1)), levels((9, 1)))


async def test_a_vendor_whose_real_book_is_crossed_is_believed_and_asked_seldom(websocket, autojump_clock):
    async with running(House(websocket)) as house:

        async def answer():
            told = 0
            while True:
                await trio.sleep(0.1)
                if len(house.asked_anew()) > told:
                    told += 1
                    websocket.say(book(10, 10))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            websocket.say(book(10, 10))
            await trio.sleep(PAUSE_SECONDS)
            assert len(house.gaps()) == 1
            assert house.stands() == (levels((10, 1)), levels((10, 1)))
            await trio.sleep(3600 - PAUSE_SECONDS)
            assert len(house.gaps()) <= 7  # the pauses double: 60 + 120 + 240 + 480 + 960 + 1920 s are an hour
            nursery.cancel_scope.cancel()


async def test_on_event_streams_another_connection_takes_over_without_a_break_for_the_others(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    async with running(House(vendor)) as house:
        vendor.say(book(9, 10))
        vendor.say(book(1, 2, Y))
        vendor.say(change(10, 5))
        await trio.sleep(TOLERANCE_SECONDS + 0.1)
        assert vendor.opened == 2
        vendor.connections[-1].say(book(11, 12), book(1, 2, Y))
        await trio.sleep(5)
        assert len(vendor.connections) == 1
        assert house.gaps() == [((BOOK,), Cause.VENDOR)]
        assert house.stands() == (levels((11, 1)), levels((12, 1)))
        await trio.sleep(1000)
        assert vendor.opened == 2


async def test_where_books_come_whole_a_look_over_rest_mends_one(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    vendor.answers = lambda question: [book(7, 8, kind=BookReplacement)]
    async with running(House(vendor, whole_books=True)) as house:
        vendor.say(book(9, 10, kind=BookReplacement))
        vendor.say(Missed((BOOK, TRADES), "it said so", Cause.VENDOR))
        await trio.sleep(1)
        assert [question.kind for _, question in vendor.fetched] == [QuestionKind.BOOK]
        assert house.gaps() == [((BOOK,), Cause.VENDOR), ((TRADES,), Cause.VENDOR)]
        assert house.stands() == (levels((7, 1)), levels((8, 1)))
        assert vendor.opened == 1


async def test_where_rest_does_not_answer_another_connection_is_tried(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    vendor.answers = lambda question: VendorRefused(500, "no")
    async with running(House(vendor, whole_books=True)):
        vendor.say(book(9, 10, kind=BookReplacement))
        vendor.say(Missed((BOOK,), "it said so", Cause.VENDOR))
        await trio.sleep(1)
        assert vendor.opened == 2


async def test_a_comment_that_speaks_of_loss_is_a_gap_of_all_that_the_connection_carries(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    async with running(House(vendor)) as house:
        vendor.say(book(9, 10))
        (connection,) = vendor.connections
        connection.put(Comment("heartbeat"))
        connection.put(Comment("you are reading too slowly, dropped 10000 messages"))
        vendor.say(Trade(instrument=X, feed=FEED, ts_recv=now(), price=Decimal(1), size=Decimal(1)))
        await trio.sleep(1)
        assert {topics for topics, cause in house.gaps() if cause is Cause.VENDOR} == {(BOOK,), (OTHER,), (TRADES,)}
        assert isinstance(house.said[-1], Trade)


async def test_a_book_whose_session_is_lost_is_the_reconnects_business(websocket, autojump_clock):
    async with running(House(websocket)) as house:
        websocket.say(book(9, 10))
        websocket.say(change(10, 5))
        await trio.sleep(TOLERANCE_SECONDS + 0.1)
        websocket.connections[0].lose()
        await trio.sleep(10)
        websocket.say(book(11, 12))
        await trio.sleep(1000)
        assert websocket.opened == 2
        assert house.asked_anew() == []
        assert [cause for _, cause in house.gaps()].count(Cause.VENDOR) == 1
        assert house.stands() == (levels((11, 1)), levels((12, 1)))
