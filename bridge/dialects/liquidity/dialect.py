"""The Liquidity dialect: the vendor's constants, each with its source, and the object that holds its parts together.

Sources: [doc] is the vendor's realtime page, the rest is VENDORS §2 and §4.
"""

from collections.abc import Sequence

import msgspec

from bridge.dialects.contract import (
    Asked,
    ClientLimits,
    Credential,
    Decoder,
    EncoderOptions,
    Endpoint,
    EndpointKind,
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
    StateAnswer,
    StateQuestion,
    SymbolTable,
    Transport,
    TransportProfile,
)
from bridge.dialects.liquidity.conversation import DOCUMENTED, LiquidityConversation
from bridge.dialects.liquidity.decode import LiquidityDecoder, read_answer
from bridge.dialects.liquidity.encode import (
    LiquidityBook,
    LiquidityEncoder,
    LiquidityOrder,
    LiquidityQuote,
    LiquidityRefusal,
)
from bridge.dialects.liquidity.requests import (
    CHANNELS,
    DEFAULT_DEPTH,
    REALTIME_PATH,
    WEBSOCKET_PATH,
    LiquidityRequests,
    check_request,
    rest_request,
)
from bridge.dialects.liquidity.symbols import LiquiditySpelling
from bridge.errors import Unspeakable, VendorProtocolError
from bridge.model import Code, FeedName, Retry, Topic, TopicKind, UnixNanos, UpstreamEvent

CARRIES = {
    Transport.SSE: frozenset({TopicKind.QUOTE, TopicKind.BOOK, TopicKind.TRADE, TopicKind.ORDER}),
    Transport.WEBSOCKET: frozenset(CHANNELS),
    Transport.POLLING: frozenset({TopicKind.QUOTE, TopicKind.BOOK, TopicKind.ORDER}),
}
"""Which data each transport has [doc]; any mix fits one connection."""

PROFILE = Profile(
    transports={
        Transport.SSE: TransportProfile(
            changeable=False,  # the query of the GET is the only way shown [doc]
            max_connections=5,  # per user [doc]
            subscriptions_per_connection=50,  # [doc]
            read_timeout_seconds=330,  # the base protocol cuts a stream after 5 quiet minutes, and a margin
            usable_event_ids=False,  # its ids are the clientId, on every frame
        ),
        Transport.WEBSOCKET: TransportProfile(
            max_connections=5,  # per user [doc]
            subscriptions_per_connection=50,  # [doc]
            ping_seconds=30,  # assumed
            pong_seconds=10,  # assumed
            messages_per_second=100,  # [doc]
            confirms=False,  # no acknowledgement is shown [doc]
        ),
        Transport.POLLING: TransportProfile(poll_seconds={"quote": 5, "book": 3, "order": 5}),  # [doc]
    },
    limits=ClientLimits(  # [doc]
        sse_connections_per_user=5,
        websocket_connections_per_user=5,
        subscriptions_per_connection=50,
        inbound_messages_per_second=100,
    ),
    heartbeat_seconds={Transport.SSE: 15, Transport.WEBSOCKET: 30},  # assumed
    replaces_books=frozenset({Transport.SSE, Transport.POLLING}),  # no snapshot flag and no sequence [doc]
    partial_quotes=False,  # the page's ticker breaks on a quote without last or changePercent
    default_depth=DEFAULT_DEPTH,
)

_ASSET = Parameter(name="id", about="the asset", place=Place.PATH, required=True)
_ORDER = Parameter(name="id", about="the order's id", place=Place.PATH, required=True)


def _state(path: str, name: str, about: str, parameter: Parameter, says: type) -> Endpoint:
    return Endpoint(
        kind=EndpointKind.STATE,
        path=path,
        name=name,
        about=about,
        parameters=(parameter,),
        says=says,
        refuses=LiquidityRefusal,
    )


ENDPOINTS = (
    Endpoint(
        kind=EndpointKind.SSE,
        path=REALTIME_PATH,
        about="Realtime data of assets",
        parameters=(Parameter(name="subscribe", about="such as quote:AAPL,all:BTC", kind=tuple[str, ...], many=True),),
        refuses=LiquidityRefusal,
    ),
    Endpoint(kind=EndpointKind.WEBSOCKET, path=WEBSOCKET_PATH, about="Order books and trades of symbols"),
    _state("/v1/assets/{id}/quote", "quote", "A quote", _ASSET, LiquidityQuote),
    _state("/v1/assets/{id}/book", "book", "A book", _ASSET, LiquidityBook),
    _state("/v1/orders/{id}", "order", "An order", _ORDER, LiquidityOrder),
)

STATUSES = {
    Code.BAD_REQUEST: 400,
    Code.UNAUTHORIZED: 401,
    Code.TOKEN_EXPIRED: 401,
    Code.FORBIDDEN: 403,
    Code.UNKNOWN_INSTRUMENT: 404,
    Code.UNSUPPORTED_TOPIC: 404,
    Code.TOO_MANY_SUBSCRIPTIONS: 400,
    Code.TOO_MANY_CONNECTIONS: 429,
    Code.RATE_LIMITED: 429,
    Code.SLOW_CONSUMER: 503,
    Code.GOING_AWAY: 503,
    Code.UPSTREAM_UNAVAILABLE: 503,
    Code.UPSTREAM_FULL: 503,
    Code.OVERLOADED: 503,
    Code.INTERNAL: 500,
}
"""The `status` inside the base protocol's error body; the contract's table, which this vendor does not differ from."""


class LiquidityDialect:
    """Liquidity.io's market data, both ways; see `contract.Dialect` for each member."""

    name = "liquidity"
    profile = PROFILE
    spelling = LiquiditySpelling()
    manners = frozenset({"realtime_path", "orders_by_asset"})
    """The base protocol moved the path to /v1/realtime (VENDORS §2.4); whether orders are filtered is not said (§2.3)."""

    def __init__(self, manner: Manner = DOCUMENTED) -> None:
        self._manner = manner
        stream = msgspec.structs.replace(ENDPOINTS[0], path=manner.realtime_path or REALTIME_PATH)
        self.endpoints = (stream, *ENDPOINTS[1:])

    def lane(self, topic: Topic, transport: Transport) -> Lane | None:
        """Return the transport's only lane, or None when it has no such data."""
        return Lane(transport) if topic.kind in CARRIES[transport] else None

    def subscriptions(self, topics: Sequence[Topic], transport: Transport) -> int:
        """Count one for each `channel:asset`; orders come unasked."""
        return sum(topic.kind is not TopicKind.ORDER for topic in topics)

    def requests(self, asked: Asked, site: Site) -> Requests:
        """Return what one session sends."""
        return LiquidityRequests(asked, site)

    def decoder(self, asked: Asked) -> Decoder:
        """Return what reads one session's frames."""
        return LiquidityDecoder(asked)

    def question(
        self, question: Question, symbols: SymbolTable, site: Site, credential: Credential | None
    ) -> HttpRequest | None:
        """Return the REST request; None for bars, which the vendor only has as part of an asset's description."""
        return rest_request(question, symbols, site, credential)

    def answer(
        self, question: Question, body: bytes, feed: FeedName, symbols: SymbolTable, ts_recv: UnixNanos
    ) -> Sequence[UpstreamEvent | Signal]:
        """Read a 200 answer; a quote replaces all that was known, so that a bid from elsewhere does not live on."""
        return read_answer(question, body, feed, symbols, ts_recv)

    def mint(self, site: Site) -> HttpRequest | None:
        """Return None: access tokens come from outside (a login with a one-time password)."""
        return None

    def minted(self, body: bytes) -> Credential:
        """Refuse: nothing was asked for.

        Raises:
            VendorProtocolError: always.
        """
        raise VendorProtocolError("Liquidity mints no tokens for an API key", body)

    def check(self, site: Site, credential: Credential | None, url: str | None) -> HttpRequest:
        """Return a question for an order that cannot be: the only endpoint documented as needing a user."""
        return check_request(site, credential, url)

    def mannered(self, manner: Manner) -> "LiquidityDialect":
        """Return the dialect with its event stream where, and orders as, the operator has them."""
        return LiquidityDialect(manner)

    def encoder(self, transport: Transport, symbols: SymbolTable, options: EncoderOptions) -> LiquidityEncoder:
        """Return what spells events; the vendor has no options."""
        return LiquidityEncoder(transport, symbols)

    def conversation(self, transport: Transport, symbols: SymbolTable) -> LiquidityConversation:
        """Return the server's side of one connection."""
        return LiquidityConversation(transport, symbols, self._manner)

    def state_question(self, request: Request, symbols: SymbolTable) -> StateQuestion:
        """Return whose state a REST request wants."""
        name = request.segments["id"]
        if request.endpoint.name == "order":
            return StateQuestion(topic=Topic(TopicKind.ORDER), order_id=name)
        instrument = symbols.instrument(name, Transport.POLLING)
        if instrument is None:
            raise Refusal(Code.UNKNOWN_INSTRUMENT, f"there is no asset {name[:64]!r}")
        return StateQuestion(topic=Topic(TopicKind(request.endpoint.name), instrument))

    def state_answer(self, request: Request, answer: StateAnswer, symbols: SymbolTable) -> HttpAnswer:
        """Return the newest state as the flat object that the SSE event has."""
        event, cursor = answer.events[-1]
        (message,) = LiquidityEncoder(Transport.POLLING, symbols).encode(event, cursor, whole=True)
        return HttpAnswer(body=message.data)

    def mint_question(self, request: Request) -> Mint:
        """Refuse: there is no such endpoint here.

        Raises:
            Refusal: always.
        """
        raise Refusal(Code.UNSUPPORTED_TOPIC, "Liquidity mints no tokens")

    def mint_answer(
        self,
        request: Request,
        token: str,
        expires: UnixNanos,
        sse_url: str,
        websocket_url: str,
    ) -> HttpAnswer:
        """Refuse: `mint_question` never lets a request come here.

        Raises:
            Unspeakable: always.
        """
        raise Unspeakable("Liquidity mints no tokens")

    def refusal(
        self, code: Code, message: str, retry: Retry, retry_after_seconds: float | None, status: int
    ) -> HttpAnswer:
        """Return the base protocol's error body (VENDORS §2.4); for `/v1` nothing is known, so the same."""
        body: dict[str, object] = {"data": {}, "message": message, "status": status or STATUSES[code]}
        return HttpAnswer(body=msgspec.json.encode(body), status=STATUSES[code])


DIALECT = LiquidityDialect()
