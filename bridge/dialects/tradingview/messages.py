"""TradingView's messages as typed structs: what its server says, and what its clients say on a WebSocket.

SSE and WebSocket share one vocabulary told apart by the JSON `type` (the page's `data:` fields carry no event name worth
trusting, VENDORS §1.3). Most shapes are not published, so one struct has the fields of all messages, each optional, and the
decoder says what it cannot do without. Of a quote's `data` the known figures are read as such and every other field is kept
byte for byte, within bounds.
"""

import base64
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from bridge.dialects.extras import verbatim
from bridge.dialects.scalars import MALFORMED, Number, reader, seconds_or_millis
from bridge.model import SECONDS, UnixNanos


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The documented shape of an error (VENDORS §1.8); `details` names the symbol where the vendor shows it."""

    code: str | int | None = None
    message: str | None = None
    details: Raw = Raw()


class ServerMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Anything the server says, and the envelope of its REST answers and errors (VENDORS §1.3, §1.4, §1.5, §1.8).

    Attributes:
        type: the kind; "" on REST and on bare error bodies.
        id: which subscription it is about, as the client named it; some messages say `subscriptionId` instead.
        symbols: of `connected` on SSE and of `quote_subscribed`.
        timeframe: of `subscribed`.
        timestamp: Unix time, seconds in the page's examples, milliseconds elsewhere.
        expires_at: of `auth_expiring`, Unix milliseconds.
        data: of `quote_update`, `quote_fast_update` (fields of a quote), `price_update`, `update` (a candle); of REST answers.
        periods: of `history`: candles, newest first as everywhere in this API (inferred).
        code: of `error`, with `message` and `details`, unless `error` has them or is itself the sentence.
        success: of REST.
    """

    type: str = ""
    id: str | None = None
    subscription_id: str | None = None
    symbol: str | None = None
    symbols: tuple[str, ...] | str = ()
    timeframe: str | int | None = None
    timestamp: Number | None = None
    expires_at: Number | None = None
    data: Raw = Raw()
    periods: tuple[Raw, ...] = ()
    code: str | int | None = None
    message: str | None = None
    msg: str | None = None
    details: Raw = Raw()
    error: ErrorBody | str | None = None
    success: bool = True

    @property
    def about(self) -> str:
        """The subscription's id under either name; "" when there is none."""
        return self.id or self.subscription_id or ""

    @property
    def moment(self) -> UnixNanos | None:
        """`timestamp` as a moment.

        Raises:
            ValueError: no moment that can be spelled.
        """
        return None if self.timestamp is None else moment(self.timestamp)

    @property
    def failure(self) -> ErrorBody:
        """The error in its documented shape, wherever it stood."""
        if isinstance(self.error, ErrorBody):
            return self.error
        return ErrorBody(code=self.code, message=self.error or self.message or self.msg, details=self.details)


class QuoteState(msgspec.Struct, frozen=True, kw_only=True):
    """A REST answer's `data` for a quote."""

    data: Raw


class BarsState(msgspec.Struct, frozen=True, kw_only=True):
    """A REST answer's `data` for candles: the open one, which may be null or absent, and those before, newest first."""

    current: Raw = Raw(b"null")
    history: tuple[Raw, ...] = ()


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """A candle: the page says `high` and `low`, everything else of this vendor `max` and `min` (VENDORS §3).

    Attributes:
        time: when it opened, Unix seconds; absent on the page.
    """

    open: Number
    close: Number
    high: Number | None = None
    low: Number | None = None
    max: Number | None = None
    min: Number | None = None
    time: Number | None = None
    volume: Number | None = None


class QuoteFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a quote that we have words for; null means "not available" (VENDORS §1.6). Times are in Unix seconds."""

    lp: Number | UnsetType | None = UNSET
    lp_time: Number | UnsetType | None = UNSET
    ch: Number | UnsetType | None = UNSET
    chp: Number | UnsetType | None = UNSET
    volume: Number | UnsetType | None = UNSET
    bid: Number | UnsetType | None = UNSET
    ask: Number | UnsetType | None = UNSET
    bid_size: Number | UnsetType | None = UNSET
    ask_size: Number | UnsetType | None = UNSET
    open_price: Number | UnsetType | None = UNSET
    high_price: Number | UnsetType | None = UNSET
    low_price: Number | UnsetType | None = UNSET
    prev_close_price: Number | UnsetType | None = UNSET
    current_session: str | UnsetType | None = UNSET
    update_mode: str | UnsetType | None = UNSET


FIGURES: Mapping[str, str] = {
    "bid": "bid",
    "ask": "ask",
    "bid_size": "bid_size",
    "ask_size": "ask_size",
    "lp": "last",
    "open_price": "open",
    "high_price": "high",
    "low_price": "low",
    "prev_close_price": "prev_close",
    "ch": "change",
    "chp": "change_percent",
    "volume": "volume",
}
"""The vendor's name of a number → ours. `lp_time`, `current_session` and `update_mode` are no numbers to copy."""

_HAVE_WORDS = frozenset({*FIGURES, "lp_time", "current_session", "update_mode"})
_DELAYED = re.compile(r"delayed_streaming_(\d{1,6})", re.ASCII)

read_server = reader(ServerMessage)
read_quote_state = reader(QuoteState)
read_bars_state = reader(BarsState)
read_candle = reader(Candle)
_read_figures = reader(QuoteFigures)
_read_fields = reader(dict[str, Raw])


def read_quote(data: bytes, *, full: bool) -> tuple[dict[str, Any], dict[str, Raw | None]]:
    """Read a quote's `data`: what we have words for, by our names, and every other field; a field that is null is None.

    Raises:
        VendorProtocolError: malformed.
        ValueError, msgspec.MsgspecError: a time that cannot be spelled, or text that is no Unicode.
    """
    figures = _read_figures(data)
    fields = _read_fields(data)
    known: dict[str, Any] = {ours: getattr(figures, theirs) for theirs, ours in FIGURES.items() if theirs in fields}
    if figures.lp_time is not UNSET:
        known["last_time"] = None if figures.lp_time is None else moment(figures.lp_time)
    if figures.current_session is not UNSET:
        known["session"] = figures.current_session
    extra = {name: verbatim(raw) for name, raw in fields.items() if name not in _HAVE_WORDS}
    if figures.update_mode is not UNSET:
        known["delay_seconds"] = delay = _delay_seconds(figures.update_mode)
        if delay is None or not full:  # a mode that has a word replaces one that had none
            extra["update_mode"] = verbatim(fields["update_mode"]) if delay is None else None
    return known, extra


def _delay_seconds(mode: str | None) -> int | None:
    """How late a vendor delivers by its own word; None when the word is another."""
    delayed = _DELAYED.fullmatch(mode or "")
    return 0 if mode == "streaming" else int(delayed[1]) if delayed else None


def moment(value: Decimal) -> UnixNanos:
    """Read a Unix time in seconds or milliseconds, with or without a fraction.

    Raises:
        ValueError: before 1970 or after the year 9999.
    """
    whole = int(value)
    base = seconds_or_millis(whole)
    unit = base // whole if whole else SECONDS
    return UnixNanos(base + int((value - whole) * unit))


def spell(kind: str, **fields: object) -> bytes:
    """Write a server message: `type` first, then the fields in the order given; None is left out."""
    return msgspec.json.encode({"type": kind} | {name: value for name, value in fields.items() if value is not None})


class ClientMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client says on a WebSocket (VENDORS §1.4).

    Attributes:
        symbol: of `subscribe` and `subscribe_quote_fast`.
        symbols: of `subscribe_quote`, at most 10.
        timeframe: of `subscribe`.
        range: of `subscribe`: how many candles of the past.
        type: of `subscribe`: the kind of chart.
        fields: of `subscribe_quote`: `all` or names.
    """

    action: str = ""
    id: str | None = None
    symbol: str | None = None
    symbols: tuple[str, ...] | str | None = None
    timeframe: str | int | None = None
    range: int | None = None
    type: str | None = None
    fields: tuple[str, ...] | str | None = None


class MintBody(msgspec.Struct, frozen=True):
    """What a client says of the token it wants: for how long."""

    type: str | int | None = msgspec.field(default=None, name="token-jwt-type")


class Minted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The vendor's answer to that (VENDORS §1.2)."""

    token: str
    sse_url: str | None = None
    ws_url: str | None = None
    expires_at: int | None = None


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says of its time."""

    exp: int | None = None
    iat: int | None = None


def claims_of(token: str) -> Claims:
    """What a JWT says of its time, read without verification; nothing when it is no JWT."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token.split(".")[1] + "=="), type=Claims)
    except (IndexError, *MALFORMED):
        return Claims()


class TradingViewQuote(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol and its quote; fields that we have no word for are told as the vendor told them."""

    symbol: str
    data: dict[str, Any]


class TradingViewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A quote in an answer (VENDORS §1.6), for the published specification, as the structs below."""

    success: Literal[True]
    data: TradingViewQuote
    msg: str


class TradingViewToken(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A minted token; `expiresAt` in Unix milliseconds."""

    success: Literal[True]
    token: str
    sse_url: str
    ws_url: str
    expires_at: int
    sse_example: str
    expires_in: str | UnsetType = UNSET


class TradingViewError(msgspec.Struct, frozen=True):
    """The documented shape of an error."""

    code: str
    message: str


class TradingViewRefusal(msgspec.Struct, frozen=True):
    """A refusal (VENDORS §1.8)."""

    success: Literal[False]
    error: TradingViewError
