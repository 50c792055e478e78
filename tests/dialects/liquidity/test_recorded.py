"""Real prices and sizes, digit for digit, through Liquidity's spellings and back."""

import json
from decimal import Decimal

import pytest

from bridge.dialects.contract import Asked, EncoderOptions, Frame, Lane, SymbolTable, Transport
from bridge.dialects.liquidity import DIALECT
from bridge.model import SECONDS, BookDelta, BookLevel, BookSnapshot, Side, Topic, Trade
from tests.dialects.sample import CURSOR, FEED, TS_RECV
from tests.support.data import recorded

SYMBOLS = SymbolTable(DIALECT.spelling, {})
FACT = {"instrument": "BTCUSDT", "feed": FEED, "ts_recv": TS_RECV}


def rows(path: str, most: int) -> list[dict]:
    lines = (recorded() / path).read_text(encoding="utf-8").splitlines()[:most]
    return [json.loads(line) for line in lines]


def there_and_back(event, topic: str, transport: Transport):
    (message,) = DIALECT.encoder(transport, SYMBOLS, EncoderOptions()).encode(event, CURSOR, whole=True)
    asked = Asked(FEED, Lane(transport), SYMBOLS)
    asked.add([Topic.parse(topic)])
    frame = Frame(data=message.data, event=message.event, ts_recv=TS_RECV)
    return list(DIALECT.decoder(asked).decode(frame))[-1]


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
def test_recorded_trades_keep_every_digit(transport):
    for row in rows("trades/BTCUSDT.binance.jsonl", 4_000):
        trade = Trade(
            **FACT,
            ts_event=row["ts_event"],
            price=Decimal(row["price"]),
            size=Decimal(row["size"]),
            aggressor_side=Side(row["side"]),
        )
        read = there_and_back(trade, "trade:BTCUSDT", transport)
        assert (str(read.price), str(read.size), read.aggressor_side) == (row["price"], row["size"], row["side"])
        whole = row["ts_event"] - row["ts_event"] % SECONDS
        assert read.ts_event == (row["ts_event"] if transport is Transport.SSE else whole)


def levels(pairs: list[list[str]]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in pairs)


def test_recorded_books_keep_every_digit_of_every_level():
    for row in rows("l2/BTCUSDT.binance.jsonl", 200):
        event = BookSnapshot if row["kind"] == "snapshot" else BookDelta
        book = event(**FACT, bids=levels(row["bids"]), asks=levels(row["asks"]))
        read = there_and_back(book, "book:BTCUSDT", Transport.WEBSOCKET)
        assert type(read) is event
        for side in ("bids", "asks"):
            assert [[str(price), format(size, "f")] for price, size in getattr(read, side)] == row[side]
