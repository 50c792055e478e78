"""Which keys differ between two configurations: the keys alone, never a value, because some are secrets."""

from collections.abc import Iterator, Mapping

import msgspec

from bridge.config.show import spelled_key
from bridge.config.structs import Config

_RENAMED = {"strict_instruments": "instruments.strict"}


def changed_keys(old: Config, new: Config) -> list[str]:
    """Return the keys that differ, as they are spelled in the file; a table that only one of the two has is one key."""
    names = [name for name in Config.__struct_fields__ if name != "path"]
    return [
        key for name in names for key in _differing(getattr(old, name), getattr(new, name), _RENAMED.get(name, name))
    ]


def _differing(old: object, new: object, path: str) -> Iterator[str]:
    if isinstance(old, msgspec.Struct) and isinstance(new, msgspec.Struct):
        for name in old.__struct_fields__:
            yield from _differing(getattr(old, name), getattr(new, name), f"{path}.{name}")
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            where = f"{path}.{spelled_key(name)}"
            if name in old and name in new:
                yield from _differing(old[name], new[name], where)
            else:
                yield where
    elif old != new:
        yield path
