"""Makes `docs/reference/faults.md`: lets every fault happen on every kind of line, in virtual time, and asks the clients.

    python -m tests.faults.table

Chance is drawn as badly as it can be, so that the times are bounds. The vendor says something of everything each second.
"""

import logging
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog
import trio
import trio.testing

from tests.faults.cases import DOWNSTREAM, UPSTREAM, Case
from tests.faults.witness import Witness, bound
from tests.support.data import ROOT
from tests.support.fault import AtTheDoor
from tests.support.faults import FaultProxy
from tests.support.patient import WAYS
from tests.support.scene import UPSTREAMS, Scene, Upstream, scene
from tests.support.vendor import certified

PAGE = ROOT / "docs/reference/faults.md"
NAMES = {way.name: f"{way.dialect} {way.transport}" for way in UPSTREAMS}
PATIENCE_SECONDS = 700
HEAD = ("what happens", "over", "the client is told", "at most after", "goes on at most", "lost")


@dataclass(frozen=True)
class Outcome:
    """What one client made of one fault on one line.

    Attributes:
        over: which line.
        told: what it was told; `told_seconds` after the fault began, None = nothing.
        back_seconds: after the fault was over; infinite = never.
        lost: what it will never know, or knows wrong.
    """

    over: str
    told: str
    told_seconds: float | None
    back_seconds: float
    lost: str

    @property
    def cells(self) -> tuple[str, ...]:
        """As the page has it, without the line."""
        return self.told, bound(self.told_seconds), bound(self.back_seconds), self.lost


class WorstChance:
    """Draws the longest of every wait."""

    def random(self) -> float:
        """Almost 1."""
        return 0.999


async def happen(case: Case, *, upstream: bool, folder: Path) -> list[Outcome]:
    """Let a fault happen on every line of one side; return what became of it, line by line."""
    origin = time.time() - trio.current_time()
    tls = certified(folder, "127.0.0.1") if case.tls else None
    ways = UPSTREAMS if upstream else UPSTREAMS[:1]
    terms = {"tls": tls, "heartbeat_seconds": 5, "linger_seconds": 600}
    async with scene(lambda: origin + trio.current_time(), ways, lines=5, **terms) as stage:
        for name in [way.name for way in ways] if upstream else WAYS:
            served = next(way for way in ways if not upstream or way.name == name)
            way = "sse" if upstream else name
            stage.admit(way, topics_of(served), name, Witness, pause_seconds=1, silence_seconds=15)
        lines = [stage.upstream[way.name] for way in ways] if upstream else stage.downstream
        stage.nursery.start_soon(_speak, stage, ways)
        await _until(stage, lambda each: all(each.newest(topic) > 2 for topic in each.topics.split(",")))
        for client in stage.clients:
            client.ledger.watch()
        began = trio.current_time()
        await _strike(lines, case, upstream=upstream)
        over = trio.current_time()
        for client in stage.clients:
            client.ledger.owed = {topic: client.ledger.newest(topic) for topic in client.ledger.topics.split(",")}
        with trio.move_on_after(PATIENCE_SECONDS):
            await _until(stage, lambda each: each.back_at is not None)
        await trio.sleep(5)  # a wrong word may follow the good ones
        return [outcome(client.ledger, began, over) for client in stage.clients]


def topics_of(way: Upstream) -> list[str]:
    """What a client asks for of one way to read a vendor."""
    (instrument,) = way.instruments()
    return ["order" if kind == "order" else f"{kind}:{instrument}" for kind in way.kinds]


async def _speak(stage: Scene, ways: Sequence[Upstream]) -> None:
    while True:
        for way in ways:
            for kind in way.kinds:
                stage.venue.say(kind, "ANY" if kind == "order" else way.instruments()[0])
        await trio.sleep(1)


async def _until(stage: Scene, ready: Callable[[Any], bool]) -> None:
    while not all(ready(client.ledger) for client in stage.clients):  # noqa: ASYNC110 - plain state
        await trio.sleep(0.25)


async def _strike(lines: Iterable[FaultProxy], case: Case, *, upstream: bool) -> None:
    """Let it happen to what is open, or to who comes next; wait until it is over."""
    for line in lines:
        short = line.accepted > 2 and not line.open_connections  # polls come and go
        if case.lasts_seconds is not None:
            line.always = case.at_the_door
        elif short or isinstance(case.fault, AtTheDoor):
            line.door.append(case.at_the_door)
        if isinstance(case.fault, AtTheDoor):
            line.drop()
        elif not short:
            line.strike(case.fault, case.way)
    if case.lasts_seconds is not None:
        await trio.sleep(case.lasts_seconds)
        for line in lines:
            line.always = None
            line.drop()


def outcome(witness: Witness, began: float, over: float) -> Outcome:
    """Return what a client says afterwards."""
    return Outcome(
        over=NAMES.get(witness.name, witness.name),
        told=", ".join(_lasting(witness.words)) or "nothing",
        told_seconds=None if witness.told_at is None else witness.told_at - began,
        back_seconds=float("inf") if witness.back_at is None else witness.back_at - over,
        lost=", ".join(dict.fromkeys(map(_fault_of, witness.wrong)))
        or ("what was said meanwhile, declared" if witness.missed else "nothing"),
    )


def _lasting(words: Sequence[str]) -> list[str]:
    """Leave out a `connecting` where there is a `down`: of two words on one moment's health a client may get the newer only."""
    return [word for word in words if word != "`connecting`" or "`down`" not in words]


def _fault_of(sentence: str) -> str:
    """Return what is wrong, in the page's words."""
    known = {"lost in silence": "**lost in silence**", "a double": "nothing, but a trade is told twice"}
    return next((words for mark, words in known.items() if mark in sentence), f"**{sentence}**")


def run(case: Case, *, upstream: bool) -> list[Outcome]:
    """Let a fault happen, in virtual time."""
    with tempfile.TemporaryDirectory() as folder, patch("bridge.app.house.SystemRandom", WorstChance):
        clock = trio.testing.MockClock(autojump_threshold=0.001)
        return trio.run(partial(happen, case, upstream=upstream, folder=Path(folder)), clock=clock)


def rows(case: Case, outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """Return a case's rows; lines of which the same is true share one."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for one in outcomes:
        alike.setdefault(one.cells, []).append(one.over)
    return [(case.words, ", ".join(over), *cells) for cells, over in alike.items()]


def table(cases: Sequence[Case], *, upstream: bool) -> str:
    """Return one of the page's tables."""
    made = [row for case in cases for row in rows(case, run(case, upstream=upstream))]
    return "".join(f"| {' | '.join(row)} |\n" for row in (HEAD, ["---"] * len(HEAD), *made))


def write() -> None:
    """Write the page's tables anew."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    tables = iter([table(UPSTREAM, upstream=True), table(DOWNSTREAM, upstream=False)])
    text = PAGE.read_text("utf-8")
    PAGE.write_text(re.sub(r"(\| .*\|\n)+", lambda _: next(tables), text), "utf-8")


if __name__ == "__main__":
    sys.exit(write())
