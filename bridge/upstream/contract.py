"""What the upstream wing is handed, and what it is made of.

| who | supplies | to |
|---|---|---|
| hub | `Publish`, `Interest`, `Suspicions` | feed |
| connector (`sse`, `websocket`) | `Connection`s | feed |
| feed | `run`, `ask`, `statistics` | app |
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

import msgspec

from bridge.dialects.contract import Answer, Comment, Frame, HttpRequest, Question, Transport
from bridge.model import FeedHealth, FeedName, Topic, UnixNanos, UpstreamEvent

Publish = Callable[[UpstreamEvent], None]
"""Takes an event into the log. A plain function: it never awaits and never raises for any valid event."""


class Interest(Protocol):
    """What clients want of one feed, linger included."""

    def wanted(self) -> frozenset[Topic]:
        """The topics to be subscribed at the vendor now: never `all`, `status` or a cut book; `order` with its account."""
        ...

    async def changed(self) -> None:
        """Return once `wanted()` differs from what it was at the last call of `wanted()`; at once if it does already."""
        ...


class Suspicions(Protocol):
    """Which books of one feed cannot be right as they stand, by what was published of them."""

    @property
    def crossed(self) -> Mapping[Topic, str]:
        """Books whose best bid reaches their best ask, or which are too large; each with a sentence that tells it."""
        ...

    @property
    def baseless(self) -> AbstractSet[Topic]:
        """Books of which changes have come, but which never came whole."""
        ...

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after each change, in the midst of `publish`."""
        ...


class Connection(Protocol):
    """One open connection to a vendor. One task receives; any task may send, ping and close."""

    last_event_id: str | None
    """The newest SSE `id` seen; None where there is none."""

    @property
    def heard_at(self) -> float:
        """When something last came, be it a comment, a ping or a pong; Trio's time."""
        ...

    @property
    def silence_seconds(self) -> float:
        """How long nothing may come before it counts as dead; whoever carries it sees to that (`silence`)."""
        ...

    async def receive(self) -> Frame | Comment | None:
        """Return the next frame or comment, or None for what is neither (half a message).

        Raises:
            TransportLost: the connection ended or was closed; the sentence says which.
            VendorProtocolError: what came is not even a frame (over the size bound, not UTF-8 …).
        """
        ...

    async def send(self, text: bytes) -> None:
        """Send one message, within a deadline.

        Raises:
            TransportLost: it could not be sent; on SSE always.
        """
        ...

    async def ping(self) -> None:
        """Send an RFC 6455 ping and return when its pong has come; on SSE return at once.

        Raises:
            TransportLost: no pong in time.
        """
        ...

    async def aclose(self) -> None:
        """Close, within a deadline; never raises, safe to repeat, also under cancellation."""
        ...


class Connector(Protocol):
    """Opens connections of one transport. One per feed and transport; app opens and closes it with the feed."""

    async def connect(self, request: HttpRequest) -> Connection:
        """Open a connection; returns when the vendor has accepted it (HTTP 200, or 101).

        Raises:
            TransportLost: unreachable, TLS failed, no answer in time, or an answer that is none; the sentence says which.
            VendorRefused: any other status; `retry_after_seconds` from the vendor's header.
        """
        ...

    async def fetch(self, request: HttpRequest) -> Frame:
        """Send one request and return the whole answer (bounded); `Frame.status` tells the status.

        Raises:
            TransportLost: as in `connect`.
        """
        ...


class ConnectionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream connection, as pages and logs show it.

    Attributes:
        name: `<feed>/<number>`, never reused.
        lane: `transport:type:timeframe`.
        state: the session's state.
        topics: how many topics it carries.
        opened_at: when it was accepted; None before.
        frames: how many came.
        last_frame_at: when the last came; None before.
    """

    name: str
    lane: str
    state: str
    topics: int
    opened_at: UnixNanos | None
    frames: int
    last_frame_at: UnixNanos | None


class FeedStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A feed's counters since it started.

    Attributes:
        wanted: topics that clients want of it now; `covered` of them on a live session; `refused` by quota or vendor.
        events: events published; `unknown` messages of kinds we do not know; `malformed` messages refused.
        overlaps_removed: events taken out because another connection had delivered them.
        connects: connections opened; `losses` connections lost; `retries` attempts that failed.
        token_expires_at: None without a token or a known end.
        via: the ids of the bridges that its events come by, the vendor's first, as last told; () where it is no bridge.
        mistakes: what broke by a mistake of ours: a session, a poll, the whole feed.
        doubted: how often a book was in doubt; `mended` how often it came whole after that.
        reconciled: order states that no stream had said.
        transport: the one in use; None where there is none (a tape).
    """

    feed: FeedName
    status: FeedHealth
    reason: str | None
    since: UnixNanos
    wanted: int
    covered: int
    refused: int
    events: int
    unknown: int
    malformed: int
    overlaps_removed: int
    connects: int
    losses: int
    retries: int
    token_expires_at: UnixNanos | None
    connections: tuple[ConnectionStatistics, ...]
    via: tuple[str, ...] = ()
    mistakes: int = 0
    doubted: int = 0
    mended: int = 0
    reconciled: int = 0
    transport: Transport | None = None


class Feed(Protocol):
    """A running stream from a vendor (or from a tape)."""

    name: FeedName

    async def run(self) -> None:
        """Keep the wanted topics subscribed until cancelled. Never ends by itself and never raises for a vendor's fault."""
        ...

    async def ask(self, question: Question, deadline_seconds: float) -> Answer:
        """Put a question to the vendor: single flight, paced; what comes back is published unless it is bars. Never raises."""
        ...

    def statistics(self) -> FeedStatistics:
        """A snapshot of the counters."""
        ...
