"""Exact numbers and nanosecond times, against computations that share nothing with ours."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.model import UnixNanos, decimal_text, exact, rfc3339, unix_nanos

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def years(first: int, last: int) -> st.SearchStrategy[datetime]:
    """Times without a zone, from the second day of a year to the end of another."""
    start = datetime(first, 1, 2, tzinfo=UTC).replace(tzinfo=None)
    return st.datetimes(start, datetime(last, 12, 31, tzinfo=UTC).replace(tzinfo=None))


def by_hand(text: str) -> str:
    """Write a number's exponent out by moving the point in its text."""
    mantissa, _, power = text.lower().partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    shift = int(power or 0)
    digits, point = whole + fraction, len(whole) + shift
    if point <= 0:
        digits, point = "0" * (1 - point) + digits, 1
    if point > len(digits):
        digits = digits + "0" * (point - len(digits))
    head = digits[:point].lstrip("0") or "0"
    return sign + head + ("." + digits[point:] if digits[point:] else "")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1.50", "1.50"),
        ("0.00000000", "0.00000000"),
        ("0E-8", "0.00000000"),
        ("9.0E-7", "0.00000090"),
        ("1E+2", "100"),
        ("1e30", "1" + "0" * 30),
        ("1E-30", "0." + "0" * 29 + "1"),
        ("-4.30", "-4.30"),
        ("-0.0", "-0.0"),
        ("83421.5000", "83421.5000"),
        ("0.1", "0.1"),
        ("007", "7"),
        ("9" * 40, "9" * 40),
        ("+1.5", "1.5"),
    ],
)
def test_numbers_keep_their_digits_and_lose_their_exponent(text, written):
    assert decimal_text(exact(text)) == written == by_hand(text)


@given(
    st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e-?[0-9])?", fullmatch=True),
)
def test_any_number_is_written_as_by_hand_and_read_back(text):
    try:
        number = exact(text)
    except ValueError:
        assume(False)
    assert decimal_text(number) == by_hand(text)
    assert exact(decimal_text(number)).as_tuple() == Decimal(by_hand(text)).as_tuple()


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", "1,5", "1_000", " 1", "1 ", "1\n", "٣", "0x10", "--1", "1e", "e5", ".", "1.2.3"),
        *("NaN", "sNaN", "Infinity", "-inf"),
        *("1" * 41, "0." + "1" * 41, "1E+31", "1E-31", "1E+1000000", "1E+99999999999999999999", "9" * 30 + "E+11"),
    ],
)
def test_what_is_no_number_or_beyond_bounds_is_refused(text):
    with pytest.raises(ValueError, match="number"):
        exact(text)


def test_whatever_is_accepted_can_be_read_again_once_written():
    for text in ("1E+30", "9" * 10 + "E+30", "1" * 40, "1" * 10 + "E-30", "0E+30"):
        assert exact(decimal_text(exact(text))) == exact(text)


@given(years(1000, 9998), st.integers(0, 999))
def test_a_moment_is_spelled_as_datetime_has_it(naive, nanos):
    since = naive.replace(tzinfo=UTC) - EPOCH
    moment = UnixNanos(((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1_000 + nanos)
    text = rfc3339(moment)
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{3}|\d{6}|\d{9}))?Z", text)
    assert match is not None, text
    assert match[1] == naive.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    assert int((match[2] or "0").ljust(9, "0")) == naive.microsecond * 1_000 + nanos
    assert unix_nanos(text) == moment


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (1_000, "1970-01-01T00:00:00.000001Z"),
        (1_000_000, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
        (1_773_880_484_500_000_000, "2026-03-19T00:34:44.500Z"),
    ],
)
def test_a_fraction_has_no_three_or_six_or_nine_digits(moment, text):
    assert rfc3339(UnixNanos(moment)) == text
    assert unix_nanos(text) == moment


@given(years(1900, 2100), st.integers(-23 * 60, 23 * 60))
def test_any_offset_is_read_as_datetime_reads_it(naive, minutes):
    local = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    since = local - EPOCH
    assert unix_nanos(local.isoformat()) == (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-03-19t00:34:44z", "2026-03-19T00:34:44Z"),
        ("2026-03-19 00:34:44Z", "2026-03-19T00:34:44Z"),
        ("2026-03-19T00:34:44.1Z", "2026-03-19T00:34:44.100Z"),
        ("2026-03-19T00:34:44.1234567899999Z", "2026-03-19T00:34:44.123456789Z"),
        ("2026-03-19T00:34:44+00:00", "2026-03-19T00:34:44Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
    ],
)
def test_vendors_variants_are_read(text, same):
    assert rfc3339(unix_nanos(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-03-19", "2026-03-19T00:34:44", "2026-3-19T00:34:44Z", "1773880484"),
        *("2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-00-10T00:00:00Z"),
        *("2026-03-19T24:00:00Z", "2026-03-19T00:60:00Z", "2026-03-19T00:00:61Z", "2026-03-19T00:00:00+24:00"),
        *("2026-03-19T00:34:44.Z", "2026-03-19T00:34:44Z\n", "٢٠٢٦-03-19T00:34:44Z"),
        *("0000-01-01T00:00:00Z", "0999-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01", "1000-01-01T00:00:00+00:01"),
    ],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"time|day"):
        unix_nanos(text)
