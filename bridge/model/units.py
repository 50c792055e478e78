"""Units: integer nanoseconds and exact decimals, and the one place that spells each of them.

A number keeps the digits its sender wrote (`1.50` stays `1.50`); an exponent is written out. A number of more than
`MAX_DIGITS` digits, written out, or with an exponent outside ±`MAX_EXPONENT` is refused, because a few bytes such as
`1E+1000000` would otherwise become a megabyte, and because what one bridge writes another must be able to read.
"""

import calendar
import functools
import re
import time
from decimal import Decimal, InvalidOperation
from typing import NewType

UnixNanos = NewType("UnixNanos", int)
"""A moment: nanoseconds since 1970-01-01T00:00:00 UTC, without leap seconds."""

InstrumentId = NewType("InstrumentId", str)
"""A tradable thing as our clients name it; at most 64 characters of `[A-Za-z0-9.\\-_:^=!&@$/]`."""

FeedName = NewType("FeedName", str)
"""The key under `[feeds]` in the configuration."""

AccountId = NewType("AccountId", str)
"""Whose order events: `<feed>/<name>`."""

MICROSECONDS = 1_000
MILLISECONDS = 1_000_000
SECONDS = 1_000_000_000

MAX_DIGITS = 40
MAX_EXPONENT = 30

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)

_FIRST_SECOND = -30_610_224_000
"""1000-01-01T00:00:00Z."""

_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z."""

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60))(?:\.(\d{1,9})\d*)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def bounded(number: Decimal) -> Decimal:
    """Return `number` unchanged when it is finite and within our bounds.

    Raises:
        ValueError: it is NaN or infinite, has over `MAX_DIGITS` digits (those that a positive exponent stands for among them),
            or an exponent outside ±`MAX_EXPONENT`.
    """
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        msg = f"not a finite number: {number}"
        raise ValueError(msg)  # noqa: TRY004 - the value is wrong, not its type
    if len(digits) + max(exponent, 0) > MAX_DIGITS or not -MAX_EXPONENT <= exponent <= MAX_EXPONENT:
        msg = f"a number beyond {MAX_DIGITS} digits or an exponent beyond {MAX_EXPONENT}"
        raise ValueError(msg)
    return number


def exact(text: str) -> Decimal:
    """Return the number that `text` spells, digit for digit.

    Raises:
        ValueError: not a number, not finite, or out of bounds.
    """
    if _NUMBER.fullmatch(text) is None:  # Decimal itself would also take "1_0", " 1 " and other scripts' digits
        msg = f"not a number: {text[:60]!r}"
        raise ValueError(msg)
    try:
        return bounded(Decimal(text))
    except InvalidOperation as error:  # an exponent beyond what Decimal can hold
        msg = f"not a number within bounds: {text[:60]!r}"
        raise ValueError(msg) from error


def decimal_text(number: Decimal) -> str:
    """Spell a number with exactly its own digits and no exponent: `0E-8` is written `0.00000000`."""
    return format(number, "f")


def rfc3339(moment: UnixNanos) -> str:
    """Spell a moment as RFC 3339 in UTC, with as many fractional digits (0, 3, 6 or 9) as it needs."""
    seconds, nanos = divmod(moment, SECONDS)
    head = _second_text(seconds)
    if not nanos:
        return head + "Z"
    if nanos % MICROSECONDS:
        return f"{head}.{nanos:09d}Z"
    if nanos % MILLISECONDS:
        return f"{head}.{nanos // MICROSECONDS:06d}Z"
    return f"{head}.{nanos // MILLISECONDS:03d}Z"


@functools.lru_cache(maxsize=4_096)
def _second_text(seconds: int) -> str:
    """Spell a whole second; events of one second are many, so it is spelled once."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def unix_nanos(text: str) -> UnixNanos:
    """Read an RFC 3339 time with any offset; digits beyond the ninth of a fraction are cut.

    Raises:
        ValueError: not an RFC 3339 date and time, or in UTC outside the years 1000 to 9999, which could not be spelled again.
    """
    return _whole_second(text) if len(text) == _WHOLE_SECOND_LENGTH else _moment(text)


def _moment(text: str) -> UnixNanos:
    match = _RFC3339.fullmatch(text)
    if match is None:
        msg = f"not an RFC 3339 time: {text[:60]!r}"
        raise ValueError(msg)
    date, clock, fraction, zone = match.groups()
    seconds = _second(date, clock, zone)
    return UnixNanos(seconds * SECONDS + int(fraction.ljust(9, "0")) if fraction else seconds * SECONDS)


_whole_second = functools.lru_cache(maxsize=4_096)(_moment)
"""For times without a fraction: events of one second are many, so it is read once."""

_WHOLE_SECOND_LENGTH = len("2026-03-19T00:34:44Z")


@functools.lru_cache(maxsize=4_096)
def _second(date: str, clock: str, zone: str) -> int:
    """Read a whole second; a leap second is the first of the next minute, as in Unix time."""
    try:
        seconds = calendar.timegm(time.strptime(date, "%Y-%m-%d"))
    except ValueError as error:
        msg = f"no such day: {date!r}"
        raise ValueError(msg) from error
    seconds += int(clock[:2]) * 3_600 + int(clock[3:5]) * 60 + int(clock[6:])
    if zone not in "Zz":
        ahead = int(zone[1:3]) * 3_600 + int(zone[4:]) * 60
        seconds -= ahead if zone[0] == "+" else -ahead
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        msg = f"a time outside the years 1000 to 9999: '{date}T{clock}{zone}'"
        raise ValueError(msg)
    return seconds
