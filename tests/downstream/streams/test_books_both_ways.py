"""The recorded book, whichever way a vendor sends it, to clients that expect replacement and to such that expect increments.

Both read real bytes of the Liquidity dialect, whose SSE sends books whole and whose WebSocket sends changes, and keep a book of
plain dictionaries, as the vendor's page tells them to. All end with the recording's own book, the cut ones with its best levels.
"""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from bridge.broker.memory import MemoryLog
from bridge.dialects.contract import EncoderOptions, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.fanout.codec import Codec
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    Covered,
    FeedName,
    InstrumentId,
    Topic,
    UnixNanos,
    Want,
    Wishes,
)
from tests.support.data import recorded

FEED = FeedName("f")
BASE: dict[str, Any] = {"instrument": InstrumentId("BTC-USD"), "feed": FEED}
LIQUIDITY = load_dialect("liquidity")
SYMBOLS = SymbolTable(LIQUIDITY.spelling, {})

Sides = dict[str, dict[Decimal, Decimal]]
Event = BookSnapshot | BookDelta | BookReplacement


class Client:
    """A client of one transport, fast or slow."""

    def __init__(self, hub: Hub, transport: Transport, topic: str, *, every: int, conflate: bool = False) -> None:
        self.hub = hub
        self.transport = transport
        self.codec = Codec(LIQUIDITY, SYMBOLS, transport, EncoderOptions())
        self.every = every
        self.book: Sides = {"bids": {}, "asks": {}}
        self.messages = 0
        bound = Bound(10**9, lambda some: self.codec.cost(some, hub), lambda: None)
        self.subscription = hub.open([Want(Topic.parse(topic), FEED)], None, bound)
        if conflate:
            self.subscription.wish(Wishes(conflate=True))

    def read(self) -> None:
        for publication in self.subscription.take():
            data = self.codec.encode(publication, self.hub)
            for text in event_data(data) if self.transport is Transport.SSE else frame_texts(data):
                self.take(json.loads(text, parse_float=Decimal, parse_int=Decimal))
                self.messages += 1

    def take(self, message: dict[str, Any]) -> None:
        whole = self.transport is Transport.SSE or message["type"] == "orderbook_snapshot"
        for side, held in self.book.items():
            if whole:
                held.clear()
            for level in message[side]:
                price, size = level.values() if isinstance(level, dict) else level
                held[price] = size
                if not size:
                    del held[price]


def event_data(data: bytes) -> list[str]:
    lines = data.decode().split("\n")
    return [line.partition(":")[2] for line in lines if line.startswith("data:")]


def frame_texts(data: bytes) -> Iterator[str]:
    while data:
        short = data[1]
        wide = {126: 2, 127: 8}.get(short, 0)
        size = int.from_bytes(data[2 : 2 + wide], "big") if wide else short
        yield data[2 + wide : 2 + wide + size].decode()
        data = data[2 + wide + size :]


def frames() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (recorded() / "l2/BTCUSDT.binance.jsonl").read_text().splitlines()]


def changed(book: Sides, frame: dict[str, Any]) -> Sides:
    sides = {side: {**book[side], **{Decimal(price): Decimal(size) for price, size in frame[side]}} for side in book}
    return {side: {price: size for price, size in held.items() if size} for side, held in sides.items()}


def increments(frame: dict[str, Any], book: Sides) -> Event:
    kind = BookSnapshot if frame["kind"] == "snapshot" else BookDelta
    sides = {
        side: tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in frame[side])
        for side in ("bids", "asks")
    }
    return kind(**BASE, ts_recv=UnixNanos(frame["ts"]), **sides)


def replacement(frame: dict[str, Any], book: Sides) -> Event:
    bids, asks = best(book, None).values()
    return BookReplacement(**BASE, ts_recv=UnixNanos(frame["ts"]), bids=bids, asks=asks)


def best(book: Sides, depth: int | None) -> dict[str, tuple[BookLevel, ...]]:
    bids = tuple(BookLevel(*level) for level in sorted(book["bids"].items(), reverse=True)[:depth])
    asks = tuple(BookLevel(*level) for level in sorted(book["asks"].items())[:depth])
    return {"bids": bids, "asks": asks}


@pytest.mark.parametrize("sent", [increments, replacement])
@pytest.mark.parametrize("depth", [None, 20])
async def test_replacing_and_incremental_clients_end_with_the_recorded_book(
    sent: Callable[[dict[str, Any], Sides], Event], depth: int | None
):
    hub = Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())
    topic = "book:BTC-USD" if depth is None else f"book.{depth}:BTC-USD"
    clients = [
        Client(hub, Transport.SSE, topic, every=10),
        Client(hub, Transport.WEBSOCKET, topic, every=1),
        Client(hub, Transport.SSE, topic, every=97, conflate=True),
        Client(hub, Transport.WEBSOCKET, topic, every=97, conflate=True),
    ]
    hub.publish(Covered(feed=FEED, topics=(Topic.parse("book:BTC-USD"),), ts_recv=UnixNanos(0)))
    book: Sides = {"bids": {}, "asks": {}}
    compared = 0
    for number, frame in enumerate(frames()):
        book = changed(book, frame)
        hub.publish(sent(frame, book))
        for client in clients:
            if number % client.every == 0:
                client.read()
        if number % 200 == 0:
            for client in clients:
                client.read()
                assert {side: dict(levels) for side, levels in best(book, depth).items()} == client.book
                compared += 1
    for client in clients:
        client.read()
        assert {side: dict(levels) for side, levels in best(book, depth).items()} == client.book
    assert compared == 28
    *fast, slow, slowest = (client.messages for client in clients)
    assert min(fast) > 10 * max(slow, slowest)


async def test_a_client_that_comes_late_is_given_the_book_whole_and_then_what_its_transport_says():
    hub = Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())
    hub.publish(Covered(feed=FEED, topics=(Topic.parse("book:BTC-USD"),), ts_recv=UnixNanos(0)))
    book: Sides = {"bids": {}, "asks": {}}
    some = frames()[:60]
    for frame in some[:40]:
        book = changed(book, frame)
        hub.publish(increments(frame, book))
    clients = [Client(hub, transport, "book:BTC-USD", every=1) for transport in (Transport.SSE, Transport.WEBSOCKET)]
    for frame in some[40:]:
        book = changed(book, frame)
        hub.publish(increments(frame, book))
    for client in clients:
        client.read()
        assert {side: dict(levels) for side, levels in best(book, None).items()} == client.book
