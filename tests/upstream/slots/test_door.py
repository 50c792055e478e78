"""The door to a vendor: one connect at a time while it refuses, a stay-away for all, and never more than a burst."""

import pytest
import trio

from bridge.errors import TransportLost, VendorRefused
from bridge.upstream.backoff import CAP_SECONDS
from bridge.upstream.slots.door import BURST, PER_SECOND, Door


def door() -> Door:
    return Door(lambda: 1.0)


async def entered_after(one: Door) -> float:
    began = trio.current_time()
    await one.enter()
    return trio.current_time() - began


async def test_a_burst_goes_through_at_once_and_what_follows_is_paced(autojump_clock):
    one = door()
    waits = [await entered_after(one) for _ in range(BURST + 3)]
    assert waits == pytest.approx([0] * BURST + [1 / PER_SECOND] * 3, abs=1e-6)


async def test_after_a_refusal_nobody_goes_through_before_the_backoff_is_over(autojump_clock):
    one = door()
    await one.enter()
    one.leave(error=TransportLost("gone"))
    assert await entered_after(one) == 1
    one.leave(error=TransportLost("gone"))
    assert await entered_after(one) == 2


async def test_what_the_vendor_asks_of_one_holds_for_all(autojump_clock):
    one = door()
    await one.enter()
    one.leave(error=VendorRefused(429, "slow down", retry_after_seconds=100))
    assert await entered_after(one) == 101


async def test_while_it_fails_one_at_a_time_goes_through(autojump_clock):
    one, inside = door(), []

    async def knock() -> None:
        await one.enter()
        inside.append(1)
        assert len(inside) == 1
        await trio.sleep(5)
        inside.pop()
        one.leave(error=TransportLost("gone"))

    await one.enter()
    one.leave(error=TransportLost("gone"))
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(knock)


async def test_a_success_opens_it_for_all(autojump_clock):
    one = door()
    for _ in range(8):
        await one.enter()
        one.leave(error=TransportLost("gone"))
    await one.enter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.enter)
        await trio.sleep(CAP_SECONDS * 10)
        began = trio.current_time()
        one.leave(opened=True)
    assert trio.current_time() == began


async def test_what_was_asked_for_wrongly_shuts_nothing(autojump_clock):
    one = door()
    await one.enter()
    one.leave()
    assert await entered_after(one) == 0


async def test_who_gives_up_waiting_leaves_no_trace(autojump_clock):
    one = door()
    await one.enter()
    one.leave(error=TransportLost("gone"))
    with trio.move_on_after(0.5):
        await one.enter()
    await trio.sleep(1)
    assert await entered_after(one) == 0
