"""Turns a table of plain values into frozen structs, and names every mistake in it, not only the first.

A mistake is named by its key's path, with the nearest valid key where one is near. Values of the form `{ env = "NAME" }` and
`{ file = "path" }` are resolved on the way, unless the field itself is a table that has those keys.
"""

import difflib
import os
import typing
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any

import msgspec

from bridge.upstream.settings import FileText


class Converter:
    """Converts tables to structs and collects what is wrong.

    Args:
        folder: what relative paths in `{ file = … }` are relative to.
        environ: the environment for `{ env = … }`.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environ = environ
        self.problems: list[str] = []

    def struct(self, table: object, kind: type, path: str) -> Any:  # noqa: ANN401 - an instance of `kind`
        """Return `table` as a `kind`, or None when something in it was wrong (then `problems` says what)."""
        if not isinstance(table, Mapping):
            self.problems.append(f"{path or 'the file'}: expected a table, got {_word(table)}")
            return None
        hints = typing.get_type_hints(kind)
        known = {field.name: field for field in msgspec.structs.fields(kind)}
        before = len(self.problems)
        values = {}
        for key, value in table.items():
            if key in known:
                values[key] = self._value(value, hints[key], f"{path}.{key}" if path else key)
            else:
                self.problems.append(_unknown(key, list(known), path))
        missing = [name for name, field in known.items() if field.required and name not in table]
        self.problems.extend(f"{path}.{name} is required".removeprefix(".") for name in missing)
        return None if len(self.problems) > before else kind(**values)

    def _value(self, value: object, kind: Any, path: str) -> Any:  # noqa: ANN401
        kind = _without_none(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(value, kind, path)
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is tuple and isinstance(value, list):
            items = [self._value(item, arguments[0], f"{path}[{place}]") for place, item in enumerate(value)]
            return tuple(items)
        if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
            return {key: self._value(item, arguments[1], f"{path}.{_quoted(key)}") for key, item in value.items()}
        return self._leaf(value, kind, path)

    def _leaf(self, value: object, kind: Any, path: str) -> Any:  # noqa: ANN401
        if isinstance(value, Mapping) and not _takes_mapping(kind):
            value = self._resolved(value, path)
            if value is None:
                return None
        if kind is str and isinstance(value, FileText):
            return value if path.startswith("feeds.") else str(value)  # only feeds read theirs again
        try:
            return msgspec.convert(value, kind, strict=not isinstance(value, str) or kind is str)
        except msgspec.ValidationError as error:
            self.problems.append(f"{path}: {_plain(str(error))}")
            return None

    def _resolved(self, value: Mapping[str, object], path: str) -> str | None:
        match dict(value):
            case {"env": str(name), **rest} if not rest:
                if name in self._environ:
                    return self._environ[name]
                self.problems.append(f"{path}: the environment has no {name}; set it, or write the value here")
            case {"file": str(name), **rest} if not rest:
                try:
                    return FileText((self._folder / name).read_text("utf-8").strip(), str(self._folder / name))
                except (OSError, UnicodeDecodeError) as error:
                    reason = getattr(error, "strerror", None) or "not UTF-8 text"
                    self.problems.append(f"{path}: cannot read {self._folder / name}: {reason}")
            case _:
                self.problems.append(f'{path}: expected a value, {{ env = "NAME" }} or {{ file = "path" }}')
        return None


def _without_none(kind: Any) -> Any:  # noqa: ANN401
    if typing.get_origin(kind) in (typing.Union, UnionType):
        rest = [part for part in typing.get_args(kind) if part is not type(None)]
        return rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007 - made at run time
    return kind


def _takes_mapping(kind: Any) -> bool:  # noqa: ANN401
    parts = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, UnionType) else (kind,)
    return any(isinstance(origin := typing.get_origin(part), type) and issubclass(origin, Mapping) for part in parts)


def _unknown(key: str, known: list[str], path: str) -> str:
    where = f"{path}.{_quoted(key)}" if path else _quoted(key)
    near = difflib.get_close_matches(key, known, 1, 0.5)
    return f"{where}: no such key" + (
        f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
    )


def _quoted(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else f'"{key}"'


def _word(value: object) -> str:
    return {str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list"}.get(
        type(value), "that"
    )


def _plain(message: str) -> str:
    """Msgspec's words in a configuration's terms."""
    message = message.partition(" - at `")[0]
    for theirs, ours in (
        ("`str`", "text"),
        ("`int`", "a whole number"),
        ("`float`", "a number"),
        ("`bool`", "true or false"),
    ):
        message = message.replace(theirs, ours)
    return message.replace("`object`", "a table").replace("`array`", "a list").replace("Expected", "expected")
