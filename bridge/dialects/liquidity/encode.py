"""Our events → Liquidity's messages: named events on SSE, `type`d ones on the WebSocket, the SSE objects as REST bodies.

What we do not know is left out, never zero. The vendor has no word for gaps, bars, feed health or, on the WebSocket, quotes and
orders: those are `Unspeakable`. A quote is always written whole, as in the page's long sample: the page's own ticker breaks
on a quote without `last` or `changePercent`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from bridge.dialects.contract import Message, SymbolTable, Transport
from bridge.dialects.contract.published import Moment
from bridge.dialects.scalars import number
from bridge.errors import Unspeakable
from bridge.model import (
    SECONDS,
    BookDelta,
    BookSnapshot,
    InstrumentId,
    Levels,
    LogEvent,
    OrderUpdate,
    Quote,
    Trade,
    UnixNanos,
    rfc3339,
)

Fields = dict[str, object]

QUOTE_WORDS = MappingProxyType(
    {
        "last": "last",
        "bid": "bid",
        "ask": "ask",
        "open": "open",
        "high": "high",
        "low": "low",
        "prev_close": "prevClose",
        "change": "change",
        "change_percent": "changePercent",
        "volume": "volume",
    }
)
"""Our field of a quote → the vendor's, in the order of the page's sample."""

NOT_IN_REST = frozenset({"bid", "ask"})
"""What a REST quote does not have (VENDORS §2.6: its only sample shows neither)."""

_NO_WORD = "the vendor has no word for it"
_QUOTE_LOSSES = dict.fromkeys(
    (
        "bid_size",
        "ask_size",
        "last_size",
        "last_time",
        "session",
        "delay_seconds",
        "extra",
        "conflated",
        "derived",
    ),
    _NO_WORD,
)
_BOOK_LOSSES = {"depth": "the client knows what it asked for", "sequence": _NO_WORD}
_DELTA_LOSSES = {**_BOOK_LOSSES, "prev_sequence": _NO_WORD}
_WHOLE_SECONDS = {"ts_event": "only whole seconds"}


class LiquidityAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every answer has, for the published specification, as the structs below; what is not known is left out."""

    asset_id: str
    timestamp: Moment | UnsetType = UNSET


class LiquidityQuote(LiquidityAnswer, frozen=True, kw_only=True, rename="camel"):
    """A quote in an answer."""

    last: float | UnsetType = UNSET
    open: float | UnsetType = UNSET
    high: float | UnsetType = UNSET
    low: float | UnsetType = UNSET
    prev_close: float | UnsetType = UNSET
    change: float | UnsetType = UNSET
    change_percent: float | UnsetType = UNSET
    volume: float | UnsetType = UNSET


class LiquidityLevel(msgspec.Struct, frozen=True):
    """A level of a book."""

    price: float
    size: float


class LiquidityBook(LiquidityAnswer, frozen=True, kw_only=True, rename="camel"):
    """A book in an answer, best first."""

    bids: list[LiquidityLevel]
    asks: list[LiquidityLevel]


class LiquidityOrder(LiquidityAnswer, frozen=True, kw_only=True, rename="camel"):
    """An order in an answer."""

    order_id: str
    side: Literal["BUY", "SELL"]
    order_type: str
    quantity: float
    filled_quantity: float
    status: str
    average_price: float | UnsetType = UNSET


class LiquidityRefusal(msgspec.Struct, frozen=True):
    """A refusal (VENDORS §2.4)."""

    data: dict[str, Any]
    message: str
    status: int


LOSSES: Mapping[Transport, Mapping[type, Mapping[str, str]]] = MappingProxyType(
    {
        Transport.SSE: {
            Quote: _QUOTE_LOSSES,
            BookSnapshot: _BOOK_LOSSES,
            Trade: {"possible_duplicate": _NO_WORD},
            OrderUpdate: {"reconciled": _NO_WORD},
        },
        Transport.WEBSOCKET: {
            BookSnapshot: {**_BOOK_LOSSES, **_WHOLE_SECONDS},
            BookDelta: {**_DELTA_LOSSES, **_WHOLE_SECONDS},
            Trade: {"possible_duplicate": _NO_WORD, "trade_id": _NO_WORD, **_WHOLE_SECONDS},
        },
        Transport.POLLING: {
            Quote: {**_QUOTE_LOSSES, **dict.fromkeys(NOT_IN_REST, "REST has no bid and no ask")},
            BookSnapshot: _BOOK_LOSSES,
            OrderUpdate: {"reconciled": _NO_WORD},
        },
    }
)
"""What encode → decode loses: transport → event type → field → why. A type that is not named cannot be said there."""


class LiquidityEncoder:
    """Spells events for all clients of one transport.

    Args:
        transport: which of the vendor's transports.
        symbols: this bridge's spellings for the vendor.
    """

    def __init__(self, transport: Transport, symbols: SymbolTable) -> None:
        self._transport = transport
        self._symbols = symbols
        self._spell = {
            Transport.SSE: self._sse,
            Transport.WEBSOCKET: self._websocket,
            Transport.POLLING: self._rest,
        }[transport]

    def encode(self, event: LogEvent, cursor: str, *, whole: bool) -> Sequence[Message]:
        """Spell an event; see `contract.Encoder`. `cursor` goes nowhere: the vendor's ids are no place to resume from."""
        name, fields = self._spell(event)
        return (Message(msgspec.json.encode(fields), event=name),)

    def _sse(self, event: LogEvent) -> tuple[str, Fields]:
        match event:
            case Quote():
                return "quote", _quote(event, self._symbol(event.instrument), QUOTE_WORDS)
            case BookSnapshot():
                return "book", _book(event, self._symbol(event.instrument))
            case Trade():
                return "trade", _trade(event, self._symbol(event.instrument))
            case OrderUpdate():
                return "order", _order(event, self._symbol(event.instrument))
            case _:
                raise _unspeakable(event, self._transport)

    def _rest(self, event: LogEvent) -> tuple[str, Fields]:
        if isinstance(event, Trade):
            raise _unspeakable(event, self._transport)
        if isinstance(event, Quote):
            words = {ours: word for ours, word in QUOTE_WORDS.items() if ours not in NOT_IN_REST}
            return "", _quote(event, self._symbol(event.instrument), words)
        return "", self._sse(event)[1]

    def _websocket(self, event: LogEvent) -> tuple[str, Fields]:
        match event:
            case BookSnapshot():
                return "", _ws_book(event, "orderbook_snapshot", self._symbol(event.instrument))
            case BookDelta():
                return "", _ws_book(event, "orderbook_update", self._symbol(event.instrument))
            case Trade():
                return "", _ws_trade(event, self._symbol(event.instrument))
            case _:
                raise _unspeakable(event, self._transport)

    def _symbol(self, instrument: InstrumentId) -> str:
        symbol = self._symbols.vendor_symbol(instrument, self._transport)
        if symbol is None:
            raise Unspeakable(f"{instrument} has no spelling on Liquidity's {self._transport}")
        return symbol


def _quote(event: Quote, symbol: str, words: Mapping[str, str]) -> Fields:
    known = {word: number(value) for ours, word in words.items() if (value := getattr(event, ours)) is not None}
    if not known:
        raise Unspeakable(f"a quote of {event.instrument} without any field of Liquidity's")
    return {"assetId": symbol, **known, **_timestamp(event.ts_event)}


def _book(event: BookSnapshot, symbol: str) -> Fields:
    return {
        "assetId": symbol,
        "bids": [{"price": number(level.price), "size": number(level.size)} for level in event.bids],
        "asks": [{"price": number(level.price), "size": number(level.size)} for level in event.asks],
        **_timestamp(event.ts_event),
    }


def _trade(event: Trade, symbol: str) -> Fields:
    fields: Fields = {"assetId": symbol}
    if event.trade_id is not None:
        fields["tradeId"] = event.trade_id
    fields |= {"price": number(event.price), "size": number(event.size)}
    if event.aggressor_side is not None:
        fields["side"] = event.aggressor_side.value
    return fields | _timestamp(event.ts_event)


def _order(event: OrderUpdate, symbol: str) -> Fields:
    fields: Fields = {
        "orderId": event.order_id,
        "assetId": symbol,
        "side": event.side.value.upper(),
        "orderType": event.order_type,
        "quantity": number(event.quantity),
        "filledQuantity": number(event.filled_quantity),
    }
    if event.average_price is not None:
        fields["averagePrice"] = number(event.average_price)
    fields["status"] = event.status.upper()
    return fields | _timestamp(event.ts_event)


def _ws_book(event: BookSnapshot | BookDelta, name: str, symbol: str) -> Fields:
    return {
        "type": name,
        "symbol": symbol,
        "bids": _pairs(event.bids),
        "asks": _pairs(event.asks),
        **_unix_seconds(event.ts_event),
    }


def _ws_trade(event: Trade, symbol: str) -> Fields:
    fields: Fields = {"type": "trade", "symbol": symbol, "price": number(event.price), "size": number(event.size)}
    if event.aggressor_side is not None:
        fields["side"] = event.aggressor_side.value
    return fields | _unix_seconds(event.ts_event)


def _pairs(levels: Levels) -> list[tuple[msgspec.Raw, msgspec.Raw]]:
    return [(number(level.price), number(level.size)) for level in levels]


def _timestamp(moment: UnixNanos | None) -> Fields:
    return {} if moment is None else {"timestamp": rfc3339(moment)}


def _unix_seconds(moment: UnixNanos | None) -> Fields:
    return {} if moment is None else {"timestamp": moment // SECONDS}


def _unspeakable(event: LogEvent, transport: Transport) -> Unspeakable:
    return Unspeakable(f"Liquidity has no word for a {type(event).__name__} on {transport}")
