"""Reads an ASGI scope: who is at the other end and what the request says, its credentials taken out of it.

After this nothing but `Peer.tokens` holds a credential, so whatever prints or logs a `Request` cannot leak one. The exception
is a `MINT` endpoint, whose dialect must read the API key from the headers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from bridge.dialects.contract import Endpoint, EndpointKind, Request
from bridge.downstream.access.origin import UNKNOWN, Network, Way, believed, is_authority, plain_address
from bridge.downstream.contract import Peer
from bridge.downstream.requests.routes import Match

Scope = Mapping[str, Any]

CREDENTIAL_HEADERS: Final = frozenset({"authorization", "x-api-key", "x-rapidapi-key"})
"""What a `MINT` endpoint's dialect may read."""

_NEVER_HANDED_ON: Final = frozenset({"cookie", "proxy-authorization", "sec-websocket-protocol", "tenant-authorization"})
"""The last is a second token that one vendor's clients send with REST; here the first says it all."""

LISTS: Final = frozenset({"accept", "accept-encoding", "if-match", "if-none-match"})
"""Headers whose lines are one list, on however many they stand (RFC 9110 §5.3)."""

_TOKEN_IN_QUERY: Final = frozenset({EndpointKind.SSE, EndpointKind.WEBSOCKET})
_MAX_QUERY_FIELDS: Final = 1_000
_BEARER: Final = "bearer"
_SCHEMES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A request as far as it can be read before its endpoint is known. Its text hides credentials.

    Attributes:
        way: how it reached us.
        headers: lower-case names; the lines of one name joined by commas.
        last: as `headers`, but the last line of each name.
        query: each name with all its values, decoded.
        protocols: the WebSocket subprotocols offered.
    """

    way: Way
    http_version: str
    headers: Mapping[str, str]
    last: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    protocols: Sequence[str] = ()

    @property
    def origin(self) -> str | None:
        """The `Origin`; None = none sent."""
        return self.last.get("origin")

    def __repr__(self) -> str:
        return f"<Arrival from {self.way.address}>"

    __str__ = __repr__


def arrival(scope: Scope, trusted: Sequence[Network]) -> Arrival:
    """Read a scope of type `http` or `websocket`.

    Raises:
        ValueError: the query has too many fields, or the `Host` is none; the sentence is fit for the client.
    """
    lines = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    joined: dict[str, str] = {}
    for name, value in lines:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    if not is_authority(joined.get("host") or "localhost"):
        raise ValueError("the Host is malformed")
    client = scope.get("client")
    direct = Way(
        address=plain_address(client[0]) if client else UNKNOWN,
        scheme=_SCHEMES[scope["scheme"]],
        authority=joined.get("host") or None,
    )
    return Arrival(
        way=believed(direct, joined, trusted),
        http_version=scope["http_version"],
        headers=joined,
        last=dict(lines),
        query=_query(scope["query_string"]),
        protocols=tuple(scope.get("subprotocols", ())),
    )


def _query(raw: bytes) -> dict[str, list[str]]:
    pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return query


def peer_of(came: Arrival, endpoint: Endpoint) -> Peer:
    """Describe who is at the other end, with every bearer credential it shows at this kind of endpoint."""
    tokens = _bearer_tokens(came.headers.get("authorization", ""))
    if endpoint.kind in _TOKEN_IN_QUERY:
        tokens += [token for token in came.query.get("token", ()) if token]
    if endpoint.kind is EndpointKind.WEBSOCKET and _BEARER in came.protocols[:-1]:
        tokens.append(came.protocols[came.protocols.index(_BEARER) + 1])
    return Peer(
        address=came.way.address,
        scheme=came.way.scheme,
        host=came.way.host,
        authority=came.way.authority,
        origin=came.origin,
        http_version=came.http_version,
        tokens=tuple(tokens),
    )


def _bearer_tokens(value: str) -> list[str]:
    credentials = [each.strip().partition(" ") for each in value.split(",")]
    return [token.strip() for scheme, _, token in credentials if scheme.lower() == _BEARER and token.strip()]


def request_of(came: Arrival, match: Match, body: bytes = b"") -> Request:
    """Return what the request says, without credentials (but for those that a `MINT` endpoint is made for)."""
    endpoint = match.route.endpoint
    hidden = _NEVER_HANDED_ON if endpoint.kind is EndpointKind.MINT else _NEVER_HANDED_ON | CREDENTIAL_HEADERS
    return Request(
        endpoint=endpoint,
        segments=match.segments,
        query={name: values for name, values in came.query.items() if name != "token"},
        headers={
            name: came.headers[name] if name in LISTS else value
            for name, value in came.last.items()
            if name not in hidden
        },
        body=body,
    )
