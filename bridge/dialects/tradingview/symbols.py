"""How TradingView spells instruments, `EXCHANGE:TICKER` (VENDORS §1.1), the same on every transport; and intervals.

An unlisted id is accepted only with a colon in it: the page's bare `AAPL` in prose stands beside `NASDAQ:AAPL` in every
parameter example, and a bare ticker would not say which of 353 exchanges is meant. Spelling is not changed, not even in case.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from bridge.dialects.contract import Refusal, SymbolTable, Transport
from bridge.model import Code, InstrumentId, Interval, TopicKind

_SYMBOL = re.compile(r"[A-Za-z0-9_.]+:[A-Za-z0-9.\-_:^=!&@$/]+", re.ASCII)
_LONGEST = 64

TIMEFRAMES: Mapping[Interval, str] = MappingProxyType(
    {
        Interval.M1: "1",
        Interval.M5: "5",
        Interval.M15: "15",
        Interval.M30: "30",
        Interval.H1: "60",
        Interval.H4: "240",
        Interval.D1: "D",
        Interval.W1: "W",
        Interval.MO1: "M",
    }
)
"""[doc]: the supported list, minutes or a letter."""

INTERVALS: Mapping[str, Interval] = MappingProxyType({word: interval for interval, word in TIMEFRAMES.items()})
DEFAULT_TIMEFRAME = "5"
"""[doc]"""

PLAIN_CHARTS = (None, "", "Japanese")
"""A chart of candles as they were, by the vendor's word for it or without one (VENDORS §1.5); others compute their own."""


class TradingViewSpelling:
    """The rules for unlisted instruments."""

    def vendor_symbol(self, instrument: InstrumentId, transport: Transport) -> str | None:
        """The id itself when it is `EXCHANGE:TICKER`, else None."""
        return instrument if _spelled(instrument) else None

    def instrument(self, vendor_symbol: str, transport: Transport) -> InstrumentId | None:
        """The symbol itself when it is `EXCHANGE:TICKER` of at most 64 characters, else None."""
        return InstrumentId(vendor_symbol) if _spelled(vendor_symbol) else None


def from_client(text: str, symbols: SymbolTable, transport: Transport) -> InstrumentId | None:
    """Read a symbol as a client writes it, where `EXCHANGE-TICKER` is accepted too; None when it cannot be one of ours.

    As the vendor does, only the first `-` of a symbol without a colon is taken for the colon (VENDORS §1.1).
    """
    symbol = text.strip()
    instrument = symbols.instrument(symbol, transport)
    if instrument is None and ":" not in symbol:
        instrument = symbols.instrument(symbol.replace("-", ":", 1), transport)
    return instrument


def _spelled(text: str) -> bool:
    return len(text) <= _LONGEST and _SYMBOL.fullmatch(text) is not None


def bar_id(interval: Interval, symbol: str) -> str:
    """Name a candle subscription so that its messages tell the interval, whoever subscribed."""
    return f"{TopicKind.BAR}.{interval}:{symbol}"


def read_bar_id(text: str) -> tuple[Interval, str] | None:
    """Read what `bar_id` wrote as interval and symbol; None when it is another's id."""
    head, _, symbol = text.partition(":")
    kind, _, interval = head.partition(".")
    if kind != TopicKind.BAR or interval not in TIMEFRAMES or not symbol:
        return None
    return Interval(interval), symbol


def read_timeframe(word: str | int | None) -> Interval:
    """Read a timeframe; None or "" is the page's default.

    Raises:
        Refusal: `bad_request`: not one of the page's list.
    """
    interval = INTERVALS.get(str(word or DEFAULT_TIMEFRAME))
    if interval is None:
        raise Refusal(Code.BAD_REQUEST, f"timeframe is one of {', '.join(INTERVALS)}, not {str(word)[:20]!r}")
    return interval


def require_plain(chart: str | None) -> None:
    """Refuse a chart whose candles are no prices that were paid: nobody sent those, and plain ones in their place would be a lie.

    Raises:
        Refusal: `bad_request`.
    """
    if chart not in PLAIN_CHARTS:
        raise Refusal(Code.BAD_REQUEST, f"there are no {chart[:20]} candles here; leave type out for plain ones")
