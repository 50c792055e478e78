"""The TradingView dialect: the vendor's constants, each with its source, minting, and the object that holds its parts together.

Sources: [doc] is the vendor's streaming page, S1, S2 and S5 its other publications and its users, as VENDORS §0 lists them.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from types import MappingProxyType

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
from bridge.dialects.scalars import MALFORMED
from bridge.dialects.tradingview.conversation import TradingViewConversation
from bridge.dialects.tradingview.decode import TradingViewDecoder, read_answer
from bridge.dialects.tradingview.encode import DOCUMENTED, ERROR_CODES, TradingViewEncoder, spell_token
from bridge.dialects.tradingview.messages import (
    MintBody,
    Minted,
    TradingViewAnswer,
    TradingViewRefusal,
    TradingViewToken,
    claims_of,
    moment,
)
from bridge.dialects.tradingview.requests import (
    SUBSCRIPTIONS_PER_CONNECTION,
    SYMBOLS_PER_GROUP,
    check_request,
    mint_request,
    question_request,
    session_requests,
)
from bridge.dialects.tradingview.symbols import TIMEFRAMES, TradingViewSpelling, from_client
from bridge.errors import VendorProtocolError
from bridge.model import SECONDS, Code, FeedName, Retry, Topic, TopicKind, UnixNanos, UpstreamEvent

SYMBOLS_PER_STREAM = 10
"""Symbols of one SSE stream: inferred, as every other multi-symbol limit of the vendor is 10."""

MESSAGES_PER_SECOND = 100 / 60
"""100 a minute [found: S1, S2]."""

PROFILE = Profile(
    transports={
        Transport.SSE: TransportProfile(
            changeable=False,  # symbols stand in the query [doc]
            subscriptions_per_connection=SYMBOLS_PER_STREAM,
            read_timeout_seconds=90,  # assumed: three heartbeats
            usable_event_ids=True,  # "Last-Event-ID support for gap recovery" [doc]; none is shown, so it may never matter
        ),
        Transport.WEBSOCKET: TransportProfile(
            subscriptions_per_connection=SUBSCRIPTIONS_PER_CONNECTION,
            read_timeout_seconds=90,  # assumed: three pings
            ping_seconds=30,  # assumed
            messages_per_second=MESSAGES_PER_SECOND,
            confirms=True,  # [found: S1, S2]
        ),
    },
    limits=ClientLimits(
        sse_connections_per_user=0,  # none stated
        websocket_connections_per_user=0,  # none stated
        # Topics, as we count; the vendor's own way of counting is held by the conversation.
        subscriptions_per_connection=SUBSCRIPTIONS_PER_CONNECTION * SYMBOLS_PER_GROUP,
        inbound_messages_per_second=MESSAGES_PER_SECOND,
        inbound_messages_burst=100,  # it counts by the minute
    ),
    heartbeat_seconds={Transport.SSE: 30, Transport.WEBSOCKET: 30},  # assumed
    partial_quotes=True,  # `"data": {"lp": 195.42}` [doc]
    subject_claim="userId",  # [found: S1]; there is no `sub`
)

_SYMBOL = Parameter(name="symbol", about="the symbol", place=Place.PATH, required=True)

_refusing = partial(Endpoint, refuses=TradingViewRefusal)

ENDPOINTS = (
    _refusing(
        kind=EndpointKind.MINT,
        path="/api/token/generate",
        method="POST",
        about="A token for an API key",
        says=TradingViewToken,
    ),
    _refusing(
        kind=EndpointKind.SSE,
        path="/sse/stream",
        about="Quotes or candles of symbols",
        parameters=(
            Parameter(name="symbols", about="such as NASDAQ:AAPL", kind=tuple[str, ...], required=True, many=True),
            Parameter(name="type", about="quote or price"),
            Parameter(name="timeframe", about="of candles"),
        ),
    ),
    Endpoint(kind=EndpointKind.WEBSOCKET, path="/ws", about="Quotes and candles of symbols that change"),
    _refusing(
        kind=EndpointKind.STATE,
        path="/api/quote/{symbol}",
        name="quote",
        about="A quote",
        parameters=(_SYMBOL,),
        says=TradingViewAnswer,
    ),
)

LIFETIMES: Mapping[str, float] = MappingProxyType({"1": 1_800, "2": 21_600, "3": 86_400})
"""`token-jwt-type` → seconds [found: S1]."""


class TradingViewDialect:
    """The TradingView API's market data, both ways; see `contract.Dialect` for each member."""

    name = "tradingview"
    profile = PROFILE
    spelling = TradingViewSpelling()
    endpoints = ENDPOINTS
    manners = frozenset(
        {"named_events", "timestamp_unit"}
    )  # the newest samples name events, other times are in ms (VENDORS §1.3)

    def __init__(self, manner: Manner = DOCUMENTED) -> None:
        self._manner = manner

    def lane(self, topic: Topic, transport: Transport) -> Lane | None:
        """Return where quotes and bars go: an SSE stream has one type and one timeframe. There is nothing else, nor polling."""
        if transport is Transport.POLLING or topic.kind not in (TopicKind.QUOTE, TopicKind.BAR):
            return None
        if transport is Transport.WEBSOCKET:
            return Lane(transport)
        return (
            Lane(transport, "quote") if topic.interval is None else Lane(transport, "price", TIMEFRAMES[topic.interval])
        )

    def subscriptions(self, topics: Sequence[Topic], transport: Transport) -> int:
        """Count each symbol on SSE; on WebSocket up to ten quotes as one, and each bar as one."""
        if transport is Transport.SSE:
            return len(topics)
        quotes = sum(topic.kind is TopicKind.QUOTE for topic in topics)
        return math.ceil(quotes / SYMBOLS_PER_GROUP) + len(topics) - quotes

    def requests(self, asked: Asked, site: Site) -> Requests:
        """Return what one session sends."""
        return session_requests(asked, site)

    def decoder(self, asked: Asked) -> Decoder:
        """Return what reads one session's frames."""
        return TradingViewDecoder(asked)

    def question(
        self, question: Question, symbols: SymbolTable, site: Site, credential: Credential | None
    ) -> HttpRequest | None:
        """Return the REST request for a quote or for bars; the key goes with it, for the token is no good there."""
        return question_request(question, symbols, site)

    def answer(
        self, question: Question, body: bytes, feed: FeedName, symbols: SymbolTable, ts_recv: UnixNanos
    ) -> Sequence[UpstreamEvent | Signal]:
        """Read a 200 answer: the whole quote, or bars oldest first."""
        return read_answer(question, body, feed, ts_recv)

    def mint(self, site: Site) -> HttpRequest | None:
        """Return the printed token request; None without an API key."""
        return mint_request(site)

    def minted(self, body: bytes) -> Credential:
        """Read the answer to it; the error's text never holds the body, which holds the token."""
        return _minted(body)

    def check(self, site: Site, credential: Credential | None, url: str | None) -> HttpRequest:
        """Return an event stream of one symbol: REST takes keys only, so a stream is all that a token opens."""
        return check_request(site, credential, url)

    def mannered(self, manner: Manner) -> "TradingViewDialect":
        """Return the dialect with the operator's names and times."""
        return TradingViewDialect(manner)

    def encoder(self, transport: Transport, symbols: SymbolTable, options: EncoderOptions) -> TradingViewEncoder:
        """Return what spells events; a quote's other fields are this vendor's own, so they always go along."""
        return TradingViewEncoder(transport, symbols, self._manner, options.wording)

    def conversation(self, transport: Transport, symbols: SymbolTable) -> TradingViewConversation:
        """Return the server's side of one connection."""
        return TradingViewConversation(transport, symbols, self._manner)

    def state_question(self, request: Request, symbols: SymbolTable) -> StateQuestion:
        """Return whose quote a REST request wants."""
        symbol = request.segments["symbol"]
        instrument = from_client(symbol, symbols, Transport.POLLING)
        if instrument is None:
            raise Refusal(Code.UNKNOWN_INSTRUMENT, f"The symbol '{symbol[:64]}' does not exist; it is EXCHANGE:TICKER")
        return StateQuestion(topic=Topic(TopicKind.QUOTE, instrument))

    def state_answer(self, request: Request, answer: StateAnswer, symbols: SymbolTable) -> HttpAnswer:
        """Return the newest quote in the vendor's envelope."""
        event, cursor = answer.events[-1]
        (message,) = TradingViewEncoder(Transport.POLLING, symbols, self._manner).encode(event, cursor, whole=True)
        return HttpAnswer(body=message.data)

    def mint_question(self, request: Request) -> Mint:
        """Return the key that a token request shows, in one of the three places the vendor takes, and the lifetime wished."""
        bearer, _, secret = request.headers.get("authorization", "").partition(" ")
        keys = {request.headers.get("x-rapidapi-key", ""), request.headers.get("x-api-key", "")}
        keys = {key for key in (*keys, secret.strip() if bearer.lower() == "bearer" else "") if key}
        if not keys:
            raise Refusal(Code.UNAUTHORIZED, "an API key is needed: X-RapidAPI-Key, X-API-Key or Authorization: Bearer")
        if len(keys) > 1:
            raise Refusal(Code.BAD_REQUEST, "two different API keys in one request")
        return Mint(api_key=keys.pop(), ttl_seconds=_wished_seconds(request.body))

    def mint_answer(
        self, request: Request, token: str, expires: UnixNanos, sse_url: str, websocket_url: str
    ) -> HttpAnswer:
        """Return the vendor's token answer; `expiresIn` is what the token itself says, or what was wished."""
        claims = claims_of(token)
        lifetime = _wished_seconds(request.body) if claims.iat is None else expires / SECONDS - claims.iat
        return HttpAnswer(body=spell_token(token, expires, lifetime, sse_url, websocket_url))

    def refusal(
        self, code: Code, message: str, retry: Retry, retry_after_seconds: float | None, status: int
    ) -> HttpAnswer:
        """Return the documented error body (VENDORS §1.8); the status is the goodbye table's."""
        error = {"code": ERROR_CODES[code], "message": message}
        return HttpAnswer(body=msgspec.json.encode({"success": False, "error": error}), status=0)


def _wished_seconds(body: bytes) -> float | None:
    """What a token request's body says of the lifetime; None = nothing.

    Raises:
        Refusal: it is no JSON object, or wishes what there is not.
    """
    try:
        wish = msgspec.json.decode(body or b"{}", type=MintBody).type
    except MALFORMED as error:
        raise Refusal(Code.BAD_REQUEST, "the body is a JSON object, such as {}") from error
    if wish is not None and str(wish) not in LIFETIMES:
        raise Refusal(Code.BAD_REQUEST, "Invalid type parameter")
    return None if wish is None else LIFETIMES[str(wish)]


def _minted(body: bytes) -> Credential:
    """Read a token answer. `expiresAt` (Unix milliseconds) says when the token ends, else its own `exp` does.

    Raises:
        VendorProtocolError: malformed; without the offending bytes, which hold the token.
    """
    try:
        told = msgspec.json.decode(body, type=Minted)
        expires = _token_end(told.token) if told.expires_at is None else moment(Decimal(told.expires_at))
    except MALFORMED as error:
        raise VendorProtocolError(f"a token answer that cannot be read: {error}") from None
    if not told.token:
        raise VendorProtocolError("a token answer with an empty token")
    return Credential(token=told.token, expires_at=expires, sse_url=told.sse_url, websocket_url=told.ws_url)


def _token_end(token: str) -> UnixNanos | None:
    end = claims_of(token).exp
    try:
        return None if end is None else moment(Decimal(end))
    except ValueError:
        return None  # a moment beyond all calendars: as good as none


DIALECT = TradingViewDialect()
