"""Liquidity's messages as typed structs, as its realtime page prints them, and the event that each one means.

What every printed sample of a message has is required, all else may be absent; fields that are not printed are ignored. SSE and
REST share their objects. The WebSocket's are flat by every sample but nested as `{type,data,timestamp}` by the prose above
them, so a reader takes both.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import cast

import msgspec
from msgspec import UNSET, UnsetType

from bridge.dialects.scalars import Number, reader, seconds_or_millis
from bridge.model import (
    AccountId,
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    FeedName,
    InstrumentId,
    Levels,
    OrderUpdate,
    QuotePatch,
    Side,
    Trade,
    UnixNanos,
    unix_nanos,
)

SIDES = {"buy": Side.BUY, "sell": Side.SELL, "BUY": Side.BUY, "SELL": Side.SELL}
"""Trades have it in lower case, orders in upper case."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What an event has that its message does not say."""

    instrument: InstrumentId
    feed: FeedName
    ts_recv: UnixNanos


class Asset(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What SSE and REST objects have: camel-case names, an asset, and an RFC 3339 time (whole seconds in every sample)."""

    asset_id: str
    timestamp: str | None = None

    def time(self) -> UnixNanos | None:
        """Return the vendor's time; `ValueError` when it is none."""
        return None if self.timestamp is None else unix_nanos(self.timestamp)


class QuoteMessage(Asset, frozen=True, kw_only=True, rename="camel"):
    """SSE `quote` and `GET /v1/assets/{id}/quote`; the page has a long and a short form, REST shows neither bid nor ask."""

    last: Number | UnsetType | None = UNSET
    bid: Number | UnsetType | None = UNSET
    ask: Number | UnsetType | None = UNSET
    open: Number | UnsetType | None = UNSET
    high: Number | UnsetType | None = UNSET
    low: Number | UnsetType | None = UNSET
    prev_close: Number | UnsetType | None = UNSET
    change: Number | UnsetType | None = UNSET
    change_percent: Number | UnsetType | None = UNSET
    volume: Number | UnsetType | None = UNSET

    def event(self, origin: Origin, *, full: bool) -> QuotePatch:
        """Return what it says of the quote; `full` = what it leaves out is gone."""
        return QuotePatch(
            instrument=origin.instrument,
            feed=origin.feed,
            ts_recv=origin.ts_recv,
            ts_event=self.time(),
            full=full,
            last=self.last,
            bid=self.bid,
            ask=self.ask,
            open=self.open,
            high=self.high,
            low=self.low,
            prev_close=self.prev_close,
            change=self.change,
            change_percent=self.change_percent,
            volume=self.volume,
        )


class LevelMessage(msgspec.Struct, frozen=True, gc=False):
    """A level of an SSE or REST book."""

    price: Number
    size: Number


class BookMessage(Asset, frozen=True, kw_only=True, rename="camel"):
    """SSE `book` and `GET /v1/assets/{id}/book`: the whole (depth-limited) book, best first."""

    bids: list[LevelMessage]
    asks: list[LevelMessage]

    def event(self, origin: Origin) -> BookReplacement:
        """Return the book."""
        return BookReplacement(
            instrument=origin.instrument,
            feed=origin.feed,
            ts_recv=origin.ts_recv,
            ts_event=self.time(),
            bids=_levels(map(msgspec.structs.astuple, self.bids), whole=True),
            asks=_levels(map(msgspec.structs.astuple, self.asks), whole=True),
        )


class TradeMessage(Asset, frozen=True, kw_only=True, rename="camel"):
    """SSE `trade`; the page's first sample has no `tradeId`."""

    price: Number
    size: Number
    trade_id: str | None = None
    side: str | None = None

    def event(self, origin: Origin) -> Trade:
        """Return the trade; a side in any other words is not known."""
        return Trade(
            instrument=origin.instrument,
            feed=origin.feed,
            ts_recv=origin.ts_recv,
            ts_event=self.time(),
            price=self.price,
            size=self.size,
            aggressor_side=SIDES.get(self.side or ""),
            trade_id=self.trade_id,
        )


class OrderMessage(Asset, frozen=True, kw_only=True, rename="camel"):
    """SSE `order` and `GET /v1/orders/{id}`: `side` is `BUY` or `SELL`, `status` such as `PARTIALLY_FILLED`."""

    order_id: str
    side: str
    order_type: str
    quantity: Number
    filled_quantity: Number
    status: str
    average_price: Number | None = None

    def event(self, origin: Origin, account: AccountId) -> OrderUpdate:
        """Return the order's state; `ValueError` when its side is neither."""
        if self.side not in SIDES:
            msg = f"an order's side is BUY or SELL, not {self.side[:20]!r}"
            raise ValueError(msg)
        return OrderUpdate(
            instrument=origin.instrument,
            feed=origin.feed,
            ts_recv=origin.ts_recv,
            ts_event=self.time(),
            account=account,
            order_id=self.order_id,
            side=SIDES[self.side],
            order_type=self.order_type.lower(),
            quantity=self.quantity,
            filled_quantity=self.filled_quantity,
            status=self.status.lower(),
            average_price=self.average_price,
        )


class Envelope(msgspec.Struct, frozen=True):
    """What may be around a REST object: other endpoints show `{"data":…,"message":"ok"}` (VENDORS §2.6)."""

    data: msgspec.Raw | UnsetType = UNSET


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """The inner object of an error message."""

    code: str = ""
    message: str = ""
    channel: str | None = None
    symbol: str | None = None


class ErrorMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An error on SSE or REST: `{"error":{…}}`, `{"error":"…"}`, or the base's `{"data":{},"message":"…","status":400}`."""

    error: ErrorDetail | str | None = None
    message: str | None = None
    status: int | None = None


Pair = tuple[Number, Number]
"""A WebSocket book level, `[price, size]`."""


class Stamped(msgspec.Struct, frozen=True, kw_only=True):
    """What WebSocket facts have: a symbol such as `BTC-USD`, and a time in Unix seconds."""

    symbol: str
    timestamp: int | None = None

    def time(self) -> UnixNanos | None:
        """Return the vendor's time; `ValueError` when it is none."""
        return None if self.timestamp is None else seconds_or_millis(self.timestamp)


class WsBook(Stamped, frozen=True, kw_only=True):
    """What both WebSocket book messages carry."""

    bids: list[Pair]
    asks: list[Pair]


class WsSnapshot(WsBook, frozen=True, kw_only=True, tag="orderbook_snapshot"):
    """The answer to a subscription to `orderbook`."""

    def event(self, origin: Origin) -> BookSnapshot:
        """Return the whole book."""
        bids, asks = _levels(self.bids, whole=True), _levels(self.asks, whole=True)
        return BookSnapshot(**msgspec.structs.asdict(origin), ts_event=self.time(), bids=bids, asks=asks)


class WsUpdate(WsBook, frozen=True, kw_only=True, tag="orderbook_update"):
    """Changed levels, each with its new size; 0 = removed."""

    def event(self, origin: Origin) -> BookDelta:
        """Return the change."""
        bids, asks = _levels(self.bids, whole=False), _levels(self.asks, whole=False)
        return BookDelta(**msgspec.structs.asdict(origin), ts_event=self.time(), bids=bids, asks=asks)


class WsTrade(Stamped, frozen=True, kw_only=True, tag="trade"):
    """A match; it has no id."""

    price: Number
    size: Number
    side: str | None = None

    def event(self, origin: Origin) -> Trade:
        """Return the trade; a side in any other words is not known."""
        return Trade(
            instrument=origin.instrument,
            feed=origin.feed,
            ts_recv=origin.ts_recv,
            ts_event=self.time(),
            price=self.price,
            size=self.size,
            aggressor_side=SIDES.get(self.side or ""),
        )


class WsError(msgspec.Struct, frozen=True, kw_only=True, tag="error"):
    """An error, about a subscription when it names a channel and a symbol."""

    error: ErrorDetail


class WsPong(msgspec.Struct, frozen=True, kw_only=True, tag="pong"):
    """The answer to a client's ping (assumed: the page has none)."""


WsMessage = WsSnapshot | WsUpdate | WsTrade | WsError | WsPong

WS_TYPES = frozenset({"orderbook_snapshot", "orderbook_update", "trade", "error", "pong"})
"""The types of `WsMessage`; any other is unknown, not malformed."""


class WsNested(msgspec.Struct, frozen=True, kw_only=True):
    """Any WebSocket message, as far as all are alike; `data` holds the fields of the nested form."""

    type: str
    data: msgspec.Raw | UnsetType = UNSET
    timestamp: int | None = None


read_quote = reader(QuoteMessage)
read_book = reader(BookMessage)
read_trade = reader(TradeMessage)
read_order = reader(OrderMessage)
read_envelope = reader(Envelope)
read_error = reader(ErrorMessage)
read_ws = reader(cast("type[WsMessage]", WsMessage))
read_ws_nested = reader(WsNested)
read_object = reader(dict[str, msgspec.Raw])


def _levels(pairs: Iterable[tuple[Decimal, ...]], *, whole: bool) -> Levels:
    """Read (price, size) pairs; a whole book has none of size 0, which a change has where a level is gone."""
    levels = tuple(map(BookLevel._make, pairs))
    if any([size < 0 for _, size in levels]):  # noqa: C419 - a list is faster, and books are long
        msg = "a level's size is below 0"
        raise ValueError(msg)
    if whole and not all([size for _, size in levels]):  # noqa: C419 - likewise
        return tuple(level for level in levels if level.size)
    return levels
