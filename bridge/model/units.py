"""Units: integer nanoseconds and exact decimals, and the one place that spells each of them.

A number keeps the digits its sender wrote (`1.50` stays `1.50`); an exponent is written out. A number of more than
`MAX_DIGITS` digits or with an exponent outside ±`MAX_EXPONENT` is refused, because a few bytes such as `1E+1000000`
would otherwise become a megabyte.
"""

import calendar
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

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def bounded(number: Decimal) -> Decimal:
    """Return `number` unchanged when it is finite and within our bounds.

    Raises:
        ValueError: it is NaN or infinite, has over `MAX_DIGITS` digits, or an exponent outside ±`MAX_EXPONENT`.
    """
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        msg = f"not a finite number: {number}"
        raise ValueError(msg)  # noqa: TRY004 - the value is wrong, not its type
    if len(digits) > MAX_DIGITS or not -MAX_EXPONENT <= exponent <= MAX_EXPONENT:
        msg = f"a number beyond {MAX_DIGITS} digits or an exponent beyond {MAX_EXPONENT}"
        raise ValueError(msg)
    return number


def exact(text: str) -> Decimal:
    """Return the number that `text` spells, digit for digit.

    Raises:
        ValueError: not a number, not finite, or out of bounds.
    """
    try:
        return bounded(Decimal(text))
    except InvalidOperation as error:
        msg = f"not a number: {text[:60]!r}"
        raise ValueError(msg) from error


def decimal_text(number: Decimal) -> str:
    """Spell a number with exactly its own digits and no exponent: `0E-8` is written `0.00000000`."""
    return format(number, "f")


def rfc3339(moment: UnixNanos) -> str:
    """Spell a moment as RFC 3339 in UTC, with as many fractional digits (0, 3, 6 or 9) as it needs."""
    seconds, nanos = divmod(moment, SECONDS)
    head = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    if not nanos:
        return head + "Z"
    if nanos % MILLISECONDS == 0:
        return f"{head}.{nanos // MILLISECONDS:03d}Z"
    if nanos % MICROSECONDS == 0:
        return f"{head}.{nanos // MICROSECONDS:06d}Z"
    return f"{head}.{nanos:09d}Z"


def unix_nanos(text: str) -> UnixNanos:
    """Read an RFC 3339 time with any offset; digits beyond the ninth of a fraction are cut.

    Raises:
        ValueError: not an RFC 3339 date and time.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        msg = f"not an RFC 3339 time: {text[:60]!r}"
        raise ValueError(msg)
    year, month, day, hour, minute, second, fraction, sign, off_hours, off_minutes = match.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(hour) < 24 and int(minute) < 60 and int(second) < 61):
        msg = f"not an RFC 3339 time: {text[:60]!r}"
        raise ValueError(msg)
    seconds = calendar.timegm((int(year), int(month), int(day), int(hour), int(minute), int(second)))
    if sign:
        offset = (int(off_hours) * 60 + int(off_minutes)) * 60
        seconds += -offset if sign == "+" else offset
    return UnixNanos(seconds * SECONDS + int((fraction or "").ljust(9, "0")))
