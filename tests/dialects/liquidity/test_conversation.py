"""The server's side of Liquidity's protocol: what its clients may say, and what they are told."""

import json
import re

import pytest

from bridge.dialects.contract import (
    EndpointKind,
    Manner,
    Refusal,
    Request,
    Subscribe,
    SymbolTable,
    Transport,
    Unsubscribe,
)
from bridge.dialects.liquidity import DIALECT
from bridge.model import Code, Goaway, Problem, Retry, Stream, Topic, Verdict
from tests.dialects.exact import exact_json
from tests.dialects.liquidity.samples import DOC_WS_ERROR
from tests.dialects.sample import CURSOR, TS_RECV

SYMBOLS = SymbolTable(DIALECT.spelling, {"BTC-USD": {"sse": "BTC", "websocket": "BTC-USD", "rest": "BTC"}})
(SSE_ENDPOINT,) = (endpoint for endpoint in DIALECT.endpoints if endpoint.kind is EndpointKind.SSE)


def sse():
    return DIALECT.conversation(Transport.SSE, SYMBOLS)


def websocket():
    return DIALECT.conversation(Transport.WEBSOCKET, SYMBOLS)


def opened(*subscribe: str):
    """What a stream with these `subscribe=` parameters subscribes to."""
    (action,) = sse().open(Request(endpoint=SSE_ENDPOINT, query={"subscribe": subscribe} if subscribe else {}))
    return action


def topics(*texts: str) -> tuple[Topic, ...]:
    return tuple(Topic.parse(text) for text in texts)


def problem(code: Code, message: str = "a sentence", topic: str | None = None) -> Problem:
    return Problem(at=CURSOR, code=code, message=message, retry=Retry.NO, ts_recv=TS_RECV, topic=topic)


def test_sse_subscribes_by_its_query_as_the_page_shows():
    assert opened("quote:AAPL,book:AAPL,trade:BTC").topics == topics("quote:AAPL", "book:AAPL", "trade:BTC-USD")
    assert opened("all:AAPL").topics == topics("all:AAPL")


def test_sse_takes_several_parameters_and_a_topic_only_once():
    assert opened("quote:AAPL, trade:AAPL", "quote:AAPL,").topics == topics("quote:AAPL", "trade:AAPL")


def test_every_sse_stream_carries_the_callers_orders_and_one_without_subscribe_nothing_else():
    assert opened("quote:AAPL").orders
    assert opened() == Subscribe(topics=(), orders=True)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("quote", Code.BAD_REQUEST),
        ("quote:", Code.BAD_REQUEST),
        (":AAPL", Code.BAD_REQUEST),
        ("order:AAPL", Code.BAD_REQUEST),
        ("bar.5m:AAPL", Code.BAD_REQUEST),
        ("book.20:AAPL", Code.BAD_REQUEST),
        ("quote:NASDAQ:AAPL", Code.UNKNOWN_INSTRUMENT),
        ("quote:A B", Code.UNKNOWN_INSTRUMENT),
        ("quote:AAPL,quote:BTC-USD", Code.UNKNOWN_INSTRUMENT),
    ],
)
def test_sse_refuses_a_query_that_names_nothing(query, code):
    with pytest.raises(Refusal) as caught:
        opened(query)
    assert caught.value.code is code


def test_sse_greets_with_a_client_id_of_forty_characters_that_does_not_tell_the_streams_name():
    stream = Stream(at=CURSOR, stream="unguessable", verdict=Verdict.FRESH, topics=(), limits={}, ts_recv=TS_RECV)
    (greeting,) = sse().stream(stream)
    assert greeting.event == "CONNECT"
    assert re.fullmatch(rb'\{"clientId":"[0-9a-z]{40}"\}', greeting.data)
    assert sse().stream(stream) == (greeting,)
    assert b"unguessable" not in greeting.data
    assert websocket().stream(stream) == ()


def test_orders_may_be_those_of_the_subscribed_assets_alone():
    by_asset = DIALECT.mannered(Manner(orders_by_asset=True)).conversation(Transport.SSE, SYMBOLS)
    query = {"subscribe": ("quote:AAPL,all:BTC",)}
    (subscribe,) = by_asset.open(Request(endpoint=SSE_ENDPOINT, query=query))
    assert (subscribe.orders, subscribe.orders_of) == (True, {"AAPL", "BTC-USD"})
    (subscribe,) = by_asset.open(Request(endpoint=SSE_ENDPOINT))
    assert not subscribe.orders
    assert opened("quote:AAPL").orders_of is None


def test_sse_has_a_comment_for_a_heartbeat_and_no_word_for_anything_else():
    assert [message.data for message in sse().heartbeat(TS_RECV)] == [b""]
    assert sse().problem(problem(Code.UNKNOWN_INSTRUMENT, topic="quote:X")) == ()
    assert sse().goodbye(Goaway(at=CURSOR, reason=Code.TOKEN_EXPIRED, retry=Retry.NO, ts_recv=TS_RECV)) == ()


def test_a_websocket_begins_in_silence_and_acknowledges_nothing():
    conversation = websocket()
    assert conversation.open(Request(endpoint=SSE_ENDPOINT)) == ()
    assert conversation.greeting(TS_RECV) == ()
    held = topics("trade:BTC-USD")
    assert conversation.subscribed(Subscribe(topics=held), held, CURSOR, TS_RECV) == ()
    assert conversation.unsubscribed(Unsubscribe(topics=held), held, CURSOR, TS_RECV) == ()


def subscribe_book(depth: int | None = None) -> bytes:
    return json.dumps(
        {
            "type": "subscribe",
            "channel": "orderbook",
            "symbol": "BTC-USD",
            **({} if depth is None else {"depth": depth}),
        }
    ).encode()


UNSUBSCRIBE_BOOK = b'{"type":"unsubscribe","channel":"orderbook","symbol":"BTC-USD"}'


def test_an_unsubscribe_drops_the_cut_that_was_subscribed():
    conversation = websocket()
    (subscribe,) = conversation.receive(subscribe_book(5), TS_RECV)
    assert subscribe.topics == topics("book.5:BTC-USD")
    conversation.subscribed(subscribe, subscribe.topics, CURSOR, TS_RECV)
    assert conversation.receive(UNSUBSCRIBE_BOOK, TS_RECV) == (Unsubscribe(topics=topics("book.5:BTC-USD")),)
    conversation.unsubscribed(Unsubscribe(topics=subscribe.topics), subscribe.topics, CURSOR, TS_RECV)
    assert conversation.receive(UNSUBSCRIBE_BOOK, TS_RECV) == (Unsubscribe(topics=topics("book.20:BTC-USD")),)


def test_a_book_subscribed_again_is_sent_anew_in_its_new_cut():
    conversation = websocket()
    (subscribe,) = conversation.receive(subscribe_book(), TS_RECV)
    conversation.subscribed(subscribe, subscribe.topics, CURSOR, TS_RECV)
    assert conversation.receive(subscribe_book(0), TS_RECV) == (
        Unsubscribe(topics=topics("book.20:BTC-USD")),
        Subscribe(topics=topics("book:BTC-USD")),
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"not JSON", Code.BAD_REQUEST),
        (b"[]", Code.BAD_REQUEST),
        (b'{"channel":"trades","symbol":"AAPL"}', Code.BAD_REQUEST),
        (b'{"type":"dance"}', Code.BAD_REQUEST),
        (b'{"type":"subscribe"}', Code.BAD_REQUEST),
        (b'{"type":"subscribe","channel":"quotes","symbol":"AAPL"}', Code.BAD_REQUEST),
        (b'{"type":"subscribe","channel":"trades"}', Code.BAD_REQUEST),
        (b'{"type":"subscribe","channel":"trades","symbol":7}', Code.BAD_REQUEST),
        (b'{"type":"subscribe","channel":"orderbook","symbol":"AAPL","depth":-1}', Code.BAD_REQUEST),
        (b'{"type":"subscribe","channel":"orderbook","symbol":"AAPL","depth":"20"}', Code.BAD_REQUEST),
        (b'{"type":"subscribe","channel":"trades","symbol":"NASDAQ:AAPL"}', Code.UNKNOWN_INSTRUMENT),
    ],
)
def test_a_websocket_message_that_makes_no_sense_is_refused(text, code):
    with pytest.raises(Refusal) as caught:
        websocket().receive(text, TS_RECV)
    assert caught.value.code is code


def test_a_text_of_half_a_character_is_refused():
    with pytest.raises(Refusal):
        websocket().receive('{"type":"\ud800"}', TS_RECV)


def test_a_failed_subscription_is_told_in_the_pages_words():
    (error,) = websocket().problem(problem(Code.UNKNOWN_INSTRUMENT, topic="book.20:INVALID-PAIR"))
    assert exact_json(error.data) == exact_json(DOC_WS_ERROR)


def test_a_symbol_that_cannot_be_an_id_is_told_back_as_it_came():
    with pytest.raises(Refusal) as caught:
        websocket().receive(b'{"type":"subscribe","channel":"trades","symbol":"A B"}', TS_RECV)
    (error,) = websocket().problem(problem(caught.value.code, topic=caught.value.topic))
    assert json.loads(error.data)["error"] | {"message": ""} == {
        "code": "SUBSCRIPTION_FAILED",
        "message": "",
        "channel": "trades",
        "symbol": "A B",
    }


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (Code.BAD_REQUEST, "INVALID_MESSAGE"),
        (Code.TOO_MANY_SUBSCRIPTIONS, "SUBSCRIPTION_LIMIT_EXCEEDED"),
        (Code.RATE_LIMITED, "RATE_LIMIT_EXCEEDED"),
        (Code.FORBIDDEN, "SUBSCRIPTION_FAILED"),
    ],
)
def test_an_error_has_the_vendors_code_and_our_sentence(code, word):
    (error,) = websocket().problem(problem(code, "do this instead"))
    assert json.loads(error.data) == {"type": "error", "error": {"code": word, "message": "do this instead"}}


def test_the_last_word_on_a_websocket_is_an_error_unless_we_only_go_away():
    (error,) = websocket().goodbye(Goaway(at=CURSOR, reason=Code.RATE_LIMITED, retry=Retry.AFTER, ts_recv=TS_RECV))
    assert json.loads(error.data)["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert websocket().goodbye(Goaway(at=CURSOR, reason=Code.GOING_AWAY, retry=Retry.AFTER, ts_recv=TS_RECV)) == ()
