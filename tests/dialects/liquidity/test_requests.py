"""What Liquidity is sent, checked against its page and against an independent URL parser."""

from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.dialects.contract import Asked, Credential, Lane, Question, QuestionKind, Site, SymbolTable, Transport
from bridge.dialects.liquidity import DIALECT
from bridge.errors import ConfigError
from bridge.model import Topic
from tests.dialects.sample import FEED

SYMBOLS = SymbolTable(DIALECT.spelling, {"BTC-USD": {"sse": "BTC", "websocket": "BTC-USD", "rest": "BTC"}})
SITE = Site(url="https://api.stage.satschel.com")
TOKEN = Credential(token="t0ken")


def opening(transport: Transport, *topics: str, site: Site = SITE, credential: Credential | None = TOKEN):
    asked = Asked(FEED, Lane(transport), SYMBOLS)
    asked.add([Topic.parse(topic) for topic in topics])
    return DIALECT.requests(asked, site).open(credential, None)


def test_sse_asks_for_everything_in_its_query_as_the_page_prints_it():
    request = opening(Transport.SSE, "quote:AAPL", "book:AAPL", "trade:BTC-USD", "order")
    assert request.url == "https://api.stage.satschel.com/api/realtime?subscribe=quote:AAPL,book:AAPL,trade:BTC"
    assert request.method == "GET"
    assert set(request.headers) == {("Authorization", "Bearer t0ken"), ("Accept", "text/event-stream")}


def test_sse_for_orders_alone_subscribes_to_nothing():
    assert opening(Transport.SSE, "order").url == "https://api.stage.satschel.com/api/realtime"


def test_sse_without_a_token_shows_none():
    assert opening(Transport.SSE, "quote:AAPL", credential=None).headers == (("Accept", "text/event-stream"),)


def test_sse_escapes_what_a_query_cannot_hold():
    url = opening(Transport.SSE, "quote:A&B=C$", "trade:BRK/B").url
    assert parse_qs(urlsplit(url).query) == {"subscribe": ["quote:A&B=C$,trade:BRK/B"]}


def test_sse_path_is_the_installations():
    site = Site(url="https://h", realtime_path="/v1/realtime")
    assert opening(Transport.SSE, "quote:A", site=site).url == "https://h/v1/realtime?subscribe=quote:A"


@pytest.mark.parametrize(
    ("site", "url", "headers"),
    [
        (SITE, "wss://api.stage.satschel.com/ws", (("Authorization", "Bearer t0ken"),)),
        (Site(url="http://127.0.0.1:8080"), "ws://127.0.0.1:8080/ws", (("Authorization", "Bearer t0ken"),)),
        (Site(url="https://h", websocket_url="wss://w/x"), "wss://w/x", (("Authorization", "Bearer t0ken"),)),
        (Site(url="https://h", credential_place="query"), "wss://h/ws?token=t0ken", ()),
        (
            Site(url="https://h", websocket_url="wss://w/x?a=1", credential_place="query"),
            "wss://w/x?a=1&token=t0ken",
            (),
        ),
        (Site(url="https://h", credential_place="none"), "wss://h/ws", ()),
    ],
)
def test_a_websocket_shows_its_token_where_the_installation_says(site, url, headers):
    request = opening(Transport.WEBSOCKET, "book:BTC-USD", site=site)
    assert (request.url, request.headers) == (url, headers)


def test_a_place_for_the_token_that_is_none_is_a_config_error():
    with pytest.raises(ConfigError, match="credential_place"):
        opening(Transport.WEBSOCKET, site=Site(url="https://h", credential_place="cookie"))


def test_polling_opens_nothing():
    with pytest.raises(ValueError, match="polling"):
        opening(Transport.POLLING, "quote:AAPL")


def test_nothing_is_sent_on_an_open_sse_stream_and_no_ping_anywhere():
    for transport in (Transport.SSE, Transport.WEBSOCKET):
        requests = DIALECT.requests(Asked(FEED, Lane(transport), SYMBOLS), SITE)
        assert requests.ping() is None
    sse = DIALECT.requests(Asked(FEED, Lane(Transport.SSE), SYMBOLS), SITE)
    assert sse.subscribe([Topic.parse("quote:AAPL")]) == []
    assert sse.unsubscribe([Topic.parse("quote:AAPL")]) == []


def test_a_depth_is_asked_of_books_only():
    asked = Asked(FEED, Lane(Transport.WEBSOCKET), SYMBOLS, depth=50)
    requests = DIALECT.requests(asked, SITE)
    assert requests.subscribe([Topic.parse("book:BTC-USD"), Topic.parse("trade:AAPL")]) == [
        b'{"type":"subscribe","channel":"orderbook","symbol":"BTC-USD","depth":50}',
        b'{"type":"subscribe","channel":"trades","symbol":"AAPL"}',
    ]


@pytest.mark.parametrize(
    ("question", "path"),
    [
        (Question(kind=QuestionKind.QUOTE, instrument="BTC-USD"), "/v1/assets/BTC/quote"),
        (Question(kind=QuestionKind.BOOK, instrument="BRK/B"), "/v1/assets/BRK%2FB/book"),
        (Question(kind=QuestionKind.ORDER, order_id="ord_1/../2"), "/v1/orders/ord_1%2F..%2F2"),
    ],
)
def test_a_question_is_a_rest_request(question, path):
    site = Site(url="https://h", tenant_token="t3nant")
    request = DIALECT.question(question, SYMBOLS, site, TOKEN)
    assert (request.method, request.url) == ("GET", f"https://h{path}")
    assert {("Authorization", "Bearer t0ken"), ("tenant-authorization", "t3nant")} <= set(request.headers)


def test_rest_may_live_elsewhere_and_want_no_tenant():
    site = Site(url="https://h", rest_url="https://rest")
    request = DIALECT.question(Question(kind=QuestionKind.QUOTE, instrument="AAPL"), SYMBOLS, site, None)
    assert request.url == "https://rest/v1/assets/AAPL/quote"
    assert request.headers == (("Accept", "application/json"),)


@pytest.mark.parametrize(
    "question",
    [
        Question(kind=QuestionKind.BARS, instrument="AAPL"),
        Question(kind=QuestionKind.QUOTE, instrument="NASDAQ:AAPL"),
        Question(kind=QuestionKind.QUOTE),
        Question(kind=QuestionKind.ORDER),
    ],
)
def test_what_cannot_be_asked_is_none(question):
    assert DIALECT.question(question, SYMBOLS, SITE, TOKEN) is None
