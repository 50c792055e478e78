"""Every event as a client of the contract sees it: the table's fields and types, RFC 3339, exact digits, never a null."""

import json
import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.dialects.canonical import DIALECT
from bridge.dialects.contract import EncoderOptions, SymbolTable, Transport
from bridge.errors import Unspeakable
from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    Cause,
    Covered,
    FeedName,
    Gap,
    InstrumentId,
    Quote,
    Topic,
    TopicRefused,
    Trade,
    Uncovered,
    UnixNanos,
)
from tests.dialects.canonical import events

DIGITS = re.compile(r"-?\d+(\.\d+)?")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?Z")
QUOTE_NUMBERS = "bid ask bid_size ask_size last last_size open high low prev_close change change_percent volume"

INTERVALS = ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1mo")


def number(value):
    return isinstance(value, str) and DIGITS.fullmatch(value) is not None


def moment(value):
    return isinstance(value, str) and MOMENT.fullmatch(value) is not None


def text(value):
    return isinstance(value, str)


def count(value):
    return type(value) is int and value >= 0


def flag(value):
    return type(value) is bool


def true(value):
    return value is True


def texts(value):
    return isinstance(value, list) and bool(value) and all(map(text, value))


def levels(value):
    return isinstance(value, list) and all(len(level) == 2 and all(map(number, level)) for level in value)


def one_of(*words):
    return lambda value: value in words


LISTED = {"instrument": text, "feed": text, "ts_recv": moment}
TABLE = {
    # type: (required, optional), from the contract's table of canonical events
    "quote": (
        LISTED,
        dict.fromkeys(QUOTE_NUMBERS.split(), number)
        | {
            "last_time": moment,
            "session": text,
            "delay_seconds": count,
            "conflated": true,
            "derived": true,
            "extra": bool,
        },
    ),
    "trade": (
        LISTED | {"price": number, "size": number},
        {"trade_id": text, "aggressor_side": one_of("buy", "sell"), "possible_duplicate": true},
    ),
    "book_snapshot": (LISTED | {"bids": levels, "asks": levels, "sequence": count}, {"depth": count}),
    "book_delta": (
        LISTED | {"bids": levels, "asks": levels, "sequence": count, "prev_sequence": count},
        {"depth": count},
    ),
    "bar": (
        LISTED | {"interval": one_of(*INTERVALS)} | dict.fromkeys(["open", "high", "low", "close"], number),
        {"ts_open": moment, "volume": number, "is_final": flag, "derived": true, "partial": true},
    ),
    "order": (
        LISTED
        | {"order_id": text, "account": text, "side": one_of("buy", "sell"), "order_type": text}
        | {"quantity": number, "filled_quantity": number, "status": text},
        {"average_price": number, "reconciled": true},
    ),
    "feed_status": (
        {"feed": text, "status": one_of("connecting", "live", "stale", "down"), "ts_recv": moment},
        {"instrument": text, "reason": text, "since": moment},
    ),
    "gap": (
        {"topics": texts, "from": text, "to": text, "repaired": flag, "ts_recv": moment}
        | {"cause": one_of("vendor", "upstream", "bridge", "slow_consumer", "history")},
        {"missed": count, "ts_from": moment, "ts_to": moment, "feed": text},
    ),
}


def encoder(*, extra: bool = False):
    symbols = SymbolTable(DIALECT.spelling, {})
    return DIALECT.encoder(Transport.SSE, symbols, EncoderOptions(extra=extra))


def nulls(value):
    if isinstance(value, dict):
        return any(map(nulls, value.values()))
    return value is None or (isinstance(value, list) and any(map(nulls, value)))


@given(events.log_events, events.cursors, st.booleans(), st.booleans())
def test_every_event_has_the_contracts_fields_and_types_and_nothing_else(event, cursor, extra, whole):
    (message,) = encoder(extra=extra).encode(event, cursor, whole=whole)
    said = json.loads(message.data)
    kind = said["type"]
    assert list(said)[:2] == ["type", "id"]
    assert (message.event, message.id, said["id"]) == (kind, cursor, cursor)
    assert b"\n" not in message.data
    assert not nulls(said)
    required, optional = TABLE[kind]
    fields = {name: value for name, value in said.items() if name not in ("type", "id", "ts_event")}
    assert required.keys() <= fields.keys() <= required.keys() | optional.keys()
    for name, value in fields.items():
        assert (required | optional)[name](value), (name, value)
    assert moment(said["ts_event"]) if "ts_event" in said else getattr(event, "ts_event", None) is None


def test_a_quote_says_its_whole_state_and_the_vendors_other_fields_only_when_asked():
    quote = Quote(
        instrument=InstrumentId("NASDAQ:AAPL"),
        feed=FeedName("tradingview"),
        ts_recv=UnixNanos(1_773_880_484_500_000_000),
        bid=Decimal("249.90"),
        volume=Decimal("0E-8"),
        session="market",
        delay_seconds=0,
        changed=frozenset({"bid"}),
        extra={"lp_time": msgspec.Raw(b"[17,\r\n 73]"), "desc": msgspec.Raw(b'"a\\nb"'), "gone": msgspec.Raw(b"null")},
    )
    plain = {
        "type": "quote",
        "id": "e-1",
        "instrument": "NASDAQ:AAPL",
        "feed": "tradingview",
        "ts_recv": "2026-03-19T00:34:44.500Z",
        "bid": "249.90",
        "volume": "0.00000000",
        "session": "market",
        "delay_seconds": 0,
    }
    for whole in (True, False):
        (message,) = encoder().encode(quote, "e-1", whole=whole)
        assert json.loads(message.data) == plain
    (message,) = encoder(extra=True).encode(quote, "e-1", whole=True)
    assert json.loads(message.data) == plain | {"extra": {"lp_time": [17, 73], "desc": "a\nb"}}
    assert b"\n" not in message.data
    assert b"\r" not in message.data


def test_a_removed_level_has_size_0_however_the_vendor_wrote_it():
    delta = BookDelta(
        instrument=InstrumentId("BTC-USD"),
        feed=FeedName("liquidity"),
        ts_recv=UnixNanos(10**18),
        bids=(BookLevel(Decimal("83400.10"), Decimal("0.00000")),),
        asks=(BookLevel(Decimal("1E+2"), Decimal("9.0E-7")),),
        sequence=7,
        prev_sequence=6,
    )
    (message,) = encoder().encode(delta, "e-1", whole=True)
    said = json.loads(message.data)
    assert (said["bids"], said["asks"]) == ([["83400.10", "0"]], [["100", "0.00000090"]])
    assert (said["sequence"], said["prev_sequence"]) == (7, 6)
    assert "depth" not in said


def test_a_gap_names_topics_as_clients_spell_them():
    gap = Gap(
        topics=(Topic.parse("trade:BTC-USD"), Topic.parse("book.20:BTC-USD"), Topic.parse("order")),
        from_='other"-3',
        to="e-9",
        cause=Cause.HISTORY,
        ts_recv=UnixNanos(10**18),
    )
    (message,) = encoder().encode(gap, "e-9", whole=True)
    assert json.loads(message.data) == {
        "type": "gap",
        "id": "e-9",
        "ts_recv": "2001-09-09T01:46:40Z",
        "topics": ["trade:BTC-USD", "book.20:BTC-USD", "order"],
        "from": 'other"-3',
        "to": "e-9",
        "cause": "history",
        "repaired": False,
    }


def test_a_bar_says_whether_it_is_final_only_when_that_is_known():
    bar = Bar(
        instrument=InstrumentId("A"),
        feed=FeedName("f"),
        ts_recv=UnixNanos(10**18),
        interval="5m",
        **dict.fromkeys(("open", "high", "low", "close"), Decimal(1)),
    )
    assert "is_final" not in json.loads(encoder().encode(bar, "e-1", whole=True)[0].data)
    for known in (True, False):
        said = encoder().encode(msgspec.structs.replace(bar, is_final=known), "e-1", whole=True)[0].data
        assert json.loads(said)["is_final"] is known


def test_what_comes_from_outside_cannot_break_out_of_its_string():
    trade = Trade(
        instrument=InstrumentId("A"),
        feed=FeedName('f","type":"quote'),
        ts_recv=UnixNanos(10**18),
        price=Decimal(1),
        size=Decimal(1),
        trade_id='x","price":"9\n\u2028',
    )
    said = json.loads(encoder().encode(trade, "e-1", whole=True)[0].data)
    assert (said["type"], said["price"], said["trade_id"]) == ("trade", "1", 'x","price":"9\n\u2028')


@pytest.mark.parametrize(
    "event",
    [
        Covered(feed=FeedName("f"), topics=(Topic.parse("quote:A"),), ts_recv=UnixNanos(0)),
        Uncovered(feed=FeedName("f"), topics=(Topic.parse("quote:A"),), ts_recv=UnixNanos(0)),
        TopicRefused(
            feed=FeedName("f"), topic=Topic.parse("quote:A"), code="forbidden", message="", ts_recv=UnixNanos(0)
        ),
    ],
)
def test_what_is_never_delivered_has_no_word(event):
    with pytest.raises(Unspeakable):
        encoder().encode(event, "e-1", whole=True)
