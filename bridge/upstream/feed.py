"""Opens a feed: puts together what `[feeds.<name>]` says, the vendor's dialect and what the hub hands in.

SSE and WebSocket make a `StreamFeed`, polling a `PollingFeed`; several `transports` make a `LadderFeed` over one of each.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

import msgspec

from bridge.clock import Clock
from bridge.dialects.contract import Dialect, Site, SymbolTable, Transport
from bridge.errors import ConfigError
from bridge.model import AccountId, FeedName
from bridge.model.account import is_private
from bridge.upstream.ask import AskTools
from bridge.upstream.contract import Connector, Feed, Interest, Publish, Suspicions
from bridge.upstream.credentials.borrowed import BorrowedKeeper
from bridge.upstream.credentials.sources import Source
from bridge.upstream.credentials.tokens import KeeperTerms, SourceKeeper, TokenKeeper, make_keeper
from bridge.upstream.ladder.feed import LadderFeed
from bridge.upstream.ladder.reach import Reach
from bridge.upstream.ladder.rung import Rung
from bridge.upstream.ladder.tools import LadderTools
from bridge.upstream.network.connectors import open_connector
from bridge.upstream.network.http import HttpClient, open_client
from bridge.upstream.network.in_force import InForce
from bridge.upstream.polling import PollingFeed
from bridge.upstream.settings import FeedSettings
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_feed import StreamFeed
from bridge.upstream.stream_terms import StreamTerms
from bridge.upstream.watches.watches import WatchTerms
from bridge.upstream.watches.witness import Witness


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
        moved: told the transport in use whenever another one is.
    """

    publish: Publish
    interest: Interest
    clock: Clock
    random: Random
    bridge: str | None = None
    source: Source | None = None
    suspicions: Suspicions | None = None
    moved: Callable[[Transport], None] = lambda _: None


@asynccontextmanager
async def open_feed(
    name: FeedName, settings: FeedSettings, dialect: Dialect, symbols: SymbolTable, tools: FeedTools
) -> AsyncIterator[Feed]:
    """Open a feed's client and connector; leaving the block closes them. The caller runs `feed.run` inside.

    Raises:
        ConfigError: the dialect cannot speak the transport, or a certificate, proxy or token source is none.
    """
    speaks = dialect.profile.transports
    for transport in settings.transports:
        if transport not in speaks:
            known = ", ".join(speaks)
            raise ConfigError(f"feeds.{name}.transports: {dialect.name} does not speak {transport}; it speaks {known}")
    in_force = InForce(settings)

    def site() -> Site:
        return site_of(in_force.now())

    witness = Witness(tools.publish)
    standing = Standing(name, witness, tools.clock)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(settings, tools.clock))
        parts = _Parts(
            settings=settings,
            dialect=dialect,
            symbols=symbols,
            site=site,
            keeper=_keeper(settings, dialect, site, client, tools),
            witness=witness,
            interest=tools.interest,
            tools=tools,
        )
        transports = tuple(dict.fromkeys(settings.transports))
        connectors = [await stack.enter_async_context(open_connector(one, client, speaks[one])) for one in transports]
        if len(transports) == 1:
            yield _over(transports[0], standing, connectors[0], parts, parts.watch_terms(standing.name))
        else:
            yield _ladder(standing, transports, connectors, parts)


class _Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed is made of, over whichever transport."""

    settings: FeedSettings
    dialect: Dialect
    symbols: SymbolTable
    site: Callable[[], Site]
    keeper: TokenKeeper
    witness: Witness
    interest: Interest
    tools: FeedTools

    def watch_terms(self, name: FeedName) -> WatchTerms:
        """Say what is watched over; once a feed, however many transports it has."""
        return WatchTerms(
            witness=self.witness,
            random=self.tools.random.random,
            suspicions=self.tools.suspicions,
            account=account_of(name, self.settings),
            order_check_seconds=self.settings.order_check_seconds,
        )


def _ladder(
    standing: Standing, transports: Sequence[Transport], connectors: Sequence[Connector], parts: _Parts
) -> LadderFeed:
    """Make a feed for each transport, and the one that stands on them."""
    tools = parts.tools
    rungs = [
        Rung(number, transport, Standing(standing.name, tools.publish, tools.clock, rung=transport))
        for number, transport in enumerate(transports)
    ]
    feed = LadderFeed(
        standing,
        rungs,
        LadderTools(
            reach=Reach(parts.dialect, parts.symbols),
            keeper=parts.keeper,
            interest=tools.interest,
            random=tools.random.random,
            moved=tools.moved,
            watch=parts.watch_terms(standing.name),
        ),
    )
    keeper = BorrowedKeeper(parts.keeper)
    for rung, connector in zip(rungs, connectors, strict=True):
        own = msgspec.structs.replace(parts, keeper=keeper, interest=rung.interest)
        rung.feed = _over(rung.transport, rung.standing, connector, own, None)
    return feed


def _over(
    transport: Transport, standing: Standing, connector: Connector, parts: _Parts, watch: WatchTerms | None
) -> StreamFeed | PollingFeed:
    """Make a feed over one transport; `watch` where that is the whole feed."""
    settings, tools = parts.settings, parts.tools
    profile = parts.dialect.profile.transports[transport]
    account = account_of(standing.name, settings)
    asking = AskTools(
        dialect=parts.dialect,
        symbols=parts.symbols,
        site=parts.site,
        connector=connector,
        keeper=parts.keeper,
        publish=standing.publish,
        clock=tools.clock,
        account=account,
    )
    if transport is Transport.POLLING:
        return PollingFeed(standing, profile, parts.interest, asking, tools.random.random)
    terms = StreamTerms(
        transport=transport,
        profile=profile,
        max_connections=profile.max_connections if settings.max_connections is None else settings.max_connections,
        depth=settings.book_depth,
        account=account,
        interest=parts.interest,
        random=tools.random.random,
        bridge=tools.bridge,
        stale_seconds=settings.stale_seconds,
        whole_books=transport in parts.dialect.profile.replaces_books,
        watch=watch,
    )
    return StreamFeed(standing, terms, asking)


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
