"""Where the rungs of a ladder meet: whose events are published, and how the feed goes over from one to another.

Plain: a rung's events come in by `take`, and the ladder says when a trial is noted, held, taken over or given up. One rung
serves; its word goes out as it is. Of one on trial only the state is kept (books, quotes, open bars) until the comparison
begins; then the overlap of the two takes out what both have said. So a switch between two rungs that both carry a topic breaks
no coverage and doubles no trade. Where there was nothing to compare, coverage ends and begins again, and the hub declares it.
"""

from collections.abc import Callable

import trio

from bridge.model import (
    Covered,
    FeedHealth,
    FeedStatus,
    MarketEvent,
    Topic,
    TopicRefused,
    Uncovered,
    UpstreamEvent,
    topic_of,
)
from bridge.upstream.ladder.rung import Rung
from bridge.upstream.ladder.trial import LEAD_SECONDS
from bridge.upstream.slots.overlap import Overlap
from bridge.upstream.standing.standing import Standing

DEAF_AFTER = 3
"""Events of the serving rung beside which one on trial may not be silent: one or two may be on their way still."""


class Junction:
    """See the module.

    Attributes:
        on: the rung that serves.
        trial: the one on trial; None = none.

    Args:
        standing: the feed's own, toward the hub.
        on: the rung that serves first.
        notify: called after anything that the ladder may want to look at.
    """

    def __init__(self, standing: Standing, on: Rung, notify: Callable[[], None]) -> None:
        self.on = on
        self.trial: Rung | None = None
        self._standing = standing
        self._notify = notify
        self._overlap: Overlap | None = None
        self._noting = self._holding = False
        self._noted = self._heard = 0

    @property
    def is_deaf(self) -> bool:
        """Whether the rung on trial has said nothing of what both carry since the comparison began, and the other has."""
        return self._noted >= DEAF_AFTER and not self._heard

    @property
    def overlap(self) -> Overlap | None:
        """The one that is on, during a trial and in the aftermath of a switch."""
        return self._overlap

    def take(self, rung: Rung, event: UpstreamEvent) -> None:
        """A rung says something."""
        match event:
            case MarketEvent():
                self._fact(rung, event)
            case FeedStatus(instrument=str()):
                rung.note(event)
                if rung is self.on:
                    self._standing.publish(event)
            case Covered() | Uncovered() | TopicRefused() | FeedStatus():
                rung.note(event)
                if rung is self.on:
                    self._own(event)
                self._notify()

    def _own(self, event: Covered | Uncovered | TopicRefused | FeedStatus) -> None:
        match event:
            case Covered(topics=topics, continued=continued, cause=cause):
                self._standing.cover(topics, continued=continued, cause=cause)
            case Uncovered(topics=topics, reason=reason):
                self._lose(topics, reason)
            case TopicRefused():
                self._standing.publish(event)
            case FeedStatus():
                pass  # the ladder says how the feed is

    def _fact(self, rung: Rung, event: UpstreamEvent) -> None:
        overlap = self._overlap
        if rung is self.on:
            if overlap is None:
                self._standing.publish(event)
            else:
                self._served(event, overlap)
        elif rung is self.trial and overlap is not None:
            self._tried(event, overlap)

    def _served(self, event: UpstreamEvent, overlap: Overlap) -> None:
        """The serving rung says something while there is another, or shortly after there was."""
        shared = topic_of(event) in overlap.topics
        if self.trial is None and shared:
            self._publish_all(overlap.late(event, trio.current_time()))
            return
        self._standing.publish(event)
        if self._noting and shared:
            overlap.old(event, trio.current_time())
            self._noted += 1

    def _tried(self, event: UpstreamEvent, overlap: Overlap) -> None:
        self._heard += 1
        if not self._holding or topic_of(event) not in overlap.topics:
            overlap.foresee(event)
            return
        overlap.hold(event, trio.current_time())
        if overlap.full:
            self.take_over("another transport has taken over")

    def _lose(self, topics: tuple[Topic, ...], reason: str) -> None:
        """The serving rung may miss something. Where the one on trial is held and has it all, nothing is lost by that."""
        if self._overlap is not None and self.trial is not None and self._noting:
            if self._holding and self.trial.covered.issuperset(topics):
                self.take_over(reason)
                return
            self._overlap.topics -= frozenset(topics)
        self._standing.uncover(topics, reason)

    # ── a trial ──
    def begin(self, rung: Rung) -> None:
        """Listen to another rung too."""
        self.finish(self._overlap)
        self.trial = rung
        self._overlap = Overlap((), spelled_alike=False, lag_seconds=LEAD_SECONDS)
        self._noting = self._holding = False

    def note(self) -> None:
        """Begin to note what the serving rung says of what both carry."""
        if self.trial is not None and self._overlap is not None:
            self._overlap.topics = frozenset(self.on.covered & self.trial.covered)
            self._noting = True
            self._noted = self._heard = 0

    def hold(self) -> None:
        """Begin to hold what the rung on trial says."""
        if self._overlap is not None:
            self._holding = True
            self._overlap.confirmed(trio.current_time())

    def give_up(self) -> None:
        """The trial came to nothing; all that it said of what is served was said by the serving rung too."""
        self.trial = self._overlap = None
        self._noting = self._holding = False

    def take_over(self, reason: str) -> None:
        """The rung on trial serves from here on; whoever runs the ladder calls `finish` with the overlap later.

        Args:
            reason: why what it does not carry is not covered any more.
        """
        overlap, new = self._overlap, self.trial
        if overlap is None or new is None:
            return
        if not self._holding:
            overlap.topics = frozenset()
        left, self.on, self.trial = self.on, new, None
        self._noting = self._holding = False
        self._standing.uncover(self._standing.covered_topics - (overlap.topics & new.covered), reason)
        self._standing.cover(new.covered)
        self._clear(left)
        self._publish_all([*overlap.foreseen(), *overlap.switch(trio.current_time())])
        self._notify()

    def _clear(self, left: Rung) -> None:
        """What was stale on a rung that serves no more is as well as the new one is."""
        now = self._standing.clock()
        for instrument in left.stale:
            status = FeedStatus(feed=self._standing.name, instrument=instrument, status=FeedHealth.LIVE, ts_recv=now)
            self._standing.publish(status)
        left.stale.clear()

    def finish(self, overlap: Overlap | None) -> None:
        """The aftermath of a switch is over, unless another trial has begun since."""
        if overlap is not None and overlap is self._overlap and self.trial is None:
            self._overlap = None
            self._publish_all(overlap.finish())

    def _publish_all(self, events: list[UpstreamEvent]) -> None:
        for event in events:
            self._standing.publish(event)
        if self._overlap is not None:
            self._standing.overlaps_removed += self._overlap.removed
            self._overlap.removed = 0
