"""Which dialects a bridge serves, and where: the canonical one first, then each vendor's own for its existing clients.

A vendor's endpoints stand where that vendor has them and under a prefix of its name. What two vendors both have (`/ws`) goes by
the request's `Host`; a client that cannot be told apart by that uses the prefix.
"""

import sys
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from bridge.config import Config
from bridge.dialects.contract import Manner, SymbolTable
from bridge.dialects.loader import dialect_names, load_dialect
from bridge.downstream.contract import ServedDialect
from bridge.downstream.settings import DialectSettings, LimitSettings
from bridge.hub.settings import HubSettings

CANONICAL = "canonical"
"""The dialect of our own; it has no other prefix than the root."""

NO_TABLES: Mapping[str, SymbolTable] = MappingProxyType({})
"""At the start nothing is served yet."""


def served_dialects(config: Config, tables: Mapping[str, SymbolTable] = NO_TABLES) -> tuple[ServedDialect, ...]:
    """Return every dialect as a bridge serves it, in order of precedence.

    Args:
        config: the operator's word.
        tables: the symbols of those that are served already; open streams hold them, so they are told what is listed now.
    """
    vendors = [name for name in dialect_names() if name != CANONICAL]
    return (
        _served(config, CANONICAL, ("",), tables),
        *(_served(config, name, ("", f"/{name}"), tables) for name in vendors),
    )


def _served(config: Config, name: str, prefixes: tuple[str, ...], tables: Mapping[str, SymbolTable]) -> ServedDialect:
    """Serve a dialect with the listed instruments' spellings in it; a canonical topic is spelled by our ids alone."""
    settings = config.dialects.get(name, DialectSettings())
    dialect = load_dialect(name).mannered(manner_of(settings))
    aliases = {} if name == CANONICAL else config.aliases(name)
    symbols = tables.get(name)
    if symbols is None:
        symbols = SymbolTable(dialect.spelling, aliases)
    else:
        symbols.adopt(aliases)
    return ServedDialect(
        dialect=dialect,
        symbols=symbols,
        limits=limits_of(config.limits, settings),
        settings=settings,
        prefixes=prefixes,
    )


def manner_of(settings: DialectSettings) -> Manner:
    """Return what an operator says of how a dialect answers; for what is not said, the dialect's own."""
    said = {name: value for name in Manner.__struct_fields__ if (value := getattr(settings, name)) is not None}
    return Manner(**said)


def hub_settings(limits: LimitSettings) -> HubSettings:
    """Return what of `[limits]` bounds the hub."""
    return HubSettings(
        linger_seconds=limits.linger_seconds,
        history_events=limits.history_events or sys.maxsize,
        history_bytes=limits.history_bytes or sys.maxsize,
        history_seconds=limits.history_seconds,
    )


def limits_of(limits: LimitSettings, settings: DialectSettings) -> LimitSettings:
    """Return `[limits]` with a dialect's own on top."""
    own = {
        name: value
        for name in settings.limits.__struct_fields__
        if (value := getattr(settings.limits, name)) is not None
    }
    return msgspec.structs.replace(limits, **own)
