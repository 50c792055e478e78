"""What the downstream wing is handed and what its parts agree on.

| who | supplies | to |
|---|---|---|
| app | `House` | everything here |
| dispatcher | `Exchange`: one request, its endpoint found and its peer described | `sse`, `websocket`, `polling`, `state`, `mint` |
| guard | `PeerConnection` in `scope["state"]["bridge.connection"]` | `sse`, `websocket` |
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import trio

from bridge.clock import Clock
from bridge.dialects.contract import Answer, Dialect, Question, Request, SymbolTable
from bridge.downstream.settings import AuthSettings, DialectSettings, LimitSettings, ListenSettings
from bridge.hub.hub import Hub
from bridge.model import AccountId, FeedName, Topic, Want

Ask = Callable[[FeedName, Question, float], Awaitable[Answer]]
"""Puts a question to a feed's vendor within so many seconds; never raises."""

Resolve = Callable[[Topic, Sequence[AccountId]], tuple[Want, ...]]
"""Turns a topic as a client means it into what serves it: `all:` expanded, `order` once per account, `status` once per feed.

Raises:
    Refusal: `unknown_instrument` when no feed takes it, `unsupported_topic` when its feed has no such data.
"""


class FeedReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """How a feed is, for `/readyz`. `wanted` = some client wants something of it."""

    feed: FeedName
    status: str
    wanted: bool
    reason: str | None = None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Ready when the log is reachable and no wanted feed is `down`."""

    ready: bool
    feeds: tuple[FeedReadiness, ...]


class ServedDialect(msgspec.Struct, frozen=True, kw_only=True):
    """A dialect as it is served here.

    Attributes:
        prefixes: path prefixes under which its endpoints stand; "" = at the root.
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
        origin: the `Origin`; None = none sent.
        http_version: `1.0`, `1.1` or `2`.
        tokens: every bearer credential shown (header, query, subprotocol), in that order; more than one distinct = 400.
    """

    address: str
    scheme: str = "http"
    host: str | None = None
    origin: str | None = None
    http_version: str = "1.1"
    tokens: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Peer {self.address}>"

    __str__ = __repr__


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request: which dialect's endpoint it hit, what it says, and who sent it."""

    served: ServedDialect
    request: Request
    peer: Peer


class PeerConnection(Protocol):
    """The network connection under a request: one per HTTP/1.1 request in flight, shared by the streams of an HTTP/2 one."""

    def hang_up(self) -> None:
        """Close at once, without waiting for the peer or for any lock; every task of the connection is cancelled."""
        ...


class Admission(Protocol):
    """Who gets in, and how much: see `admission`."""


@dataclass(frozen=True, kw_only=True)
class House:
    """What every endpoint may use.

    Attributes:
        closing: set when the bridge begins to drain.
        served: the dialects served, in order of routing.
        readiness: how we are, computed when asked.
        instruments: the listed instruments and what serves each.
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
    instruments: Mapping[str, Sequence[FeedName]] = field(default_factory=dict)
    closing: trio.Event = field(default_factory=trio.Event)
