"""`/v1/openapi.json`: the OpenAPI 3.1 description of what a house serves, made of its routes, types, limits and goodbyes.

Nothing is written here that the code beside does not have: an endpoint says its parameters and the types of what it takes and
says, the goodbyes which status each code has.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from bridge import __version__
from bridge.dialects.contract import Dialect, Endpoint, EndpointKind, Parameter, Place
from bridge.downstream.goodbyes import GOODBYES
from bridge.downstream.requests.endpoints import HEALTH, OPEN, OWN, READYZ, STREAM, TAGGED
from bridge.downstream.specs.schemas import Schema, Schemas
from bridge.model import Code

Placed = Sequence[tuple[Dialect, str]]
"""The dialects that are served, each with the prefix under which its endpoints are published."""

CANONICAL: Final = "canonical"
_HEALTH: Final = "health"

JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream"

_OPEN_CODES: Final = frozenset({Code.BAD_REQUEST, Code.FORBIDDEN, Code.OVERLOADED, Code.INTERNAL})
"""What even an endpoint for everybody may answer: `forbidden` is for a `Host` or an `Origin`."""

_NEVER_ANSWERED: Final = frozenset({Code.SLOW_CONSUMER})
"""Codes that only end what is open."""

_BEARER: Final = "bearer"
_QUERY_TOKEN: Final = "query_token"  # noqa: S105 - the name of a place
_KEY: Final = "api_key"

_SECURITY: Final[Schema] = {
    _BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    _QUERY_TOKEN: {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "for EventSource, which has no headers",
    },
    _KEY: {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

_HEADERS: Final[Schema] = {
    "ETag": {"description": "for `If-None-Match`", "schema": {"type": "string"}},
    "Retry-After": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}},
}


def openapi(placed: Placed, public_url: str | None) -> Schema:
    """Return the document.

    Args:
        placed: what is served.
        public_url: what clients call us; None = whatever they called us to get this.
    """
    schemas = Schemas()
    paths: Schema = {}
    for dialect, prefix in placed:
        own = OWN if dialect.name == CANONICAL else ()
        for endpoint in (*dialect.endpoints, *own):
            if endpoint.kind is not EndpointKind.WEBSOCKET:
                _add(paths, dialect.name, prefix, endpoint, schemas)
            if dialect.name == CANONICAL and endpoint.kind is EndpointKind.SSE:
                schemas.events(endpoint.says)
    for endpoint in HEALTH.values():
        _add(paths, _HEALTH, "", endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "feedbridge",
            "version": __version__,
            "description": "What is said on streams: /v1/asyncapi.json.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url or "/"}],
        "paths": paths,
        "components": {"schemas": schemas.named, "securitySchemes": _SECURITY, "headers": _HEADERS},
    }


def _add(paths: Schema, tag: str, prefix: str, endpoint: Endpoint, schemas: Schemas) -> None:
    operation: Schema = {
        "operationId": _identifier(tag, endpoint),
        "summary": endpoint.about,
        "tags": [tag],
        "parameters": [_parameter(one, schemas) for one in endpoint.parameters],
        "responses": _responses(endpoint, schemas, own=tag in (CANONICAL, _HEALTH)),
        "security": _security(endpoint),
    }
    if endpoint.takes is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas.taken(endpoint.takes)}}}
    paths.setdefault(prefix + endpoint.path, {})[endpoint.method.lower()] = operation


def _identifier(tag: str, endpoint: Endpoint) -> str:
    words = [word for word in endpoint.path.replace(".", "/").split("/") if word and not word.startswith("{")]
    return "_".join([tag, endpoint.method.lower(), *words])


def _parameter(parameter: Parameter, schemas: Schemas) -> Schema:
    made: Schema = {
        "name": parameter.name,
        "in": parameter.place.value,
        "description": parameter.about,
        "required": parameter.required,
        "schema": schemas.taken(parameter.kind),
    }
    if parameter.many:
        made |= {"style": "form", "explode": False}
        made["schema"] |= {"minItems": 1} if parameter.required else {}
    if parameter.place is Place.QUERY:
        made["allowReserved"] = False
    return made


def _security(endpoint: Endpoint) -> list[Mapping[str, list[str]]]:
    """Return who gets in; the last is nobody in particular: `auth.mode = "none"`, or topics for everybody."""
    if endpoint.path in OPEN:
        return []
    if endpoint.kind is EndpointKind.MINT:
        return [{_KEY: []}, {_BEARER: []}]
    query: list[Mapping[str, list[str]]] = [{_QUERY_TOKEN: []}] if endpoint.kind is EndpointKind.SSE else []
    return [{_BEARER: []}, *query, {}]


def _responses(endpoint: Endpoint, schemas: Schemas, *, own: bool) -> Schema:
    said = schemas.said(endpoint.says) if endpoint.says is not None else {}
    media = EVENT_STREAM if endpoint.kind is EndpointKind.SSE else JSON
    ok: Schema = {"description": endpoint.about, "content": {media: {"schema": said}}}
    if endpoint.kind is EndpointKind.SSE:
        ok = {"description": "The stream, event by event.", "content": {media: {"schema": _event(said)}}}
    responses: Schema = {"200": ok}
    if endpoint.name in TAGGED and own:
        ok["headers"] = {"ETag": {"$ref": "#/components/headers/ETag"}}
        responses["304"] = {"description": "You have it already.", "headers": dict(ok["headers"])}
        responses["412"] = {"description": "It is not what your `If-Match` has.", "headers": dict(ok["headers"])}
    refused = schemas.said(endpoint.refuses) if endpoint.refuses is not None else {}
    for status, codes in _statuses(endpoint, own=own).items():
        responses[str(status)] = _refusal(codes, refused)
    if endpoint is READYZ:
        unready = [said, responses["503"]["content"][JSON]["schema"]]
        responses["503"]["content"] = {JSON: {"schema": {"anyOf": unready}}}
    return responses


def _event(said: Schema) -> Schema:
    """Return one event of a stream as an object of its lines."""
    data = {"type": "string", "contentMediaType": JSON, "contentSchema": said}
    lines = {"event": {"type": "string"}, "id": {"type": "string"}, "data": data}
    return {"type": "object", "properties": lines, "required": ["data"]}


def _refusal(codes: Sequence[Code], schema: Schema) -> Schema:
    waits = any(GOODBYES[code].retry_after_seconds is not None for code in codes)
    return {
        "description": " · ".join(f"`{code}`" for code in codes),
        "content": {JSON: {"schema": schema}},
        **({"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}} if waits else {}),
    }


def _statuses(endpoint: Endpoint, *, own: bool) -> Mapping[int, Sequence[Code]]:
    """Return the statuses of an endpoint's refusals, with the codes of each."""
    codes: Iterable[Code] = [code for code in GOODBYES if code not in _NEVER_ANSWERED]
    if endpoint.path in OPEN:
        codes = [code for code in codes if code in _OPEN_CODES]
    found: dict[int, list[Code]] = {}
    for code in codes:
        found.setdefault(GOODBYES[code].http, []).append(code)
    more = [HTTPStatus.REQUEST_ENTITY_TOO_LARGE] if endpoint.kind is not EndpointKind.SSE else []
    more += [HTTPStatus.NOT_ACCEPTABLE] if own else []
    more += [HTTPStatus.UNSUPPORTED_MEDIA_TYPE] if endpoint is STREAM else []
    for status in more:
        found[status] = [Code.BAD_REQUEST]
    return {int(status): found[status] for status in sorted(found)}
