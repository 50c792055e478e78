"""A feed's transports fail and come back, one by one, over real sockets and in every vendor's dialect.

The simulator stands behind a way in which its paths can be closed; what it said itself is what clients are held against.
"""

from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from bridge.config import Config
from bridge.dialects.contract import Transport
from bridge.downstream.settings import AuthSettings, ListenSettings
from bridge.model import FeedName, InstrumentId, Trade
from bridge.tape import generate
from bridge.upstream.ladder import ladder, trial
from bridge.upstream.settings import FeedSettings
from tests.support.readers import TRANSPORTS, Reader, until
from tests.support.stage import bridge, config_of, feed_of, vendor
from tests.support.switchyard import switchyard
from tests.support.truth import assert_books_were_true, assert_told_in_runs, books_said, runs, said

PATHS = {
    "liquidity": {"sse": "/api/realtime", "websocket": "/ws"},
    "tradingview": {"sse": "/sse/stream", "websocket": "/ws"},
    "canonical": {"sse": "/v1/stream", "websocket": "/v1/ws"},
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Its pauses are what they are for the vendor's sake; here nobody minds."""
    monkeypatch.setattr(ladder, "PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(ladder, "PAUSE_CAP_SECONDS", 1.0)
    monkeypatch.setattr(trial, "STEADY_SECONDS", 0.5)


@asynccontextmanager
async def bridged(dialect: str, *transports: str):
    """A vendor, a way to it and a bridge that reads it over several transports."""
    ladder_of = {"transports": tuple(Transport(name) for name in transports)}
    instruments = [InstrumentId("NASDAQ:AAPL" if dialect == "tradingview" else "BTC-USD")]
    vendors = "tradingview" if dialect == "tradingview" else "liquidity"
    async with vendor(vendors, speed=5, tape=generate(instruments, seed=9)) as party:
        if dialect != "canonical":
            async with switchyard(port_of(party.running)) as yard:
                feed = msgspec.structs.replace(
                    feed_of(party, "sse"),
                    url=yard.url,
                    websocket_url=yard.url.replace("http", "ws") + "/ws",
                    **ladder_of,
                )
                async with bridge(config_of({"up": feed})) as running:
                    yield party, yard, running
            return
        async with bridge(config_of({"near": feed_of(party, "sse")})) as near, switchyard(port_of(near)) as yard:
            feed = FeedSettings(dialect="canonical", url=yard.url, **ladder_of)
            far = Config(
                path=Path("bridge.toml"),
                listen=ListenSettings(bind=("127.0.0.1:0",)),
                auth=AuthSettings(mode="none"),
                feeds={FeedName("up"): feed},
            )
            async with bridge(far) as running:
                yield party, yard, running


def port_of(running) -> int:
    return int(running.urls[0].rpartition(":")[2])


def in_use(running) -> str | None:
    return running.feeds["up"].statistics().transport


def price_and_size(event) -> tuple[str, str]:
    return (event["price"], event["size"]) if isinstance(event, dict) else (str(event.price), str(event.size))


@asynccontextmanager
async def reading(running, reader):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(TRANSPORTS["sse"], running.urls[0], reader)
        yield
        nursery.cancel_scope.cancel()


async def more(reader, kind, count=5):
    """Wait until a client was told so many more."""
    enough = len(reader.of(kind)) + count
    await until(lambda: len(reader.of(kind)) >= enough, 30)


@pytest.mark.parametrize("dialect", ["liquidity", "canonical"])
async def test_trades_and_books_go_down_the_ladder_with_one_declared_hole_and_up_again_with_none(dialect):
    reader = Reader("trade:BTC-USD,book:BTC-USD,book.5:BTC-USD")
    async with bridged(dialect, "sse", "websocket") as (party, yard, running):
        truth = party.listen("trade:BTC-USD", "book:BTC-USD")
        async with reading(running, reader):
            await more(reader, "trade")
            yard.close(PATHS[dialect]["sse"])
            await until(lambda: in_use(running) == "websocket", 40)
            await more(reader, "trade")
            yard.reopen(PATHS[dialect]["sse"])
            await until(lambda: in_use(running) == "sse", 40)
            await more(reader, "trade", 20)
        told = truth.take()
        removed = running.feeds["up"].statistics().overlaps_removed
    stretches = [run for run in runs(reader.events, "trade", "trade:BTC-USD") if run]
    assert len(stretches) == 2
    assert_told_in_runs([list(map(price_and_size, run)) for run in stretches], said(told, Trade, price_and_size))
    assert not any(event.get("possible_duplicate") for event in reader.of("trade"))
    assert removed
    for topic in ("book:BTC-USD", "book.5:BTC-USD"):
        assert assert_books_were_true(topic, reader.events, books_said(told)) == 2
    reasons = [event.get("reason", "") for event in reader.of("feed_status") if event["status"] == "live"]
    assert any(reason.startswith("over websocket; for sse failed") for reason in reasons)
    assert reasons[-1] == ""


async def test_a_quote_is_derived_while_the_transport_in_use_has_none_and_is_the_vendors_own_again_after():
    reader = Reader("quote:BTC-USD")
    async with bridged("liquidity", "sse", "websocket", "polling") as (_, yard, running), reading(running, reader):
        await more(reader, "quote")
        assert not any(event.get("derived") for event in reader.of("quote"))
        yard.close("/api/realtime")
        await until(lambda: in_use(running) == "websocket", 40)
        await until(lambda: reader.of("quote")[-1].get("derived"), 30)
        yard.close("/ws")
        await until(lambda: in_use(running) == "polling", 40)
        await until(lambda: not reader.of("quote")[-1].get("derived"), 30)
        yard.reopen("/api/realtime")
        await until(lambda: in_use(running) == "sse", 60)
        await more(reader, "quote")
        assert not reader.of("quote")[-1].get("derived")
        assert not reader.of("problem")


async def test_trades_wait_while_only_polling_works_and_come_back_by_themselves():
    reader = Reader("trade:BTC-USD,quote:BTC-USD")
    async with bridged("liquidity", "sse", "polling") as (_, yard, running), reading(running, reader):
        await more(reader, "trade")
        yard.close("/api/realtime")
        await until(lambda: reader.of("problem"), 40)
        (problem,) = reader.of("problem")
        assert (problem["code"], problem["topic"], problem["retry"]) == (
            "upstream_unavailable",
            "trade:BTC-USD",
            "after",
        )
        await more(reader, "quote", 1)
        yard.reopen("/api/realtime")
        await more(reader, "trade")
        assert [gap["topics"] for gap in reader.of("gap")] == [["trade:BTC-USD"]]


async def test_quotes_and_bars_of_another_vendor_go_down_the_ladder_and_up_again():
    reader = Reader("quote:NASDAQ:AAPL,bar.5m:NASDAQ:AAPL")
    async with bridged("tradingview", "websocket", "sse") as (_, yard, running), reading(running, reader):
        await more(reader, "quote", 2)
        yard.close("/ws")
        await until(lambda: in_use(running) == "sse", 40)
        await more(reader, "quote", 2)
        await more(reader, "bar", 1)
        yard.reopen("/ws")
        await until(lambda: in_use(running) == "websocket", 40)
        await more(reader, "quote", 2)
        assert not reader.of("problem")
        assert reader.of("feed_status")[-1]["status"] == "live"
