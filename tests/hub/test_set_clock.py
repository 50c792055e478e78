"""The wall clock is set an hour back and forth while the hub runs: what is told may go back, nothing else does.

The vendor's clock and what only rises (Trio's) go on; only what `ts_recv` is stamped with jumps.
"""

from decimal import Decimal

import pytest
import trio

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    SECONDS,
    Bar,
    Covered,
    FeedName,
    InstrumentId,
    Topic,
    TopicKind,
    TopicRefused,
    Trade,
    Uncovered,
    UnixNanos,
    Verdict,
    Want,
)

FEED = FeedName("f")
TRADE, BAR = Topic.parse("trade:X"), Topic.parse("bar.1m:X")
ROOMY = Bound(10**9, lambda some: 100 * len(some), lambda: None)
START = 1_800_000_000 * SECONDS
"""A whole minute."""

HOUR = 3_600.0


class Clocks:
    """A vendor's clock that is right, and ours, which is off by so many seconds."""

    def __init__(self) -> None:
        self.off_seconds = 0.0

    def true(self) -> UnixNanos:
        return UnixNanos(START + round(trio.current_time() * SECONDS))

    def wall(self) -> UnixNanos:
        return UnixNanos(self.true() + round(self.off_seconds * SECONDS))

    def steady(self) -> UnixNanos:
        return UnixNanos(round(trio.current_time() * SECONDS))


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def hub(clocks):
    def sources(want):
        return (TRADE,) if want.topic.kind is TopicKind.BAR else (want.upstream,)

    settings = HubSettings(history_seconds=600, refusal_seconds=60)
    return Hub(MemoryLog(), clocks.wall, settings, sources, clocks.steady)


def trade(clocks, number=1):
    return Trade(
        instrument=InstrumentId("X"),
        feed=FEED,
        ts_recv=clocks.wall(),
        ts_event=clocks.true(),
        price=Decimal(number),
        size=Decimal(1),
    )


JUMPS = [-HOUR, HOUR]


@pytest.mark.parametrize("jump", JUMPS)
async def test_bars_are_closed_in_time_and_no_trade_comes_too_late_for_its_bar(hub, clocks, jump, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        subscription = hub.open([Want(BAR, FEED)], None, ROOMY)
        hub.publish(Covered(feed=FEED, topics=(TRADE,), ts_recv=clocks.wall()))
        for number in range(1, 31):  # one every ten seconds, for five minutes
            if number == 8:
                clocks.off_seconds += jump
            if number == 20:
                clocks.off_seconds -= jump
            hub.publish(trade(clocks, number))
            await trio.sleep(10)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    bars = [one.event for one in subscription.take() if isinstance(one.event, Bar) and one.event.is_final]
    assert [(bar.ts_open - START) // (60 * SECONDS) for bar in bars] == [0, 1, 2, 3, 4]
    assert [bar.volume for bar in bars] == [6] * 5


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_bar_that_nothing_follows_is_closed_when_its_minute_is_over(hub, clocks, jump, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        subscription = hub.open([Want(BAR, FEED)], None, ROOMY)
        hub.publish(Covered(feed=FEED, topics=(TRADE,), ts_recv=clocks.wall()))
        hub.publish(trade(clocks))
        clocks.off_seconds = jump
        await trio.sleep(50)
        assert not any(one.event.is_final for one in subscription.take() if isinstance(one.event, Bar))
        await trio.sleep(30)
        assert [one.event.is_final for one in subscription.take() if isinstance(one.event, Bar)] == [True]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_refusal_is_remembered_for_its_minute(hub, clocks, jump, autojump_clock):
    want = Want(TRADE, FEED)
    hub.publish(TopicRefused(feed=FEED, topic=TRADE, code="unknown_instrument", message="no", ts_recv=clocks.wall()))
    clocks.off_seconds = jump
    await trio.sleep(59)
    assert hub.refused(want) is not None
    await trio.sleep(2)
    assert hub.refused(want) is None


@pytest.mark.parametrize("jump", JUMPS)
async def test_history_is_kept_for_its_time_and_a_cursor_goes_on_from_it(hub, clocks, jump, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        wants = [Want(TRADE, FEED)]
        hub.open(wants, None, ROOMY)
        hub.publish(Covered(feed=FEED, topics=(TRADE,), ts_recv=clocks.wall()))
        cursor = hub.cursor()
        hub.publish(trade(clocks, 1))
        clocks.off_seconds = jump
        await trio.sleep(300)
        hub.publish(trade(clocks, 2))
        again = hub.open(wants, cursor, ROOMY)
        assert again.verdict is Verdict.RESUMED
        told = [one for one in again.take() if isinstance(one.event, Trade)]
        assert [one.event.price for one in told] == [1, 2]
        assert told[0].offset < told[1].offset
        await trio.sleep(320)
        assert [one.event.price for one in hub.recent(wants[0], 9)] == [2]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("jump", JUMPS)
async def test_coverage_lingers_and_leases_go_by_what_only_rises(hub, clocks, jump, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        want = Want(TRADE, FEED)
        subscription = hub.open([want], None, ROOMY)
        hub.publish(Covered(feed=FEED, topics=(TRADE,), ts_recv=clocks.wall()))
        clocks.off_seconds = jump
        hub.publish(Uncovered(feed=FEED, topics=(TRADE,), ts_recv=clocks.wall()))
        hub.publish(Covered(feed=FEED, topics=(TRADE,), ts_recv=clocks.wall()))
        (gap,) = (one.event for one in subscription.take())
        assert int(gap.from_.rpartition("-")[2]) < int(gap.to.rpartition("-")[2])
        subscription.close()
        await trio.sleep(29)
        assert hub.interest(FEED).wanted() == {TRADE}
        await trio.sleep(2)
        assert hub.interest(FEED).wanted() == set()
        hub.lease([want], 10)
        clocks.off_seconds = -jump
        await trio.sleep(9)
        assert hub.interest(FEED).wanted() == {TRADE}
        await trio.sleep(2)
        assert hub.interest(FEED).wanted() == set()
        nursery.cancel_scope.cancel()
