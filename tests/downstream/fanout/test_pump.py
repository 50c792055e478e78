"""The pump on streams that only count: who gets its turn when, and that nobody's trouble is another's."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.downstream.fanout.pump import WRITES_A_TURN, Pump
from bridge.model import Code


class Stream:
    def __init__(self, pump: Pump, steps: list[str] | None = None, name: str = "") -> None:
        self.pump = pump
        self.steps = [] if steps is None else steps
        self.name = name
        self.ended: Code | None = None
        self.error: Exception | None = None
        self.more = 0

    def step(self, now: float) -> bool:
        self.steps.append(self.name)
        if self.more:
            self.more -= 1
            self.pump.push(self)
        return True

    def flush(self) -> None:
        self.steps.append(self.name.upper())

    def end(self, code: Code, comeback: object = None) -> None:
        self.ended = code

    def fail(self, error: Exception) -> None:
        self.error = error


@pytest.fixture
def pump(nursery) -> Pump:
    made = Pump()
    made.closing = trio.Event()
    nursery.start_soon(made.run, made.closing)
    return made


async def test_who_has_more_to_write_waits_for_all_others_turns(autojump_clock, pump):
    steps: list[str] = []
    streams = [Stream(pump, steps, name) for name in "abc"]
    streams[0].more = 2
    for stream in streams:
        pump.push(stream)
    await wait_all_tasks_blocked()
    assert "".join(steps) == "abcABCaAaA", "small: decided; large: written"


async def test_others_run_during_a_long_round_and_after_a_short_one(autojump_clock, pump):
    for _ in range(WRITES_A_TURN * 5):
        pump.push(Stream(pump))
    hog = Stream(pump)
    hog.more = 10**9
    pump.push(hog)
    turns = 0
    while len(hog.steps) < 100:
        await trio.lowlevel.checkpoint()
        turns += 1
    assert turns >= 50, "one stream that never runs dry leaves everyone their turn"
    hog.more = 0


async def test_it_is_busy_until_the_last_stream_has_written(autojump_clock, pump):
    await wait_all_tasks_blocked()
    assert not pump.busy()
    streams = [Stream(pump) for _ in range(WRITES_A_TURN * 5)]
    for stream in streams:
        pump.push(stream)
    while not streams[-1].steps:
        assert pump.busy()
        await trio.lowlevel.checkpoint()
    await wait_all_tasks_blocked()
    assert not pump.busy()


async def test_when_others_take_long_the_pump_writes_for_as_long_before_their_next_turn(autojump_clock, pump):
    hog = Stream(pump)
    hog.more = 10**9
    decide = hog.step

    def step(now):
        autojump_clock.jump(0.001)
        return decide(now)

    hog.step = step
    pump.push(hog)
    written = []
    for _ in range(20):
        autojump_clock.jump(0.03)
        before = len(hog.steps)
        await trio.lowlevel.checkpoint()
        written.append(len(hog.steps) - before)
    hog.more = 0
    assert sum(written[2:]) / len(written[2:]) >= 40, (
        "decided and written, once a millisecond, and thirty milliseconds are theirs"
    )


async def test_a_stream_that_fails_ends_alone(autojump_clock, pump):
    broken, well = Stream(pump), Stream(pump)
    broken.step = lambda now: 1 / 0
    pump.push(broken)
    pump.push(well)
    await wait_all_tasks_blocked()
    assert isinstance(broken.error, ZeroDivisionError)
    assert (len(well.steps), well.error) == (2, None)


async def test_alarms_ring_at_their_time_also_when_set_while_it_sleeps(autojump_clock, pump):
    rung: list[float] = []
    pump.at(trio.current_time() + 100, rung.append)
    await wait_all_tasks_blocked()
    began = trio.current_time()
    pump.at(began + 5, rung.append)
    await trio.sleep(200)
    assert rung == [pytest.approx(began + 5), pytest.approx(began + 100)]


async def test_a_closing_house_sends_everyone_away(autojump_clock, pump):
    streams = [Stream(pump) for _ in range(3)]
    pump.streams.update(streams)
    await wait_all_tasks_blocked()
    pump.closing.set()
    await wait_all_tasks_blocked()
    assert [stream.ended for stream in streams] == [Code.GOING_AWAY] * 3


async def test_while_nothing_happens_it_sleeps(autojump_clock, pump):
    await wait_all_tasks_blocked()
    statistics = trio.lowlevel.current_statistics()
    before = trio.current_time()
    await trio.sleep(1_000)
    assert trio.current_time() >= before + 1_000
    assert statistics.tasks_runnable == 0
