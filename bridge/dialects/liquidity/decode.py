"""Liquidity's messages → our events: SSE by the event's name, WebSocket by its `type`, REST bodies by the question asked.

The vendor sends a quote's fields as they change, a book whole on SSE and REST but in changes on the WebSocket, and no
sequence anywhere. A WebSocket message is read in its flat form first, which every sample has; only one that fails is looked at
again, as the nested form, as a kind we do not know, or as malformed.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET

from bridge.dialects.contract import (
    Asked,
    Frame,
    Heartbeat,
    Question,
    QuestionKind,
    Ready,
    Refused,
    Signal,
    SymbolTable,
    Transport,
    Unknown,
    VendorError,
    read_comment,
)
from bridge.dialects.liquidity import messages as m
from bridge.dialects.scalars import malformed
from bridge.errors import VendorProtocolError
from bridge.model import Code, FeedName, Topic, TopicKind, UnixNanos, UpstreamEvent

GREETINGS = frozenset({"CONNECT", "HZ_CONNECT", "PB_CONNECT"})
"""The base protocol's first event, by its names since 2026-03, since 2025-02 and before (VENDORS §2.4)."""

CHANNEL_KINDS = {"orderbook": TopicKind.BOOK, "trades": TopicKind.TRADE}
"""The WebSocket's channels; there are no others."""

TOPIC_CODES = {"SUBSCRIPTION_FAILED": Code.UNKNOWN_INSTRUMENT, "SUBSCRIPTION_LIMIT_EXCEEDED": Code.UPSTREAM_FULL}
"""Errors that are about one topic alone when they name a channel and a symbol; the first is printed, the second assumed."""

ASSET_QUESTIONS = {QuestionKind.QUOTE: TopicKind.QUOTE, QuestionKind.BOOK: TopicKind.BOOK}
"""The questions that are about an asset, and the topic each one polls."""

FATAL_CODES = frozenset({"401", "403", "UNAUTHORIZED", "CONNECTION_LIMIT_EXCEEDED"})
"""Errors after which nothing more comes on the connection (assumed, VENDORS §2.7)."""

KNOWN_TOPICS = 1_000
"""Symbols remembered with their topics, a kind; a connection carries 50 at a time."""

LONGEST_WORDS = 200
"""Characters kept of a vendor's own error text: it goes into logs."""

Said = list[UpstreamEvent | Signal]


class LiquidityDecoder:
    """One session's decoder; remembers only that the vendor has answered and how its topics are spelled.

    Args:
        asked: what the session has asked for.
    """

    cursor: str | None = None
    """This vendor has no place to go on from."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._ready = False
        self._topics: dict[TopicKind, dict[str, Topic]] = {kind: {} for kind in TopicKind}
        self._read: Callable[[Frame], Said] = {
            Transport.SSE: self._sse,
            Transport.WEBSOCKET: self._websocket,
            Transport.POLLING: self._polling,
        }[asked.lane.transport]
        self._named: dict[str, Callable[[Frame], Said]] = {
            "quote": self._quote,
            "book": self._book,
            "trade": self._trade,
            "order": self._order,
        }

    def decode(self, frame: Frame) -> Sequence[UpstreamEvent | Signal]:
        """Return what a frame says; see `contract.Decoder`."""
        try:
            return self._read(frame)
        except ValueError as error:
            raise malformed(error, frame.data) from error

    def comment(self, text: str) -> Sequence[Signal]:
        """Return what a comment says; see `contract.Decoder`."""
        return (read_comment(text, self._asked.topics),)

    def _sse(self, frame: Frame) -> Said:
        if frame.event in GREETINGS:
            self._ready = True
            return [Ready()]
        read = self._named.get(frame.event)
        if read is None:
            return [_error_in(frame.data) or Unknown(frame.event[:64] or "message")]
        said = read(frame)
        if not self._ready:  # the page shows no greeting: data proves the subscription just as well
            self._ready = True
            return [Ready(), *said]
        return said

    def _quote(self, frame: Frame) -> Said:
        message = m.read_quote(frame.data)
        origin = self._origin(TopicKind.QUOTE, message.asset_id, frame)
        return [] if origin is None else [message.event(origin, full=False)]

    def _book(self, frame: Frame) -> Said:
        message = m.read_book(frame.data)
        origin = self._origin(TopicKind.BOOK, message.asset_id, frame)
        return [] if origin is None else [message.event(origin)]

    def _trade(self, frame: Frame) -> Said:
        message = m.read_trade(frame.data)
        origin = self._origin(TopicKind.TRADE, message.asset_id, frame)
        return [] if origin is None else [message.event(origin)]

    def _order(self, frame: Frame) -> Said:
        message = m.read_order(frame.data)
        instrument = self._asked.instrument(message.asset_id)
        account = self._asked.account
        if instrument is None or account is None or all(t.kind is not TopicKind.ORDER for t in self._asked.topics):
            return []
        return [message.event(m.Origin(instrument, self._asked.feed, frame.ts_recv), account)]

    def _websocket(self, frame: Frame) -> Said:
        try:
            message = m.read_ws(frame.data)
        except VendorProtocolError:
            nested = m.read_ws_nested(frame.data)
            if nested.type not in m.WS_TYPES:
                return [Unknown(nested.type[:64])]
            if nested.data is UNSET:
                raise
            message = m.read_ws(_flat(nested, bytes(nested.data)))
        match message:
            case m.WsTrade():
                origin = self._origin(TopicKind.TRADE, message.symbol, frame)
                return [] if origin is None else [message.event(origin)]
            case m.WsUpdate() | m.WsSnapshot():
                origin = self._origin(TopicKind.BOOK, message.symbol, frame)
                return [] if origin is None else [message.event(origin)]
            case m.WsError():
                return [self._ws_error(message.error)]
            case m.WsPong():
                return [Heartbeat()]

    def _ws_error(self, error: m.ErrorDetail) -> Signal:
        code = TOPIC_CODES.get(error.code)
        kind = CHANNEL_KINDS.get(error.channel or "")
        instrument = self._asked.instrument(error.symbol or "")
        if code is not None and kind is not None and instrument is not None and Topic(kind, instrument) in self._asked:
            return Refused(Topic(kind, instrument), code.value, error.message[:LONGEST_WORDS])
        return _vendor_error(error.code, error.message)

    def _polling(self, frame: Frame) -> Said:
        question = frame.answers
        if question is None:
            return [Unknown("a body that answers no question")]
        if frame.status != 200:
            return [_said_no(question, frame)]
        if question.kind is QuestionKind.ORDER and question.account is None:
            question = msgspec.structs.replace(question, account=self._asked.account)
        return read_answer(question, frame.data, self._asked.feed, self._asked.symbols, frame.ts_recv)

    def _origin(self, kind: TopicKind, symbol: str, frame: Frame) -> m.Origin | None:
        """Return whose fact it is, or None when nobody asked. Called for every message, so topics once found are kept."""
        topic = self._topics[kind].get(symbol)
        if topic is None:
            topic = Topic(kind, self._asked.instrument(symbol))
            if topic in self._asked:
                if len(self._topics[kind]) >= KNOWN_TOPICS:
                    self._topics[kind].clear()  # most are asked for no longer
                self._topics[kind][symbol] = topic
        if topic.instrument is None or topic not in self._asked:
            return None
        return m.Origin(topic.instrument, self._asked.feed, frame.ts_recv)


def read_answer(question: Question, body: bytes, feed: FeedName, symbols: SymbolTable, ts_recv: UnixNanos) -> Said:
    """Read a 200 answer to a question about a quote, a book or an order; nothing is read of any other.

    Raises:
        VendorProtocolError: the body is malformed.
    """
    error = _error_in(body)
    if error is not None:
        return [error]
    data = m.read_envelope(body).data
    inner = body if data is UNSET else bytes(data)
    try:
        if question.kind is QuestionKind.ORDER:
            return _order_answer(question, inner, feed, symbols, ts_recv)
        if question.instrument is None:
            return []
        origin = m.Origin(question.instrument, feed, ts_recv)
        if question.kind is QuestionKind.QUOTE:
            return [m.read_quote(inner).event(origin, full=True)]
        return [m.read_book(inner).event(origin)] if question.kind is QuestionKind.BOOK else []
    except ValueError as mistake:
        raise malformed(mistake, body) from mistake


def _order_answer(question: Question, data: bytes, feed: FeedName, symbols: SymbolTable, ts_recv: UnixNanos) -> Said:
    message = m.read_order(data)
    instrument = symbols.instrument(message.asset_id, Transport.POLLING)
    if instrument is None or question.account is None:
        return []
    return [message.event(m.Origin(instrument, feed, ts_recv), question.account)]


def _said_no(question: Question, frame: Frame) -> Signal:
    """Read an answer that is none; 404 on an asset says that there is no such asset."""
    error = _error_in(frame.data) or _vendor_error(str(frame.status), "")
    kind = ASSET_QUESTIONS.get(question.kind)
    if frame.status != 404 or kind is None or question.instrument is None:
        return error
    return Refused(Topic(kind, question.instrument), Code.UNKNOWN_INSTRUMENT, error.message)


def _flat(nested: m.WsNested, data: bytes) -> bytes:
    """Return a nested message's flat text: the fields of `data`, an object, beside its type and time."""
    fields = m.read_object(data)
    if nested.timestamp is not None:
        fields.setdefault("timestamp", msgspec.Raw(b"%d" % nested.timestamp))
    return msgspec.json.encode({**fields, "type": nested.type})


def _vendor_error(code: str, message: str) -> VendorError:
    return VendorError(code[:64], message[:LONGEST_WORDS], fatal=code in FATAL_CODES)


def _error_in(data: bytes) -> VendorError | None:
    """Read an error-shaped object; None when it is none: no market fact has `error`, or both `message` and `status`."""
    try:
        said = m.read_error(data)
    except VendorProtocolError:
        return None
    if isinstance(said.error, m.ErrorDetail):
        return _vendor_error(said.error.code, said.error.message)
    if said.error is not None:
        return _vendor_error(str(said.status or ""), said.error)
    if said.message is not None and said.status is not None and said.status >= 400:
        return _vendor_error(str(said.status), said.message)
    return None
