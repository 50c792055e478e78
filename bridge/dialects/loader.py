"""Finds a dialect by its name: the folder `bridge/dialects/<name>` with a module attribute `DIALECT`.

Adding a vendor is adding a folder; nothing here or elsewhere lists them.
"""

import importlib
import pkgutil
from typing import cast

import bridge.dialects
from bridge.dialects.contract import Dialect
from bridge.errors import ConfigError

_NOT_DIALECTS = frozenset({"contract"})


def dialect_names() -> tuple[str, ...]:
    """Return the names of all dialects there are, sorted."""
    found = pkgutil.iter_modules(bridge.dialects.__path__)
    return tuple(sorted(module.name for module in found if module.ispkg and module.name not in _NOT_DIALECTS))


def load_dialect(name: str) -> Dialect:
    """Return the dialect called `name`.

    Raises:
        ConfigError: there is none; the sentence lists those there are.
    """
    if name not in dialect_names():
        raise ConfigError(f"there is no dialect {name!r}; there are {', '.join(dialect_names())}")
    return cast("Dialect", importlib.import_module(f"bridge.dialects.{name}").DIALECT)
