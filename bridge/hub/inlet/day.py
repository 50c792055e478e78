"""The day's figures of a derived quote as the vendor told them when it was asked, kept up with the trades heard since.

A vendor's day is its own: when it begins nobody says, and for a share it is not at midnight. So it is asked again every minute,
and an old day lives on for that long at most. What it says of the bid and the ask is not taken: the book knows better.
"""

from decimal import Context, Decimal
from typing import Any, Final

from msgspec import UNSET

from bridge.model import SECONDS, QuotePatch, UnixNanos

ASK_SECONDS: Final = 60
"""A twelfth as often as a client that polls for quotes would ask, and often enough for a ticker on the day's first minute."""

PERCENT_DIGITS: Final = Decimal("0.0001")
"""A quotient has no digits of its own; this is finer than any vendor's."""

_WIDE: Final = Context(prec=60)

DAY_FIELDS: Final = ("open", "high", "low", "prev_close", "volume", "change", "change_percent")

Figures = dict[str, Any]
"""Numbers of a quote by their fields; None = not known."""


class ToldDay:
    """One instrument's."""

    def __init__(self) -> None:
        self._ask_at = 0
        self._told: Figures | None = None
        self._since_asked: list[Decimal] = []
        """Lowest and highest price heard since the vendor was asked last; empty = none was heard."""

    def forget(self) -> None:
        """Something was missed: what was told is not kept up any more. Ask again at once."""
        self._ask_at = 0
        self._told = None
        self._since_asked = []

    def due(self, now: UnixNanos) -> bool:
        """Whether to ask the vendor now; once that is said, it is taken for done."""
        if now < self._ask_at:
            return False
        self._ask_at = now + ASK_SECONDS * SECONDS
        self._since_asked = []
        return True

    def take(self, patch: QuotePatch) -> None:
        """The vendor answered."""
        told = {name: _known(getattr(patch, name)) for name in ("last", *DAY_FIELDS)}
        for price in self._since_asked:
            _stretch(told, price)
        self._told = told

    def trade(self, price: Decimal) -> None:
        """A trade was heard."""
        self._since_asked = [min([price, *self._since_asked]), max([price, *self._since_asked])]
        if self._told is not None:
            _stretch(self._told, price)

    def figures(self, last: Decimal | None) -> Figures | None:
        """Return the day's figures and `last`; None = not told.

        Args:
            last: the newest price heard; None = none yet, so that the told one is the newest known.
        """
        told = self._told
        if told is None:
            return None
        if last is None:
            return dict(told)
        change, percent = change_of(last, told["prev_close"])
        return {**told, "last": last, "change": change, "change_percent": percent}


def change_of(last: Decimal, before: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
    """Return a price's change from another, absolute and in percent; None where that is not known."""
    if before is None:
        return None, None
    change = _WIDE.subtract(last, before)
    if not before:
        return change, None
    percent = _WIDE.divide(_WIDE.multiply(change, Decimal(100)), before)
    return change, percent.quantize(PERCENT_DIGITS, context=_WIDE)


def _known(value: Any) -> Decimal | None:  # noqa: ANN401 - a patch's field has three states
    return None if value is UNSET else value


def _stretch(told: Figures, price: Decimal) -> None:
    """Let a price move the high and the low; where none was told there is none."""
    high, low = told["high"], told["low"]
    told["high"] = None if high is None else max(high, price)
    told["low"] = None if low is None else min(low, price)
