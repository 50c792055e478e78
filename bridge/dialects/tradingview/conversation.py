"""TradingView's side of a connection: SSE says everything in its query, the WebSocket talks in `action`s.

SSE greets with what is subscribed and beats with a comment. On a WebSocket each subscription has an id, the client's or one
made here, and holds one candle or up to ten quotes; two subscriptions may hold the same topic, which is dropped with the last.
The vendor's own limits (ten symbols, ten subscriptions) are held here, because what we count is topics.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence

import msgspec

from bridge.dialects.contract import (
    Action,
    Manner,
    Message,
    Refusal,
    Renew,
    Reply,
    Request,
    Subscribe,
    SymbolTable,
    Transport,
    Unsubscribe,
)
from bridge.dialects.tradingview.encode import DOCUMENTED, FAST, ORDINARY, Voice
from bridge.dialects.tradingview.messages import ClientMessage
from bridge.dialects.tradingview.requests import (
    BARS_PER_QUESTION,
    SUBSCRIPTIONS_PER_CONNECTION,
    SYMBOLS_PER_GROUP,
    read_client,
    read_stream_query,
)
from bridge.dialects.tradingview.symbols import TIMEFRAMES, from_client, read_timeframe, require_plain
from bridge.model import (
    MILLISECONDS,
    Bar,
    Code,
    Goaway,
    InstrumentId,
    Interval,
    Problem,
    Stream,
    Topic,
    TopicKind,
    UnixNanos,
)

CLIENT_ID_LENGTH = 12
"""Characters of the greeting's `clientId` behind its prefix `sse_` or `ws_` (VENDORS §1.3)."""

HEARTBEAT = Message(b"", comment="heartbeat")
"""As the vendor's server comments (VENDORS §1.3)."""

QUOTES = "quote"
FAST_QUOTES = "quote_fast"
CANDLES = "price"
"""The types of a subscription, in `status`; the words are those of the SSE query and of the actions."""

WORDINGS = {QUOTES: ORDINARY, FAST_QUOTES: FAST}
"""How the quotes of a subscription are told, by its type."""

LEAVES = frozenset({Code.UNKNOWN_INSTRUMENT, Code.UNSUPPORTED_TOPIC, Code.FORBIDDEN})
"""Problems with which a topic leaves the stream."""


class Held(msgspec.Struct, frozen=True):
    """One subscription of a WebSocket client.

    Attributes:
        type: `quote`, `quote_fast` or `price`.
        topics: what it holds.
    """

    id: str
    type: str
    topics: tuple[Topic, ...]


class TradingViewConversation:
    """One connection.

    Args:
        transport: SSE or WebSocket.
        symbols: this bridge's spellings for the vendor.
        manner: how the operator has it.
    """

    def __init__(self, transport: Transport, symbols: SymbolTable, manner: Manner = DOCUMENTED) -> None:
        self._transport = transport
        self._symbols = symbols
        self._voice = Voice(transport, manner)
        self._held: dict[str, Held] = {}
        self._made = 0

    def open(self, request: Request) -> Sequence[Action]:
        """Read the SSE query; a WebSocket begins empty.

        `Last-Event-ID` is not looked at: an id is an offset without its epoch, and there is only state here, which comes anyway.
        """
        if self._transport is Transport.WEBSOCKET:
            return ()
        symbols, interval = read_stream_query(request.query)
        return (Subscribe(topics=tuple(self._topic(symbol, interval) for symbol in symbols)),)

    def receive(self, text: str | bytes, now: UnixNanos) -> Sequence[Action]:
        """Read a WebSocket message; what is wrong with it is told under its own id."""
        message = read_client(text)
        try:
            return self._act(message, now)
        except Refusal as refusal:
            refusal.ref = refusal.ref or message.id
            raise

    def _act(self, message: ClientMessage, now: UnixNanos) -> Sequence[Action]:
        match message.action:
            case "subscribe":
                require_plain(message.type)
                topic = self._topic(message.symbol, read_timeframe(message.timeframe))
                history = min(max(0, message.range or 0), BARS_PER_QUESTION)
                return self._subscribe(message.id, CANDLES, (topic,), history)
            case "subscribe_quote" | "subscribe_quote_fast":
                type_ = QUOTES if message.action == "subscribe_quote" else FAST_QUOTES
                return self._subscribe(message.id, type_, self._quotes(message.symbols or message.symbol))
            case "unsubscribe":
                return self._unsubscribe(message.id, {CANDLES})
            case "unsubscribe_quote":
                return self._unsubscribe(message.id, {QUOTES, FAST_QUOTES})
            case "ping":
                return (Reply(messages=(self._voice.say("pong", now),)),)
            case "status":
                return (Reply(messages=(self._status(now),)),)
            case _:
                raise Refusal(Code.BAD_REQUEST, f"there is no action {message.action[:40]!r}")

    def _subscribe(self, id_: str | None, type_: str, topics: tuple[Topic, ...], history: int = 0) -> Sequence[Action]:
        if id_ is None:
            self._made += 1
            id_ = f"{type_}_{self._made}"
        wanted, held = Held(id_, type_, topics), self._held.get(id_)
        if held is not None and held != wanted:
            raise Refusal(Code.BAD_REQUEST, "this id is in use; unsubscribe it first or choose another")
        if held is None and len(self._held) >= SUBSCRIPTIONS_PER_CONNECTION:
            message = f"Maximum {SUBSCRIPTIONS_PER_CONNECTION} subscriptions per connection"
            raise Refusal(Code.TOO_MANY_SUBSCRIPTIONS, message)
        # A second subscription of a quote begins with the whole of it, as the first did: else it would only hear of changes.
        return (Subscribe(topics=topics, ref=id_, answer=wanted, history=history, anew=type_ != CANDLES),)

    def _unsubscribe(self, id_: str | None, types: Collection[str]) -> Sequence[Action]:
        """Drop one subscription, or all of some types; a topic that another subscription holds stays."""
        gone = {held.id: held for held in self._held.values() if held.type in types and id_ in (None, held.id)}
        if id_ is not None and not gone:
            raise Refusal(Code.BAD_REQUEST, "there is no subscription with this id")
        kept = {topic for held in self._held.values() if held.id not in gone for topic in held.topics}
        topics = dict.fromkeys(topic for held in gone.values() for topic in held.topics if topic not in kept)
        return (Unsubscribe(topics=tuple(topics), ref=id_, answer=tuple(gone)),)

    def _quotes(self, symbols: Sequence[str] | str | None) -> tuple[Topic, ...]:
        words = [symbols] if isinstance(symbols, str) else symbols
        if not words:
            raise Refusal(Code.BAD_REQUEST, "a symbol is needed, such as NASDAQ:AAPL")
        topics = tuple(dict.fromkeys(self._topic(word, None) for word in words))
        if len(topics) > SYMBOLS_PER_GROUP:
            raise Refusal(Code.TOO_MANY_SUBSCRIPTIONS, f"Maximum {SYMBOLS_PER_GROUP} symbols per quote subscription")
        return topics

    def _topic(self, symbol: str | None, interval: Interval | None) -> Topic:
        if not symbol:
            raise Refusal(Code.BAD_REQUEST, "a symbol is needed, such as NASDAQ:AAPL")
        instrument = from_client(symbol, self._symbols, self._transport)
        if instrument is None:
            raise Refusal(Code.UNKNOWN_INSTRUMENT, f"The symbol '{symbol[:64]}' does not exist; it is EXCHANGE:TICKER")
        if interval is None:
            return Topic(TopicKind.QUOTE, instrument)
        return Topic(TopicKind.BAR, instrument, interval=interval)

    def _status(self, now: UnixNanos) -> Message:
        listed = [
            {"id": held.id, "type": held.type, "symbols": [self._symbol(topic) for topic in held.topics]}
            for held in self._held.values()
        ]
        return self._voice.say("status", now, subscriptions=listed)

    def _symbol(self, topic: Topic) -> str:
        instrument = topic.instrument
        return (instrument and self._symbols.vendor_symbol(instrument, self._transport)) or instrument or ""

    # ── what we say ──
    def greeting(self, now: UnixNanos) -> Sequence[Message]:
        """Return a WebSocket's first word; SSE greets once its symbols are accepted."""
        if self._transport is not Transport.WEBSOCKET:
            return ()
        return (self._voice.say("connected", now, clientId=_client_id("ws", str(now))),)

    def stream(self, stream: Stream) -> Sequence[Message]:
        """Return the SSE greeting. The `clientId` is made of the stream's name but does not tell it."""
        if self._transport is Transport.WEBSOCKET:
            return ()
        symbols = [self._symbol(Topic.parse(topic)) for topic in stream.topics]
        client_id = _client_id("sse", stream.stream)
        return (self._voice.say("connected", stream.ts_recv, stream.at, clientId=client_id, symbols=symbols),)

    def subscribed(
        self,
        action: Subscribe,
        topics: Sequence[Topic],
        cursor: str,
        now: UnixNanos,
    ) -> Sequence[Message]:
        """Return `subscribed` or `quote_subscribed`, with the id to unsubscribe by."""
        held = action.answer
        if not isinstance(held, Held):
            return ()
        self._held[held.id] = held
        symbols = [self._symbol(topic) for topic in held.topics]
        if held.type != CANDLES:
            return (self._voice.say("quote_subscribed", now, id=held.id, symbols=symbols),)
        timeframe = TIMEFRAMES[held.topics[0].interval or Interval.M5]
        return (self._voice.say("subscribed", now, id=held.id, symbol=symbols[0], timeframe=timeframe),)

    def history(self, action: Subscribe, past: Sequence[Bar], now: UnixNanos) -> Sequence[Message]:
        """Return `history`, unless the subscription was dropped before its past was known."""
        held = action.answer
        if not isinstance(held, Held) or self._held.get(held.id) is not held:
            return ()
        return (self._voice.history(held.id, self._symbol(held.topics[0]), past, now),)

    def wordings(self) -> Mapping[Topic, Sequence[str]]:
        """Return the quotes that a fast subscription has."""
        told: dict[Topic, dict[str, None]] = {}
        for held in self._held.values():
            if held.type in WORDINGS:
                for topic in held.topics:
                    told.setdefault(topic, {})[WORDINGS[held.type]] = None
        return {topic: tuple(words) for topic, words in told.items() if FAST in words}

    def unsubscribed(
        self,
        action: Unsubscribe,
        topics: Sequence[Topic],
        cursor: str,
        now: UnixNanos,
    ) -> Sequence[Message]:
        """Return one `unsubscribed` for each subscription dropped."""
        gone = action.answer if isinstance(action.answer, tuple) else ()
        for id_ in gone:
            self._held.pop(id_, None)
        return tuple(self._voice.say("unsubscribed", now, id=id_) for id_ in gone)

    def renewed(
        self,
        action: Renew,
        expires: UnixNanos | None,
        cursor: str,
        now: UnixNanos,
    ) -> Sequence[Message]:
        """Return nothing: the vendor's clients cannot renew."""
        return ()

    def problem(self, problem: Problem) -> Sequence[Message]:
        """Return the vendor's error message; the connection lives on."""
        if problem.code in LEAVES:
            self._lose(problem.topic)
        symbol = self._subject(problem.topic)
        return (self._voice.error(problem.code, problem.message, problem.ts_recv, id=problem.ref, symbol=symbol),)

    def expiring(self, expires: UnixNanos, cursor: str, now: UnixNanos) -> Sequence[Message]:
        """Return `auth_expiring`."""
        return (self._voice.say("auth_expiring", now, expiresAt=expires // MILLISECONDS),)

    def goodbye(self, goaway: Goaway) -> Sequence[Message]:
        """Return `auth_expired`, or an error; nothing when we are only going away: the end says that."""
        if goaway.reason is Code.TOKEN_EXPIRED:
            return (self._voice.say("auth_expired", goaway.ts_recv),)
        if goaway.reason is Code.GOING_AWAY:
            return ()
        return (self._voice.error(goaway.reason, goaway.reason.value.replace("_", " "), goaway.ts_recv),)

    def heartbeat(self, now: UnixNanos) -> Sequence[Message]:
        """Return a comment on SSE; on a WebSocket it is the client that pings."""
        return (HEARTBEAT,) if self._transport is Transport.SSE else ()

    def _subject(self, topic: str | None) -> str | None:
        """Spell the instrument that a problem is about; None when it is about none."""
        instrument = InstrumentId((topic or "").partition(":")[2])
        return self._symbols.vendor_symbol(instrument, self._transport) or instrument or None

    def _lose(self, topic: str | None) -> None:
        """A topic left the stream: it leaves its subscriptions too, and an empty one is none."""
        for held in tuple(self._held.values()):
            left = tuple(one for one in held.topics if str(one) != topic)
            self._held[held.id] = Held(held.id, held.type, left)
            if not left:
                del self._held[held.id]


def _client_id(prefix: str, seed: str) -> str:
    return f"{prefix}_{hashlib.sha256(seed.encode()).hexdigest()[:CLIENT_ID_LENGTH]}"
