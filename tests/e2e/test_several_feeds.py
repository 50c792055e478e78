"""One instrument, two feeds: the preferred one is killed in mid-stream under load, and comes back.

The two vendors' prices lie so far apart that a book with levels of both is crossed, which every client here looks for after
each change; and their trades are numbered, so that a hole or a double that was not declared shows.
"""

from decimal import Decimal
from itertools import groupby, pairwise

import msgspec
import trio

from bridge.model import BookLevel, BookSnapshot
from tests.support.commands import get
from tests.support.faults import End
from tests.support.houses import LoudTape
from tests.support.readers import TRANSPORTS, Reader, until
from tests.support.stage import bridge, config_of, feed_of, vendor
from tests.support.truth import Book, runs

TOPICS = "book:BTC-USD,book.5:BTC-USD,trade:BTC-USD,bar.1m:BTC-USD"
CROWD = {"sse": 4, "websocket": 3, "polling": 1}
"""Clients on each transport; they are in this process too, so more of them would only measure themselves."""

LEVELS, PER_SECOND = 8, 25

DEARER = Decimal(5_000)


class DearerTape(LoudTape):
    """The same market at prices far above, on a vendor's tape of its own."""

    def events(self, start, *, once=False):
        for delayed in super().events(start, once=once):
            event = delayed.event
            if isinstance(event, BookSnapshot):
                sides = {side: tuple(map(_dearer, getattr(event, side))) for side in ("bids", "asks")}
                yield delayed._replace(event=msgspec.structs.replace(event, **sides))
            else:
                yield delayed


def _dearer(level):
    return BookLevel(level.price + DEARER, level.size)


def feeds_told(reader, *kinds):
    """Which feed's word each event was, repetitions left out."""
    return [feed for feed, _ in groupby(event["feed"] for event in reader.of(*kinds))]


def follows(reader, feed):
    """Whether its newest trade and its newest change of a book are a feed's."""
    newest = {}
    for event in reversed(reader.events[-20:]):
        newest.setdefault(event["type"], event.get("feed"))
    return newest.get("trade") == newest.get("book_delta") == feed


def assert_books_never_mixed(reader):
    for topic in TOPICS.split(",")[:2]:
        book, source = Book(topic), None
        for event in reader.events:
            if book.take(event):
                assert event["type"] == "book_snapshot" or event["feed"] == source, "a change of another feed's book"
                source = event["feed"]
                dear = [price > 102_000 for side in book.sides.values() for price in side]
                assert all(is_dear == (source == "two") for is_dear in dear), "levels of two books"


def assert_trades_are_told_once_or_declared(reader):
    """Between two gaps: one feed's trades, numbered without a hole; numbers of two feeds overlap and are not compared."""
    for run in runs(reader.events, "trade", "trade:BTC-USD"):
        assert len({trade["feed"] for trade in run}) <= 1, "continuity broke and nothing said so"
        numbers = [int(trade["trade_id"]) for trade in run]
        assert all(after == before + 1 for before, after in pairwise(numbers)), numbers


async def test_killing_the_preferred_feed_under_load_is_one_declared_switch_and_mixes_no_book():
    crowd = [(name, Reader(TOPICS)) for name, count in CROWD.items() for _ in range(count)]
    readers = [reader for _, reader in crowd]
    late = Reader(TOPICS)
    async with (
        vendor("liquidity", tape=LoudTape(["BTC-USD"], LEVELS, PER_SECOND)) as one,
        vendor("liquidity", tape=DearerTape(["BTC-USD"], LEVELS, PER_SECOND)) as two,
    ):
        config = config_of({"one": feed_of(one, "sse", settle_seconds=1), "two": feed_of(two, "sse")}, polls_per_user=9)
        async with bridge(config) as running, trio.open_nursery() as nursery:
            url = running.urls[0]
            for name, reader in crowd:
                nursery.start_soon(TRANSPORTS[name], url, reader)
            for reader in readers:
                await until(lambda r=reader: follows(r, "one"))
            assert two.connections == 0, "who is not needed is not subscribed"

            one.proxy.refusing = True
            assert one.proxy.drop(End.RST)
            for reader in readers:
                await until(lambda r=reader: follows(r, "two"), 40)
                assert feeds_told(reader, "feed_status") == ["one", "two"]
            status, _ = await trio.to_thread.run_sync(get, f"{url}/readyz")
            assert status == 200, "another serves for the feed that is down"
            nursery.start_soon(TRANSPORTS["websocket"], url, late)
            await until(lambda: follows(late, "two"))
            assert feeds_told(late, "feed_status") == ["two"]
            assert "in place of one" in late.of("feed_status")[0]["reason"]

            one.proxy.refusing = False
            for reader in [*readers, late]:
                await until(lambda r=reader: follows(r, "one"), 60)
            await until(lambda: two.connections == 0)
            assert all(reader.ended is None for reader in [*readers, late]), "everyone stays connected"
            nursery.cancel_scope.cancel()
    for name, reader in [*crowd, ("websocket", late)]:
        streams = [event for event in reader.events if event["type"] == "stream"]
        assert len(streams) == (0 if name == "polling" else 1)
        first = [] if reader is late else ["one"]
        assert feeds_told(reader, "feed_status") == [*first, "two", "one"], name
        assert feeds_told(reader, "trade", "book_snapshot", "book_delta") == [*first, "two", "one"], name
        bars = {event["feed"] for event in reader.of("bar")}
        assert bars & {"two", "one+two"}, "what is derived goes over with what it is derived from"
        assert all(event["partial"] for event in reader.of("bar") if event["feed"] == "one+two")
        assert_books_never_mixed(reader)
        assert_trades_are_told_once_or_declared(reader)
        gaps = [event for event in reader.of("gap") if "trade:BTC-USD" in event["topics"]]
        assert {gap["cause"] for gap in gaps} == {"upstream"}
        owed = 1 if reader is late else 2
        assert len(gaps) == owed or (name == "polling" and len(gaps) > owed), (
            "a poll in the midst of a break adds its own"
        )
