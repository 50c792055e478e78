"""A bridge in front of a vendor's simulator, in this process and over real sockets, with a faulty network in between.

The simulator's own hub is listened to beside the wire, so that a test knows everything that the vendor said, in order.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from bridge.app import Running, Simulation, TokenGrant, mint, run_bridge, run_simulator
from bridge.cli.simulate import open_tape, simulator_auth, simulator_grant, symbols_of
from bridge.config import Config
from bridge.config.structs import Listed
from bridge.dialects.contract import Transport
from bridge.downstream.settings import AuthSettings, LimitSettings, ListenSettings
from bridge.hub.hub import Bound, Subscription
from bridge.model import FeedName, Topic
from bridge.upstream.settings import FeedSettings, TokenSource
from tests.support.faults import FaultProxy, fault_proxy

SEED = 7
API_KEY = "the-key-of-the-test"


@dataclass(frozen=True)
class Vendor:
    """A running simulator, and the network before it.

    Attributes:
        auth: what it lets in.
        proxy: where a bridge is to connect.
    """

    running: Running
    auth: AuthSettings
    proxy: FaultProxy

    @property
    def dialect(self) -> str:
        """Whose protocol it speaks."""
        return self.running.house.served[0].dialect.name

    def listen(self, *topics: str) -> Subscription:
        """Listen to what it says, from now on and without a wire; `take()` returns it."""
        house = self.running.house
        wants = [want for topic in topics for want in house.resolve(Topic.parse(topic), ())]
        return house.hub.open(wants, None, Bound(pending_bytes=sys.maxsize, cost=len, wake=lambda: None))

    def token(self, ttl_seconds: float = 3600) -> str:
        """Mint a token that it lets in."""
        return mint(self.auth, simulator_grant(ttl_seconds))

    @property
    def connections(self) -> int:
        """How many streams it serves now."""
        return len(self.running.house.connections)


@asynccontextmanager
async def vendor(
    dialect: str, *, ttl_seconds: float = 1800, tape: Any = None, **simulation: Any
) -> AsyncIterator[Vendor]:
    """Run a vendor's simulator until the block ends."""
    auth = simulator_auth(API_KEY, ttl_seconds=ttl_seconds)
    plays = Simulation(
        dialect=dialect,
        tape=tape or open_tape(dialect, None, SEED),
        auth=auth,
        instruments=symbols_of(dialect),
        **simulation,
    )
    async with trio.open_nursery() as nursery:
        running = await nursery.start(lambda task_status: run_simulator(plays, task_status=task_status))
        port = int(running.urls[0].rpartition(":")[2])
        async with fault_proxy(port) as proxy:
            yield Vendor(running, auth, proxy)
        nursery.cancel_scope.cancel()


def feed_of(party: Vendor, transport: str, **settings: Any) -> FeedSettings:
    """Return the settings of a feed that connects to a simulator through its proxy, with a credential that it accepts."""
    given: dict[str, Any] = {"dialect": party.dialect, "url": party.proxy.url, "transports": (Transport(transport),)}
    if party.dialect == "tradingview":
        given |= {"api_key": API_KEY, "token_url": f"{party.proxy.url}/api/token/generate"}
    else:
        given |= {"token": TokenSource(value=party.token()), "book_depth": 0}
    return FeedSettings(**(given | settings))


def config_of(feeds: dict[str, FeedSettings], auth: AuthSettings | None = None, **limits: Any) -> Config:
    """Return a bridge's configuration on a free port, with the simulators' symbols."""
    dialects = {feed.dialect for feed in feeds.values()}
    listed = {
        name: Listed(symbols={dialect: symbol}) for dialect in dialects for name, symbol in symbols_of(dialect).items()
    }
    return Config(
        path=Path("bridge.toml"),
        listen=ListenSettings(bind=("127.0.0.1:0",)),
        auth=auth or AuthSettings(mode="none"),
        limits=LimitSettings(**limits),
        feeds={FeedName(name): feed for name, feed in feeds.items()},
        instruments=listed,
    )


@asynccontextmanager
async def bridge(config: Config) -> AsyncIterator[Running]:
    """Run a bridge until the block ends; it is cut off, not drained."""
    async with trio.open_nursery() as nursery:
        yield await nursery.start(lambda task_status: run_bridge(config, task_status=task_status))
        nursery.cancel_scope.cancel()


def client_token(auth: AuthSettings, ttl_seconds: float, sub: str = "alice") -> str:
    """Mint a token of the bridge for a client of it."""
    return mint(auth, TokenGrant(sub=sub, ttl_seconds=ttl_seconds))
