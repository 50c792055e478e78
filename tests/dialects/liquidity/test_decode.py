"""What a session remembers, and what polling makes of answers that are none; single frames are among the samples."""

import pytest

from bridge.dialects.contract import (
    Asked,
    Frame,
    Lane,
    Question,
    QuestionKind,
    Ready,
    Refused,
    SymbolTable,
    Transport,
    Unknown,
    VendorError,
)
from bridge.dialects.liquidity import DIALECT
from bridge.errors import VendorProtocolError
from bridge.model import InstrumentId, Topic, Trade
from tests.dialects.liquidity.samples import (
    ACCOUNT,
    CONNECT,
    DOC_ORDER,
    DOC_TRADE_SHORT,
    DOC_WS_TRADE,
    ORDER,
    PATCH_REST,
    REST_QUOTE,
    TRADE_SHORT,
)
from tests.dialects.sample import FEED, TS_RECV

ALIASES = {"BTC-USD": {"sse": "BTC", "websocket": "BTC-USDT", "rest": "BTC"}}


def session(transport: Transport, *topics: str, account=None) -> tuple[Asked, object]:
    asked = Asked(FEED, Lane(transport), SymbolTable(DIALECT.spelling, ALIASES), account)
    asked.add([Topic.parse(topic) for topic in topics])
    return asked, DIALECT.decoder(asked)


def frame(data: bytes, event: str = "", **more) -> Frame:
    return Frame(data=data, event=event, ts_recv=TS_RECV, **more)


def test_readiness_is_told_once_whether_by_greeting_or_by_data():
    _, greeted = session(Transport.SSE, "trade:AAPL")
    assert list(greeted.decode(frame(CONNECT[1], CONNECT[0]))) == [Ready()]
    assert list(greeted.decode(frame(DOC_TRADE_SHORT, "trade"))) == [TRADE_SHORT]
    _, ungreeted = session(Transport.SSE, "trade:AAPL")
    assert list(ungreeted.decode(frame(DOC_TRADE_SHORT, "trade"))) == [Ready(), TRADE_SHORT]
    assert list(ungreeted.decode(frame(DOC_TRADE_SHORT, "trade"))) == [TRADE_SHORT]


def test_events_follow_what_is_asked_at_the_moment():
    asked, decoder = session(Transport.WEBSOCKET)
    topic = Topic.parse("trade:BTC-USD")
    text = DOC_WS_TRADE.replace(b"BTC-USD", b"BTC-USDT")
    assert list(decoder.decode(frame(text))) == []
    asked.add([topic])
    (trade,) = decoder.decode(frame(text))
    assert isinstance(trade, Trade)
    asked.discard([topic])
    assert list(decoder.decode(frame(text))) == []
    asked.add([topic])
    assert list(decoder.decode(frame(text))) == [trade]


def test_a_symbol_is_read_as_its_own_transport_spells_it():
    _, sse = session(Transport.SSE, "trade:BTC-USD", "trade:BTC")
    (_, trade) = sse.decode(frame(DOC_TRADE_SHORT.replace(b"AAPL", b"BTC"), "trade"))
    assert trade.instrument == "BTC-USD"
    _, websocket = session(Transport.WEBSOCKET, "trade:BTC-USD")
    assert list(websocket.decode(frame(DOC_WS_TRADE))) == [], "BTC-USD is not its symbol here"


@pytest.mark.parametrize("side", [b'"BUY"', b'"buy"'])
def test_a_side_may_be_in_either_case(side):
    _, decoder = session(Transport.WEBSOCKET, "trade:AAPL")
    (trade,) = decoder.decode(frame(b'{"type":"trade","symbol":"AAPL","price":1,"size":1,"side":%b}' % side))
    assert trade.aggressor_side == "buy"


def test_a_side_in_other_words_is_not_known_rather_than_wrong():
    _, decoder = session(Transport.WEBSOCKET, "trade:AAPL")
    (trade,) = decoder.decode(frame(b'{"type":"trade","symbol":"AAPL","price":1,"size":1,"side":"cross"}'))
    assert trade.aggressor_side is None


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("quote", b'{"last":1}'),
        ("quote", b'{"assetId":"AAPL","last":"1"}'),
        ("trade", b'{"assetId":"AAPL","price":1,"size":1,"timestamp":"yesterday"}'),
        ("trade", b'{"assetId":"AAPL","price":1}'),
        ("book", b'{"assetId":"AAPL","bids":[{"price":1,"size":-1}],"asks":[]}'),
        ("book", b'{"assetId":"AAPL","bids":[[1,1]],"asks":[]}'),
        ("order", DOC_ORDER.replace(b'"BUY"', b'"HOLD"')),
        ("order", DOC_ORDER.replace(b'"filledQuantity": 5,', b"")),
    ],
)
def test_a_malformed_event_is_the_vendors_fault(event, data):
    _, decoder = session(Transport.SSE, "quote:AAPL", "trade:AAPL", "book:AAPL", "order", account=ACCOUNT)
    with pytest.raises(VendorProtocolError) as caught:
        decoder.decode(frame(data, event))
    assert caught.value.offending == data[:256]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"symbol":"AAPL"}',
        b'{"type":7}',
        b'{"type":"trade","symbol":"AAPL","price":1}',
        b'{"type":"trade","data":[]}',
        b'{"type":"trade","data":{"symbol":"AAPL","price":"1","size":1}}',
        b'{"type":"trade","symbol":"AAPL","price":1,"size":1,"timestamp":"2026-03-19T00:34:44Z"}',
        b'{"type":"trade","symbol":"AAPL","price":1,"size":1,"timestamp":-5}',
        b'{"type":"orderbook_update","symbol":"AAPL","bids":[[1]],"asks":[]}',
        b'{"type":"orderbook_update","symbol":"AAPL","bids":[[1,2,3]],"asks":[]}',
        b'{"type":"error"}',
    ],
)
def test_a_malformed_websocket_message_is_the_vendors_fault(data):
    _, decoder = session(Transport.WEBSOCKET, "trade:AAPL", "book:AAPL")
    with pytest.raises(VendorProtocolError):
        decoder.decode(frame(data))


QUOTE_QUESTION = Question(kind=QuestionKind.QUOTE, instrument=InstrumentId("AAPL"))
ORDER_QUESTION = Question(kind=QuestionKind.ORDER, order_id="ord_a1b2c3d4e5f6")


def test_polling_reads_a_body_by_its_question():
    _, decoder = session(Transport.POLLING, "quote:AAPL", account=ACCOUNT)
    assert list(decoder.decode(frame(REST_QUOTE, answers=QUOTE_QUESTION))) == [PATCH_REST]
    assert list(decoder.decode(frame(DOC_ORDER, answers=ORDER_QUESTION))) == [ORDER]
    assert list(decoder.decode(frame(REST_QUOTE))) == [Unknown("a body that answers no question")]


def test_an_asset_that_is_not_found_is_refused_and_another_failure_is_an_error():
    _, decoder = session(Transport.POLLING, "quote:AAPL", account=ACCOUNT)
    body = b'{"data":{},"message":"no such asset","status":404}'
    assert list(decoder.decode(frame(body, answers=QUOTE_QUESTION, status=404))) == [
        Refused(Topic.parse("quote:AAPL"), "unknown_instrument", "no such asset")
    ]
    assert list(decoder.decode(frame(b"<html>", answers=QUOTE_QUESTION, status=502))) == [VendorError("502", "")]
    assert list(decoder.decode(frame(b"", answers=ORDER_QUESTION, status=404))) == [VendorError("404", "")]
    assert list(decoder.decode(frame(b"", answers=QUOTE_QUESTION, status=401))) == [VendorError("401", "", fatal=True)]
