"""The published specifications as judges of what the bridge says, with a JSON Schema validator that we did not write.

Keys that a specification does not name are mistakes here, though a client passes them over: nothing is said that is not
published.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from bridge.dialects.loader import load_dialect
from bridge.downstream.specs.asyncapi import asyncapi
from bridge.downstream.specs.openapi import openapi
from tests.support.data import absent

try:
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012
except ImportError:  # an environment from before the test extra had it
    Draft202012Validator = None

PLACED = (
    (load_dialect("canonical"), ""),
    (load_dialect("liquidity"), "/liquidity"),
    (load_dialect("tradingview"), "/tradingview"),
)
"""As a bridge serves them."""


@cache
def openapi_document() -> dict[str, Any]:
    """Return what a bridge publishes."""
    return openapi(PLACED, None)


@cache
def asyncapi_document() -> dict[str, Any]:
    """Return what a bridge publishes."""
    return asyncapi(PLACED, None)


def validator(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """Return what judges by a schema of a document, whose objects then have no keys but those named."""
    if Draft202012Validator is None:
        absent("jsonschema is not installed: pip install -e '.[dev]'")
    resource = DRAFT202012.create_resource(_closed(document))
    registry = Registry().with_resource("urn:document", resource)
    return Draft202012Validator(_absolute(schema), registry=registry)


def _closed(part: Any) -> Any:
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, Mapping):
        return part
    made = {key: _closed(each) for key, each in part.items()}
    if isinstance(part.get("properties"), Mapping) and part.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def _absolute(part: Any) -> Any:
    if isinstance(part, list):
        return [_absolute(each) for each in part]
    if isinstance(part, Mapping):
        return {key: f"urn:document{each}" if key == "$ref" else _absolute(each) for key, each in part.items()}
    return part


@cache
def _judge(path: str, method: str, status: str) -> Any:
    document = openapi_document()
    answer = document["paths"][path][method]["responses"][status]
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return validator(document, schema)


@cache
def judge_of_events() -> Any:
    """Return what judges one event of a stream."""
    return validator(openapi_document(), {"$ref": "#/components/schemas/Event"})


def operation_at(url: str) -> str | None:
    """Return the published path that a URL is one of; None when nothing is published there."""
    parts = urlsplit(url).path.split("/")
    for path in openapi_document()["paths"]:
        pattern = path.split("/")
        if len(pattern) == len(parts) and all(
            want == part or (want.startswith("{") and part) for want, part in zip(pattern, parts, strict=True)
        ):
            return path
    return None


def assert_published(url: str, method: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Assert that an answer is one that is published for its operation; nothing is said of what is not published at all."""
    if Draft202012Validator is None:
        return
    path = operation_at(url)
    operation = openapi_document()["paths"].get(path, {}).get(method.lower())
    if path is None or operation is None:
        return
    assert str(status) in operation["responses"], f"{method} {path} is not said to answer {status}: {body!r}"
    told = operation["responses"][str(status)]
    kind = headers.get("content-type", "").partition(";")[0]
    if not body:
        return
    assert kind in told.get("content", {}), f"{method} {path} is not said to answer {status} with {kind}"
    if kind == "application/json":
        problems = [error.message for error in _judge(path, method.lower(), str(status)).iter_errors(json.loads(body))]
        assert not problems, f"{method} {path} {status}: {problems} in {body!r}"
