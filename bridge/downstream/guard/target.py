"""What the guard makes of an HTTP/1.1 request's head before anybody else sees it: h11 is lenient where RFC 9112 lets a server be.

Whose length can be read in two ways is refused, for a proxy in front of us may have read it in the other one (§6.1). An absolute
target, which a server must take (§3.2.2), becomes a path and a `Host`, so that nobody behind has two names to choose from.
"""

import re
from typing import Final

import h11

from bridge.downstream.guard.terms import MAX_HEADER_BYTES

Headers = list[tuple[bytes, bytes]]

FIELD_BYTES: Final = 32
"""What a field counts beside its name and value, as in HTTP/2 (RFC 9113 §6.5.2): thousands of empty ones are not free."""

_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([/?].*)?", re.IGNORECASE)


def refusal_of(request: h11.Request) -> int | None:
    """Return the status with which a request is refused unread; None = it is not."""
    names = {name for name, _ in request.headers}
    if not request.http_version.startswith(b"1."):
        return 505
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0"):
        return 400
    if sum(len(name) + len(value) + FIELD_BYTES for name, value in request.headers) > MAX_HEADER_BYTES:
        return 431
    return None if _has_a_place(request) else 400


def _has_a_place(request: h11.Request) -> bool:
    """Whether its target is one for a server: not a proxy's CONNECT, and `*` only of OPTIONS (RFC 9112 §3.2)."""
    target = request.target
    if request.method == b"CONNECT":
        return False
    return (
        target.startswith(b"/")
        or (target == b"*" and request.method == b"OPTIONS")
        or bool(_ABSOLUTE.fullmatch(target))
    )


def as_origin_form(request: h11.Request) -> tuple[bytes, Headers]:
    """Return target and headers; an absolute target's authority becomes the `Host`, whatever that said."""
    absolute = _ABSOLUTE.fullmatch(request.target)
    headers = list(request.headers)
    if absolute is None:
        return request.target, headers
    authority, path = absolute[1], absolute[2] or b"/"
    target = path if path.startswith(b"/") else b"/" + path
    return target, [(b"host", authority), *[each for each in headers if each[0] != b"host"]]
