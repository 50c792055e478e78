"""Plays a tape as if it were a vendor: a simulator's only feed. It *is* the market, so it plays whether anybody listens or not.

Events come out at the tape's pace times the speed; behind its time it catches up without sleeping, but lets others run every
`AT_ONCE` events. A tape that is to be played once waits for the first listener and falls silent at its end.
"""

from collections.abc import Sequence

import msgspec
import trio

from bridge.dialects.contract import Answer, Outcome, Question, QuestionKind, Refusal
from bridge.model import (
    SECONDS,
    AccountId,
    Code,
    FeedName,
    OrderUpdate,
    Topic,
    TopicKind,
    UpstreamEvent,
    Want,
)
from bridge.tape import Tape
from bridge.upstream.contract import FeedStatistics
from bridge.upstream.derivable import sources_of
from bridge.upstream.feed import FeedTools
from bridge.upstream.standing.standing import Standing

AT_ONCE = 100
"""Events published without letting others run: about a millisecond's worth."""

AUDIENCE_SECONDS = 0.5
"""A tape that plays once begins so long after its first listener came, so that all the listener wants is subscribed."""

ORDERS_REMEMBERED = 1_000
"""Orders whose newest state can be asked for."""

_ALL = (TopicKind.QUOTE, TopicKind.BOOK, TopicKind.TRADE)


class TapeFeed:
    """A `Feed` that plays a tape.

    Args:
        name: the feed's.
        tape: what it plays.
        tools: as of any feed; the interest matters only to one that plays once.
        speed: 2 = twice as fast as recorded.
        once: play one lap, beginning with the first listener, and then stay silent.
        account: whose the tape's orders are; None = leave them out.
    """

    def __init__(  # noqa: PLR0913 - three of them are the options of `simulate`
        self,
        name: FeedName,
        tape: Tape,
        tools: FeedTools,
        *,
        speed: float = 1.0,
        once: bool = False,
        account: AccountId | None = None,
    ) -> None:
        self.name = name
        self._tape = tape
        self._tools = tools
        self._speed = speed
        self._once = once
        self._account = account
        self._standing = Standing(name, tools.publish, tools.clock)
        self._wanted: frozenset[Topic] = frozenset()
        self._has_listener = trio.Event()
        self._orders: dict[str, OrderUpdate] = {}
        order = () if account is None else (Topic(TopicKind.ORDER, scope=account),)
        self._topics = (*(topic for topic in tape.topics if topic.kind is not TopicKind.ORDER), *order)
        self._instruments = {topic.instrument for topic in self._topics}

    async def run(self) -> None:
        """Play until cancelled."""
        self._standing.live()
        self._standing.cover(self._topics)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_interest)
            if self._once:
                await self._first_listener()
            await self._play()

    async def ask(self, question: Question, deadline_seconds: float) -> Answer:
        """Answer for the newest state of an order; a tape cannot be asked anything else."""
        await trio.lowlevel.checkpoint()
        if question.kind is not QuestionKind.ORDER:
            return Answer(outcome=Outcome.UNSUPPORTED)
        order = self._orders.get(question.order_id or "")
        if order is None:
            return Answer(outcome=Outcome.UNKNOWN)
        return Answer(outcome=Outcome.ANSWERED, events=(order,))

    def resolve(self, topic: Topic, accounts: Sequence[AccountId]) -> tuple[Want, ...]:
        """Return what serves a topic, as `Arbiter.resolve` does: whatever the tape holds.

        Raises:
            Refusal: `unknown_instrument`, `unsupported_topic` or `forbidden`.
        """
        parts: tuple[Topic, ...]
        match topic.kind:
            case TopicKind.STATUS:
                parts = (Topic(TopicKind.STATUS, scope=self.name),)
            case TopicKind.ORDER:
                if self._account is None or self._account not in accounts:
                    raise Refusal(Code.FORBIDDEN, "orders need a token that holds their account", topic=str(topic))
                parts = (Topic(TopicKind.ORDER, scope=self._account),)
            case TopicKind.ALL:
                parts = tuple(t for kind in _ALL if sources_of(t := Topic(kind, topic.instrument), self._has))
            case _:
                parts = (topic,) if sources_of(topic, self._has) else ()
        if not parts:
            known = topic.instrument in self._instruments
            code = Code.UNSUPPORTED_TOPIC if known else Code.UNKNOWN_INSTRUMENT
            raise Refusal(code, f"the tape has no {topic}", topic=str(topic))
        return tuple(Want(part, self.name) for part in parts)

    def sources(self, want: Want) -> tuple[Topic, ...]:
        """Return what a want is made of, as `Arbiter.sources` does."""
        return sources_of(want.topic, self._has) or (want.upstream,)

    def _has(self, topic: Topic) -> bool:
        return Want(topic, self.name).upstream in self._topics

    def statistics(self) -> FeedStatistics:
        """A snapshot of the counters."""
        return self._standing.statistics(wanted=len(self._wanted), connections=(), credential=None)

    def __repr__(self) -> str:
        return f"<TapeFeed {self.name} {len(self._topics)} topics, {self._standing.events} events>"

    # ── playing ──
    async def _follow_interest(self) -> None:
        while True:
            self._wanted = self._tools.interest.wanted()
            if self._wanted:
                self._has_listener.set()
            await self._tools.interest.changed()

    async def _first_listener(self) -> None:
        await self._has_listener.wait()
        await trio.sleep(AUDIENCE_SECONDS)

    async def _play(self) -> None:
        due_at = trio.current_time()
        in_a_row = 0
        for delay_nanos, event in self._tape.events(self._tools.clock(), once=self._once):
            due_at += delay_nanos / SECONDS / self._speed
            in_a_row += 1
            if due_at > trio.current_time() or in_a_row >= AT_ONCE:
                in_a_row = 0
                await trio.sleep_until(due_at)
            self._publish(event)

    def _publish(self, event: UpstreamEvent) -> None:
        changes = {"feed": self.name, "ts_recv": self._tools.clock()}
        if isinstance(event, OrderUpdate):
            if self._account is None:
                return
            event = msgspec.structs.replace(event, account=self._account, **changes)
            self._orders.pop(event.order_id, None)
            self._orders[event.order_id] = event
            if len(self._orders) > ORDERS_REMEMBERED:
                del self._orders[next(iter(self._orders))]
        else:
            event = msgspec.structs.replace(event, **changes)
        self._standing.events += 1
        self._tools.publish(event)
