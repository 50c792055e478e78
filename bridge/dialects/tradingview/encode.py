"""Our events → TradingView's messages: quotes, candles, and an error when a feed is down; it has no word for anything else.

A quote goes out as its changed fields, or whole when the encoder is asked for it; a field that is gone is null. Candles are
spelled as the page has them on SSE and as the vendor's WebSocket has them there (VENDORS §3). Numbers keep their digits; times
are whole Unix seconds, as documented, unless the operator has `timestamp` in milliseconds.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from bridge.dialects.contract import Manner, Message, SymbolTable, Transport
from bridge.dialects.scalars import number
from bridge.dialects.tradingview.messages import FIGURES, spell
from bridge.dialects.tradingview.symbols import bar_id
from bridge.errors import Unspeakable
from bridge.model import (
    MILLISECONDS,
    SECONDS,
    Bar,
    Code,
    FeedHealth,
    FeedStatus,
    InstrumentId,
    Interval,
    LogEvent,
    Quote,
    UnixNanos,
)

Fields = dict[str, object]

_NO_WORD = "the vendor has no word for it"
_WHOLE_SECONDS = "only whole seconds"
_QUOTE_LOSSES = {
    "ts_event": _WHOLE_SECONDS,
    "last_time": _WHOLE_SECONDS,
    "last_size": _NO_WORD,
    "conflated": _NO_WORD,
    "derived": _NO_WORD,
}
_BAR_LOSSES = {
    "ts_event": _WHOLE_SECONDS,
    "ts_open": _WHOLE_SECONDS,
    "is_final": "only the next candle tells that one is over",
    "derived": _NO_WORD,
    "partial": _NO_WORD,
}

LOSSES: Mapping[Transport, Mapping[type, Mapping[str, str]]] = MappingProxyType(
    {
        Transport.SSE: {Quote: _QUOTE_LOSSES, Bar: {**_BAR_LOSSES, "ts_open": "the page's candle has no time"}},
        Transport.WEBSOCKET: {Quote: _QUOTE_LOSSES, Bar: _BAR_LOSSES},
        Transport.POLLING: {Quote: {**_QUOTE_LOSSES, "ts_event": "the answer has no time"}},
    }
)
"""What encode → decode loses: transport → event type → field → why. A type that is not named cannot be said there, but for a
feed that is down: its error message says so and nothing more."""

ERROR_CODES: Mapping[Code, str] = MappingProxyType(
    {
        Code.BAD_REQUEST: "INVALID_PARAMETERS",
        Code.UNAUTHORIZED: "UNAUTHORIZED",
        Code.TOKEN_EXPIRED: "TOKEN_EXPIRED",
        Code.FORBIDDEN: "FORBIDDEN",
        Code.UNKNOWN_INSTRUMENT: "INVALID_SYMBOL",
        Code.UNSUPPORTED_TOPIC: "UNSUPPORTED",
        Code.TOO_MANY_SUBSCRIPTIONS: "SUBSCRIPTION_LIMIT",
        Code.TOO_MANY_CONNECTIONS: "CONNECTION_LIMIT",
        Code.RATE_LIMITED: "RATE_LIMIT_EXCEEDED",
        Code.SLOW_CONSUMER: "SLOW_CONSUMER",
        Code.GOING_AWAY: "GOING_AWAY",
        Code.UPSTREAM_UNAVAILABLE: "FEED_DOWN",
        Code.UPSTREAM_FULL: "FEED_FULL",
        Code.OVERLOADED: "OVERLOADED",
        Code.INTERNAL: "INTERNAL_ERROR",
    }
)
"""Our code → the vendor's. It has published INVALID_SYMBOL; the rest is assumed, in its manner (VENDORS §1.4, §1.8)."""


DOCUMENTED = Manner()
"""As the page has it: events without names, times in whole seconds."""

UNITS: Mapping[str, int] = MappingProxyType({"s": SECONDS, "ms": MILLISECONDS})
"""The units of `timestamp`."""

ORDINARY = ""
FAST = "fast"
"""The wordings of a quote on a WebSocket: to a fast subscription its messages have a type of their own (VENDORS §1.4)."""

QUOTE_TYPES: Mapping[str, str] = MappingProxyType({ORDINARY: "quote_update", FAST: "quote_fast_update"})

NEVER_NAMED = "error"
"""The type whose name would call EventSource's own handler."""


class Voice:
    """Makes messages of one transport in the operator's manner.

    Args:
        transport: which of the vendor's transports.
        manner: how the operator has it.
    """

    def __init__(self, transport: Transport, manner: Manner) -> None:
        self._sse = transport is Transport.SSE
        self._named = self._sse and manner.named_events
        self._unit = UNITS[manner.timestamp_unit]

    def say(self, kind: str, moment: UnixNanos | None, at: str = "", **fields: object) -> Message:
        """Make a message; an SSE id is a cursor's offset: the vendor's are taken for integers.

        Args:
            kind: its type.
            moment: for its `timestamp`; None is left out.
            at: the cursor for its id; "" = none.
            fields: the others in their order; None is left out.
        """
        data = spell(kind, **fields, timestamp=None if moment is None else moment // self._unit)
        name = kind if self._named and kind != NEVER_NAMED else ""
        return Message(data, event=name, id=at.rpartition("-")[2] if self._sse else "")

    def error(self, code: Code, message: str, moment: UnixNanos, at: str = "", **about: str | None) -> Message:
        """Make an error message; `about` may have the `id` and the `symbol` that it is about."""
        return self.say("error", moment, at, code=ERROR_CODES[code], message=message, **about)

    def history(self, id_: str, symbol: str, bars: Sequence[Bar], moment: UnixNanos) -> Message:
        """Tell the candles of the past that a subscribe asked for; newest first, as everywhere in this API (VENDORS §1.4)."""
        periods = [_candle(bar) for bar in reversed(bars)]
        return self.say("history", moment, id=id_, symbol=symbol, periods=periods)


class TradingViewEncoder:
    """Spells events for all clients of one transport.

    Args:
        transport: which of the vendor's transports.
        symbols: this bridge's spellings for the vendor.
        manner: how the operator has it.
        wording: of quotes.
    """

    def __init__(
        self, transport: Transport, symbols: SymbolTable, manner: Manner = DOCUMENTED, wording: str = ORDINARY
    ) -> None:
        self._transport = transport
        self._symbols = symbols
        self._voice = Voice(transport, manner)
        self._quote_type = QUOTE_TYPES[wording]

    def encode(self, event: LogEvent, cursor: str, *, whole: bool) -> Sequence[Message]:
        """Spell an event; see `contract.Encoder`."""
        polling = self._transport is Transport.POLLING
        match event:
            case Quote():
                return (self._quote(event, cursor, whole=whole),)
            case Bar() if not polling:
                return (self._bar(event, cursor),)
            case FeedStatus(status=FeedHealth.DOWN) if not polling:
                reason = event.reason or "the feed is down"
                return (self._voice.error(Code.UPSTREAM_UNAVAILABLE, reason, event.ts_recv, cursor),)
            case _:
                raise Unspeakable(f"TradingView has no word for this {type(event).__name__} on {self._transport}")

    def _quote(self, quote: Quote, cursor: str, *, whole: bool) -> Message:
        symbol = self._symbol(quote.instrument)
        fields = _quote_fields(quote, whole=whole)
        if not fields:
            raise Unspeakable(f"TradingView has no word for what changed in this quote of {quote.instrument}")
        if self._transport is Transport.POLLING:
            told = {"success": True, "data": {"symbol": symbol, "data": fields}, "msg": "Success"}
            return Message(msgspec.json.encode(told))
        return self._voice.say(self._quote_type, quote.ts_event, cursor, symbol=symbol, data=fields)

    def _bar(self, bar: Bar, cursor: str) -> Message:
        """A candle; on a WebSocket its subscription's id tells the interval, and is the one that our own client half uses."""
        symbol = self._symbol(bar.instrument)
        if self._transport is Transport.SSE:
            return self._voice.say("price_update", bar.ts_event, cursor, symbol=symbol, data=_sse_candle(bar))
        id_ = bar_id(Interval(bar.interval), symbol)
        return self._voice.say("update", bar.ts_event, subscriptionId=id_, symbol=symbol, data=_candle(bar))

    def _symbol(self, instrument: InstrumentId) -> str:
        symbol = self._symbols.vendor_symbol(instrument, self._transport)
        if symbol is None:
            raise Unspeakable(f"{instrument} has no spelling on TradingView's {self._transport}")
        return symbol


def seconds(moment: UnixNanos | None) -> int | None:
    """A moment in whole Unix seconds; None stays None and is left out."""
    return None if moment is None else moment // SECONDS


def _quote_fields(quote: Quote, *, whole: bool) -> Fields:
    """A quote's fields in the vendor's words: what changed, or all that is known; what has just gone is null."""
    fields: Fields = {}
    for ours, (theirs, word) in _QUOTE_WORDS.items():
        value = getattr(quote, ours)
        if ours in quote.changed or (whole and value is not None):
            fields[theirs] = None if value is None else word(value)
    extra = quote.extra or {}
    fields |= {name: raw for name, raw in extra.items() if whole or name in quote.changed_extra}
    gone = {name: None for name in sorted(quote.changed_extra) if name not in extra and name not in fields}
    return fields | gone


def _update_mode(delay_seconds: int) -> str:
    return f"delayed_streaming_{delay_seconds}" if delay_seconds else "streaming"


_QUOTE_WORDS: Mapping[str, tuple[str, Callable[[Any], object]]] = MappingProxyType(
    {
        **{ours: (theirs, number) for theirs, ours in FIGURES.items()},
        "last_time": ("lp_time", seconds),
        "session": ("current_session", str),
        "delay_seconds": ("update_mode", _update_mode),
    }
)
"""Our field of a quote → the vendor's, and how its value is spelled there."""


def _sse_candle(bar: Bar) -> Fields:
    data: Fields = {
        "open": number(bar.open),
        "high": number(bar.high),
        "low": number(bar.low),
        "close": number(bar.close),
    }
    return data if bar.volume is None else {**data, "volume": number(bar.volume)}


def _candle(bar: Bar) -> Fields:
    """A candle as everywhere but on SSE."""
    data: Fields = {} if bar.ts_open is None else {"time": seconds(bar.ts_open)}
    data |= {"open": number(bar.open), "close": number(bar.close), "max": number(bar.high), "min": number(bar.low)}
    return data if bar.volume is None else {**data, "volume": number(bar.volume)}


def spell_token(
    token: str, expires: UnixNanos, lifetime_seconds: float | None, sse_url: str, websocket_url: str
) -> bytes:
    """Spell a minted token as the vendor does (VENDORS §1.2).

    Args:
        token: the token.
        expires: its end.
        lifetime_seconds: for `expiresIn`, which is words for people; None = not known, then it is left out.
        sse_url: where its holder may connect, without a query; `websocket_url` likewise.
        websocket_url: see `sse_url`.
    """
    told: Fields = {"success": True, "token": token, "sseUrl": sse_url, "wsUrl": websocket_url}
    if lifetime_seconds is not None:
        told["expiresIn"] = _lifetime(int(lifetime_seconds))
    told["expiresAt"] = expires // MILLISECONDS
    told["sseExample"] = f'curl -N "{sse_url}?token={token}&symbols=NASDAQ:AAPL&type=quote"'
    return msgspec.json.encode(told)


def _lifetime(lifetime: int) -> str:
    unit, name = next((unit, name) for unit, name in _UNITS if lifetime % unit == 0)
    return f"{lifetime // unit} {name}{'' if lifetime == unit else 's'}"


_UNITS = ((3_600, "hour"), (60, "minute"), (1, "second"))
