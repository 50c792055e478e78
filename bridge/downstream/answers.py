"""Whole answers, said through ASGI: to a plain request, and to a WebSocket handshake that is refused.

An answer that belongs to no dialect (no such path, a host that we do not go by) has the canonical shape.
"""

from collections.abc import Sequence
from http import HTTPStatus

import msgspec

from bridge.dialects.contract import HttpAnswer
from bridge.downstream.goodbyes import GOODBYES, NOT_STORED
from bridge.downstream.origin import preflight_headers
from bridge.downstream.outlet import Send
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
    body = msgspec.json.encode({"error": {"code": code.value, "message": message, "retry": row.retry.value}})
    return HttpAnswer(
        body=body, headers=(("content-type", "application/json"), NOT_STORED, *headers), status=int(status or row.http)
    )


def nothing_here() -> HttpAnswer:
    """Nobody has this path."""
    return plain_refusal(Code.BAD_REQUEST, "there is nothing at this path", HTTPStatus.NOT_FOUND)


def no_websocket_here() -> HttpAnswer:
    """A WebSocket handshake on another kind of endpoint."""
    return plain_refusal(Code.BAD_REQUEST, "this endpoint is not a WebSocket; ask without Upgrade")


def only_websocket_here() -> HttpAnswer:
    """A plain request on a WebSocket endpoint."""
    return plain_refusal(
        Code.BAD_REQUEST, "this endpoint is a WebSocket", HTTPStatus.UPGRADE_REQUIRED, ("upgrade", "websocket")
    )


def other_method(method: str, methods: Sequence[str]) -> HttpAnswer:
    """Answer a method that the path's endpoint does not serve: OPTIONS is told what it may ask, others 405."""
    allow = ("allow", ", ".join(methods))
    if method == "OPTIONS":
        preflight = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in preflight_headers(methods)]
        return HttpAnswer(body=b"", headers=(allow, *preflight), status=HTTPStatus.NO_CONTENT)
    return plain_refusal(Code.BAD_REQUEST, f"{method} is not for this path", HTTPStatus.METHOD_NOT_ALLOWED, allow)


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
