"""The houses under the roof: builds a bridge or a simulator and runs it in one nursery.

A bridge is feeds, a hub and a server. A simulator is the same house with a tape where the feeds were and a vendor's dialect
where the canonical one was. Order of life: the server listens before the feeds connect, so that clients are told how the
feeds are; at the end the server drains while feeds and hub still run, and only then is everything else cancelled.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from random import SystemRandom

import msgspec
import trio

from bridge.app.days import Days
from bridge.app.keeping import kept
from bridge.app.lining_up import follow, line_up, readiness_of, tapped, with_lineups
from bridge.app.reload import Parts, Reloader
from bridge.app.serving import hub_settings, limits_of, manner_of, served_dialects
from bridge.app.visiting import Visiting, has_private_feeds, make_visitors, with_visitors
from bridge.broker.loader import open_log
from bridge.clock import steady_clock, wall_clock
from bridge.config import Config
from bridge.dialects.contract import Answer, Outcome, Question, SymbolTable
from bridge.dialects.loader import load_dialect
from bridge.downstream.access.admission import Gate
from bridge.downstream.access.tokens import TokenGrant, mint_token
from bridge.downstream.contract import House, Resolve, ServedDialect
from bridge.downstream.server import Listening, serve
from bridge.downstream.settings import AuthSettings, DialectSettings, LimitSettings, ListenSettings
from bridge.errors import ConfigError
from bridge.hub.hub import Hub
from bridge.hub.interest import Sources
from bridge.model import AccountId, FeedName, InstrumentId
from bridge.tape import Tape
from bridge.upstream.arbiter import Arbiter, FeedEntry
from bridge.upstream.contract import Feed
from bridge.upstream.feed import FeedTools, account_of, open_feed
from bridge.upstream.settings import FeedSettings
from bridge.upstream.tape import TapeFeed
from bridge.upstream.vouching import open_vouching

TAPE = FeedName("tape")
"""A simulator's only feed; its account is `tape/demo`."""

ID_BYTES = 6
"""Of a bridge's id, made up at its start: two bridges never share one in practice."""

MAX_VIA = 64
"""Ids of other bridges that a `stream` passes on: no chain is so long, and no party behind us may make every stream long."""

SIMULATED_ACCOUNT = AccountId("tape/demo")


@dataclass(frozen=True, kw_only=True)
class Running:
    """A bridge or simulator that is up.

    Attributes:
        house: what its endpoints use.
        feeds: its feeds by name.
        listening: where it listens, and how the server fares.
        closed: set when it has drained.
        reloader: takes another configuration over; None of a simulator.
    """

    house: House
    feeds: Mapping[FeedName, Feed]
    listening: Listening
    closed: trio.Event
    reloader: Reloader | None = None

    @property
    def urls(self) -> Sequence[str]:
        """Where it listens, with the real ports."""
        return self.listening.urls

    @property
    def closing(self) -> trio.Event:
        """Set it to let the streams say goodbye and the server stop."""
        return self.house.closing

    async def drain(self) -> None:
        """Say that it is not ready any more, give balancers the time to notice, then drain; returns when that is done."""
        self.house.leaving = True
        await trio.sleep(self.house.limits.unready_seconds)
        self.closing.set()
        await self.closed.wait()


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What `simulate` plays.

    Attributes:
        dialect: the vendor's name.
        tape: what it plays.
        auth: who gets in.
        bind: where it listens.
        limits: the vendor's own on top of these.
        instruments: listed symbols, our id → the vendor's.
        speed: 2 = twice as fast as recorded.
        once: play one lap, beginning with the first client, and then stay silent.
    """

    dialect: str
    tape: Tape
    auth: AuthSettings
    bind: tuple[str, ...] = ("127.0.0.1:0",)
    limits: LimitSettings = field(default_factory=LimitSettings)
    instruments: Mapping[InstrumentId, str | Mapping[str, str]] = field(default_factory=dict)
    settings: DialectSettings = field(default_factory=DialectSettings)
    speed: float = 1.0
    once: bool = False


def mint(auth: AuthSettings, grant: TokenGrant) -> str:
    """Mint a token with `auth.secret`.

    Raises:
        ConfigError: there is no secret.
    """
    if auth.secret is None:
        raise ConfigError('auth.secret is not set, so no token can be minted; set it to { env = "BRIDGE_SECRET" }')
    return mint_token(auth, grant, wall_clock())[0]


async def run_bridge(config: Config, *, task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED) -> None:
    """Run the bridge that a configuration describes, until its `closing` is set and it has drained.

    Raises:
        ConfigError: an address, certificate, proxy or token file cannot be used.
    """
    hub = _hub(config.broker.url, config.limits, lambda want: arbiter.sources(want))  # noqa: PLW0108 - it is made later
    own_id = secrets.token_hex(ID_BYTES)
    tables = {
        name: SymbolTable(load_dialect(name).spelling, config.aliases(name))
        for name in {feed.dialect for feed in config.feeds.values()}
    }
    listed = {instrument: config.feeds_of(instrument) for instrument in config.instruments}
    entries = [_entry(name, settings, tables[settings.dialect]) for name, settings in config.feeds.items()]
    lineups = line_up(hub, config)
    arbiter = Arbiter(
        entries,
        listed,
        strict=config.strict_instruments,
        max_unlisted=config.limits.instruments,
        line_up=lineups.place,
    )
    async with AsyncExitStack() as stack:
        feeds: dict[FeedName, Feed] = {}
        for name, settings in config.feeds.items():
            dialect, symbols = load_dialect(settings.dialect), tables[settings.dialect]
            tools = msgspec.structs.replace(_tools(hub, name, own_id), moved=partial(follow, hub, arbiter, name))
            tools = tapped(tools, lineups.tap(name))
            feeds[name] = await stack.enter_async_context(open_feed(name, settings, dialect, symbols, tools))
        visitors = make_visitors(config, tables.__getitem__, partial(_tools, hub, own_id=own_id), hub.retire)
        hub.watch(visitors.watch)
        visiting = []
        for name, settings in config.feeds.items():
            if settings.client_tokens is not None:
                vouching = open_vouching(name, settings, load_dialect(settings.dialect), wall_clock)
                visiting.append(Visiting(name, settings, await stack.enter_async_context(vouching)))
        served = served_dialects(config)
        house = _house(hub, feeds, arbiter.resolve, config.listen, config.auth, config.limits, served, listed)
        house = with_lineups(replace(house, via=partial(_via, own_id, feeds)), lineups)
        house = with_visitors(house, visitors, visiting)
        days = Days(house.ask, feeds)
        hub.ask_by(days.want)
        parts = Parts(house=house, hub=hub, arbiter=arbiter, lineups=lineups, tables=tables)
        keepers = [hub.run, lineups.run, visitors.run, days.run]
        await _run(keepers, feeds, house, task_status, Reloader(config, parts))


def _entry(name: FeedName, settings: FeedSettings, symbols: SymbolTable) -> FeedEntry:
    return FeedEntry(
        name=name,
        dialect=load_dialect(settings.dialect),
        symbols=symbols,
        globs=settings.instruments,
        transport=settings.transports[0],
        account=account_of(name, settings),
        visited=has_private_feeds(settings),
    )


def _tools(hub: Hub, name: FeedName, own_id: str | None = None) -> FeedTools:
    interest = hub.interest(name)
    return FeedTools(
        publish=hub.publish,
        interest=interest,
        clock=wall_clock,
        random=SystemRandom(),
        bridge=own_id,
        suspicions=hub.suspicions(name),
    )


def _via(own_id: str, feeds: Mapping[FeedName, Feed], names: Iterable[FeedName]) -> tuple[str, ...]:
    """Return which bridges the events of some feeds come by, ours first; another's word is taken only so far."""
    behind = (one for name in dict.fromkeys(names) if name in feeds for one in feeds[name].statistics().via)
    return (own_id, *list(dict.fromkeys(behind))[:MAX_VIA])


async def run_simulator(
    simulation: Simulation, *, task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED
) -> None:
    """Run a vendor's simulator: the bridge serving that vendor's dialect from a tape."""
    hub = _hub("memory:", simulation.limits, lambda want: feed.sources(want))  # noqa: PLW0108 - it is made later
    dialect = load_dialect(simulation.dialect).mannered(manner_of(simulation.settings))
    symbols = SymbolTable(dialect.spelling, simulation.instruments)
    feed = TapeFeed(
        TAPE,
        simulation.tape,
        _tools(hub, TAPE),
        speed=simulation.speed,
        once=simulation.once,
        account=SIMULATED_ACCOUNT,
    )
    limits = msgspec.structs.replace(simulation.limits, **_vendor_limits(simulation.dialect))
    served = ServedDialect(
        dialect=dialect, symbols=symbols, limits=limits_of(limits, simulation.settings), settings=simulation.settings
    )
    listen = ListenSettings(bind=simulation.bind, default_websocket_dialect=simulation.dialect)
    resolve = feed.resolve
    feeds: dict[FeedName, Feed] = {TAPE: feed}
    house = _house(hub, feeds, resolve, listen, simulation.auth, limits, (served,), {})
    await _run([hub.run], feeds, house, task_status)


def _vendor_limits(dialect: str) -> dict[str, int | float]:
    granted = load_dialect(dialect).profile.limits
    return {name: getattr(granted, name) for name in granted.__struct_fields__}


def _hub(broker_url: str, limits: LimitSettings, sources: Sources) -> Hub:
    return Hub(open_log(broker_url), wall_clock, hub_settings(limits), sources, steady_clock)


def _house(  # noqa: PLR0913, PLR0917 - the one place where all of a house comes together
    hub: Hub,
    feeds: Mapping[FeedName, Feed],
    resolve: Resolve,
    listen: ListenSettings,
    auth: AuthSettings,
    limits: LimitSettings,
    served: Sequence[ServedDialect],
    instruments: Mapping[InstrumentId, Sequence[FeedName]],
) -> House:
    async def ask(name: FeedName, question: Question, deadline_seconds: float) -> Answer:
        feed = feeds.get(name)
        return await feed.ask(question, deadline_seconds) if feed else Answer(outcome=Outcome.UNSUPPORTED)

    return House(
        hub=hub,
        admission=Gate(auth, wall_clock),
        clock=wall_clock,
        ask=ask,
        resolve=resolve,
        readiness=partial(readiness_of, feeds),
        listen=listen,
        auth=auth,
        limits=limits,
        served=served,
        instruments={str(instrument): names for instrument, names in instruments.items()},
    )


async def _run(
    keepers: Sequence[Callable[[], Awaitable[None]]],
    feeds: Mapping[FeedName, Feed],
    house: House,
    task_status: trio.TaskStatus[Running],
    reloader: Reloader | None = None,
) -> None:
    async with trio.open_nursery() as nursery:
        closed = trio.Event()

        async def server(*, task_status: trio.TaskStatus[Listening]) -> None:
            await serve(house, task_status=task_status)
            closed.set()
            nursery.cancel_scope.cancel()

        listening = await nursery.start(server)
        for keep in keepers:
            nursery.start_soon(kept, keep)
        for feed in feeds.values():
            nursery.start_soon(feed.run)
        running = Running(house=house, feeds=feeds, listening=listening, closed=closed, reloader=reloader)
        task_status.started(running)


def made_up_secret() -> str:
    """Return a fresh HS256 secret for a simulator."""
    return secrets.token_hex(32)
