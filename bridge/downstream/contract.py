"""What the downstream wing is handed and what its parts agree on.

| who | supplies | to |
|---|---|---|
| app | `House` | everything here |
| `admission` | `Admission`: who gets in, and how much | all five below |
| dispatcher | `Exchange`: one request, its endpoint and its peer | `sse`, `websocket`, `polling`, `state`, `mint` |
| guard | `PeerConnection` in `scope["state"]["bridge.connection"]` | `sse`, `websocket` |
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec
import trio

from bridge.clock import Clock
from bridge.dialects.contract import Answer, Dialect, Question, Request, SymbolTable, Transport
from bridge.downstream.access.jwks import JwksCache
from bridge.downstream.door.certificates import Contexts
from bridge.downstream.fanout.codec import Codecs
from bridge.downstream.fanout.pump import Pump
from bridge.downstream.readiness import Readiness
from bridge.downstream.settings import AuthSettings, DialectSettings, LimitSettings, ListenSettings
from bridge.downstream.streams.registry import Connections
from bridge.hub.hub import Hub
from bridge.model import AccountId, FeedName, Topic, TopicKind, UnixNanos, Want

Ask = Callable[[FeedName, Question, float], Awaitable[Answer]]
"""Puts a question to a feed's vendor within so many seconds; never raises."""

Resolve = Callable[[Topic, Sequence[AccountId]], tuple[Want, ...]]
"""Turns a topic as a client means it into what serves it: `all:` expanded, `order` once per account, `status` once per feed.

Raises:
    Refusal: `unknown_instrument` when no feed takes it, `unsupported_topic` when its feed has no such data.
"""


Takes = Callable[[str, UnixNanos], Awaitable[bool]]
"""Says whether a vendor takes a token that ends then, by its own word.

Raises:
    Refusal: `upstream_unavailable` or `overloaded`: it cannot be said now.
"""

Show = Callable[[AccountId, str, UnixNanos], object]
"""Hands on a token that a vendor vouches for, and its end, so that its user's account can be read with it, for as long as the
object returned is held."""


class Voucher(msgspec.Struct, frozen=True, kw_only=True):
    """A feed whose vendor's tokens let their users in: by the vendor's keys, or else by asking it.

    Attributes:
        feed: the feed's name.
        rules: `issuer`, `audience` and `algorithms` as in `[auth]`; without an issuer, every token is looked at that no other
            voucher's issuer made.
        place: what stands for the issuer where a token names none.
        subject: the claim that says whose a token is.
        topics: what its users may see.
        keys: the vendor's; None = it is asked.
        takes: asks it.
        show: takes note of the token.
    """

    feed: FeedName
    rules: AuthSettings
    place: str
    subject: str = "sub"
    topics: tuple[str, ...]
    takes: Takes
    show: Show
    keys: JwksCache | None = None


class ServedDialect(msgspec.Struct, frozen=True, kw_only=True):
    """A dialect as it is served here.

    Attributes:
        prefixes: path prefixes under which its endpoints stand, without a slash at the end; "" = at the root.
        settings: the operator's word.
        limits: `[limits]` with the dialect's own on top.
    """

    dialect: Dialect
    symbols: SymbolTable
    limits: LimitSettings
    settings: DialectSettings = DialectSettings()
    prefixes: tuple[str, ...] = ("",)


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at the other end, as far as the request tells. Its text holds no credential.

    Attributes:
        address: the IP address; a trusted proxy's word for it where there is one.
        scheme: `http` or `https`, likewise.
        host: the `Host` without port, lower case; None = none sent.
        authority: the `Host` as sent, or as a trusted proxy was sent it; None likewise.
        origin: the `Origin`; None = none sent.
        http_version: `1.0`, `1.1` or `2`.
        tokens: every bearer credential shown (header, query, subprotocol), in that order; more than one distinct = 400.
    """

    address: str
    scheme: str = "http"
    host: str | None = None
    authority: str | None = None
    origin: str | None = None
    http_version: str = "1.1"
    tokens: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Peer {self.address}>"

    __str__ = __repr__


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request: which dialect's endpoint it hit, what it says, and who sent it.

    Attributes:
        prefix: under which of the dialect's prefixes the endpoint was found.
    """

    served: ServedDialect
    request: Request
    peer: Peer
    prefix: str = ""


class PeerConnection(Protocol):
    """The network connection under a request: one per HTTP/1.1 request in flight, shared by the streams of an HTTP/2 one."""

    def hang_up(self) -> None:
        """Close at once, without waiting for the peer or for any lock; every task of the connection is cancelled."""

    def retire(self) -> None:
        """Close in order once nothing is open on it any more: whoever comes back is to come anew."""

    def welcome(self) -> None:
        """A stream is open on it: from now on what it says is read as it comes, not after everybody else's."""


class User(NamedTuple):
    """Whom limits are counted by: (issuer, subject) of a token, or a peer address. An address is never equal to a subject.

    Attributes:
        subject: the token's `sub`, or the peer's address.
        issuer: the token's `iss`; "" without one.
        by_address: whether `subject` is an address.
        vouched_by: the feed whose vendor vouches for both; "" = nobody but us. So a vendor's user is never one of ours.
    """

    subject: str
    issuer: str = ""
    by_address: bool = False
    vouched_by: str = ""

    def __str__(self) -> str:
        """Spell it for logs and pages."""
        name = f"{self.issuer}#{self.subject}" if self.issuer else self.subject
        return f"{self.vouched_by}/~{name}" if self.vouched_by else name


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what that entitles to.

    Attributes:
        topics: globs over canonical topics.
        accounts: whose order events may be seen.
        limits: the token's own, by the names of `LimitSettings`; they come last.
        scopes: such as `admin`.
        expires: when the token ends; None without a token.
        anonymous: whether no token was needed or shown.
        grounds: what it rests on (`grounds`); it stands as long as all of them are in force.
        token_id: the token's `jti`, likewise `issued` its `iat`; None = it has none.
        visit: what `Show` returned; None for who brought no vendor's token.
    """

    user: User
    topics: tuple[str, ...]
    accounts: tuple[AccountId, ...] = ()
    limits: Mapping[str, float] = msgspec.field(default_factory=dict)
    scopes: frozenset[str] = frozenset()
    expires: UnixNanos | None = None
    anonymous: bool = False
    grounds: tuple[str, ...] = ()
    token_id: str | None = None
    issued: UnixNanos | None = None
    visit: object = None


class Granted(msgspec.Struct, frozen=True):
    """A topic that was granted.

    Attributes:
        topic: as the client asked; `all:` not expanded; it counts as one.
        wants: what serves it, at least one; of `all:` only the parts granted.
    """

    topic: Topic
    wants: tuple[Want, ...]

    @property
    def served(self) -> tuple[Topic, ...]:
        """What to tell the client it gets: the topic itself, or the parts of an `all:`."""
        return tuple(want.topic for want in self.wants) if self.topic.kind is TopicKind.ALL else (self.topic,)


class Admission(Protocol):
    """Who gets in, and how much. One per house, for all dialects; made by `admission.Gate`."""

    async def identify(self, peer: Peer) -> Identity:
        """Say who a peer is; may wait for an identity provider's keys.

        Raises:
            Refusal: `bad_request` for two different credentials, `unauthorized`, `token_expired`.
        """
        ...

    async def verify(self, token: str) -> Identity:
        """Say whose a token is that came on an open connection.

        Raises:
            Refusal: `unauthorized`, `token_expired`.
        """
        ...

    def stands(self, identity: Identity) -> bool:
        """Whether all that an identity rests on is in force, and its token not revoked. The token's end is not looked at."""
        ...

    def adopt(self, auth: AuthSettings) -> None:
        """Go by other rules from now on; what open streams rest on is asked for at their next look."""
        ...

    def limits(self, identity: Identity, served: "ServedDialect") -> LimitSettings:
        """Return what holds for this user on this dialect's endpoints."""
        ...

    def seat(self, identity: Identity, transport: Transport, served: "ServedDialect") -> AbstractContextManager[None]:
        """Return a seat, taken until the context is left. Nothing is counted before it is entered.

        Raises:
            Refusal: `too_many_connections`, on entering.
        """
        ...

    def grant(self, identity: Identity, topics: Sequence[Topic], resolve: Resolve) -> tuple[Granted, ...]:
        """Say what serves each topic, all or nothing.

        Raises:
            Refusal: `forbidden`, or what `resolve` says.
        """
        ...


@dataclass(kw_only=True, eq=False)
class House:
    """What every endpoint may use. Only a reload changes it, in one step that nothing comes between: ask it anew each time.

    Attributes:
        closing: set when the bridge begins to drain.
        leaving: whether it is about to: it serves as ever, but says that it is not ready.
        served: the dialects served, in order of routing.
        readiness: how we are, computed when asked.
        admission: who gets in, and how much.
        instruments: the listed instruments and what serves each.
        certificates: those in force; None without TLS, and until whoever listens has read them.
        via: the ids of the bridges that the events of some feeds come by, ours first.
        codecs: the bytes made of publications, shared by all connections that can share them.
        connections: the streams that are open now.
        pump: writes to them; whoever serves the house runs it.
        followers: called after each change of the rules, in the midst of it; they must not raise.
    """

    hub: Hub
    clock: Clock
    ask: Ask
    resolve: Resolve
    readiness: Callable[[], Readiness]
    listen: ListenSettings
    auth: AuthSettings
    limits: LimitSettings
    served: Sequence[ServedDialect]
    admission: Admission
    instruments: Mapping[str, Sequence[FeedName]] = field(default_factory=dict)
    certificates: Contexts | None = None
    via: Callable[[Iterable[FeedName]], tuple[str, ...]] = lambda _: ()
    closing: trio.Event = field(default_factory=trio.Event)
    leaving: bool = False
    codecs: Codecs = field(default_factory=Codecs)
    connections: Connections = field(default_factory=Connections)
    pump: Pump = field(default_factory=Pump)
    followers: list[Callable[[], None]] = field(default_factory=list)
