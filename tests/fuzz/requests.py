"""What a request says before anybody is trusted: target, query, `Forwarded`, `Host`, `Origin`, credentials, subprotocols, body.

An input is a request as HTTP/1.1 has it, without what the HTTP library refuses by itself (NUL, CR and LF in a header).
"""

from contextlib import suppress
from random import Random
from typing import Any
from urllib.parse import urlsplit

from bridge.config.rules import MIN_SECRET_BYTES
from bridge.dialects.contract import Endpoint, EndpointKind, Refusal, Request, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.access.identity import shown_token
from bridge.downstream.access.origin import cors_headers, host_allowed, origin_allowed, proxy_networks
from bridge.downstream.contract import ServedDialect
from bridge.downstream.requests.incoming import arrival, peer_of, request_of
from bridge.downstream.requests.polling import read_poll
from bridge.downstream.requests.routes import allowed_methods, choose, matches, raw_path, routes_of
from bridge.downstream.settings import AuthSettings, LimitSettings, ListenSettings
from bridge.model import Retry
from tests.dialects.stage import NAMES, SAMPLES, symbols_of
from tests.fuzz.clients import refused_at_most
from tests.fuzz.hunt import Judge, Target, told

TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl"
LISTEN = ListenSettings(
    trusted_proxies=("10.0.0.0/8", "2001:db8::/32"),
    allowed_origins=("https://desk.example", "http://[::1]:3000"),
    allowed_hosts=("bridge.example",),
    public_url="https://bridge.example",
)
OPEN, CLOSED = AuthSettings(mode="none"), AuthSettings(secret="s" * MIN_SECRET_BYTES)

SAMPLES_OF_REQUESTS = (
    b"GET /v1/stream?subscribe=quote:AAPL,book.20:BTC-USD&after=epoch1-7&conflate=true&max_rate=2.5 HTTP/1.1\n"
    b"host: bridge.example:8080\nlast-event-id: epoch1-9\norigin: https://desk.example\n\n",
    b"GET /v1/poll?subscribe=quote%3AAAPL&after=epoch1-7&wait=25&limit=500&extra=true HTTP/1.1\nhost: localhost\n"
    b'forwarded: for=192.0.2.60;proto=https;host=a.example, for="[2001:db8::1]:4711"\n\n',
    b"GET /v1/instruments/BTC-USD/bars?interval=5m&limit=10 HTTP/1.1\nhost: [::1]:80\nx-forwarded-for: 1.2.3.4, 10.0.0.1\n"
    b"x-forwarded-proto: https\nx-forwarded-host: b.example:444\n\n",
    b"GET /liquidity/api/realtime?subscribe=quote:AAPL,trade:BTC&token=%b HTTP/1.1\nhost: x\n\n" % TOKEN.encode(),
    b"GET /v1/assets/AAPL%%2FB/book?depth=5 HTTP/1.1\nhost: 127.0.0.1\nauthorization: Bearer %b\n\n" % TOKEN.encode(),
    b"GET /sse/stream?symbols=NASDAQ:AAPL,NYSE:TSLA&type=price&timeframe=5 HTTP/1.1\norigin: null\n\n",
    b"POST /api/token/generate HTTP/1.1\nx-rapidapi-key: a-key\ncontent-type: application/json\n\n"
    b'{"userId":"u","ttl":1800}',
    b"WS /v1/ws HTTP/1.1\nsec-websocket-protocol: bearer, %b\norigin: http://[::1]:3000\n\n" % TOKEN.encode(),
    b"WS /ws?token=%b HTTP/1.1\nhost: y\nauthorization: Bearer %b\n\n" % (TOKEN.encode(), TOKEN.encode()),
    b"GET https://bridge.example/v1/stream?subscribe=order HTTP/1.1\ncookie: a=b\nauthorization: Bearer a, Bearer b\n\n",
)


def _served() -> list[ServedDialect]:
    return [
        ServedDialect(
            dialect=load_dialect(name),
            symbols=SymbolTable(load_dialect(name).spelling, SAMPLES[name].aliases),
            limits=LimitSettings(),
            prefixes=("",) if name == "canonical" else ("", f"/{name}"),
        )
        for name in NAMES
    ]


def _request(_: Random) -> Judge:
    routes, trusted = routes_of(_served()), proxy_networks(LISTEN)

    def judge(data: bytes) -> str:
        scope, body = _scope(data)
        try:
            came = arrival(scope, trusted)
        except ValueError as error:
            return told(error, TOKEN)
        host_allowed(came.way, LISTEN, OPEN, ())
        if not origin_allowed(came.origin, came.way, LISTEN):
            return "foreign origin"
        for _, value in cors_headers(came.origin):
            assert value.decode("latin-1").isprintable(), "a header is forged"
        urlsplit(f"{came.way.scheme}://{came.way.authority}")  # what URLs that we tell are made of
        found = matches(routes, raw_path(scope["raw_path"]))
        if not found:
            return "no such path"
        assert "OPTIONS" in allowed_methods(found)
        match = choose(found, came.way.host, "liquidity")
        peer = peer_of(came, match.route.endpoint)
        with suppress(Refusal):
            shown_token(peer)
        request = request_of(came, match, body)
        for text in (repr(came), repr(peer), repr(request)):
            assert TOKEN not in text
        return _read(match.route.served, match.route.endpoint, request)

    return judge


def _read(served: ServedDialect, endpoint: Endpoint, request: Request) -> str:
    dialect, symbols = served.dialect, symbols_of(served.dialect.name)
    outcome = endpoint.kind.value
    try:
        match endpoint.kind:
            case EndpointKind.SSE | EndpointKind.WEBSOCKET:
                transport = Transport.SSE if endpoint.kind is EndpointKind.SSE else Transport.WEBSOCKET
                dialect.conversation(transport, symbols).open(request)
            case EndpointKind.MINT:
                assert dialect.mint_question(request).api_key
            case EndpointKind.STATE:
                if endpoint.name == "poll":
                    read_poll(request)
                else:
                    dialect.state_question(request, symbols)
    except Refusal as refusal:
        answer = dialect.refusal(refusal.code, refusal.message, Retry.NO, None, 0)
        assert len(answer.body) < 8_192
        return f"{outcome} {refused_at_most(refusal)}"
    return outcome


def _scope(data: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.replace(b"\0", b"").replace(b"\r", b"").split(b"\n")
    method, _, rest = first.partition(b" ")
    target, _, _ = rest.partition(b" ")
    path, _, query = target.partition(b"?")
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    offered = b",".join(value for name, value in pairs if name.lower() == b"sec-websocket-protocol")
    kind = "websocket" if method == b"WS" else "http"
    scope = {
        "type": kind,
        "scheme": "http",
        "method": method.decode("latin-1"),
        "http_version": "1.1",
        "raw_path": path,
        "query_string": query,
        "headers": pairs,
        "client": ("10.0.0.7", 4711),
        "subprotocols": [each.strip().decode("latin-1") for each in offered.split(b",") if each.strip()],
    }
    return scope, body


def targets() -> list[Target]:
    """Return this family's."""
    return [Target("request", SAMPLES_OF_REQUESTS, _request)]
