"""The configuration as frozen structs, once it is known to be right."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bridge.downstream.settings import AuthSettings, DialectSettings, LimitSettings, ListenSettings
from bridge.model import FeedName, InstrumentId
from bridge.upstream.settings import FeedSettings

Alias = str | dict[str, str]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One `[instruments."…"]`.

    Attributes:
        symbols: dialect name → the symbol there, or one by `sse`, `websocket`, `rest`.
        feeds: in order of preference; empty = every feed whose dialect has a symbol, in the order of `[feeds]`.
    """

    symbols: Mapping[str, Alias]
    feeds: tuple[str, ...] = ()


class BrokerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the log lives; `memory:` is in this process."""

    url: str = "memory:"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration, checked.

    Attributes:
        strict_instruments: only listed instruments are served.
        path: the file it came from; relative paths in it are relative to its folder.
    """

    path: Path
    listen: ListenSettings = ListenSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    feeds: Mapping[FeedName, FeedSettings] = msgspec.field(default_factory=dict)
    dialects: Mapping[str, DialectSettings] = msgspec.field(default_factory=dict)
    instruments: Mapping[InstrumentId, Listed] = msgspec.field(default_factory=dict)
    strict_instruments: bool = False
    broker: BrokerSettings = BrokerSettings()

    def aliases(self, dialect: str) -> dict[InstrumentId, Alias]:
        """The listed symbols of one dialect; an id not listed there has none."""
        return {name: listed.symbols[dialect] for name, listed in self.instruments.items() if dialect in listed.symbols}

    def feeds_of(self, instrument: InstrumentId) -> tuple[FeedName, ...]:
        """The feeds that serve a listed instrument, in order."""
        listed = self.instruments[instrument]
        if listed.feeds:
            return tuple(FeedName(name) for name in listed.feeds)
        return tuple(name for name, feed in self.feeds.items() if feed.dialect in listed.symbols)
