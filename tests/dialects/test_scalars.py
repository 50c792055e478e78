"""Numbers keep their digits, times their nanoseconds, and a malformed frame has one name."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from bridge.dialects.scalars import LATEST_SECONDS, Number, malformed, number, reader, seconds_or_millis
from bridge.errors import OFFENDING_BYTES, VendorProtocolError


class Priced(msgspec.Struct):
    price: Number


class Loose(msgspec.Struct):
    price: Number | UnsetType | None = UNSET
    levels: list[tuple[Number, Number]] = []


read_priced = reader(Priced)
read_loose = reader(Loose)


def price_of(text: str) -> Decimal:
    return read_priced(b'{"price":%b}' % text.encode()).price


@pytest.mark.parametrize(
    "text",
    ["0", "1", "83421.50", "0.00000000", "-4.30", "12345678901234567890.123456789012345678", "18446744073709551616"],
)
def test_a_json_number_keeps_its_digits(text):
    assert str(price_of(text)) == str(Decimal(text))
    assert type(price_of(text)) is Decimal


@pytest.mark.parametrize(("text", "written"), [("0E-8", "0.00000000"), ("9.0E-7", "0.00000090"), ("1e5", "100000")])
def test_an_exponent_is_written_out(text, written):
    assert bytes(number(price_of(text))) == written.encode()


@pytest.mark.parametrize("text", ["9" * 40, "0." + "1" * 30, "1e30", "1e-30"])
def test_numbers_up_to_the_bound_are_read(text):
    assert price_of(text) == Decimal(text)


@pytest.mark.parametrize(
    "text", ["9" * 41, "0." + "1" * 31, "1e31", "1E+1000000", "1e-31", "9" * 5_000, "1." + "1" * 5_000]
)
def test_numbers_beyond_the_bound_are_refused(text):
    with pytest.raises(VendorProtocolError):
        price_of(text)


@pytest.mark.parametrize(
    "text", ['"1.5"', '"NaN"', "true", "false", "null", "[]", "{}", "NaN", "Infinity", "-", "01", "1."]
)
def test_only_a_number_is_a_number(text):
    with pytest.raises(VendorProtocolError):
        price_of(text)


def test_a_number_may_be_absent_null_or_in_a_level():
    assert read_loose(b"{}").price is UNSET
    assert read_loose(b'{"price":null}').price is None
    assert read_loose(b'{"levels":[[1,2.0]]}').levels == [(Decimal(1), Decimal("2.0"))]
    with pytest.raises(VendorProtocolError, match=r"levels"):
        read_loose(b'{"levels":[[1,"2.0"]]}')


@pytest.mark.parametrize("data", [b"", b"{", b'{"price":1}x', b'{"price":"\xff"}', b'{"a":' + b"[" * 200_000])
def test_whatever_is_malformed_has_one_name(data):
    with pytest.raises(VendorProtocolError) as caught:
        read_priced(data)
    assert caught.value.offending == data[:OFFENDING_BYTES]
    assert caught.value.__cause__ is not None


@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_else(data):
    try:
        read_loose(data)
    except VendorProtocolError as error:
        caught = error
    else:
        return
    assert caught.reason


def test_malformed_takes_a_sentence_or_an_error():
    assert str(malformed("no such thing", b"abc")) == "no such thing: b'abc'"
    assert malformed(ValueError("bad time"), "x" * 1_000).offending == b"x" * OFFENDING_BYTES
    assert malformed(RecursionError(), b"").reason == "RecursionError"


@pytest.mark.parametrize(
    ("value", "nanos"),
    [
        (0, 0),
        (1_710_807_360, 1_710_807_360_000_000_000),
        (100_000_000_000, 100_000_000_000_000_000_000),
        (100_000_000_001, 100_000_000_001_000_000),
        (1_710_807_360_123, 1_710_807_360_123_000_000),
        (LATEST_SECONDS * 1_000, LATEST_SECONDS * 1_000_000_000),
    ],
)
def test_a_unix_time_is_in_seconds_up_to_1e11_and_in_milliseconds_above(value, nanos):
    assert seconds_or_millis(value) == nanos


@pytest.mark.parametrize("value", [-1, LATEST_SECONDS * 1_000 + 1, 10**40])
def test_a_time_that_no_calendar_has_is_refused(value):
    with pytest.raises(ValueError, match="not a Unix time"):
        seconds_or_millis(value)
