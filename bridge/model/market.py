"""The market facts: quotes, trades, books, bars and orders, as decoders emit them and as they stand in the log.

`QuotePatch` and `BookReplacement` exist only between a decoder and the hub's `assemble`, which turns them into whole
`Quote`s and into `BookDelta`s; everything else may stand in the log as it is.
"""

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from bridge.model.units import AccountId, FeedName, InstrumentId, UnixNanos


class Side(enum.StrEnum):
    """A side of the market."""

    BUY = "buy"
    SELL = "sell"


class BookLevel(NamedTuple):
    """A price and the size resting there; in a delta, size 0 removes the price."""

    price: Decimal
    size: Decimal


Levels = tuple[BookLevel, ...]
"""Best first: bids fall, asks rise. In a delta: the changed levels, in no promised order."""


class MarketEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every fact about an instrument has.

    Attributes:
        instrument: our id of the thing.
        feed: who told us; of an instrument with several feeds the line-up's name, under which all of them stand.
        ts_recv: when we received it.
        ts_event: the vendor's time, or None when it gave none.
        source: which feed of a line-up told us; None where `feed` itself did.
    """

    instrument: InstrumentId
    feed: FeedName
    ts_recv: UnixNanos
    ts_event: UnixNanos | None = None
    source: FeedName | None = None


class Quote(MarketEvent, frozen=True, kw_only=True, gc=False):
    """The whole known state of best prices, last price and day figures; None = not known.

    Attributes:
        last_time: the vendor's time of the last price.
        change: absolute, against `prev_close`; `change_percent` in percent (1.04 = 1.04 %).
        volume: the day's, in base units.
        session: the vendor's word for the trading session.
        delay_seconds: how late the vendor delivers by its own word; 0 = real time.
        extra: the vendor's other fields, name to JSON text verbatim; None when it has none.
        changed: names of the fields (of ours) that this event changed against the one before; all known ones when new.
        changed_extra: the same of `extra`.
        conflated: whether it stands for several.
        derived: the bridge made it from the book's best levels and the trades.
    """

    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    last: Decimal | None = None
    last_size: Decimal | None = None
    last_time: UnixNanos | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    prev_close: Decimal | None = None
    change: Decimal | None = None
    change_percent: Decimal | None = None
    volume: Decimal | None = None
    session: str | None = None
    delay_seconds: int | None = None
    extra: Mapping[str, msgspec.Raw] | None = None
    changed: frozenset[str] = frozenset()
    changed_extra: frozenset[str] = frozenset()
    conflated: bool = False
    derived: bool = False


QUOTE_FIELDS = (
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "last",
    "last_size",
    "last_time",
    "open",
    "high",
    "low",
    "prev_close",
    "change",
    "change_percent",
    "volume",
    "session",
    "delay_seconds",
)
"""The fields of a quote that a vendor may set, in the contract's order."""


class QuotePatch(MarketEvent, frozen=True, kw_only=True, gc=False):
    """What a vendor said of a quote: per field unchanged (`UNSET`), gone (None), or a value.

    Attributes:
        full: whether it replaces the whole state, so that an unset field is gone.
        extra: the vendor's other fields that were sent: name to JSON text, or None for gone.
        derived: as in `Quote`.
    """

    full: bool = False
    bid: Decimal | UnsetType | None = UNSET
    ask: Decimal | UnsetType | None = UNSET
    bid_size: Decimal | UnsetType | None = UNSET
    ask_size: Decimal | UnsetType | None = UNSET
    last: Decimal | UnsetType | None = UNSET
    last_size: Decimal | UnsetType | None = UNSET
    last_time: UnixNanos | UnsetType | None = UNSET
    open: Decimal | UnsetType | None = UNSET
    high: Decimal | UnsetType | None = UNSET
    low: Decimal | UnsetType | None = UNSET
    prev_close: Decimal | UnsetType | None = UNSET
    change: Decimal | UnsetType | None = UNSET
    change_percent: Decimal | UnsetType | None = UNSET
    volume: Decimal | UnsetType | None = UNSET
    session: str | UnsetType | None = UNSET
    delay_seconds: int | UnsetType | None = UNSET
    extra: Mapping[str, msgspec.Raw | None] = msgspec.field(default_factory=dict)
    derived: bool = False


class Trade(MarketEvent, frozen=True, kw_only=True, gc=False):
    """A match.

    Attributes:
        aggressor_side: who crossed the spread; None = not known.
        trade_id: the vendor's, or None.
        possible_duplicate: an overlap of two connections left it in doubt whether this trade was delivered before.
    """

    price: Decimal
    size: Decimal
    aggressor_side: Side | None = None
    trade_id: str | None = None
    possible_duplicate: bool = False


class BookSnapshot(MarketEvent, frozen=True, kw_only=True, gc=False):
    """A whole book, or the whole of its best `depth` levels a side.

    Attributes:
        bids: best first, no size 0; asks likewise.
        depth: the cut this belongs to (topic `book.N`); None = the full book as the vendor gives it.
        sequence: our number in this book's chain; a decoder leaves 0, `assemble` fills it in.
    """

    bids: Levels
    asks: Levels
    depth: int | None = None
    sequence: int = 0


class BookDelta(MarketEvent, frozen=True, kw_only=True, gc=False):
    """Changed levels, each with its new absolute size; 0 removes.

    Attributes:
        depth: as in `BookSnapshot`.
        sequence: our number in the chain; a decoder leaves 0.
        prev_sequence: the number this builds upon.
    """

    bids: Levels
    asks: Levels
    depth: int | None = None
    sequence: int = 0
    prev_sequence: int = 0


class BookReplacement(MarketEvent, frozen=True, kw_only=True, gc=False):
    """A whole book from a vendor that never sends changes; `assemble` makes the difference. Never in the log."""

    bids: Levels
    asks: Levels


class Bar(MarketEvent, frozen=True, kw_only=True, gc=False):
    """Open, high, low, close and volume of an interval.

    Attributes:
        interval: an `Interval`'s value, such as `5m`.
        ts_open: when the interval began; None when the vendor did not say.
        is_final: the interval is over and nothing will change; None = the vendor did not say.
        derived: the bridge made it from trades or shorter bars.
        partial: it began before we were listening, so it may miss something.
    """

    interval: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ts_open: UnixNanos | None = None
    volume: Decimal | None = None
    is_final: bool | None = None
    derived: bool = False
    partial: bool = False


class OrderUpdate(MarketEvent, frozen=True, kw_only=True, gc=False):
    """The state of one's own order.

    Attributes:
        account: `<feed>/<name>`; only tokens that hold it may see this.
        status: lower snake case (`partially_filled`); unknown words of the vendor pass through so spelled.
        order_type: lower case (`limit`, `market`, …).
        average_price: of what was filled; None while nothing was, or not said.
        reconciled: no stream said it: a look over REST showed that it had changed.
    """

    account: AccountId
    order_id: str
    side: Side
    order_type: str
    quantity: Decimal
    filled_quantity: Decimal
    status: str
    average_price: Decimal | None = None
    reconciled: bool = False
