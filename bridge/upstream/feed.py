"""Opens a feed: puts together what `[feeds.<name>]` says, the vendor's dialect and what the hub hands in.

Only the first entry of `transports` is used: SSE and WebSocket make a `StreamFeed`, polling a `PollingFeed`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import msgspec

from bridge.clock import Clock
from bridge.dialects.contract import Dialect, Site, SymbolTable, Transport
from bridge.errors import ConfigError
from bridge.model import AccountId, FeedName
from bridge.model.account import is_private
from bridge.upstream.ask import AskTools
from bridge.upstream.connectors import open_connector
from bridge.upstream.contract import Feed, Interest, Publish, Suspicions
from bridge.upstream.http import HttpClient, open_client
from bridge.upstream.in_force import InForce
from bridge.upstream.polling import PollingFeed
from bridge.upstream.settings import FeedSettings
from bridge.upstream.standing import Standing
from bridge.upstream.stream_feed import StreamFeed, StreamTerms
from bridge.upstream.token_sources import Source
from bridge.upstream.tokens import KeeperTerms, SourceKeeper, TokenKeeper, make_keeper
from bridge.upstream.witness import Witness


class FeedTools(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed is handed.

    Attributes:
        publish: takes its events into the log.
        interest: what clients want of it.
        clock: wall time.
        random: for jitter.
        bridge: our own id, for a relay.
        source: where its credential comes from, instead of what its settings say.
        suspicions: which of its books cannot be right.
    """

    publish: Publish
    interest: Interest
    clock: Clock
    random: Random
    bridge: str | None = None
    source: Source | None = None
    suspicions: Suspicions | None = None


@asynccontextmanager
async def open_feed(
    name: FeedName, settings: FeedSettings, dialect: Dialect, symbols: SymbolTable, tools: FeedTools
) -> AsyncIterator[Feed]:
    """Open a feed's client and connector; leaving the block closes them. The caller runs `feed.run` inside.

    Raises:
        ConfigError: the dialect cannot speak the transport, or a certificate, proxy or token source is none.
    """
    transport = settings.transports[0]
    profile = dialect.profile.transports.get(transport)
    if profile is None:
        known = ", ".join(dialect.profile.transports)
        raise ConfigError(f"feeds.{name}.transports: {dialect.name} does not speak {transport}; it speaks {known}")
    account = account_of(name, settings)
    in_force = InForce(settings)

    def site() -> Site:
        return site_of(in_force.now())

    witness = Witness(tools.publish)
    standing = Standing(name, witness, tools.clock)
    async with open_client(settings, tools.clock) as client, open_connector(transport, client, profile) as connector:
        asking = AskTools(
            dialect=dialect,
            symbols=symbols,
            site=site,
            connector=connector,
            keeper=_keeper(settings, dialect, site, client, tools),
            publish=witness,
            clock=tools.clock,
            account=account,
        )
        if transport is Transport.POLLING:
            yield PollingFeed(standing, profile, tools.interest, asking, tools.random.random)
            return
        terms = StreamTerms(
            transport=transport,
            profile=profile,
            max_connections=profile.max_connections if settings.max_connections is None else settings.max_connections,
            depth=settings.book_depth,
            account=account,
            interest=tools.interest,
            random=tools.random.random,
            bridge=tools.bridge,
            witness=witness,
            suspicions=tools.suspicions,
            whole_books=transport in dialect.profile.replaces_books,
            order_check_seconds=settings.order_check_seconds,
        )
        yield StreamFeed(standing, terms, asking)


def account_of(name: FeedName, settings: FeedSettings) -> AccountId | None:
    """Return whose orders a feed brings; a private feed has its account's name."""
    if is_private(name):
        return AccountId(name)
    return AccountId(f"{name}/{settings.account}") if settings.account else None


def _keeper(
    settings: FeedSettings, dialect: Dialect, site: Callable[[], Site], client: HttpClient, tools: FeedTools
) -> TokenKeeper:
    if tools.source is None:
        return make_keeper(settings, dialect, site, client, tools.random.random)
    terms = KeeperTerms(settings.token_refresh_margin_seconds, tools.clock, tools.random.random)
    return SourceKeeper(tools.source, terms)


def site_of(settings: FeedSettings) -> Site:
    """Return where the vendor lives, as the operator says."""
    shared = set(Site.__struct_fields__) & set(FeedSettings.__struct_fields__)
    site = Site(**{name: getattr(settings, name) for name in shared})
    return msgspec.structs.replace(site, url=settings.url.rstrip("/"))
