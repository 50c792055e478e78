"""The server's side of the vendor's protocol, told as its clients would see it."""

import json
from collections.abc import Sequence
from decimal import Decimal

import pytest

from bridge.dialects.contract import (
    Action,
    Asked,
    Endpoint,
    EndpointKind,
    Frame,
    Lane,
    Message,
    Refusal,
    Renew,
    Reply,
    Request,
    Subscribe,
    SymbolTable,
    Transport,
    Unsubscribe,
)
from bridge.dialects.tradingview import DIALECT
from bridge.dialects.tradingview.encode import DOCUMENTED, FAST, ORDINARY, Voice
from bridge.model import SECONDS, Bar, Code, FeedName, Goaway, InstrumentId, Problem, Retry, Topic, UnixNanos

NOW = UnixNanos(1710807361 * SECONDS + 999)
SSE = Endpoint(kind=EndpointKind.SSE, path="/sse/stream")
TABLE = SymbolTable(DIALECT.spelling, {InstrumentId("BTC-USD"): "COINBASE:BTCUSD"})


def problem(code: Code, topic: str | None = None, ref: str | None = None) -> Problem:
    return Problem(at="e-1", code=code, message="sorry", retry=Retry.NO, ts_recv=NOW, topic=topic, ref=ref)


class Client:
    """A WebSocket client over a conversation, with a transport between that grants everything."""

    def __init__(self) -> None:
        self.conversation = DIALECT.conversation(Transport.WEBSOCKET, TABLE)
        self.topics: set[Topic] = set()

    def say(self, **message: object) -> list[dict]:
        said: list[Message] = []
        actions: Sequence[Action] = ()
        try:
            actions = self.conversation.receive(json.dumps(message), NOW)
        except Refusal as refusal:
            said.extend(self.conversation.problem(problem(refusal.code, refusal.topic, refusal.ref)))
        for action in actions:
            match action:
                case Subscribe():
                    self.topics |= set(action.topics)
                    said.extend(self.conversation.subscribed(action, action.topics, "e-1", NOW))
                case Unsubscribe():
                    self.topics -= set(action.topics)
                    said.extend(self.conversation.unsubscribed(action, action.topics, "e-1", NOW))
                case Reply():
                    said.extend(action.messages)
        return [json.loads(one.data) for one in said]

    @property
    def held(self) -> list[str]:
        return sorted(map(str, self.topics))

    @property
    def listed(self) -> dict[str, list[str]]:
        (status,) = self.say(action="status")
        return {one["id"]: one["symbols"] for one in status["subscriptions"]}


def test_a_websocket_is_greeted_at_once_and_nothing_is_subscribed():
    conversation = DIALECT.conversation(Transport.WEBSOCKET, TABLE)
    assert conversation.open(Request(endpoint=Endpoint(kind=EndpointKind.WEBSOCKET, path="/ws"))) == ()
    (message,) = conversation.greeting(NOW)
    said = json.loads(message.data)
    assert said.pop("clientId").startswith("ws_")
    assert said == {"type": "connected", "timestamp": 1710807361}


def test_candles_are_subscribed_under_the_clients_id():
    client = Client()
    assert client.say(action="subscribe", id="price_btc", symbol="COINBASE:BTCUSD", timeframe="60") == [
        {
            "type": "subscribed",
            "id": "price_btc",
            "symbol": "COINBASE:BTCUSD",
            "timeframe": "60",
            "timestamp": 1710807361,
        }
    ]
    assert client.held == ["bar.1h:BTC-USD"]
    assert client.say(action="unsubscribe", id="price_btc") == [
        {"type": "unsubscribed", "id": "price_btc", "timestamp": 1710807361}
    ]
    assert client.held == []
    assert client.listed == {}


def candle(minute: int, close: str, *, final: bool) -> Bar:
    prices = {name: Decimal(value) for name, value in zip(("open", "high", "low"), ("10", "12.50", "9"), strict=True)}
    opened = UnixNanos(NOW - NOW % (60 * SECONDS) + minute * 60 * SECONDS)
    about = {"instrument": InstrumentId("BTC-USD"), "feed": FeedName("f"), "ts_recv": NOW}
    return Bar(**about, interval="1m", ts_open=opened, **prices, close=Decimal(close), volume=None, is_final=final)


def test_a_range_asks_for_so_many_candles_of_the_past_and_they_are_told_newest_first():
    conversation = DIALECT.conversation(Transport.WEBSOCKET, TABLE)
    asked = {"action": "subscribe", "id": "p", "symbol": "COINBASE:BTCUSD", "timeframe": "1", "range": 2}
    (action,) = conversation.receive(json.dumps(asked), NOW)
    assert action.history == 2
    past = (candle(0, "11.0", final=True), candle(1, "12", final=False))
    assert conversation.history(action, past, NOW) == (), "nobody has accepted it"
    (subscribed,) = conversation.subscribed(action, action.topics, "e-1", NOW)
    assert json.loads(subscribed.data)["type"] == "subscribed"
    (message,) = conversation.history(action, past, NOW)
    history = json.loads(message.data)
    first = NOW // SECONDS // 60 * 60
    figures = {"open": 10, "max": 12.5, "min": 9}
    assert history == {
        "type": "history",
        "id": "p",
        "symbol": "COINBASE:BTCUSD",
        "periods": [{"time": first + 60, **figures, "close": 12}, {"time": first, **figures, "close": 11.0}],
        "timestamp": 1710807361,
    }


def test_the_past_of_a_subscription_that_was_dropped_is_not_told():
    conversation = DIALECT.conversation(Transport.WEBSOCKET, TABLE)
    (action,) = conversation.receive(json.dumps({"action": "subscribe", "id": "p", "symbol": "A:B", "range": 2}), NOW)
    conversation.subscribed(action, action.topics, "e-1", NOW)
    (drop,) = conversation.receive(json.dumps({"action": "unsubscribe", "id": "p"}), NOW)
    conversation.unsubscribed(drop, drop.topics, "e-1", NOW)
    assert conversation.history(action, (candle(0, "11", final=True),), NOW) == ()


def test_a_fast_quote_is_a_subscription_of_a_kind_of_its_own():
    client = Client()
    (told,) = client.say(action="subscribe_quote_fast", symbol="NASDAQ:AAPL")
    assert told == {
        "type": "quote_subscribed",
        "id": "quote_fast_1",
        "symbols": ["NASDAQ:AAPL"],
        "timestamp": 1710807361,
    }
    client.say(action="subscribe_quote", id="q", symbols=["NASDAQ:AAPL", "A:B"])
    (status,) = client.say(action="status")
    assert [(one["id"], one["type"]) for one in status["subscriptions"]] == [
        ("quote_fast_1", "quote_fast"),
        ("q", "quote"),
    ]
    assert client.conversation.wordings() == {Topic.parse("quote:NASDAQ:AAPL"): (FAST, ORDINARY)}
    client.say(action="unsubscribe_quote", id="q")
    assert client.conversation.wordings() == {Topic.parse("quote:NASDAQ:AAPL"): (FAST,)}
    assert [one["id"] for one in client.say(action="unsubscribe_quote")] == ["quote_fast_1"]
    assert (client.conversation.wordings(), client.held) == ({}, [])


@pytest.mark.parametrize(("given", "bars"), [(None, 0), (0, 0), (-5, 0), (10, 10), (100_000, 500)])
def test_a_range_is_bounded_as_the_vendors_rest_is(given, bars):
    conversation = DIALECT.conversation(Transport.WEBSOCKET, TABLE)
    (action,) = conversation.receive(json.dumps({"action": "subscribe", "symbol": "A:B", "range": given}), NOW)
    assert action.history == bars


def test_what_the_server_half_tells_of_the_past_the_client_half_reads():
    past = [candle(minute, str(minute), final=True) for minute in range(3)]
    voice = Voice(Transport.WEBSOCKET, DOCUMENTED)
    said = voice.history("bar.1m:COINBASE:BTCUSD", "COINBASE:BTCUSD", past, NOW).data
    asked = Asked(FeedName("f"), Lane(Transport.WEBSOCKET), TABLE)
    asked.add([Topic.parse("bar.1m:BTC-USD")])
    bars = DIALECT.decoder(asked).decode(Frame(data=said, ts_recv=NOW))
    assert [(bar.ts_open, bar.close, bar.is_final) for bar in bars] == [
        (one.ts_open, one.close, True if one is not past[-1] else None) for one in past
    ]


def test_quotes_are_subscribed_as_one_subscription():
    client = Client()
    said = client.say(action="subscribe_quote", id="q", symbols=["NASDAQ:AAPL", "NYSE-TSLA", "NASDAQ:AAPL"])
    assert said == [
        {"type": "quote_subscribed", "id": "q", "symbols": ["NASDAQ:AAPL", "NYSE:TSLA"], "timestamp": 1710807361}
    ]
    (status,) = client.say(action="status")
    assert status == {
        "type": "status",
        "subscriptions": [{"id": "q", "type": "quote", "symbols": ["NASDAQ:AAPL", "NYSE:TSLA"]}],
        "timestamp": 1710807361,
    }


def test_a_subscription_without_an_id_gets_one_that_is_good_for_leaving():
    client = Client()
    ids = [client.say(action="subscribe_quote", symbols=f"A:B{n}")[0]["id"] for n in range(2)]
    ids += [client.say(action="subscribe", symbol="A:B")[0]["id"]]
    assert len(set(ids)) == 3
    client.say(action="unsubscribe_quote", id=ids[0])
    assert client.held == ["bar.5m:A:B", "quote:A:B1"]


def test_an_unsubscribe_without_an_id_drops_all_of_its_kind():
    client = Client()
    client.say(action="subscribe", id="a", symbol="A:B")
    client.say(action="subscribe", id="b", symbol="A:C")
    client.say(action="subscribe_quote", id="q", symbols="A:B")
    assert [one["id"] for one in client.say(action="unsubscribe")] == ["a", "b"]
    assert client.held == ["quote:A:B"]


def test_a_topic_held_twice_goes_with_the_last():
    client = Client()
    client.say(action="subscribe_quote", id="one", symbols=["A:B", "A:C"])
    client.say(action="subscribe_quote", id="two", symbols=["A:C", "A:D"])
    client.say(action="unsubscribe_quote", id="one")
    assert client.held == ["quote:A:C", "quote:A:D"]
    client.say(action="unsubscribe_quote", id="two")
    assert client.held == []


def test_the_same_subscribe_again_is_answered_again_and_counts_once():
    client = Client()
    first = client.say(action="subscribe", id="a", symbol="A:B")
    assert client.say(action="subscribe", id="a", symbol="A:B") == first
    assert client.listed == {"a": ["A:B"]}


def test_the_eleventh_subscription_is_refused_and_the_connection_lives_on():
    client = Client()
    for number in range(10):
        client.say(action="subscribe", id=f"s{number}", symbol=f"A:B{number}")
    (error,) = client.say(action="subscribe_quote", id="eleven", symbols="A:B")
    assert error == {
        "type": "error",
        "code": "SUBSCRIPTION_LIMIT",
        "message": "sorry",
        "id": "eleven",
        "timestamp": 1710807361,
    }
    client.say(action="unsubscribe", id="s0")
    assert client.say(action="subscribe_quote", id="eleven", symbols="A:B")[0]["type"] == "quote_subscribed"


def test_ten_quotes_a_subscription_and_no_more():
    client = Client()
    ten = [f"A:B{number}" for number in range(10)]
    assert client.say(action="subscribe_quote", id="q", symbols=[*ten, "A:B10"])[0]["code"] == "SUBSCRIPTION_LIMIT"
    assert client.held == []
    assert client.say(action="subscribe_quote", id="q", symbols=ten)[0]["type"] == "quote_subscribed"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"action": "dance", "id": "x"}, "INVALID_PARAMETERS"),
        ({"id": "x"}, "INVALID_PARAMETERS"),
        ({"action": "subscribe", "id": "x"}, "INVALID_PARAMETERS"),
        ({"action": "subscribe", "id": "x", "symbol": "AAPL"}, "INVALID_SYMBOL"),
        ({"action": "subscribe", "id": "x", "symbol": "A:B", "timeframe": "7"}, "INVALID_PARAMETERS"),
        ({"action": "subscribe_quote", "id": "x"}, "INVALID_PARAMETERS"),
        ({"action": "subscribe_quote", "id": "x", "symbols": []}, "INVALID_PARAMETERS"),
        ({"action": "subscribe_quote", "id": "x", "symbols": ["A:B", "AAPL"]}, "INVALID_SYMBOL"),
        ({"action": "unsubscribe", "id": "x"}, "INVALID_PARAMETERS"),
        ({"action": "unsubscribe_quote", "id": "price"}, "INVALID_PARAMETERS"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(message, code):
    client = Client()
    client.say(action="subscribe", id="price", symbol="A:B")
    conversation = client.conversation
    with pytest.raises(Refusal) as caught:
        conversation.receive(json.dumps(message), NOW)
    (told,) = conversation.problem(problem(caught.value.code, caught.value.topic, caught.value.ref))
    said = json.loads(told.data)
    assert (said["code"], said["id"]) == (code, message["id"])
    assert client.listed == {"price": ["A:B"]}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", b"\xff", '{"action":5}', '{"action":"subscribe","symbol":7}', "[" * 100_000]
)
def test_what_is_no_message_is_refused(text):
    with pytest.raises(Refusal) as caught:
        DIALECT.conversation(Transport.WEBSOCKET, TABLE).receive(text, NOW)
    assert caught.value.code is Code.BAD_REQUEST


def test_an_id_in_use_names_one_thing():
    client = Client()
    client.say(action="subscribe", id="a", symbol="A:B")
    assert client.say(action="subscribe", id="a", symbol="A:C")[0]["code"] == "INVALID_PARAMETERS"
    assert client.say(action="subscribe_quote", id="a", symbols="A:B")[0]["code"] == "INVALID_PARAMETERS"
    assert client.held == ["bar.5m:A:B"]


def test_a_refused_topic_leaves_its_subscription_and_an_empty_one_is_none():
    client = Client()
    client.say(action="subscribe_quote", id="q", symbols=["A:B", "A:C"])
    client.say(action="subscribe", id="p", symbol="COINBASE:BTCUSD")
    (told,) = client.conversation.problem(problem(Code.UNKNOWN_INSTRUMENT, "quote:A:B"))
    assert json.loads(told.data)["symbol"] == "A:B"
    (told,) = client.conversation.problem(problem(Code.FORBIDDEN, "bar.5m:BTC-USD"))
    assert json.loads(told.data)["symbol"] == "COINBASE:BTCUSD"
    assert client.listed == {"q": ["A:C"]}


def test_a_full_quota_upstream_leaves_the_topic_where_it_is():
    client = Client()
    client.say(action="subscribe_quote", id="q", symbols="A:B")
    client.conversation.problem(problem(Code.UPSTREAM_FULL, "quote:A:B"))
    assert client.listed == {"q": ["A:B"]}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, Code.BAD_REQUEST),
        ({"symbols": [" , "]}, Code.BAD_REQUEST),
        ({"symbols": ["AAPL"]}, Code.UNKNOWN_INSTRUMENT),
        ({"symbols": ["A:B"], "type": ["trade"]}, Code.BAD_REQUEST),
        ({"symbols": ["A:B"], "type": ["price"], "timeframe": ["7"]}, Code.BAD_REQUEST),
        ({"symbols": [",".join(f"A:B{n}" for n in range(11))]}, Code.TOO_MANY_SUBSCRIPTIONS),
    ],
)
def test_a_wrong_stream_request_is_refused(query, code):
    with pytest.raises(Refusal) as caught:
        DIALECT.conversation(Transport.SSE, TABLE).open(Request(endpoint=SSE, query=query))
    assert caught.value.code is code


def test_ten_symbols_fit_one_stream():
    query = {"symbols": [",".join(f"A:B{n}" for n in range(10)) + ",A:B0"]}
    (subscribe,) = DIALECT.conversation(Transport.SSE, TABLE).open(Request(endpoint=SSE, query=query))
    assert len(subscribe.topics) == 10


def test_an_integer_id_is_no_cursor_and_the_stream_begins_fresh():
    request = Request(endpoint=SSE, query={"symbols": ["A:B"]}, headers={"last-event-id": "41"})
    (subscribe,) = DIALECT.conversation(Transport.SSE, TABLE).open(request)
    assert subscribe.after is None


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
def test_the_end_of_a_token_is_announced_and_told(transport):
    conversation = DIALECT.conversation(transport, TABLE)
    (warning,) = conversation.expiring(UnixNanos(1710807420 * SECONDS + 5_000_000), "e-1", NOW)
    assert json.loads(warning.data) == {"type": "auth_expiring", "expiresAt": 1710807420005, "timestamp": 1710807361}
    goaway = Goaway(at="e-1", reason=Code.TOKEN_EXPIRED, retry=Retry.AFTER, ts_recv=NOW)
    (end,) = conversation.goodbye(goaway)
    assert json.loads(end.data) == {"type": "auth_expired", "timestamp": 1710807361}


def test_other_goodbyes_are_errors_but_for_going_away():
    conversation = DIALECT.conversation(Transport.SSE, TABLE)
    goaway = Goaway(at="e-1", reason=Code.SLOW_CONSUMER, retry=Retry.NOW, ts_recv=NOW)
    (end,) = conversation.goodbye(goaway)
    assert json.loads(end.data)["code"] == "SLOW_CONSUMER"
    assert conversation.goodbye(Goaway(at="e-1", reason=Code.GOING_AWAY, retry=Retry.AFTER, ts_recv=NOW)) == ()


def test_a_stream_beats_with_the_vendors_comment_and_a_websocket_does_not():
    assert DIALECT.conversation(Transport.SSE, TABLE).heartbeat(NOW) == (Message(b"", comment="heartbeat"),)
    assert DIALECT.conversation(Transport.WEBSOCKET, TABLE).heartbeat(NOW) == ()


def test_a_renewal_has_no_answer():
    assert DIALECT.conversation(Transport.WEBSOCKET, TABLE).renewed(Renew(token="t"), None, "e-1", NOW) == ()


def test_an_http_error_has_the_documented_shape():
    answer = DIALECT.refusal(Code.UNKNOWN_INSTRUMENT, "Symbol not found", Retry.NO, None, 0)
    assert json.loads(answer.body) == {
        "success": False,
        "error": {"code": "INVALID_SYMBOL", "message": "Symbol not found"},
    }


def test_a_rest_request_for_a_symbol_that_cannot_be_is_refused():
    endpoint = next(endpoint for endpoint in DIALECT.endpoints if endpoint.kind is EndpointKind.STATE)
    with pytest.raises(Refusal) as caught:
        DIALECT.state_question(Request(endpoint=endpoint, segments={"symbol": "AAPL"}), TABLE)
    assert caught.value.code is Code.UNKNOWN_INSTRUMENT


@pytest.mark.parametrize("chart", ["HeikinAshi", "Renko"])
def test_a_chart_that_computes_its_own_candles_is_refused_rather_than_given_plain_ones(chart):
    client = Client()
    (error,) = client.say(action="subscribe", id="c", symbol="BINANCE:BTCUSDT", type=chart)
    assert (error["type"], error["id"]) == ("error", "c")
    assert not client.topics
    client.say(action="subscribe", id="c", symbol="BINANCE:BTCUSDT", type="Japanese")
    assert [str(topic) for topic in client.topics] == ["bar.5m:BINANCE:BTCUSDT"]
