"""Connections that have queued up are gone through together; who may not come costs nobody a turn."""

import errno
import resource
import socket

import pytest
import trio

from bridge.downstream.door.eager import LOOKED_AT, EagerListener
from bridge.downstream.guard.ration import MOST


@pytest.fixture(autouse=True)
async def _bounded():
    with trio.fail_after(20):
        yield


async def listening() -> tuple[EagerListener, int]:
    plain = (await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=256))[0]
    return EagerListener(plain), plain.socket.getsockname()[1]


class Turns:
    """How often the event loop has turned; each turn can be made to take long."""

    def __init__(self, seconds: float = 0) -> None:
        self.count = 0
        self._seconds = seconds

    async def run(self, clock: trio.testing.MockClock) -> None:
        while True:
            self.count += 1
            clock.jump(self._seconds)
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("turn_seconds", "fewest", "most"), [(0, 60, 200), (0.05, 4, 12)], ids=["short turns", "long turns"]
)
async def test_one_comes_in_a_short_turn_and_many_in_a_long_one(
    mock_clock, turn_seconds: float, fewest: int, most: int
):
    """While turns are short nobody is to be late; while they are long a queue is to get shorter."""
    mock_clock.rate = 0
    listener, port = await listening()
    waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST * 4)]
    turns = Turns(turn_seconds)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.run, mock_clock)
        streams = [await listener.accept() for _ in waiting]
        nursery.cancel_scope.cancel()
    assert fewest <= turns.count <= most
    for each in [*streams, listener]:
        await each.aclose()
    for each in waiting:
        each.close()


async def test_the_time_in_which_nobody_came_is_no_long_turn(mock_clock):
    """Else all who come together after a while would come in one turn."""
    listener, port = await listening()
    waiting = [socket.create_connection(("127.0.0.1", port))]
    streams = [await listener.accept()]
    mock_clock.jump(60)
    waiting += [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST)]
    turns = Turns()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.run, mock_clock)
        streams += [await listener.accept() for _ in range(MOST)]
        nursery.cancel_scope.cancel()
    assert turns.count >= MOST - 2
    for each in [*streams, listener]:
        await each.aclose()
    for each in waiting:
        each.close()


async def test_who_may_not_come_is_closed_within_the_turn_and_who_waits_behind_is_let_in(mock_clock):
    listener, port = await listening()
    asked = []

    def admits(address: str) -> bool:
        asked.append(address)
        return len(asked) == LOOKED_AT

    listener.admits = admits
    waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(LOOKED_AT)]
    turns = Turns()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.run, mock_clock)
        stream = await listener.accept()
        nursery.cancel_scope.cancel()
    assert stream.socket.getpeername() == waiting[-1].getsockname()
    assert asked == ["127.0.0.1"] * LOOKED_AT
    assert turns.count <= 3
    assert [each.recv(1) for each in waiting[:-1]] == [b""] * (LOOKED_AT - 1)
    await stream.aclose()
    await listener.aclose()
    for each in waiting:
        each.close()


async def test_who_was_taken_and_not_handed_out_is_closed_with_the_listener(mock_clock):
    listener, port = await listening()
    first = [socket.create_connection(("127.0.0.1", port)) for _ in range(LOOKED_AT)]
    streams = [await listener.accept()]
    mock_clock.jump(1)  # a long turn, after which more are taken
    streams.append(await listener.accept())
    await listener.aclose()
    assert first[2].recv(1) == b""
    for each in streams:
        await each.aclose()
    for each in first:
        each.close()


async def test_when_no_more_files_may_be_open_it_says_so():
    """Trio's server then waits a moment, instead of asking again and again."""
    listener, port = await listening()
    caller = socket.create_connection(("127.0.0.1", port))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match="Too many open files") as raised:
            await listener.accept()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert raised.value.errno == errno.EMFILE
    await (await listener.accept()).aclose()
    await listener.aclose()
    caller.close()
