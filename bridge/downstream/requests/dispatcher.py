"""The one ASGI app: looks at `Host` and `Origin`, finds the endpoint, and hands the exchange to who serves it.

Streams are small ASGI apps of their own; everything else goes to the Quart-Trio app of `control`. A refusal that a stream raises
before its first byte becomes an HTTP status in its dialect's shape; an error never leaves here.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import structlog

from bridge.dialects.contract import EndpointKind, HttpAnswer, Refusal
from bridge.downstream.access.origin import cors_headers, host_allowed, origin_allowed, proxy_networks
from bridge.downstream.contract import Exchange, House, ServedDialect
from bridge.downstream.failures import described
from bridge.downstream.goodbyes import refusal_answer
from bridge.downstream.handlers import Handlers
from bridge.downstream.outlets.outlet import AsgiMessage, Receive, Scope, Send
from bridge.downstream.requests.answers import (
    answer_http,
    in_shape,
    no_websocket_here,
    nothing_here,
    only_websocket_here,
    other_method,
    plain_refusal,
    refuse_websocket,
    what_is_allowed,
)
from bridge.downstream.requests.control import CALL_KEY, Call, control_app
from bridge.downstream.requests.endpoints import HEALTH
from bridge.downstream.requests.incoming import Arrival, arrival, peer_of, request_of
from bridge.downstream.requests.negotiation import Objection, mistaken, objection
from bridge.downstream.requests.routes import (
    CANONICAL,
    Match,
    allowed_methods,
    choose,
    letters,
    matches,
    meant_for,
    raw_path,
    routes_of,
)
from bridge.model import Code

HEALTH_METHODS: Final = ("GET", "HEAD", "OPTIONS")

WEBSOCKET_METHODS: Final = ("GET", "OPTIONS")

ALL_METHODS: Final = ("GET", "HEAD", "POST", "PATCH", "OPTIONS")
"""What the house knows: the answer to `OPTIONS *`, which asks for no path's (RFC 9110 §9.3.7)."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """The ASGI app of a house.

    Args:
        house: the bridge.
        handlers: who serves what; None = the real ones.

    Raises:
        ConfigError: `listen.trusted_proxies` cannot be read.
    """

    def __init__(self, house: House, handlers: Handlers | None = None) -> None:
        self._house = house
        self._handlers = handlers or Handlers()
        self._control = control_app(house)
        self._learn()
        house.followers.append(self._learn)

    def _learn(self) -> None:
        """Go by the house's rules as they are now."""
        house = self._house
        self._trusted = proxy_networks(house.listen)
        self._routes = routes_of(house.served)
        self._names = [host for served in house.served for host in served.settings.hosts]

    def __repr__(self) -> str:
        return f"<Dispatcher {len(self._routes)} routes>"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's events are dicts of many shapes
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        websocket = scope["type"] == "websocket"
        say = refuse_websocket if websocket else answer_http
        try:
            came = arrival(scope, self._trusted)
        except ValueError as error:
            await say(send, plain_refusal(Code.BAD_REQUEST, str(error)))
            return
        unwelcome = self._unwelcome(came)
        if unwelcome is not None:
            await say(send, unwelcome, cors_headers(None))
        elif websocket:
            await self._websocket(came, scope, receive, send)
        else:
            await self._http(came, scope, receive, _with_headers(send, cors_headers(came.origin)))

    def _unwelcome(self, came: Arrival) -> HttpAnswer | None:
        """Return why nobody answers this `Host` or `Origin`; None when somebody may."""
        listen = self._house.listen
        if not host_allowed(came.way, listen, self._house.auth, self._names):
            return plain_refusal(Code.FORBIDDEN, "this bridge does not go by that Host; see listen.allowed_hosts")
        if not origin_allowed(came.origin, came.way, listen):
            return plain_refusal(Code.FORBIDDEN, "pages of that Origin may not use this; see listen.allowed_origins")
        return None

    def _found(self, scope: Scope, *, websocket: bool) -> tuple[list[Match], list[Match]]:
        """Return all that stands at the path, and those of them that this kind of request can mean."""
        found = matches(self._routes, raw_path(scope["raw_path"]))
        kind = EndpointKind.WEBSOCKET
        return found, [match for match in found if (match.route.endpoint.kind is kind) is websocket]

    def _chosen(self, found: Sequence[Match], came: Arrival) -> Match:
        return choose(found, came.way.host, self._house.listen.default_websocket_dialect)

    async def _websocket(self, came: Arrival, scope: Scope, receive: Receive, send: Send) -> None:
        found, fitting = self._found(scope, websocket=True)
        if not fitting:
            whose = self._whose(scope, found, came)
            await refuse_websocket(send, no_websocket_here(whose) if found else nothing_here(whose))
            return
        match = self._chosen(fitting, came)
        answer = _objected(match, mistaken(match.route.endpoint, came.query))
        if answer is None:
            exchange = _exchange(came, match, b"")
            serve = partial(self._handlers.websocket, self._house, exchange, scope, receive)
            answer = await _attempt(serve, exchange, send)
        if answer is not None:
            await refuse_websocket(send, answer)

    async def _http(self, came: Arrival, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = raw_path(scope["raw_path"]), scope["method"]
        if (health := letters(path)) in HEALTH:
            if _mistaken(method, HEALTH_METHODS):
                await answer_http(send, other_method(None, method, HEALTH_METHODS))
            else:
                await self._control({**scope, "path": health}, receive, send)
            return
        found, fitting = self._found(scope, websocket=False)
        able = [match for match in fitting if method in match.route.methods]
        if able and method != "OPTIONS":
            match = self._chosen(able, came)
            answer = _objected(match, mistaken(match.route.endpoint, came.query) or _particular(match, came))
            if answer is None:
                await self._endpoint(came, match, {**scope, "path": path}, receive, send)
            else:
                await answer_http(send, answer)
            return
        await answer_http(send, self._not_served(came, scope, found, fitting))

    def _not_served(self, came: Arrival, scope: Scope, found: Sequence[Match], fitting: Sequence[Match]) -> HttpAnswer:
        """Return what a request is told that nobody serves."""
        method, whose = scope["method"], self._whose(scope, found, came)
        if not found and method == "OPTIONS" and raw_path(scope["raw_path"]) == "*":
            return what_is_allowed(ALL_METHODS)
        if not found:
            return nothing_here(whose)
        if not fitting and method in {"GET", "HEAD"}:
            return only_websocket_here(whose, came.http_version)
        return other_method(whose, method, allowed_methods(fitting) if fitting else WEBSOCKET_METHODS)

    def _whose(self, scope: Scope, found: Sequence[Match], came: Arrival) -> ServedDialect | None:
        """Return the dialect in whose shape a request is answered that nobody serves; None = nobody's."""
        if found:
            return self._chosen(found, came).route.served
        return meant_for(self._house.served, raw_path(scope["raw_path"]), came.way.host)

    async def _endpoint(self, came: Arrival, match: Match, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = match.route.endpoint
        if endpoint.kind is not EndpointKind.SSE:
            call = Call(handler=self._handlers.answering(endpoint), exchange=partial(_exchange, came, match))
            scope["state"] = {**scope.get("state", {}), CALL_KEY: call}
            await self._control(scope, receive, send)
        else:
            exchange = _exchange(came, match, b"")
            serve = self._handlers.sse_head if scope["method"] == "HEAD" else self._handlers.sse
            answer = await _attempt(partial(serve, self._house, exchange, scope, receive), exchange, send)
            if answer is not None:
                await answer_http(send, answer)


def _particular(match: Match, came: Arrival) -> Objection | None:
    """Object to what our own endpoints are exact about; at a vendor's a client is served as it always was."""
    return objection(match.route.endpoint, came) if match.route.served.dialect.name == CANONICAL else None


def _objected(match: Match, why: Objection | None) -> HttpAnswer | None:
    if why is None:
        return None
    return in_shape(match.route.served, Code.BAD_REQUEST, why.message, why.status, *why.headers)


def _exchange(came: Arrival, match: Match, body: bytes) -> Exchange:
    return Exchange(
        served=match.route.served,
        request=request_of(came, match, body),
        peer=peer_of(came, match.route.endpoint),
        prefix=match.route.prefix,
    )


async def _attempt(serve: Callable[[Send], Awaitable[None]], exchange: Exchange, send: Send) -> HttpAnswer | None:
    """Run a stream; returns what to answer when it ended before its first word, else None.

    When it fails later there is nothing left to answer: the guard ends the response in the way its protocol has for that.
    """
    began = False

    async def watched(message: AsgiMessage) -> None:
        nonlocal began
        began = True
        await send(message)

    try:
        await serve(watched)
    except Refusal as refusal:
        reason = refusal
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this stream's alone
        log.error("stream_failed", endpoint=exchange.request.endpoint.path, errors=described(error))  # noqa: TRY400
        reason = Refusal(Code.INTERNAL, "something went wrong here; try again")
    else:
        return None
    return None if began else refusal_answer(reason, exchange.served)


def _with_headers(send: Send, more: Sequence[tuple[bytes, bytes]]) -> Send:
    """Return a `send` that adds headers to the response."""

    async def adding(message: AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return adding


def _mistaken(method: str, methods: Sequence[str]) -> bool:
    """Whether a method is not for who serves the path: OPTIONS never is."""
    return method == "OPTIONS" or method not in methods


async def _lifespan(receive: Receive, send: Send) -> None:
    """Answer a server that asks; ours does not, and nothing here needs starting."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
