"""One subscriber's way out: what is pending for it, turned into bytes and written until the stream ends.

Theory of operation. Two things wait to be written: what was *said* to this client alone (answers, problems), and the
*publications* of its subscription. What was said goes first, so an answer precedes the events it announces. At each step that
the pump gives it, a stream takes all publications pending, and writes as many as one write should have; what piles up
meanwhile is the next batch. `at` moves with what was given to the outlet: that goes before the goodbye or not at all, and
then no cursor is told, so nothing is skipped on resume.

While the outlet still keeps bytes the stream takes no steps, and its subscription knows that (`blocked`): the policies for
slow consumers are its matter. Ending is a flag that the next step sees; the goodbye is its last write.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import trio

from bridge.dialects.contract import Message, Transport
from bridge.downstream.comebacks import Comeback
from bridge.downstream.fanout.alarms import Alarm, Call
from bridge.downstream.fanout.batch import Batcher
from bridge.downstream.fanout.codec import Codec, framed
from bridge.downstream.fanout.sieve import belongs, sifted
from bridge.downstream.fanout.ways import Ways
from bridge.downstream.fanout.wording import Mixed
from bridge.downstream.goodbyes import goaway
from bridge.downstream.outlets.outlet import Frame, Outlet, as_it_is, padded
from bridge.hub.contract import Publication
from bridge.hub.hub import Bound, Subscription
from bridge.model import Code, InstrumentId, Topic
from bridge.wire.sse import sse_retry

SOON_SECONDS = 0.001
"""Events held back for a rate are looked at no more often than this."""


class StreamWriter:
    """Writes one stream. Every method is plain and may be called by any task.

    Attributes:
        subscription: None until the first subscribe.
        sent_bytes: handed to the outlet so far; `sent_events` publications among it.
    """

    __slots__ = (
        "_alarms",
        "_at",
        "_batcher",
        "_blocked",
        "_comeback",
        "_decided",
        "_due_at",
        "_ending",
        "_frame",
        "_gone",
        "_mixed",
        "_orders_of",
        "_outlet",
        "_pump",
        "_queued",
        "_quiet_since",
        "_said",
        "_said_bytes",
        "_sieves",
        "_taken",
        "_ways",
        "sent_bytes",
        "sent_events",
        "subscription",
    )

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._pump = ways.pump  # at hand, as is all that each write needs
        self._sieves = ways.codec.replaces_books
        self._outlet: Outlet | None = None
        self._batcher: Batcher | None = None
        self._frame: Frame = as_it_is
        self._mixed: Mixed | None = None
        self._orders_of: frozenset[InstrumentId] | None = None
        self.subscription: Subscription | None = None
        self.sent_bytes = 0
        self.sent_events = 0
        self._said: list[bytes] = []
        self._said_bytes = 0
        self._decided = b""
        self._taken: list[Publication] = []
        self._at: int | None = None
        self._ending: Code | None = None
        self._comeback: Comeback | None = None
        self._gone = False
        self._queued = False
        self._blocked = True
        self._quiet_since = 0.0
        self._due_at = math.inf
        self._alarms: dict[str, Alarm] = {}

    @property
    def at(self) -> str:
        """The cursor at which the stream stands: everything up to there was written or declared missing."""
        if self._at is not None:
            return self._ways.hub.cursor(self._at)
        return self._ways.hub.cursor() if self.subscription is None else self.subscription.cursor

    @property
    def ending(self) -> Code | None:
        """Why the stream is about to end; None while it lives."""
        return self._ending

    @property
    def pending_bytes(self) -> int:
        """What waits to be written."""
        taken = self._ways.codec.cost(self._taken, self._ways.hub)
        kept = 0 if self._outlet is None else self._outlet.kept_bytes
        return self._said_bytes + kept + taken + (self.subscription.pending_bytes if self.subscription else 0)

    def bound(self) -> Bound:
        """Return the bound that this stream's subscription is opened with."""
        ways, cost = self._ways, partial(self._ways.codec.cost, hub=self._ways.hub)
        return Bound(ways.pending_bytes or sys.maxsize, cost=cost, wake=self.wake, skips=ways.skips)

    def begin(self, outlet: Outlet) -> None:
        """Write from now on."""
        self._outlet = outlet
        self._frame = padded(outlet.frame, self._ways.padding_bytes)
        self._batcher = self._make_batcher()
        self._ways.pump.streams.add(self)
        self._quiet_since = trio.current_time()
        if self._ways.heartbeat_seconds:
            self._set_alarm("heartbeat", self._quiet_since + self._ways.heartbeat_seconds, self._live)
        self.freed()

    def tell(self, wordings: Mapping[Topic, Sequence[Codec]]) -> None:
        """Tell these topics by codecs of their own from now on, and all others by the ordinary one."""
        if wordings or self._mixed is not None:
            self._mixed = Mixed(self._ways.codec, wordings) if wordings else None
            self._batcher = self._make_batcher()

    def tell_orders_of(self, instruments: frozenset[InstrumentId]) -> None:
        """Leave out the orders of all other instruments from now on."""
        self._orders_of = instruments

    def stop(self) -> None:
        """Write no more, and take no more."""
        self._gone = True
        self._ways.pump.streams.discard(self)
        for alarm in self._alarms.values():
            alarm.cancel()
        if self.subscription is not None:
            self.subscription.close()
        self.subscription = self._outlet = None  # both know us

    def wake(self) -> None:
        """Have the pump look."""
        if not (self._queued or self._blocked):
            self._queued = True
            self._pump.push(self)

    def freed(self) -> None:
        """Go on: what the outlet kept has gone."""
        self._set_blocked(blocked=False)
        if self._ending is not None and self._gone:
            self._ways.ended(self._ending)
        else:
            self.wake()

    def say(self, messages: Sequence[Message]) -> None:
        """Queue messages for this client alone."""
        self.say_raw(framed(self._ways.codec.transport, messages))

    def say_raw(self, data: bytes) -> None:
        """Queue framed bytes for this client alone."""
        if not data:
            return
        self._said.append(data)
        self._said_bytes += len(data)
        if self._ways.pending_bytes and self._said_bytes > self._ways.pending_bytes:
            self.end(Code.SLOW_CONSUMER)
        self.wake()

    def end(self, code: Code, comeback: Comeback | None = None) -> None:
        """End the stream after the write in progress, and have its client come back then; the first reason stays."""
        if self._ending is None:
            self._ending, self._comeback = code, comeback
            if self._ways.farewell_seconds:
                until = trio.current_time() + self._ways.farewell_seconds
                self._set_alarm("farewell", until, lambda _: self._ways.stalled())
        self.wake()

    def fail(self, error: Exception) -> None:
        """End the stream without a goodbye."""
        self.stop()
        self._ways.failed(error)

    def forget(self, topics: Sequence[Topic]) -> None:
        """Leave out what was taken for these topics but not written yet."""
        gone = frozenset(topics)
        self._taken = [publication for publication in self._taken if not belongs(publication, gone)]

    def step(self, now: float) -> bool:
        """Decide on one write: what was said, or a batch of what is pending; or say goodbye at once."""
        self._queued = False
        if self._blocked or self._gone:
            return False
        subscription = self.subscription
        if self._ending is None and subscription is not None and subscription.overflowed:
            self.end(Code.SLOW_CONSUMER)
        if self._ending is not None:
            self._say_goodbye(self._ending)
        elif self._said:
            self._decided = self._frame(self._unsaid())
            self.wake()
        elif subscription is not None:
            self._decide_on_batch(subscription)
        if not self._decided:
            return False
        self.sent_bytes += len(self._decided)
        self._quiet_since = now
        return True

    def flush(self) -> None:
        """Make the write that was decided on."""
        data, self._decided = self._decided, b""
        if not self._outlet.try_write(data):  # type: ignore[union-attr]  # no step is made before `begin`
            self._set_blocked(blocked=True)

    def _make_batcher(self) -> Batcher:
        ways, mixed, frame = self._ways, self._mixed, self._frame
        return ways.pump.batcher(ways.codec, ways.hub, frame) if mixed is None else Batcher(mixed, ways.hub, frame)

    def _decide_on_batch(self, subscription: Subscription) -> None:
        pending = self._taken or self._take(subscription)
        if not pending:
            return
        assert self._batcher is not None  # noqa: S101 - no step is made before `begin`
        batch = self._batcher.join(pending)
        used = batch.used
        self._at = pending[used - 1].offset
        self.sent_events += batch.events
        self._decided = batch.data
        if used < len(pending) or self._taken:  # what was offered meanwhile has not been taken
            self._taken = pending[used:]
            self.wake()
        if batch.refused is not None:
            self._ways.refused(batch.refused)
        if batch.hole:
            self.end(Code.UPSTREAM_UNAVAILABLE)

    def _take(self, subscription: Subscription) -> list[Publication]:
        """Take what is pending, but for what need not be written."""
        pending = subscription.take()
        if subscription.lagging:
            self._look_again(subscription.due_at)
        return sifted(pending, replaces_books=self._sieves, orders_of=self._orders_of)

    def _look_again(self, due_at: float) -> None:
        if due_at < self._due_at:
            self._due_at = due_at
            self._alarms["due"] = self._ways.pump.at(max(due_at, trio.current_time() + SOON_SECONDS), self._due)

    def _due(self, now: float) -> None:
        """Look again: what was held back may go."""
        self._due_at = math.inf
        self.wake()

    def _say_goodbye(self, code: Code) -> None:
        self._gone = True
        told = goaway(code, self.at, self._ways.clock(), self._comeback)
        if told.retry_after_ms is not None and self._ways.codec.transport is Transport.SSE:
            self.say_raw(sse_retry(told.retry_after_ms))  # an EventSource waits by itself, whatever its party's words
        self.say(self._ways.conversation.goodbye(told))
        if self._said:
            self._decided = self._frame(self._unsaid())
            self.sent_bytes += len(self._decided)
            self.flush()
        if not self._blocked:
            self._ways.ended(code)

    def _unsaid(self) -> bytes:
        data, self._said, self._said_bytes = b"".join(self._said), [], 0
        return data

    def _set_blocked(self, *, blocked: bool) -> None:
        self._blocked = blocked
        if self.subscription is not None:
            self.subscription.blocked = blocked

    def _live(self, now: float) -> None:
        """Say that we live, if nothing was said for long enough; look again when that may be so."""
        seconds = self._ways.heartbeat_seconds
        if now >= self._quiet_since + seconds:
            self._quiet_since = now
            if not self._blocked:
                self.say(self._ways.conversation.heartbeat(self._ways.clock()))
        self._set_alarm("heartbeat", self._quiet_since + seconds, self._live)

    def _set_alarm(self, name: str, at: float, call: Call) -> None:
        self._alarms[name] = self._ways.pump.at(at, call)
