"""A feed over several transports, of which one serves at a time: it goes down the ladder on failure and up again.

`Ladder` and `Trial` decide, `Junction` goes over from one rung to another, and the rungs are ordinary feeds. This file brings
them together: it looks at how things are whenever something has changed or is due, and does what follows.
"""

from collections.abc import Sequence
from functools import partial

import msgspec
import structlog
import trio

from bridge.dialects.contract import Answer, Question, Signal
from bridge.model import Code, FeedHealth, FeedName, Topic, UpstreamEvent
from bridge.upstream.bell import Bell
from bridge.upstream.changes import first_of
from bridge.upstream.contract import FeedStatistics
from bridge.upstream.ladder.junction import Junction
from bridge.upstream.ladder.ladder import Ladder
from bridge.upstream.ladder.rung import Rung
from bridge.upstream.ladder.tools import LadderTools
from bridge.upstream.ladder.trial import Stage, Trial
from bridge.upstream.shelter import sheltered
from bridge.upstream.slots.overlap import AFTERMATH_SECONDS
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_feed import COLLECT_SECONDS
from bridge.upstream.watches.watches import watches_of

FALL_SECONDS = 10.0
"""A transport that is not live for so long is fallen from although it does not count as down: connects may take 15 s each."""

LOOK_SECONDS = 1.0
"""Between two looks at what is due and cannot be done yet."""

_SUMMED = (
    *("events", "unknown", "malformed", "overlaps_removed", "connects", "losses", "retries", "refused"),
    *("mistakes", "doubted", "mended", "reconciled"),
)

_log = structlog.get_logger(__name__)


class LadderFeed:
    """A `Feed`; made by `open_feed`.

    Args:
        standing: the feed's, toward the hub; each rung has its own.
        rungs: the best first; their feeds are made after this.
        tools: what it works with.
    """

    def __init__(self, standing: Standing, rungs: Sequence[Rung], tools: LadderTools) -> None:
        self.name: FeedName = standing.name
        self._standing = standing
        self._rungs = rungs
        self._tools = tools
        self._bell = Bell()
        self._ladder = Ladder(len(rungs), tools.random)
        self._junction = Junction(standing, rungs[0], self._bell.ring)
        self._trial: Trial | None = None
        self._unwell_since: float | None = None
        self._patient_until = float("-inf")
        self._why: str | None = None
        self._wanted: frozenset[Topic] = frozenset()
        for rung in rungs:
            rung.standing.publish = partial(self._junction.take, rung)
        self._watches = [] if tools.watch is None else watches_of(standing, tools.watch, self)

    def __repr__(self) -> str:
        return f"<Feed {self.name} {self._standing.health} over {self._on.transport}, {self._standing.covered} topics>"

    @property
    def _on(self) -> Rung:
        return self._junction.on

    # ── `Feed` ──
    async def run(self) -> None:
        """Keep the wanted topics subscribed on the best transport that works, until cancelled; begin anew after a mistake."""
        await sheltered(self._run, self._standing, self._tools.random)

    async def _run(self) -> None:
        self._clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tools.keeper.run)
            for watch in self._watches:
                nursery.start_soon(watch.run)
            for rung in self._rungs:
                nursery.start_soon(rung.feed.run)
            while True:
                self._look(nursery)
                with trio.move_on_at(self._due_at()):
                    await first_of(self._tools.interest.changed, self._bell.wait)

    async def ask(self, question: Question, deadline_seconds: float) -> Answer:
        """Put a question to the vendor; see `Feed.ask`."""
        return await self._on.feed.ask(question, deadline_seconds)

    async def fetch(self, question: Question) -> Sequence[UpstreamEvent | Signal] | None:
        """Ask the vendor once, at the pace of the transport in use; see `Asker.fetch`."""
        return await self._on.feed.fetch(question)

    async def say_anew(self, book: Topic) -> None:
        """Have the transport in use bring a book whole."""
        await self._on.feed.say_anew(book)

    def statistics(self) -> FeedStatistics:
        """A snapshot of the counters of all transports together."""
        each = [rung.feed.statistics() for rung in self._rungs]
        own = self._standing.statistics(wanted=len(self._wanted), connections=(), credential=None)
        return msgspec.structs.replace(
            own,
            **{name: getattr(own, name) + sum(getattr(one, name) for one in each) for name in _SUMMED},
            token_expires_at=each[self._on.number].token_expires_at,
            connections=tuple(connection for one in each for connection in one.connections),
            via=each[self._on.number].via,
            transport=self._on.transport,
        )

    # ── what to do ──
    def _clear(self) -> None:
        """Nothing is connected: whatever was begun before is over."""
        self._end_trial()
        self._junction.finish(self._junction.overlap)
        for rung in self._rungs:
            rung.standing.uncover_all("it begins anew")
        self._unwell_since = None

    def _look(self, nursery: trio.Nursery) -> None:
        """Bring what is done to what is to be done."""
        now = trio.current_time()
        before, self._wanted = self._wanted, self._tools.interest.wanted()
        if not (before and self._wanted):
            self._rest(now)
        self._follow_switch(nursery, now)
        well = self._is_well(now)
        if self._trial is not None:
            self._advance(nursery, self._trial, now)
            well = self._is_well(now)
        self._begin_trial(now, well=well)
        self._spread()
        self._say()

    def _begin_trial(self, now: float, *, well: bool) -> None:
        """Try another rung if one may be tried."""
        if not self._wanted:
            return
        candidate = self._ladder.candidate(now, well=well, able=self._is_able)
        if candidate is None:
            return
        rung = self._rungs[candidate]
        self._ladder.begin(candidate)
        self._trial = Trial(now)
        self._junction.begin(rung)
        _log.info("a feed tries another transport", feed=self.name, transport=rung.transport.value)

    def _due_at(self) -> float:
        """When to look again although nothing has happened."""
        if not self._wanted:
            return float("inf")
        if self._trial is not None:
            due_at = self._trial.due_at
        elif self._unwell_since is not None and trio.current_time() < self._unwell_since + FALL_SECONDS:
            due_at = self._unwell_since + FALL_SECONDS
        else:
            due_at = self._ladder.due_at(well=self._unwell_since is None)
        return max(due_at, trio.current_time() + (COLLECT_SECONDS if self._trial else LOOK_SECONDS))

    def _is_well(self, now: float) -> bool:
        """Whether the rung in use serves, or may still be expected to soon."""
        if self._on.is_live or not self._wanted:
            self._unwell_since = None
            return True
        if self._unwell_since is None:
            self._unwell_since = now
        if self._tools.keeper.problem is not None:
            self._patient_until = now + FALL_SECONDS  # no transport's fault; this one is given its time after that
        broken = self._on.standing.own_health in {FeedHealth.DOWN, FeedHealth.STALE}
        return now < self._patient_until or (not broken and now < self._unwell_since + FALL_SECONDS)

    def _is_able(self, number: int) -> bool:
        """Whether a rung could carry anything of what is wanted, or of what that can be made of."""
        return bool(self._tools.reach.needed(self._wanted, self._rungs[number].transport))

    def _rest(self, now: float) -> None:
        """Nothing is wanted, or was: nothing is tried, and the next time begins as far up as may be."""
        self._end_trial()
        self._ladder.rest(now)
        best = self._rungs[self._ladder.on]
        if best is not self._on and not self._standing.covered:
            self._junction.begin(best)
            self._junction.take_over("nothing is wanted")
            self._junction.give_up()
            self._why = None
            self._move()

    # ── trials ──
    def _advance(self, nursery: trio.Nursery, trial: Trial, now: float) -> None:
        rung = self._junction.trial
        if rung is None:
            return
        if rung.number > self._on.number and self._on.is_live:
            self._end_trial()  # what we were about to fall from is back
            return
        full = rung.is_full(self._standing.covered_topics) and not self._is_unsettled(rung)
        before = trial.stage
        stage = trial.advance(now, full=full, any_covered=bool(rung.covered), well=self._on.is_live)
        deaf = before is Stage.HOLDING and stage is Stage.TAKE_OVER and self._junction.is_deaf
        if deaf or rung.standing.own_health is FeedHealth.DOWN:
            stage = Stage.GIVE_UP
        if stage is not before:
            self._do(nursery, rung, stage, now)

    def _do(self, nursery: trio.Nursery, rung: Rung, stage: Stage, now: float) -> None:
        match stage:
            case Stage.NOTING:
                self._junction.note()
            case Stage.HOLDING:
                self._junction.hold()
            case Stage.TAKE_OVER:
                self._junction.take_over(f"{self.name} goes on over {rung.transport}")
                self._follow_switch(nursery, now)
            case Stage.GIVE_UP:
                self._give_up(rung, now)
            case _:
                pass

    def _is_unsettled(self, rung: Rung) -> bool:
        """Whether a rung on trial is to carry something else than it has been asked for."""
        comparing = self._trial is not None and self._trial.comparing
        return not comparing and rung.asked != self._tools.reach.needed(self._wanted, rung.transport)

    def _give_up(self, rung: Rung, now: float) -> None:
        _log.info("a transport does not work", feed=self.name, transport=rung.transport.value)
        self._ladder.failed(now, rung.standing.away_until)
        self._end_trial()

    def _end_trial(self) -> None:
        if self._trial is not None:
            self._trial = None
            self._ladder.withdrawn()
            self._junction.give_up()

    def _follow_switch(self, nursery: trio.Nursery, now: float) -> None:
        """The junction has gone over to the rung on trial: the ladder stands there now."""
        if self._on.number == self._ladder.on:
            return
        left = self._rungs[self._ladder.on]
        if self._on.number > left.number:
            self._why = f"for {left.transport} failed" + (f": {left.standing.reason}" if left.standing.reason else "")
        elif not self._on.number:
            self._why = None
        _log.warning("a feed's transport changed", feed=self.name, transport=self._on.transport.value, reason=self._why)
        self._ladder.moved(now, left.standing.away_until)
        self._trial = None
        self._unwell_since = None
        self._move()
        nursery.start_soon(self._finish_later)

    def _move(self) -> None:
        """Say which transport is in use; what is wanted may be made of other things there."""
        self._tools.moved(self._on.transport)
        self._wanted = self._tools.interest.wanted()

    async def _finish_later(self) -> None:
        overlap = self._junction.overlap
        await trio.sleep(AFTERMATH_SECONDS)
        self._junction.finish(overlap)

    # ── what rungs are asked for, and what is said ──
    def _spread(self) -> None:
        """Ask each rung for what it is to carry; say what the one in use cannot."""
        comparing = self._trial is not None and self._trial.comparing
        for rung in self._rungs:
            if rung not in {self._on, self._junction.trial}:
                rung.want(frozenset())
            elif not comparing and rung is self._on:
                rung.want(self._tools.reach.carried(self._wanted, rung.transport))
            elif not comparing:
                rung.want(self._tools.reach.needed(self._wanted, rung.transport))
        if self._trial is None or self._on.is_live:
            lacking = frozenset(topic for topic in self._wanted if not self._on.serves(topic))
            message = f"{self.name} is read over {self._on.transport} for now, which does not carry it; it comes back by itself"
            self._standing.overflow(lacking, Code.UPSTREAM_UNAVAILABLE, message)

    def _say(self) -> None:
        """Say how the feed is: as the rung in use, and with the reason where that is not the best one."""
        own = self._on.standing
        health, reason = own.health, own.reason
        if health is FeedHealth.DOWN and self._junction.trial is not None:
            health, reason = FeedHealth.CONNECTING, f"trying {self._junction.trial.transport}; {reason}"
        if self._on.number and self._wanted:
            words = (f"over {self._on.transport}", self._why, reason)
            reason = "; ".join(word for word in words if word)
        self._standing.tell(health, reason)
