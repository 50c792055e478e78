"""A bridge in a storm: everything real, faults at both ends, and accounts that must be right at the end (`make soak`).

    python -m tests.soak.storm --minutes 10 --seed 1

Vendors whose every word is numbered are read in all five ways, each through a faulty network; clients on every transport keep
account, each behind one of its own, and come back with their cursors. After the storm the sea must grow calm: everybody is told
the rest, every book is the vendor's, and when the clients have gone, nothing of them is left. Exit code 0, or 1 with what was
wrong.
"""

import argparse
import logging
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from random import Random

import structlog
import trio

from tests.support.calm import behind, grow_calm, lift, strike
from tests.support.faults import FaultProxy
from tests.support.houses import census
from tests.support.patient import WAYS
from tests.support.scene import Scene, scene
from tests.support.schedule import Planned, name_of, storm

TERMS = {"instruments": 2, "linger_seconds": 1, "heartbeat_seconds": 2}
"""Instruments of each feed, and the bridge's limits."""

CLIENTS_OF_EACH_WAY = 3
FAULTS_PER_SECOND = 8.0
UPSTREAM_SHARE = 0.25
"""Of the faults: a feed that fails stays away for up to half a minute, so more would only keep it away."""

EVENTS_PER_SECOND = 20.0
CALM_SECONDS = 120.0
"""Until everybody is told the rest: a backoff's cap, a `Retry-After`, a token's retry, on a busy machine."""

LEAVING_SECONDS = 60.0
SAMPLE_SECONDS = 1.0
RSS_GROWTH = 0.10
RSS_SLACK_MB = 16.0
"""What the last quarter of the storm may use more than the second: arenas and histories fill up at first."""

WORDS = 40

Remains = tuple[dict[str, int], Counter[str]]
"""What there is on account of clients, and every task there is."""


@dataclass
class Report:
    """What happened."""

    seconds: float
    injected: Counter[tuple[str, str]] = field(default_factory=Counter)
    rss_mb: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


async def soak(seconds: float, seed: int) -> Report:
    """Weather a storm of so many seconds; nothing is raised for what the bridge does wrong."""
    report = Report(seconds)
    began = time.time() - trio.current_time()
    async with scene(lambda: began + trio.current_time(), lines=CLIENTS_OF_EACH_WAY * len(WAYS), **TERMS) as stage:
        before = await _warm_up(stage)
        _admit(stage)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_trade, stage, seed)
            nursery.start_soon(_sample, report)
            with trio.move_on_after(seconds):
                await _rage(stage, seed, report)
            lift(stage)
            nursery.cancel_scope.cancel()
        report.wrong += await grow_calm(stage, CALM_SECONDS)
        await _leave(stage, report, before)
    _judge_memory(report)
    _print(stage, report)
    return report


# ── the storm ──
async def _warm_up(stage: Scene) -> Remains:
    """Let one client come and go, so that what is made once has been made; return what there is then."""
    first = stage.admit("sse", [*stage.topics(), "order"], "the first")
    with trio.fail_after(CALM_SECONDS):
        while not stage.venue.market.said or behind(stage, first):
            await trio.sleep(1)
            stage.say_all()
            await trio.sleep(1)
        stage.send_home()
        while any(stage.left().values()):  # noqa: ASYNC110 - plain state
            await trio.sleep(0.1)
    stage.clients.clear()
    return _remains(stage)


def _admit(stage: Scene) -> None:
    topics = stage.topics()
    for place in range(CLIENTS_OF_EACH_WAY):
        for way in WAYS:
            own = Random(f"{way} {place}").sample(topics, len(topics) * 2 // 3)
            stage.admit(way, [*own, "order"], f"{way} {place + 1}")


async def _trade(stage: Scene, seed: int) -> None:
    """Say something about each topic in turn, without a rhythm."""
    chance = Random(f"market {seed}")
    for kind, instrument in cycle(stage.facts()):
        stage.venue.say(kind, instrument)
        await trio.sleep(chance.expovariate(EVENTS_PER_SECOND))


async def _rage(stage: Scene, seed: int, report: Report) -> None:
    began = trio.current_time()
    lines = {f"vendor {name}": proxy for name, proxy in stage.upstream.items()}
    up = storm(seed, list(lines), FAULTS_PER_SECOND * UPSTREAM_SHARE)
    lines |= {f"client {place}": proxy for place, proxy in enumerate(stage.downstream)}
    down = storm(
        seed + 1, [name for name in lines if name.startswith("client")], FAULTS_PER_SECOND * (1 - UPSTREAM_SHARE)
    )
    async with trio.open_nursery() as nursery:
        for plan in (up, down):
            nursery.start_soon(_follow, plan, lines, began, report, nursery)


async def _follow(
    plan: Iterator[Planned], lines: dict[str, FaultProxy], began: float, report: Report, nursery: trio.Nursery
) -> None:
    for planned in plan:
        await trio.sleep_until(began + planned.at)
        side = planned.place.partition(" ")[0]
        report.injected[side, name_of(planned.fault)] += 1
        nursery.start_soon(strike, lines[planned.place], planned)


async def _sample(report: Report) -> None:
    while True:
        report.rss_mb.append(rss_mb())
        await trio.sleep(SAMPLE_SECONDS)


def rss_mb() -> float:
    """What this process holds, bridge, vendor, networks, clients and all."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# ── the calm ──
def _remains(stage: Scene) -> Remains:
    return stage.left(), census(trio.lowlevel.current_root_task())


async def _leave(stage: Scene, report: Report, before: Remains) -> None:
    """Send the clients home; nothing of them may stay."""
    stage.send_home()
    now = _remains(stage)
    with trio.move_on_after(LEAVING_SECONDS):
        while now != before:
            await trio.sleep(0.2)
            now = _remains(stage)
    (left, tasks), (left_before, tasks_before) = now, before
    if left != left_before:
        report.wrong.append(f"something is left of the clients: {left}, before them {left_before}")
    if tasks != tasks_before:
        more, fewer = tasks - tasks_before, tasks_before - tasks
        report.wrong.append(
            f"tasks are left of the clients: {dict(more)}; gone, though they were there before: {dict(fewer)}"
        )


# ── the report ──
def _judge_memory(report: Report) -> None:
    quarter = len(report.rss_mb) // 4
    if quarter < 15:
        return  # too short to say
    early, late = (max(report.rss_mb[part : part + quarter]) for part in (quarter, 3 * quarter))
    if late > early * (1 + RSS_GROWTH) + RSS_SLACK_MB:
        report.wrong.append(f"memory grew from {early:.0f} to {late:.0f} MB")


def _print(stage: Scene, report: Report) -> None:
    line = sys.stdout.write
    line(f"injected: {report.injected.total()} faults in {report.seconds:g} s\n")
    for name in sorted({name for _, name in report.injected}):
        counts = [report.injected[side, name] for side in ("vendor", "client")]
        line(f"  {name:{WORDS}} toward the vendors {counts[0]:5}   toward the clients {counts[1]:5}\n")
    line("survived:\n")
    for name, feed in stage.running.feeds.items():
        now = feed.statistics()
        line(f"  {name:{WORDS}} {now.connects} connects, {now.losses} losses, {now.retries} failed attempts\n")
    for way in WAYS:
        some = [client for client in stage.clients if client.way == way]
        told = sum((client.ledger.told for client in some), Counter())
        events = told.total() - told["stream"] - told["ok"]
        line(f"  clients on {way:{WORDS - 11}} {sum(c.connections for c in some)} connections, {events} events\n")
    gaps = sum((client.ledger.gaps for client in stage.clients), Counter())
    line(f"declared: {dict(gaps)} gaps, {sum(c.ledger.missed for c in stage.clients)} events in them\n")
    doubles = sum(client.ledger.possible_duplicates for client in stage.clients)
    line(f"  {doubles} trades marked as possible duplicates\n")
    shown = deque(f"{mb:.0f}" for mb in report.rss_mb[:: max(1, len(report.rss_mb) // 10)])
    line(f"memory: {' '.join(shown)} MB\n")
    for sentence in report.wrong:
        line(f"WRONG: {sentence}\n")
    line(f"{'wrong' if report.wrong else 'all true'}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.storm", description="a bridge in a storm")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return 1 if trio.run(soak, asked.minutes * 60, asked.seed).wrong else 0


if __name__ == "__main__":
    sys.exit(main())
