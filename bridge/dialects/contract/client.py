"""The half of a dialect in which we are the party's client: what a session sends, and what it makes of what comes back.

A session owns one `Asked`, one `Requests` and one `Decoder`. All three are sans-IO. The decoder's whole vocabulary toward
the session is `UpstreamEvent` and `Signal`.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from bridge.dialects.contract.profile import Lane, SymbolTable
from bridge.dialects.contract.question import Question
from bridge.dialects.contract.site import Credential
from bridge.model import (
    AccountId,
    Cause,
    FeedHealth,
    FeedName,
    InstrumentId,
    Topic,
    TopicKind,
    UnixNanos,
    UpstreamEvent,
)


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One undecoded unit.

    Attributes:
        data: an SSE message's data, a WebSocket message's text, or an HTTP body.
        ts_recv: when it came.
        event: the SSE event name; "" when none was sent.
        answers: the question that an HTTP body answers; None on streams.
        status: the HTTP status of an answer.
        retry_after_seconds: how long an HTTP answer asks us to stay away; None = it does not say.
    """

    data: bytes
    ts_recv: UnixNanos
    event: str = ""
    answers: Question | None = None
    status: int = 200
    retry_after_seconds: float | None = None


class Comment(msgspec.Struct, frozen=True):
    """A comment of an event stream, without its colon: no message, but at times news."""

    text: str


class Ready(msgspec.Struct, frozen=True):
    """The vendor confirmed. `topics` None = the connection and all that was asked with it; else just these.

    `continued` = it goes on from the place we came with: what came meanwhile follows, and what it lost it declares.
    """

    topics: tuple[Topic, ...] | None = None
    continued: bool = False


class Heartbeat(msgspec.Struct, frozen=True):
    """A sign of life that is not data."""


class Refused(msgspec.Struct, frozen=True):
    """The vendor said no to a topic. `topic` None = it did not say which. `code` is a `Code` value."""

    topic: Topic | None
    code: str
    message: str


class SubscriptionsLost(msgspec.Struct, frozen=True):
    """The vendor dropped subscriptions but not the connection: ask again. `topics` None = all."""

    topics: tuple[Topic, ...] | None = None


class Missed(msgspec.Struct, frozen=True):
    """Events of these topics are missing for good, by the vendor's word or by what its messages show.

    A book named here is in doubt until it comes whole.

    Attributes:
        topics: those that may have missed something.
        reason: why, for logs.
        cause: whose fault it is; `vendor` where the vendor itself lost it.
    """

    topics: tuple[Topic, ...]
    reason: str
    cause: Cause = Cause.UPSTREAM


class Passage(msgspec.Struct, frozen=True):
    """The other party is a bridge; `via` = the ids of the bridges that its events come by, its own first."""

    via: tuple[str, ...]


class Health(msgspec.Struct, frozen=True):
    """The other party is a bridge, and one of its feeds is not as it was.

    Attributes:
        status: of the worst of its feeds that serve us.
        reason: one sentence; None when all is well.
        topics: those known to come from the feed that changed.
        sound: whether that feed is live; if not, nothing that was said of those topics stands any more.
        instrument: set when only this one is meant, whose topics these are; `status` is not the whole feed's then.
        topic: set as well when only this topic of it is meant.
    """

    status: FeedHealth
    reason: str | None
    topics: tuple[Topic, ...]
    sound: bool
    instrument: InstrumentId | None = None
    topic: Topic | None = None


class CredentialEnding(msgspec.Struct, frozen=True):
    """The vendor says that our credential ends at `at`; None = now, or it did not say when."""

    at: UnixNanos | None = None


class VendorError(msgspec.Struct, frozen=True):
    """The vendor's own error message. `fatal` = it will hang up, or we had better."""

    code: str
    message: str
    fatal: bool = False


class Unknown(msgspec.Struct, frozen=True):
    """A message of a kind we do not know (`kind`, cut to 64 characters). Counted, never an error."""

    kind: str


Signal = (
    Ready
    | Heartbeat
    | Refused
    | SubscriptionsLost
    | Missed
    | Passage
    | Health
    | CredentialEnding
    | VendorError
    | Unknown
)


class Asked:
    """What one session has asked for; its owner adds and discards, its `Requests` and `Decoder` look.

    Args:
        feed: whose session.
        lane: what kind of connection.
        symbols: the dialect's symbols.
        account: whose orders arrive here; None when order events must be ignored on this connection.
        depth: levels a side to ask of the vendor; None = the vendor's default.
        bridge: our own id, by which a relay notices that it reads itself; None where that cannot be.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a session is about, each part optional but the first three
        self,
        feed: FeedName,
        lane: Lane,
        symbols: SymbolTable,
        account: AccountId | None = None,
        depth: int | None = None,
        bridge: str | None = None,
    ) -> None:
        self.feed = feed
        self.lane = lane
        self.symbols = symbols
        self.account = account
        self.depth = depth
        self.bridge = bridge
        self._topics: dict[Topic, None] = {}

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What is asked for, in the order of asking."""
        return tuple(self._topics)

    def __contains__(self, topic: Topic) -> bool:
        return topic in self._topics

    def add(self, topics: Sequence[Topic]) -> None:
        """Note topics as asked for."""
        self._topics.update(dict.fromkeys(topics))

    def discard(self, topics: Sequence[Topic]) -> None:
        """Note topics as no longer asked for."""
        for topic in topics:
            self._topics.pop(topic, None)

    def symbol(self, topic: Topic) -> str:
        """Spell a topic's instrument for the vendor on this lane.

        Raises:
            ValueError: it has no spelling; whoever planned the topic onto this lane should have looked.
        """
        symbol = topic.instrument and self.symbols.vendor_symbol(topic.instrument, self.lane.transport)
        if not symbol:
            msg = f"{topic} has no spelling on {self.lane.transport}"
            raise ValueError(msg)
        return symbol

    def instrument(self, vendor_symbol: str) -> InstrumentId | None:
        """Read a vendor's symbol as our id; None when it cannot be one."""
        return self.symbols.instrument(vendor_symbol, self.lane.transport)

    def bars_of(self, instrument: InstrumentId) -> tuple[Topic, ...]:
        """The bar topics asked for of an instrument (a vendor's candle may not say its interval)."""
        return tuple(t for t in self._topics if t.kind is TopicKind.BAR and t.instrument == instrument)


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to send: HTTP, or a WebSocket upgrade (then only `url` and `headers` count). Its text hides query and headers."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<{self.method} {self.url.partition('?')[0]}>"

    __str__ = __repr__


class Requests(Protocol):
    """What one session sends. Made by `Dialect.requests(asked, site)`."""

    def open(self, credential: Credential | None, last_event_id: str | None) -> HttpRequest:
        """The request that opens the connection; on lanes that are not `changeable` it carries all of `asked.topics`.

        Args:
            credential: None when the feed has none.
            last_event_id: the place from which to go on, as the vendor spells it: `Last-Event-ID` on SSE, a WebSocket's
                goes with the first `subscribe`; None on the first connection or when places are not usable.
        """
        ...

    def subscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """WebSocket texts that add these topics (already in `asked`); [] when the opening request carried them."""
        ...

    def unsubscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """WebSocket texts that drop these topics (no longer in `asked`)."""
        ...

    def ping(self) -> bytes | None:
        """The application's own ping, or None where an RFC 6455 ping is all there is."""
        ...


class Decoder(Protocol):
    """What one session makes of what comes. Made by `Dialect.decoder(asked)`. Pure but for what it remembers of this session.

    Attributes:
        cursor: the place behind the newest message, to go on from after a break; None where the vendor's messages have none.
    """

    cursor: str | None

    def decode(self, frame: Frame) -> Sequence[UpstreamEvent | Signal]:
        """Return what the frame says, in its order. Events of things not in `asked` are left out.

        Raises:
            VendorProtocolError: the frame is malformed; nothing else is ever raised for any bytes.
        """
        ...

    def comment(self, text: str) -> Sequence[Signal]:
        """Return what a comment says; `read_comment` is for parties whose documents do not tell. Never raises."""
        ...
