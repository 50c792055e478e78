"""What a bridge says on a wire, as typed structs, each of which knows the event of ours that it spells.

Written by the contract's table of events. Prices and sizes are strings; an absent key means "not known" (a `null` is read as
the same, though we never send one); keys that are not listed here are ignored, so that a newer bridge may say more.

`event` raises ValueError for a text that is no number, time or interval.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import msgspec

from bridge.dialects.extras import bounded, verbatim
from bridge.model import (
    QUOTE_FIELDS,
    AccountId,
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    FeedName,
    InstrumentId,
    Interval,
    Levels,
    OrderUpdate,
    QuotePatch,
    Side,
    Trade,
    UnixNanos,
    exact,
    unix_nanos,
)


class Common(TypedDict):
    """What every fact about an instrument has, in our words."""

    instrument: InstrumentId
    feed: FeedName
    ts_recv: UnixNanos
    ts_event: UnixNanos | None


class Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every message has. Times are RFC 3339; `id` is a cursor, `feed` what the other bridge calls its source."""

    id: str | None = None
    feed: str | None = None
    ts_event: str | None = None


class QuoteMessage(Said, frozen=True, kw_only=True, tag="quote"):
    """The whole known quote."""

    instrument: str
    bid: str | None = None
    ask: str | None = None
    bid_size: str | None = None
    ask_size: str | None = None
    last: str | None = None
    last_size: str | None = None
    last_time: str | None = None
    open: str | None = None
    high: str | None = None
    low: str | None = None
    prev_close: str | None = None
    change: str | None = None
    change_percent: str | None = None
    volume: str | None = None
    session: str | None = None
    delay_seconds: int | None = None
    extra: dict[str, msgspec.Raw] | None = None
    derived: bool = False

    def event(self, common: Common) -> QuotePatch:
        """Return a patch that replaces the whole quote.

        Raises:
            ValueError, msgspec.MsgspecError, RecursionError: a figure that is none, or text that is no Unicode.
        """
        fields: dict[str, Any] = {}
        for name in QUOTE_FIELDS:
            value = getattr(self, name)
            if value is not None:
                fields[name] = _QUOTE_READERS.get(name, exact)(value)
        extra = bounded({name: verbatim(raw) for name, raw in (self.extra or {}).items()})
        return QuotePatch(**common, full=True, extra=extra, derived=self.derived, **fields)


_QUOTE_READERS: Mapping[str, Callable[[Any], object]] = {"last_time": unix_nanos, "session": str, "delay_seconds": int}
"""How the fields of a quote that are not numbers are read."""


class TradeMessage(Said, frozen=True, kw_only=True, tag="trade"):
    """A match."""

    instrument: str
    price: str
    size: str
    trade_id: str | None = None
    aggressor_side: Side | None = None
    possible_duplicate: bool = False

    def event(self, common: Common) -> Trade:
        """Return the trade."""
        return Trade(
            **common,
            price=exact(self.price),
            size=exact(self.size),
            aggressor_side=self.aggressor_side,
            trade_id=self.trade_id,
            possible_duplicate=self.possible_duplicate,
        )


class SnapshotMessage(Said, frozen=True, kw_only=True, tag="book_snapshot"):
    """A whole book, or its best `depth` levels: `[[price, size], …]` a side, best first."""

    instrument: str
    bids: tuple[tuple[str, str], ...]
    asks: tuple[tuple[str, str], ...]
    depth: int | None = None
    sequence: int | None = None

    def event(self, common: Common) -> BookSnapshot:
        """Return the book as the reader's full one, not numbered yet."""
        return BookSnapshot(**common, bids=_levels(self.bids), asks=_levels(self.asks))


class DeltaMessage(Said, frozen=True, kw_only=True, tag="book_delta"):
    """Changed levels; size "0" removes."""

    instrument: str
    bids: tuple[tuple[str, str], ...]
    asks: tuple[tuple[str, str], ...]
    depth: int | None = None
    sequence: int | None = None
    prev_sequence: int | None = None

    def event(self, common: Common) -> BookDelta:
        """Return the change to the reader's full book, not numbered yet."""
        return BookDelta(**common, bids=_levels(self.bids), asks=_levels(self.asks))


def _levels(pairs: tuple[tuple[str, str], ...]) -> Levels:
    return tuple(BookLevel(exact(price), exact(size)) for price, size in pairs)


class BarMessage(Said, frozen=True, kw_only=True, tag="bar"):
    """Open, high, low, close and volume of an interval."""

    instrument: str
    interval: str
    open: str
    high: str
    low: str
    close: str
    ts_open: str | None = None
    volume: str | None = None
    is_final: bool | None = None
    derived: bool = False
    partial: bool = False

    def event(self, common: Common) -> Bar:
        """Return the bar."""
        return Bar(
            **common,
            interval=Interval(self.interval).value,
            open=exact(self.open),
            high=exact(self.high),
            low=exact(self.low),
            close=exact(self.close),
            ts_open=None if self.ts_open is None else unix_nanos(self.ts_open),
            volume=None if self.volume is None else exact(self.volume),
            is_final=self.is_final,
            derived=self.derived,
            partial=self.partial,
        )


class OrderMessage(Said, frozen=True, kw_only=True, tag="order"):
    """One's own order."""

    instrument: str
    order_id: str
    side: Side
    order_type: str
    quantity: str
    filled_quantity: str
    status: str
    average_price: str | None = None
    reconciled: bool = False

    def event(self, common: Common, account: AccountId) -> OrderUpdate:
        """Return the order's state, in the account that the reader calls its own."""
        return OrderUpdate(
            **common,
            account=account,
            order_id=self.order_id,
            side=self.side,
            order_type=self.order_type,
            quantity=exact(self.quantity),
            filled_quantity=exact(self.filled_quantity),
            status=self.status,
            average_price=None if self.average_price is None else exact(self.average_price),
            reconciled=self.reconciled,
        )


MarketMessage = QuoteMessage | TradeMessage | SnapshotMessage | DeltaMessage | BarMessage
"""What anybody may be told about an instrument."""


class FeedStatusMessage(Said, frozen=True, kw_only=True, tag="feed_status"):
    """How a feed of the other bridge is; of `instrument` only, or of `topic` only, if that is there."""

    status: str
    instrument: str | None = None
    topic: str | None = None
    reason: str | None = None
    via: tuple[str, ...] = ()


class GapMessage(Said, frozen=True, kw_only=True, tag="gap"):
    """A declared hole."""

    topics: tuple[str, ...]
    cause: str
    repaired: bool = False


class StreamMessage(Said, frozen=True, kw_only=True, tag="stream"):
    """The first word."""

    verdict: str
    topics: tuple[str, ...]
    via: tuple[str, ...] = ()


class ExpiringMessage(Said, frozen=True, kw_only=True, tag="expiring"):
    """The token is about to end."""

    expires: str | None = None


class GoawayMessage(Said, frozen=True, kw_only=True, tag="goaway"):
    """The last word."""

    reason: str
    retry: str


class ProblemMessage(Said, frozen=True, kw_only=True, tag="problem"):
    """Something could not be done."""

    code: str
    message: str
    topic: str | None = None
    ref: str | None = None


class OkMessage(Said, frozen=True, kw_only=True, tag="ok"):
    """The answer to an operation on a WebSocket."""

    op: str
    topics: tuple[str, ...] = ()
    ref: str | None = None
    via: tuple[str, ...] = ()


AboutStream = (
    StreamMessage | OkMessage | GapMessage | ProblemMessage | ExpiringMessage | GoawayMessage | FeedStatusMessage
)
"""What a stream says about itself and what feeds it."""

ServerMessage = MarketMessage | OrderMessage | AboutStream
"""All that a bridge says on a stream."""


class BarsBody(msgspec.Struct, frozen=True):
    """What `…/bars` answers with, oldest first."""

    events: tuple[BarMessage, ...]
