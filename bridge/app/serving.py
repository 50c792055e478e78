"""Which dialects a bridge serves, and where: the canonical one first, then each vendor's own for its existing clients.

A vendor's endpoints stand where that vendor has them and under a prefix of its name. What two vendors both have (`/ws`) goes by
the request's `Host`; a client that cannot be told apart by that uses the prefix.
"""

import msgspec

from bridge.config import Config
from bridge.dialects.contract import Manner, SymbolTable
from bridge.dialects.loader import dialect_names, load_dialect
from bridge.downstream.contract import ServedDialect
from bridge.downstream.settings import DialectSettings, LimitSettings

CANONICAL = "canonical"
"""The dialect of our own; it has no other prefix than the root."""


def served_dialects(config: Config) -> tuple[ServedDialect, ...]:
    """Return every dialect as a bridge serves it, in order of precedence."""
    vendors = [name for name in dialect_names() if name != CANONICAL]
    return (
        _served(config, CANONICAL, ("",)),
        *(_served(config, name, ("", f"/{name}")) for name in vendors),
    )


def _served(config: Config, name: str, prefixes: tuple[str, ...]) -> ServedDialect:
    """Serve a dialect with the listed instruments' spellings in it; a canonical topic is spelled by our ids alone."""
    settings = config.dialects.get(name, DialectSettings())
    dialect = load_dialect(name).mannered(manner_of(settings))
    return ServedDialect(
        dialect=dialect,
        symbols=SymbolTable(dialect.spelling, {} if name == CANONICAL else config.aliases(name)),
        limits=limits_of(config.limits, settings),
        settings=settings,
        prefixes=prefixes,
    )


def manner_of(settings: DialectSettings) -> Manner:
    """Return what an operator says of how a dialect answers; for what is not said, the dialect's own."""
    said = {name: value for name in Manner.__struct_fields__ if (value := getattr(settings, name)) is not None}
    return Manner(**said)


def limits_of(limits: LimitSettings, settings: DialectSettings) -> LimitSettings:
    """Return `[limits]` with a dialect's own on top."""
    own = {
        name: value
        for name in settings.limits.__struct_fields__
        if (value := getattr(settings.limits, name)) is not None
    }
    return msgspec.structs.replace(limits, **own)
