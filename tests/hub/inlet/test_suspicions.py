"""Which books give themselves away, and what clients are told once their feed gives one up."""

from decimal import Decimal

import pytest

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    Cause,
    Covered,
    FeedName,
    Gap,
    InstrumentId,
    Topic,
    Uncovered,
    UnixNanos,
    Want,
)

FEED = FeedName("f")
X = {"instrument": InstrumentId("X"), "feed": FEED, "ts_recv": UnixNanos(0)}
BOOK, OTHER = Topic.parse("book:X"), Topic.parse("book:Y")
ROOMY = Bound(10**9, lambda some: 100 * len(some), lambda: None)


def levels(*pairs):
    return tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in pairs)


def cover(hub, *topics, cause=Cause.UPSTREAM):
    hub.publish(Covered(feed=FEED, topics=topics, ts_recv=UnixNanos(0), cause=cause))


def uncover(hub, *topics):
    hub.publish(Uncovered(feed=FEED, topics=topics, ts_recv=UnixNanos(0)))


@pytest.fixture
def hub():
    hub = Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())
    cover(hub, BOOK, OTHER)
    return hub


def test_a_crossed_book_is_suspected_from_the_event_that_crossed_it_to_the_one_that_did_otherwise(hub):
    suspicions = hub.suspicions(FEED)
    rung = []
    suspicions.listen(lambda: rung.append(dict(suspicions.crossed)))
    hub.publish(BookSnapshot(**X, bids=levels((9, 1)), asks=levels((10, 1))))
    assert suspicions.crossed == {}
    hub.publish(BookDelta(**X, bids=levels((10, 5)), asks=()))
    assert suspicions.crossed == {BOOK: "its best bid 10 is not below its best ask 10"}
    hub.publish(BookDelta(**X, bids=levels((11, 5)), asks=()))
    hub.publish(BookDelta(**X, bids=(), asks=levels((10, 0), (12, 1))))
    assert suspicions.crossed == {}
    assert len(rung) == 2


def test_changes_of_a_book_that_never_came_whole_are_suspected_until_it_does(hub):
    suspicions = hub.suspicions(FEED)
    hub.publish(BookDelta(**X, bids=levels((9, 1)), asks=()))
    assert suspicions.baseless == {BOOK}
    hub.publish(BookReplacement(**X, bids=levels((9, 1)), asks=levels((8, 1))))
    assert suspicions.baseless == set()
    assert list(suspicions.crossed) == [BOOK]
    uncover(hub, BOOK)
    assert suspicions.crossed == {}


def test_a_line_ups_book_is_suspected_of_the_feed_that_serves(hub):
    serving = FeedName("b")
    event = {"instrument": InstrumentId("X"), "feed": FeedName("a+b"), "source": serving, "ts_recv": UnixNanos(0)}
    hub.publish(BookSnapshot(**event, bids=levels((10, 1)), asks=levels((10, 1))))
    assert list(hub.suspicions(serving).crossed) == [BOOK]
    assert hub.suspicions(FeedName("a+b")).crossed == {}


def test_a_crossed_book_that_is_given_up_is_declared_from_where_it_crossed_and_no_other_is(hub):
    cut = Topic.parse("book.1:X")
    subscription = hub.open([Want(topic, FEED) for topic in (BOOK, cut, OTHER)], None, ROOMY)
    other = {**X, "instrument": InstrumentId("Y")}
    hub.publish(BookSnapshot(**X, bids=levels((9, 1)), asks=levels((10, 1))))
    hub.publish(BookSnapshot(**other, bids=levels((1, 1)), asks=()))
    subscription.take()
    sound = hub.cursor()
    hub.publish(BookDelta(**X, bids=levels((10, 5)), asks=()))
    hub.publish(BookDelta(**X, bids=levels((10, 6)), asks=()))
    subscription.take()
    uncover(hub, BOOK)
    cover(hub, BOOK, cause=Cause.VENDOR)
    gaps = [publication for publication in subscription.take() if isinstance(publication.event, Gap)]
    assert [gap.event.topics for gap in gaps] == [(BOOK,), (cut,)]
    for gap in gaps:
        assert (gap.event.cause, gap.event.repaired) == (Cause.VENDOR, False)
        assert gap.event.from_ == sound
        assert gap.event.to == hub.cursor(gap.offset)
    hub.publish(BookDelta(**X, bids=levels((9, 7)), asks=()))
    assert subscription.take() == []
    hub.publish(BookDelta(**other, bids=levels((1, 2)), asks=()))
    hub.publish(BookSnapshot(**X, bids=levels((9, 2)), asks=levels((10, 2))))
    said = [publication.event for publication in subscription.take()]
    assert [(type(event).__name__, str(event.instrument)) for event in said] == [
        ("BookDelta", "Y"),
        ("BookSnapshot", "X"),
        ("BookSnapshot", "X"),
    ]


def test_a_later_break_is_not_dated_back_to_an_old_suspicion(hub):
    subscription = hub.open([Want(BOOK, FEED)], None, ROOMY)
    hub.publish(BookSnapshot(**X, bids=levels((10, 1)), asks=levels((10, 1))))
    uncover(hub, BOOK)
    cover(hub, BOOK, cause=Cause.VENDOR)
    hub.publish(BookSnapshot(**X, bids=levels((9, 1)), asks=levels((10, 1))))
    subscription.take()
    uncover(hub, BOOK)
    lost = hub.cursor()
    cover(hub, BOOK)
    (gap,) = (publication.event for publication in subscription.take())
    assert (gap.from_, gap.cause) == (lost, Cause.UPSTREAM)
