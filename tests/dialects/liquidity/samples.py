"""Liquidity's samples: every message printed on its realtime page, with what each one means; and some that are only inferred.

`DOC_…` are literal copies of the page's text; `test_documents` holds them to the page itself where that is at hand.
"""

from decimal import Decimal

import msgspec

from bridge.dialects.contract import (
    Heartbeat,
    Lane,
    Message,
    Question,
    QuestionKind,
    Ready,
    Refused,
    Reply,
    StateQuestion,
    Subscribe,
    Transport,
    Unknown,
    Unsubscribe,
    VendorError,
)
from bridge.model import (
    SECONDS,
    AccountId,
    Bar,
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    Cause,
    FeedHealth,
    FeedStatus,
    Gap,
    InstrumentId,
    Levels,
    OrderUpdate,
    Quote,
    QuotePatch,
    Side,
    Topic,
    Trade,
    UnixNanos,
)
from tests.dialects.sample import (
    FEED,
    TS_RECV,
    Answered,
    Heard,
    Requested,
    Said,
    Samples,
    Stated,
    Unsaid,
)

DOC_QUOTE_SHORT = (
    b'{"assetId":"AAPL","last":249.93,"bid":249.87,"ask":250.01,"volume":979956,"timestamp":"2026-03-19T00:34:44Z"}'
)
DOC_BOOK_SHORT = (
    b'{"assetId":"AAPL","bids":[{"price":249.87,"size":100}],"asks":[{"price":250.01,"size":100}],'
    b'"timestamp":"2026-03-19T00:34:45Z"}'
)
DOC_TRADE_SHORT = b'{"assetId":"AAPL","price":249.93,"size":50,"side":"buy","timestamp":"2026-03-19T00:34:44Z"}'
DOC_QUOTE = b"""{
"assetId": "AAPL",
"last": 249.93,
"bid": 249.87,
"ask": 250.01,
"open": 252.61,
"high": 254.91,
"low": 249.01,
"prevClose": 254.23,
"change": -4.30,
"changePercent": -1.69,
"volume": 979956,
"timestamp": "2026-03-19T00:34:44Z"
}"""
DOC_BOOK = b"""{
"assetId": "AAPL",
"bids": [
{ "price": 249.87, "size": 100 },
{ "price": 249.50, "size": 250 },
{ "price": 249.25, "size": 500 }
],
"asks": [
{ "price": 250.01, "size": 100 },
{ "price": 250.25, "size": 150 },
{ "price": 250.50, "size": 300 }
],
"timestamp": "2026-03-19T00:34:45Z"
}"""
DOC_TRADE = b"""{
"assetId": "AAPL",
"tradeId": "trd_abc123",
"price": 249.93,
"size": 50,
"side": "buy",
"timestamp": "2026-03-19T00:34:44Z"
}"""
DOC_ORDER = b"""{
"orderId": "ord_a1b2c3d4e5f6",
"assetId": "AAPL",
"side": "BUY",
"orderType": "limit",
"quantity": 10,
"filledQuantity": 5,
"averagePrice": 249.90,
"status": "PARTIALLY_FILLED",
"timestamp": "2026-03-19T00:35:02Z"
}"""
DOC_WS_FORM = b"""{
"type": "message_type",
"data": {},
"timestamp": 1710807360
}"""
DOC_WS_SUBSCRIBE_BOOK = b"""{
"type": "subscribe",
"channel": "orderbook",
"symbol": "BTC-USD",
"depth": 20
}"""
DOC_WS_SNAPSHOT = b"""{
"type": "orderbook_snapshot",
"symbol": "BTC-USD",
"bids": [[83400, 1.5], [83399, 2.0]],
"asks": [[83401, 1.2], [83402, 0.8]],
"timestamp": 1710807360
}"""
DOC_WS_UPDATE = b"""{
"type": "orderbook_update",
"symbol": "BTC-USD",
"bids": [[83400, 1.8]],
"asks": [[83401, 0]],
"timestamp": 1710807361
}"""
DOC_WS_SUBSCRIBE_TRADES = b"""{
"type": "subscribe",
"channel": "trades",
"symbol": "BTC-USD"
}"""
DOC_WS_TRADE = b"""{
"type": "trade",
"symbol": "BTC-USD",
"price": 83421.50,
"size": 0.5,
"side": "buy",
"timestamp": 1710807360
}"""
DOC_WS_UNSUBSCRIBE = b"""{
"type": "unsubscribe",
"channel": "orderbook",
"symbol": "BTC-USD"
}"""
DOC_WS_ERROR = b"""{
"type": "error",
"error": {
"code": "SUBSCRIPTION_FAILED",
"message": "Failed to subscribe to channel",
"channel": "orderbook",
"symbol": "INVALID-PAIR"
}
}"""
REST_QUOTE = (  # from the vendor's market-data page (VENDORS §2.6)
    b'{"assetId":"AAPL","last":249.93,"open":252.61,"high":254.91,"low":249.01,"prevClose":254.23,"change":-4.30,'
    b'"changePercent":-1.69,"volume":979956,"timestamp":"2026-03-19T00:34:44Z"}'
)
DOC_MESSAGES = (
    DOC_QUOTE_SHORT,
    DOC_BOOK_SHORT,
    DOC_TRADE_SHORT,
    DOC_QUOTE,
    DOC_BOOK,
    DOC_TRADE,
    DOC_ORDER,
    DOC_WS_FORM,
    DOC_WS_SUBSCRIBE_BOOK,
    DOC_WS_SNAPSHOT,
    DOC_WS_UPDATE,
    DOC_WS_SUBSCRIBE_TRADES,
    DOC_WS_TRADE,
    DOC_WS_UNSUBSCRIBE,
    DOC_WS_ERROR,
)
"""In the page's order."""

SSE = Lane(Transport.SSE)
WS = Lane(Transport.WEBSOCKET)
POLLING = Lane(Transport.POLLING)
CONNECT = ("CONNECT", b'{"clientId":"Qm3kZ8vT1xW7yB5nL2pR9sD4fG6hJ0cA1eU8iO3t"}')

AAPL = InstrumentId("AAPL")
BTC = InstrumentId("BTC-USD")
ACCOUNT = AccountId("sample/acme-1")
AT_34_44 = UnixNanos(1_773_880_484 * SECONDS)  # date -ud 2026-03-19T00:34:44Z +%s
AT_34_45 = UnixNanos(1_773_880_485 * SECONDS)
AT_35_02 = UnixNanos(1_773_880_502 * SECONDS)
AT_WS = UnixNanos(1_710_807_360 * SECONDS)
AT_WS_NEXT = UnixNanos(1_710_807_361 * SECONDS)


def levels(*pairs: str) -> Levels:
    """Levels from `price size` texts."""
    return tuple(BookLevel(*map(Decimal, pair.split())) for pair in pairs)


PATCH_SHORT = QuotePatch(
    instrument=AAPL,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=AT_34_44,
    last=Decimal("249.93"),
    bid=Decimal("249.87"),
    ask=Decimal("250.01"),
    volume=Decimal(979956),
)
PATCH_REST = QuotePatch(
    instrument=AAPL,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=AT_34_44,
    full=True,
    last=Decimal("249.93"),
    open=Decimal("252.61"),
    high=Decimal("254.91"),
    low=Decimal("249.01"),
    prev_close=Decimal("254.23"),
    change=Decimal("-4.30"),
    change_percent=Decimal("-1.69"),
    volume=Decimal(979956),
)
PATCH = msgspec.structs.replace(PATCH_REST, full=False, bid=Decimal("249.87"), ask=Decimal("250.01"))
QUOTE_SHORT = Quote(
    instrument=AAPL,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=AT_34_44,
    last=Decimal("249.93"),
    bid=Decimal("249.87"),
    ask=Decimal("250.01"),
    volume=Decimal(979956),
)
QUOTE_REST = msgspec.structs.replace(
    QUOTE_SHORT,
    bid=None,
    ask=None,
    open=Decimal("252.61"),
    high=Decimal("254.91"),
    low=Decimal("249.01"),
    prev_close=Decimal("254.23"),
    change=Decimal("-4.30"),
    change_percent=Decimal("-1.69"),
)
QUOTE = msgspec.structs.replace(QUOTE_REST, bid=Decimal("249.87"), ask=Decimal("250.01"))
BIDS = levels("249.87 100", "249.50 250", "249.25 500")
ASKS = levels("250.01 100", "250.25 150", "250.50 300")
REPLACEMENT = BookReplacement(instrument=AAPL, feed=FEED, ts_recv=TS_RECV, ts_event=AT_34_45, bids=BIDS, asks=ASKS)
REPLACEMENT_SHORT = msgspec.structs.replace(REPLACEMENT, bids=levels("249.87 100"), asks=levels("250.01 100"))
BOOK = BookSnapshot(instrument=AAPL, feed=FEED, ts_recv=TS_RECV, ts_event=AT_34_45, bids=BIDS, asks=ASKS, sequence=9)
BOOK_SHORT = msgspec.structs.replace(BOOK, bids=levels("249.87 100"), asks=levels("250.01 100"))
TRADE = Trade(
    instrument=AAPL,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=AT_34_44,
    price=Decimal("249.93"),
    size=Decimal(50),
    aggressor_side=Side.BUY,
    trade_id="trd_abc123",
)
TRADE_SHORT = msgspec.structs.replace(TRADE, trade_id=None)
ORDER = OrderUpdate(
    instrument=AAPL,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=AT_35_02,
    account=ACCOUNT,
    order_id="ord_a1b2c3d4e5f6",
    side=Side.BUY,
    order_type="limit",
    quantity=Decimal(10),
    filled_quantity=Decimal(5),
    status="partially_filled",
    average_price=Decimal("249.90"),
)
WS_SNAPSHOT = BookSnapshot(
    instrument=BTC,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=AT_WS,
    bids=levels("83400 1.5", "83399 2.0"),
    asks=levels("83401 1.2", "83402 0.8"),
)
WS_UPDATE = BookDelta(
    instrument=BTC,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=AT_WS_NEXT,
    bids=levels("83400 1.8"),
    asks=levels("83401 0"),
)
WS_TRADE = Trade(
    instrument=BTC,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=AT_WS,
    price=Decimal("83421.50"),
    size=Decimal("0.5"),
    aggressor_side=Side.BUY,
)


def fraction(text: str) -> UnixNanos:
    """Nanoseconds of AT_34_44 with these fractional digits."""
    return UnixNanos(AT_34_44 + int(text.ljust(9, "0")))


HEARD = (
    Heard(name="greeting", lane=SSE, event=CONNECT[0], frame=CONNECT[1], yields=(Ready(),)),
    Heard(name="greeting of 2025", lane=SSE, event="HZ_CONNECT", frame=CONNECT[1], yields=(Ready(),)),
    Heard(name="greeting of old", lane=SSE, event="PB_CONNECT", frame=CONNECT[1], yields=(Ready(),)),
    Heard(
        name="short quote, printed, before any greeting: data proves the subscription",
        lane=SSE,
        event="quote",
        frame=DOC_QUOTE_SHORT,
        topics=("quote:AAPL",),
        yields=(Ready(), PATCH_SHORT),
    ),
    Heard(
        name="short book, printed",
        lane=SSE,
        event="book",
        frame=DOC_BOOK_SHORT,
        topics=("book:AAPL",),
        before=(CONNECT,),
        yields=(REPLACEMENT_SHORT,),
    ),
    Heard(
        name="short trade, printed",
        lane=SSE,
        event="trade",
        frame=DOC_TRADE_SHORT,
        topics=("trade:AAPL",),
        before=(CONNECT,),
        yields=(TRADE_SHORT,),
    ),
    Heard(
        name="quote, printed",
        lane=SSE,
        event="quote",
        frame=DOC_QUOTE,
        topics=("quote:AAPL",),
        before=(CONNECT,),
        yields=(PATCH,),
    ),
    Heard(
        name="book, printed",
        lane=SSE,
        event="book",
        frame=DOC_BOOK,
        topics=("book:AAPL",),
        before=(CONNECT,),
        yields=(REPLACEMENT,),
    ),
    Heard(
        name="trade, printed",
        lane=SSE,
        event="trade",
        frame=DOC_TRADE,
        topics=("trade:AAPL",),
        before=(CONNECT,),
        yields=(TRADE,),
    ),
    Heard(
        name="order, printed",
        lane=SSE,
        event="order",
        frame=DOC_ORDER,
        topics=("order",),
        account=ACCOUNT,
        before=(CONNECT,),
        yields=(ORDER,),
    ),
    Heard(
        name="order on a connection that has no account",
        lane=SSE,
        event="order",
        frame=DOC_ORDER,
        topics=("order",),
        before=(CONNECT,),
        yields=(),
    ),
    Heard(
        name="order that nobody asked for",
        lane=SSE,
        event="order",
        frame=DOC_ORDER,
        topics=("quote:AAPL",),
        account=ACCOUNT,
        before=(CONNECT,),
        yields=(),
    ),
    Heard(
        name="quote with a field that is gone",
        lane=SSE,
        event="quote",
        frame=b'{"assetId":"AAPL","bid":null,"last":0E-8}',
        topics=("quote:AAPL",),
        before=(CONNECT,),
        yields=(QuotePatch(instrument=AAPL, feed=FEED, ts_recv=TS_RECV, bid=None, last=Decimal("0.00000000")),),
    ),
    Heard(
        name="trade of something else",
        lane=SSE,
        event="trade",
        frame=DOC_TRADE,
        topics=("trade:MSFT", "quote:AAPL"),
        before=(CONNECT,),
        yields=(),
    ),
    Heard(
        name="error of the base protocol",
        lane=SSE,
        event="error",
        frame=b'{"data":{},"message":"Missing or invalid authentication.","status":401}',
        yields=(VendorError("401", "Missing or invalid authentication.", fatal=True),),
    ),
    Heard(name="event of no known name", lane=SSE, event="news", frame=b'{"headline":"x"}', yields=(Unknown("news"),)),
    Heard(name="event of no name", lane=SSE, frame=b"hello", yields=(Unknown("message"),)),
    Heard(name="snapshot, printed", lane=WS, frame=DOC_WS_SNAPSHOT, topics=("book:BTC-USD",), yields=(WS_SNAPSHOT,)),
    Heard(name="update, printed", lane=WS, frame=DOC_WS_UPDATE, topics=("book:BTC-USD",), yields=(WS_UPDATE,)),
    Heard(name="trade, printed", lane=WS, frame=DOC_WS_TRADE, topics=("trade:BTC-USD",), yields=(WS_TRADE,)),
    Heard(
        name="error, printed",
        lane=WS,
        frame=DOC_WS_ERROR,
        topics=("book:INVALID-PAIR",),
        yields=(Refused(Topic.parse("book:INVALID-PAIR"), "unknown_instrument", "Failed to subscribe to channel"),),
    ),
    Heard(
        name="error, printed, of a topic dropped meanwhile",
        lane=WS,
        frame=DOC_WS_ERROR,
        topics=("trade:INVALID-PAIR",),
        yields=(VendorError("SUBSCRIPTION_FAILED", "Failed to subscribe to channel"),),
    ),
    Heard(
        name="error about the quota",
        lane=WS,
        frame=b'{"type":"error","error":{"code":"SUBSCRIPTION_LIMIT_EXCEEDED","message":"50","channel":"trades","symbol":"AAPL"}}',
        topics=("trade:AAPL",),
        yields=(Refused(Topic.parse("trade:AAPL"), "upstream_full", "50"),),
    ),
    Heard(
        name="error about the rate",
        lane=WS,
        frame=b'{"type":"error","error":{"code":"RATE_LIMIT_EXCEEDED","message":"slow down"}}',
        yields=(VendorError("RATE_LIMIT_EXCEEDED", "slow down"),),
    ),
    Heard(
        name="form, printed: a type that says nothing", lane=WS, frame=DOC_WS_FORM, yields=(Unknown("message_type"),)
    ),
    Heard(
        name="nested snapshot",
        lane=WS,
        frame=b'{"type":"orderbook_snapshot","data":{"symbol":"BTC-USD","bids":[[83400,1.5],[83399,2.0]],'
        b'"asks":[[83401,1.2],[83402,0.8]]},"timestamp":1710807360}',
        topics=("book:BTC-USD",),
        yields=(WS_SNAPSHOT,),
    ),
    Heard(
        name="nested update with the time inside",
        lane=WS,
        frame=b'{"type":"orderbook_update","data":{"symbol":"BTC-USD","bids":[[83400,1.8]],"asks":[[83401,0]],'
        b'"timestamp":1710807361},"timestamp":1710807399}',
        topics=("book:BTC-USD",),
        yields=(WS_UPDATE,),
    ),
    Heard(
        name="nested trade in milliseconds",
        lane=WS,
        frame=b'{"data":{"side":"buy","size":0.5,"price":83421.50,"symbol":"BTC-USD"},"timestamp":1710807360000,"type":"trade"}',
        topics=("trade:BTC-USD",),
        yields=(WS_TRADE,),
    ),
    Heard(
        name="nested error",
        lane=WS,
        frame=b'{"type":"error","data":{"error":{"code":"INVALID_MESSAGE","message":"bad JSON"}},"timestamp":1710807360}',
        yields=(VendorError("INVALID_MESSAGE", "bad JSON"),),
    ),
    Heard(name="pong", lane=WS, frame=b'{"type":"pong","timestamp":1710807360}', yields=(Heartbeat(),)),
    Heard(
        name="snapshot with an empty level",
        lane=WS,
        frame=b'{"type":"orderbook_snapshot","symbol":"BTC-USD","bids":[[1,0],[0.9,5]],"asks":[]}',
        topics=("book:BTC-USD",),
        yields=(BookSnapshot(instrument=BTC, feed=FEED, ts_recv=TS_RECV, bids=levels("0.9 5"), asks=()),),
    ),
)


def sse(event: str, data: bytes) -> tuple[Message, ...]:
    """One SSE message."""
    return (Message(data, event=event),)


SAID = (
    Said(
        name="short quote, printed",
        transport=Transport.SSE,
        event=QUOTE_SHORT,
        messages=sse("quote", DOC_QUOTE_SHORT),
        back=SSE,
        topics=("quote:AAPL",),
    ),
    Said(
        name="quote, printed; said whole though only its last changed",
        transport=Transport.SSE,
        event=msgspec.structs.replace(QUOTE, changed=frozenset({"last"}), session="market", bid_size=Decimal(3)),
        messages=sse("quote", DOC_QUOTE),
        whole=False,
        back=SSE,
        topics=("quote:AAPL",),
    ),
    Said(
        name="short book, printed",
        transport=Transport.SSE,
        event=BOOK_SHORT,
        messages=sse("book", DOC_BOOK_SHORT),
        back=SSE,
        topics=("book:AAPL",),
    ),
    Said(
        name="book, printed",
        transport=Transport.SSE,
        event=BOOK,
        messages=sse("book", DOC_BOOK),
        back=SSE,
        topics=("book:AAPL",),
    ),
    Said(
        name="short trade, printed",
        transport=Transport.SSE,
        event=TRADE_SHORT,
        messages=sse("trade", DOC_TRADE_SHORT),
        back=SSE,
        topics=("trade:AAPL",),
    ),
    Said(
        name="trade, printed",
        transport=Transport.SSE,
        event=TRADE,
        messages=sse("trade", DOC_TRADE),
        back=SSE,
        topics=("trade:AAPL",),
    ),
    Said(
        name="trade of which little is known, with a fine time and eight digits",
        transport=Transport.SSE,
        event=Trade(
            instrument=AAPL,
            feed=FEED,
            ts_recv=TS_RECV,
            ts_event=fraction("000123"),
            price=Decimal("0.00000090"),
            size=Decimal("0E-8"),
        ),
        messages=sse(
            "trade",
            b'{"assetId":"AAPL","price":0.00000090,"size":0.00000000,"timestamp":"2026-03-19T00:34:44.000123Z"}',
        ),
        back=SSE,
        topics=("trade:AAPL",),
    ),
    Said(
        name="order, printed",
        transport=Transport.SSE,
        event=ORDER,
        messages=sse("order", DOC_ORDER),
        back=SSE,
        topics=("order",),
        account=ACCOUNT,
    ),
    Said(
        name="snapshot, printed, of a book cut to 20",
        transport=Transport.WEBSOCKET,
        event=msgspec.structs.replace(WS_SNAPSHOT, depth=20, sequence=4),
        messages=(Message(DOC_WS_SNAPSHOT),),
        back=WS,
        topics=("book:BTC-USD",),
    ),
    Said(
        name="update, printed",
        transport=Transport.WEBSOCKET,
        event=msgspec.structs.replace(WS_UPDATE, depth=20, sequence=5, prev_sequence=4),
        messages=(Message(DOC_WS_UPDATE),),
        back=WS,
        topics=("book:BTC-USD",),
    ),
    Said(
        name="trade, printed, that has an id and a finer time",
        transport=Transport.WEBSOCKET,
        event=msgspec.structs.replace(WS_TRADE, trade_id="t1", ts_event=UnixNanos(AT_WS + 999_999_999)),
        messages=(Message(DOC_WS_TRADE),),
        back=WS,
        topics=("trade:BTC-USD",),
    ),
    Said(
        name="trade of which little is known",
        transport=Transport.WEBSOCKET,
        event=Trade(instrument=BTC, feed=FEED, ts_recv=TS_RECV, price=Decimal("1E+2"), size=Decimal(1)),
        messages=(Message(b'{"type":"trade","symbol":"BTC-USD","price":100,"size":1}'),),
        back=WS,
        topics=("trade:BTC-USD",),
    ),
)

_BAR = Bar(
    instrument=AAPL,
    feed=FEED,
    ts_recv=TS_RECV,
    interval="5m",
    open=Decimal(1),
    high=Decimal(1),
    low=Decimal(1),
    close=Decimal(1),
)
_GAP = Gap(topics=(Topic.parse("trade:AAPL"),), from_="e-1", to="e-2", cause=Cause.UPSTREAM, ts_recv=TS_RECV)
_STATUS = FeedStatus(feed=FEED, status=FeedHealth.DOWN, ts_recv=TS_RECV)

UNSAID = (
    *(Unsaid(name=f"bar on {t}", transport=t, event=_BAR) for t in Transport),
    *(Unsaid(name=f"gap on {t}", transport=t, event=_GAP) for t in Transport),
    *(Unsaid(name=f"health on {t}", transport=t, event=_STATUS) for t in Transport),
    Unsaid(name="quote on the WebSocket", transport=Transport.WEBSOCKET, event=QUOTE),
    Unsaid(name="order on the WebSocket", transport=Transport.WEBSOCKET, event=ORDER),
    Unsaid(name="delta on SSE", transport=Transport.SSE, event=WS_UPDATE),
    Unsaid(name="trade in REST", transport=Transport.POLLING, event=TRADE),
    Unsaid(
        name="quote without any field of the vendor's",
        transport=Transport.SSE,
        event=Quote(instrument=AAPL, feed=FEED, ts_recv=TS_RECV, session="market"),
    ),
    Unsaid(
        name="instrument without a spelling",
        transport=Transport.SSE,
        event=msgspec.structs.replace(TRADE, instrument=InstrumentId("NASDAQ:AAPL")),
    ),
)

ANSWERED = (
    Answered(
        name="quote: bid and ask are gone",
        question=Question(kind=QuestionKind.QUOTE, instrument=AAPL),
        body=REST_QUOTE,
        yields=(PATCH_REST,),
    ),
    Answered(
        name="quote in an envelope",
        question=Question(kind=QuestionKind.QUOTE, instrument=AAPL),
        body=b'{"data":' + REST_QUOTE + b',"message":"ok"}',
        yields=(PATCH_REST,),
    ),
    Answered(
        name="book", question=Question(kind=QuestionKind.BOOK, instrument=AAPL), body=DOC_BOOK, yields=(REPLACEMENT,)
    ),
    Answered(
        name="order",
        question=Question(kind=QuestionKind.ORDER, order_id="ord_a1b2c3d4e5f6", account=ACCOUNT),
        body=DOC_ORDER,
        yields=(ORDER,),
    ),
    Answered(
        name="order of nobody known",
        question=Question(kind=QuestionKind.ORDER, order_id="ord_a1b2c3d4e5f6"),
        body=DOC_ORDER,
        yields=(),
    ),
    Answered(
        name="error with status 200",
        question=Question(kind=QuestionKind.QUOTE, instrument=AAPL),
        body=b'{"error":{"code":"NOT_FOUND","message":"no such asset"}}',
        yields=(VendorError("NOT_FOUND", "no such asset"),),
    ),
)

STATED = (
    Stated(
        name="quote",
        endpoint="/v1/assets/{id}/quote",
        segments={"id": "AAPL"},
        question=StateQuestion(topic=Topic.parse("quote:AAPL")),
        events=(QUOTE,),
        body=REST_QUOTE,
    ),
    Stated(
        name="book",
        endpoint="/v1/assets/{id}/book",
        segments={"id": "AAPL"},
        question=StateQuestion(topic=Topic.parse("book:AAPL")),
        events=(BOOK,),
        body=DOC_BOOK,
    ),
    Stated(
        name="order, the newest state of it",
        endpoint="/v1/orders/{id}",
        segments={"id": "ord_a1b2c3d4e5f6"},
        question=StateQuestion(topic=Topic.parse("order"), order_id="ord_a1b2c3d4e5f6"),
        events=(msgspec.structs.replace(ORDER, status="pending"), ORDER),
        body=DOC_ORDER,
    ),
)

REQUESTED = (
    Requested(
        name="order book, printed",
        text=DOC_WS_SUBSCRIBE_BOOK,
        actions=(Subscribe(topics=(Topic.parse("book.20:BTC-USD"),)),),
        subscribes=("book:BTC-USD",),
        depth=20,
    ),
    Requested(
        name="trades, printed",
        text=DOC_WS_SUBSCRIBE_TRADES,
        actions=(Subscribe(topics=(Topic.parse("trade:BTC-USD"),)),),
        subscribes=("trade:BTC-USD",),
    ),
    Requested(
        name="unsubscribe, printed",
        text=DOC_WS_UNSUBSCRIBE,
        actions=(Unsubscribe(topics=(Topic.parse("book.20:BTC-USD"),)),),
        unsubscribes=("book:BTC-USD",),
    ),
    Requested(
        name="order book of the usual depth",
        text=b'{"type":"subscribe","channel":"orderbook","symbol":"BTC-USD"}',
        actions=(Subscribe(topics=(Topic.parse("book.20:BTC-USD"),)),),
        subscribes=("book:BTC-USD",),
    ),
    Requested(
        name="whole order book",
        text=b'{"type":"subscribe","channel":"orderbook","symbol":"BTC-USD","depth":0}',
        actions=(Subscribe(topics=(Topic.parse("book:BTC-USD"),)),),
    ),
    Requested(
        name="order book deeper than any cut",
        text=b'{"type":"subscribe","channel":"orderbook","symbol":"BTC-USD","depth":5001}',
        actions=(Subscribe(topics=(Topic.parse("book:BTC-USD"),)),),
    ),
    Requested(
        name="nested",
        text=b'{"type":"subscribe","data":{"channel":"trades","symbol":"AAPL"},"timestamp":1710807360}',
        actions=(Subscribe(topics=(Topic.parse("trade:AAPL"),)),),
    ),
    Requested(
        name="ping",
        text=b'{"type":"ping"}',
        actions=(Reply(messages=(Message(b'{"type":"pong","timestamp":1800000000}'),)),),
    ),
)

SAMPLES = Samples(heard=HEARD, said=SAID, unsaid=UNSAID, answered=ANSWERED, stated=STATED, requested=REQUESTED)
