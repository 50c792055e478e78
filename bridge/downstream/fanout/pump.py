"""The pump: the one task that writes to all streams.

Theory of operation. A stream that has something to write puts itself on the ready list. A round takes the list as it is and
lets each stream make one write that never waits; every few writes the rest of the program gets its turn, but the pump's turns
are as long as those of the others: else reading events would leave ever less time for writing them, and a vendor that is too
fast would never be slowed down. What is published meanwhile piles up and goes with the next round, joined: that is the
batching. So an idle bridge answers at once, a busy one batches more, and no timer decides.

Writes are first decided on, a few together, and then made one right after the other: so a reader on this machine (a proxy
beside us, as a rule) stays awake between them, and waking it is a write's largest cost. A stream whose peer does not keep up
leaves the list until there is room again.

It also keeps the streams' alarms (heartbeats, ends of tokens, held-back events), and tells all of them when the house closes.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import trio

from bridge.downstream.comebacks import Comeback, together
from bridge.downstream.fanout.alarms import Alarm, Alarms, Call
from bridge.downstream.fanout.batch import Batcher
from bridge.downstream.fanout.codec import Codec
from bridge.downstream.outlets.outlet import Frame
from bridge.hub.hub import Hub
from bridge.model import Code

WRITES_A_TURN: Final = 64
"""At least; some hundred microseconds."""

LONGEST_TURN_SECONDS: Final = 0.5
"""However long the others took."""


class Pumped(Protocol):
    """A stream as the pump sees it."""

    def step(self, now: float) -> bool:
        """Decide on one write.

        Args:
            now: Trio's time.

        Returns:
            Whether there is something to write; `flush` is called soon, before anything else happens.
        """
        ...

    def flush(self) -> None:
        """Make the write that was decided on, without waiting."""
        ...

    def end(self, code: Code, comeback: Comeback | None = None) -> None:
        """Say goodbye as soon as possible; see `goodbyes.goaway`."""
        ...

    def fail(self, error: Exception) -> None:
        """A step failed: end this stream, whatever it takes."""
        ...


class Pump:
    """See the module. One of each house.

    Attributes:
        streams: those that are open.
    """

    def __init__(self) -> None:
        self.streams: set[Pumped] = set()
        self._ready: list[Pumped] = []
        self._alarms = Alarms()
        self._batchers: dict[tuple[Codec, Frame], Batcher] = {}
        self._bell = trio.Event()
        self._turn_until = 0.0
        self._in_a_round = False

    def __repr__(self) -> str:
        return f"<Pump {len(self.streams)} streams, {len(self._ready)} ready, {len(self._alarms)} alarms>"

    def busy(self) -> bool:
        """Whether some stream has something to write."""
        return self._in_a_round or bool(self._ready)

    def push(self, stream: Pumped) -> None:
        """Give a stream its turn in the next round."""
        if not self._ready:
            self._bell.set()
        self._ready.append(stream)

    def at(self, time: float, call: Call) -> Alarm:
        """Have something called at a time of Trio's clock."""
        if time < self._alarms.next:
            self._bell.set()
        return self._alarms.set(time, call)

    def batcher(self, codec: Codec, hub: Hub, frame: Frame) -> Batcher:
        """Return the one that joins for all streams with this codec and framing."""
        known = self._batchers.get((codec, frame))
        if known is None:
            known = self._batchers[codec, frame] = Batcher(codec, hub, frame)
        return known

    async def run(self, closing: trio.Event) -> None:
        """Pump until cancelled; when the house closes, send everyone away."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_away, closing)
            while True:
                self._alarms.ring(trio.current_time() if self._ready else await self._sleep())
                ready, self._ready = self._ready, []
                self._in_a_round = True
                await self._round(ready)
                self._in_a_round = False
                if self._ready:
                    await self._give_way()

    async def _sleep(self) -> float:
        """Return the time, once something is to be done: not an instant before the alarm that ended the sleep."""
        for batcher in self._batchers.values():
            batcher.forget()
        self._bell = trio.Event()
        with trio.move_on_at(self._alarms.next) as sleep:
            await self._bell.wait()
        return max(trio.current_time(), sleep.deadline) if sleep.cancelled_caught else trio.current_time()

    async def _round(self, ready: list[Pumped]) -> None:
        for start in range(0, len(ready), WRITES_A_TURN):
            if start:
                await self._give_way()
            self._turn(ready[start : start + WRITES_A_TURN], trio.current_time())

    async def _give_way(self) -> None:
        """Let all others have their turn, once ours was as long as the one that they had before."""
        now = trio.current_time()
        if now >= self._turn_until:
            await trio.lowlevel.checkpoint()
            back = trio.current_time()
            self._turn_until = back + min(back - now, LONGEST_TURN_SECONDS)

    def _turn(self, streams: Sequence[Pumped], now: float) -> None:
        """Let each of these make its write: first all are decided on, then all are made."""
        decided = []
        for stream in streams:
            try:
                if stream.step(now):
                    decided.append(stream)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this stream's alone
                stream.fail(error)
        for stream in decided:
            try:
                stream.flush()
            except Exception as error:  # noqa: BLE001 - likewise
                stream.fail(error)

    async def _send_away(self, closing: trio.Event) -> None:
        await closing.wait()
        leaving = list(self.streams)
        comeback = together(len(leaving))
        for stream in leaving:
            stream.end(Code.GOING_AWAY, comeback)
