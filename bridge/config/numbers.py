"""Which numbers a configuration may hold: finite ones, none below zero, and above it where nothing could run with a zero."""

import math
from collections.abc import Iterator, Mapping

import msgspec

ABOVE_ZERO = frozenset(
    {"write_deadline_seconds", "max_ttl_seconds", "ttl_seconds", "refresh_seconds", "max_connections", "book_depth"}
)
"""Keys that have no meaning at zero; for all others 0 = unlimited, none or at once, as their comment says."""


def wrong_numbers(value: object, path: str) -> Iterator[str]:
    """Yield a sentence for each number within `value` that cannot hold.

    Args:
        value: a settings struct, or what one holds.
        path: the key's path.
    """
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from wrong_numbers(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from wrong_numbers(item, f"{path}.{name}")
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from wrong_numbers(item, f"{path}[{place}]")
    elif isinstance(value, int | float) and not _holds(value, above_zero=_above_zero(path)):
        yield f"{path}: a number {'above 0' if _above_zero(path) else 'of at least 0'}, not {value}"


def _above_zero(path: str) -> bool:
    return path.rpartition(".")[2] in ABOVE_ZERO


def _holds(number: float, *, above_zero: bool) -> bool:
    return math.isfinite(number) and (number > 0 if above_zero else number >= 0)
