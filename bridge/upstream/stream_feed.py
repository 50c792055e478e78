"""A feed over connections that stay open: what clients want, planned onto slots, each kept by a carrier.

Changes of interest are collected for `COLLECT_SECONDS`, so that a page full of subscriptions is one change; then the planner
says what to do, and the carriers do it. The feed's own task never waits for a vendor.
"""

from collections.abc import Sequence
from itertools import count

import msgspec
import trio

from bridge.dialects.contract import (
    Answer,
    Asked,
    Lane,
    Outcome,
    Question,
    QuestionKind,
    Signal,
)
from bridge.model import Code, FeedName, Topic, UpstreamEvent
from bridge.upstream.ask import Asker, AskTools
from bridge.upstream.bell import Bell
from bridge.upstream.changes import first_of
from bridge.upstream.contract import FeedStatistics
from bridge.upstream.roster import call_roll
from bridge.upstream.session.session import Session
from bridge.upstream.shelter import sheltered
from bridge.upstream.slots.carrier import Carrier
from bridge.upstream.slots.door import Door
from bridge.upstream.slots.link import LinkTools
from bridge.upstream.slots.planner import (
    Add,
    Change,
    Close,
    Open,
    Overflow,
    PlanLimits,
    Remove,
    Replace,
    Slot,
    plan,
    planned_slots,
)
from bridge.upstream.slots.tools import CarrierTools
from bridge.upstream.standing.freshness import Freshness
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_terms import StreamTerms
from bridge.upstream.watches.lookout import Lookout
from bridge.upstream.watches.watches import watches_of

COLLECT_SECONDS = 0.1
"""How long changes of interest are collected before the vendor is told."""

FRESH_BOOK_SECONDS = 5.0
"""How long a fresh book over REST is waited for; longer, and the stream has said it again."""
TRY_AGAIN_SECONDS = 300.0
"""Between two replacements of a connection that is silent, where the vendor cannot be asked whether that is right."""


class StreamFeed:
    """A `Feed` over SSE or WebSocket; made by `open_feed`.

    Args:
        standing: the feed's; it has its name.
        terms: what it is made with.
        tools: what it shares with questions.
    """

    def __init__(self, standing: Standing, terms: StreamTerms, tools: AskTools) -> None:
        self.name: FeedName = standing.name
        self._standing = standing
        self._terms = terms
        self._tools = tools
        self._asker = Asker(standing.name, tools)
        self._carriers: dict[int, Carrier] = {}
        self._slots = count(1)
        self._links = count(1)
        self._bell = Bell()
        self._wanted: frozenset[Topic] = frozenset()
        self._tried: dict[int, float] = {}
        """When a slot that may be deaf may be tried again."""
        self._lookout = self._make_lookout()
        self._carrier_tools = self._make_tools()
        self._watches = [] if terms.watch is None else watches_of(standing, terms.watch, self)
        changeable = terms.profile.changeable
        self._limits = PlanLimits(
            changeable=changeable,
            slots=planned_slots(terms.max_connections, changeable=changeable),
            subscriptions=terms.profile.subscriptions_per_connection,
        )

    def _count(self, topics: Sequence[Topic]) -> int:
        return self._tools.dialect.subscriptions(topics, self._terms.transport)

    async def run(self) -> None:
        """Keep the wanted topics subscribed until cancelled; what breaks by a mistake of ours begins again after a while."""
        await sheltered(self._run, self._standing, self._terms.random)

    async def _run(self) -> None:
        self._carriers.clear()
        self._standing.idle()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tools.keeper.run)
            nursery.start_soon(self._follow_credential)
            for watch in self._watches:
                nursery.start_soon(watch.run)
            if self._lookout is not None:
                nursery.start_soon(self._lookout.run)
            while True:
                self._apply(nursery)
                await self._changed()
                await trio.sleep(COLLECT_SECONDS)

    async def ask(self, question: Question, deadline_seconds: float) -> Answer:
        """Put a question to the vendor; see `Feed.ask`."""
        return await self._asker.ask(question, deadline_seconds)

    async def fetch(self, question: Question) -> Sequence[UpstreamEvent | Signal] | None:
        """Ask the vendor once; see `Asker.fetch`."""
        return await self._asker.fetch(question)

    async def say_anew(self, book: Topic) -> None:
        """Have the vendor say a book whole; where it always does, a look over REST is the lightest way.

        Where it says changes, only what comes in order with them is a base for them, and no REST answer does.
        """
        if self._terms.whole_books:
            question = Question(kind=QuestionKind.BOOK, instrument=book.instrument)
            answer = await self.ask(question, FRESH_BOOK_SECONDS)
            if answer.outcome is Outcome.ANSWERED:
                return
        for carrier in self._carriers.values():
            if book in carrier.topics:
                carrier.anew(book)

    def statistics(self) -> FeedStatistics:
        """A snapshot of the counters."""
        links = [link for carrier in self._carriers.values() for link in carrier.links]
        now = self._standing.statistics(
            wanted=len(self._wanted),
            connections=tuple(link.statistics() for link in links),
            credential=next((link.credential for link in reversed(links) if link.credential is not None), None),
        )
        return msgspec.structs.replace(now, transport=self._terms.transport)

    def __repr__(self) -> str:
        return f"<Feed {self.name} {self._standing.health} {self._standing.covered} topics>"

    # ── planning ──
    async def _changed(self) -> None:
        """Return when the plan may have changed: interest, a refused topic, or one that may be tried again."""
        with trio.move_on_at(self._standing.retry_at()):
            await first_of(self._terms.interest.changed, self._bell.wait)

    def _apply(self, nursery: trio.Nursery) -> None:
        self._wanted = wanted = self._terms.interest.wanted()
        tools = self._tools
        roster = call_roll(
            wanted - self._standing.still_refused(wanted), tools.dialect, tools.symbols, self._terms.transport
        )
        for topic, (code, sentence) in roster.impossible.items():
            self._standing.refuse(topic, code, sentence)
        slots = [Slot(number=c.number, lane=c.lane, topics=c.topics) for c in self._carriers.values()]
        changes = plan(slots, roster.lanes, self._limits, self._count)
        if not any(isinstance(change, Overflow) for change in changes):
            changes.append(Overflow(frozenset()))
        for change in changes:
            self._change(nursery, change)

    def _change(self, nursery: trio.Nursery, change: Change) -> None:
        match change:
            case Open(lane, topics):
                self._open(nursery, lane, topics)
            case Close(number):
                self._carriers.pop(number).close("unsubscribed")
                self._tried.pop(number, None)
                if self._carriers:
                    self._standing.review()
                else:
                    self._standing.idle()
            case Replace(number, topics):
                self._carriers[number].carry(topics)
            case Add(number, topics):
                self._carriers[number].carry(self._carriers[number].topics | topics)
            case Remove(number, topics):
                self._carriers[number].carry(self._carriers[number].topics - topics)
            case Overflow(topics):
                self._standing.overflow(topics, Code.UPSTREAM_FULL, f"{self.name} has no room for more subscriptions")

    def _open(self, nursery: trio.Nursery, lane: Lane, topics: frozenset[Topic]) -> None:
        if not self._carriers:
            self._standing.connecting()
        number = next(self._slots)
        carrier = self._carriers[number] = Carrier(number, lane, topics, self._carrier_tools)
        nursery.start_soon(carrier.run)

    # ── credentials ──
    async def _follow_credential(self) -> None:
        """Move every connection to a new credential; the keeper says when there is one."""
        held = None
        while True:
            renewed = await self._tools.keeper.renewal(held)
            if held is not None:
                for carrier in self._carriers.values():
                    carrier.renew()
            held = renewed

    # ── what carriers are made with ──
    def _make_tools(self) -> CarrierTools:
        maximum = self._terms.max_connections
        link = LinkTools(
            connector=self._tools.connector,
            profile=self._terms.profile,
            clock=self._standing.clock,
            places=trio.Semaphore(maximum) if maximum else None,
            mistakes=self._standing.mistakes,
        )
        return CarrierTools(
            link=link,
            session=self._session,
            next_name=lambda: f"{self.name}/{next(self._links)}",
            standing=self._standing,
            keeper=self._tools.keeper,
            door=Door(self._terms.random),
            handing_over=trio.Lock(),
            random=self._terms.random,
            notify=self._bell.ring,
            another_is_live=lambda: any(carrier.ready for carrier in self._carriers.values()),
            unproven=self._unproven,
        )

    def _make_lookout(self) -> Lookout | None:
        if not self._terms.stale_seconds:
            return None
        freshness = self._standing.freshness = Freshness(self._terms.stale_seconds)
        return Lookout(freshness, self._asker, self._standing, self._confirmed, self._refresh)

    def _confirmed(self) -> frozenset[Topic]:
        carriers = self._carriers.values()
        return frozenset(topic for carrier in carriers for topic in carrier.topics & carrier.confirmed)

    def _unproven(self, topics: frozenset[Topic], reason: str) -> None:
        if self._lookout is not None:
            self._lookout.unproven(topics, reason)

    def _refresh(self, topic: Topic, broken: bool) -> None:  # noqa: FBT001 - a callback's second word
        """Replace a topic's connection: one that is known to be broken, or one that nothing at all has come on."""
        for carrier in self._carriers.values():
            if topic in carrier.topics and (broken or self._is_deaf(carrier)):
                carrier.refresh()

    def _is_deaf(self, carrier: Carrier) -> bool:
        """Whether it may be, on all its topics, and may be tried: seldom, and only where a second connection is granted."""
        freshness, now = self._standing.freshness, trio.current_time()
        if freshness is None or self._terms.max_connections == 1 or now < self._tried.get(carrier.number, now):
            return False
        heard = [at for topic in carrier.topics if (at := freshness.heard_at(topic)) is not None]
        if max(heard, default=now) > now - self._terms.stale_seconds:
            return False
        self._tried[carrier.number] = now + TRY_AGAIN_SECONDS
        return True

    def _session(self, lane: Lane) -> Session:
        tools, terms = self._tools, self._terms
        asked = Asked(self.name, lane, tools.symbols, depth=terms.depth, bridge=terms.bridge)
        return Session(
            asked,
            tools.dialect.requests(asked, tools.site()),
            tools.dialect.decoder(asked),
            profile=terms.profile,
            account=terms.account,
            counters=self._standing,
        )
