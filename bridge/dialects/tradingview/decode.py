"""TradingView's messages → our events and signals, and its REST answers likewise.

One decoder serves both transports, for the messages are the same. It remembers of its session whose quote has begun (the first
is the whole one, inferred in VENDORS §1.3), and knows through `asked` the interval of a candle that does not say it. A quote's
field that is present and null is gone; one that is absent is unchanged.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from bridge.dialects.contract import (
    Asked,
    CredentialEnding,
    Frame,
    Heartbeat,
    Question,
    QuestionKind,
    Ready,
    Refused,
    Signal,
    SubscriptionsLost,
    Unknown,
    VendorError,
    read_comment,
)
from bridge.dialects.extras import bounded
from bridge.dialects.scalars import MALFORMED, malformed
from bridge.dialects.tradingview import messages as m
from bridge.dialects.tradingview.symbols import INTERVALS, read_bar_id
from bridge.model import (
    Bar,
    Code,
    FeedName,
    InstrumentId,
    QuotePatch,
    Topic,
    TopicKind,
    UnixNanos,
    UpstreamEvent,
)

Said = Sequence[UpstreamEvent | Signal]

REFUSALS = {
    "INVALID_SYMBOL": Code.UNKNOWN_INSTRUMENT,
    "SUBSCRIPTION_LIMIT": Code.UPSTREAM_FULL,
    "FORBIDDEN": Code.FORBIDDEN,
}
"""The error codes that say no to a topic; the vendor has published only the first (VENDORS §1.8)."""

CREDENTIAL_CODES = frozenset({"UNAUTHORIZED", "TOKEN_EXPIRED"})


class _Fact(NamedTuple):
    """What every event made of one message has."""

    instrument: InstrumentId
    feed: FeedName
    ts_recv: UnixNanos
    ts_event: UnixNanos | None = None


class TradingViewDecoder:
    """What one session makes of what comes, on either transport."""

    cursor: str | None = None
    """This vendor's messages name no place to go on from."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._begun: set[Topic] = set()

    def decode(self, frame: Frame) -> Said:
        """Return what the frame says; the SSE event name is not looked at.

        Raises:
            VendorProtocolError: the frame is malformed.
        """
        message = m.read_server(frame.data)
        try:
            handler = _HANDLERS.get(message.type)
            return [Unknown(message.type[:64])] if handler is None else handler(self, message, frame)
        except MALFORMED as error:
            raise malformed(error, frame.data) from error

    def comment(self, text: str) -> Sequence[Signal]:
        """Return what a comment says; see `contract.Decoder`."""
        return (read_comment(text, self._asked.topics),)

    def connected(self, message: m.ServerMessage, frame: Frame) -> Said:
        """The connection stands, and what its opening request carried."""
        return [Ready()]

    def alive(self, message: m.ServerMessage, frame: Frame) -> Said:
        """A pong, a status, a heartbeat."""
        return [Heartbeat()]

    def subscribed(self, message: m.ServerMessage, frame: Frame) -> Said:
        """A candle subscription was accepted."""
        return _ready(self._bar_topics(message) or ())

    def quote_subscribed(self, message: m.ServerMessage, frame: Frame) -> Said:
        """A group of quotes was accepted."""
        symbols = (message.symbols,) if isinstance(message.symbols, str) else message.symbols
        return _ready([topic for topic in map(self._quote_topic, symbols) if topic is not None])

    def unsubscribed(self, message: m.ServerMessage, frame: Frame) -> Said:
        """A subscription was dropped as asked; what comes back later begins anew."""
        self._begun &= frozenset(self._asked.topics)
        return [Heartbeat()]

    def reset(self, message: m.ServerMessage, frame: Frame) -> Said:
        """The server dropped everything: inferred from the name (VENDORS §1.4)."""
        self._begun.clear()
        return [SubscriptionsLost()]

    def credential_ending(self, message: m.ServerMessage, frame: Frame) -> Said:
        """The token is about to end, or has ended."""
        return [CredentialEnding(None if message.expires_at is None else m.moment(message.expires_at))]

    def untyped(self, message: m.ServerMessage, frame: Frame) -> Said:
        """A bare error body is an error; nothing else goes without a type."""
        if message.error is None and message.success:
            msg = "a message without a type"
            raise ValueError(msg)
        return self.error(message, frame)

    def quote(self, message: m.ServerMessage, frame: Frame) -> Said:
        """Fields of a quote: all of them at first, then the changed ones. A fast subscription's are never taken for all."""
        topic = self._quote_topic(message.symbol or "")
        if topic is None or topic.instrument is None:
            return []
        full = topic not in self._begun and message.type == "quote_update"
        fact = _Fact(topic.instrument, self._asked.feed, frame.ts_recv, message.moment)
        patch, beyond = _patch(fact, bytes(message.data), full=full)
        if full:
            self._begun.add(topic)
        return [patch, *beyond]

    def bars(self, message: m.ServerMessage, frame: Frame) -> Said:
        """A candle that may still change, or those of the past."""
        topics = self._bar_topics(message)
        if topics is None:
            return [Unknown(f"{message.type} of no known interval")]
        past = message.type == "history"
        candles = [m.read_candle(bytes(raw)) for raw in (message.periods if past else (message.data,))]
        said: list[UpstreamEvent | Signal] = []
        for topic in topics:
            fact = _Fact(topic.instrument or InstrumentId(""), self._asked.feed, frame.ts_recv, message.moment)
            bars = [_bar(fact, candle, topic) for candle in candles]
            said.extend(_oldest_first(bars) if past else bars)
        return said

    def error(self, message: m.ServerMessage, frame: Frame) -> Said:
        """An error: about a topic when it can be told, about the credential, or the vendor's own."""
        code, text = _words(message.failure)
        if code in CREDENTIAL_CODES:
            return [VendorError(code, text), CredentialEnding(None)]
        refusal = REFUSALS.get(code)
        topics = self._told(message) if refusal else ()
        if refusal is None or (refusal is Code.FORBIDDEN and not topics):
            return [VendorError(code, text)]
        return [Refused(topic, refusal.value, text) for topic in topics or (None,)]

    def _quote_topic(self, symbol: str) -> Topic | None:
        instrument = self._asked.instrument(symbol)
        topic = Topic(TopicKind.QUOTE, instrument)
        return topic if instrument is not None and topic in self._asked else None

    def _bar_topics(self, message: m.ServerMessage) -> Sequence[Topic] | None:
        """The bars asked for that a message is about; None when it might be one of several."""
        named = read_bar_id(message.about)
        symbol = message.symbol or (named[1] if named else "")
        instrument = self._asked.instrument(symbol)
        topics = self._asked.bars_of(instrument) if instrument is not None else ()
        interval = INTERVALS.get(self._asked.lane.timeframe) or (named[0] if named else None)
        interval = interval or INTERVALS.get(str(message.timeframe))
        if interval is not None:
            return [topic for topic in topics if topic.interval is interval]
        return topics if len(topics) <= 1 else None

    def _told(self, message: m.ServerMessage) -> Sequence[Topic]:
        """The topics that an error is about, by id, by symbol, by mention, or because there is only one; () = not told."""
        topics = self._asked.topics
        named = read_bar_id(message.about)
        if named:
            return [t for t in topics if t.interval is named[0] and self._asked.symbol(t) == named[1]]
        if message.symbol is not None:
            return [t for t in topics if self._asked.symbol(t) == message.symbol]
        details = bytes(message.failure.details).decode(errors="replace")
        words = f"{message.failure.message or ''} {details}"
        mentioned = [t for t in topics if _mentions(words, self._asked.symbol(t))]
        return mentioned or (topics if len(topics) == 1 else ())


_HANDLERS: Mapping[str, Callable[[TradingViewDecoder, m.ServerMessage, Frame], Said]] = {
    "connected": TradingViewDecoder.connected,
    "subscribed": TradingViewDecoder.subscribed,
    "quote_subscribed": TradingViewDecoder.quote_subscribed,
    "unsubscribed": TradingViewDecoder.unsubscribed,
    "subscriptions_reset": TradingViewDecoder.reset,
    "quote_update": TradingViewDecoder.quote,
    "quote_fast_update": TradingViewDecoder.quote,
    "price_update": TradingViewDecoder.bars,
    "update": TradingViewDecoder.bars,
    "history": TradingViewDecoder.bars,
    "pong": TradingViewDecoder.alive,
    "status": TradingViewDecoder.alive,
    "heartbeat": TradingViewDecoder.alive,
    "auth_expiring": TradingViewDecoder.credential_ending,
    "auth_expired": TradingViewDecoder.credential_ending,
    "error": TradingViewDecoder.error,
    "": TradingViewDecoder.untyped,
}
"""Everything the server is known to say (VENDORS §1.3, §1.4); `heartbeat` only by third parties."""


def _ready(topics: Sequence[Topic]) -> Said:
    """What was accepted; the first data confirms too, in case an acceptance does not say of what (its shape is assumed)."""
    return [Ready(tuple(topics))] if topics else [Heartbeat()]


def _mentions(text: str, symbol: str) -> bool:
    return re.search(rf"(?<![\w:.]){re.escape(symbol)}(?![\w:!]|\.\w)", text) is not None


def _words(body: m.ErrorBody) -> tuple[str, str]:
    code = "" if body.code is None else str(body.code)
    return code[:64], (body.message or code or "the vendor gave no reason")[:200]


def _patch(fact: _Fact, data: bytes, *, full: bool) -> tuple[QuotePatch, Sequence[Signal]]:
    """Read a quote's `data`; the signals tell that there were more fields than are kept."""
    known, extra = m.read_quote(data, full=full)
    patch = QuotePatch(**fact._asdict(), full=full, extra=(kept := bounded(extra)), **known)
    return patch, [] if len(kept) == len(extra) else [Unknown("quote fields beyond the bound")]


def _bar(fact: _Fact, candle: m.Candle, topic: Topic) -> Bar:
    high = candle.max if candle.high is None else candle.high
    low = candle.min if candle.low is None else candle.low
    if high is None or low is None or topic.interval is None:
        msg = "a candle without high or low"
        raise ValueError(msg)
    return Bar(
        **fact._asdict(),
        interval=topic.interval.value,
        open=candle.open,
        high=high,
        low=low,
        close=candle.close,
        ts_open=None if candle.time is None else m.moment(candle.time),
        volume=candle.volume,
    )


def _oldest_first(bars: Sequence[Bar]) -> list[Bar]:
    """Turn bars that came newest first (or with times, in any order) round; all but the newest are over."""
    ordered = list(reversed(bars))
    if all(bar.ts_open is not None for bar in bars):
        ordered = list({bar.ts_open: bar for bar in sorted(ordered, key=lambda bar: bar.ts_open or 0)}.values())
    return [msgspec.structs.replace(bar, is_final=True) for bar in ordered[:-1]] + ordered[-1:]


def read_answer(question: Question, body: bytes, feed: FeedName, ts_recv: UnixNanos) -> Said:
    """What a 200 answer to a question says: a whole quote, or bars oldest first.

    Raises:
        VendorProtocolError: malformed, or an answer to what we never ask.
    """
    answered = m.read_server(body)
    if question.instrument is None or question.kind not in (QuestionKind.QUOTE, QuestionKind.BARS):
        raise malformed(f"an answer to a question of kind {question.kind}", body)
    fact = _Fact(question.instrument, feed, ts_recv)
    topic = Topic(TopicKind.QUOTE, question.instrument)
    if question.kind is QuestionKind.BARS:
        topic = Topic(TopicKind.BAR, question.instrument, interval=question.interval)
    if not answered.success:
        return [_refused(topic, answered.failure)]
    try:
        if question.kind is QuestionKind.BARS:
            return _past(fact, bytes(answered.data), topic)
        patch, beyond = _patch(fact, bytes(m.read_quote_state(bytes(answered.data)).data), full=True)
    except MALFORMED as error:
        raise malformed(error, body) from error
    return [patch, *beyond]


def _refused(topic: Topic, body: m.ErrorBody) -> Refused | VendorError:
    code, text = _words(body)
    return Refused(topic, REFUSALS[code].value, text) if code in REFUSALS else VendorError(code, text)


def _past(fact: _Fact, data: bytes, topic: Topic) -> Said:
    state = m.read_bars_state(data)
    candles = [bytes(candle) for candle in (state.current, *state.history)]
    return _oldest_first([_bar(fact, m.read_candle(candle), topic) for candle in candles if candle != b"null"])
