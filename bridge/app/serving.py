"""Which dialects a bridge serves, and where: the canonical one first, then each vendor's own for its existing clients.

A vendor's endpoints stand where that vendor has them and under a prefix of its name. What two vendors both have (`/ws`) goes by
the request's `Host`; a client that cannot be told apart by that uses the prefix.
"""

import sys
from collections.abc import Mapping, Sequence

import msgspec

from bridge.config import Config
from bridge.dialects.contract import Manner, SymbolTable
from bridge.dialects.loader import dialect_names, load_dialect
from bridge.downstream.contract import ServedDialect
from bridge.downstream.settings import DialectSettings, LimitSettings
from bridge.hub.settings import HubSettings

CANONICAL = "canonical"
"""The dialect of our own; it has no other prefix than the root."""


def served_dialects(config: Config, before: Sequence[ServedDialect] = ()) -> tuple[ServedDialect, ...]:
    """Return every dialect as a bridge serves it, in order of precedence.

    Args:
        config: the operator's word.
        before: as they were served until now. Open streams hold their symbols, so these are told what is listed now; and where
            the manner is the same, so is the dialect, and with it the bytes that are shared.
    """
    vendors = [name for name in dialect_names() if name != CANONICAL]
    known = {one.dialect.name: one for one in before}
    return (
        _served(config, CANONICAL, ("",), known),
        *(_served(config, name, ("", f"/{name}"), known) for name in vendors),
    )


def _served(config: Config, name: str, prefixes: tuple[str, ...], known: Mapping[str, ServedDialect]) -> ServedDialect:
    """Serve a dialect with the listed instruments' spellings in it; a canonical topic is spelled by our ids alone."""
    settings = config.dialects.get(name, DialectSettings())
    aliases = {} if name == CANONICAL else config.aliases(name)
    manner, before = manner_of(settings), known.get(name)
    alike = before if before is not None and manner_of(before.settings) == manner else None
    dialect = load_dialect(name).mannered(manner) if alike is None else alike.dialect
    symbols = SymbolTable(dialect.spelling, aliases) if before is None else before.symbols
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
