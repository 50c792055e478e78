"""What the vendor's streaming page prints, held to the page where it is at hand, and to what we send and say."""

import json
import re

import pytest

from bridge.dialects.contract import (
    Asked,
    Credential,
    EndpointKind,
    Lane,
    Request,
    Site,
    SymbolTable,
    Transport,
)
from bridge.dialects.tradingview import DIALECT
from bridge.model import FeedName, Stream, Topic, UnixNanos, Verdict
from tests.dialects.exact import exact_json
from tests.dialects.tradingview.samples import DOC_CONNECTED, PRINTED

PAGE = "tradingview-000"
SSE = next(endpoint for endpoint in DIALECT.endpoints if endpoint.kind is EndpointKind.SSE)
SITE = Site(url="https://ws.tradingviewapi.com", api_key="YOUR_RAPIDAPI_KEY")


def symbols() -> SymbolTable:
    return SymbolTable(DIALECT.spelling, {})


def test_the_printed_messages_stand_on_the_page_word_for_word(vendor_page):
    page = vendor_page(PAGE)
    for message in PRINTED:
        assert message.decode() in page


def test_no_printed_message_is_missing_from_the_samples(vendor_page):
    found = re.findall(r"^\{\n.*?^\}$", vendor_page(PAGE), re.MULTILINE | re.DOTALL)
    assert [json.loads(block) for block in found] == [json.loads(message) for message in PRINTED]


def test_the_token_request_has_the_printed_address_headers_and_body(vendor_page):
    page = vendor_page(PAGE)
    request = DIALECT.mint(SITE)
    assert f"fetch('{request.url}'" in page
    assert f"method: '{request.method}'" in page
    for name, value in request.headers:
        assert f"'{name}': '{value}'" in page
    assert len(request.headers) == page.split("headers: {")[1].split("}")[0].count("': '")
    assert request.body == b"{}"


def test_the_stream_is_opened_as_the_page_opens_it():
    asked = Asked(FeedName("f"), Lane(Transport.SSE, "quote"), symbols())
    asked.add([Topic.parse(f"quote:{s}") for s in ("NASDAQ:AAPL", "NYSE:TSLA", "BINANCE:BTCUSDT")])
    credential = Credential(token="TOKEN", sse_url="https://ws.tradingviewapi.com/sse/stream")
    request = DIALECT.requests(asked, SITE).open(credential, None)
    assert request.url == (
        "https://ws.tradingviewapi.com/sse/stream?token=TOKEN&symbols=NASDAQ:AAPL,NYSE:TSLA,BINANCE:BTCUSDT&type=quote"
    )


def test_candles_are_opened_as_the_page_opens_them():
    asked = Asked(FeedName("f"), Lane(Transport.SSE, "price", "5"), symbols())
    asked.add([Topic.parse("bar.5m:BINANCE:BTCUSDT")])
    request = DIALECT.requests(asked, SITE).open(Credential(token="TOKEN"), None)
    assert request.url.endswith("/sse/stream?token=TOKEN&symbols=BINANCE:BTCUSDT&type=price&timeframe=5")


def test_the_greeting_is_the_printed_one_but_for_the_client_id():
    conversation = DIALECT.conversation(Transport.SSE, symbols())
    request = Request(endpoint=SSE, query={"token": ["x"], "symbols": ["NASDAQ:AAPL,NYSE:TSLA"]})
    (subscribe,) = conversation.open(request)
    stream = Stream(
        at="epoch1-7",
        stream="unguessable",
        verdict=Verdict.FRESH,
        topics=tuple(map(str, subscribe.topics)),
        limits={},
        ts_recv=UnixNanos(1234567890_999_999_999),
    )
    (message,) = conversation.stream(stream)
    said = exact_json(message.data)
    assert said.pop("clientId").startswith("sse_")
    printed = exact_json(DOC_CONNECTED)
    del printed["clientId"]
    assert said == printed
    assert (message.event, message.id) == ("", "7")
    assert b"unguessable" not in message.data


@pytest.mark.parametrize(
    ("query", "topics"),
    [
        ({"symbols": ["NASDAQ:AAPL,NYSE:TSLA"]}, ["quote:NASDAQ:AAPL", "quote:NYSE:TSLA"]),
        ({"symbols": ["NASDAQ:AAPL"], "type": ["quote"]}, ["quote:NASDAQ:AAPL"]),
        ({"symbols": ["BINANCE:BTCUSDT"], "type": ["price"]}, ["bar.5m:BINANCE:BTCUSDT"]),
        ({"symbols": ["BINANCE:BTCUSDT"], "type": ["price"], "timeframe": ["D"]}, ["bar.1d:BINANCE:BTCUSDT"]),
        ({"symbols": ["BINANCE:BTCUSDT"], "type": ["quote"], "timeframe": ["7"]}, ["quote:BINANCE:BTCUSDT"]),
    ],
)
def test_the_printed_parameters_are_understood(query, topics):
    (subscribe,) = DIALECT.conversation(Transport.SSE, symbols()).open(Request(endpoint=SSE, query=query))
    assert [str(topic) for topic in subscribe.topics] == topics
    assert subscribe.after is None


def test_the_page_names_our_timeframes(vendor_page):
    (listed,) = re.findall(r"Multiple timeframes \((.*?)\)", vendor_page(PAGE))
    lanes = [
        DIALECT.lane(Topic.parse(f"bar.{i}:A:B"), Transport.SSE)
        for i in ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1mo")
    ]
    assert [lane.timeframe for lane in lanes] == listed.split(", ")


def test_the_endpoints_are_those_of_the_page(vendor_page):
    page = vendor_page(PAGE)
    mint = next(one for one in DIALECT.endpoints if one.kind is EndpointKind.MINT)
    assert (mint.method, mint.path) == ("POST", "/api/token/generate")
    assert f"https://api.tradingviewapi.com{mint.path}" in page
    assert f"GET https://ws.tradingviewapi.com{SSE.path}?" in page
