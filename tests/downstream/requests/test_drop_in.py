"""Clients of one vendor over the other's feed: what is derived reaches them in their words, and so does what cannot be had."""

import json
from typing import Any

import pytest

from bridge.dialects.contract import Answer, EndpointKind, Outcome, Refusal, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.contract import Exchange
from bridge.downstream.goodbyes import refusal_answer
from bridge.downstream.requests.state import state
from bridge.model import (
    SECONDS,
    Bar,
    BookLevel,
    BookSnapshot,
    Code,
    FeedName,
    InstrumentId,
    Trade,
    UnixNanos,
    exact,
)
from bridge.upstream.arbiter import Arbiter, FeedEntry
from tests.support.asgi import START, Bench, Client, open_bench, websocket

BTC = InstrumentId("BTC-USD")
ONLY_HERE = InstrumentId("ONLY-LIQUIDITY")
LIQUIDITY, TRADINGVIEW = "liquidity", "tradingview"
LISTED: dict[str, dict[InstrumentId, Any]] = {
    LIQUIDITY: {BTC: {"sse": "BTC", "websocket": "BTC-USD", "rest": "BTC"}, ONLY_HERE: "ONLY"},
    TRADINGVIEW: {BTC: "COINBASE:BTCUSD"},
}
"""The instruments table; one of them has no translation for TradingView."""


def over(feed: str, transport: Transport, client: str) -> dict[str, Any]:
    """What a bench is made with: clients of one dialect over a feed of another."""
    dialect = load_dialect(feed)
    entry = FeedEntry(
        name=FeedName(feed),
        dialect=dialect,
        symbols=SymbolTable(dialect.spelling, LISTED[feed]),
        globs=("*",),
        transport=transport,
        account=None,
    )
    listed = {instrument: [entry.name] for instrument in LISTED[feed]}
    arbiter = Arbiter([entry], listed, strict=False, max_unlisted=0)
    return {"dialect": client, "arbiter": arbiter, "aliases": LISTED[client]}


def trade(bench: Bench, seconds: float, price: str, size: str = "1") -> None:
    """Publish one so many seconds after the start, by the vendor's clock; the clock of the bench stands."""
    moment = UnixNanos(START + round(seconds * SECONDS))
    about = {"instrument": BTC, "feed": FeedName(LIQUIDITY), "ts_recv": moment, "ts_event": moment}
    bench.hub.publish(Trade(**about, price=exact(price), size=exact(size)))


def book(bench: Bench, bid: str, ask: str) -> None:
    sides = {"bids": (BookLevel(exact(bid), exact("2")),), "asks": (BookLevel(exact(ask), exact("3")),)}
    bench.hub.publish(BookSnapshot(instrument=BTC, feed=FeedName(LIQUIDITY), ts_recv=bench.clock(), **sides))


async def first(client: Client, kind: str) -> dict[str, Any]:
    await client.until(lambda: client.of(kind))
    return client.of(kind)[0]


async def test_a_tradingview_client_has_candles_and_their_past_over_liquiditys_trades(autojump_clock):
    async with open_bench(**over(LIQUIDITY, Transport.WEBSOCKET, TRADINGVIEW)) as (bench, nursery):
        before = websocket(bench, nursery)
        before.say({"action": "subscribe", "symbol": "COINBASE:BTCUSD", "timeframe": "1"})
        await first(before, "subscribed")
        assert {str(topic) for topic in bench.hub.interest(FeedName(LIQUIDITY)).wanted()} == {"trade:BTC-USD"}
        bench.cover("trade:BTC-USD", feed=FeedName(LIQUIDITY))
        opened = START // SECONDS // 60 * 60
        for seconds, price in ((1, "10"), (2, "12.50"), (70, "11"), (130, "13")):
            trade(bench, seconds, price)
        await before.until(lambda: len(before.of("update")) == 6)
        assert before.of("update")[1]["data"] == {
            "time": opened,
            "open": 10,
            "close": 12.5,
            "max": 12.5,
            "min": 10,
            "volume": 2,
        }

        late = websocket(bench, nursery)
        late.say({"action": "subscribe", "id": "x", "symbol": "COINBASE:BTCUSD", "timeframe": "1", "range": 2})
        history = await first(late, "history")
        await first(late, "update")
        assert [one["type"] for one in late.messages] == ["connected", "subscribed", "history", "update"]
        assert [(one["time"] - opened, one["close"]) for one in history["periods"]] == [(120, 13), (60, 11)]

        longer = websocket(bench, nursery)
        longer.say({"action": "subscribe", "symbol": "COINBASE:BTCUSD", "timeframe": "60", "range": 9})
        history = await first(longer, "history")
        assert [(one["close"], one["volume"]) for one in history["periods"]] == [(13, 4)]


async def test_a_tradingview_event_stream_has_candles_of_any_timeframe_over_liquiditys_trades(autojump_clock):
    async with open_bench(**over(LIQUIDITY, Transport.SSE, TRADINGVIEW)) as (bench, nursery):
        query = "symbols=COINBASE:BTCUSD&type=price&timeframe=240"
        client = bench.stream(nursery, bench.exchange("sse", query))
        await first(client, "connected")
        bench.cover("trade:BTC-USD", feed=FeedName(LIQUIDITY))
        for seconds, price in ((10, "10"), (14_399, "8"), (14_400, "9")):
            trade(bench, seconds, price, "0.5")
        await client.until(lambda: len(client.of("price_update")) == 4)
        told = [one["data"] for one in client.of("price_update")]
        over_now = {"open": 10, "high": 10, "low": 8, "close": 8, "volume": 1.0}
        assert told[1:] == [over_now, over_now, {"open": 9, "high": 9, "low": 9, "close": 9, "volume": 0.5}]


async def test_a_vendors_refusal_of_what_candles_are_made_of_is_told_of_the_candles(autojump_clock):
    async with open_bench(**over(LIQUIDITY, Transport.WEBSOCKET, TRADINGVIEW)) as (bench, nursery):
        client = websocket(bench, nursery)
        client.say({"action": "subscribe", "id": "x", "symbol": "COINBASE:BTCUSD"})
        await first(client, "subscribed")
        bench.refuse("trade:BTC-USD", Code.UNKNOWN_INSTRUMENT, feed=FeedName(LIQUIDITY))
        error = await first(client, "error")
        assert (error["code"], error["symbol"]) == ("INVALID_SYMBOL", "COINBASE:BTCUSD")
        client.say({"action": "status"})
        assert (await first(client, "status"))["subscriptions"] == []
        client.say({"action": "subscribe", "id": "y", "symbol": "COINBASE:BTCUSD", "timeframe": "60"})
        await client.until(lambda: len(client.of("error")) == 2)
        assert client.of("error")[1]["id"] == "y", "what was refused lately is refused at once, whatever is made of it"


async def test_a_tradingview_client_has_quotes_over_liquiditys_book_and_trades(autojump_clock):
    async with open_bench(**over(LIQUIDITY, Transport.WEBSOCKET, TRADINGVIEW)) as (bench, nursery):
        client = websocket(bench, nursery)
        client.say({"action": "subscribe_quote", "id": "q", "symbols": ["COINBASE:BTCUSD"]})
        await first(client, "quote_subscribed")
        bench.cover("trade:BTC-USD", "book:BTC-USD", feed=FeedName(LIQUIDITY))
        book(bench, "9.50", "10")
        trade(bench, 1, "10")
        await client.until(lambda: len(client.of("quote_update")) == 2)
        told = [one["data"] for one in client.of("quote_update")]
        assert told[0] == {"bid": 9.5, "bid_size": 2, "ask": 10, "ask_size": 3}
        day = {"open_price": 10, "high_price": 10, "low_price": 10, "volume": 1}  # the day began with the test
        assert told[1] == {"lp": 10, "lp_time": START // SECONDS + 1, **day}


async def test_the_past_is_asked_of_a_vendor_that_has_it_when_the_hub_has_none(autojump_clock):
    async with open_bench(**over(TRADINGVIEW, Transport.WEBSOCKET, TRADINGVIEW)) as (bench, nursery):
        feed = FeedName(TRADINGVIEW)
        figures = {name: exact("10") for name in ("open", "high", "low", "close")}
        about = {"instrument": BTC, "feed": feed, "ts_recv": bench.clock(), "interval": "5m", **figures}
        bars = tuple(Bar(**about, ts_open=UnixNanos(minute * 60 * SECONDS), is_final=True) for minute in (0, 5, 10))
        bench.answers[feed] = Answer(outcome=Outcome.ANSWERED, events=bars)
        client = websocket(bench, nursery)
        client.say({"action": "subscribe", "symbol": "COINBASE:BTCUSD", "range": 2})
        history = await first(client, "history")
        assert [one["time"] for one in history["periods"]] == [600, 300]
        assert [(question.interval, question.limit) for _, question in bench.asked] == [("5m", 2)]


async def test_where_the_hub_keeps_too_few_the_vendor_is_asked_and_nobody_waits_for_it(autojump_clock):
    async with open_bench(**over(TRADINGVIEW, Transport.WEBSOCKET, TRADINGVIEW)) as (bench, nursery):
        feed = FeedName(TRADINGVIEW)

        def bar(minute: int, close: str, *, final: bool) -> Bar:
            figures = {name: exact(close) for name in ("open", "high", "low", "close")}
            about = {"instrument": BTC, "feed": feed, "ts_recv": bench.clock(), "interval": "5m", **figures}
            return Bar(**about, ts_open=UnixNanos(minute * 60 * SECONDS), is_final=final)

        early = websocket(bench, nursery)
        early.say({"action": "subscribe", "symbol": "COINBASE:BTCUSD"})
        await first(early, "subscribed")
        bench.cover("bar.5m:BTC-USD", feed=feed)
        bench.hub.publish(bar(10, "12", final=True))
        told = tuple(bar(minute, "7", final=True) for minute in (0, 5, 10))
        bench.answers[feed] = Answer(outcome=Outcome.ANSWERED, events=told)
        bench.answer_seconds = 1.5

        late = websocket(bench, nursery)
        late.say({"action": "subscribe", "id": "x", "symbol": "COINBASE:BTCUSD", "range": 4})
        late.say({"action": "subscribe", "id": "left", "symbol": "COINBASE:BTCUSD", "timeframe": "15", "range": 4})
        late.say({"action": "unsubscribe", "id": "left"})
        late.say({"action": "ping"})
        await first(late, "pong")
        assert late.of("history") == [], "the vendor has not answered"
        bench.hub.publish(bar(15, "13", final=False))
        await early.until(lambda: len(early.of("update")) == 2)

        history = await first(late, "history")
        assert [(one["time"] // 60, one["close"]) for one in history["periods"]] == [(15, 13), (10, 12), (5, 7), (0, 7)]
        bench.hub.publish(bar(15, "14", final=False))
        await late.until(lambda: late.of("update"))
        await late.until(lambda: late.of("update")[-1]["data"]["close"] == 14)
        kinds = [one["type"] for one in late.messages]
        assert kinds[:6] == ["connected", "subscribed", "subscribed", "unsubscribed", "pong", "history"]
        assert set(kinds[6:]) == {"update"}
        assert len(bench.asked) == 2


async def test_a_vendor_that_does_not_answer_in_time_costs_only_the_past(autojump_clock):
    async with open_bench(**over(TRADINGVIEW, Transport.WEBSOCKET, TRADINGVIEW)) as (bench, nursery):
        bench.answer_seconds = 1_000
        client = websocket(bench, nursery)
        client.say({"action": "subscribe", "id": "x", "symbol": "COINBASE:BTCUSD", "range": 2})
        assert (await first(client, "history"))["periods"] == []
        assert {str(topic) for topic in bench.hub.interest(FeedName(TRADINGVIEW)).wanted()} == {"bar.5m:BTC-USD"}


async def test_a_fast_quote_has_messages_of_its_own_made_once_for_all_who_have_it(autojump_clock):
    async with open_bench(**over(TRADINGVIEW, Transport.WEBSOCKET, TRADINGVIEW)) as (bench, nursery):
        bench.cover("quote:BTC-USD", feed=FeedName(TRADINGVIEW))
        plain, *fast = [websocket(bench, nursery) for _ in range(3)]
        plain.say({"action": "subscribe_quote", "id": "q", "symbols": ["COINBASE:BTCUSD"]})
        await first(plain, "quote_subscribed")
        for client in fast:
            client.say({"action": "subscribe_quote_fast", "symbol": "COINBASE:BTCUSD"})
            await first(client, "quote_subscribed")
        for bid in ("1", "2", "3"):
            bench.quote(bid, feed=FeedName(TRADINGVIEW))
            for client in (plain, *fast):
                await client.until(lambda client=client, bid=bid: client.messages[-1].get("data") == {"bid": int(bid)})
        for client, kind in ((plain, "quote_update"), *((client, "quote_fast_update") for client in fast)):
            assert [one["type"] for one in client.messages] == ["connected", "quote_subscribed", *[kind] * 3]
            assert {one["symbol"] for one in client.of(kind)} == {"COINBASE:BTCUSD"}
        made = {one.wording: one.encoded for one in bench.house.codecs.statistics()}
        assert made == {"": 3, "fast": 3}


async def test_a_quote_held_in_both_words_is_told_in_both_and_each_begins_whole(autojump_clock):
    async with open_bench(**over(TRADINGVIEW, Transport.WEBSOCKET, TRADINGVIEW)) as (bench, nursery):
        feed = FeedName(TRADINGVIEW)
        bench.cover("quote:BTC-USD", feed=feed)
        client = websocket(bench, nursery)
        client.say({"action": "subscribe_quote", "id": "q", "symbols": ["COINBASE:BTCUSD"]})
        await first(client, "quote_subscribed")
        bench.quote("1", feed=feed)
        await first(client, "quote_update")
        client.say({"action": "subscribe_quote_fast", "id": "f", "symbol": "COINBASE:BTCUSD"})
        assert (await first(client, "quote_fast_update"))["data"] == {"bid": 1}
        client.say({"action": "unsubscribe_quote", "id": "q"})
        await first(client, "unsubscribed")
        bench.quote("2", feed=feed)
        await client.until(lambda: len(client.of("quote_fast_update")) == 2)
        client.say({"action": "unsubscribe_quote", "id": "f"})
        await client.until(lambda: len(client.of("unsubscribed")) == 2)
        client.say({"action": "subscribe_quote", "id": "q", "symbols": ["COINBASE:BTCUSD"]})
        await client.until(lambda: client.messages[-1].get("data") == {"bid": 2})
        assert [one["type"] for one in client.messages[-3:]] == ["unsubscribed", "quote_subscribed", "quote_update"]


NOWHERE = InstrumentId("NO-FEED")
"""Listed, and spelled by both, but no feed has it."""


def refusing(client: str) -> dict[str, Any]:
    """A bench of one dialect's clients over Liquidity's SSE, with an instrument that no feed has."""
    settings = over(LIQUIDITY, Transport.SSE, client)
    dialect = load_dialect(LIQUIDITY)
    entry = FeedEntry(
        name=FeedName(LIQUIDITY),
        dialect=dialect,
        symbols=SymbolTable(dialect.spelling, LISTED[LIQUIDITY]),
        globs=(),
        transport=Transport.SSE,
        account=None,
    )
    listed = {BTC: [entry.name], ONLY_HERE: [entry.name], NOWHERE: []}
    spelled = {LIQUIDITY: "NOWHERE", TRADINGVIEW: "X:NOWHERE"}[client]
    arbiter = Arbiter([entry], listed, strict=False, max_unlisted=0)
    return {**settings, "arbiter": arbiter, "aliases": {**LISTED[client], NOWHERE: spelled}}


UNTRANSLATED = {
    LIQUIDITY: ["NO:ASSET", "ONLY-LIQUIDITY", "NOWHERE", "UNLISTED"],
    TRADINGVIEW: ["ONLY", "ONLY-LIQUIDITY", "X:NOWHERE", "X:UNLISTED"],
}
"""No symbol of the vendor's; our id where the vendor has another word; one without a feed; one that no feed takes."""


def refused_by(bench: Bench, exchange: Exchange, refusal: Refusal | None) -> tuple[int, dict[str, Any]]:
    assert refusal is not None
    answer = refusal_answer(refusal, exchange.served)
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize(("dialect", "symbol"), [(one, symbol) for one in UNTRANSLATED for symbol in UNTRANSLATED[one]])
async def test_a_symbol_that_nobody_has_is_refused_alike_on_every_endpoint(autojump_clock, dialect, symbol):
    async with open_bench(**refusing(dialect)) as (bench, nursery):
        query = {LIQUIDITY: f"subscribe=quote:{symbol}", TRADINGVIEW: f"symbols={symbol}"}[dialect]
        exchange = bench.exchange("sse", query)
        client = bench.stream(nursery, exchange)
        await client.done.wait()
        told = [refused_by(bench, exchange, client.refused)]
        for endpoint in bench.served.dialect.endpoints:
            if endpoint.kind is EndpointKind.STATE and endpoint.name != "order":
                asked = bench.exchange("state", name=endpoint.name, segments={"id": symbol, "symbol": symbol})
                with pytest.raises(Refusal) as caught:
                    await state(bench.house, asked)
                told.append(refused_by(bench, asked, caught.value))
        assert len(told) == {LIQUIDITY: 3, TRADINGVIEW: 2}[dialect]
        for status, body in told:
            assert status == 404
            if dialect == LIQUIDITY:
                assert body == {"data": {}, "message": body["message"], "status": 404}
            else:
                assert body == {
                    "success": False,
                    "error": {"code": "INVALID_SYMBOL", "message": body["error"]["message"]},
                }

        client = websocket(bench, nursery)
        for message in {
            LIQUIDITY: [{"type": "subscribe", "channel": one, "symbol": symbol} for one in ("orderbook", "trades")],
            TRADINGVIEW: [
                {"action": "subscribe", "symbol": symbol},
                {"action": "subscribe", "symbol": symbol, "range": 5},
                {"action": "subscribe_quote", "symbols": ["COINBASE:BTCUSD", symbol]},
                {"action": "subscribe_quote_fast", "symbol": symbol},
            ],
        }[dialect]:
            seen = len(client.of("error"))
            client.say(message)
            await client.until(lambda seen=seen: len(client.of("error")) > seen)
        for error in client.of("error"):
            code, told_symbol = (
                (error["error"]["code"], error["error"]["symbol"]) if "error" in error else (error["code"], None)
            )
            assert code == {LIQUIDITY: "SUBSCRIPTION_FAILED", TRADINGVIEW: "INVALID_SYMBOL"}[dialect]
            assert told_symbol == (symbol if dialect == LIQUIDITY else None)
        assert client.closed is None


async def test_what_has_no_translation_or_cannot_be_made_is_refused_in_the_clients_own_words(autojump_clock):
    async with open_bench(**over(LIQUIDITY, Transport.WEBSOCKET, TRADINGVIEW)) as (bench, nursery):
        client = websocket(bench, nursery)
        for symbol in ("NASDAQ:NOPE", "ONLY", "ONLY-LIQUIDITY"):
            client.say({"action": "subscribe_quote", "id": symbol, "symbols": [symbol]})
        await client.until(lambda: len(client.of("error")) == 3)
        assert [(one["code"], one["id"]) for one in client.of("error")] == [
            ("INVALID_SYMBOL", "NASDAQ:NOPE"),
            ("INVALID_SYMBOL", "ONLY"),
            ("INVALID_SYMBOL", "ONLY-LIQUIDITY"),
        ]
        assert client.closed is None

    async with open_bench(**over(TRADINGVIEW, Transport.WEBSOCKET, LIQUIDITY)) as (bench, nursery):
        client = websocket(bench, nursery)
        client.say({"type": "subscribe", "channel": "trades", "symbol": "BTC-USD"})
        client.say({"type": "subscribe", "channel": "orderbook", "symbol": "NOPE"})
        await client.until(lambda: len(client.of("error")) == 2)
        assert [(one["error"]["code"], one["error"]["symbol"]) for one in client.of("error")] == [
            ("SUBSCRIPTION_FAILED", "BTC-USD"),
            ("SUBSCRIPTION_FAILED", "NOPE"),
        ]
        assert client.closed is None
