"""What a bridge says on a wire, as typed structs, each of which knows the event of ours that it spells.

Written by the contract's table of events, and published as such; `ALWAYS` marks what we always say and a reader need not find.
Prices and sizes are strings; an absent key means "not known" (a `null` is read as the same, though we never send one); keys
that are not listed here are ignored, so that a newer bridge may say more.

`event` raises ValueError for a text that is no number, time or interval.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypedDict

import msgspec

from bridge import model
from bridge.dialects.contract.published import (
    ALWAYS,
    CursorText,
    Digits,
    InstrumentText,
    IntervalText,
    Moment,
    TopicText,
    one_of,
)
from bridge.dialects.extras import bounded, verbatim
from bridge.model import FeedName, InstrumentId, Levels, Side, UnixNanos, exact, unix_nanos


class Common(TypedDict):
    """What every fact about an instrument has, in our words."""

    instrument: InstrumentId
    feed: FeedName
    ts_recv: UnixNanos
    ts_event: UnixNanos | None


class Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event has. Times are RFC 3339; `id` is a cursor."""

    id: Annotated[CursorText | None, ALWAYS] = None
    ts_recv: Annotated[Moment | None, ALWAYS] = None


class Fact(Said, frozen=True, kw_only=True):
    """What every event about an instrument has; `feed` is what the other bridge calls its source."""

    instrument: InstrumentText
    feed: Annotated[str | None, ALWAYS] = None
    ts_event: Moment | None = None


class QuoteMessage(Fact, frozen=True, kw_only=True, tag="quote"):
    """The whole known quote."""

    bid: Digits | None = None
    ask: Digits | None = None
    bid_size: Digits | None = None
    ask_size: Digits | None = None
    last: Digits | None = None
    last_size: Digits | None = None
    last_time: Moment | None = None
    open: Digits | None = None
    high: Digits | None = None
    low: Digits | None = None
    prev_close: Digits | None = None
    change: Digits | None = None
    change_percent: Digits | None = None
    volume: Digits | None = None
    session: str | None = None
    delay_seconds: int | None = None
    extra: dict[str, msgspec.Raw] | None = None
    derived: bool = False
    conflated: bool = False

    def event(self, common: Common) -> model.QuotePatch:
        """Return a patch that replaces the whole quote.

        Raises:
            ValueError, msgspec.MsgspecError, RecursionError: a figure that is none, or text that is no Unicode.
        """
        said = ((name, getattr(self, name)) for name in model.QUOTE_FIELDS)
        fields: Any = {name: _QUOTE_READERS.get(name, exact)(value) for name, value in said if value is not None}
        extra = bounded({name: verbatim(raw) for name, raw in (self.extra or {}).items()})
        return model.QuotePatch(**common, full=True, extra=extra, derived=self.derived, **fields)


_QUOTE_READERS: Mapping[str, Callable[[Any], object]] = {"last_time": unix_nanos, "session": str, "delay_seconds": int}


class TradeMessage(Fact, frozen=True, kw_only=True, tag="trade"):
    """A match."""

    price: Digits
    size: Digits
    trade_id: str | None = None
    aggressor_side: Side | None = None
    possible_duplicate: bool = False

    def event(self, common: Common) -> model.Trade:
        """Return the trade."""
        return model.Trade(
            **common,
            price=exact(self.price),
            size=exact(self.size),
            aggressor_side=self.aggressor_side,
            trade_id=self.trade_id,
            possible_duplicate=self.possible_duplicate,
        )


class SnapshotMessage(Fact, frozen=True, kw_only=True, tag="book_snapshot"):
    """A whole book, or its best `depth` levels: `[[price, size], …]` a side, best first."""

    bids: tuple[tuple[Digits, Digits], ...]
    asks: tuple[tuple[Digits, Digits], ...]
    depth: int | None = None
    sequence: Annotated[int | None, ALWAYS] = None

    def event(self, common: Common) -> model.BookSnapshot:
        """Return the book as the reader's full one, not numbered yet."""
        return model.BookSnapshot(**common, bids=_levels(self.bids), asks=_levels(self.asks))


class DeltaMessage(Fact, frozen=True, kw_only=True, tag="book_delta"):
    """Changed levels; size "0" removes."""

    bids: tuple[tuple[Digits, Digits], ...]
    asks: tuple[tuple[Digits, Digits], ...]
    depth: int | None = None
    sequence: Annotated[int | None, ALWAYS] = None
    prev_sequence: Annotated[int | None, ALWAYS] = None

    def event(self, common: Common) -> model.BookDelta:
        """Return the change to the reader's full book, not numbered yet."""
        return model.BookDelta(**common, bids=_levels(self.bids), asks=_levels(self.asks))


def _levels(pairs: tuple[tuple[str, str], ...]) -> Levels:
    return tuple(model.BookLevel(exact(price), exact(size)) for price, size in pairs)


class BarMessage(Fact, frozen=True, kw_only=True, tag="bar"):
    """Open, high, low, close and volume of an interval."""

    interval: IntervalText
    open: Digits
    high: Digits
    low: Digits
    close: Digits
    ts_open: Moment | None = None
    volume: Digits | None = None
    is_final: bool | None = None
    derived: bool = False
    partial: bool = False

    def event(self, common: Common) -> model.Bar:
        """Return the bar."""
        return model.Bar(
            **common,
            interval=model.Interval(self.interval).value,
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


class OrderMessage(Fact, frozen=True, kw_only=True, tag="order"):
    """One's own order."""

    order_id: str
    account: Annotated[str | None, ALWAYS] = None
    side: Side
    order_type: str
    quantity: Digits
    filled_quantity: Digits
    status: str
    average_price: Digits | None = None
    reconciled: bool = False

    def event(self, common: Common, account: model.AccountId) -> model.OrderUpdate:
        """Return the order's state, in the account that the reader calls its own."""
        return model.OrderUpdate(
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

    status: Annotated[str, one_of(model.FeedHealth)]
    feed: Annotated[str | None, ALWAYS] = None
    instrument: InstrumentText | None = None
    topic: TopicText | None = None
    reason: str | None = None
    since: Moment | None = None
    via: tuple[str, ...] = ()


class GapMessage(Said, frozen=True, kw_only=True, tag="gap"):
    """A declared hole: after `from`, up to and with `to`."""

    topics: tuple[TopicText, ...]
    cause: Annotated[str, one_of(model.Cause)]
    from_: Annotated[CursorText | None, ALWAYS] = msgspec.field(default=None, name="from")
    to: Annotated[CursorText | None, ALWAYS] = None
    repaired: Annotated[bool, ALWAYS] = False
    feed: str | None = None
    missed: int | None = None
    ts_from: Moment | None = None
    ts_to: Moment | None = None


class StreamMessage(Said, frozen=True, kw_only=True, tag="stream"):
    """The first word."""

    verdict: Annotated[str, one_of(model.Verdict)]
    topics: tuple[TopicText, ...]
    stream: Annotated[str | None, ALWAYS] = None
    limits: Annotated[dict[str, int], ALWAYS] = {}
    conflate: bool | None = None
    max_rate: float | None = None
    expires: Moment | None = None
    via: tuple[str, ...] = ()


class ExpiringMessage(Said, frozen=True, kw_only=True, tag="expiring"):
    """The token is about to end."""

    expires: Annotated[Moment | None, ALWAYS] = None


class GoawayMessage(Said, frozen=True, kw_only=True, tag="goaway"):
    """The last word."""

    reason: Annotated[str, one_of(model.Code)]
    retry: Annotated[str, one_of(model.Retry)]
    retry_after_ms: int | None = None


class ProblemMessage(Said, frozen=True, kw_only=True, tag="problem"):
    """Something could not be done."""

    code: Annotated[str, one_of(model.Code)]
    message: str
    retry: Annotated[str | None, one_of(model.Retry), ALWAYS] = None
    topic: str | None = None
    ref: str | None = None


class OkMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ok"):
    """The answer to an operation on a WebSocket."""

    op: str
    topics: tuple[TopicText, ...] = ()
    ref: str | None = None
    cursor: CursorText | None = None
    conflate: bool | None = None
    max_rate: float | None = None
    expires: Moment | None = None
    via: tuple[str, ...] = ()


_Control = StreamMessage | GapMessage | ProblemMessage | ExpiringMessage | GoawayMessage | FeedStatusMessage
AboutStream = _Control | OkMessage
EventMessage = MarketMessage | OrderMessage | _Control
"""All that a bridge says on an event stream; on a WebSocket also `ok`."""
ServerMessage = EventMessage | OkMessage


class BarsBody(msgspec.Struct, frozen=True):
    """What `…/bars` answers with, oldest first."""

    events: tuple[BarMessage, ...]


class TradesBody(msgspec.Struct, frozen=True):
    """What `…/trades` answers with, oldest first."""

    events: tuple[TradeMessage, ...]
