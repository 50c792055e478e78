"""Those who have something to say are woken a few in a turn, each of them in the end; whoever closes is let go."""

import socket

import pytest
import trio

from bridge.downstream.guard.epoll import RationedEpoll


@pytest.fixture(autouse=True)
async def _bounded():
    with trio.fail_after(20):
        yield


@pytest.fixture
def pairs():
    made = [socket.socketpair() for _ in range(40)]
    yield made
    for ours, theirs in made:
        ours.close()
        theirs.close()


async def test_many_that_speak_at_once_are_served_one_in_a_turn_and_all_of_them(pairs, mock_clock):
    epoll = RationedEpoll()
    woken: list[int] = []
    each_turn: list[int] = []

    async def read(ours: socket.socket) -> None:
        await epoll.wait_readable(ours.fileno())
        woken.append(ours.fileno())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(epoll.run)
        for ours, _ in pairs:
            nursery.start_soon(read, ours)
        await trio.testing.wait_all_tasks_blocked()
        pairs[0][1].send(b"x")
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(60)  # silence is no long turn, in which many would be served
        for _, theirs in pairs[1:]:
            theirs.send(b"x")
        while len(woken) < len(pairs):
            before = len(woken)
            await trio.lowlevel.checkpoint()
            each_turn.append(len(woken) - before)
        nursery.cancel_scope.cancel()
    assert max(each_turn) <= 2  # Trio runs the tasks of a turn in any order
    assert len(each_turn) >= len(pairs) - 1
    assert sorted(woken) == sorted(ours.fileno() for ours, _ in pairs)


async def test_what_was_said_before_the_wait_or_during_a_cancelled_one_is_announced(pairs):
    epoll = RationedEpoll()
    (ours, theirs), *_ = pairs
    async with trio.open_nursery() as nursery:
        nursery.start_soon(epoll.run)
        theirs.send(b"x")
        await epoll.wait_readable(ours.fileno())
        ours.recv(1)
        with trio.move_on_after(0) as cancelled:
            await epoll.wait_readable(ours.fileno())
        assert cancelled.cancelled_caught
        theirs.send(b"y")
        await trio.testing.wait_all_tasks_blocked()
        await epoll.wait_readable(ours.fileno())
        assert ours.recv(1) == b"y"
        nursery.cancel_scope.cancel()


async def test_who_waits_for_what_is_closing_is_woken_and_its_number_can_be_used_again(pairs):
    epoll = RationedEpoll()
    (ours, _), (other, other_theirs), *_ = pairs
    number = ours.fileno()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(epoll.run)
        async with trio.open_nursery() as reading:
            reading.start_soon(epoll.wait_readable, number)
            await trio.testing.wait_all_tasks_blocked()
            epoll.closing(number)
            ours.close()
        again = other.dup()
        assert again.fileno() == number
        other_theirs.send(b"x")
        await epoll.wait_readable(number)
        assert again.recv(1) == b"x"
        epoll.closing(number)
        epoll.closing(number)  # safe to repeat
        again.close()
        nursery.cancel_scope.cancel()
