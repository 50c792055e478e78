"""Vendor, network, clients and clock driven at random, in virtual time, against what a bridge promises.

Every trade and every order state that the vendor said is told once or lies inside a declared gap, to each client, over every
reconnect and from every cursor it was ever given; a book that is not marked is the vendor's; when the faults are over everybody
knows everything within a bound; and when the clients have gone, nothing of them is left. A run is a list of steps, so that
hypothesis can make it shorter when it finds something.
"""

import logging
import os
import random
import time
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from unittest.mock import patch

import structlog
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.calm import grow_calm, lift, strike
from tests.support.fault import (
    Blurt,
    Cut,
    End,
    Fault,
    Garbage,
    HalfClose,
    Late,
    LetIn,
    Mute,
    Refuse,
    Trickle,
    Truncate,
    Unanswered,
    Way,
    answer,
)
from tests.support.ledger import Ledger
from tests.support.patient import WAYS
from tests.support.scene import Scene, scene
from tests.support.schedule import Planned

CALM_SECONDS = 240
"""Virtual ones: the longest backoff, behind the longest wait for an answer, behind a token's retry, twice."""

LEAVING_SECONDS = 120
TERMS = {"lines": len(WAYS), "linger_seconds": 3, "heartbeat_seconds": 5, "history_events": 60}
"""A short history, so that coming back late is told too."""

MOST_CURSORS = 300
EXAMPLES = int(os.environ.get("EXAMPLES", "8"))
"""Runs; some seconds each."""

SPEAK_SECONDS = 0.7

NO_TASKS_OF = (
    "bridge.downstream.streams.connection",
    "bridge.upstream.slots.link",
    "bridge.upstream.slots.carrier",
    "hypercorn",
)


@dataclass
class Rewindable(Ledger):
    """A `Ledger` that knows what it knew at each cursor."""

    known: dict[str, tuple] = field(default_factory=dict)

    def take(self, event: dict) -> None:
        super().take(event)
        if self.cursor is not None:
            self.known.pop(self.cursor, None)
            self.known[self.cursor] = deepcopy((self.logs, self.books, self.quotes))
            if len(self.known) > MOST_CURSORS:
                del self.known[next(iter(self.known))]

    def go_back(self, place: int) -> None:
        """Come back with an earlier cursor; what came after it was never heard. A poll goes on from what was known there."""
        if self.known:
            cursors = list(self.known)
            self.cursor = cursors[place % len(cursors)]
            self.logs, self.books, self.quotes = deepcopy(self.known[self.cursor])


class WildClock:
    """A wall clock that an operator sets as he likes."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0
        self._origin = time.time()

    def seconds(self) -> float:
        return self._origin + trio.current_time()

    def __call__(self) -> int:
        return round((self.seconds() + self.ahead_seconds) * 1e9)


faults = st.one_of(
    st.builds(Cut, st.sampled_from(End)),
    st.just(HalfClose()),
    st.just(Mute()),
    st.builds(Late, st.sampled_from([0.3, 4.0, 20.0]), st.integers(1, 3)),
    st.builds(Trickle, st.integers(1, 300), st.sampled_from([0.001, 0.05])),
    st.builds(Truncate, st.integers(0, 700), st.sampled_from(End)),
    st.just(Garbage()),
    st.sampled_from([Refuse(), Unanswered(), Blurt(b""), LetIn(Trickle(50, 0.1)), LetIn(Trickle(50, 0.1), Way.UP)]),
    st.sampled_from([
        answer("429 Too Many Requests", "Retry-After: 3"),
        answer("401 Unauthorized"),
        answer("403 Forbidden"),
        answer("503 Service Unavailable"),
        answer("302 Found", "Location: http://127.0.0.1:1/"),
    ]),
)  # fmt: skip
places = st.one_of(st.integers(0, 1), st.integers(0, 8))
"""Lines, the vendors' first; those that bring trades more often."""

waits = st.sampled_from([0.01, 0.2, 1.0, 3.0, 3.0, 8.0, 40.0])
who = st.integers(0, len(WAYS) - 1)
steps = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 30), st.integers(1, 4)),
    st.tuples(st.just("say"), st.integers(0, 30), st.integers(1, 100)),
    st.tuples(st.just("wait"), waits),
    st.tuples(st.just("wait"), waits),
    st.tuples(st.just("wait"), waits),
    st.tuples(st.just("fault"), places, faults, st.sampled_from(Way), st.sampled_from([0.5, 12.0, 60.0])),
    st.tuples(st.just("fault"), places, faults, st.sampled_from(Way), st.sampled_from([0.5, 12.0, 60.0])),
    st.tuples(st.just("leave"), who),
    st.tuples(st.just("come"), who),
    st.tuples(st.just("come back with"), who, st.integers(0, 1_000)),
    st.tuples(st.just("come anew"), who),
    st.tuples(st.just("clock"), st.sampled_from([-7_200.0, -30.0, 0.0, 30.0, 400.0])),
)


class Run:
    """One run's actors."""

    def __init__(self, stage: Scene, clock: WildClock, nursery: trio.Nursery) -> None:
        self.stage = stage
        self._clock = clock
        self._nursery = nursery
        self._lines = [*stage.upstream.values(), *stage.downstream]
        topics = [*stage.topics(), "order"]
        for way in WAYS:
            stage.admit(way, topics, way, Rewindable, pause_seconds=0.5, silence_seconds=20)

    async def act(self, what: str, *how) -> None:
        """Take one step, and wait until everybody has done what follows at once."""
        await getattr(self, what.replace(" ", "_"))(*how)
        await trio.testing.wait_all_tasks_blocked()

    async def say(self, fact: int, times: int) -> None:
        facts = self.stage.facts()
        for _ in range(times):
            self.stage.venue.say(*facts[fact % len(facts)])

    async def speak(self) -> None:
        """Say something of everything, again and again, whatever else happens."""
        while True:
            await trio.sleep(SPEAK_SECONDS)
            self.stage.say_all()

    async def wait(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def fault(self, place: int, fault: Fault, way: Way, seconds: float) -> None:
        planned = Planned(0, "", fault, Way.DOWN if isinstance(fault, Garbage) else way, seconds)
        self._nursery.start_soon(strike, self._lines[place % len(self._lines)], planned)

    async def leave(self, client: int) -> None:
        await self.stage.leave(client)

    async def come(self, client: int) -> None:
        self.stage.come(client)

    async def come_back_with(self, client: int, place: int) -> None:
        await self.stage.leave(client)
        self.stage.clients[client].ledger.go_back(place)
        self.stage.come(client)

    async def come_anew(self, client: int) -> None:
        await self.stage.leave(client)
        self.stage.clients[client].ledger.forget()
        self.stage.come(client)

    async def clock(self, seconds: float) -> None:
        self._clock.ahead_seconds = seconds


async def live(run: list, clock: WildClock) -> list[str]:
    """Take every step, let the sea grow calm, send everybody home; return what was wrong."""
    async with scene(clock.seconds, **TERMS) as stage, trio.open_nursery() as nursery:
        actors = Run(stage, clock, nursery)
        nursery.start_soon(actors.speak)
        await trio.sleep(3 * SPEAK_SECONDS)
        for step in run:
            await actors.act(*step)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            lift(stage)
            for client in range(len(WAYS)):
                stage.come(client)
            wrong = await grow_calm(stage, CALM_SECONDS)
            stage.send_home()
            with trio.move_on_after(LEAVING_SECONDS):
                while any(stage.left().values()) or stage.tasks_of(*NO_TASKS_OF):  # noqa: ASYNC110 - plain state
                    await trio.sleep(0.5)
            if any(stage.left().values()) or stage.tasks_of(*NO_TASKS_OF):
                wrong.append(f"left over: {stage.left()} {stage.tasks_of(*NO_TASKS_OF)}")
    return wrong


def lived(run: list, seed: int) -> list[str]:
    """Take the steps in virtual time, with chance from a seed."""
    clock = WildClock()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with (
        patch("bridge.app.house.SystemRandom", partial(random.Random, seed)),
        patch("bridge.app.house.wall_clock", clock),
    ):
        virtual = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(live, run, clock, clock=virtual)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(run=st.lists(steps, min_size=15, max_size=40), seed=st.integers(0, 1_000))
def test_whatever_happens_nothing_is_lost_in_silence_and_everybody_is_told_the_rest(run, seed):
    assert lived(run, seed) == []
