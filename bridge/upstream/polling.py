"""A feed over REST: each wanted topic is asked for at the vendor's interval, the first time at once.

One task a topic, so a slow answer holds up nobody else; the asker's pace spreads them. Failures back off with full jitter,
at least as long as the vendor asks, and one alone breaks no coverage: the vendor's state is asked for whole each time.

Orders have no list at REST: an order is polled from when somebody asked for it by its id until its status is final, as long
as somebody wants the account's orders. As nothing tells of new ones, an `order` topic is never covered by polling.
"""

from collections.abc import Callable, Sequence

import msgspec
import structlog
import trio

from bridge.dialects.contract import (
    Answer,
    Question,
    QuestionKind,
    Refused,
    Signal,
    Transport,
    TransportProfile,
    VendorError,
)
from bridge.errors import BridgeError, Mistake, VendorProtocolError, VendorRefused
from bridge.model import Code, FeedName, OrderUpdate, Topic, TopicKind, UpstreamEvent
from bridge.upstream.ask import Asker, AskTools
from bridge.upstream.backoff import BASE_SECONDS, CAP_SECONDS, Backoff
from bridge.upstream.bell import Bell
from bridge.upstream.changes import first_of
from bridge.upstream.contract import FeedStatistics, Interest
from bridge.upstream.roster import call_roll
from bridge.upstream.session.subject import subject_of
from bridge.upstream.shelter import sheltered
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_feed import COLLECT_SECONDS
from bridge.upstream.watches.orders import FINAL_STATUSES

POLL_SECONDS = 5.0
"""For a kind of topic whose interval the vendor does not name; the slowest it names for another."""

FAILURES_UNCOVERING = 2
"""Polls that fail in a row before a topic counts as no longer received."""

POLLED_ORDERS = 100
"""Orders polled at the same time; the one asked for longest ago gives way."""

_QUESTIONS = {
    TopicKind.QUOTE: QuestionKind.QUOTE,
    TopicKind.BOOK: QuestionKind.BOOK,
    TopicKind.BAR: QuestionKind.BARS,
}
_NEWEST_BARS = 2

_log = structlog.get_logger(__name__)


class PollingFeed:
    """A `Feed` over REST; made by `open_feed`.

    Args:
        standing: the feed's; it has its name.
        profile: the transport's numbers.
        interest: what clients want.
        tools: what questions need.
        random: draws from [0, 1).
    """

    def __init__(
        self,
        standing: Standing,
        profile: TransportProfile,
        interest: Interest,
        tools: AskTools,
        random: Callable[[], float],
    ) -> None:
        self.name: FeedName = standing.name
        self._standing = standing
        self._profile = profile
        self._interest = interest
        self._tools = tools
        self._random = random
        self._asker = Asker(standing.name, tools)
        self._bell = Bell()
        self._wanted: frozenset[Topic] = frozenset()
        self._polls: dict[Topic | str, trio.CancelScope] = {}
        self._answering: set[Topic | str] = set()
        self._orders: dict[str, None] = {}

    async def run(self) -> None:
        """Poll the wanted topics until cancelled; what breaks by a mistake of ours begins again after a while."""
        await sheltered(self._run, self._standing, self._random)

    async def _run(self) -> None:
        self._polls.clear()
        self._answering.clear()
        self._standing.idle()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tools.keeper.run)
            while True:
                self._apply(nursery)
                with trio.move_on_at(self._standing.retry_at()):
                    await first_of(self._interest.changed, self._bell.wait)
                await trio.sleep(COLLECT_SECONDS)

    async def ask(self, question: Question, deadline_seconds: float) -> Answer:
        """Put a question to the vendor; see `Feed.ask`. An order asked for is polled from then on."""
        answer = await self._asker.ask(question, deadline_seconds)
        if question.order_id is not None and _unfinished(answer.events):
            self._orders.setdefault(question.order_id)
            while len(self._orders) > POLLED_ORDERS:
                del self._orders[next(iter(self._orders))]
            self._bell.ring()
        return answer

    async def fetch(self, question: Question) -> Sequence[UpstreamEvent | Signal] | None:
        """Ask the vendor once; see `Asker.fetch`."""
        return await self._asker.fetch(question)

    async def say_anew(self, book: Topic) -> None:
        """Nothing needs to be done for it: every poll says its book whole."""
        await trio.lowlevel.checkpoint()

    def statistics(self) -> FeedStatistics:
        """A snapshot of the counters; polling keeps no connections."""
        now = self._standing.statistics(wanted=len(self._wanted), connections=(), credential=None)
        return msgspec.structs.replace(now, transport=Transport.POLLING)

    def __repr__(self) -> str:
        return f"<Feed {self.name} {self._standing.health} {len(self._polls)} polls>"

    # ── what is polled ──
    def _apply(self, nursery: trio.Nursery) -> None:
        self._wanted = wanted = self._interest.wanted()
        refused = self._standing.still_refused(wanted)
        roster = call_roll(wanted - refused, self._tools.dialect, self._tools.symbols, Transport.POLLING)
        for topic, (code, sentence) in roster.impossible.items():
            self._standing.refuse(topic, code, sentence)
        due: dict[Topic | str, Question] = {t: _question(t) for t in roster.lanes if t.kind in _QUESTIONS}
        if any(topic.kind is TopicKind.ORDER for topic in wanted):
            due.update((order, Question(kind=QuestionKind.ORDER, order_id=order)) for order in self._orders)
        for key in self._polls.keys() - due.keys():
            self._stop(key, "unsubscribed")
        if due and not self._polls:
            self._standing.connecting()
        for key in due.keys() - self._polls.keys():
            self._polls[key] = trio.CancelScope()
            nursery.start_soon(self._poll, key, due[key], self._polls[key])
        if not due:
            self._standing.idle()

    def _stop(self, key: Topic | str, reason: str) -> None:
        self._polls.pop(key).cancel()
        self._answering.discard(key)
        if isinstance(key, Topic):
            self._standing.uncover((key,), reason)

    # ── one topic or order ──
    async def _poll(self, key: Topic | str, question: Question, scope: trio.CancelScope) -> None:
        kind = key.kind if isinstance(key, Topic) else TopicKind.ORDER
        interval_seconds = self._profile.poll_seconds.get(kind, POLL_SECONDS)
        backoff = Backoff(BASE_SECONDS, CAP_SECONDS, self._random)
        with scope:
            while True:
                await trio.sleep_until(self._standing.away_until)  # what was said to one poll holds for all
                due_at = trio.current_time() + interval_seconds
                error = await self._poll_once(key, question)
                if scope.cancel_called:
                    return
                if error is None:
                    backoff.reset()
                    await trio.sleep_until(due_at)
                else:
                    wait = backoff.next(error.retry_after_seconds if isinstance(error, VendorRefused) else None)
                    self._failed(key, error, backoff.failures)
                    await trio.sleep(max(wait, due_at - trio.current_time()))

    async def _poll_once(self, key: Topic | str, question: Question) -> BridgeError | None:
        try:
            said = await self._asker.fetch(question)
            self._heard(key, said or ())
        except VendorRefused as error:
            if error.status != 404:
                return error
            self._refused(key, Code.UNKNOWN_INSTRUMENT, f"{self.name} does not know it")
        except BridgeError as error:
            self._standing.malformed += isinstance(error, VendorProtocolError)
            return error
        except Exception as error:  # noqa: BLE001 - contained to where it happened, logged with its traceback
            if self._standing.mistakes.note(error):
                _log.exception("a poll broke by a mistake of ours", feed=self.name)
            return Mistake(f"an internal error ({type(error).__name__})")
        return None

    def _heard(self, key: Topic | str, said: Sequence[UpstreamEvent | Signal]) -> None:
        refusal = next((word for word in said if isinstance(word, Refused)), None)
        if refusal is not None:
            self._refused(key, refusal.code, refusal.message)
            return
        complaint = next((word for word in said if isinstance(word, VendorError)), None)
        if complaint is not None:
            raise VendorRefused(None, f"{complaint.code}: {complaint.message}")
        self._answering.add(key)
        self._standing.live()
        if isinstance(key, Topic):
            self._standing.cover((key,))
        for word in said:
            if isinstance(word, Signal):
                continue
            if isinstance(word, OrderUpdate) or subject_of(word) == key:
                self._standing.events += 1
                self._standing.publish(word)
        if isinstance(key, str) and not _unfinished(said):
            self._forget(key)

    def _refused(self, key: Topic | str, code: str, message: str) -> None:
        if isinstance(key, Topic):
            self._stop(key, "the vendor refused it")
            self._standing.refuse(key, code, message)
            self._bell.ring()
        else:
            self._forget(key)

    def _forget(self, order: str) -> None:
        self._orders.pop(order, None)
        self._stop(order, "final")

    def _failed(self, key: Topic | str, error: BridgeError, failures: int) -> None:
        self._answering.discard(key)
        self._standing.failed(error, another_is_live=bool(self._answering))
        if failures >= FAILURES_UNCOVERING and isinstance(key, Topic):
            self._standing.uncover((key,), str(error))


def _question(topic: Topic) -> Question:
    kind = _QUESTIONS[topic.kind]
    return Question(kind=kind, instrument=topic.instrument, interval=topic.interval, limit=_NEWEST_BARS)


def _unfinished(said: Sequence[UpstreamEvent | Signal]) -> bool:
    """Whether it tells of an order that may still change."""
    return any(isinstance(word, OrderUpdate) and word.status not in FINAL_STATUSES for word in said)
