"""What a bridge is asked, by us as its client and by its own clients: the URL, the operations, the topics; and what it answers.

As a client we send one subscribe operation a topic: an operation is all or nothing, and one refused topic must not take its
neighbours down. Its `ref` is the topic, so that a `problem` says which. Only who comes back with a cursor asks for all that
it vouches for at once, since a cursor counts in a connection's first operation only; the `ref` of that one is `RESUME`.
"""

from collections.abc import Sequence
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from bridge.dialects.canonical.messages import BarMessage, BarsBody, Common, Fact, QuoteMessage, SnapshotMessage
from bridge.dialects.contract import (
    Asked,
    Credential,
    HttpRequest,
    Question,
    QuestionKind,
    Refusal,
    Request,
    Site,
    StateQuestion,
    SymbolTable,
    Transport,
)
from bridge.dialects.scalars import MALFORMED, malformed, reader
from bridge.model import (
    Code,
    FeedName,
    InstrumentId,
    Interval,
    Topic,
    TopicKind,
    UnixNanos,
    UpstreamEvent,
    unix_nanos,
)

STREAM_PATH = "/v1/stream"
WEBSOCKET_PATH = "/v1/ws"
DEFAULT_EVENTS = 100
MAX_EVENTS = 500
"""Bars or trades in one answer at most, as many as a page of a poll has."""

_EXTRA = "extra=true"
"""Our own clients may ask for a vendor's other quote fields, so we ask for them."""

RESUME = "resume"
"""The `ref` of the operation that resumes; no topic is spelled so."""

_read_quote = reader(QuoteMessage)
_read_book = reader(SnapshotMessage)
_read_bars = reader(BarsBody)

_VALUE_SAFE = ":,/@!$^"
"""What a list of topics may hold and a query's value may hold too."""


class Operation(msgspec.Struct, frozen=True, kw_only=True, tag_field="op"):
    """What every operation has; `ref` comes back in its answer."""

    ref: str | None = None


class SubscribeOperation(Operation, frozen=True, kw_only=True, tag="subscribe"):
    """Add topics, all or nothing; `after` only in the connection's first. The wishes hold for the whole connection."""

    topics: tuple[str, ...] = ()
    after: str | None = None
    conflate: bool | None = None
    max_rate: float | None = None


class UnsubscribeOperation(Operation, frozen=True, kw_only=True, tag="unsubscribe"):
    """Drop topics; without `topics`, all."""

    topics: tuple[str, ...] | None = None


class RenewOperation(Operation, frozen=True, kw_only=True, tag="renew"):
    """Replace the connection's token."""

    token: str

    def __repr__(self) -> str:
        return "<RenewOperation>"

    __str__ = __repr__


class PingOperation(Operation, frozen=True, kw_only=True, tag="ping"):
    """Are you there?"""


ClientOperation = SubscribeOperation | UnsubscribeOperation | RenewOperation | PingOperation
"""What a client says on a WebSocket."""


def spelled(asked: Asked, topic: Topic) -> str:
    """Spell a topic for the other bridge: its id of the instrument, and a full book cut to the depth our feed wants.

    Raises:
        ValueError: the instrument has no spelling there.
    """
    if topic.instrument is None:
        return str(topic)
    symbol = InstrumentId(asked.symbol(topic))
    depth = asked.depth if topic.kind is TopicKind.BOOK else None
    return str(Topic(topic.kind, symbol, interval=topic.interval, depth=depth))


def read_topics(texts: Sequence[str], ref: str | None = None) -> tuple[Topic, ...]:
    """Read a client's topics; one named twice counts once.

    Raises:
        Refusal: there is none, or one is no topic.
    """
    topics: dict[Topic, None] = {}
    for text in texts:
        try:
            topics[Topic.parse(text)] = None
        except ValueError as error:
            raise Refusal(Code.BAD_REQUEST, str(error), topic=text[:90], ref=ref) from error
    if not topics:
        raise Refusal(Code.BAD_REQUEST, "name at least one topic, such as quote:AAPL", ref=ref)
    return tuple(topics)


class CanonicalRequests:
    """What one session sends to another bridge.

    Args:
        asked: what the session wants.
        site: where the other bridge lives.
    """

    def __init__(self, asked: Asked, site: Site) -> None:
        self._asked = asked
        self._site = site
        self._after: str | None = None

    def open(self, credential: Credential | None, last_event_id: str | None) -> HttpRequest:
        """Open an SSE stream with all topics, or upgrade to a WebSocket."""
        if self._asked.lane.transport is Transport.WEBSOCKET:
            self._after = last_event_id
            return self._upgrade(credential)
        topics = ",".join(spelled(self._asked, topic) for topic in self._asked.topics)
        url = f"{self._site.url}{self._site.realtime_path or STREAM_PATH}?subscribe={quote(topics, safe=_VALUE_SAFE)}&{_EXTRA}"
        resume = (("last-event-id", last_event_id),) if last_event_id else ()
        return HttpRequest(url=url, headers=(("accept", "text/event-stream"), *_bearer(credential), *resume))

    def _upgrade(self, credential: Credential | None) -> HttpRequest:
        url = self._site.websocket_url or _websocket_url(self._site.url)
        url = f"{url}{'&' if '?' in url else '?'}{_EXTRA}"
        if credential is None or self._site.credential_place == "none":
            return HttpRequest(url=url)
        if self._site.credential_place == "query":
            return HttpRequest(url=f"{url}&token={quote(credential.token, safe='')}")
        return HttpRequest(url=url, headers=_bearer(credential))

    def subscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """One operation a topic on a WebSocket, but one for all that is resumed; nothing on SSE."""
        if self._asked.lane.transport is not Transport.WEBSOCKET:
            return []
        texts = [spelled(self._asked, topic) for topic in topics]
        after, self._after = self._after, None
        if after is not None:
            return [msgspec.json.encode({"op": "subscribe", "topics": texts, "after": after, "ref": RESUME})]
        return [msgspec.json.encode({"op": "subscribe", "topics": [text], "ref": text}) for text in texts]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """One operation for all of them on a WebSocket; nothing on SSE."""
        if self._asked.lane.transport is not Transport.WEBSOCKET or not topics:
            return []
        texts = [spelled(self._asked, topic) for topic in topics]
        return [msgspec.json.encode({"op": "unsubscribe", "topics": texts})]

    def ping(self) -> bytes | None:
        """The application's own ping on a WebSocket."""
        return b'{"op":"ping"}' if self._asked.lane.transport is Transport.WEBSOCKET else None


def question_request(
    question: Question, symbols: SymbolTable, site: Site, credential: Credential | None
) -> HttpRequest | None:
    """Ask another bridge's state endpoint; None for what it cannot be asked (a single order) or cannot know."""
    if question.instrument is None or question.kind is QuestionKind.ORDER:
        return None
    symbol = symbols.vendor_symbol(question.instrument, Transport.POLLING)
    if symbol is None:
        return None
    query = ""
    if question.kind is QuestionKind.BARS:
        if question.interval is None:
            return None
        query = f"?interval={question.interval.value}&limit={min(question.limit, MAX_EVENTS)}"
    url = f"{site.rest_url or site.url}/v1/instruments/{quote(symbol, safe='')}/{question.kind.value}{query}"
    return HttpRequest(url=url, headers=_bearer(credential))


def check_request(site: Site, credential: Credential | None, url: str | None) -> HttpRequest:
    """Ask another bridge for its instruments, which everybody may who gets in."""
    return HttpRequest(url=url or f"{site.rest_url or site.url}/v1/instruments", headers=_bearer(credential))


def read_state(request: Request) -> StateQuestion:
    """Read a client's `/v1/instruments/{id}/quote|book|trades|bars`.

    Its query: `?limit=` for trades and bars, `?interval=` for bars, `?depth=` for a book cut to so many levels.

    Raises:
        Refusal: the id, the interval, the depth or the limit is none.
    """
    try:
        topic = Topic.parse(f"{_state_kind(request)}:{request.segments.get('id', '')}")
        return StateQuestion(topic=topic, limit=_limit(_last(request, "limit")))
    except ValueError as error:
        raise Refusal(Code.BAD_REQUEST, str(error)) from error


def _state_kind(request: Request) -> str:
    match request.endpoint.name:
        case "trades":
            return "trade"
        case "bars":
            interval = _last(request, "interval")
            if not interval:
                raise ValueError(f"name the interval, such as ?interval=5m; there are {' '.join(Interval)}")
            return f"bar.{interval}"
        case "book":
            depth = _last(request, "depth")
            return "book" if depth is None else f"book.{depth}"
        case name:
            return name


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_EVENTS
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_EVENTS):
        raise ValueError(f"limit is a number from 1 to {MAX_EVENTS}")
    return int(text)


def _last(request: Request, name: str) -> str | None:
    values = request.query.get(name, ())
    return values[-1] if values else None


def _bearer(credential: Credential | None) -> tuple[tuple[str, str], ...]:
    return () if credential is None else (("authorization", f"Bearer {credential.token}"),)


def _websocket_url(url: str) -> str:
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, parts.path + WEBSOCKET_PATH, "", ""))


def read_answer(
    question: Question, body: bytes, feed: FeedName, symbols: SymbolTable, ts_recv: UnixNanos
) -> Sequence[UpstreamEvent]:
    """Read what a state endpoint answered; an instrument that was not asked for is malformed.

    Raises:
        VendorProtocolError: the body is malformed.
    """
    messages: Sequence[QuoteMessage | SnapshotMessage | BarMessage]
    match question.kind:
        case QuestionKind.QUOTE:
            messages = (_read_quote(body),)
        case QuestionKind.BOOK:
            messages = (_read_book(body),)
        case QuestionKind.BARS:
            messages = _read_bars(body).events
        case QuestionKind.ORDER:
            raise malformed("a bridge does not answer for single orders", body)
    if any(symbols.instrument(message.instrument, Transport.POLLING) != question.instrument for message in messages):
        raise malformed(f"not about {question.instrument}", body)
    try:
        instrument = InstrumentId(question.instrument or "")
        return [message.event(common(message, instrument, feed, ts_recv)) for message in messages]
    except MALFORMED as error:
        raise malformed(error, body) from error


def common(message: Fact, instrument: InstrumentId, feed: FeedName, ts_recv: UnixNanos) -> Common:
    """Return what all our events have in common with one of the other bridge's.

    Raises:
        ValueError: its time is none.
    """
    ts_event = None if message.ts_event is None else unix_nanos(message.ts_event)
    return Common(instrument=instrument, feed=feed, ts_recv=ts_recv, ts_event=ts_event)
