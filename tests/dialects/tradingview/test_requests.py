"""What a session sends: where it connects, how it groups quotes, what it asks over REST."""

import json

import pytest

from bridge.dialects.contract import Asked, Credential, Lane, Question, QuestionKind, Site, SymbolTable, Transport
from bridge.dialects.tradingview import DIALECT
from bridge.model import FeedName, InstrumentId, Interval, Topic

VENDOR = Site(url="https://ws.tradingviewapi.com", api_key="k3y")
WS = Lane(Transport.WEBSOCKET)


def asked(lane: Lane, *topics: Topic) -> Asked:
    made = Asked(FeedName("f"), lane, SymbolTable(DIALECT.spelling, {InstrumentId("BTC-USD"): "COINBASE:BTCUSD"}))
    made.add(topics)
    return made


def quotes(count: int, start: int = 0) -> list[Topic]:
    return [Topic.parse(f"quote:X:S{number}") for number in range(start, start + count)]


def bars(count: int) -> list[Topic]:
    return [Topic.parse(f"bar.5m:X:B{number}") for number in range(count)]


def websocket_url(site: Site, told: str | None) -> str:
    credential = Credential(token="t/k", websocket_url=told)
    return DIALECT.requests(asked(WS), site).open(credential, None).url


def sse_url(site: Site, told: str | None) -> str:
    lane = Lane(Transport.SSE, "quote")
    return DIALECT.requests(asked(lane, *quotes(1)), site).open(Credential(token="t", sse_url=told), None).url


def test_a_websocket_goes_where_the_vendor_says_with_the_token_added_once():
    assert websocket_url(VENDOR, "wss://eu.tradingviewapi.com/ws") == "wss://eu.tradingviewapi.com/ws?token=t%2Fk"
    assert websocket_url(VENDOR, "wss://eu.tradingviewapi.com/ws?token=x") == "wss://eu.tradingviewapi.com/ws?token=x"
    assert (
        websocket_url(VENDOR, "wss://eu.tradingviewapi.com/ws?v=2") == "wss://eu.tradingviewapi.com/ws?v=2&token=t%2Fk"
    )


@pytest.mark.parametrize(
    "told",
    [
        None,
        "ws://localhost:8080",
        "wss://localhost:8080/ws",
        "wss://127.0.0.1/ws",
        "wss://10.1.2.3/ws",
        "wss://[::1]/ws",
        "wss://printer.local/ws",
        "wss://intranet/ws",
        "ws://eu.tradingviewapi.com/ws",
        "javascript:alert(1)",
        "wss://[bad/ws",
        "",
    ],
)
def test_a_told_address_that_is_not_public_or_not_encrypted_is_not_followed(told):
    assert websocket_url(VENDOR, told) == "wss://ws.tradingviewapi.com/ws?token=t%2Fk"


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"])
def test_a_site_on_this_machine_may_point_to_this_machine(host):
    site = Site(url=f"http://{host}")
    assert websocket_url(site, "ws://localhost:9001/ws") == "ws://localhost:9001/ws?token=t%2Fk"
    assert websocket_url(site, None) == f"ws://{host}/ws?token=t%2Fk"
    assert sse_url(site, "http://127.0.0.1:9001/sse/stream").startswith("http://127.0.0.1:9001/sse/stream?token=t&")


def test_the_operators_addresses_come_before_the_vendors():
    site = Site(url="https://v.example", websocket_url="wss://own.example/x", realtime_path="/own/stream")
    assert websocket_url(site, "wss://eu.tradingviewapi.com/ws") == "wss://own.example/x?token=t%2Fk"
    assert sse_url(site, "https://eu.tradingviewapi.com/sse").startswith(
        "https://v.example/own/stream?token=t&symbols=X:S0&"
    )


def test_the_token_may_go_in_a_header_or_nowhere():
    header = Site(url="https://v.example", credential_place="header")
    request = DIALECT.requests(asked(WS), header).open(Credential(token="t"), None)
    assert (request.url, request.headers) == ("wss://v.example/ws", (("Authorization", "Bearer t"),))
    nowhere = Site(url="https://v.example", credential_place="none")
    request = DIALECT.requests(asked(WS), nowhere).open(Credential(token="t"), None)
    assert (request.url, request.headers) == ("wss://v.example/ws", ())


def test_without_a_credential_there_is_no_token():
    lane = Lane(Transport.SSE, "quote")
    assert "token" not in DIALECT.requests(asked(lane, *quotes(1)), VENDOR).open(None, None).url


def test_a_stream_resumes_by_its_last_id_and_asks_for_each_symbol_once():
    lane = Lane(Transport.SSE, "quote")
    made = asked(lane, Topic.parse("quote:BTC-USD"), Topic.parse("quote:A:M&M"))
    request = DIALECT.requests(made, VENDOR).open(Credential(token="t"), "41")
    assert ("Last-Event-ID", "41") in request.headers
    assert ("Accept", "text/event-stream") in request.headers
    assert "symbols=COINBASE:BTCUSD,A:M%26M&type=quote" in request.url
    assert not any(name == "Last-Event-ID" for name, _ in DIALECT.requests(made, VENDOR).open(None, None).headers)


class Vendor:
    """Holds what a client's texts leave subscribed, and the limits: ten subscriptions, ten symbols each."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, list[str]] = {}

    def hear(self, texts: list[bytes]) -> None:
        for text in texts:
            message = json.loads(text)
            if message["action"].startswith("unsubscribe"):
                del self.subscriptions[message["id"]]
                continue
            assert message["id"] not in self.subscriptions
            self.subscriptions[message["id"]] = message.get("symbols") or [message["symbol"]]
            assert len(self.subscriptions[message["id"]]) <= 10
            assert len(self.subscriptions) <= 10

    @property
    def symbols(self) -> list[str]:
        return sorted(symbol for symbols in self.subscriptions.values() for symbol in symbols)


def session(*topics: Topic):
    made = asked(WS, *topics)
    requests = DIALECT.requests(made, VENDOR)
    vendor = Vendor()
    vendor.hear(requests.subscribe(made.topics))
    return made, requests, vendor


def test_quotes_are_grouped_by_ten():
    _, _, vendor = session(*quotes(25), *bars(2))
    assert sorted(map(len, vendor.subscriptions.values())) == [1, 1, 5, 10, 10]


def test_a_new_quote_gets_a_group_of_its_own_while_there_is_room():
    made, requests, vendor = session(*quotes(3))
    made.add(quotes(1, start=3))
    texts = requests.subscribe(quotes(1, start=3))
    assert [json.loads(text)["action"] for text in texts] == ["subscribe_quote"]
    vendor.hear(texts)
    assert len(vendor.symbols) == 4


def test_a_connection_holds_all_it_may_however_its_quotes_came():
    made, requests, vendor = session(*bars(3))
    for number in range(70):
        made.add(quotes(1, start=number))
        vendor.hear(requests.subscribe(quotes(1, start=number)))
    assert vendor.symbols == sorted([f"X:S{number}" for number in range(70)] + [f"X:B{number}" for number in range(3)])
    assert len(vendor.subscriptions) == DIALECT.subscriptions(made.topics, Transport.WEBSOCKET) == 10


def test_a_quote_that_goes_leaves_the_rest_of_its_group_subscribed():
    made, requests, vendor = session(*quotes(12), *bars(1))
    gone = [quotes(12)[3], *bars(1)]
    made.discard(gone)
    vendor.hear(requests.unsubscribe(gone))
    assert vendor.symbols == sorted(f"X:S{number}" for number in range(12) if number != 3)


def test_the_last_quote_of_a_group_ends_it():
    made, requests, vendor = session(*quotes(1))
    made.discard(quotes(1))
    texts = requests.unsubscribe(quotes(1))
    assert len(texts) == 1
    vendor.hear(texts)
    assert vendor.subscriptions == {}


def test_after_a_reset_everything_is_asked_for_again_within_the_limit():
    made, requests, vendor = session(*quotes(95))
    vendor.subscriptions.clear()
    vendor.hear(requests.subscribe(made.topics))
    assert len(vendor.symbols) == 95


def test_a_bar_is_asked_for_in_the_vendors_words_and_under_an_id_that_tells_it():
    made = asked(WS, Topic.parse("bar.1d:BTC-USD"))
    (text,) = DIALECT.requests(made, VENDOR).subscribe(made.topics)
    assert json.loads(text) == {
        "action": "subscribe",
        "id": "bar.1d:COINBASE:BTCUSD",
        "symbol": "COINBASE:BTCUSD",
        "timeframe": "D",
    }


def test_only_a_websocket_pings():
    assert json.loads(DIALECT.requests(asked(WS), VENDOR).ping()) == {"action": "ping"}
    assert DIALECT.requests(asked(Lane(Transport.SSE, "quote")), VENDOR).ping() is None


def ask(question: Question, site: Site = VENDOR):
    table = SymbolTable(DIALECT.spelling, {InstrumentId("BTC-USD"): {"rest": "COINBASE:BTCUSD"}})
    return DIALECT.question(question, table, site, Credential(token="t"))


def test_a_quote_is_asked_of_the_vendors_rest_host_with_the_key():
    request = ask(Question(kind=QuestionKind.QUOTE, instrument=InstrumentId("BTC-USD")))
    assert (request.method, request.url) == ("GET", "https://api.tradingviewapi.com/api/quote/COINBASE:BTCUSD")
    assert ("X-RapidAPI-Key", "k3y") in request.headers
    assert not any(value == "t" or "Bearer" in value for _, value in request.headers)


def test_bars_are_asked_within_the_vendors_bound():
    site = Site(url="http://127.0.0.1:9", rest_url="https://r.example", api_key="k", token_auth="bearer")
    question = Question(kind=QuestionKind.BARS, instrument=InstrumentId("A:M&M"), interval=Interval.H4, limit=9_999)
    request = ask(question, site)
    assert request.url == "https://r.example/api/price/ohlcv/A:M%26M?timeframe=240&range=500"
    assert ("Authorization", "Bearer k") in request.headers


def test_another_site_is_asked_where_it_streams():
    request = ask(
        Question(kind=QuestionKind.QUOTE, instrument=InstrumentId("A:B")), Site(url="http://localhost:9", api_key="k")
    )
    assert request.url == "http://localhost:9/api/quote/A:B"


@pytest.mark.parametrize(
    ("question", "site"),
    [
        (Question(kind=QuestionKind.BOOK, instrument=InstrumentId("A:B")), VENDOR),
        (Question(kind=QuestionKind.ORDER, order_id="1"), VENDOR),
        (Question(kind=QuestionKind.BARS, instrument=InstrumentId("A:B")), VENDOR),
        (Question(kind=QuestionKind.QUOTE, instrument=InstrumentId("AAPL")), VENDOR),
        (Question(kind=QuestionKind.QUOTE, instrument=InstrumentId("A:B")), Site(url="https://v.example")),
    ],
)
def test_what_the_vendor_cannot_be_asked_is_not_asked(question, site):
    assert ask(question, site) is None


def test_a_stream_carries_ten_symbols_of_quotes_or_of_candles():
    limit = DIALECT.profile.transports[Transport.SSE].subscriptions_per_connection
    assert (
        limit
        == DIALECT.subscriptions(quotes(10), Transport.SSE)
        == DIALECT.subscriptions(bars(10), Transport.SSE)
        == 10
    )


@pytest.mark.parametrize(
    "told",
    [
        "wss://evil.example/ws",
        "wss://tradingviewapi.com.evil.example/ws",
        "wss://eviltradingviewapi.com/ws",
        "wss://ws.tradingviewapi.com@evil.example/ws",
        "wss://user:p@eu.tradingviewapi.com/ws",
    ],
)
def test_a_told_address_of_another_house_is_not_followed(told):
    assert websocket_url(VENDOR, told) == "wss://ws.tradingviewapi.com/ws?token=t%2Fk"
    own = Site(url="https://stream.example", token_url="https://mint.example/token")
    assert websocket_url(own, told) == "wss://stream.example/ws?token=t%2Fk"
    assert websocket_url(own, "wss://eu.tradingviewapi.com/ws") == "wss://stream.example/ws?token=t%2Fk"
    assert websocket_url(own, "wss://mint.example/ws") == "wss://mint.example/ws?token=t%2Fk"
