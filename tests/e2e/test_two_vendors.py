"""One instrument at two different vendors: the preferred one is killed in mid-stream under load, and comes back.

Both are simulated over real sockets, each in its own protocol and with its own spelling of the instrument. Liquidity has quotes,
a book and trades; TradingView quotes alone, at prices far above, so that a quote made of both would show.
"""

import json
from decimal import Decimal
from itertools import groupby

import msgspec
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import connect

from bridge.config.structs import Listed
from bridge.model import InstrumentId, QuotePatch, Topic, UnixNanos
from bridge.tape import TapeEvent
from tests.support.clients import stream
from tests.support.faults import End
from tests.support.houses import LoudTape
from tests.support.readers import TRANSPORTS, Reader, until
from tests.support.stage import bridge, config_of, feed_of, vendor
from tests.support.truth import Book, runs

BTC, COINBASE = InstrumentId("BTC-USD"), InstrumentId("COINBASE:BTCUSD")
LISTED = Listed(
    symbols={
        "liquidity": {"sse": "BTC", "websocket": "BTC-USD", "rest": "BTC"},
        "tradingview": str(COINBASE),
    },
    feeds=("lq", "tv"),
)
LEVELS, PER_SECOND = 8, 25
CHEAP, DEAR = Decimal(100_000), Decimal(105_000)
BAND = Decimal(1_000)
TOPICS = "quote:BTC-USD,book:BTC-USD,trade:BTC-USD"


def quoted(instrument: InstrumentId, price: Decimal, number: int) -> QuotePatch:
    bid = price + number % 100
    return QuotePatch(
        instrument=instrument, feed="", ts_recv=UnixNanos(0), bid=bid, ask=bid + 1, last=bid, last_size=Decimal(number)
    )


class Whole(LoudTape):
    """Books and trades, and a quote behind each."""

    def __init__(self) -> None:
        super().__init__([BTC], LEVELS, PER_SECOND)
        self.topics = (*self.topics, Topic.parse(f"quote:{BTC}"))

    def events(self, start, *, once=False):
        for number, delayed in enumerate(super().events(start, once=once)):
            yield delayed
            yield TapeEvent(0, quoted(BTC, CHEAP, number))


class QuotesAlone:
    """What the other vendor has."""

    topics = (Topic.parse(f"quote:{COINBASE}"),)

    def events(self, start, *, once=False):
        number = 0
        while True:
            number += 1
            yield TapeEvent(1_000_000_000 // PER_SECOND, quoted(COINBASE, DEAR, number))


class Existing:
    """A client of a vendor, in that vendor's words.

    Args:
        subscribe: what it says first.
    """

    def __init__(self, path: str, subscribe: dict) -> None:
        self.path = path
        self.subscribe = subscribe
        self.said: list[dict] = []
        self.ended = False

    async def run(self, url: str) -> None:
        async with connect(url.replace("http", "ws") + self.path, max_size=2**26, proxy=None) as opened:
            await opened.send(json.dumps(self.subscribe))
            try:
                while True:
                    self.said.append(json.loads(await opened.recv()))
            except ConnectionClosed:
                self.ended = True

    def of(self, kind: str) -> list[dict]:
        return [message for message in self.said if message["type"] == kind]


def newest(reader: Reader, kind: str) -> str | None:
    """Whose the newest event of a kind is."""
    events = reader.of(kind)
    return events[-1]["feed"] if events else None


def assert_quotes_are_one_vendors(reader: Reader) -> None:
    for quote in reader.of("quote"):
        floor = {"lq": CHEAP, "tv": DEAR}[quote["feed"]]
        assert all(floor <= Decimal(quote[name]) < floor + BAND for name in ("bid", "ask", "last") if name in quote)


def assert_the_book_is_one_vendors_and_came_anew(reader: Reader) -> None:
    book = Book("book:BTC-USD")
    for event in reader.events:
        if book.take(event):
            assert event["feed"] == "lq"
    assert book.snapshots >= 2


def first_price(url: str) -> object:
    """What an event stream of Liquidity's says first of a price."""
    with stream(url) as opened:
        return next(event["bid"] for event in opened.events() if "bid" in event)


async def test_when_the_preferred_vendor_is_killed_the_other_goes_on_with_what_it_has():
    crowd = [(name, Reader(TOPICS)) for name in ("sse", "websocket", "websocket", "polling")]
    orderbook = Existing(
        "/liquidity/ws", {"type": "subscribe", "channel": "orderbook", "symbol": "BTC-USD", "depth": 5}
    )
    quotes = Existing("/tradingview/ws", {"action": "subscribe_quote", "symbols": [str(COINBASE)], "id": "q"})
    async with vendor("liquidity", tape=Whole()) as lq, vendor("tradingview", tape=QuotesAlone()) as tv:
        feeds = {"lq": feed_of(lq, "sse", settle_seconds=1), "tv": feed_of(tv, "websocket")}
        config = msgspec.structs.replace(config_of(feeds, polls_per_user=9), instruments={BTC: LISTED})
        async with bridge(config) as running, trio.open_nursery() as nursery:
            url = running.urls[0]
            for name, reader in crowd:
                nursery.start_soon(TRANSPORTS[name], url, reader)
            for existing in (orderbook, quotes):
                nursery.start_soon(existing.run, url)
            readers = [reader for _, reader in crowd]
            for reader in readers:
                await until(lambda r=reader: len(r.of("quote")) > 20 and len(r.of("book_delta")) > 20, 60)
            await until(lambda: orderbook.of("orderbook_update") and quotes.of("quote_update"))
            assert tv.connections == 0, "who is not needed is not subscribed"

            lq.proxy.refusing = True
            assert lq.proxy.drop(End.RST)
            for reader in readers:
                await until(lambda r=reader: newest(r, "quote") == "tv", 60)
            told = len(quotes.of("quote_update"))
            await until(lambda: len(quotes.of("quote_update")) > told + 5)
            silent = [len(reader.of("book_snapshot", "book_delta", "trade")) for reader in readers]
            at_vendor = len(orderbook.said)
            for reader in readers:
                count = len(reader.of("quote"))
                await until(lambda r=reader, n=count: len(r.of("quote")) > n + 5)
                broken = [event for event in reader.of("feed_status") if event["feed"] == "lq"]
                assert broken[-1]["status"] == "down", "whoever follows the book is told why it stands still"
            assert silent == [len(reader.of("book_snapshot", "book_delta", "trade")) for reader in readers]
            price = await trio.to_thread.run_sync(first_price, f"{url}/liquidity/api/realtime?subscribe=quote:BTC")
            assert DEAR <= Decimal(str(price)) < DEAR + BAND, "one vendor's client, the other's data"

            lq.proxy.refusing = False
            for reader in readers:
                await until(lambda r=reader: newest(r, "quote") == newest(r, "book_delta") == "lq", 60)
                count = len(reader.of("trade"))
                await until(lambda r=reader, n=count: len(r.of("trade")) > n)
            await until(lambda: any(m["type"] == "orderbook_snapshot" for m in orderbook.said[at_vendor:]))
            await until(lambda: tv.connections == 0, 60)
            assert all(reader.ended is None for reader in readers)
            assert not orderbook.ended, "a client of the vendor that was away stays connected"
            assert not quotes.ended
            nursery.cancel_scope.cancel()
    for name, reader in crowd:
        assert [feed for feed, _ in groupby(quote["feed"] for quote in reader.of("quote"))] == ["lq", "tv", "lq"], name
        switches = [event for event in reader.of("feed_status") if event["feed"] == "tv"]
        assert "in place of lq, which is down" in switches[0]["reason"]
        back = [event for event in reader.of("feed_status") if event.get("reason") == "preferred to tv"]
        assert [event["feed"] for event in back] == ["lq"]
        assert_quotes_are_one_vendors(reader)
        assert_the_book_is_one_vendors_and_came_anew(reader)
        told = [run for run in runs(reader.events, "trade", "trade:BTC-USD") if run]
        assert len(told) == 2 or (name == "polling" and len(told) > 2), "a poll in the midst of a break adds its own"
        gaps = [topic for event in reader.of("gap") for topic in event["topics"]]
        assert sorted(set(gaps)) == ["book:BTC-USD", "trade:BTC-USD"], "a quote has no gap: it is only the newest"
        assert name == "polling" or len(gaps) == 2, "one gap each"
