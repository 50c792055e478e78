"""`/v1/asyncapi.json`: the AsyncAPI 3.0 description of what is said and heard on streams, made of the types that do it.

A channel is an endpoint, a message one of the words of its union. `send` is what the bridge says, `receive` what it hears.
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from bridge import __version__
from bridge.dialects.contract import Endpoint, EndpointKind, Place
from bridge.downstream.specs.openapi import JSON, Placed
from bridge.downstream.specs.schemas import Schema, Schemas

_STREAMS: Final = {EndpointKind.SSE: "http", EndpointKind.WEBSOCKET: "ws"}
"""The kinds of endpoints that are channels, and the protocol of each."""


def asyncapi(placed: Placed, public_url: str | None) -> Schema:
    """Return the document; takes what `openapi` takes."""
    schemas = Schemas()
    channels: Schema = {}
    operations: Schema = {}
    messages: Schema = {}
    for dialect, prefix in placed:
        for endpoint in dialect.endpoints:
            if endpoint.kind in _STREAMS:
                name = f"{dialect.name}_{endpoint.kind.value}"
                channels[name] = _channel(prefix, endpoint, schemas)
                for action, kind, words in _directions(endpoint, schemas):
                    told = {f"{dialect.name}_{kind}_{word}": reference for word, reference in words.items()}
                    messages |= {each: _message(each, told[each]) for each in told}
                    channels[name]["messages"] |= {each: _reference("messages", each) for each in told}
                    operations[f"{name}_{action}"] = _operation(action, name, list(told))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "feedbridge", "version": __version__, "license": {"name": "Apache-2.0"}},
        "defaultContentType": JSON,
        "servers": _servers(public_url),
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas.named, "securitySchemes": _SECURITY},
    }


_SECURITY: Final[Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "query_token": {"type": "httpApiKey", "in": "query", "name": "token"},
}


def _servers(public_url: str | None) -> Schema:
    parts = urlsplit(public_url or "")
    where: Schema = {"host": parts.netloc, **({"pathname": parts.path} if parts.path.strip("/") else {})}
    if not parts.netloc:
        where = {"host": "{host}", "variables": {"host": {"description": "the bridge's", "default": "127.0.0.1:8080"}}}
    secure = "s" if parts.scheme == "https" else ""
    security = [_reference("securitySchemes", name) for name in _SECURITY]
    return {protocol: {**where, "protocol": protocol + secure, "security": security} for protocol in _STREAMS.values()}


def _channel(prefix: str, endpoint: Endpoint, schemas: Schemas) -> Schema:
    protocol = _STREAMS[endpoint.kind]
    channel: Schema = {
        "address": prefix + endpoint.path,
        "summary": endpoint.about,
        "servers": [{"$ref": f"#/servers/{protocol}"}],
        "messages": {},
    }
    if endpoint.kind is EndpointKind.WEBSOCKET:
        query: Schema = {
            one.name: {"description": one.about, **schemas.taken(one.kind)}
            for one in endpoint.parameters
            if one.place is Place.QUERY
        }
        channel["bindings"] = {"ws": {"method": "GET", "query": {"type": "object", "properties": query}}}
    return channel


def _directions(endpoint: Endpoint, schemas: Schemas) -> Iterator[tuple[str, str, Schema]]:
    """Return the action, a word for it, and the references of each message's schema by its tag."""
    if endpoint.says is not None:
        yield "send", "said", _words(schemas.said(endpoint.says))
    if endpoint.takes is not None:
        yield "receive", "heard", _words(schemas.taken(endpoint.takes))


def _words(union: Any) -> Schema:  # noqa: ANN401 - a schema
    words: Schema = union["discriminator"]["mapping"]
    return words


def _message(name: str, reference: str) -> Schema:
    return {"name": name, "contentType": JSON, "payload": {"$ref": reference}}


def _operation(action: str, channel: str, told: list[str]) -> Schema:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{each}"} for each in told],
    }


def _reference(section: str, name: str) -> Schema:
    return {"$ref": f"#/components/{section}/{name}"}
