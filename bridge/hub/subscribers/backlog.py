"""What is pending for a subscriber that lags, or wished to be slowed: the table of `policy`, applied.

Theory of operation. Everything stands in one dict in the order in which it will leave. The log's events have keys of their
own and stay where they came; state has a key that the next of its kind shares, which takes its place out and stands at the
end, with its own new offset: so whatever is taken, offsets ascend. A book is a `Run`.

Past the bound nothing of the bounded classes is taken in until the next `take`; where the first was left out stands a
`Hole`, which leaves as a `gap` with the id of the event before it, so that breaking off anywhere loses nothing in silence.

State held back by `max_rate` may have been passed by other events when it leaves. It still holds (whatever had changed it
would have replaced it; what is no longer vouched for was taken out by `lose`), so it is said again at the log's head.
"""

import math
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import Protocol

from bridge.hub.contract import Publication
from bridge.hub.policy import Policy, Rule, concerns
from bridge.hub.subscribers.folding import again, conflated
from bridge.hub.subscribers.holes import Hole, LagCounts
from bridge.hub.subscribers.pace import Pace
from bridge.hub.subscribers.runs import Books, Run
from bridge.model import Bar, Topic, Trade, UnixNanos, Want

Cost = Callable[[Sequence[Publication]], int]

_HOLE = "hole"
"""Its key; state has wants or tuples, and the log's events have numbers."""

Entry = Publication | list[Publication] | Run | Hole
"""A list is of trades in a row, none of which will be replaced."""


class Source(Books, Protocol):
    """Where the log and its states stand: the hub."""

    @property
    def head(self) -> int:
        """The newest offset."""
        ...

    def cursor(self, offset: int | None = None) -> str:
        """Spell an offset."""
        ...

    def wall(self) -> UnixNanos:
        """Our wall time."""
        ...


class Backlog:
    """One subscriber's.

    Args:
        source: the hub.
        cost: how many bytes publications will be.
        limits: bytes of the log's events at most: of the bounded classes, and of all.
        counts: where what is folded and left out is counted.

    Attributes:
        pace: what `max_rate` allows; None = everything at once.
        sealed: something was turned away: nothing may be said any more at the head, which lies behind that.
        due_at: when something held back may leave; infinity = nothing is held back.
    """

    def __init__(self, source: Source, cost: Cost, limits: tuple[int, int], counts: LagCounts) -> None:
        self._source = source
        self._cost = cost
        self._bounded_bytes, self._all_bytes = limits
        self._counts = counts
        self._entries: dict[Hashable, Entry] = {}
        self._log_bytes = 0
        self._serial = 0
        self.pace: Pace | None = None
        self.sealed = False
        self.due_at = math.inf

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def pending_bytes(self) -> int:
        """What is held, by its cost: counted when asked."""
        return self._cost(list(self._publications()))

    def offer(self, publication: Publication) -> bool:
        """Take in one more by its rule; False = it must not be lost and there is no room for it."""
        policy = publication.policy
        match policy.rule:
            case Rule.NEWEST | Rule.BOOK:
                self._state(publication, policy)
                return True
            case Rule.BOUNDED:
                return self._bounded(publication, policy)
            case Rule.KEPT:
                return self._log(publication, self._all_bytes)

    def extend(self, publications: Sequence[Publication]) -> bool:
        """Take in several, as `offer` does with each."""
        return self._trades(publications) or all(map(self.offer, publications))

    def ready(self, publication: Publication, now: float) -> bool:
        """Whether what was just taken in may leave now; if not, `due_at` says when."""
        policy = publication.policy
        if self.pace is None or not policy.slowed:
            return True
        due = self.pace.due(policy.key)
        if due <= now:
            return True
        self.due_at = min(self.due_at, due)
        return False

    def take(self, now: float, passed: int) -> list[Publication]:
        """Return all that may leave, ascending, and hold it no longer.

        Args:
            now: Trio's time.
            passed: the offset of the last publication that left before.
        """
        entries, self._entries = self._entries, {}
        taken: list[Publication] = []
        late: list[Publication] = []
        self.due_at = math.inf
        self._log_bytes = 0
        for key, entry in entries.items():
            if isinstance(entry, Hole):
                taken.append(self._gap(entry, taken[-1].offset if taken else passed))
            elif isinstance(entry, list):
                taken += entry
            elif self._held_back(key, entry, now):
                self._entries[key] = entry
            elif (said := entry.said(self._source) if isinstance(entry, Run) else entry) is not None:
                stays = passed <= said.offset == entry.offset
                (taken if stays else late).append(said)
        if not late or self.sealed:
            return taken
        head = self._source.head
        return taken + [again(one, head) for one in late]

    def remove(self, topics: Collection[Topic]) -> None:
        """Hold nothing more of these topics."""
        for key, entry in list(self._entries.items()):
            if isinstance(entry, Hole):
                entry.forget(topics)
                gone = not entry.topics
            elif isinstance(entry, list):
                gone = self._remove_trades(entry, topics)
            else:
                gone = concerns(entry.policy, entry.event if isinstance(entry, Publication) else None, topics)
            if gone:
                del self._entries[key]
                if isinstance(key, int) and isinstance(entry, Publication):
                    self._log_bytes -= self._cost((entry,))
                elif self.pace is not None:
                    self.pace.forget(key)

    def _remove_trades(self, trades: list[Publication], topics: Collection[Topic]) -> bool:
        """Take those of these topics out, and return whether nothing is left."""
        before = self._cost(trades)
        trades[:] = [one for one in trades if not concerns(one.policy, one.event, topics)]
        self._log_bytes -= before - self._cost(trades)
        return not trades

    def lose(self, want: Want) -> None:
        """A topic's state is no longer vouched for: what is pending of it is not said any more."""
        self._entries.pop(want, None)

    def _state(self, publication: Publication, policy: Policy) -> None:
        pending = self._entries.pop(policy.key, None)
        if policy.rule is Rule.BOOK and policy.want is not None:
            run = pending if isinstance(pending, Run) else Run(policy)
            self._counts.folded += run.add(publication)
            self._entries[policy.key] = run
        elif pending is None:
            self._entries[policy.key] = publication
        else:
            self._counts.conflated += 1
            self._entries[policy.key] = conflated(publication)

    def _bounded(self, publication: Publication, policy: Policy) -> bool:
        if isinstance(publication.event, Bar):
            self._close(publication.event, policy)
        if _HOLE not in self._entries and self._log(publication, self._bounded_bytes):
            return True
        if self._bounded_bytes == self._all_bytes or policy.want is None:
            return False
        hole = self._entries.get(_HOLE)
        if not isinstance(hole, Hole):
            hole = self._entries[_HOLE] = Hole()
        hole.add(publication)
        self._counts.missed += 1
        return True

    def _trades(self, publications: Sequence[Publication]) -> bool:
        """Take them in, or leave them out, together if they are all trades, which is cheap; say whether that was done."""
        if {type(publication.event) for publication in publications} != {Trade}:
            return False
        hole = self._entries.get(_HOLE)
        if isinstance(hole, Hole):
            for publication in publications:
                hole.add(publication)
            self._counts.missed += len(publications)
            return True
        size = self._log_bytes + self._cost(publications)
        if size > self._bounded_bytes:
            return False
        self._log_bytes = size
        self._serial += 1
        self._entries[self._serial] = list(publications)
        return True

    def _log(self, publication: Publication, limit: int) -> bool:
        size = self._log_bytes + self._cost((publication,))
        if size > limit:
            return False
        self._log_bytes = size
        self._serial += 1
        self._entries[self._serial] = publication
        return True

    def _close(self, final: Bar, policy: Policy) -> None:
        """A final bar takes the place of what is pending of the same bar while it was open."""
        pending = self._entries.get(policy.key)
        if (
            isinstance(pending, Publication)
            and isinstance(pending.event, Bar)
            and pending.event.ts_open == final.ts_open
        ):
            del self._entries[policy.key]
            self._counts.conflated += 1

    def _held_back(self, key: Hashable, entry: Publication | Run, now: float) -> bool:
        if self.pace is None or not entry.policy.slowed:
            return False
        due = self.pace.due(key)
        if due > now:
            self.due_at = min(self.due_at, due)
            return True
        self.pace.left(key, now)
        return False

    def _gap(self, hole: Hole, after: int) -> Publication:
        self._counts.gaps += 1
        source = self._source
        gap = hole.gap(source.cursor(after), source.cursor(hole.to), source.wall())
        return Publication(after, gap, whole=True)

    def _publications(self) -> Iterator[Publication]:
        for entry in self._entries.values():
            if isinstance(entry, Publication):
                yield entry
            elif isinstance(entry, list):
                yield from entry
            elif isinstance(entry, Run):
                yield from entry.parts()
