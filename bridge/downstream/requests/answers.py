"""Whole answers, said through ASGI: to a plain request, and to a WebSocket handshake that is refused.

An answer that belongs to no dialect (no such path, a host that we do not go by) has the canonical shape.
"""

from collections.abc import Sequence
from http import HTTPStatus

import msgspec

from bridge.dialects.contract import ErrorBody, ErrorSaid, HttpAnswer, Refusal
from bridge.downstream.access.origin import preflight_headers
from bridge.downstream.contract import ServedDialect
from bridge.downstream.goodbyes import GOODBYES, NOT_STORED, refusal_answer
from bridge.downstream.outlets.outlet import Send
from bridge.model import Code

Header = tuple[bytes, bytes]


def plain_refusal(
    code: Code, message: str, status: int | HTTPStatus | None = None, *headers: tuple[str, str]
) -> HttpAnswer:
    """Spell a refusal that belongs to no dialect.

    Args:
        code: the row of the goodbye table.
        message: one sentence with the way out.
        status: None = the row's.
        headers: beside the content type.
    """
    row = GOODBYES[code]
    body = msgspec.json.encode(ErrorBody(error=ErrorSaid(code=code, message=message, retry=row.retry)))
    return HttpAnswer(
        body=body, headers=(("content-type", "application/json"), NOT_STORED, *headers), status=int(status or row.http)
    )


def in_shape(
    served: ServedDialect | None, code: Code, message: str, status: HTTPStatus, *headers: tuple[str, str]
) -> HttpAnswer:
    """Spell a refusal in the shape of the dialect that a request was meant for; None = of none."""
    if served is None:
        return plain_refusal(code, message, status, *headers)
    return refusal_answer(Refusal(code, message), served, status, *headers)


def nothing_here(served: ServedDialect | None) -> HttpAnswer:
    """Nobody has this path."""
    return in_shape(served, Code.BAD_REQUEST, "there is nothing at this path", HTTPStatus.NOT_FOUND)


def no_websocket_here(served: ServedDialect | None) -> HttpAnswer:
    """A WebSocket handshake on another kind of endpoint."""
    message = "this endpoint is not a WebSocket; ask without Upgrade"
    return in_shape(served, Code.BAD_REQUEST, message, HTTPStatus.BAD_REQUEST)


def only_websocket_here(served: ServedDialect | None, http_version: str) -> HttpAnswer:
    """A plain request on a WebSocket endpoint. Only HTTP/1.1 can be upgraded: HTTP/2 has no such header (RFC 9113 §8.2.2)."""
    if http_version == "1.1":
        way_out = (("upgrade", "websocket"), ("connection", "upgrade"))
        message = "this endpoint is a WebSocket"
        return in_shape(served, Code.BAD_REQUEST, message, HTTPStatus.UPGRADE_REQUIRED, *way_out)
    message = "this endpoint is a WebSocket, for which a connection of HTTP/1.1 is needed"
    return in_shape(served, Code.BAD_REQUEST, message, HTTPStatus.BAD_REQUEST)


def what_is_allowed(methods: Sequence[str]) -> HttpAnswer:
    """Answer OPTIONS with what may be asked of a path."""
    preflight = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in preflight_headers(methods)]
    return HttpAnswer(body=b"", headers=(("allow", ", ".join(methods)), *preflight), status=HTTPStatus.NO_CONTENT)


def other_method(served: ServedDialect | None, method: str, methods: Sequence[str]) -> HttpAnswer:
    """Answer a method that the path's endpoint does not serve: OPTIONS is told what it may ask, others 405."""
    if method == "OPTIONS":
        return what_is_allowed(methods)
    message, allow = f"{method[:20]} is not for this path", ("allow", ", ".join(methods))
    return in_shape(served, Code.BAD_REQUEST, message, HTTPStatus.METHOD_NOT_ALLOWED, allow)


async def answer_http(send: Send, answer: HttpAnswer, more: Sequence[Header] = ()) -> None:
    """Say a whole answer to a request."""
    await send({"type": "http.response.start", "status": answer.status, "headers": [*_headers(answer), *more]})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def refuse_websocket(send: Send, answer: HttpAnswer, more: Sequence[Header] = ()) -> None:
    """Refuse a handshake with a real HTTP answer (ASGI's `websocket.http.response` extension)."""
    headers = [*_headers(answer), (b"connection", b"close"), *more]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body, "more_body": False})


def _headers(answer: HttpAnswer) -> list[Header]:
    own = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    bodiless = answer.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
    return own if bodiless else [*own, (b"content-length", b"%d" % len(answer.body))]
