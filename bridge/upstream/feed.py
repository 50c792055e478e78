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
from bridge.upstream.ask import AskTools
from bridge.upstream.borrowed import BorrowedKeeper
from bridge.upstream.connectors import open_connector
from bridge.upstream.contract import Connector, Feed, Interest, Publish
from bridge.upstream.http import open_client
from bridge.upstream.ladder_feed import LadderFeed, LadderTools
from bridge.upstream.polling import PollingFeed
from bridge.upstream.rung import Rung
from bridge.upstream.settings import FeedSettings
from bridge.upstream.standing import Standing
from bridge.upstream.stream_feed import StreamFeed, StreamTerms
from bridge.upstream.tokens import TokenKeeper, make_keeper


class FeedTools(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed is handed.

    Attributes:
        publish: takes its events into the log.
        interest: what clients want of it.
        clock: wall time.
        random: for jitter.
        bridge: our own id, for a relay.
        moved: told the transport in use whenever another one is.
    """

    publish: Publish
    interest: Interest
    clock: Clock
    random: Random
    bridge: str | None = None
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
    site = site_of(settings)
    standing = Standing(name, tools.publish, tools.clock)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(settings, tools.clock))
        keeper = make_keeper(settings, dialect, site, client, tools.random.random)
        parts = _Parts(
            settings=settings,
            dialect=dialect,
            symbols=symbols,
            site=site,
            keeper=keeper,
            tools=tools,
        )
        transports = tuple(dict.fromkeys(settings.transports))
        connectors = [await stack.enter_async_context(open_connector(one, client, speaks[one])) for one in transports]
        if len(transports) == 1:
            yield _over(transports[0], standing, connectors[0], parts)
        else:
            yield _ladder(standing, transports, connectors, parts)


class _Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed is made of, over whichever transport."""

    settings: FeedSettings
    dialect: Dialect
    symbols: SymbolTable
    site: Site
    keeper: TokenKeeper
    tools: FeedTools


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
            dialect=parts.dialect,
            symbols=parts.symbols,
            keeper=parts.keeper,
            interest=tools.interest,
            random=tools.random.random,
            moved=tools.moved,
        ),
    )
    keeper = BorrowedKeeper(parts.keeper)
    for rung, connector in zip(rungs, connectors, strict=True):
        own = msgspec.structs.replace(
            parts, keeper=keeper, tools=msgspec.structs.replace(tools, interest=rung.interest)
        )
        rung.feed = _over(rung.transport, rung.standing, connector, own)
    return feed


def _over(transport: Transport, standing: Standing, connector: Connector, parts: _Parts) -> Feed:
    """Make a feed over one transport."""
    settings, tools = parts.settings, parts.tools
    profile = parts.dialect.profile.transports[transport]
    account = AccountId(f"{standing.name}/{settings.account}") if settings.account else None
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
        return PollingFeed(standing, profile, tools.interest, asking, tools.random.random)
    terms = StreamTerms(
        transport=transport,
        profile=profile,
        max_connections=profile.max_connections if settings.max_connections is None else settings.max_connections,
        depth=settings.book_depth,
        account=account,
        interest=tools.interest,
        random=tools.random.random,
        bridge=tools.bridge,
        stale_seconds=settings.stale_seconds,
    )
    return StreamFeed(standing, terms, asking)


def site_of(settings: FeedSettings) -> Site:
    """Return where the vendor lives, as the operator says."""
    shared = set(Site.__struct_fields__) & set(FeedSettings.__struct_fields__)
    site = Site(**{name: getattr(settings, name) for name in shared})
    return msgspec.structs.replace(site, url=settings.url.rstrip("/"))
