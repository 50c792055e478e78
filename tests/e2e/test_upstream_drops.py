"""The vendor's connection breaks in the middle of a book, at any moment, again and again.

What clients see of it, on every transport: `feed_status`, a declared gap, a fresh snapshot before any further change. The
simulator stands behind a faulty network; what it said itself is the truth that everything is held against.
"""

import random
from datetime import datetime
from decimal import Decimal

import pytest
import trio

from bridge.model import Bar, InstrumentId, Quote, Trade
from bridge.tape import generate
from tests.support.faults import End
from tests.support.readers import TRANSPORTS, Reader, until
from tests.support.stage import bridge, config_of, feed_of, vendor
from tests.support.truth import assert_books_were_true, assert_told_in_runs, books_said, runs, said

DROPS = (End.RST, End.FIN, End.RST)
SPEED = 5


def readers_of(topics):
    return {name: Reader(topics) for name in TRANSPORTS}


async def drop_at_random(party, readers, is_back, chance):
    """Drop the upstream connections at random moments; go on when every client is told of it and has all it needs."""
    for how in DROPS:
        await trio.sleep(chance.uniform(0.1, 0.7))
        before = {name: len(reader.events) for name, reader in readers.items()}
        assert party.proxy.drop(how)
        for name, reader in readers.items():
            await until(lambda r=reader, n=before[name]: is_back(r.events[n:]))
    await trio.sleep(0.5)


def assert_health_was_told(reader, name):
    """Every break is told as `connecting`, its end as `live`; either may be said again, with another reason or after a reset."""
    told = [event["status"] for event in reader.of("feed_status")]
    changes = [status for status, before in zip(told, [None, *told], strict=False) if status != before]
    assert changes.count("connecting") >= len(DROPS), (name, told)
    assert changes[-1] == "live", (name, told)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_upstream_that_drops_in_the_middle_of_a_book_is_told_and_never_makes_a_wrong_one(transport):
    chance = random.Random(f"{transport} 2")
    readers = readers_of("trade:BTC-USD,book:BTC-USD,book.5:BTC-USD")
    async with vendor("liquidity", speed=SPEED) as party:
        truth = party.listen("trade:BTC-USD", "book:BTC-USD")
        config = config_of({"liquidity": feed_of(party, transport)})
        async with bridge(config) as running, trio.open_nursery() as nursery:
            for name, reader in readers.items():
                nursery.start_soon(TRANSPORTS[name], running.urls[0], reader)
            for reader in readers.values():
                await until(lambda r=reader: len(r.of("book_delta")) > 5 and r.of("trade"))

            def is_back(events):
                kinds = [event["type"] for event in events]
                return "gap" in kinds and kinds.count("book_delta") > 6 and "trade" in kinds

            await drop_at_random(party, readers, is_back, chance)
            nursery.cancel_scope.cancel()
        told_by_vendor = truth.take()

    def key(event):
        stamp = event.ts_event // 10**9 if transport == "websocket" else event.trade_id
        return (str(event.price), str(event.size), event.aggressor_side.value, stamp)

    def key_of(event):
        stamp = _seconds(event["ts_event"]) if transport == "websocket" else event["trade_id"]
        return (event["price"], event["size"], event["aggressor_side"], stamp)

    trades = said(told_by_vendor, Trade, key)
    for name, reader in readers.items():
        assert_health_was_told(reader, name)
        stretches = [run for run in runs(reader.events, "trade", "trade:BTC-USD") if run]
        assert len(stretches) == len(DROPS) + 1, name
        assert_told_in_runs([[key_of(event) for event in run] for run in stretches], trades)
        assert not any(event.get("possible_duplicate") for event in reader.of("trade"))
        assert {gap["cause"] for gap in reader.of("gap")} == {"upstream"}
        for topic in ("book:BTC-USD", "book.5:BTC-USD"):
            assert assert_books_were_true(topic, reader.events, books_said(told_by_vendor)) > len(DROPS)


def _seconds(text):
    return int(datetime.fromisoformat(text).timestamp())


FIGURES = ("bid", "ask", "last", "volume", "high", "low", "change")


def figures(told, names):
    return tuple(Decimal(told[name]) for name in names)


def figures_of(event, names):
    return tuple(getattr(event, name) for name in names)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_tradingview_that_drops_costs_no_bar_in_silence_and_shows_no_quote_that_never_was(transport):
    chance = random.Random(f"{transport} 3")
    readers = readers_of("quote:NASDAQ:AAPL,bar.1m:NASDAQ:AAPL")

    def is_enough(event):  # the vendor's SSE candles have no time, so nothing tells there that one is final
        return event["type"] == "bar" and ("is_final" in event or transport == "sse")

    tape = generate([InstrumentId("NASDAQ:AAPL")], seed=5)
    async with vendor("tradingview", speed=60, tape=tape) as party:
        truth = party.listen("quote:NASDAQ:AAPL", "bar.1m:NASDAQ:AAPL")
        config = config_of({"tradingview": feed_of(party, transport)})
        async with bridge(config) as running, trio.open_nursery() as nursery:
            for name, reader in readers.items():
                nursery.start_soon(TRANSPORTS[name], running.urls[0], reader)
            for reader in readers.values():
                await until(lambda r=reader: r.of("quote") and any(is_enough(bar) for bar in r.of("bar")))

            def is_back(events):
                back = [event["type"] for event in events]
                return "gap" in back and "quote" in back and any(is_enough(event) for event in events)

            await drop_at_random(party, readers, is_back, chance)
            nursery.cancel_scope.cancel()
        told_by_vendor = truth.take()
    names = ("open", "high", "low", "close", "volume")
    finals = [figures_of(p.event, names) for p in told_by_vendor if isinstance(p.event, Bar) and p.event.is_final]
    bars = set(said(told_by_vendor, Bar, lambda bar: figures_of(bar, names)))
    quotes = said(told_by_vendor, Quote, lambda quote: figures_of(quote, FIGURES))
    for name, reader in readers.items():
        assert_health_was_told(reader, name)
        lasting = [event for event in reader.events if event["type"] != "bar" or "is_final" in event]
        stretches = runs(lasting, "bar", "bar.1m:NASDAQ:AAPL")
        assert len(stretches) >= len(DROPS) + 1, name
        assert sum(bool(run) for run in stretches) == (len(DROPS) + 1 if transport == "websocket" else 0), name
        assert_told_in_runs([[figures(bar, names) for bar in run] for run in stretches], finals)
        assert bars.issuperset(figures(bar, names) for bar in reader.of("bar")), name
        assert_in_order([figures(quote, FIGURES) for quote in reader.of("quote")], quotes)


def assert_in_order(told, said_by_vendor):
    place = 0
    for one in told:
        place = next((at for at in range(place, len(said_by_vendor)) if said_by_vendor[at] == one), -1)
        assert place >= 0, f"the vendor never said {one}"
