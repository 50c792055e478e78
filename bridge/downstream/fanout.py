"""One subscriber's way out: what is pending for it, turned into bytes and written until the stream ends.

Theory of operation. Two things wait to be written: what was *said* to this client alone (answers, problems), and the
*publications* of its subscription. What was said goes first, so an answer precedes the events it announces. The writer takes
all publications pending at once, joins their bytes into slices of at most `SLICE_BYTES`, and makes one write a slice; what
piles up meanwhile is the next batch. A slice bounds what one write deadline is about, and how old the cursor of a goodbye
can be: `at` moves only once the server has taken the bytes, so nothing is skipped on resume.

Nothing here waits for the peer but the write itself. Ending is a flag that the writer sees after the write in progress;
the goodbye is its last one.
"""

import sys
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import trio

from bridge.clock import Clock
from bridge.dialects.contract import Conversation, Message
from bridge.downstream.codec import Codec, framed
from bridge.downstream.goodbyes import goaway
from bridge.downstream.outlet import Outlet
from bridge.hub.contract import Publication
from bridge.hub.hub import Bound, Hub, Subscription
from bridge.model import (
    BookDelta,
    BookSnapshot,
    Code,
    Covered,
    FeedStatus,
    Gap,
    Topic,
    TopicRefused,
    Uncovered,
    topic_of,
)

SLICE_BYTES = 65_536
"""Bytes of one write: a peer that takes 7 kB/s still makes the default write deadline of 10 s."""


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer works with.

    Attributes:
        heartbeat_seconds: how long it may be silent; 0 = for ever.
        pending_bytes: what may wait for the peer; 0 = without bound.
        refused: told when the vendor refused a topic; says so to the client and drops the topic.
    """

    hub: Hub
    clock: Clock
    codec: Codec
    conversation: Conversation
    outlet: Outlet
    heartbeat_seconds: float
    pending_bytes: int
    refused: Callable[[TopicRefused], None]


class StreamWriter:
    """Writes one stream. Every method but `run` is plain and may be called by any task of the connection.

    Attributes:
        subscription: None until the first subscribe.
        sent_bytes: handed to the server so far; `sent_events` publications among it.
    """

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self.subscription: Subscription | None = None
        self.sent_bytes = 0
        self.sent_events = 0
        self._said: list[bytes] = []
        self._said_bytes = 0
        self._taken: deque[Publication] = deque()
        self._at: str | None = None
        self._ending: Code | None = None
        self._wake = trio.Event()
        self._quiet_since = trio.current_time()

    @property
    def at(self) -> str:
        """The cursor at which the stream stands: everything up to there was written or declared missing."""
        if self._at is not None:
            return self._at
        return self._ways.hub.cursor() if self.subscription is None else self.subscription.cursor

    @property
    def ending(self) -> Code | None:
        """Why the stream is about to end; None while it lives."""
        return self._ending

    @property
    def pending_bytes(self) -> int:
        """What waits to be written."""
        hub, codec = self._ways.hub, self._ways.codec
        taken = sum(codec.cost(publication, hub) for publication in self._taken)
        return self._said_bytes + taken + (self.subscription.pending_bytes if self.subscription else 0)

    def bound(self) -> Bound:
        """Return the bound that this stream's subscription is opened with."""
        hub, codec = self._ways.hub, self._ways.codec
        return Bound(
            pending_bytes=self._ways.pending_bytes or sys.maxsize,
            cost=lambda publication: codec.cost(publication, hub),
            wake=self.wake,
        )

    def wake(self) -> None:
        """Have the writer look again."""
        self._wake.set()

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

    def end(self, code: Code) -> None:
        """End the stream after the write in progress; the first reason stays."""
        if self._ending is None:
            self._ending = code
        self.wake()

    def forget(self, topics: Sequence[Topic]) -> None:
        """Leave out what was taken for these topics but not written yet."""
        gone = frozenset(topics)
        self._taken = deque(publication for publication in self._taken if not _belongs(publication, gone))

    async def run(self) -> None:
        """Write until the stream has ended and its goodbye is written."""
        while self._ending is None:
            if self.subscription is not None and self.subscription.overflowed:
                self.end(Code.SLOW_CONSUMER)
                break
            if not await self._write_some():
                await self._rest()
        await self._farewell(self._ending or Code.INTERNAL)

    async def _write_some(self) -> bool:
        """Write what was said, or a slice of what is pending; return whether there was anything."""
        if self._said:
            await self._write(self._unsaid())
            return True
        if not self._taken and self.subscription is not None:
            self._taken.extend(self._needed(self.subscription.take()))
        if not self._taken:
            return False
        data, events, last = self._slice()
        if data:
            await self._write(data)
        self.sent_events += events
        self._at = self._ways.hub.cursor(last.offset)
        return True

    def _slice(self) -> tuple[bytes, int, Publication]:
        """Return the bytes of the first publications taken, how many had any, and the last of them.

        A refused topic ends a slice, so that the problem is said in its place.
        """
        parts: list[bytes] = []
        room = SLICE_BYTES
        while True:
            publication = self._taken.popleft()
            if isinstance(publication.event, TopicRefused):
                self._ways.refused(publication.event)
                break
            data = self._ways.codec.encode(publication, self._ways.hub)
            if data:
                parts.append(data)
                room -= len(data)
            if room <= 0 or not self._taken:
                break
        return b"".join(parts), len(parts), publication

    def _needed(self, pending: list[Publication]) -> list[Publication]:
        """Leave out all but the newest change of a book that is said whole anyway."""
        if not any(self._ways.codec.collapses(publication.event) for publication in pending):
            return pending
        newest: dict[Topic, int] = {}
        for place, publication in enumerate(pending):
            if isinstance(publication.event, BookDelta | BookSnapshot):
                newest[topic_of(publication.event)] = place
        return [
            publication
            for place, publication in enumerate(pending)
            if not isinstance(publication.event, BookDelta) or newest[topic_of(publication.event)] == place
        ]

    async def _rest(self) -> None:
        """Wait for something to write; say a heartbeat when nothing was written for long enough."""
        with trio.move_on_at(self._quiet_since + (self._ways.heartbeat_seconds or float("inf"))) as silence:
            await self._wake.wait()
        self._wake = trio.Event()
        if silence.cancelled_caught:
            self._quiet_since = trio.current_time()
            self.say(self._ways.conversation.heartbeat(self._ways.clock()))

    async def _write(self, data: bytes) -> None:
        await self._ways.outlet.write(data)
        self.sent_bytes += len(data)
        self._quiet_since = trio.current_time()

    def _unsaid(self) -> bytes:
        data = b"".join(self._said)
        self._said.clear()
        self._said_bytes = 0
        return data

    async def _farewell(self, code: Code) -> None:
        self.say(self._ways.conversation.goodbye(goaway(code, self.at, self._ways.clock())))
        if self._said:
            await self._write(self._unsaid())
        await self._ways.outlet.close(code)


def _belongs(publication: Publication, topics: frozenset[Topic]) -> bool:
    match publication.event:
        case TopicRefused(topic=topic):
            return topic in topics
        case Gap(topics=touched):
            return topics.issuperset(touched)
        case Covered() | Uncovered() | FeedStatus():
            return False
        case event:
            return topic_of(event) in topics
