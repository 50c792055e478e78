"""What Liquidity is sent: the SSE query, the WebSocket's subscribe messages and REST questions; and the first two, read back.

Both directions stand together because a server must read exactly what a client may write.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

import msgspec

from bridge.dialects.contract import (
    Asked,
    Credential,
    HttpRequest,
    Question,
    QuestionKind,
    Refusal,
    Site,
    SymbolTable,
    Transport,
)
from bridge.dialects.scalars import reader
from bridge.errors import ConfigError, VendorProtocolError
from bridge.model import Code, Topic, TopicKind
from bridge.model.topic import MAX_DEPTH

REALTIME_PATH = "/api/realtime"
"""The page's path; the base protocol moved to `/v1/realtime` on 2026-05-15, hence `Site.realtime_path` (VENDORS §2.4)."""

WEBSOCKET_PATH = "/ws"

DEFAULT_DEPTH = 20
"""Levels a side of an `orderbook` without a depth: assumed, the page's example (VENDORS §2.5)."""

NO_ORDER = "ord_00000000000000000000"
"""Spelled like an order's id (`ord_…` [doc]), and nobody's."""

SSE_KINDS = (TopicKind.QUOTE, TopicKind.BOOK, TopicKind.TRADE)
"""What `subscribe=` takes, beside `all`."""

CHANNELS = {TopicKind.BOOK: "orderbook", TopicKind.TRADE: "trades"}
"""What the WebSocket has."""

KINDS = {channel: kind for kind, channel in CHANNELS.items()}


class LiquidityRequests:
    """What one session sends.

    Args:
        asked: what the session asks for.
        site: where the vendor lives.
    """

    def __init__(self, asked: Asked, site: Site) -> None:
        self._asked = asked
        self._site = site

    def open(self, credential: Credential | None, last_event_id: str | None) -> HttpRequest:
        """Return the opening request; the vendor's event ids name the connection, so `last_event_id` is not sent.

        Raises:
            ConfigError: `credential_place` is no place.
            ValueError: on polling, which has no connection: each poll is a `question`.
        """
        match self._asked.lane.transport:
            case Transport.SSE:
                return self._sse(credential)
            case Transport.WEBSOCKET:
                return _upgrade(self._site, credential)
            case Transport.POLLING:
                msg = "polling opens no connection"
                raise ValueError(msg)

    def _sse(self, credential: Credential | None) -> HttpRequest:
        asked = self._asked
        wanted = [f"{topic.kind.value}:{asked.symbol(topic)}" for topic in asked.topics if topic.kind in SSE_KINDS]
        query = f"?subscribe={quote(','.join(wanted), safe=':,')}" if wanted else ""
        return HttpRequest(
            url=f"{self._site.url}{self._site.realtime_path or REALTIME_PATH}{query}",
            headers=(("Accept", "text/event-stream"), *_bearer(credential)),
        )

    def subscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """Return one message a topic; on SSE nothing, the query has them all."""
        if self._asked.lane.transport is not Transport.WEBSOCKET:
            return []
        depth = self._asked.depth
        return [
            self._message(
                "subscribe", topic, {"depth": depth} if depth is not None and topic.kind is TopicKind.BOOK else {}
            )
            for topic in topics
        ]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """Return one message a topic; on SSE nothing can be unsubscribed."""
        if self._asked.lane.transport is not Transport.WEBSOCKET:
            return []
        return [self._message("unsubscribe", topic, {}) for topic in topics]

    def ping(self) -> bytes | None:
        """Return None: no application ping is documented."""
        return None

    def _message(self, kind: str, topic: Topic, more: Mapping[str, int]) -> bytes:
        symbol = self._asked.symbol(topic)
        return msgspec.json.encode({"type": kind, "channel": CHANNELS[topic.kind], "symbol": symbol, **more})


def _upgrade(site: Site, credential: Credential | None) -> HttpRequest:
    """How the WebSocket is authorised is not documented; by default as SSE is (VENDORS §2.2)."""
    url = site.websocket_url or f"ws{site.url.removeprefix('http')}{WEBSOCKET_PATH}"
    place = site.credential_place or "header"
    if place not in {"header", "query", "none"}:
        raise ConfigError(f"credential_place is header, query or none, not {place!r}")
    if place == "query" and credential is not None:
        url += ("&" if "?" in url else "?") + urlencode({"token": credential.token})
    return HttpRequest(url=url, headers=_bearer(credential) if place == "header" else ())


def _bearer(credential: Credential | None) -> tuple[tuple[str, str], ...]:
    return () if credential is None else (("Authorization", f"Bearer {credential.token}"),)


def rest_request(
    question: Question, symbols: SymbolTable, site: Site, credential: Credential | None
) -> HttpRequest | None:
    """Return the request that asks for an asset's quote or book or an order's state; None for anything else."""
    if question.kind is QuestionKind.ORDER:
        path = None if question.order_id is None else f"/v1/orders/{quote(question.order_id, safe='')}"
    elif question.kind in {QuestionKind.QUOTE, QuestionKind.BOOK} and question.instrument is not None:
        symbol = symbols.vendor_symbol(question.instrument, Transport.POLLING)
        path = None if symbol is None else f"/v1/assets/{quote(symbol, safe='')}/{question.kind.value}"
    else:
        path = None
    if path is None:
        return None
    return HttpRequest(url=(site.rest_url or site.url) + path, headers=_rest_headers(site, credential))


def _rest_headers(site: Site, credential: Credential | None) -> tuple[tuple[str, str], ...]:
    tenant = () if site.tenant_token is None else (("tenant-authorization", site.tenant_token),)
    return (("Accept", "application/json"), *_bearer(credential), *tenant)


def check_request(site: Site, credential: Credential | None, url: str | None) -> HttpRequest:
    """Ask for an order that cannot be: who may ask for orders is told that there is none, everybody else is refused."""
    url = url or f"{site.rest_url or site.url}/v1/orders/{NO_ORDER}"
    return HttpRequest(url=url, headers=_rest_headers(site, credential))


class ClientFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a client's `subscribe` or `unsubscribe` carries; `depth` counts levels a side."""

    channel: str | None = None
    symbol: str | None = None
    depth: int | None = None


class ClientMessage(ClientFields, frozen=True, kw_only=True):
    """What a client sends on the WebSocket: flat as in every sample, or with its fields in `data`."""

    type: str
    data: ClientFields | None = None


_read_client_message = reader(ClientMessage)


def read_client_message(text: bytes) -> ClientMessage:
    """Read a client's message.

    Raises:
        Refusal: `bad_request`.
    """
    try:
        return _read_client_message(text)
    except VendorProtocolError as error:
        raise Refusal(Code.BAD_REQUEST, f"not a message: {error.reason}") from error


def read_channel(fields: ClientFields, symbols: SymbolTable) -> Topic:
    """Read which topic a client means; a book has the depth it asks for, and none when that is 0 or beyond our largest cut.

    Raises:
        Refusal: `bad_request`, or `unknown_instrument` with the topic as it was meant; `ref` is the symbol as it was said.
    """
    kind = KINDS.get(fields.channel or "")
    if kind is None:
        raise Refusal(Code.BAD_REQUEST, f"channel is one of {', '.join(KINDS)}")
    if not fields.symbol:
        raise Refusal(Code.BAD_REQUEST, "symbol is missing")
    depth = DEFAULT_DEPTH if fields.depth is None else fields.depth
    if depth < 0:
        raise Refusal(Code.BAD_REQUEST, "depth is a number of levels; 0 means all")
    instrument = symbols.instrument(fields.symbol, Transport.WEBSOCKET)
    if instrument is None:
        symbol = fields.symbol[:64]
        raise Refusal(Code.UNKNOWN_INSTRUMENT, "there is no such symbol", topic=f"{kind.value}:{symbol}", ref=symbol)
    cut = kind is TopicKind.BOOK and 0 < depth <= MAX_DEPTH
    return Topic(kind, instrument, depth=depth if cut else None)


def read_query(values: Sequence[str], symbols: SymbolTable) -> tuple[Topic, ...]:
    """Read `subscribe=quote:AAPL,all:BTC`; () when there is none.

    Raises:
        Refusal: `bad_request`, or `unknown_instrument`.
    """
    items = [item.strip() for value in values for item in value.split(",") if item.strip()]
    return tuple(dict.fromkeys(_sse_topic(item, symbols) for item in items))


def _sse_topic(item: str, symbols: SymbolTable) -> Topic:
    channel, _, asset = item.partition(":")
    kinds = {kind.value: kind for kind in (*SSE_KINDS, TopicKind.ALL)}
    if channel not in kinds or not asset:
        known = ", ".join(kinds)
        raise Refusal(Code.BAD_REQUEST, f"subscribe takes channel:asset with one of {known}, not {item[:90]!r}")
    instrument = symbols.instrument(asset, Transport.SSE)
    if instrument is None:
        raise Refusal(Code.UNKNOWN_INSTRUMENT, f"there is no asset {asset[:64]!r}", topic=item[:90])
    return Topic(kinds[channel], instrument)
