"""JSON Schemas of what we say and take, made of the types themselves.

A type that a message is read with takes more than we say: nulls, and the absence of what is always there. In the schema of what
is said there is neither. What is taken stays as it is read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from bridge.dialects.contract.published import EVENT, SAID_ALWAYS

Schema = dict[str, Any]

REFERENCE: Final = "#/components/schemas/"


class Schemas:
    """The schemas of one document, by name, gathered while the document is made.

    Attributes:
        named: what stands under `components.schemas`.
    """

    def __init__(self) -> None:
        self.named: Schema = {}

    def said(self, kind: Any) -> Schema:  # noqa: ANN401 - a type, or what stands for one
        """Return the schema of what we say."""
        return self._made(kind, _as_said)

    def taken(self, kind: Any) -> Schema:  # noqa: ANN401 - likewise
        """Return the schema of what we are told."""
        return self._made(kind, _as_taken)

    def events(self, kind: Any) -> None:  # noqa: ANN401 - likewise
        """Have all that is said on a stream stand under `EVENT`."""
        self.named[EVENT] = {"description": "What is said on a stream.", **self.said(kind)}

    def _made(self, kind: Any, finish: Any) -> Schema:  # noqa: ANN401 - likewise
        template = REFERENCE + "{name}"
        (schema,), components = msgspec.json.schema_components([kind], ref_template=template)
        for name, component in components.items():
            self.named[_name(name)] = _renamed(finish(component))
        made: Schema = _renamed(finish(schema))
        return made


def _name(name: str) -> str:
    """Return what a type is called outside: nobody there reads messages of another bridge."""
    return name.removesuffix("Message")


def _renamed(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema with the names that are published, and of what the code says of itself the first paragraph."""
    if isinstance(schema, str):
        return REFERENCE + _name(schema.removeprefix(REFERENCE)) if schema.startswith(REFERENCE) else schema
    if isinstance(schema, Mapping):
        made = {key: _renamed(part) for key, part in schema.items()}
        if isinstance(made.get("title"), str):
            made["title"] = _name(made["title"])
        if isinstance(made.get("description"), str):
            made["description"] = " ".join(made["description"].partition("\n\n")[0].split())
        if set(map(type, made.get("enum", ()))) == {str}:
            made["type"] = "string"
        return made
    if isinstance(schema, Sequence):
        return [_renamed(part) for part in schema]
    return schema


def _as_taken(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Leave a schema as it is read."""
    return schema


def _as_said(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema without what is only read: nulls, and defaults for what is not there."""
    if isinstance(schema, list):
        return [_as_said(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _as_said(part) for key, part in schema.items() if key not in ("default", SAID_ALWAYS)}
    pairs = made.get("prefixItems", ())
    if pairs and all(part == pairs[0] for part in pairs):  # says the same, also to older readers of JSON Schema
        made["items"] = made.pop("prefixItems")[0]
    if "properties" in schema:
        always = [name for name, part in schema["properties"].items() if part.get(SAID_ALWAYS)]
        made["required"] = list(dict.fromkeys([*schema.get("required", ()), *always]))
    return _without_null(made)


def _without_null(schema: Schema) -> Schema:
    some = schema.get("anyOf")
    if not isinstance(some, list) or {"type": "null"} not in some:
        return schema
    rest = [part for part in some if part != {"type": "null"}]
    outer = {key: part for key, part in schema.items() if key != "anyOf"}
    return {**rest[0], **outer} if len(rest) == 1 else {**outer, "anyOf": rest}
