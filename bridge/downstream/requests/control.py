"""The control plane: a Quart-Trio app for everything that is one question and one answer.

Quart reads bodies within bounds, cancels a handler whose client has left (a waiting long poll), and answers. Which endpoint was
hit is not its business: the dispatcher has found it on the raw path and leaves a `Call` in the scope. A handler is a plain
`async (house, exchange) -> HttpAnswer`; what it refuses is spelled in its dialect, and what goes wrong in it is logged once and
answered with `internal`, without a traceback.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec
import structlog
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from bridge.dialects.contract import HttpAnswer, Refusal
from bridge.downstream.contract import Exchange, House
from bridge.downstream.failures import described
from bridge.downstream.goodbyes import refusal_answer
from bridge.downstream.outlets.outlet import Receive, Scope, Send
from bridge.downstream.readiness import Liveness, ReadinessSaid
from bridge.downstream.requests.answers import in_shape
from bridge.model import Code

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Handler = Callable[[House, Exchange], Awaitable[HttpAnswer]]

CALL_KEY: Final = "bridge.call"
"""Where the dispatcher leaves the `Call` in `scope["state"]`."""

MAX_BODY_BYTES: Final = 65_536
"""Of a request: a mint's body has some dozens."""

BODY_SECONDS: Final = 10
"""How long a body may take to arrive."""

RESPONSE_SECONDS: Final = 60
"""How long an answer may take to leave; the write deadline of the guard is met first by a client that does not read."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request on its way to its handler.

    Attributes:
        exchange: returns the exchange, given the body.
    """

    handler: Handler
    exchange: Callable[[bytes], Exchange]


def control_app(house: House) -> AsgiApp:
    """Return the app that serves a house's control plane."""
    app = QuartTrio(__name__, static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        BODY_TIMEOUT=BODY_SECONDS,
        RESPONSE_TIMEOUT=RESPONSE_SECONDS,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    app.url_map.merge_slashes = False  # paths are taken as they come
    app.url_map.strict_slashes = False

    async def healthz() -> Response:
        return _json(200, Liveness())

    async def readyz() -> Response:
        readiness = house.readiness()
        closing = house.leaving or house.closing.is_set()
        ready = readiness.ready and not closing
        said = ReadinessSaid(
            status="ready" if ready else "closing" if closing else "not ready", feeds=tuple(readiness.feeds)
        )
        return _json(200 if ready else 503, said)

    async def call(rest: str) -> Response:
        return _response(await _called(house, cast("Any", request.scope)["state"][CALL_KEY]))

    async def failed(error: HTTPException) -> Response:
        """Spell what Quart itself refuses: a body too long or too slow."""
        status = HTTPStatus(error.code or 500)
        code = Code.INTERNAL if status >= 500 else Code.BAD_REQUEST
        call = cast("Any", request.scope)["state"].get(CALL_KEY)
        served = None if call is None else call.exchange(b"").served
        return _response(in_shape(served, code, error.description or error.name, status))

    app.add_url_rule("/healthz", "healthz", healthz, methods=["GET"])
    app.add_url_rule("/readyz", "readyz", readyz, methods=["GET"])
    app.add_url_rule("/<path:rest>", "call", call, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    app.register_error_handler(HTTPException, failed)
    return cast("AsgiApp", app)  # Hypercorn's types name every event; ours are dicts


async def _called(house: House, call: Call) -> HttpAnswer:
    exchange = call.exchange(cast("bytes", await request.get_data(cache=False, as_text=False)))
    served, endpoint = exchange.served, exchange.request.endpoint
    try:
        return await call.handler(house, exchange)
    except Refusal as refusal:
        return refusal_answer(refusal, served)
    except Exception as error:  # noqa: BLE001 - a handler's mistake, whatever it is, must not show its insides
        log.error("handler_failed", endpoint=endpoint.path, dialect=served.dialect.name, errors=described(error))  # noqa: TRY400
        return refusal_answer(Refusal(Code.INTERNAL, "something went wrong here; try again"), served)


def _json(status: int, body: object) -> Response:
    return _response(
        HttpAnswer(
            body=msgspec.json.encode(body),
            headers=(("content-type", "application/json"), ("cache-control", "no-store")),
            status=status,
        )
    )


def _response(answer: HttpAnswer) -> Response:
    response = Response(answer.body, status=answer.status)
    del response.headers["content-type"]
    for name, value in answer.headers:
        response.headers.add(name, value)
    return response
