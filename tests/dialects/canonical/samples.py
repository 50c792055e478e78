"""Canonical samples: an example of every row of the contract's tables, written by hand from those tables."""

from decimal import Decimal

import msgspec

from bridge.dialects.contract import (
    EncoderOptions,
    Health,
    Heartbeat,
    Lane,
    Message,
    Missed,
    Question,
    QuestionKind,
    Ready,
    Refused,
    Renew,
    Reply,
    StateQuestion,
    Subscribe,
    Transport,
    Unknown,
    Unsubscribe,
    VendorError,
)
from bridge.model import (
    AccountId,
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    Cause,
    Covered,
    FeedHealth,
    FeedStatus,
    Gap,
    InstrumentId,
    Interval,
    OrderUpdate,
    Quote,
    QuotePatch,
    Side,
    Topic,
    TopicRefused,
    Trade,
    Uncovered,
    UnixNanos,
)
from tests.dialects.sample import (
    CURSOR,
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

SSE, WEBSOCKET = Lane(Transport.SSE), Lane(Transport.WEBSOCKET)
AAPL, BTC = InstrumentId("NASDAQ:AAPL"), InstrumentId("BTC-USD")
ACCOUNT = AccountId("liquidity/acme-1")
EVENT_TIME = UnixNanos(1_773_880_484_250_000_000)  # 2026-03-19T00:34:44.25Z


def common(instrument):
    return {"instrument": instrument, "feed": FEED, "ts_recv": TS_RECV, "ts_event": EVENT_TIME}


def head(kind, instrument):
    return (
        f'{{"type":"{kind}","id":"epoch1-7","instrument":"{instrument}","feed":"sample",'
        '"ts_event":"2026-03-19T00:34:44.250Z","ts_recv":"2027-01-15T08:00:00Z"'
    ).encode()


QUOTE_TEXT = head("quote", AAPL) + (
    b',"bid":"249.87","ask":"250.01","bid_size":"100","ask_size":"3","last":"249.930","last_size":"0.00000050",'
    b'"last_time":"2026-03-19T00:34:44.000000001Z","open":"252.61","high":"254.91","low":"249.01","prev_close":"254.23",'
    b'"change":"-4.30","change_percent":"-1.69","volume":"979956","session":"market","delay_seconds":0'
)
QUOTE_FACTS = {
    "bid": Decimal("249.87"),
    "ask": Decimal("250.01"),
    "bid_size": Decimal(100),
    "ask_size": Decimal(3),
    "last": Decimal("249.930"),
    "last_size": Decimal("5.0E-7"),
    "last_time": UnixNanos(1_773_880_484_000_000_001),
    "open": Decimal("252.61"),
    "high": Decimal("254.91"),
    "low": Decimal("249.01"),
    "prev_close": Decimal("254.23"),
    "change": Decimal("-4.30"),
    "change_percent": Decimal("-1.69"),
    "volume": Decimal(979956),
    "session": "market",
    "delay_seconds": 0,
}
EXTRA_TEXT = b',"extra":{"lp_time":1773880484,"logo":{"style":"single"}}'
EXTRA = {"lp_time": msgspec.Raw(b"1773880484"), "logo": msgspec.Raw(b'{"style":"single"}')}
TRADE_TEXT = head("trade", BTC) + b',"trade_id":"trd_9281","price":"83421.50","size":"0.5","aggressor_side":"buy"}'
TRADE = Trade(
    **common(BTC), price=Decimal("83421.50"), size=Decimal("0.5"), aggressor_side=Side.BUY, trade_id="trd_9281"
)
SNAPSHOT_TEXT = head("book_snapshot", BTC) + (
    b',"bids":[["83400","1.5"],["83399","2.0"]],"asks":[["83401","1.2"]],"sequence":12}'
)
SNAPSHOT = BookSnapshot(
    **common(BTC),
    bids=(BookLevel(Decimal(83400), Decimal("1.5")), BookLevel(Decimal(83399), Decimal("2.0"))),
    asks=(BookLevel(Decimal(83401), Decimal("1.2")),),
    sequence=12,
)
DELTA_TEXT = head("book_delta", BTC) + (
    b',"bids":[["83400","1.8"]],"asks":[["83401","0"]],"sequence":13,"prev_sequence":12}'
)
DELTA = BookDelta(
    **common(BTC),
    bids=(BookLevel(Decimal(83400), Decimal("1.8")),),
    asks=(BookLevel(Decimal(83401), Decimal(0)),),
    sequence=13,
    prev_sequence=12,
)
BAR_TEXT = head("bar", AAPL) + (
    b',"interval":"5m","ts_open":"2026-03-19T00:30:00Z","open":"250.0","high":"250.5","low":"249.9","close":"250.1",'
    b'"volume":"1200","is_final":false,"derived":true,"partial":true}'
)
BAR = Bar(
    **common(AAPL),
    interval="5m",
    ts_open=UnixNanos(1_773_880_200_000_000_000),
    open=Decimal("250.0"),
    high=Decimal("250.5"),
    low=Decimal("249.9"),
    close=Decimal("250.1"),
    volume=Decimal(1200),
    is_final=False,
    derived=True,
    partial=True,
)
ORDER_TEXT = head("order", AAPL) + (
    b',"order_id":"ord_1","account":"liquidity/acme-1","side":"buy","order_type":"limit","quantity":"100",'
    b'"filled_quantity":"50","average_price":"249.93","status":"partially_filled"}'
)
ORDER = OrderUpdate(
    **common(AAPL),
    account=ACCOUNT,
    order_id="ord_1",
    side=Side.BUY,
    order_type="limit",
    quantity=Decimal(100),
    filled_quantity=Decimal(50),
    average_price=Decimal("249.93"),
    status="partially_filled",
)
STATUS_TEXT = (
    b'{"type":"feed_status","id":"epoch1-7","feed":"sample","ts_recv":"2027-01-15T08:00:00Z","status":"stale",'
    b'"reason":"no data for 90 s","since":"2026-03-19T00:34:44.250Z"}'
)
GAP_TEXT = (
    b'{"type":"gap","id":"epoch1-7","feed":"sample","ts_recv":"2027-01-15T08:00:00Z","topics":["trade:BTC-USD"],'
    b'"from":"epoch1-3","to":"epoch1-7","cause":"upstream","missed":4,"ts_from":"2026-03-19T00:34:44.250Z",'
    b'"ts_to":"2027-01-15T08:00:00Z","repaired":false}'
)


def read(event):
    """An event as a reader has it before `assemble` numbers its chain."""
    fresh = {"sequence": 0, "prev_sequence": 0}
    names = {name: value for name, value in fresh.items() if name in event.__struct_fields__}
    return msgspec.structs.replace(event, **names)


def trade_gap(said):
    return said(feed=FEED, topics=(Topic.parse("trade:BTC-USD"),), ts_recv=TS_RECV)


HEARD = (
    Heard(
        name="a quote",
        lane=SSE,
        frame=QUOTE_TEXT + EXTRA_TEXT + b"}",
        topics=("quote:NASDAQ:AAPL",),
        yields=(QuotePatch(**common(AAPL), full=True, **QUOTE_FACTS, extra=EXTRA),),
    ),
    Heard(name="a trade", lane=WEBSOCKET, frame=TRADE_TEXT, topics=("trade:BTC-USD",), yields=(TRADE,)),
    Heard(name="a book", lane=SSE, frame=SNAPSHOT_TEXT, topics=("book:BTC-USD",), yields=(read(SNAPSHOT),)),
    Heard(name="a book's change", lane=SSE, frame=DELTA_TEXT, topics=("book:BTC-USD",), yields=(read(DELTA),)),
    Heard(name="a bar", lane=SSE, frame=BAR_TEXT, topics=("bar.5m:NASDAQ:AAPL",), yields=(BAR,)),
    Heard(name="an order", lane=SSE, frame=ORDER_TEXT, topics=("order",), account=ACCOUNT, yields=(ORDER,)),
    Heard(
        name="a feed in trouble",
        lane=SSE,
        frame=STATUS_TEXT,
        topics=("quote:A",),
        yields=(Health(FeedHealth.STALE, "its feed sample: no data for 90 s", (), sound=False),),
    ),
    Heard(
        name="a feed that is fine",
        lane=SSE,
        frame=STATUS_TEXT.replace(b"stale", b"live"),
        topics=("quote:A",),
        yields=(Health(FeedHealth.LIVE, None, (), sound=True),),
    ),
    Heard(
        name="a gap",
        lane=SSE,
        frame=GAP_TEXT,
        topics=("trade:BTC-USD",),
        yields=(Missed((Topic.parse("trade:BTC-USD"),), "the bridge declared a gap (upstream)"),),
    ),
    Heard(
        name="the first word",
        lane=SSE,
        frame=b'{"type":"stream","id":"epoch1-7","stream":"x9","verdict":"fresh","topics":["quote:NASDAQ:AAPL"],'
        b'"limits":{"subscriptions_per_connection":50},"ts_recv":"2027-01-15T08:00:00Z"}',
        topics=("quote:NASDAQ:AAPL",),
        yields=(Ready(None),),
    ),
    Heard(
        name="a confirmation",
        lane=WEBSOCKET,
        frame=b'{"type":"ok","op":"subscribe","ref":"trade:BTC-USD","topics":["trade:BTC-USD"],"cursor":"epoch1-7"}',
        topics=("quote:NASDAQ:AAPL", "trade:BTC-USD"),
        yields=(Ready((Topic.parse("trade:BTC-USD"),)),),
    ),
    Heard(
        name="a refused topic",
        lane=SSE,
        frame=b'{"type":"problem","id":"epoch1-7","code":"unknown_instrument","message":"never heard of it",'
        b'"topic":"quote:NASDAQ:AAPL","retry":"no","ts_recv":"2027-01-15T08:00:00Z"}',
        topics=("quote:NASDAQ:AAPL",),
        yields=(Refused(Topic.parse("quote:NASDAQ:AAPL"), "unknown_instrument", "never heard of it"),),
    ),
    Heard(
        name="a token that is about to end",
        lane=SSE,
        frame=b'{"type":"expiring","id":"epoch1-7","expires":"2027-01-15T08:01:00Z","ts_recv":"2027-01-15T08:00:00Z"}',
        yields=(Heartbeat(),),
    ),
    Heard(
        name="the last word",
        lane=SSE,
        frame=b'{"type":"goaway","id":"epoch1-7","reason":"going_away","retry":"after","retry_after_ms":1500,'
        b'"ts_recv":"2027-01-15T08:00:00Z"}',
        yields=(VendorError("going_away", "the bridge hung up, come back: after", fatal=True),),
    ),
    Heard(name="something newer", lane=SSE, frame=b'{"type":"auction","id":"epoch1-7"}', yields=(Unknown("auction"),)),
)


def said(name, event, text, topic=None, **more):
    kind = msgspec.json.decode(text)["type"]
    back = None if topic is None else SSE
    return tuple(
        Said(
            name=f"{name} on {transport}",
            transport=transport,
            event=event,
            messages=(Message(text, kind, CURSOR),),
            back=back and Lane(transport),
            topics=() if topic is None else (topic,),
            **more,
        )
        for transport in (Transport.SSE, Transport.WEBSOCKET)
    )


def removed(event):
    return msgspec.structs.replace(event, asks=(BookLevel(Decimal(83401), Decimal("0.000")),))


QUOTE = Quote(**common(AAPL), **QUOTE_FACTS, extra=EXTRA, changed=frozenset({"bid"}))
SAID = (
    *said("a quote", QUOTE, QUOTE_TEXT + b"}", "quote:NASDAQ:AAPL"),
    *said("a quote's change, said whole", QUOTE, QUOTE_TEXT + b"}", "quote:NASDAQ:AAPL", whole=False),
    *said("a quote with extra", QUOTE, QUOTE_TEXT + EXTRA_TEXT + b"}", options=EncoderOptions(extra=True)),
    *said(
        "a conflated quote",
        msgspec.structs.replace(QUOTE, conflated=True),
        QUOTE_TEXT + b',"conflated":true}',
        "quote:NASDAQ:AAPL",
    ),
    *said(
        "a derived quote",
        msgspec.structs.replace(QUOTE, derived=True),
        QUOTE_TEXT + b',"derived":true}',
        "quote:NASDAQ:AAPL",
    ),
    *said("a trade", TRADE, TRADE_TEXT, "trade:BTC-USD"),
    *said(
        "a possible double",
        msgspec.structs.replace(TRADE, possible_duplicate=True),
        TRADE_TEXT[:-1] + b',"possible_duplicate":true}',
        "trade:BTC-USD",
    ),
    *said("a book", SNAPSHOT, SNAPSHOT_TEXT, "book:BTC-USD"),
    *said(
        "a cut book",
        msgspec.structs.replace(SNAPSHOT, depth=2),
        SNAPSHOT_TEXT.replace(b',"sequence"', b',"depth":2,"sequence"'),
    ),
    *said("a book's change", DELTA, DELTA_TEXT, "book:BTC-USD"),
    *said("a removed level is 0", removed(DELTA), DELTA_TEXT, "book:BTC-USD"),
    *said("a bar", BAR, BAR_TEXT, "bar.5m:NASDAQ:AAPL"),
    *said("an order", ORDER, ORDER_TEXT, "order", account=ACCOUNT),
    *said(
        "a feed's health",
        FeedStatus(feed=FEED, status=FeedHealth.STALE, ts_recv=TS_RECV, reason="no data for 90 s", since=EVENT_TIME),
        STATUS_TEXT,
    ),
    *said(
        "a gap",
        Gap(
            topics=(Topic.parse("trade:BTC-USD"),),
            from_="epoch1-3",
            to=CURSOR,
            cause=Cause.UPSTREAM,
            ts_recv=TS_RECV,
            missed=4,
            ts_from=EVENT_TIME,
            ts_to=TS_RECV,
            feed=FEED,
        ),
        GAP_TEXT,
    ),
)

UNSAID = tuple(
    Unsaid(name=f"{type(event).__name__} on {transport}", transport=transport, event=event)
    for transport in (Transport.SSE, Transport.WEBSOCKET)
    for event in (
        trade_gap(Covered),
        trade_gap(Uncovered),
        TopicRefused(feed=FEED, topic=Topic.parse("quote:A"), code="forbidden", message="m", ts_recv=TS_RECV),
    )
)

ANSWERED = (
    Answered(
        name="a quote",
        question=Question(kind=QuestionKind.QUOTE, instrument=AAPL),
        body=QUOTE_TEXT + b"}",
        yields=(QuotePatch(**common(AAPL), full=True, **QUOTE_FACTS),),
    ),
    Answered(
        name="a book",
        question=Question(kind=QuestionKind.BOOK, instrument=BTC),
        body=SNAPSHOT_TEXT,
        yields=(read(SNAPSHOT),),
    ),
    Answered(
        name="bars",
        question=Question(kind=QuestionKind.BARS, instrument=AAPL, interval=Interval.M5),
        body=b'{"events":[' + BAR_TEXT + b"," + BAR_TEXT + b"]}",
        yields=(BAR, BAR),
    ),
)

STATED = (
    Stated(
        name="a quote",
        endpoint="/v1/instruments/{id}/quote",
        segments={"id": AAPL},
        question=StateQuestion(topic=Topic.parse("quote:NASDAQ:AAPL")),
        events=(QUOTE,),
        body=QUOTE_TEXT + b"}",
    ),
    Stated(
        name="a quote with extra",
        endpoint="/v1/instruments/{id}/quote",
        segments={"id": AAPL},
        query={"extra": ("true",)},
        question=StateQuestion(topic=Topic.parse("quote:NASDAQ:AAPL")),
        events=(QUOTE,),
        body=QUOTE_TEXT + EXTRA_TEXT + b"}",
    ),
    Stated(
        name="a book",
        endpoint="/v1/instruments/{id}/book",
        segments={"id": BTC},
        question=StateQuestion(topic=Topic.parse("book:BTC-USD")),
        events=(SNAPSHOT,),
        body=SNAPSHOT_TEXT,
    ),
    Stated(
        name="trades",
        endpoint="/v1/instruments/{id}/trades",
        segments={"id": BTC},
        query={"limit": ("2",)},
        question=StateQuestion(topic=Topic.parse("trade:BTC-USD"), limit=2),
        events=(TRADE, TRADE),
        body=b'{"events":[' + TRADE_TEXT + b"," + TRADE_TEXT + b"]}",
    ),
    Stated(
        name="bars",
        endpoint="/v1/instruments/{id}/bars",
        segments={"id": AAPL},
        query={"interval": ("5m",)},
        question=StateQuestion(topic=Topic.parse("bar.5m:NASDAQ:AAPL")),
        events=(BAR,),
        body=b'{"events":[' + BAR_TEXT + b"]}",
    ),
)

REQUESTED = (
    Requested(
        name="subscribe",
        text=b'{"op":"subscribe","topics":["quote:NASDAQ:AAPL"],"ref":"quote:NASDAQ:AAPL"}',
        actions=(Subscribe(topics=(Topic.parse("quote:NASDAQ:AAPL"),), ref="quote:NASDAQ:AAPL"),),
        subscribes=("quote:NASDAQ:AAPL",),
    ),
    Requested(
        name="subscribe to a cut book",
        text=b'{"op":"subscribe","topics":["book.20:BTC-USD"],"ref":"book.20:BTC-USD"}',
        actions=(Subscribe(topics=(Topic.parse("book.20:BTC-USD"),), ref="book.20:BTC-USD"),),
        subscribes=("book:BTC-USD",),
        depth=20,
    ),
    Requested(
        name="resume",
        text=b'{"op":"subscribe","topics":["all:BTC-USD","order","status"],"after":"epoch1-7"}',
        actions=(
            Subscribe(
                topics=(Topic.parse("all:BTC-USD"), Topic.parse("order"), Topic.parse("status")), after="epoch1-7"
            ),
        ),
    ),
    Requested(
        name="unsubscribe",
        text=b'{"op":"unsubscribe","topics":["trade:BTC-USD","bar.5m:NASDAQ:AAPL"]}',
        actions=(Unsubscribe(topics=(Topic.parse("trade:BTC-USD"), Topic.parse("bar.5m:NASDAQ:AAPL"))),),
        unsubscribes=("trade:BTC-USD", "bar.5m:NASDAQ:AAPL"),
    ),
    Requested(
        name="renew",
        text=b'{"op":"renew","token":"a.b.c","ref":"1"}',
        actions=(Renew(token="a.b.c", ref="1"),),
    ),
    Requested(
        name="ping",
        text=b'{"op":"ping","ref":"7"}',
        actions=(Reply(messages=(Message(b'{"type":"ok","op":"ping","ref":"7"}', "ok"),)),),
    ),
)

SAMPLES = Samples(heard=HEARD, said=SAID, unsaid=UNSAID, answered=ANSWERED, stated=STATED, requested=REQUESTED)
