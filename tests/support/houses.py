"""A vendor's simulator and a bridge before it, in this process, so that a test can count what is left of anything.

Counted are tasks as well: a census names every task below one, by its coroutine.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio
from trio.lowlevel import Task

from bridge.app import (
    SIMULATED_ACCOUNT,
    Running,
    Simulation,
    TokenGrant,
    made_up_secret,
    mint,
    run_bridge,
    run_simulator,
)
from bridge.config.file import parse_config
from bridge.downstream.settings import AuthSettings
from bridge.model import BookLevel, BookSnapshot, FeedName, InstrumentId, Side, Topic, Trade, UnixNanos
from bridge.tape import Tape
from bridge.tape.format import NO_FEED, TapeEvent

SYMBOLS: dict[InstrumentId, str | dict[str, str]] = {
    InstrumentId("BTC-USD"): {"sse": "BTC", "websocket": "BTC-USD", "rest": "BTC"},
    InstrumentId("ETH-USD"): {"sse": "ETH", "websocket": "ETH-USD", "rest": "ETH"},
}


class Pair(NamedTuple):
    """A bridge and the simulator that it reads.

    Attributes:
        server: the task of the bridge's server, with all its connections below it.
        root: the bridge's own.
    """

    vendor: Running
    bridge: Running
    server: Task
    root: Task

    @property
    def port(self) -> int:
        """Where the bridge listens on 127.0.0.1."""
        return int(self.bridge.urls[0].rpartition(":")[2])

    def wanted(self) -> int:
        """Topics that the bridge's feed is asked for."""
        return self.bridge.feeds[FeedName("liquidity")].statistics().wanted

    def subscribed(self) -> Counter[str]:
        """What is subscribed at the vendor, as the vendor counts it: how often each topic."""
        return Counter(topic for one in self.vendor.house.connections.statistics() for topic in one.topics)


def tasks_below(task: Task) -> Iterator[Task]:
    """Every task in the nurseries of a task, and in theirs."""
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield child
            yield from tasks_below(child)


def census(task: Task) -> Counter[str]:
    """How many tasks there are below one, by name."""
    return Counter(child.name for child in tasks_below(task))


@asynccontextmanager
async def paired(config: str, tape: Tape, *, speed: float = 1.0) -> AsyncIterator[Pair]:
    """Run a Liquidity simulator and a bridge until the block ends.

    Args:
        config: the bridge's TOML but for `url` and `token` of `[feeds.liquidity]`, which must be its last table.
        tape: what the simulator plays.
        speed: how fast.
    """
    auth = AuthSettings(secret=made_up_secret(), default_topics=("*",))
    grant = TokenGrant(sub="bridge", ttl_seconds=3600, topics=("*",), accounts=(SIMULATED_ACCOUNT,))
    simulation = Simulation(dialect="liquidity", tape=tape, auth=auth, instruments=SYMBOLS, speed=speed)
    async with trio.open_nursery() as nursery:
        vendor: Running = await nursery.start(partial(run_simulator, simulation))
        text = f'{config}\nurl = "{vendor.urls[0]}"\ntoken = {{ env = "VENDOR" }}\n'
        settings = parse_config(text, Path("test.toml"), {"VENDOR": mint(auth, grant)})
        before = set(nursery.child_tasks)
        bridge: Running = await nursery.start(partial(run_bridge, settings))
        (root,) = set(nursery.child_tasks) - before
        server = next(task for task in tasks_below(root) if task.name.endswith("_run.<locals>.server"))
        yield Pair(vendor, bridge, server, root)
        nursery.cancel_scope.cancel()


class LoudTape:
    """A numbered tape, as loud as wanted: whole books, each followed by a trade, for ever.

    A trade's id and size are its number, and so are the sizes in the book before it, counted from 1 for each instrument.

    Args:
        instruments: each gets its own books and trades; the instrument QUIET has trades that never come.
        levels: of each side; one level is some 25 bytes of JSON.
        per_second: how many books of each instrument.
    """

    def __init__(self, instruments: Sequence[str], levels: int, per_second: int) -> None:
        self._instruments = [InstrumentId(name) for name in instruments]
        self._levels = levels
        self._delay = 1_000_000_000 // per_second
        loud = tuple(Topic.parse(f"{kind}:{name}") for kind in ("book", "trade") for name in instruments)
        self.topics = (*loud, Topic.parse("trade:QUIET"))

    def events(self, start: UnixNanos, *, once: bool = False) -> Iterator[TapeEvent]:
        """Play from `start`."""
        number = 0
        while True:
            number += 1
            delay = self._delay
            for instrument in self._instruments:
                now = UnixNanos(start + number * self._delay)
                yield TapeEvent(delay, self._book(instrument, now, number))
                yield TapeEvent(0, self._trade(instrument, now, number))
                delay = 0

    def _book(self, instrument: InstrumentId, now: UnixNanos, number: int) -> BookSnapshot:
        def side(best: int, step: int) -> tuple[BookLevel, ...]:
            size = Decimal(number) + Decimal("0.12345")
            return tuple(BookLevel(Decimal(best + step * level) / 4, size) for level in range(self._levels))

        return BookSnapshot(
            instrument=instrument,
            feed=NO_FEED,
            ts_recv=UnixNanos(0),
            ts_event=now,
            bids=side(400_000, -1),
            asks=side(400_001, 1),
        )

    def _trade(self, instrument: InstrumentId, now: UnixNanos, number: int) -> Trade:
        return Trade(
            instrument=instrument,
            feed=NO_FEED,
            ts_recv=UnixNanos(0),
            ts_event=now,
            price=Decimal(100_000),
            size=Decimal(number),
            aggressor_side=Side.BUY,
            trade_id=str(number),
        )
