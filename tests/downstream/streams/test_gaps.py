"""A hole upstream, on every transport and in every dialect: told where there is a word for it, and else the stream ends.

One table. What a dialect says whole after a hole (quotes, books) goes on; trades, orders and candles are never skipped.
"""

import json
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.downstream.requests.polling import poll
from bridge.downstream.requests.state import state
from bridge.downstream.streams.tenure import DOWN_SECONDS, LOOK_SECONDS
from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    FeedHealth,
    FeedName,
    FeedStatus,
    InstrumentId,
    QuotePatch,
    Topic,
    TopicKind,
    Uncovered,
    exact,
)
from tests.support.asgi import FEED, JWT, NOTHING_LEFT, OTHER_FEED, START, Bench, Client, open_bench

AAPL = "NASDAQ:AAPL"


@dataclass(frozen=True)
class Row:
    """One dialect, transport and kind of data, and what becomes of its client when there is a hole.

    Attributes:
        ask: the SSE query, or the message that a WebSocket client sends first.
        topic: what is published.
        fate: `told`, `ends` or `goes on`.
        last: the last word of one that ends.
    """

    dialect: str
    transport: str
    ask: Any
    topic: str
    fate: str
    last: str | None = None

    def __str__(self) -> str:
        return f"{self.dialect} {self.transport} {self.topic} {self.fate}"


ROWS = [
    Row("canonical", "sse", "subscribe=trade:BTC-USD", "trade:BTC-USD", "told"),
    Row("canonical", "sse", "subscribe=book:BTC-USD", "book:BTC-USD", "told"),
    Row("canonical", "sse", "subscribe=order", "order", "told"),
    Row("canonical", "sse", f"subscribe=bar.5m:{AAPL}", f"bar.5m:{AAPL}", "told"),
    Row("canonical", "websocket", {"op": "subscribe", "topics": ["trade:BTC-USD"]}, "trade:BTC-USD", "told"),
    Row("canonical", "websocket", {"op": "subscribe", "topics": ["book:BTC-USD"]}, "book:BTC-USD", "told"),
    Row("liquidity", "sse", "subscribe=trade:BTC", "trade:BTC", "ends"),
    Row("liquidity", "sse", "subscribe=all:BTC", "trade:BTC", "ends"),
    Row("liquidity", "sse", "subscribe=quote:BTC", "order", "ends"),
    Row("liquidity", "sse", "subscribe=quote:BTC", "quote:BTC", "goes on"),
    Row("liquidity", "sse", "subscribe=book:BTC", "book:BTC", "goes on"),
    Row(
        "liquidity",
        "websocket",
        {"type": "subscribe", "channel": "trades", "symbol": "BTC-USD"},
        "trade:BTC-USD",
        "ends",
        "error",
    ),
    Row(
        "liquidity",
        "websocket",
        {"type": "subscribe", "channel": "orderbook", "symbol": "BTC-USD"},
        "book.20:BTC-USD",
        "goes on",
    ),
    Row("tradingview", "sse", f"symbols={AAPL}&type=price&timeframe=5", f"bar.5m:{AAPL}", "ends", "error"),
    Row("tradingview", "sse", f"symbols={AAPL}", f"quote:{AAPL}", "goes on"),
    Row(
        "tradingview",
        "websocket",
        {"action": "subscribe", "symbol": AAPL, "timeframe": "5"},
        f"bar.5m:{AAPL}",
        "ends",
        "error",
    ),
    Row("tradingview", "websocket", {"action": "subscribe_quote", "symbols": [AAPL]}, f"quote:{AAPL}", "goes on"),
]


def feed_of(row: Row) -> FeedName:
    return OTHER_FEED if AAPL in row.topic else FEED


def cover(bench: Bench, row: Row) -> None:
    if row.topic == "order":
        bench.cover_orders("lq/acme")
    else:
        bench.cover(row.topic.replace("book.20", "book"), feed=feed_of(row))


def break_off(bench: Bench, row: Row) -> None:
    """The vendor's connection is lost, and comes back."""
    if row.topic == "order":
        topic = Topic(TopicKind.ORDER, scope="lq/acme")
        bench.hub.publish(Uncovered(feed=FEED, topics=(topic,), ts_recv=bench.clock()))
    else:
        bench.uncover(row.topic.replace("book.20", "book"), feed=feed_of(row))
    cover(bench, row)


def publish(bench: Bench, row: Row, number: int) -> None:
    """Say something of the row's topic, told apart by its number."""
    kind, _, name = row.topic.partition(":")
    about = {"instrument": InstrumentId(name), "feed": feed_of(row), "ts_recv": bench.clock()}
    match kind.partition(".")[0]:
        case "trade":
            bench.trade(str(number), name)
        case "order":
            bench.order("lq/acme", f"ord-{number}")
        case "quote":
            bench.hub.publish(QuotePatch(**about, last=exact(str(number)), full=True))
        case "book":
            levels = (BookLevel(exact(str(number)), exact("1")),)
            bench.hub.publish(BookSnapshot(**about, bids=levels, asks=()))
            bench.hub.publish(BookDelta(**about, bids=(BookLevel(exact("5"), exact("7")),), asks=()))
        case "bar":
            prices = dict.fromkeys(("open", "high", "low", "close"), exact(str(number)))
            bench.hub.publish(Bar(**about, interval="5m", ts_open=START + number * 300 * 10**9, **prices))


def numbers(client: Client) -> list[str]:
    """Which of those were received, by looking for their numbers in the raw texts; no random id has as many such digits."""
    texts = [json.dumps(message) for message in client.messages]
    return [number for number in ("7012345", "7023456") if any(number in text for text in texts)]


async def opened(bench: Bench, nursery: trio.Nursery, row: Row) -> Client:
    token = bench.token(accounts=("lq/acme",))
    query = row.ask if row.transport == "sse" else ""
    client = bench.stream(nursery, bench.exchange(row.transport, query, token=token))
    if row.transport == "websocket":
        client.say(row.ask)
    await wait_all_tasks_blocked()
    return client


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_hole_upstream_is_told_or_ends_the_stream_and_is_never_passed_over(autojump_clock, row):
    async with open_bench(auth=JWT, dialect=row.dialect) as (bench, nursery):
        client = await opened(bench, nursery, row)
        cover(bench, row)
        publish(bench, row, 7012345)
        await client.until(lambda: numbers(client) == ["7012345"])
        before = bench.hub.cursor()
        break_off(bench, row)
        publish(bench, row, 7023456)
        if row.fate == "ends":
            await client.done.wait()
            assert numbers(client) == ["7012345"], "nothing from behind the hole"
            assert client.ended or client.closed == (1013, "upstream_unavailable")
            assert (client.messages[-1]["type"] if row.last else None) == row.last
            assert bench.left() == NOTHING_LEFT
            if row.transport == "sse":
                assert "retry" in client.blocks[-1] or "retry" in client.blocks[-2]
            again = await opened(bench, nursery, row)
            publish(bench, row, 7023456)
            await again.until(lambda: "7023456" in numbers(again))
            return
        await client.until(lambda: numbers(client) == ["7012345", "7023456"])
        assert not client.done.is_set()
        if row.fate == "told":
            (gap,) = client.of("gap")
            assert (gap["topics"], gap["cause"], gap["repaired"]) == ([row.topic], "upstream", False)
            assert offset(gap["to"]) == offset(gap["id"])
            assert offset(before) < offset(gap["from"]) < offset(gap["to"])


def offset(cursor: str) -> int:
    return int(cursor.rpartition("-")[2])


async def test_a_polling_client_is_told_of_the_hole_where_it_lies(autojump_clock):
    async with open_bench() as (bench, _):
        row = ROWS[0]
        query = "subscribe=trade:BTC-USD"
        bench.health(FeedHealth.LIVE)
        cover(bench, row)
        publish(bench, row, 7012345)
        first = json.loads((await poll(bench.house, bench.exchange("state", query))).body)
        break_off(bench, row)
        publish(bench, row, 7023456)
        page = json.loads((await poll(bench.house, bench.exchange("state", f"{query}&after={first['cursor']}"))).body)
        gap, trade = (event for event in page["events"] if event["type"] != "feed_status")
        assert (page["verdict"], gap["type"], trade["type"], trade["price"]) == ("reset", "gap", "trade", "7023456")
        assert (gap["topics"], gap["cause"], gap["from"]) == (["trade:BTC-USD"], "upstream", first["cursor"])
        assert offset(gap["from"]) < offset(gap["to"]) < offset(trade["id"])


STATES = [
    ("liquidity", "book", {"id": "BTC"}, Row("liquidity", "state", None, "book:BTC", "goes on")),
    ("liquidity", "quote", {"id": "BTC"}, Row("liquidity", "state", None, "quote:BTC", "goes on")),
    ("tradingview", "quote", {"symbol": AAPL}, Row("tradingview", "state", None, f"quote:{AAPL}", "goes on")),
]


@pytest.mark.parametrize(("dialect", "name", "segments", "row"), STATES, ids=[str(one[3]) for one in STATES])
async def test_a_vendors_client_that_polls_is_told_what_holds_after_a_hole_never_what_held_before(
    autojump_clock, dialect, name, segments, row
):
    async with open_bench(dialect=dialect) as (bench, nursery):
        endpoint = next(one for one in bench.served.dialect.endpoints if one.kind == "state" and one.name == name)
        exchange = bench.exchange("state", name=endpoint.name, segments=segments)
        answers = []

        async def ask() -> None:
            answers.append((await state(bench.house, exchange)).body.decode())

        cover(bench, row)
        publish(bench, row, 7012345)
        await ask()
        bench.uncover(row.topic, feed=feed_of(row))
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        assert len(answers) == 1, "it waits for what holds now"
        cover(bench, row)
        publish(bench, row, 7023456)
        await wait_all_tasks_blocked()
        assert "7012345" in answers[0]
        assert "7023456" in answers[1]
        assert "7012345" not in answers[1]


@pytest.mark.parametrize("row", [row for row in ROWS if row.fate == "goes on"], ids=str)
async def test_a_stream_that_would_be_silent_because_all_is_down_ends_where_it_cannot_say_so(autojump_clock, row):
    async with open_bench(auth=JWT, dialect=row.dialect) as (bench, nursery):
        client = await opened(bench, nursery, row)
        down = {"feed": feed_of(row), "status": FeedHealth.DOWN, "ts_recv": bench.clock(), "since": bench.clock()}
        bench.hub.publish(FeedStatus(**down))
        await trio.sleep(LOOK_SECONDS - 1)
        assert not client.done.is_set()
        with trio.fail_after(DOWN_SECONDS + LOOK_SECONDS):
            await client.done.wait()
        assert client.ended or client.closed == (1013, "upstream_unavailable")


async def test_a_canonical_stream_says_that_all_is_down_and_stays(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = await opened_openly(bench, nursery)
        bench.hub.publish(FeedStatus(feed=FEED, status=FeedHealth.DOWN, ts_recv=bench.clock(), since=bench.clock()))
        await trio.sleep(10 * LOOK_SECONDS)
        assert client.of("feed_status")[-1]["status"] == "down"
        assert not client.done.is_set()


async def opened_openly(bench: Bench, nursery: trio.Nursery) -> Client:
    client = bench.stream(nursery, bench.exchange("sse", "subscribe=trade:BTC-USD"))
    return await client.opened()
