"""A session talks no faster than the vendor allows, whatever window the vendor counts in."""

import pytest
import trio

from bridge.upstream.slots.pace import Pace


async def sent(per_second, count):
    pace = Pace(per_second)
    times = []
    for _ in range(count):
        await pace.wait()
        times.append(trio.current_time())
    return times


@pytest.mark.parametrize(("allowed", "window_seconds", "per_second"), [(100, 1, 100), (100, 60, 100 / 60)])
async def test_no_window_sees_more_than_the_vendor_allows(allowed, window_seconds, per_second, autojump_clock):
    times = await sent(per_second, 400)
    assert all(times[n + allowed] - times[n] > window_seconds for n in range(len(times) - allowed))


async def test_a_reconnects_few_subscribes_go_out_at_once(autojump_clock):
    times = await sent(100 / 60, 10)
    assert times[-1] == times[0]


async def test_without_a_limit_nothing_waits(autojump_clock):
    times = await sent(None, 1000)
    assert times[-1] == times[0]
