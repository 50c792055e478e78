"""Books in doubt, and how they are mended: one instrument at a time, without touching the others.

Theory of operation. A book is *suspected* from outside (`Suspicions`): it is crossed, or changes come of one that never came
whole. For `TOLERANCE_SECONDS` that is borne with, since a vendor may say a change in several messages. Then the book is *in
doubt*: a crossed one is given up and declared missing (cause `vendor`), one without a base has been declared already. A book
whose vendor said that something is lost is in doubt at once. Being in doubt ends with the first whole book of it.

A fresh book is asked for at once and then at growing intervals, `ATTEMPTS` times; what is still in doubt then stays marked
until the vendor says it whole by itself. A vendor whose real book is crossed (an auction) says it so again: then it is
believed, and the same book is not given up again for a pause that doubles.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio

from bridge.model import (
    BookReplacement,
    BookSnapshot,
    Cause,
    Covered,
    Topic,
    TopicKind,
    Uncovered,
    topic_of,
)
from bridge.upstream.backoff import Backoff
from bridge.upstream.bell import Bell
from bridge.upstream.contract import Suspicions
from bridge.upstream.standing.standing import Standing
from bridge.upstream.watches.witness import Witness

TOLERANCE_SECONDS = 2.0
"""A suspicion younger than this may be a change of which the rest is on its way; vendors with one-second times say both
halves within one."""

ATTEMPTS = 6
FIRST_RETRY_SECONDS = 5.0
RETRY_CAP_SECONDS = 120.0
"""Fresh books asked for of one instrument in doubt: over some four minutes; the first at once, longer apart each time."""

PAUSE_SECONDS = 60.0
PAUSE_CAP_SECONDS = 3600.0
"""After a book was mended it is not given up again for so long, doubled each time up to the cap. An auction takes minutes."""

_log = structlog.get_logger(__name__)


class _Case:
    """One book that is or was suspected.

    Attributes:
        since: when the suspicion began; None = there is none now.
        in_doubt: whether its whole book is waited for.
        next_at: when to ask for a fresh one; while not in doubt: before when it is not given up again.
    """

    __slots__ = ("attempts", "backoff", "in_doubt", "next_at", "pause_seconds", "since")

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self.since: float | None = None
        self.in_doubt = False
        self.attempts = 0
        self.next_at = 0.0
        self.pause_seconds = PAUSE_SECONDS

    def doubt(self, at: float) -> None:
        """Wait for a whole book from here on, and ask for one at that time."""
        self.in_doubt, self.attempts, self.next_at = True, 0, at
        self.backoff.reset()

    def mended(self, now: float) -> None:
        """The whole book came."""
        self.in_doubt, self.since = False, None
        self.next_at = now + self.pause_seconds
        self.pause_seconds = min(2 * self.pause_seconds, PAUSE_CAP_SECONDS)


class Repairs:
    """One feed's.

    Args:
        standing: the feed's.
        suspicions: of its books.
        ask: asks the vendor for a fresh book; whatever comes of it comes as an event.
        random: draws from [0, 1).
    """

    def __init__(
        self,
        standing: Standing,
        suspicions: Suspicions,
        ask: Callable[[Topic], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        self._standing = standing
        self._suspicions = suspicions
        self._ask = ask
        self._random = random
        self._cases: dict[Topic, _Case] = {}
        self._bell = Bell()
        suspicions.listen(self._bell.ring)

    def __repr__(self) -> str:
        return f"<Repairs of {self._standing.name}, {sum(case.in_doubt for case in self._cases.values())} in doubt>"

    def follow(self, witness: Witness) -> None:
        """Learn from what the feed publishes which books are lost and which came whole."""
        witness.show(Covered, self._covered)
        witness.show(Uncovered, self._uncovered)
        witness.show(BookSnapshot, self._whole)
        witness.show(BookReplacement, self._whole)

    async def run(self) -> None:
        """Have books in doubt said anew until cancelled; never raises for a vendor's fault."""
        while True:
            for topic in self._due(trio.current_time()):
                await self._ask(topic)
            with trio.move_on_at(self._next_at()):
                await self._bell.wait()

    # ── what is published ──
    def _covered(self, event: Covered) -> None:
        if event.cause is not Cause.VENDOR:
            return
        for topic in event.topics:
            if topic.kind is TopicKind.BOOK:
                self._standing.doubted += 1
                self._case(topic).doubt(trio.current_time())
                self._bell.ring()

    def _uncovered(self, event: Uncovered) -> None:
        """What ends the coverage declares the loss; how often the book was mended before is not forgotten."""
        for topic in event.topics:
            case = self._cases.get(topic)
            if case is not None:
                case.in_doubt, case.since = False, None

    def _whole(self, event: BookSnapshot | BookReplacement) -> None:
        if not self._cases:
            return
        case = self._cases.get(topic_of(event))
        if case is not None and case.in_doubt:
            self._standing.mended += 1
            case.mended(trio.current_time())
            self._bell.ring()

    # ── deciding ──
    def _due(self, now: float) -> list[Topic]:
        """Look at every suspicion, and return the books to be asked for now."""
        self._look(now)
        due = []
        for topic, case in self._cases.items():
            if case.in_doubt and case.next_at <= now and case.attempts < ATTEMPTS:
                case.attempts += 1
                case.next_at = now + FIRST_RETRY_SECONDS + case.backoff.next()
                due.append(topic)
        return due

    def _look(self, now: float) -> None:
        suspected = {*self._suspicions.crossed, *self._suspicions.baseless}
        for topic in suspected:
            if self._standing.covers(topic):
                case = self._case(topic)
                case.since = now if case.since is None else case.since
        for topic, case in list(self._cases.items()):
            if case.in_doubt:
                continue
            if topic not in suspected:
                case.since = None
                if now >= case.next_at + case.pause_seconds:
                    del self._cases[topic]  # sound for as long as it was to be left alone
            elif case.since is not None and now >= max(case.since + TOLERANCE_SECONDS, case.next_at):
                self._doubt(topic, now)

    def _doubt(self, topic: Topic, now: float) -> None:
        sentence = self._suspicions.crossed.get(topic)
        reason = sentence or "changes came of a book that never came whole"
        _log.warning("a book is in doubt", feed=self._standing.name, topic=str(topic), reason=reason)
        if sentence is None:
            self._standing.doubted += 1
            self._case(topic).doubt(now)
        else:  # declared missing, by which `_covered` hears of it
            self._standing.skip((topic,), reason, Cause.VENDOR)

    def _next_at(self) -> float:
        """When there is something to do, if nothing changes before."""
        return min((self._moment(case) for case in self._cases.values()), default=float("inf"))

    def _moment(self, case: _Case) -> float:
        if case.in_doubt:
            return case.next_at if case.attempts < ATTEMPTS else float("inf")
        if case.since is None:
            return case.next_at + case.pause_seconds
        return max(case.since + TOLERANCE_SECONDS, case.next_at)

    def _case(self, topic: Topic) -> _Case:
        case = self._cases.get(topic)
        if case is None:
            case = self._cases[topic] = _Case(Backoff(FIRST_RETRY_SECONDS, RETRY_CAP_SECONDS, self._random))
        return case
