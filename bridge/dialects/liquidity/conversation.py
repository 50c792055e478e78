"""Liquidity's side of a connection: SSE says everything in its query, the WebSocket subscribes message by message.

The vendor acknowledges nothing: the answer to a subscribe is the data. On SSE it has no word for an error; on the WebSocket
its `error` message tells a refusal and the last word. Order events need no subscription, so every SSE stream asks for them.
"""

import hashlib
from collections.abc import Mapping, Sequence

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
from bridge.dialects.liquidity.requests import CHANNELS, ClientFields, read_channel, read_client_message, read_query
from bridge.model import SECONDS, Bar, Code, Goaway, InstrumentId, Problem, Stream, Topic, TopicKind, UnixNanos

CLIENT_ID_LENGTH = 40
"""Characters of the greeting's `clientId` (VENDORS §2.4)."""

SUBSCRIPTION_FAILED = ("SUBSCRIPTION_FAILED", "Failed to subscribe to channel")
"""The one error that the page prints; its words stand for ours when a symbol is unknown."""

ERROR_CODES = {
    Code.BAD_REQUEST: "INVALID_MESSAGE",
    Code.UNAUTHORIZED: "UNAUTHORIZED",
    Code.TOKEN_EXPIRED: "UNAUTHORIZED",
    Code.FORBIDDEN: "SUBSCRIPTION_FAILED",
    Code.UNKNOWN_INSTRUMENT: "SUBSCRIPTION_FAILED",
    Code.UNSUPPORTED_TOPIC: "SUBSCRIPTION_FAILED",
    Code.TOO_MANY_SUBSCRIPTIONS: "SUBSCRIPTION_LIMIT_EXCEEDED",
    Code.TOO_MANY_CONNECTIONS: "CONNECTION_LIMIT_EXCEEDED",
    Code.RATE_LIMITED: "RATE_LIMIT_EXCEEDED",
    Code.SLOW_CONSUMER: "SLOW_CONSUMER",
    Code.GOING_AWAY: "GOING_AWAY",
    Code.UPSTREAM_UNAVAILABLE: "SUBSCRIPTION_FAILED",
    Code.UPSTREAM_FULL: "SUBSCRIPTION_FAILED",
    Code.OVERLOADED: "OVERLOADED",
    Code.INTERNAL: "INTERNAL_ERROR",
}
"""Our code → the `code` of the WebSocket's error. SUBSCRIPTION_FAILED is printed, the rest assumed (VENDORS §2.5, §2.7)."""

DOCUMENTED = Manner()
"""As the page has it, and orders of all assets (VENDORS §2.3)."""

HEARTBEAT = Message(b"")
"""An SSE comment without a word (VENDORS §2.3); the vendor documents none, the base protocol cuts what is quiet for 5 minutes."""


class LiquidityConversation:
    """One connection; remembers which cut of a book each instrument has, because a client names it only when it subscribes.

    Args:
        transport: SSE or WebSocket.
        symbols: this bridge's spellings for the vendor.
        manner: how the operator has it.
    """

    def __init__(self, transport: Transport, symbols: SymbolTable, manner: Manner = DOCUMENTED) -> None:
        self._transport = transport
        self._by_asset = manner.orders_by_asset
        self._symbols = symbols
        self._books: dict[InstrumentId, Topic] = {}

    def open(self, request: Request) -> Sequence[Action]:
        """Read the SSE query; without `subscribe` the stream carries the caller's orders alone. A WebSocket begins empty."""
        if self._transport is Transport.WEBSOCKET:
            return ()
        topics = read_query(request.query.get("subscribe", ()), self._symbols)
        if not self._by_asset:
            return (Subscribe(topics=topics, orders=True),)
        assets = frozenset(topic.instrument for topic in topics if topic.instrument is not None)
        return (Subscribe(topics=topics, orders=bool(assets), orders_of=assets),)

    def receive(self, text: str | bytes, now: UnixNanos) -> Sequence[Action]:
        """Read a WebSocket message. A book that is held already is dropped first: the client wants it anew, or another cut."""
        message = read_client_message(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
        fields: ClientFields = message if message.data is None else message.data
        match message.type:
            case "subscribe":
                topic = read_channel(fields, self._symbols)
                held = self._held(topic)
                subscribe = Subscribe(topics=(topic,))
                return (subscribe,) if held is None else (Unsubscribe(topics=(held,)), subscribe)
            case "unsubscribe":
                topic = read_channel(fields, self._symbols)
                return (Unsubscribe(topics=(self._held(topic) or topic,)),)
            case "ping":
                pong = {"type": "pong", "timestamp": now // SECONDS}
                return (Reply(messages=(Message(msgspec.json.encode(pong)),)),)
            case _:
                raise Refusal(Code.BAD_REQUEST, f"type is subscribe, unsubscribe or ping, not {message.type[:40]!r}")

    def _held(self, topic: Topic) -> Topic | None:
        if topic.kind is not TopicKind.BOOK or topic.instrument is None:
            return None
        return self._books.get(topic.instrument)

    def greeting(self, now: UnixNanos) -> Sequence[Message]:
        """Return nothing; SSE greets with its stream's name."""
        return ()

    def stream(self, stream: Stream) -> Sequence[Message]:
        """Return the SSE greeting, `CONNECT`. The `clientId` is made of the stream's name but does not tell it."""
        if self._transport is Transport.WEBSOCKET:
            return ()
        client_id = hashlib.sha256(stream.stream.encode()).hexdigest()[:CLIENT_ID_LENGTH]
        return (Message(msgspec.json.encode({"clientId": client_id}), event="CONNECT"),)

    def subscribed(
        self,
        action: Subscribe,
        topics: Sequence[Topic],
        cursor: str,
        now: UnixNanos,
    ) -> Sequence[Message]:
        """Return nothing: the data is the answer."""
        for topic in topics:
            if topic.kind is TopicKind.BOOK and topic.instrument is not None:
                self._books[topic.instrument] = topic
        return ()

    def history(self, action: Subscribe, past: Sequence[Bar], now: UnixNanos) -> Sequence[Message]:
        """Return nothing: the vendor has no bars."""
        return ()

    def wordings(self) -> Mapping[Topic, Sequence[str]]:
        """Return nothing: there is one word for each thing."""
        return {}

    def unsubscribed(
        self,
        action: Unsubscribe,
        topics: Sequence[Topic],
        cursor: str,
        now: UnixNanos,
    ) -> Sequence[Message]:
        """Return nothing: the data just ends."""
        for topic in topics:
            if topic.kind is TopicKind.BOOK and topic.instrument is not None:
                self._books.pop(topic.instrument, None)
        return ()

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
        """Return the WebSocket's error; SSE has none."""
        if self._transport is not Transport.WEBSOCKET:
            return ()
        return (_error(problem.code, problem.message, self._subject(problem.topic, problem.ref)),)

    def expiring(self, expires: UnixNanos, cursor: str, now: UnixNanos) -> Sequence[Message]:
        """Return nothing: the vendor gives no warning."""
        return ()

    def goodbye(self, goaway: Goaway) -> Sequence[Message]:
        """Return the WebSocket's error, unless we are only going away: a close says that. SSE just ends."""
        if self._transport is not Transport.WEBSOCKET or goaway.reason is Code.GOING_AWAY:
            return ()
        return (_error(goaway.reason, goaway.reason.value.replace("_", " "), {}),)

    def heartbeat(self, now: UnixNanos) -> Sequence[Message]:
        """Return a comment on SSE; on the WebSocket the protocol's own pings do."""
        return (HEARTBEAT,) if self._transport is Transport.SSE else ()

    def _subject(self, topic: str | None, said: str | None) -> dict[str, str]:
        """Spell what an error is about, in the vendor's words, or in the client's own where they mean nothing."""
        head, _, instrument = (topic or "").partition(":")
        channels = {kind.value: channel for kind, channel in CHANNELS.items()}
        channel = channels.get(head.partition(".")[0])
        if channel is None:
            return {}
        symbol = said or self._symbols.vendor_symbol(InstrumentId(instrument), self._transport)
        return {"channel": channel, "symbol": symbol or instrument}


def _error(code: Code, message: str, subject: dict[str, str]) -> Message:
    word, words = (ERROR_CODES[code], message) if code is not Code.UNKNOWN_INSTRUMENT else SUBSCRIPTION_FAILED
    return Message(msgspec.json.encode({"type": "error", "error": {"code": word, "message": words, **subject}}))
