"""Server-sent events from a vendor: one HTTP answer that never ends, cut into frames by `bridge.wire.sse`.

No task of its own: whoever receives drives the stream, so a session that reads slowly slows its vendor and nothing piles up
here. The price: a `receive` that is cancelled while it waits ends the connection (what was parsed is still handed out first).
Any byte is a sign of life.
"""

from collections import deque

import trio

from bridge.clock import Clock
from bridge.dialects.contract import Comment, Frame, HttpRequest
from bridge.errors import TransportLost, VendorProtocolError
from bridge.upstream.network.exchange import Exchange, exchange
from bridge.upstream.network.http import HttpClient, peer_of
from bridge.upstream.network.refusals import refusal
from bridge.wire.sse import MAX_EVENT_BYTES, SseComment, SseMessage, SseParser

ANSWER_SECONDS = 15.0
"""From the request to the answer's head, connecting included: a server that accepts later is overloaded."""

REFUSAL_BYTES = 16 * 1024
"""Of a refusal's body; what is longer is no explanation."""

_HEADERS = (
    ("user-agent", "feedbridge"),
    ("accept", "text/event-stream"),
    ("accept-encoding", "identity"),
    ("cache-control", "no-store"),
)


class SseConnector:
    """Opens event streams over a feed's HTTP client.

    Args:
        client: the feed's; closed by its owner, after the connections.
        read_timeout_seconds: silence after which a connection counts as dead (the vendor profile's).
        max_event_bytes: the bound on one event.
    """

    def __init__(self, client: HttpClient, read_timeout_seconds: float, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._client = client
        self._read_timeout_seconds = read_timeout_seconds
        self._max_event_bytes = max_event_bytes

    async def connect(self, request: HttpRequest) -> "SseConnection":
        """Open a stream; see `upstream.contract.Connector.connect`."""
        peer = peer_of(request)
        with trio.move_on_after(ANSWER_SECONDS):
            answer = await exchange(self._client.route, request, _HEADERS)
            try:
                await self._check(request, answer)
            except BaseException:
                await answer.aclose()
                raise
            return SseConnection(answer, peer, self._client.clock, self._read_timeout_seconds, self._max_event_bytes)
        raise TransportLost(f"{peer}: no answer within {ANSWER_SECONDS:g} s")

    async def fetch(self, request: HttpRequest) -> Frame:
        """Send one request; see `upstream.contract.Connector.fetch`."""
        return await self._client.fetch(request)

    async def _check(self, request: HttpRequest, answer: Exchange) -> None:
        head = answer.head
        if head.status != 200:
            try:
                body = await answer.read(REFUSAL_BYTES)
            except TransportLost:
                body = b""  # the status says enough
            raise refusal(request, head, body, self._client.clock())
        kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            raise TransportLost(f"{peer_of(request)}: the answer is {kind or 'of no type'}, not an event stream")


class SseConnection:
    """One open event stream; satisfies `upstream.contract.Connection`.

    Attributes:
        last_event_id: the id in force at the newest frame handed out, or since then alone; None before any, or after the vendor
            cleared it.
        retry_seconds: the reconnection time the vendor last asked for; None before any. A feed has a backoff of its own.
        received_bytes: how many bytes came.
        heard_at: when the last of them came, in Trio's time; `silence_seconds` later it counts as dead.
    """

    def __init__(
        self, answer: Exchange, peer: str, clock: Clock, read_timeout_seconds: float, max_event_bytes: int
    ) -> None:
        self.last_event_id: str | None = None
        self.retry_seconds: float | None = None
        self.received_bytes = 0
        self._answer = answer
        self._peer = peer
        self._clock = clock
        self.heard_at = trio.current_time()
        self.silence_seconds = read_timeout_seconds
        self._parser = SseParser(max_event_bytes)
        self._parsed: deque[SseMessage | SseComment] = deque()
        self._ts_recv = clock()
        self._lost: str | None = None

    async def receive(self) -> Frame | Comment | None:
        """Return the next event or comment, or None for bytes that complete nothing; see the contract."""
        if not self._parsed:
            chunk = await self._next_chunk()
            self._ts_recv = self._clock()
            self.heard_at = trio.current_time()
            self.received_bytes += len(chunk)
            self._parse(chunk)
        if not self._parsed:
            self._all_is_handed_out()
            return None
        parsed = self._parsed.popleft()
        if isinstance(parsed, SseMessage):
            self.last_event_id = parsed.id or None
        if not self._parsed:
            self._all_is_handed_out()
        if isinstance(parsed, SseComment):
            return Comment(parsed.text)
        return Frame(data=parsed.data, ts_recv=self._ts_recv, event=parsed.event)

    def _all_is_handed_out(self) -> None:
        """Take over what counts without an event: an id, a reconnection time."""
        self.last_event_id = self._parser.last_event_id or None
        if self._parser.retry_ms is not None:
            self.retry_seconds = self._parser.retry_ms / 1000

    async def send(self, text: bytes) -> None:
        """Raise: nothing can be sent on an event stream."""
        raise TransportLost(f"{self._peer}: {len(text)} bytes cannot be sent on an event stream")

    async def ping(self) -> None:
        """Return at once: an event stream has no ping."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close within `answer.CLOSE_SECONDS`; never raises, safe to repeat, also under cancellation."""
        self._lost = self._lost or "closed on this side"
        await self._answer.aclose()

    def __repr__(self) -> str:
        return f"<SseConnection {self._peer} {self._lost or 'open'}, {self.received_bytes} bytes>"

    def _parse(self, chunk: bytes) -> None:
        try:
            self._parsed.extend(self._parser.feed(chunk))
        except VendorProtocolError as error:
            self._lost = error.reason  # the parser is past repair
            raise

    async def _next_chunk(self) -> bytes:
        if self._lost is not None:
            raise TransportLost(f"{self._peer}: {self._lost}")
        try:
            chunk = await self._answer.next_chunk()
        except TransportLost:
            self._lost = self._lost or "the connection broke"
            raise
        except BaseException:
            self._lost = "the receiving task was cancelled"
            raise
        if chunk is not None:
            return chunk
        self._lost = "the vendor ended the stream"
        raise TransportLost(f"{self._peer}: {self._lost}")
