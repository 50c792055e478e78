"""A bridge between a vendor whose every word is numbered and clients that keep account, with a faulty network on both sides.

One feed for each way that a vendor can be read, each through a proxy of its own; each client through one of its own. All in this
process and on real sockets; under a mock clock (`virtual`) in virtual time.
"""

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from bridge.app import Running, TokenGrant, mint
from bridge.dialects.contract import Transport
from bridge.downstream.settings import AuthSettings
from bridge.upstream.settings import FeedSettings, TokenSource
from tests.support.faults import FaultProxy, fault_proxy
from tests.support.houses import census
from tests.support.ledger import Ledger
from tests.support.patient import Patient
from tests.support.stage import bridge, config_of
from tests.support.venue import Venue, open_venue

AUTH = AuthSettings(secret="a-secret-of-more-than-32-bytes-for-tests", default_topics=("*",))


@dataclass(frozen=True)
class Upstream:
    """One way to read a vendor.

    Attributes:
        prefix: of the instruments that it serves.
        kinds: what of the numbered facts it tells.
    """

    dialect: str
    transport: str
    prefix: str
    kinds: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its feed's name."""
        return f"{self.dialect}-{self.transport}"

    def instruments(self, count: int = 1) -> list[str]:
        """Return ids that only this one serves."""
        return [f"{self.prefix}{place}" for place in range(1, count + 1)]


UPSTREAMS = (
    Upstream("liquidity", "sse", "LS", ("trade", "book", "quote", "order")),
    Upstream("liquidity", "websocket", "LW", ("trade", "book")),
    Upstream("liquidity", "polling", "LP", ("book", "quote")),
    Upstream("tradingview", "sse", "TS:A", ("quote",)),
    Upstream("tradingview", "websocket", "TW:A", ("quote",)),
)
ACCOUNT = "liquidity-sse/acme"


@dataclass
class Scene:
    """What there is.

    Attributes:
        ways: how the vendor is read, `instruments` of each.
        upstream: the network before the vendor, by the feed's name.
        downstream: the network before each client, one line for each there may be.
        clients: those that were let in.
    """

    ways: Sequence[Upstream]
    instruments: int
    venue: Venue
    running: Running
    upstream: dict[str, FaultProxy]
    downstream: list[FaultProxy]
    nursery: trio.Nursery
    clients: list[Patient] = field(default_factory=list)
    _present: dict[int, tuple[trio.CancelScope, trio.Event]] = field(default_factory=dict)

    def topics(self) -> list[str]:
        """Every topic but the orders'."""
        return [f"{kind}:{name}" for kind, name in self.facts() if kind != "order"]

    def facts(self) -> list[tuple[str, str]]:
        """What the vendor speaks of; orders are of any instrument."""
        market = [(kind, one) for way in self.ways for one in way.instruments(self.instruments) for kind in way.kinds]
        return list(dict.fromkeys((kind, "ANY" if kind == "order" else one) for kind, one in market))

    def say_all(self) -> None:
        """Let the vendor say something of everything."""
        for kind, instrument in self.facts():
            self.venue.say(kind, instrument)

    def admit(
        self, way: str, topics: Sequence[str], name: str = "", ledger: type[Ledger] = Ledger, **habits: Any
    ) -> Patient:
        """Let a client in by the next line; it follows until it is sent home."""
        proxy = self.downstream[len(self.clients)]
        grant = TokenGrant(sub=f"client-{len(self.clients)}", ttl_seconds=40_000, accounts=(ACCOUNT,))
        kept = ledger(",".join(topics), name or f"client {len(self.clients)} ({way})")
        client = Patient(kept, way, proxy.url, mint(AUTH, grant), **habits)
        self.clients.append(client)
        self.come(len(self.clients) - 1)
        return client

    def come(self, number: int) -> None:
        """Let a client come back, if it is away."""
        if number not in self._present:
            scope, gone = self._present[number] = trio.CancelScope(), trio.Event()
            self.nursery.start_soon(self._follow, self.clients[number], scope, gone)

    async def leave(self, number: int) -> None:
        """Let a client leave, and return when it has gone; it takes its cursor along."""
        if number in self._present:
            scope, gone = self._present.pop(number)
            scope.cancel()
            await gone.wait()

    async def _follow(self, client: Patient, scope: trio.CancelScope, gone: trio.Event) -> None:
        try:
            with scope:
                await client.run()
        finally:
            gone.set()

    def send_home(self) -> None:
        """Let all clients leave, and not come back."""
        for scope, _ in self._present.values():
            scope.cancel()
        self._present.clear()
        for proxy in self.downstream:
            proxy.drop()

    def tasks_of(self, *modules: str) -> Counter[str]:
        """How many tasks of some modules there are, by name."""
        tasks = census(trio.lowlevel.current_root_task())
        return Counter({name: count for name, count in tasks.items() if name.startswith(modules)})

    def left(self) -> dict[str, int]:
        """What there is on account of clients."""
        house = self.running.house
        hub = house.hub.statistics()
        feeds = [feed.statistics() for feed in self.running.feeds.values()]
        return {
            "streams": len(house.connections),
            "connections": self.running.listening.statistics().connections.connections,
            "seats": sum(house.admission.statistics().taken.values()),
            "subscriptions": hub.subscriptions,
            "interests": hub.interests,
            "wanted": sum(feed.wanted for feed in feeds),
            "upstream": sum(len(feed.connections) for feed in feeds),
            "at the vendor": self.venue.open_streams,
        }


def feed_of(way: Upstream, proxy: FaultProxy, ca_file: str | None = None) -> FeedSettings:
    """Return the settings of a feed that reads a venue in one way; with a CA, over TLS."""
    url = proxy.url if ca_file is None else proxy.url.replace("http", "https")
    given: dict[str, Any] = {
        "dialect": way.dialect,
        "url": url,
        "ca_file": ca_file,
        "transports": (Transport(way.transport),),
        "instruments": (f"{way.prefix}*",),
    }
    if way.dialect == "tradingview":
        given |= {"api_key": "a-key", "token_url": f"{url}/api/token/generate"}
    else:
        given |= {"token": TokenSource(value="a-token"), "book_depth": 0}
    if way.name == ACCOUNT.partition("/")[0]:
        given["account"] = ACCOUNT.partition("/")[2]
    return FeedSettings(**given)


@asynccontextmanager
async def scene(
    now: Callable[[], float],
    ways: Sequence[Upstream] = UPSTREAMS,
    *,
    lines: int = 1,
    instruments: int = 1,
    tls: tuple[ssl.SSLContext, str] | None = None,
    **limits: Any,
) -> AsyncIterator[Scene]:
    """Set it up until the block ends.

    Args:
        now: seconds since 1970, for the vendor.
        ways: which feeds the bridge has.
        lines: how many clients there may be.
        instruments: how many each feed has.
        tls: the vendor's context, and the file with the authority that certified it (`vendor.certified`).
        limits: of the bridge.
    """
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(open_venue(now, tls and tls[0]))
        proxies = {way.name: await stack.enter_async_context(fault_proxy(venue.port)) for way in ways}
        feeds = {way.name: feed_of(way, proxies[way.name], tls and tls[1]) for way in ways}
        roomy = {"sse_connections_per_user": 0, "websocket_connections_per_user": 0, "connections_per_address": 0}
        config = msgspec.structs.replace(config_of(feeds, AUTH, **(roomy | limits)), instruments={})
        running = await stack.enter_async_context(bridge(config))
        port = int(running.urls[0].rpartition(":")[2])
        downstream = [await stack.enter_async_context(fault_proxy(port)) for _ in range(lines)]
        async with trio.open_nursery() as nursery:
            yield Scene(ways, instruments, venue, running, proxies, downstream, nursery)
            nursery.cancel_scope.cancel()
