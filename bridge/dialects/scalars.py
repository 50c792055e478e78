"""Spellings of numbers and times that several dialects share.

It keeps two promises for every decoder. Numbers are exact: a JSON number becomes a `Decimal` with the wire's own digits, within
the bounds of `model.units`, and nothing else becomes one. And whatever is wrong with a frame becomes a `VendorProtocolError`
with the offending bytes: a dialect reads JSON through `reader` and raises `malformed` for what it finds itself.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import msgspec

from bridge.errors import VendorProtocolError
from bridge.model import MILLISECONDS, SECONDS, UnixNanos, decimal_text
from bridge.model.units import bounded, exact

T = TypeVar("T")

MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)
"""What reading a malformed frame may raise; `UnicodeDecodeError` is a `ValueError`, deep nesting a `RecursionError`."""

LATEST_SECONDS = 253_402_300_799
"""9999-12-31T23:59:59Z: the last second that RFC 3339 can spell."""

_MILLISECONDS_FROM = 100_000_000_000
"""Above this a Unix time is in milliseconds: as seconds it would lie beyond the year 5138."""

_SURELY_BOUNDED = 30
"""A number without exponent and with no more characters than this is within the bounds of `model.units`."""

_SURELY_BOUNDED_INT = 10**_SURELY_BOUNDED


class _AnyDecimal(type):
    """Lets a plain `Decimal` pass for a `Number`, so that msgspec hands numbers of that type to our hook."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Decimal)


class Number(Decimal, metaclass=_AnyDecimal):
    """The type of a struct's field where the wire must have a JSON number; the value read is a plain, exact `Decimal`.

    With `Decimal` itself msgspec would take a string or an exponent of any size too. Only for structs read by `reader`; may be
    combined with `None` and `UnsetType`.
    """


def reader(of: type[T]) -> Callable[[bytes], T]:
    """Return a function that reads JSON bytes as `of`, a struct (or another msgspec type) whose numbers are `Number`s.

    The function raises `VendorProtocolError` for anything malformed, and nothing else for any bytes.
    """
    decode = msgspec.json.Decoder(of, dec_hook=_number, float_hook=_real).decode

    def read(data: bytes) -> T:
        try:
            return decode(data)
        except MALFORMED as error:
            raise malformed(error, data) from error

    return read


def malformed(error: Exception | str, offending: bytes | str) -> VendorProtocolError:
    """Return the error to raise for a malformed frame; it cuts the offending bytes to a bound.

    Args:
        error: what is wrong: a sentence, or one of `MALFORMED` as it was caught (raise `from` it).
        offending: the frame.
    """
    return VendorProtocolError(str(error) or type(error).__name__, offending)


def number(value: Decimal) -> msgspec.Raw:
    """Spell a number as JSON with exactly its own digits and no exponent."""
    return msgspec.Raw(decimal_text(value).encode())


def seconds_or_millis(value: int) -> UnixNanos:
    """Read a Unix time that is in seconds or, when above 1e11, in milliseconds.

    Raises:
        ValueError: before 1970 or after the year 9999.
    """
    if 0 <= value <= _MILLISECONDS_FROM:
        return UnixNanos(value * SECONDS)
    if 0 <= value <= LATEST_SECONDS * 1_000:
        return UnixNanos(value * MILLISECONDS)
    msg = f"not a Unix time: {str(value)[:40]}"
    raise ValueError(msg)


def _real(text: str) -> Decimal:
    if len(text) <= _SURELY_BOUNDED and "e" not in text and "E" not in text:
        return Decimal(text)
    return exact(text)


def _number(_: type, value: object) -> Decimal:
    """Turn what msgspec read where a `Number` is due into a `Decimal`; its errors get the field's path from msgspec."""
    if type(value) is Decimal:
        return value
    if type(value) is not int:
        msg = f"Expected a number, got `{type(value).__name__}`"
        raise ValueError(msg)
    if -_SURELY_BOUNDED_INT < value < _SURELY_BOUNDED_INT:
        return Decimal(value)
    return bounded(Decimal(value))
