"""Whole feeds over real sockets: literal bytes from the vendors' documents in, our events out."""

from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

import pytest
import trio

from bridge.clock import wall_clock
from bridge.dialects.contract import Outcome, Question, QuestionKind, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.errors import ConfigError
from bridge.model import (
    BookDelta,
    BookReplacement,
    BookSnapshot,
    Covered,
    FeedHealth,
    FeedName,
    FeedStatus,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Topic,
    Trade,
    Uncovered,
)
from bridge.upstream.feed import FeedTools, open_feed
from bridge.upstream.settings import FeedSettings, TokenSource
from tests.support.connections import FakeInterest
from tests.support.vendor import EVENT_STREAM, answer, chunk, open_vendor

QUOTE = (
    b'event: quote\ndata: {"assetId":"AAPL","last":249.93,"bid":249.87,"ask":250.01,"volume":979956,'
    b'"timestamp":"2026-03-19T00:34:44Z"}\n\n'
)
BOOK = (
    b'event: book\ndata: {"assetId":"AAPL","bids":[{"price":249.87,"size":100}],"asks":[{"price":250.01,"size":100}],'
    b'"timestamp":"2026-03-19T00:34:45Z"}\n\n'
)
ORDER = (
    b'event: order\ndata: {"orderId":"ord_a1b2c3d4e5f6","assetId":"AAPL","side":"BUY","orderType":"limit","quantity":10,'
    b'"filledQuantity":5,"averagePrice":249.90,"status":"PARTIALLY_FILLED","timestamp":"2026-03-19T00:35:02Z"}\n\n'
)


def a_trade(number: int) -> bytes:
    return (
        b'event: trade\ndata: {"assetId":"AAPL","tradeId":"trd_%d","price":249.93,"size":50,"side":"buy",'
        b'"timestamp":"2026-03-19T00:34:44Z"}\n\n' % number
    )


def topics(*names: str) -> list[Topic]:
    return [Topic.parse(name) for name in names]


class House:
    def __init__(self, *wanted: Topic) -> None:
        self.said = []
        self.interest = FakeInterest(*wanted)
        self._more = trio.Event()

    def publish(self, event) -> None:
        self.said.append(event)
        self._more.set()
        self._more = trio.Event()

    def of(self, kind):
        return [event for event in self.said if isinstance(event, kind)]

    async def until(self, true):
        while not true():
            await self._more.wait()


@asynccontextmanager
async def running(house, settings: FeedSettings, **aliases):
    dialect = load_dialect(settings.dialect)
    tools = FeedTools(publish=house.publish, interest=house.interest, clock=wall_clock, random=Random(1))
    symbols = SymbolTable(dialect.spelling, {InstrumentId(name): alias for name, alias in aliases.items()})
    with trio.fail_after(20):
        async with (
            open_feed(FeedName("vendor"), settings, dialect, symbols, tools) as feed,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(feed.run)
            yield feed
            nursery.cancel_scope.cancel()


async def test_liquidity_over_sse_is_subscribed_and_changed_by_opening_the_new_before_closing_the_old():
    async def first(call):
        await call.send(EVENT_STREAM + chunk(QUOTE + a_trade(1) + ORDER))
        await vendor.called(2)
        await call.send(chunk(a_trade(2)))
        await call.until_client_leaves()

    async def second(call):
        await call.send(EVENT_STREAM + chunk(a_trade(2) + a_trade(3) + BOOK))
        await call.until_client_leaves()

    order = Topic.parse("order")
    house = House(*topics("quote:AAPL", "trade:AAPL"), Topic(order.kind, scope="vendor/acme"))
    async with open_vendor(first, second) as vendor:
        settings = FeedSettings(dialect="liquidity", url=vendor.url, account="acme", token=TokenSource(value="secret"))
        async with running(house, settings) as feed:
            await house.until(lambda: house.of(OrderUpdate))
            assert vendor.calls[0].target == "/api/realtime?subscribe=quote:AAPL,trade:AAPL"
            assert vendor.calls[0].headers["authorization"] == "Bearer secret"
            (quote,) = house.of(QuotePatch)
            assert (quote.bid, quote.last, quote.instrument) == (Decimal("249.87"), Decimal("249.93"), "AAPL")
            assert house.of(OrderUpdate)[0].account == "vendor/acme"
            assert house.of(FeedStatus)[-1].status is FeedHealth.LIVE

            house.interest.set(*topics("trade:AAPL", "book:AAPL"))
            await vendor.calls[0].closed_by_client.wait()
            await house.until(lambda: len(house.of(Trade)) == 3)
            assert vendor.calls[1].target == "/api/realtime?subscribe=book:AAPL,trade:AAPL"
            assert [event.trade_id for event in house.of(Trade)] == ["trd_1", "trd_2", "trd_3"]
            assert len(house.of(BookReplacement)) == 1
            gone = {str(topic) for event in house.of(Uncovered) for topic in event.topics}
            assert gone == {"quote:AAPL", "order"}
            assert feed.statistics().overlaps_removed == 1
        await vendor.calls[1].closed_by_client.wait()


async def test_liquidity_over_websocket_is_subscribed_by_message_and_confirmed_by_the_pong_behind_it():
    async def script(call):
        await call.accept()
        heard = [await call.heard(), await call.heard()]
        assert heard == [
            '{"type":"subscribe","channel":"orderbook","symbol":"BTC-USD","depth":20}',
            '{"type":"subscribe","channel":"trades","symbol":"BTC-USD"}',
        ]
        await call.say(
            '{"type":"orderbook_snapshot","symbol":"BTC-USD","bids":[[83400,1.5],[83399,2.0]],'
            '"asks":[[83401,1.2],[83402,0.8]],"timestamp":1710807360}'
        )
        await call.say(
            '{"type":"orderbook_update","symbol":"BTC-USD","bids":[[83400,1.8]],"asks":[[83401,0]],"timestamp":1710807361}'
        )
        heard.append(await call.heard())
        assert heard[2] == '{"type":"unsubscribe","channel":"trades","symbol":"BTC-USD"}'
        await call.until_client_leaves()

    house = House(*topics("book:BTC-USD", "trade:BTC-USD"))
    async with open_vendor(script) as vendor:
        settings = FeedSettings(dialect="liquidity", url=vendor.url, transports=(Transport.WEBSOCKET,), book_depth=20)
        async with running(house, settings):
            await house.until(lambda: house.of(BookDelta))
            (snapshot,) = house.of(BookSnapshot)
            assert snapshot.bids == ((Decimal(83400), Decimal("1.5")), (Decimal(83399), Decimal("2.0")))
            await house.until(lambda: sum(len(event.topics) for event in house.of(Covered)) == 2)
            house.interest.set(*topics("book:BTC-USD"))
            await house.until(lambda: house.of(Uncovered))
            assert [event.topics for event in house.of(Uncovered)] == [tuple(topics("trade:BTC-USD"))]
            assert len(vendor.calls) == 1


async def test_tradingview_mints_its_token_and_streams_with_it():
    token = '{"success":true,"token":"aaa.bbb.ccc","sseUrl":"https://ws.tradingviewapi.com/sse/stream","expiresIn":"30 minutes"}'

    async def mint(call):
        assert call.request_line == "POST /api/token/generate HTTP/1.1"
        assert call.headers["x-rapidapi-key"] == "the-key"
        assert call.body == b"{}"
        await call.send(answer("200 OK", token.encode(), "Content-Type: application/json"))

    async def stream(call):
        await call.send(
            EVENT_STREAM
            + chunk(
                b'data: {"type":"connected","clientId":"sse_abc123","symbols":["NASDAQ:AAPL"],"timestamp":1234567890}\n\n'
                b": heartbeat\n\n"
                b'data: {"type":"quote_update","symbol":"NASDAQ:AAPL","data":{"lp":195.42},"timestamp":1234567891}\n\n'
            )
        )
        await call.until_client_leaves()

    house = House(*topics("quote:NASDAQ:AAPL"))
    async with open_vendor(mint, stream) as vendor:
        settings = FeedSettings(
            dialect="tradingview",
            url=vendor.url,
            token_url=f"{vendor.url}/api/token/generate",
            realtime_path="/sse/stream",
            api_key="the-key",
        )
        async with running(house, settings):
            await house.until(lambda: house.of(QuotePatch))
            assert vendor.calls[1].target == "/sse/stream?token=aaa.bbb.ccc&symbols=NASDAQ:AAPL&type=quote"
            assert house.of(QuotePatch)[0].last == Decimal("195.42")
            assert [type(event).__name__ for event in house.said][-3:] == ["FeedStatus", "Covered", "QuotePatch"]


async def test_liquidity_over_rest_is_polled_and_asked():
    body = (
        b'{"assetId":"AAPL","last":249.93,"open":252.61,"high":254.91,"low":249.01,"prevClose":254.23,"change":-4.30,'
        b'"changePercent":-1.69,"volume":979956,"timestamp":"2026-03-19T00:34:44Z"}'
    )

    async def script(call):
        known = call.target == "/v1/assets/AAPL/quote"
        await call.send(answer("200 OK", body) if known else answer("404 Not Found", b'{"message":"no such asset"}'))

    house = House(*topics("quote:AAPL"))
    async with open_vendor(script) as vendor:
        settings = FeedSettings(dialect="liquidity", url=vendor.url, transports=(Transport.POLLING,))
        async with running(house, settings) as feed:
            await house.until(lambda: house.of(QuotePatch))
            (quote,) = house.of(QuotePatch)
            assert (quote.full, quote.last, quote.change) == (True, Decimal("249.93"), Decimal("-4.30"))
            unknown = await feed.ask(Question(kind=QuestionKind.BOOK, instrument=InstrumentId("NONE")), 5)
            assert unknown.outcome is Outcome.UNKNOWN


async def test_a_transport_that_the_vendor_does_not_speak_is_a_mistake_in_the_configuration():
    house = House()
    settings = FeedSettings(dialect="tradingview", url="http://127.0.0.1:1", transports=(Transport.POLLING,))
    with pytest.raises(ConfigError, match=r"feeds\.vendor\.transports: tradingview does not speak polling"):
        async with running(house, settings):
            pass
