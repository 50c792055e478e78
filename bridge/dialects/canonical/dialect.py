"""The canonical dialect: what our contract promises to clients, and how we are another bridge's client (a relay).

The numbers are the contract's defaults. As its own vendor a bridge is generous: any mix of topics on a connection, usable
event ids, confirmations. It mints no tokens over HTTP; `feedbridge token` does.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridge.dialects.canonical.conversation import CanonicalConversation
from bridge.dialects.canonical.decode import CanonicalDecoder
from bridge.dialects.canonical.encode import CanonicalEncoder, events_page
from bridge.dialects.canonical.messages import (
    BarsBody,
    EventMessage,
    QuoteMessage,
    ServerMessage,
    SnapshotMessage,
    TradesBody,
)
from bridge.dialects.canonical.requests import (
    DEFAULT_EVENTS,
    MAX_EVENTS,
    STREAM_PATH,
    WEBSOCKET_PATH,
    CanonicalRequests,
    ClientOperation,
    check_request,
    question_request,
    read_answer,
    read_state,
)
from bridge.dialects.canonical.symbols import CanonicalSpelling
from bridge.dialects.contract import (
    Asked,
    ClientLimits,
    Conversation,
    Credential,
    Decoder,
    Dialect,
    Encoder,
    EncoderOptions,
    Endpoint,
    EndpointKind,
    ErrorBody,
    ErrorSaid,
    HttpAnswer,
    HttpRequest,
    Lane,
    Manner,
    Mint,
    Parameter,
    Place,
    Profile,
    Question,
    Refusal,
    Request,
    Requests,
    Signal,
    Site,
    Spelling,
    StateAnswer,
    StateQuestion,
    SymbolTable,
    Transport,
    TransportProfile,
)
from bridge.dialects.contract.published import TRUTHS, CursorText, Depth, InstrumentText, Rate, TopicText
from bridge.errors import Unspeakable, VendorProtocolError
from bridge.model import Code, FeedName, Interval, Retry, Topic, TopicKind, UnixNanos, UpstreamEvent

_HEARTBEAT_SECONDS = 15
"""As a bridge does it unless its operator has it otherwise (`limits.heartbeat_seconds`)."""

_CONNECTIONS = 5
_SUBSCRIPTIONS = 50
_MESSAGES_PER_SECOND = 100

PROFILE = Profile(
    transports={
        Transport.SSE: TransportProfile(
            changeable=False,
            max_connections=_CONNECTIONS,
            subscriptions_per_connection=_SUBSCRIPTIONS,
            read_timeout_seconds=3 * _HEARTBEAT_SECONDS,
            usable_event_ids=True,
        ),
        Transport.WEBSOCKET: TransportProfile(
            max_connections=_CONNECTIONS,
            subscriptions_per_connection=_SUBSCRIPTIONS,
            read_timeout_seconds=3 * _HEARTBEAT_SECONDS,
            ping_seconds=_HEARTBEAT_SECONDS,
            usable_event_ids=True,
            messages_per_second=_MESSAGES_PER_SECOND,
        ),
        Transport.POLLING: TransportProfile(
            # Ours to choose; well within the linger that a state request leases.
            poll_seconds={TopicKind.QUOTE.value: 5, TopicKind.BOOK.value: 3},
        ),
    },
    limits=ClientLimits(
        sse_connections_per_user=_CONNECTIONS,
        websocket_connections_per_user=_CONNECTIONS,
        subscriptions_per_connection=_SUBSCRIPTIONS,
        inbound_messages_per_second=_MESSAGES_PER_SECOND,
    ),
    declares_gaps=True,
)

_TOPICS = Parameter(
    name="subscribe", about="the topics to follow", kind=tuple[TopicText, ...], required=True, many=True
)
_AFTER = Parameter(name="after", about="the cursor to go on from", kind=CursorText)
_EXTRA = Parameter(name="extra", about="whether quotes have the vendor's other fields", kind=bool)
_INTERVAL = Parameter(name="interval", about="the bars' length", kind=Interval, required=True)
_DEPTH = Parameter(name="depth", about="only so many best levels a side", kind=Depth)
_LIMIT = Parameter(
    name="limit",
    about=f"how many at most; {DEFAULT_EVENTS} if not said",
    kind=Annotated[int, Meta(ge=1, le=MAX_EVENTS)],
)
_STATES: Sequence[tuple[str, Any, str, Sequence[Parameter]]] = (
    ("quote", QuoteMessage, "The quote as it stands", (_EXTRA,)),
    ("book", SnapshotMessage, "The book as it stands", (_DEPTH,)),
    ("trades", TradesBody, "The newest trades, oldest first", (_LIMIT,)),
    ("bars", BarsBody, "The newest bars, oldest first", (_INTERVAL, _LIMIT)),
)

ENDPOINTS = (
    Endpoint(
        kind=EndpointKind.SSE,
        path=STREAM_PATH,
        about="An event stream of topics",
        parameters=(
            _TOPICS,
            _AFTER,
            Parameter(name="Last-Event-ID", about="as `after`, and before it", kind=CursorText, place=Place.HEADER),
            Parameter(name="conflate", about="of state that piles up, only the newest", kind=bool),
            Parameter(name="max_rate", about="events per second and topic of state; 0 = no limit", kind=Rate),
            _EXTRA,
        ),
        says=EventMessage,
        refuses=ErrorBody,
    ),
    Endpoint(
        kind=EndpointKind.WEBSOCKET,
        path=WEBSOCKET_PATH,
        about="The same events as WebSocket texts, of topics that change",
        parameters=(_EXTRA,),
        takes=ClientOperation,
        says=ServerMessage,
        refuses=ErrorBody,
    ),
    *(
        Endpoint(
            kind=EndpointKind.STATE,
            path=f"/v1/instruments/{{id}}/{name}",
            name=name,
            about=about,
            parameters=(
                Parameter(name="id", about="the instrument", kind=InstrumentText, place=Place.PATH, required=True),
                *more,
            ),
            says=says,
            refuses=ErrorBody,
        )
        for name, says, about, more in _STATES
    ),
)

_POLLED = frozenset({TopicKind.QUOTE, TopicKind.BOOK})
_NEVER_ASKED = frozenset({TopicKind.STATUS, TopicKind.ALL})


class CanonicalDialect:
    """Our own."""

    name = "canonical"
    profile = PROFILE
    spelling: Spelling = CanonicalSpelling()
    endpoints: Sequence[Endpoint] = ENDPOINTS
    manners: frozenset[str] = frozenset()  # we wrote the documents

    # ── we are its client ──
    def lane(self, topic: Topic, transport: Transport) -> Lane | None:
        """One lane a transport; polling knows only quotes and books. Its feeds' health comes unasked."""
        if topic.kind in _NEVER_ASKED or (transport is Transport.POLLING and topic.kind not in _POLLED):
            return None
        return Lane(transport)

    def subscriptions(self, topics: Sequence[Topic], transport: Transport) -> int:
        """Each topic counts as one."""
        return len(topics)

    def requests(self, asked: Asked, site: Site) -> Requests:
        """What one session sends."""
        return CanonicalRequests(asked, site)

    def decoder(self, asked: Asked) -> Decoder:
        """What one session makes of what comes."""
        return CanonicalDecoder(asked)

    def question(
        self, question: Question, symbols: SymbolTable, site: Site, credential: Credential | None
    ) -> HttpRequest | None:
        """Ask a state endpoint; None for a single order."""
        return question_request(question, symbols, site, credential)

    def answer(
        self, question: Question, body: bytes, feed: FeedName, symbols: SymbolTable, ts_recv: UnixNanos
    ) -> Sequence[UpstreamEvent | Signal]:
        """Read what a state endpoint answered."""
        return read_answer(question, body, feed, symbols, ts_recv)

    def mint(self, site: Site) -> HttpRequest | None:
        """None: a bridge mints no tokens over HTTP."""
        return None

    def minted(self, body: bytes) -> Credential:
        """Never asked for, so whatever came is malformed."""
        raise VendorProtocolError("a bridge mints no tokens over HTTP", body)

    def check(self, site: Site, credential: Credential | None, url: str | None) -> HttpRequest:
        """Ask for the list of instruments."""
        return check_request(site, credential, url)

    # ── we answer as it ──
    def mannered(self, manner: Manner) -> Dialect:
        """Return the same: nothing is left open."""
        return self

    def encoder(self, transport: Transport, symbols: SymbolTable, options: EncoderOptions) -> Encoder:
        """Our events → JSON, the same on every transport."""
        return CanonicalEncoder(options)

    def conversation(self, transport: Transport, symbols: SymbolTable) -> Conversation:
        """The server's side of one connection."""
        return CanonicalConversation(transport)

    def state_question(self, request: Request, symbols: SymbolTable) -> StateQuestion:
        """Read `/v1/instruments/{id}/…`."""
        return read_state(request)

    def state_answer(self, request: Request, answer: StateAnswer, symbols: SymbolTable) -> HttpAnswer:
        """The event itself, or `{"events":[…]}` where there may be many."""
        encoder = CanonicalEncoder(EncoderOptions(extra=any(map(TRUTHS.get, request.query.get("extra", ())))))
        said = [message.data for event, at in answer.events for message in encoder.encode(event, at, whole=True)]
        return HttpAnswer(body=events_page(said) if request.endpoint.name in ("trades", "bars") else said[-1])

    def mint_question(self, request: Request) -> Mint:
        """Refused: there is no such endpoint."""
        raise Refusal(Code.BAD_REQUEST, "this bridge mints no tokens here; ask its operator for one")

    def mint_answer(
        self, request: Request, token: str, expires: UnixNanos, sse_url: str, websocket_url: str
    ) -> HttpAnswer:
        """There is nothing to answer."""
        raise Unspeakable("the canonical dialect mints no tokens")

    def refusal(
        self, code: Code, message: str, retry: Retry, retry_after_seconds: float | None, status: int
    ) -> HttpAnswer:
        """`{"error":{"code","message","retry","retry_after"?}}`; `retry_after` in whole seconds, as the header says it."""
        after = None if retry_after_seconds is None else math.ceil(retry_after_seconds)
        error = ErrorSaid(code=code, message=message, retry=retry, retry_after=after)
        return HttpAnswer(body=msgspec.json.encode(ErrorBody(error=error)), status=0)


DIALECT: Dialect = CanonicalDialect()
