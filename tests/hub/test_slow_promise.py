"""The promise of a cursor to those who lag, wished to be slowed, or both, against a plain model of the world, in virtual time.

Every trade and final bar arrives once or lies inside a declared gap; no order is lost; ids never go back; whoever has read
everything shows the book and the quote that the vendor last said; what is pending stays within its bound.
"""

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from bridge.hub.subscribers import bound, handout, runs
from bridge.model import Wishes
from tests.hub.slow_client import SlowClient, SlowWorld
from tests.hub.world import ORDER, TRADE

clients = st.integers(0, 1)
levels = st.dictionaries(st.integers(1, 6), st.integers(0, 2), min_size=1, max_size=4)
steps = st.one_of(
    st.tuples(st.just("fact"), st.sampled_from([TRADE, TRADE, TRADE, ORDER]), st.integers(1, 6)),
    st.tuples(st.just("book"), levels, st.sampled_from(["snapshot", "delta", "delta", "delta", "replacement"])),
    st.tuples(st.just("deltas"), st.lists(levels, min_size=2, max_size=5), st.none()),
    st.tuples(st.just("quote"), st.integers(1, 3), st.none()),
    st.tuples(st.just("bar"), st.sampled_from([False, False, True]), st.none()),
    st.tuples(st.just("block"), clients, st.just(value=True)),
    st.tuples(st.just("take"), clients, st.none()),
    st.tuples(st.just("take"), clients, st.none()),
    st.tuples(st.just("wish"), clients, st.sampled_from([(False, 0), (True, 0), (False, 1), (True, 4)])),
    st.tuples(st.just("sleep"), st.sampled_from([0.1, 0.5, 2]), st.none()),
    st.tuples(st.just("join"), clients, st.sampled_from(["fresh", "back"])),
    st.tuples(st.just("return"), clients, st.integers(0, 30)),
    st.tuples(st.just("uncover"), st.none(), st.none()),
    st.tuples(st.just("cover"), st.none(), st.none()),
)


@pytest.fixture(autouse=True)
def small_folds(monkeypatch):
    """So small that every way of saying a book is taken, and a past leaves in several pieces."""
    monkeypatch.setattr(runs, "MAX_DELTAS", 3)
    monkeypatch.setattr(runs, "FEW_LEVELS", 2)
    monkeypatch.setattr(handout, "PIECE", 3)


def act(world: SlowWorld, crowd: list[SlowClient], clock: MockClock, step: tuple) -> None:
    what, one, other = step

    def make_facts() -> None:
        for _ in range(other):
            world.make_fact(one, seen=True)

    def change_books() -> None:
        for each in one:
            world.change_book(each, "delta")

    def cover() -> None:
        world.cover()
        for client in crowd:
            client.covered()

    who = crowd[one] if isinstance(one, int) and one < len(crowd) else crowd[0]
    actions = {
        "fact": make_facts,
        "book": lambda: world.change_book(one, other),
        "deltas": change_books,
        "quote": lambda: world.change_quote(one),
        "bar": lambda: world.change_bar(final=one),
        "block": lambda: who.block(blocked=other),
        "take": who.take,
        "wish": lambda: who.wish(Wishes(conflate=other[0], max_rate=other[1])),
        "sleep": lambda: clock.jump(one),
        "join": lambda: who.join(None if other == "fresh" else who.cursor),
        "return": lambda: who.join(who.go_back(other)),
        "uncover": world.uncover,
        "cover": cover,
    }
    actions[what]()


async def live(clock: MockClock, run: list, *, skips: bool, history_events: int) -> None:
    await trio.lowlevel.checkpoint()
    world = SlowWorld(history_events)
    crowd = [SlowClient(world, room=4, skips=skips), SlowClient(world, room=9, skips=skips)]
    act(world, crowd, clock, ("cover", None, None))
    for client in crowd:
        client.join(None)
    for each in run:
        act(world, crowd, clock, each)
        for client in crowd:
            client.check_bound()
    act(world, crowd, clock, ("cover", None, None))
    for client in crowd:
        client.take()
        while client.woken or client.subscription.due_at < float("inf"):
            clock.jump(1)
            client.take()
        assert client.subscription.due_at == float("inf")
        client.check_promise()
        client.check_gaps()
        client.leave()


@pytest.fixture(params=["each is weighed", "some are not weighed"])
def weighing(request, monkeypatch):
    if request.param == "some are not weighed":
        monkeypatch.setattr(bound, "UNWEIGHED_BYTES", 300)


@pytest.mark.parametrize("history_events", [10_000, 8])
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.usefixtures("weighing")
@settings(max_examples=120, deadline=None)
@given(run=st.lists(steps, min_size=10, max_size=80))
def test_whoever_lags_misses_nothing_in_silence(skips, history_events, run):
    clock = MockClock()

    async def main() -> None:
        await live(clock, run, skips=skips, history_events=history_events)

    trio.run(main, clock=clock)
