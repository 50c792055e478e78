"""What a signal does to what is running: the first drains, the second ends at once; errors come out as they were raised."""

import signal
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from bridge.cli.signals import run_until_signal
from bridge.errors import ConfigError, TransportLost


@dataclass
class FakeRunning:
    closing: trio.Event = field(default_factory=trio.Event)
    closed: trio.Event = field(default_factory=trio.Event)

    async def drain(self):
        self.closing.set()
        await self.closed.wait()


def runner(up, name, *, drains=True):
    async def run(*, task_status):
        running = FakeRunning()
        task_status.started(running)
        await running.closing.wait()
        up.append(f"{name} closing")
        if drains:
            running.closed.set()
        await trio.sleep_forever()

    return run


async def after_start(started, *numbers):
    await started.wait()
    for number in numbers:
        signal.raise_signal(number)
        await trio.testing.wait_all_tasks_blocked(0.01)


async def until_signals(runners, *numbers):
    started, code = trio.Event(), []
    names = []

    def announce(_):
        names.append(len(names))
        if len(names) == len(runners):
            started.set()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(after_start, started, *numbers)
            code.append(await run_until_signal(runners, announce))
    return code[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_drains_the_last_started_first_and_is_0(number):
    up = []
    assert await until_signals([runner(up, "simulator"), runner(up, "bridge")], number) == 0
    assert up == ["bridge closing", "simulator closing"]


async def test_a_second_interrupt_ends_what_does_not_drain_with_130():
    up = []
    assert await until_signals([runner(up, "bridge", drains=False)], signal.SIGINT, signal.SIGINT) == 130
    assert up == ["bridge closing"]


async def test_a_second_sigterm_ends_what_does_not_drain_with_0():
    assert await until_signals([runner([], "bridge", drains=False)], signal.SIGTERM, signal.SIGTERM) == 0


async def test_our_errors_come_out_of_the_nurseries_as_they_were_raised():
    async def failing(*, task_status):
        async with trio.open_nursery():
            raise ConfigError("one", "two")

    with pytest.raises(ConfigError) as caught:
        await run_until_signal([runner([], "simulator"), failing], lambda _: None)
    assert caught.value.problems == ("one", "two")


async def test_a_mistake_of_ours_keeps_its_traceback():
    async def failing(*, task_status):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broken)
            raise TransportLost("beside it")

    async def broken():
        raise KeyError("a bug")

    with pytest.RaisesGroup(pytest.RaisesGroup(KeyError, TransportLost)):
        await run_until_signal([failing], lambda _: None)
