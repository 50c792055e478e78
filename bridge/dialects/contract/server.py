"""The half of a dialect in which we answer as the party: its endpoints, its clients' requests, and what we say to them.

A connection owns one `Conversation`; all connections of a transport share one `Encoder`, so that bytes are made once. A
conversation speaks to its transport in `Action`s, is told what became of them by admission and the hub, and spells that.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from bridge.dialects.contract.encoder import Message
from bridge.dialects.contract.published import Parameter
from bridge.model import Bar, Code, Goaway, InstrumentId, LogEvent, Problem, Stream, Topic, UnixNanos


class EndpointKind(enum.StrEnum):
    """What kind of answer an endpoint gives."""

    SSE = "sse"
    WEBSOCKET = "websocket"
    STATE = "state"
    MINT = "mint"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One of a dialect's own endpoints.

    Attributes:
        kind: which transport serves it.
        path: with `{name}` for one percent-encoded segment, such as `/v1/assets/{id}/quote`.
        method: the HTTP method; HEAD comes with GET.
        name: what a `STATE` endpoint answers with, for the dialect's own use.
        about: what it is for, in one sentence, for the published specification; so are the rest.
        parameters: what it may be told beside its body.
        takes: the type of its body, or of what is heard on a WebSocket; None = nothing, or nothing that is published.
        says: the type of a 200's body, or of what is said on a stream; None likewise.
        refuses: the type of every other body.
    """

    kind: EndpointKind
    path: str
    method: str = "GET"
    name: str = ""
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    takes: Any = None
    says: Any = None
    refuses: Any = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A client's request, as far as a dialect may look. Its text hides credentials.

    Attributes:
        endpoint: which endpoint was hit.
        segments: the path's `{name}`s, percent-decoded.
        query: the decoded query; each name with all its values.
        headers: lower-case names; the last value of each. Never holds the authorisation.
        body: of a POST, else empty.
    """

    endpoint: Endpoint
    segments: Mapping[str, str] = msgspec.field(default_factory=dict)
    query: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Request {self.endpoint.method} {self.endpoint.path}>"

    __str__ = __repr__


MESSAGE_CHARS = 500
"""How much a refusal says: what it repeats of a client's words may be of any length."""


class Refusal(Exception):
    """No, with a row of the goodbye table. Raised by a conversation for a client's mistake, and by admission.

    Args:
        code: the row.
        message: one sentence with the way out, for the client; never a secret; cut to `MESSAGE_CHARS`.
        topic: which topic it is about, or None.
        ref: the client's reference, or None.
        retry_after_seconds: when to come back, or None.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        topic: str | None = None,
        ref: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.code = code
        self.message = message = message[:MESSAGE_CHARS]
        self.topic = topic
        self.ref = ref
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"{code}: {message}")


class Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Add topics, all or nothing; without any, only the wishes change.

    Attributes:
        topics: canonical, as the client means them; `all:` not yet expanded, scopes not yet filled in.
        after: the cursor to resume from, as text; only in a connection's first; None = fresh.
        ref: the client's reference, echoed in the answer; `answer`: what the conversation wants back when it spells that.
        conflate: whether state that piles up is to be conflated; None = as before, at first not.
        max_rate: events per second of each topic of state, within the bounds of `Wishes`; 0 = no limit; None = as before.
        orders: also the orders of the accounts that the caller holds, for parties that send them unasked: never refused (who
            holds none gets none), counted as nothing. `topics` may then be empty.
        orders_of: of an event stream: the only instruments whose orders are told; None = all.
        anew: whether a topic that is held already begins anew, with its state.
        history: how many bars of the past are to be told before the first of now; 0 = none.
        via: the ids of the bridges that the events come by, ours first; filled in for `subscribed`.
    """

    topics: tuple[Topic, ...]
    after: str | None = None
    ref: str | None = None
    answer: object = None
    conflate: bool | None = None
    max_rate: float | None = None
    orders: bool = False
    orders_of: frozenset[InstrumentId] | None = None
    anew: bool = False
    history: int = 0
    via: tuple[str, ...] = ()


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Drop topics; those not held are ignored. `topics` None = all."""

    topics: tuple[Topic, ...] | None
    ref: str | None = None
    answer: object = None


class Renew(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the connection's token. Its text hides the token."""

    token: str
    ref: str | None = None

    def __repr__(self) -> str:
        return "<Renew>"

    __str__ = __repr__


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Say this; no decision is needed (a pong, a status)."""

    messages: "tuple[Message, ...]"


Action = Subscribe | Unsubscribe | Renew | Reply


class StateQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What a `STATE` request wants.

    Attributes:
        topic: whose state.
        order_id: for one order; None otherwise.
        limit: how many of a list of events.
    """

    topic: Topic
    order_id: str | None = None
    limit: int = 100


class StateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub found: events with their cursors, oldest first; empty = nothing known."""

    events: tuple[tuple[LogEvent, str], ...]


class Mint(msgspec.Struct, frozen=True, kw_only=True):
    """What a `MINT` request wants: a token for `api_key`, the credential that the client showed. Its text hides the key.

    Attributes:
        ttl_seconds: how long a token it asked for; None = the default.
    """

    api_key: str
    ttl_seconds: float | None = None

    def __repr__(self) -> str:
        return "<Mint>"

    __str__ = __repr__


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole HTTP answer's body and headers; the status is the goodbye table's, or 200."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    status: int = 200


class Conversation(Protocol):
    """The server's side of one connection. Made by `Dialect.conversation(transport, symbols)`. Raises only `Refusal`."""

    def open(self, request: Request) -> Sequence[Action]:
        """Read the opening request: what it subscribes to (SSE), or nothing yet (WebSocket).

        Raises:
            Refusal: the request is wrong; nothing has been sent yet, so it becomes an HTTP status.
        """
        ...

    def receive(self, text: str | bytes, now: UnixNanos) -> Sequence[Action]:
        """Read a WebSocket message; `now` is our wall time, for a `Reply`.

        Raises:
            Refusal: the message is wrong; it becomes a `problem`, the connection lives on.
        """
        ...

    def greeting(self, now: UnixNanos) -> Sequence[Message]:
        """The first word on a WebSocket before any subscribe (or on SSE before `stream`); may be empty."""
        ...

    def stream(self, stream: Stream) -> Sequence[Message]:
        """The stream's beginning, after its first subscribe was accepted; may be empty."""
        ...

    def subscribed(self, action: Subscribe, topics: Sequence[Topic], cursor: str, now: UnixNanos) -> Sequence[Message]:
        """The answer to a WebSocket subscribe that was accepted; `history` follows it.

        Args:
            action: as it was carried out: its wishes are those in force now, None where none is and none was asked for.
            topics: what is served.
            cursor: where the stream stands.
            now: our wall time.
        """
        ...

    def history(self, action: Subscribe, past: Sequence[Bar], now: UnixNanos) -> Sequence[Message]:
        """The bars of the past that a subscribe asked for, oldest first; empty once that subscription is no more."""
        ...

    def wordings(self) -> Mapping[Topic, Sequence[str]]:
        """The topics that are not told in the ordinary words alone, each with every wording it is told in (`EncoderOptions`).

        Asked after each subscribe and unsubscribe; empty where a party has one word for each thing.
        """
        ...

    def unsubscribed(
        self, action: Unsubscribe, topics: Sequence[Topic], cursor: str, now: UnixNanos
    ) -> Sequence[Message]:
        """The answer to an unsubscribe; `topics` is what was dropped."""
        ...

    def renewed(self, action: Renew, expires: UnixNanos | None, cursor: str, now: UnixNanos) -> Sequence[Message]:
        """The answer to a renewal that was accepted."""
        ...

    def problem(self, problem: Problem) -> Sequence[Message]:
        """Something could not be done; the connection lives on."""
        ...

    def expiring(self, expires: UnixNanos, cursor: str, now: UnixNanos) -> Sequence[Message]:
        """A warning that the token is about to end; may be empty where the party has none."""
        ...

    def goodbye(self, goaway: Goaway) -> Sequence[Message]:
        """The last word; may be empty where the party has none (then the close code or the end of stream says it)."""
        ...

    def heartbeat(self, now: UnixNanos) -> Sequence[Message]:
        """The party's sign of life on this transport: an SSE comment, a message, or nothing."""
        ...
