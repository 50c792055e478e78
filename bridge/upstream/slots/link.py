"""One session on one connection, done: connects, writes, reads, pings, watches the deadline. Any end ends all of it.

Whatever goes wrong stays inside: a vendor's fault, the network's, or a mistake of ours in a decoder becomes the link's `end`,
and who started it decides what next. What the session decides that is not for the connection goes to `hear`.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
import structlog
import trio

from bridge.clock import Clock
from bridge.dialects.contract import Comment, Credential, TransportProfile
from bridge.errors import BridgeError, Mistake, Mistakes, TransportLost, VendorProtocolError
from bridge.model import Topic, UnixNanos
from bridge.upstream.bell import Bell
from bridge.upstream.contract import Connection, ConnectionStatistics, Connector
from bridge.upstream.network.silence import until_silent
from bridge.upstream.session.bookmark import Bookmark
from bridge.upstream.session.effects import Complaint, Effect, Emit, GiveUp, Say, Strange
from bridge.upstream.session.session import Session
from bridge.upstream.session.state import SessionState
from bridge.upstream.shelter import name_of
from bridge.upstream.slots.pace import Pace

CONFIRM_SECONDS = 15.0
"""From the accepted connection to the vendor's first confirmation: as long as an HTTP answer may take."""

GREETING_SECONDS = 5.0
"""Where the accepted request carried all topics, its acceptance is the vendor's yes; a greeting is waited for so long."""

REMIND_SECONDS = 5.0
"""How often what is not confirmed is looked at, and at times asked for again (see `reminders.ASK_AGAIN_AT`). Connections
are opened at jittered moments, so their reminders are spread as well."""

OUTBOX = 1_000
"""Messages to the vendor that may wait for its pace or its socket; more means that it will never catch up, so begin anew."""

_log = structlog.get_logger(__name__)


class LinkTools(msgspec.Struct, frozen=True, kw_only=True):
    """What every link of a feed uses.

    Attributes:
        connector: opens connections.
        profile: the transport's numbers.
        clock: stamps the statistics.
        places: one for each connection the vendor grants; held from before the request until after the end.
        mistakes: the feed's.
    """

    connector: Connector
    profile: TransportProfile
    clock: Clock
    places: trio.Semaphore | None
    mistakes: Mistakes


class Link:
    """One session on one connection.

    Args:
        name: `<feed>/<number>`, for logs and pages.
        session: new.
        tools: the feed's.
        hear: is told what follows from what the vendor says, and, with None, of the end.

    Attributes:
        end: why it ended; None while it has not.
        credential: what let it in.
        bookmark: where it stands, or stood at its end; None where the vendor has no such place.
    """

    def __init__(
        self, name: str, session: Session, tools: LinkTools, hear: Callable[["Link", Effect | None], None]
    ) -> None:
        self.name = name
        self.session = session
        self.end: BridgeError | None = None
        self.credential: Credential | None = None
        self.bookmark: Bookmark | None = None
        self._cursor: str | None = None
        self._tools = tools
        self._hear = hear
        self._outbox: deque[Say] = deque()
        self._bell = Bell()
        self._scope = trio.CancelScope()
        self._opened_at: UnixNanos | None = None
        self._frames = 0
        self._last_frame_at: UnixNanos | None = None

    @property
    def ready(self) -> bool:
        """The vendor has confirmed it, and it has not ended."""
        return self.end is None and self.session.state is SessionState.READY

    # ── from outside ──
    async def run(self, topics: Iterable[Topic], credential: Credential | None, bookmark: Bookmark | None) -> None:
        """Carry topics until the end, from a bookmark on if there is one; raises nothing but a cancellation from outside."""
        self.credential = credential
        self.bookmark = bookmark
        with self._scope:
            await self._guarded(lambda: self._connect_and_carry(topics))
        if self.end is None:
            self.end = TransportLost(f"{self.name}: closed on this side")
        self.session.ended()
        self._hear(self, None)

    def add(self, topics: Iterable[Topic]) -> None:
        """Subscribe to more; only where the transport lets subscriptions change."""
        self._act(self.session.add(topics))

    def drop(self, topics: Iterable[Topic]) -> None:
        """Unsubscribe; only where the transport lets subscriptions change."""
        self._act(self.session.drop(topics))

    def anew(self, topics: Sequence[Topic]) -> None:
        """Have topics that are served begin afresh; only where the transport lets subscriptions change."""
        self._act(self.session.anew(topics))

    def close(self, reason: str) -> None:
        """Leave: nothing that still comes is heard."""
        if self.end is None:
            self.end = TransportLost(f"{self.name}: {reason}")
            self.session.retire()
        self._scope.cancel()

    def statistics(self) -> ConnectionStatistics:
        """A snapshot for pages and logs."""
        return ConnectionStatistics(
            name=self.name,
            lane=":".join(self.session.lane),
            state=self.session.state,
            topics=len(self.session.topics),
            opened_at=self._opened_at,
            frames=self._frames,
            last_frame_at=self._last_frame_at,
        )

    def __repr__(self) -> str:
        return f"<Link {self.name} {self.session.state} {len(self.session.topics)} topics, {self._frames} frames>"

    # ── the tasks ──
    async def _connect_and_carry(self, topics: Iterable[Topic]) -> None:
        places = self._tools.places
        if places is None:
            await self._carry(topics)
            return
        async with places:
            await self._carry(topics)

    async def _carry(self, topics: Iterable[Topic]) -> None:
        connection = await self._tools.connector.connect(self.session.open(topics, self.credential, self.bookmark))
        try:
            self._opened_at = self._tools.clock()
            self._act(self.session.accepted())
            async with trio.open_nursery() as nursery:
                for task in (self._read, self._listen, self._write, self._ping, self._watch):
                    nursery.start_soon(self._guarded, lambda task=task: task(connection))
        finally:
            self._mark(self._cursor or self.session.cursor)
            await connection.aclose()

    async def _guarded(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task; whatever it raises becomes the link's end."""
        try:
            await task()
        except BridgeError as error:
            self._finish(error)
        except Exception as error:  # noqa: BLE001 - contained to where it happened, logged with its traceback
            if self._tools.mistakes.note(error):
                _log.exception("a session broke by a mistake of ours", connection=self.name)
            self._finish(Mistake(f"{self.name}: an internal error ({name_of(error)})"))

    def _mark(self, cursor: str | None) -> None:
        """Note where it ended. One that was confirmed nothing has not come further than where it began."""
        if self.session.confirmed:
            self.bookmark = None if cursor is None else Bookmark(cursor, self.session.confirmed)

    def _finish(self, end: BridgeError) -> None:
        if self.end is None:
            self.end = end
        self._scope.cancel()

    async def _read(self, connection: Connection) -> None:
        while True:
            try:
                frame = await connection.receive()
            except VendorProtocolError as error:
                self._act(self.session.malformed(error))
                continue
            if frame is None:
                continue
            if isinstance(frame, Comment):
                self._act(self.session.comment(frame))
                continue
            if self.end is not None:
                return  # nobody hears it, so it must not count as received
            self._frames += 1
            self._last_frame_at = frame.ts_recv
            self._cursor = connection.last_event_id
            self._act(self.session.receive(frame))

    async def _listen(self, connection: Connection) -> None:
        await until_silent(connection, self.name)

    async def _write(self, connection: Connection) -> None:
        pace = Pace(self._tools.profile.messages_per_second)
        while True:
            while self._outbox:
                say = self._outbox.popleft()
                for text in say.texts:
                    await pace.wait()
                    await connection.send(text)
                if say.probe:
                    await self._probe(connection, say.probe)
            await self._bell.wait()

    async def _probe(self, connection: Connection, topics: Sequence[Topic]) -> None:
        """The vendor answers no subscribe, but what it had to say to it comes before the pong."""
        await connection.ping()
        self._act(self.session.answered(topics))

    async def _ping(self, connection: Connection) -> None:
        if self._tools.profile.ping_seconds is None:
            return
        while True:
            await trio.sleep(self._tools.profile.ping_seconds)
            text = self.session.ping()
            if text is not None:
                self._act([Say((text,))])
            await connection.ping()

    async def _watch(self, _: Connection) -> None:
        if not self._tools.profile.changeable:
            await trio.sleep(GREETING_SECONDS)
            self._act(self.session.answered(tuple(self.session.pending)))
            if self.session.state is SessionState.OPEN:
                raise TransportLost(f"{self.name}: connected, but the vendor complained and confirmed nothing")
            return
        patient_until = trio.current_time() + CONFIRM_SECONDS
        while True:
            await trio.sleep(REMIND_SECONDS)
            if self.session.state is SessionState.OPEN and trio.current_time() >= patient_until:
                raise TransportLost(f"{self.name}: connected, but nothing was confirmed within {CONFIRM_SECONDS:g} s")
            self._act(self.session.remind())

    def _act(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if self.end is not None:
                return
            match effect:
                case Emit():  # first, for nearly every effect is one
                    self._hear(self, effect)
                case Say():
                    self._say(effect)
                case GiveUp(reason):
                    self._finish(TransportLost(f"{self.name}: {reason}"))
                case Complaint(code, message):
                    _log.warning("a vendor complains", connection=self.name, code=code[:64], message=message[:200])
                case Strange(kind):
                    _log.info("a vendor says what we do not know", connection=self.name, kind=kind)
                case _:
                    self._hear(self, effect)

    def _say(self, say: Say) -> None:
        self._outbox.append(say)
        self._bell.ring()
        if len(self._outbox) > OUTBOX:
            self._finish(TransportLost(f"{self.name}: {OUTBOX} messages of ours wait to be sent"))
