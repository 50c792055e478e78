"""TradingView's samples: every message printed on its streaming page, and the shapes of VENDORS §1.3 to §1.8.

`DOC_…` are literal copies of the page's text; `test_documents` holds them to the page itself where that is at hand.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec import Raw

from bridge.dialects.contract import (
    CredentialEnding,
    EncoderOptions,
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
    SubscriptionsLost,
    Transport,
    Unknown,
    VendorError,
)
from bridge.dialects.tradingview.conversation import Held
from bridge.model import (
    SECONDS,
    Bar,
    BookSnapshot,
    Cause,
    FeedHealth,
    FeedStatus,
    Gap,
    InstrumentId,
    Interval,
    Quote,
    QuotePatch,
    Topic,
    Trade,
    UnixNanos,
)
from tests.dialects.sample import FEED, TS_RECV, Answered, Heard, Requested, Said, Samples, Stated, Unsaid

DOC_CONNECTED = b"""{
  "type": "connected",
  "clientId": "sse_abc123",
  "symbols": ["NASDAQ:AAPL", "NYSE:TSLA"],
  "timestamp": 1234567890
}"""
DOC_QUOTE_UPDATE = b"""{
  "type": "quote_update",
  "symbol": "NASDAQ:AAPL",
  "data": { "lp": 195.42 },
  "timestamp": 1234567891
}"""
DOC_PRICE_UPDATE = b"""{
  "type": "price_update",
  "symbol": "BINANCE:BTCUSDT",
  "data": {
    "open": 68100, "high": 68250,
    "low": 67980, "close": 68200,
    "volume": 1240.5
  },
  "timestamp": 1234567892
}"""
PRINTED = (DOC_CONNECTED, DOC_QUOTE_UPDATE, DOC_PRICE_UPDATE)

AAPL = InstrumentId("NASDAQ:AAPL")
BTC = InstrumentId("BINANCE:BTCUSDT")
COIN = InstrumentId("BTC-USD")
QUOTES = Lane(Transport.SSE, "quote")
CANDLES = Lane(Transport.SSE, "price", "5")
WS = Lane(Transport.WEBSOCKET)

# Shapes found elsewhere or assumed (VENDORS §1.3, §1.4), with the values that stand there.
WS_QUOTE_UPDATE = (
    b'{"type":"quote_update","id":"quote_btc","symbol":"BINANCE:BTCUSDT","data":{"lp":76513.71},"timestamp":1234567890}'
)
WS_UPDATE = (
    b'{"type":"update","subscriptionId":"bar.5m:BINANCE:BTCUSDT","symbol":"BINANCE:BTCUSDT","data":'
    b'{"time":1710806400,"open":68100,"close":68200.10,"max":68250,"min":67980,"volume":1240.50},"timestamp":1710807361}'
)
WHOLE_QUOTE = (
    b'{"type":"quote_update","symbol":"NASDAQ:AAPL","data":{"lp":195.420,"lp_time":1710807360,"ch":2.01,"chp":1.04,'
    b'"volume":51234567,"bid":195.41,"ask":195.43,"bid_size":3,"ask_size":0,"open_price":193.5,"high_price":196,'
    b'"low_price":193.10,"prev_close_price":193.41,"current_session":"market","update_mode":"delayed_streaming_900",'
    b'"rtc":null,"short_name":"AAPL","currency-logoid":"country/US","pricescale":100,"is_tradable":true,'
    b'"all_time_high":199.6200},"timestamp":1710807361000}'
)


def quote_patch(instrument: InstrumentId, at: int | None, *, full: bool = True, **fields: object) -> QuotePatch:
    ts_event = None if at is None else UnixNanos(at * SECONDS)
    return QuotePatch(instrument=instrument, feed=FEED, ts_recv=TS_RECV, ts_event=ts_event, full=full, **fields)


def bar(at: int | None = 1234567892, *, ts_open: int | None = None, **more: object) -> Bar:
    figures: Mapping[str, object] = {
        "open": Decimal(68100),
        "high": Decimal(68250),
        "low": Decimal(67980),
        "close": Decimal(68200),
        "volume": Decimal("1240.5"),
    }
    return Bar(
        instrument=BTC,
        feed=FEED,
        ts_recv=TS_RECV,
        ts_event=None if at is None else UnixNanos(at * SECONDS),
        interval="5m",
        ts_open=None if ts_open is None else UnixNanos(ts_open * SECONDS),
        **{**figures, **more},
    )


BAR_5M = Topic.parse("bar.5m:BINANCE:BTCUSDT")
QUOTE_AAPL = Topic.parse("quote:NASDAQ:AAPL")
QUOTE_BTC = Topic.parse("quote:BINANCE:BTCUSDT")
WHOLE_EXTRA = {
    "rtc": None,
    "short_name": Raw(b'"AAPL"'),
    "currency-logoid": Raw(b'"country/US"'),
    "pricescale": Raw(b"100"),
    "is_tradable": Raw(b"true"),
    "all_time_high": Raw(b"199.6200"),
}
WHOLE_FIGURES = {
    "last": Decimal("195.420"),
    "last_time": UnixNanos(1710807360 * SECONDS),
    "change": Decimal("2.01"),
    "change_percent": Decimal("1.04"),
    "volume": Decimal(51234567),
    "bid": Decimal("195.41"),
    "ask": Decimal("195.43"),
    "bid_size": Decimal(3),
    "ask_size": Decimal(0),
    "open": Decimal("193.5"),
    "high": Decimal(196),
    "low": Decimal("193.10"),
    "prev_close": Decimal("193.41"),
    "session": "market",
    "delay_seconds": 900,
}

HEARD = (
    Heard(
        name="connected, printed",
        lane=QUOTES,
        frame=DOC_CONNECTED,
        topics=("quote:NASDAQ:AAPL", "quote:NYSE:TSLA"),
        yields=(Ready(),),
    ),
    Heard(
        name="quote_update, printed",
        lane=QUOTES,
        frame=DOC_QUOTE_UPDATE,
        topics=("quote:NASDAQ:AAPL",),
        yields=(quote_patch(AAPL, 1234567891, last=Decimal("195.42")),),
    ),
    Heard(
        name="quote_update as a named event",
        lane=QUOTES,
        frame=DOC_QUOTE_UPDATE,
        event="quote_update",
        topics=("quote:NASDAQ:AAPL",),
        yields=(quote_patch(AAPL, 1234567891, last=Decimal("195.42")),),
    ),
    Heard(
        name="the second quote_update is partial, its null is gone",
        lane=QUOTES,
        frame=b'{"type":"quote_update","symbol":"NASDAQ:AAPL","data":{"bid":null,"lp":195.430},"timestamp":1234567892}',
        before=(("", DOC_QUOTE_UPDATE),),
        topics=("quote:NASDAQ:AAPL",),
        yields=(quote_patch(AAPL, 1234567892, full=False, bid=None, last=Decimal("195.430")),),
    ),
    Heard(
        name="whole quote, timestamp in milliseconds",
        lane=QUOTES,
        frame=WHOLE_QUOTE,
        topics=("quote:NASDAQ:AAPL",),
        yields=(quote_patch(AAPL, 1710807361, **WHOLE_FIGURES, extra=WHOLE_EXTRA),),
    ),
    Heard(
        name="price_update, printed: the connection knows the interval",
        lane=CANDLES,
        frame=DOC_PRICE_UPDATE,
        topics=("bar.5m:BINANCE:BTCUSDT",),
        yields=(bar(),),
    ),
    Heard(
        name="price_update with max, min and time",
        lane=CANDLES,
        frame=b'{"type":"price_update","symbol":"BINANCE:BTCUSDT","data":{"open":68100,"max":68250,"min":67980,'
        b'"close":68200,"volume":1240.5,"time":1710806400}}',
        topics=("bar.5m:BINANCE:BTCUSDT",),
        yields=(bar(None, ts_open=1710806400),),
    ),
    Heard(
        name="update: its id tells the interval",
        lane=WS,
        frame=WS_UPDATE,
        topics=("bar.1h:BINANCE:BTCUSDT", "bar.5m:BINANCE:BTCUSDT"),
        yields=(bar(1710807361, ts_open=1710806400, close=Decimal("68200.10"), volume=Decimal("1240.50")),),
    ),
    Heard(
        name="update without an id, of the only interval asked for",
        lane=WS,
        frame=b'{"type":"update","symbol":"BINANCE:BTCUSDT","data":{"open":68100,"close":68200,"max":68250,"min":67980,'
        b'"volume":1240.5}}',
        topics=("bar.5m:BINANCE:BTCUSDT",),
        yields=(bar(None),),
    ),
    Heard(
        name="update that may be of either interval",
        lane=WS,
        frame=b'{"type":"update","symbol":"BINANCE:BTCUSDT","data":{"open":1,"close":1,"max":1,"min":1}}',
        topics=("bar.5m:BINANCE:BTCUSDT", "bar.1h:BINANCE:BTCUSDT"),
        yields=(Unknown("update of no known interval"),),
    ),
    Heard(
        name="history: oldest first, all but the newest over",
        lane=WS,
        frame=b'{"type":"history","id":"bar.5m:BINANCE:BTCUSDT","periods":['
        b'{"time":1710806700,"open":68100,"close":68200,"max":68250,"min":67980,"volume":1240.5},'
        b'{"time":1710806400,"open":68000,"close":68100,"max":68250,"min":67980,"volume":7.25}]}',
        topics=("bar.5m:BINANCE:BTCUSDT",),
        yields=(
            bar(
                None,
                ts_open=1710806400,
                open=Decimal(68000),
                close=Decimal(68100),
                volume=Decimal("7.25"),
                is_final=True,
            ),
            bar(None, ts_open=1710806700),
        ),
    ),
    Heard(
        name="quote_update on a WebSocket, with its id",
        lane=WS,
        frame=WS_QUOTE_UPDATE,
        topics=("quote:BINANCE:BTCUSDT",),
        yields=(quote_patch(BTC, 1234567890, last=Decimal("76513.71")),),
    ),
    Heard(
        name="quote_fast_update is never taken for the whole",
        lane=WS,
        frame=b'{"type":"quote_fast_update","symbol":"BINANCE:BTCUSDT","data":{"lp":76513.71}}',
        topics=("quote:BINANCE:BTCUSDT",),
        yields=(quote_patch(BTC, None, full=False, last=Decimal("76513.71")),),
    ),
    Heard(
        name="connected on a WebSocket",
        lane=WS,
        frame=b'{"type":"connected","clientId":"ws_abc","timestamp":1234567890}',
        yields=(Ready(),),
    ),
    Heard(
        name="subscribed",
        lane=WS,
        frame=b'{"type":"subscribed","id":"price_btc","symbol":"BINANCE:BTCUSDT","timeframe":"5","timestamp":1234567890}',
        topics=("bar.5m:BINANCE:BTCUSDT", "bar.1h:BINANCE:BTCUSDT"),
        yields=(Ready((BAR_5M,)),),
    ),
    Heard(
        name="quote_subscribed",
        lane=WS,
        frame=b'{"type":"quote_subscribed","id":"quote_btc","symbols":["BINANCE:BTCUSDT"],"timestamp":1234567890}',
        topics=("quote:NASDAQ:AAPL", "quote:BINANCE:BTCUSDT"),
        yields=(Ready((QUOTE_BTC,)),),
    ),
    Heard(
        name="quote_subscribed that does not say of what",
        lane=WS,
        frame=b'{"type":"quote_subscribed","id":"quotes_1"}',
        topics=("quote:NASDAQ:AAPL",),
        yields=(Heartbeat(),),
    ),
    *(
        Heard(name=kind, lane=WS, frame=b'{"type":"%s","timestamp":1234567890}' % kind.encode(), yields=(Heartbeat(),))
        for kind in ("pong", "heartbeat")
    ),
    Heard(
        name="unsubscribed",
        lane=WS,
        frame=b'{"type":"unsubscribed","id":"quote_btc","timestamp":1234567890}',
        yields=(Heartbeat(),),
    ),
    Heard(
        name="status",
        lane=WS,
        frame=b'{"type":"status","subscriptions":[{"id":"quote_btc","type":"quote","symbols":["BINANCE:BTCUSDT"]}],'
        b'"timestamp":1234567890}',
        yields=(Heartbeat(),),
    ),
    Heard(
        name="subscriptions_reset",
        lane=WS,
        frame=b'{"type":"subscriptions_reset","timestamp":1234567890}',
        yields=(SubscriptionsLost(),),
    ),
    Heard(
        name="auth_expiring",
        lane=QUOTES,
        frame=b'{"type":"auth_expiring","expiresAt":1710807420000,"timestamp":1710807360}',
        yields=(CredentialEnding(UnixNanos(1710807420 * SECONDS)),),
    ),
    Heard(
        name="auth_expired",
        lane=QUOTES,
        frame=b'{"type":"auth_expired","timestamp":1710807420}',
        yields=(CredentialEnding(None),),
    ),
    Heard(
        name="documented error, of a symbol that it names",
        lane=WS,
        frame=b'{"success":false,"error":{"code":"INVALID_SYMBOL","message":"Symbol not found or invalid",'
        b'"details":"The symbol \'INVALID:SYMBOL\' does not exist"}}',
        topics=("quote:NASDAQ:AAPL", "quote:INVALID:SYMBOL"),
        yields=(Refused(Topic.parse("quote:INVALID:SYMBOL"), "unknown_instrument", "Symbol not found or invalid"),),
    ),
    Heard(
        name="invalid symbol, told by the id of its candles",
        lane=WS,
        frame=b'{"type":"error","code":"INVALID_SYMBOL","message":"no","id":"bar.5m:BINANCE:BTCUSDT"}',
        topics=("quote:BINANCE:BTCUSDT", "bar.5m:BINANCE:BTCUSDT"),
        yields=(Refused(BAR_5M, "unknown_instrument", "no"),),
    ),
    Heard(
        name="invalid symbol that is not told",
        lane=WS,
        frame=b'{"type":"error","code":"INVALID_SYMBOL","message":"Symbol not found","id":"quotes_1"}',
        topics=("quote:NASDAQ:AAPL", "quote:BINANCE:BTCUSDT"),
        yields=(Refused(None, "unknown_instrument", "Symbol not found"),),
    ),
    Heard(
        name="error of the connection",
        lane=WS,
        frame=b'{"type":"error","message":"Rate limit","code":"RATE_LIMIT_EXCEEDED"}',
        topics=("quote:NASDAQ:AAPL",),
        yields=(VendorError("RATE_LIMIT_EXCEEDED", "Rate limit"),),
    ),
    Heard(
        name="error that is a sentence",
        lane=WS,
        frame=b'{"success":false,"error":"Error message","msg":"Failed"}',
        yields=(VendorError("", "Error message"),),
    ),
    Heard(
        name="subscription limit",
        lane=WS,
        frame=b'{"type":"error","code":"SUBSCRIPTION_LIMIT","message":"Maximum 10 subscriptions per connection",'
        b'"id":"bar.5m:BINANCE:BTCUSDT","timestamp":1234567890}',
        topics=("bar.5m:BINANCE:BTCUSDT", "bar.1h:BINANCE:BTCUSDT"),
        yields=(Refused(BAR_5M, "upstream_full", "Maximum 10 subscriptions per connection"),),
    ),
    Heard(
        name="token no longer good",
        lane=WS,
        frame=b'{"type":"error","code":"TOKEN_EXPIRED","message":"expired"}',
        yields=(VendorError("TOKEN_EXPIRED", "expired"), CredentialEnding(None)),
    ),
    Heard(name="unknown type", lane=WS, frame=b'{"type":"market_news","data":[1]}', yields=(Unknown("market_news"),)),
)


def sse(data: bytes) -> tuple[Message, ...]:
    return (Message(data, id="7"),)


WHOLE = Quote(
    instrument=AAPL,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=UnixNanos(1710807361 * SECONDS),
    **WHOLE_FIGURES,
    extra={name: raw for name, raw in WHOLE_EXTRA.items() if raw is not None},
)
WHOLE_DATA = (
    b'{"lp":195.420,"lp_time":1710807360,"ch":2.01,"chp":1.04,"volume":51234567,"bid":195.41,"ask":195.43,"bid_size":3,'
    b'"ask_size":0,"open_price":193.5,"high_price":196,"low_price":193.10,"prev_close_price":193.41,'
    b'"current_session":"market","update_mode":"delayed_streaming_900","short_name":"AAPL","currency-logoid":"country/US",'
    b'"pricescale":100,"is_tradable":true,"all_time_high":199.6200}'
)
PRINTED_QUOTE = Quote(
    instrument=AAPL,
    feed=FEED,
    ts_recv=TS_RECV,
    ts_event=UnixNanos(1234567891 * SECONDS),
    last=Decimal("195.42"),
    changed=frozenset({"last"}),
)
CHANGED = msgspec.structs.replace(
    WHOLE,
    bid=None,
    delay_seconds=0,
    changed=frozenset({"bid", "ask", "delay_seconds", "last_size"}),
    changed_extra=frozenset({"pricescale", "sector"}),
)

SAID = (
    Said(
        name="quote_update, printed",
        transport=Transport.SSE,
        event=PRINTED_QUOTE,
        messages=sse(DOC_QUOTE_UPDATE),
        whole=False,
        back=QUOTES,
        topics=("quote:NASDAQ:AAPL",),
    ),
    Said(
        name="whole quote, with the vendor's other fields",
        transport=Transport.SSE,
        event=WHOLE,
        messages=sse(
            b'{"type":"quote_update","symbol":"NASDAQ:AAPL","data":' + WHOLE_DATA + b',"timestamp":1710807361}'
        ),
        back=QUOTES,
        topics=("quote:NASDAQ:AAPL",),
    ),
    Said(
        name="what changed, and what is gone",
        transport=Transport.WEBSOCKET,
        event=CHANGED,
        messages=(
            Message(
                b'{"type":"quote_update","symbol":"NASDAQ:AAPL","data":{"bid":null,"ask":195.43,"update_mode":"streaming",'
                b'"pricescale":100,"sector":null},"timestamp":1710807361}'
            ),
        ),
        whole=False,
        back=WS,
        topics=("quote:NASDAQ:AAPL",),
    ),
    Said(
        name="quote_fast_update",
        transport=Transport.WEBSOCKET,
        event=CHANGED,
        messages=(
            Message(
                b'{"type":"quote_fast_update","symbol":"NASDAQ:AAPL","data":{"bid":null,"ask":195.43,'
                b'"update_mode":"streaming","pricescale":100,"sector":null},"timestamp":1710807361}'
            ),
        ),
        whole=False,
        options=EncoderOptions(wording="fast"),
        back=WS,
        topics=("quote:NASDAQ:AAPL",),
    ),
    Said(
        name="quote without a time, with all digits",
        transport=Transport.WEBSOCKET,
        event=Quote(instrument=AAPL, feed=FEED, ts_recv=TS_RECV, last=Decimal("0E-8"), volume=Decimal("1E+2")),
        messages=(Message(b'{"type":"quote_update","symbol":"NASDAQ:AAPL","data":{"lp":0.00000000,"volume":100}}'),),
        topics=("quote:NASDAQ:AAPL",),
    ),
    Said(
        name="price_update, printed",
        transport=Transport.SSE,
        event=bar(),
        messages=sse(DOC_PRICE_UPDATE),
        back=CANDLES,
        topics=("bar.5m:BINANCE:BTCUSDT",),
    ),
    Said(
        name="price_update has no place for a time or a final",
        transport=Transport.SSE,
        event=bar(ts_open=1234567800, is_final=True, derived=True),
        messages=sse(DOC_PRICE_UPDATE),
        back=CANDLES,
        topics=("bar.5m:BINANCE:BTCUSDT",),
    ),
    Said(
        name="update",
        transport=Transport.WEBSOCKET,
        event=bar(1710807361, ts_open=1710806400, close=Decimal("68200.10"), volume=Decimal("1240.50")),
        messages=(Message(WS_UPDATE),),
        back=WS,
        topics=("bar.5m:BINANCE:BTCUSDT",),
    ),
    Said(
        name="update of a listed instrument: the id is in the vendor's spelling",
        transport=Transport.WEBSOCKET,
        event=msgspec.structs.replace(bar(None, volume=None), instrument=COIN, interval="1h"),
        messages=(
            Message(
                b'{"type":"update","subscriptionId":"bar.1h:COINBASE:BTCUSD","symbol":"COINBASE:BTCUSD","data":'
                b'{"open":68100,"close":68200,"max":68250,"min":67980}}'
            ),
        ),
        back=WS,
        topics=("bar.5m:BTC-USD", "bar.1h:BTC-USD"),
    ),
    Said(
        name="feed down",
        transport=Transport.SSE,
        event=FeedStatus(
            feed=FEED, status=FeedHealth.DOWN, ts_recv=UnixNanos(1710807361 * SECONDS), reason="no answer"
        ),
        messages=sse(b'{"type":"error","code":"FEED_DOWN","message":"no answer","timestamp":1710807361}'),
    ),
)

_TRADE = Trade(instrument=AAPL, feed=FEED, ts_recv=TS_RECV, price=Decimal(1), size=Decimal(1))
_BOOK = BookSnapshot(instrument=AAPL, feed=FEED, ts_recv=TS_RECV, bids=(), asks=())
_GAP = Gap(topics=(QUOTE_AAPL,), from_="e-1", to="e-2", cause=Cause.UPSTREAM, ts_recv=TS_RECV)

UNSAID = (
    *(Unsaid(name=f"trade on {t}", transport=t, event=_TRADE) for t in Transport),
    *(Unsaid(name=f"book on {t}", transport=t, event=_BOOK) for t in Transport),
    *(Unsaid(name=f"gap on {t}", transport=t, event=_GAP) for t in Transport),
    *(
        Unsaid(
            name=f"feed {health}", transport=Transport.SSE, event=FeedStatus(feed=FEED, status=health, ts_recv=TS_RECV)
        )
        for health in (FeedHealth.CONNECTING, FeedHealth.LIVE, FeedHealth.STALE)
    ),
    Unsaid(name="bar in REST", transport=Transport.POLLING, event=bar()),
    Unsaid(
        name="quote without any field of the vendor's",
        transport=Transport.SSE,
        event=Quote(instrument=AAPL, feed=FEED, ts_recv=TS_RECV, last_size=Decimal(1)),
    ),
    Unsaid(
        name="instrument without a spelling",
        transport=Transport.SSE,
        event=msgspec.structs.replace(WHOLE, instrument=InstrumentId("AAPL")),
    ),
)

ANSWERED = (
    Answered(
        name="quote",
        question=Question(kind=QuestionKind.QUOTE, instrument=AAPL),
        body=b'{"success":true,"data":{"symbol":"NASDAQ:AAPL","data":{"lp":195.420,"rtc":null}},"msg":"Success"}',
        yields=(quote_patch(AAPL, None, last=Decimal("195.420"), extra={"rtc": None}),),
    ),
    Answered(
        name="bars: the open one is not over, and is told once",
        question=Question(kind=QuestionKind.BARS, instrument=BTC, interval=Interval.M5),
        body=b'{"success":true,"data":{"symbol":"BINANCE:BTCUSDT",'
        b'"current":{"time":1710806700,"open":68100,"close":68200,"max":68250,"min":67980,"volume":1240.5},"history":['
        b'{"time":1710806700,"open":68100,"close":68150,"max":68250,"min":67980,"volume":1000},'
        b'{"time":1710806400,"open":68100,"close":68200,"max":68250,"min":67980,"volume":1240.5}],"info":{}}}',
        yields=(bar(None, ts_open=1710806400, is_final=True), bar(None, ts_open=1710806700)),
    ),
    Answered(
        name="documented error",
        question=Question(kind=QuestionKind.QUOTE, instrument=AAPL),
        body=b'{"success":false,"error":{"code":"INVALID_SYMBOL","message":"Symbol not found or invalid",'
        b'"details":"The symbol \'INVALID:SYMBOL\' does not exist"}}',
        yields=(Refused(QUOTE_AAPL, "unknown_instrument", "Symbol not found or invalid"),),
    ),
    Answered(
        name="error that is a sentence",
        question=Question(kind=QuestionKind.BARS, instrument=BTC, interval=Interval.M5),
        body=b'{"success":false,"error":"Error message","msg":"Failed"}',
        yields=(VendorError("", "Error message"),),
    ),
)

STATED = (
    Stated(
        name="quote",
        endpoint="/api/quote/{symbol}",
        segments={"symbol": "NASDAQ-AAPL"},
        question=StateQuestion(topic=QUOTE_AAPL),
        events=(WHOLE,),
        body=b'{"success":true,"data":{"symbol":"NASDAQ:AAPL","data":' + WHOLE_DATA + b'},"msg":"Success"}',
    ),
)

REQUESTED = (
    Requested(
        name="ping",
        text=b'{"action":"ping"}',
        actions=(Reply(messages=(Message(b'{"type":"pong","timestamp":1800000000}'),)),),
    ),
    Requested(
        name="status of nothing",
        text=b'{"action":"status"}',
        actions=(Reply(messages=(Message(b'{"type":"status","subscriptions":[],"timestamp":1800000000}'),)),),
    ),
    Requested(
        name="candles, as this bridge asks",
        text=b'{"action":"subscribe","id":"bar.5m:BINANCE:BTCUSDT","symbol":"BINANCE:BTCUSDT","timeframe":"5"}',
        actions=(
            Subscribe(
                topics=(BAR_5M,),
                ref="bar.5m:BINANCE:BTCUSDT",
                answer=Held("bar.5m:BINANCE:BTCUSDT", "price", (BAR_5M,)),
            ),
        ),
        subscribes=("bar.5m:BINANCE:BTCUSDT",),
    ),
    Requested(
        name="candles, as the vendor's examples ask",
        text=b'{"action":"subscribe","id":"price_btc","symbol":"BINANCE:BTCUSDT","range":100,"type":"Japanese"}',
        actions=(
            Subscribe(topics=(BAR_5M,), ref="price_btc", answer=Held("price_btc", "price", (BAR_5M,)), history=100),
        ),
    ),
    Requested(
        name="candles no longer",
        text=b'{"action":"unsubscribe","id":"bar.5m:BINANCE:BTCUSDT"}',
        unsubscribes=("bar.5m:BINANCE:BTCUSDT",),
    ),
    Requested(
        name="quotes, as this bridge asks",
        text=b'{"action":"subscribe_quote","id":"quotes_1","symbols":["NASDAQ:AAPL","BINANCE:BTCUSDT"],"fields":"all"}',
        actions=(
            Subscribe(
                topics=(QUOTE_AAPL, QUOTE_BTC),
                ref="quotes_1",
                answer=Held("quotes_1", "quote", (QUOTE_AAPL, QUOTE_BTC)),
                anew=True,
            ),
        ),
        subscribes=("quote:NASDAQ:AAPL", "quote:BINANCE:BTCUSDT"),
    ),
    Requested(
        name="a quote by one symbol, without an id",
        text=b'{"action":"subscribe_quote","symbols":"NASDAQ-AAPL"}',
        actions=(
            Subscribe(topics=(QUOTE_AAPL,), ref="quote_1", answer=Held("quote_1", "quote", (QUOTE_AAPL,)), anew=True),
        ),
    ),
    Requested(
        name="a fast quote",
        text=b'{"action":"subscribe_quote_fast","symbol":"NASDAQ:AAPL"}',
        actions=(
            Subscribe(
                topics=(QUOTE_AAPL,),
                ref="quote_fast_1",
                answer=Held("quote_fast_1", "quote_fast", (QUOTE_AAPL,)),
                anew=True,
            ),
        ),
    ),
)

SAMPLES = Samples(
    heard=HEARD,
    said=SAID,
    unsaid=UNSAID,
    answered=ANSWERED,
    stated=STATED,
    requested=REQUESTED,
    aliases={COIN: "COINBASE:BTCUSD"},
)
