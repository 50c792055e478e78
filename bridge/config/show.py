"""Prints the configuration in force as TOML lines `key = value`, secrets masked; a reader may paste a line into the file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bridge.config.structs import Config, Listed

MASK = "********"

SECRETS = frozenset({"secret", "api_key", "key", "value", "tenant_token", "token_body"})
"""Keys whose value is never printed. A proxy's password is masked within its URL, any other URL's query as a whole."""


def effective(config: Config) -> str:
    """Return every key in force, defaults included, one a line."""
    table = {
        name: getattr(config, name)
        for name in ("listen", "auth", "limits", "feeds", "dialects", "instruments", "broker")
    }
    lines = [f"instruments.strict = {_toml(config.strict_instruments)}"]
    for name, part in table.items():
        lines += [f"{path} = {text}" for path, text in _lines(name, part)]
    return "\n".join(lines) + "\n"


def _lines(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, msgspec.Struct):
        value = _table(value)
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _lines(f"{path}.{spelled_key(name)}", item)
    elif value is not None:
        yield path, _toml(_masked(path.rpartition(".")[2], value))


def _table(struct: msgspec.Struct) -> dict[str, object]:
    """Return a struct as it would stand in the file: an instrument's symbols stand beside its other keys."""
    table = {name: getattr(struct, name) for name in struct.__struct_fields__}
    return {**struct.symbols, "feeds": struct.feeds} if isinstance(struct, Listed) else table


def _masked(key: str, value: object) -> object:
    if key in SECRETS:
        return MASK
    if key == "proxy" and isinstance(value, str) and urlsplit(value).password:
        return value.replace(f":{urlsplit(value).password}@", f":{MASK}@")
    if key.endswith("url") and isinstance(value, str) and "?" in value:
        return f"{value.partition('?')[0]}?{MASK}"
    return value


def _toml(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, msgspec.Struct):
        value = _table(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, Mapping):
        told = ((name, _masked(name, item)) for name, item in value.items() if item is not None)
        return f"{{ {', '.join(f'{spelled_key(name)} = {_toml(item)}' for name, item in told)} }}"
    return msgspec.json.encode(str(value) if isinstance(value, Path | str) else value).decode()


def spelled_key(name: str) -> str:
    """Return a key as it stands in a file: quoted where it has to be."""
    return (
        name
        if name.isascii() and name.replace("_", "").replace("-", "").isalnum()
        else msgspec.json.encode(name).decode()
    )
