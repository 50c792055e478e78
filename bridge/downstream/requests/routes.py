"""Which endpoint a request hits. Plain functions over the raw path.

Paths are matched as they came, percent-encoded: an instrument's id is one segment whatever it contains, so `/` in it comes as
`%2F`. Each segment is decoded after the path was cut. Several dialects may own one path (`/ws`): the `Host` decides, then
`listen.default_websocket_dialect`, then the order in which they are served.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from bridge.dialects.contract import Endpoint, EndpointKind
from bridge.downstream.contract import ServedDialect
from bridge.downstream.requests.endpoints import OWN

CANONICAL: Final = "canonical"
"""The dialect whose neighbours our own endpoints are."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as it stands here.

    Attributes:
        pattern: the path's segments; `{name}` stands for any one.
        prefix: under which of the dialect's prefixes it stands.
    """

    served: ServedDialect
    endpoint: Endpoint
    pattern: tuple[str, ...]
    prefix: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        """What may be asked of it; HEAD comes with GET."""
        method = self.endpoint.method
        return (method, "HEAD") if method == "GET" else (method,)


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A route and what stood in its `{name}` segments, decoded."""

    route: Route
    segments: dict[str, str]


def routes_of(served_dialects: Sequence[ServedDialect]) -> tuple[Route, ...]:
    """Return every route, in order of precedence."""
    routes = []
    for served in served_dialects:
        own = OWN if served.dialect.name == CANONICAL else ()
        for prefix in served.prefixes:
            for endpoint in (*served.dialect.endpoints, *own):
                pattern = tuple((prefix + endpoint.path).split("/"))
                routes.append(Route(served=served, endpoint=endpoint, prefix=prefix, pattern=pattern))
    return tuple(routes)


def raw_path(target: bytes) -> str:
    """Return a request target's path, still percent-encoded; of an absolute URL (as proxies are sent it) its path."""
    text = target.decode("latin-1")
    if not text.startswith("/") and "://" in text:
        try:
            return urlsplit(text).path or "/"
        except ValueError:  # its brackets hold no address; nothing of ours stands there
            return text
    return text


def matches(routes: Sequence[Route], path: str) -> list[Match]:
    """Return all routes of a raw path, in order."""
    parts = _decoded(path)
    if parts is None:
        return []
    found = []
    for route in routes:
        segments = _bind(route.pattern, parts)
        if segments is not None:
            found.append(Match(route=route, segments=segments))
    return found


def letters(path: str) -> str:
    """Return a raw path with its percent-encoded letters decoded, each segment by itself; what is no text comes back as it is."""
    parts = _decoded(path)
    return path if parts is None or any("/" in part for part in parts) else "/".join(parts)


def _decoded(path: str) -> list[str] | None:
    try:
        return [unquote(part, encoding="utf-8", errors="strict") for part in path.split("/")]
    except UnicodeDecodeError:
        return None


def _bind(pattern: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    segments = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted.startswith("{") and wanted.endswith("}"):
            if not part:
                return None
            segments[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return segments


def choose(found: Sequence[Match], host: str | None, default_websocket_dialect: str) -> Match:
    """Return which of several matches answers.

    Args:
        found: at least one.
        host: the request's, without port, lower case; None = none sent.
        default_websocket_dialect: who answers on a WebSocket path when no host decides.
    """
    for match in found:
        if host is not None and host in {name.lower() for name in match.route.served.settings.hosts}:
            return match
    for match in found:
        websocket = match.route.endpoint.kind is EndpointKind.WEBSOCKET
        if websocket and match.route.served.dialect.name == default_websocket_dialect:
            return match
    return found[0]


def way_to(
    dialects: Sequence[ServedDialect], served: ServedDialect, endpoint: Endpoint, host: str | None, default: str
) -> str:
    """Return the prefix under which a client that calls us `host` meets this dialect's endpoint, and not another's.

    Args:
        dialects: all that are served, in order.
        served: whose endpoint.
        endpoint: one without `{name}`s.
        host: as for `choose`.
        default: `listen.default_websocket_dialect`.
    """
    routes = routes_of(dialects)
    for prefix in served.prefixes:
        found = matches(routes, prefix + endpoint.path)
        if found and choose(found, host, default).route.served is served:
            return prefix
    return served.prefixes[-1]


def meant_for(dialects: Sequence[ServedDialect], path: str, host: str | None) -> ServedDialect | None:
    """Return whose client asks for a path that nobody has: by its prefix, by the host, or of the only one there is."""
    for served in dialects:
        if any(prefix and path.startswith(f"{prefix}/") for prefix in served.prefixes):
            return served
    for served in dialects:
        if host is not None and host in {name.lower() for name in served.settings.hosts}:
            return served
    return dialects[0] if len(dialects) == 1 else None


def allowed_methods(found: Sequence[Match]) -> tuple[str, ...]:
    """Return what may be asked of a path, for `Allow`."""
    return tuple(dict.fromkeys([*(method for match in found for method in match.route.methods), "OPTIONS"]))
