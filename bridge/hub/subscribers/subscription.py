"""One subscriber's place at the hub: what it wants, what is pending for it, and the bound on that.

Theory of operation. An offer is one append, and what is pending is weighed only every so often. Once the subscriber does
not keep up (`blocked`, past the bound) or does not want to (`wishes`), what is pending moves into a `Backlog`, which treats
every class of event by its policy, and stays there until it has been taken. That too is done only every so often, because
those who do not read must not cost those who do; for a wish it is done at once.

Rule: overflow is decided here and nowhere else. Once something that may not be lost has no room, nothing more is taken in,
`overflowed` says so, and what was pending may still be taken; whoever serves the subscriber then says goodbye with `position`.
"""

import math
from collections.abc import Sequence

import trio

from bridge.hub.contract import Publication
from bridge.hub.cursor import Cursor
from bridge.hub.policy import concerns
from bridge.hub.subscribers.backlog import Backlog
from bridge.hub.subscribers.bound import Bound
from bridge.hub.subscribers.handout import Handout
from bridge.hub.subscribers.holes import LagCounts
from bridge.hub.subscribers.keeper import Keeper
from bridge.hub.subscribers.pace import Pace
from bridge.model import Topic, Verdict, Want, Wishes

_NO_WISHES = Wishes()


class Subscription:
    """Made by `Hub.open`; whoever opened it closes it.

    Attributes:
        verdict: how it began.
        cursor: where its stream begins.
        wants: what it holds.
        overflowed: the bound was passed; nothing more is taken in.
        bound: what it may have pending.
        lagging: its events are held to their policies now.
        counts: what lagging has cost it.
        wishes: how it is slowed.
    """

    __slots__ = (
        "_backlog",
        "_blocked",
        "_closed",
        "_handout",
        "_keeper",
        "_look_at",
        "_passed",
        "_pending",
        "_rouse",
        "_stride",
        "_weighed",
        "_weighed_bytes",
        "_woken",
        "bound",
        "counts",
        "cursor",
        "lagging",
        "overflowed",
        "verdict",
        "wants",
        "wishes",
    )

    def __init__(self, keeper: "Keeper[Subscription]", bound: Bound) -> None:
        self._keeper = keeper
        self._closed = self._blocked = self.lagging = self._woken = False
        self._pending: list[Publication] = []
        self._weighed = self._weighed_bytes = self._look_at = 0
        self._handout: Handout | None = None
        self._stride = bound.unweighed
        self._backlog: Backlog | None = None
        self._passed: int | None = None
        self.bound = bound
        self._rouse = bound.wake
        self.overflowed = False
        self.counts = LagCounts()
        self.wishes = Wishes()
        self.wants: tuple[Want, ...] = ()
        self.verdict = Verdict.FRESH
        self.cursor = keeper.cursor()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "overflowed" if self.overflowed else "lagging" if self.lagging else "open"
        pending = len(self._pending) if self._backlog is None else len(self._backlog)
        return f"<Subscription {state} {len(self.wants)} wants, {pending} pending at {self.position}>"

    @property
    def position(self) -> str:
        """The cursor of the newest publication taken, or `cursor` before any."""
        return self.cursor if self._passed is None else self._keeper.cursor(self._passed)

    @property
    def pending_bytes(self) -> int:
        """What is pending, by the bound's cost: weighed when asked, of a join's log events estimated."""
        cost = self.bound.cost
        handout = 0 if self._handout is None else self._handout.pending_bytes(cost)
        return handout + cost(self._pending) + (self._backlog.pending_bytes if self._backlog else 0)

    @property
    def blocked(self) -> bool:
        """Whether its way out is full (set by who serves it): while it is, what is pending is held to the policies."""
        return self._blocked

    @blocked.setter
    def blocked(self, blocked: bool) -> None:
        if self._blocked and self._pending:
            self._absorbed()
        self._blocked = blocked
        self.lagging = self._must_lag()

    @property
    def due_at(self) -> float:
        """When something that `max_rate` holds back may be taken, in Trio's seconds; infinity = nothing is held back."""
        return math.inf if self._backlog is None else self._backlog.due_at

    def wish(self, wishes: Wishes) -> None:
        """Be slowed like this from now on."""
        self.wishes = wishes
        self.lagging = self._must_lag()
        if self.lagging:
            backlog = self._absorbed()
            backlog.pace = Pace(wishes.max_rate) if wishes.max_rate else None
            if len(backlog):
                self._wake()

    def add(self, wants: Sequence[Want]) -> None:
        """Want more; what is held already is passed over. New topics start fresh: their state becomes pending."""
        held = frozenset(self.wants)
        new = tuple(want for want in dict.fromkeys(wants) if want not in held)
        if new and not self._closed:
            self.wants += new
            self._keeper.admit(self, new)

    def remove(self, topics: Sequence[Topic]) -> tuple[Topic, ...]:
        """Want these no longer, and drop what is pending of them; return those that were held."""
        gone = tuple(want for want in self.wants if want.topic in topics)
        if gone:
            left = frozenset(gone)
            self.wants = tuple(want for want in self.wants if want not in left)
            self._keeper.dismiss(self, gone)
            pending = self._pending
            self._empty()
            self._pending = [one for one in pending if not concerns(one.policy, one.event, topics)]
            if self._handout is not None:
                self._handout.remove(topics)
            if self._backlog is not None:
                self._backlog.remove(topics)
        return tuple(dict.fromkeys(want.topic for want in gone))

    def take(self) -> list[Publication]:
        """Return what is pending and not held back, ascending, and hold it no longer.

        That is all of it, but for a long past that a join handed out: of that a piece, and `wake` is called for the rest.
        """
        self._woken = False
        if self._handout is None:
            if self.lagging:
                return self._present()
            taken = self._pending  # nearly always
            self._pending = []
            self._weighed = self._weighed_bytes = self._look_at = 0
            if taken:
                self._passed = taken[-1].offset
            return taken
        past = self._past(self._handout)
        if self._handout is None:
            return past + self._present()
        self._wake()
        return past

    def close(self) -> None:
        """Leave every index and let go of the interest; safe to repeat."""
        if not self._closed:
            self._closed = True
            wants, self.wants = self.wants, ()
            self._keeper.dismiss(self, wants)
            self._keeper.forget(self)
            self._empty()
            self._backlog = self._handout = None

    # ── the hub's ──
    def begin(self, wants: tuple[Want, ...], verdict: Verdict, cursor: str, handout: Handout | None) -> None:
        """Note how it began, before anything is offered."""
        self.wants = wants
        self.verdict = verdict
        self.cursor = cursor
        if handout is not None and len(handout):
            self._handout = handout
            self._wake()

    def offer(self, publication: Publication) -> None:
        """Take in a publication; from time to time by its policy, if it lags, or notice that the bound is passed."""
        offer_to_all((self,), publication)

    def lose(self, want: Want) -> None:
        """A topic's state is not vouched for any more."""
        if self.lagging:
            self._absorbed().lose(want)

    def _look(self) -> None:
        """Wake who serves it, and from time to time see to what is pending: past the bound it lags."""
        pending = self._pending
        if self.lagging and (self.overflowed or len(pending) > self._stride or self.wishes != _NO_WISHES):
            self._hold(pending)
            return
        if self._stride and not self._look_at:  # the first since it was taken
            self._look_at = self._stride
            if not self._woken:
                self._woken = True
                self._rouse()
            return
        if len(pending) - self._weighed > self._stride:
            self._weighed_bytes += self.bound.cost(pending[self._weighed :])
            self._weighed = len(pending)
        self._look_at = self._weighed + self._stride
        self._wake()
        if self._weighed_bytes > self.bound.pending_bytes:
            self.lagging = True
            self._absorbed()

    def _hold(self, pending: Sequence[Publication]) -> None:
        """Hold what is pending to the policies, and wake who serves it if something may leave now."""
        backlog = self._absorbed()
        if backlog.pace is None:
            self._wake()
        else:
            now, was_due_at = trio.current_time(), backlog.due_at
            if any(backlog.ready(one, now) for one in pending) or backlog.due_at < was_due_at:
                self._wake()

    def _absorbed(self) -> Backlog:
        """Return the backlog, into which all that is pending has gone."""
        backlog = self._backlog
        if backlog is None:
            bound = self.bound
            limits = (bound.skipping_bytes, bound.pending_bytes)
            backlog = self._backlog = Backlog(self._keeper, bound.cost, limits, self.counts)
        if self._pending:
            pending = self._pending
            self._empty()
            if not (self.overflowed or backlog.extend(pending)):
                self._overflow(backlog)
        return backlog

    def _past(self, handout: Handout) -> list[Publication]:
        taken = handout.take()
        if taken:
            self._passed = taken[-1].offset
        if not len(handout):
            self._handout = None
        return taken

    def _present(self) -> list[Publication]:
        if self._pending and (self.lagging or self._backlog is not None):
            self._absorbed()
        if self._backlog is None:
            taken = self._pending
            self._empty()
        else:
            taken = self._backlog.take(trio.current_time(), self._place())
            if not (len(self._backlog) or self._blocked or self.wishes != _NO_WISHES):
                self._backlog = None
            self.lagging = self._must_lag()
        if taken:
            self._passed = taken[-1].offset
        return taken

    def _overflow(self, backlog: Backlog) -> None:
        self.overflowed = self.lagging = backlog.sealed = True
        self.bound.wake()

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self.bound.wake()

    def _must_lag(self) -> bool:
        return self.overflowed or self._blocked or self._backlog is not None or self.wishes != _NO_WISHES

    def _place(self) -> int:
        return Cursor.parse(self.cursor).offset if self._passed is None else self._passed

    def _empty(self) -> None:
        self._pending = []
        self._weighed = self._weighed_bytes = self._look_at = 0


def offer_to_all(subscriptions: Sequence[Subscription], publication: Publication) -> None:
    """Offer each of them a publication: `Subscription.offer` without a call for each, of which there may be thousands."""
    for subscription in subscriptions:
        pending = subscription._pending  # noqa: SLF001 - its own module's
        pending.append(publication)
        if len(pending) > subscription._look_at:  # noqa: SLF001
            subscription._look()  # noqa: SLF001
