"""Takes over another configuration while the bridge runs: all of it that changed, or nothing, with every reason.

Theory of operation. Everything that can fail is done first and away from the event loop's state (`prepare`: reading the file,
its secrets and certificates) or without changing anything (`objections`). What follows is assignments, without an `await`, so
nothing sees half of it. Streams that are open keep their subscriptions and offsets.

What is fixed for life: where we listen, how users are told apart, the feeds, the log, and whatever is spelled or served
somewhere at the moment: history, coverage and cursors speak of those by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.app.examination import examine
from bridge.app.serving import hub_settings, served_dialects
from bridge.config import Config, changed_keys, load_config
from bridge.dialects.contract import SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.contract import House
from bridge.downstream.door.certificates import Contexts, read_certificates
from bridge.downstream.rules import Rules, adopt
from bridge.errors import ConfigError
from bridge.hub.hub import Hub
from bridge.hub.lineups.lineups import Lineups
from bridge.model import InstrumentId
from bridge.upstream.arbiter import Arbiter

FIXED: Final = ("listen.bind", "listen.tls_bind", "listen.admin_bind", "auth.mode", "feeds", "broker")
"""Keys, and tables, that a running bridge cannot change."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A configuration that this bridge could be started with, read whole.

    Attributes:
        certificates: read; None without TLS.
    """

    config: Config
    certificates: Contexts | None


def prepare(path: Path) -> Prepared:
    """Read a configuration and all that it names. Reads files and looks names up: not for the event loop's own thread.

    Raises:
        ConfigError: with every mistake, as `check` says them.
    """
    config = load_config(path)
    examine(config)
    certificates = read_certificates(config.listen.certificates) if config.listen.tls_bind else None
    return Prepared(config=config, certificates=certificates)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What of a bridge a reload changes.

    Attributes:
        tables: the symbols of the dialects that feeds speak.
    """

    house: House
    hub: Hub
    arbiter: Arbiter
    lineups: Lineups
    tables: Mapping[str, SymbolTable]


class Reloader:
    """Keeps one bridge to the configuration last taken over.

    Args:
        config: what it was built by.
        parts: the bridge.
    """

    def __init__(self, config: Config, parts: Parts) -> None:
        self.config = config
        self._parts = parts

    def adopt(self, prepared: Prepared) -> list[str]:
        """Take a configuration over, at once; certificates also when only their files have changed.

        Returns:
            The keys that differ from before.

        Raises:
            ConfigError: what differs needs a restart; nothing was changed.
        """
        old, new, parts = self.config, prepared.config, self._parts
        changed = changed_keys(old, new)
        reasons = objections(old, new, changed, parts)
        if reasons:
            raise ConfigError(*reasons)
        listed = {instrument: new.feeds_of(instrument) for instrument in new.instruments}
        for dialect, table in parts.tables.items():
            table.adopt(new.aliases(dialect))
        parts.arbiter.adopt(listed, strict=new.strict_instruments, max_unlisted=new.limits.instruments)
        parts.hub.adopt(hub_settings(new.limits))
        adopt(
            parts.house,
            Rules(
                listen=new.listen,
                auth=new.auth,
                limits=new.limits,
                served=served_dialects(new, parts.house.served),
                instruments={str(instrument): names for instrument, names in listed.items()},
                certificates=prepared.certificates,
            ),
        )
        self.config = new
        return changed


def objections(old: Config, new: Config, changed: list[str], parts: Parts) -> list[str]:
    """Return why a running bridge cannot take these changes over, one sentence each; changes nothing."""
    found = [
        f"{key}: needs a restart"
        for key in changed
        if any(key == fixed or key.startswith(f"{fixed}.") for fixed in FIXED)
    ]
    found += [
        f'instruments."{instrument}": what is listed already is changed or removed only by a restart'
        for instrument in old.instruments
        if old.instruments[instrument] != new.instruments.get(instrument)
    ]
    added = [instrument for instrument in new.instruments if instrument not in old.instruments]
    if added and not found:
        found = _untapped(new, added, parts.lineups) + _confused(old, new, parts)
    return found


def _untapped(new: Config, added: list[InstrumentId], lineups: Lineups) -> list[str]:
    """Several feeds can share an instrument only when they were built for it."""
    return [
        f'instruments."{instrument}".feeds: {" and ".join(names)} have shared no instrument so far; needs a restart'
        for instrument in added
        if len(names := new.feeds_of(instrument)) > 1 and any(lineups.tap(name) is None for name in names)
    ]


def _confused(old: Config, new: Config, parts: Parts) -> list[str]:
    """What somebody follows unlisted must not be spelled otherwise all at once."""
    followed = sorted(parts.hub.followed())
    found = []
    for name in dict.fromkeys([*parts.tables, *(served.dialect.name for served in parts.house.served)]):
        before, after = (SymbolTable(load_dialect(name).spelling, config.aliases(name)) for config in (old, new))
        found += [
            f"instruments: {instrument} is followed now and would be spelled otherwise in {name}; "
            "needs a restart, or that nobody follows it"
            for instrument in followed
            if _spellings(before, instrument) != _spellings(after, instrument)
        ]
    return found


def _spellings(table: SymbolTable, instrument: InstrumentId) -> list[str | None]:
    return [table.vendor_symbol(instrument, transport) for transport in Transport]
