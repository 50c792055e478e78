"""What a session remembers, and what is kept of a quote's other fields."""

import json

import msgspec
import pytest
from msgspec import UNSET, Raw

from bridge.dialects.contract import Asked, Frame, Heartbeat, Lane, Ready, Refused, SymbolTable, Transport, Unknown
from bridge.dialects.tradingview import DIALECT
from bridge.errors import VendorProtocolError
from bridge.model import SECONDS, FeedName, QuotePatch, Topic, UnixNanos

WS = Lane(Transport.WEBSOCKET)
AT = UnixNanos(1_800_000_000 * SECONDS)


class Session:
    """A decoder and what it was asked for."""

    def __init__(self, *topics: str, lane: Lane = WS) -> None:
        self.asked = Asked(FeedName("f"), lane, SymbolTable(DIALECT.spelling, {}))
        self.asked.add([Topic.parse(topic) for topic in topics])
        self._decoder = DIALECT.decoder(self.asked)

    def hear(self, message: object) -> list:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        return list(self._decoder.decode(Frame(data=data, ts_recv=AT)))

    def quote(self, data: object, symbol: str = "A:B", **more: object) -> QuotePatch:
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        message = {"type": "quote_update", "symbol": symbol, "data": msgspec.Raw(raw), **more}
        (patch,) = self.hear(msgspec.json.encode(message))
        return patch


def test_the_first_quote_of_each_symbol_is_whole():
    session = Session("quote:A:B", "quote:A:C")
    assert [session.quote({"lp": 1}, s).full for s in ("A:B", "A:B", "A:C", "A:B")] == [True, False, True, False]


def test_after_an_unsubscribe_a_quote_begins_anew_and_the_others_go_on():
    session = Session("quote:A:B", "quote:A:C")
    session.quote({"lp": 1}, "A:B")
    session.quote({"lp": 1}, "A:C")
    session.asked.discard([Topic.parse("quote:A:B")])
    assert session.hear({"type": "unsubscribed", "id": "x"}) == [Heartbeat()]
    session.asked.add([Topic.parse("quote:A:B")])
    assert session.quote({"lp": 1}, "A:B").full
    assert not session.quote({"lp": 1}, "A:C").full


def test_after_a_reset_every_quote_begins_anew():
    session = Session("quote:A:B")
    session.quote({"lp": 1})
    session.hear({"type": "subscriptions_reset"})
    assert session.quote({"lp": 1}).full


@pytest.mark.parametrize(
    ("timestamp", "nanos"),
    [
        (1710807360, 1710807360 * SECONDS),
        (1710807360123, 1710807360_123_000_000),
        (1710807360.25, 1710807360_250_000_000),
        (1710807360123.5, 1710807360_123_500_000),
        (0, 0),
        (0.5, 500_000_000),
        (100_000_000_000, 100_000_000_000 * SECONDS),
        (None, None),
    ],
)
def test_a_time_is_read_in_seconds_or_milliseconds(timestamp, nanos):
    assert Session("quote:A:B").quote({"lp": 1}, timestamp=timestamp).ts_event == nanos


def test_absent_null_and_zero_are_three_things():
    patch = Session("quote:A:B").quote(b'{"bid":null,"ask":0,"lp_time":null,"current_session":null,"rtc":null}')
    assert (patch.bid, patch.ask, patch.last) == (None, 0, UNSET)
    assert (patch.last_time, patch.session) == (None, None)
    assert patch.extra == {"rtc": None}


@pytest.mark.parametrize(
    ("mode", "delay", "extra"),
    [
        (b'"streaming"', 0, None),
        (b'"delayed_streaming_900"', 900, None),
        (b'"endofday"', None, Raw(b'"endofday"')),
        (b'"delayed_streaming_soon"', None, Raw(b'"delayed_streaming_soon"')),
        (b"null", None, None),
    ],
)
def test_an_update_mode_is_a_delay_or_stays_what_it_is(mode, delay, extra):
    session = Session("quote:A:B")
    session.quote({"lp": 1})
    patch = session.quote(b'{"update_mode":%s}' % mode)
    assert (patch.delay_seconds, patch.extra) == (delay, {"update_mode": extra})


def test_a_whole_quote_with_a_known_mode_has_no_other_word_for_it():
    assert Session("quote:A:B").quote({"update_mode": "streaming"}).extra == {}


def test_other_fields_are_kept_byte_for_byte_on_one_line():
    data = b'{"a":1.50E+3,"b":"x\\u00e9\\n\xc3\xa9","c":{"d" :\n [1,\r\n 2]},"lp":1,"e-f":-0.0}'
    assert Session("quote:A:B").quote(data).extra == {
        "a": Raw(b"1.50E+3"),
        "b": Raw(b'"x\\u00e9\\n\xc3\xa9"'),
        "c": Raw(b'{"d" :  [1,   2]}'),
        "e-f": Raw(b"-0.0"),
    }


def test_the_copy_does_not_hold_the_frame():
    extra = Session("quote:A:B").quote({"x": "y", "padding": "z" * 1_000}).extra
    assert bytes(extra["x"]) == b'"y"'
    assert memoryview(extra["x"]).nbytes == 3


def test_other_fields_are_bounded_in_number_and_that_is_counted():
    session = Session("quote:A:B")
    said = session.hear(
        {"type": "quote_update", "symbol": "A:B", "data": {"lp": 1, **{f"f{n}": n for n in range(301)}}}
    )
    assert len(said[0].extra) == 300
    assert said[1:] == [Unknown("quote fields beyond the bound")]
    assert said[0].last == 1


def test_other_fields_are_bounded_in_bytes():
    session = Session("quote:A:B")
    said = session.hear({"type": "quote_update", "symbol": "A:B", "data": {"a": 1, "big": "x" * 16_384, "lp": 1}})
    assert set(said[0].extra) == {"a"}
    assert len(said) == 2


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"[]",
        b"{}",
        b'{"type":5}',
        b'{"type":"quote_update","symbol":"A:B"}',
        b'{"type":"quote_update","symbol":"A:B","data":null}',
        b'{"type":"quote_update","symbol":"A:B","data":{"lp":"1.5"}}',
        b'{"type":"quote_update","symbol":"A:B","data":{"lp":1E+1000}}',
        b'{"type":"quote_update","symbol":"A:B","data":{"lp":NaN}}',
        b'{"type":"quote_update","symbol":"A:B","data":{"lp_time":-1}}',
        b'{"type":"quote_update","symbol":"A:B","data":{"x":"\xff"}}',
        b'{"type":"quote_update","symbol":"A:B","data":{"x":"\\ud800"}}',
        b'{"type":"quote_update","symbol":"A:B","data":{},"timestamp":1e20}',
        b'{"type":"update","symbol":"A:B","data":{"open":1,"close":1,"max":1}}',
        b'{"type":"update","symbol":"A:B","data":{"open":1,"high":1,"low":1}}',
        b'{"type":"history","symbol":"A:B","periods":{}}',
        b'{"type":"auth_expiring","expiresAt":-1}',
        b'{"type":"quote_update","symbol":"A:B","data":' + b"[" * 100_000,
    ],
)
def test_a_malformed_message_is_the_vendors_fault(frame):
    with pytest.raises(VendorProtocolError):
        Session("quote:A:B", "bar.5m:A:B").hear(frame)


def test_a_malformed_first_quote_does_not_take_the_place_of_the_whole_one():
    session = Session("quote:A:B")
    with pytest.raises(VendorProtocolError):
        session.hear(b'{"type":"quote_update","symbol":"A:B","data":{"lp":"x"}}')
    assert session.quote({"lp": 1}).full


def test_what_was_not_asked_for_is_left_out():
    session = Session("bar.5m:A:B")
    assert session.hear({"type": "quote_update", "symbol": "A:B", "data": {"lp": 1}}) == []
    assert session.hear({"type": "quote_update", "symbol": "nonsense", "data": {"lp": 1}}) == []
    candle = {"open": 1, "close": 1, "max": 1, "min": 1}
    assert session.hear({"type": "update", "symbol": "A:C", "data": candle}) == []
    assert session.hear({"type": "update", "id": "bar.1h:A:B", "symbol": "A:B", "data": candle}) == []


def test_past_candles_without_times_are_turned_round():
    session = Session("bar.5m:A:B")
    candles = [{"open": n, "close": n, "max": n, "min": n} for n in (3, 2, 1)]
    said = session.hear({"type": "history", "symbol": "A:B", "periods": candles})
    assert [(int(bar.close), bar.is_final) for bar in said] == [(1, True), (2, True), (3, None)]


def test_an_empty_history_says_nothing():
    assert Session("bar.5m:A:B").hear({"type": "history", "symbol": "A:B"}) == []


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ({"message": "no", "symbol": "A:B"}, ["quote:A:B", "bar.5m:A:B"]),
        ({"message": "no", "id": "bar.5m:A:B"}, ["bar.5m:A:B"]),
        ({"message": "Unknown symbol A:BC."}, ["quote:A:BC"]),
        ({"message": "no", "details": {"symbol": "A:BC"}}, ["quote:A:BC"]),
        ({"error": {"code": "INVALID_SYMBOL", "message": "'A:BC' does not exist"}}, ["quote:A:BC"]),
        ({"message": "A:BCD and XA:B are unknown"}, [None]),
        ({"message": "A:B.P and A:BC! are unknown"}, [None]),
    ],
)
def test_a_refusal_is_of_what_it_names_and_not_of_what_looks_alike(message, refused):
    session = Session("quote:A:B", "bar.5m:A:B", "quote:A:BC")
    said = session.hear({"type": "error", "code": "INVALID_SYMBOL", **message})
    assert [refusal.topic and str(refusal.topic) for refusal in said] == refused
    assert all(isinstance(refusal, Refused) for refusal in said)


def test_a_refusal_on_a_stream_of_one_symbol_can_only_be_of_that():
    session = Session("quote:A:B", lane=Lane(Transport.SSE, "quote"))
    (refused,) = session.hear({"type": "error", "code": "INVALID_SYMBOL", "message": "no"})
    assert str(refused.topic) == "quote:A:B"


def test_a_confirmation_is_of_what_is_asked_for_only():
    session = Session("quote:A:B")
    assert session.hear({"type": "quote_subscribed", "symbols": ["A:B", "A:C", "?"]}) == [
        Ready((Topic.parse("quote:A:B"),))
    ]
    assert session.hear({"type": "quote_subscribed", "symbols": "A:B"}) == [Ready((Topic.parse("quote:A:B"),))]
