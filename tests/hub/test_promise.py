"""The promise of a cursor, against a plain model of the world: every fact arrives once or lies inside a declared gap.

Clients stream or poll, break off, and come back with any cursor they were ever given, also over a restart of the bridge.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hub.careful_client import Client
from tests.hub.world import ORDER, TRADE, World

clients = st.integers(0, 2)
books = st.dictionaries(st.integers(1, 6), st.integers(0, 2), max_size=4)
step = st.one_of(
    st.tuples(st.just("fact"), st.sampled_from([TRADE, TRADE, ORDER]), st.booleans()),
    st.tuples(st.just("fact"), st.sampled_from([TRADE, TRADE, ORDER]), st.booleans()),
    st.tuples(st.just("book"), books, st.sampled_from(["snapshot", "delta", "delta", "delta", "replacement"])),
    st.tuples(st.just("quote"), st.integers(1, 3), st.none()),
    st.tuples(st.just("cover"), st.none(), st.none()),
    st.tuples(st.just("uncover"), st.none(), st.none()),
    st.tuples(st.just("resume"), st.none(), st.none()),
    st.tuples(st.just("join"), clients, st.sampled_from(["fresh", "back", "back"])),
    st.tuples(st.just("return"), clients, st.integers(0, 30)),
    st.tuples(st.just("take"), clients, st.none()),
    st.tuples(st.just("poll"), clients, st.integers(1, 4)),
    st.tuples(st.just("leave"), clients, st.none()),
)


def act(world: World, crowd: list[Client], what: str, one, other) -> None:
    def cover() -> None:
        world.cover()
        for client in crowd:
            client.covered()

    def resume() -> None:
        world.resume()
        for client in crowd:
            client.covered()

    def restart() -> None:
        for client in crowd:
            client.leave()
        world.restart()

    who = crowd[one] if isinstance(one, int) and one < len(crowd) else crowd[0]
    actions = {
        "fact": lambda: world.make_fact(one, seen=other),
        "book": lambda: world.change_book(one, other),
        "quote": lambda: world.change_quote(one),
        "cover": cover,
        "uncover": world.uncover,
        "resume": resume,
        "join": lambda: who.join(None if other == "fresh" else who.cursor),
        "return": lambda: who.join(who.go_back(other)),
        "take": who.take,
        "poll": lambda: who.poll(other),
        "leave": who.leave,
        "restart": restart,
    }
    actions[what]()


@pytest.mark.parametrize("history_events", [10_000, 6])
@settings(max_examples=300, deadline=None)
@given(run=st.lists(step, min_size=10, max_size=80), restart_at=st.integers(0, 160))
async def test_every_fact_arrives_once_or_lies_inside_a_declared_gap(history_events, run, restart_at):
    world = World(history_events)
    crowd = [Client(world) for _ in range(3)]
    for number, (what, one, other) in enumerate(run):
        if number == restart_at:
            act(world, crowd, "restart", None, None)
        act(world, crowd, what, one, other)
    act(world, crowd, "cover", None, None)
    for number, client in enumerate(crowd):
        if client.subscription is not None:
            client.take()
            client.check_promise()
        if client.cursor is not None and number % 2:
            client.join(client.cursor)
            client.take()
        elif client.cursor is not None:
            client.poll(1_000_000)
        client.check_promise()
        client.leave()
