"""Which topics stand on which slot: the smallest change from what is to what is wanted, within the vendor's limits.

A *slot* is a connection as planned: it keeps its number and its topics through reconnects and hand-overs. The rules, in
order: a topic that has a place keeps it; slots that change anyway are filled first, then those with the most room; an
instrument's topics stay together while there is room (a vendor may count them as one subscription); a new slot is opened
only when the old ones are full; what then finds no place overflows, newest first. Only to make room for a topic without
a place are two half-empty slots of a lane joined: the topics moved so are interrupted, which the feed declares.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from bridge.dialects.contract import Lane
from bridge.model import Topic

Count = Callable[[Sequence[Topic]], int]
"""How many of the vendor's subscriptions some topics use when they share a connection (`Dialect.subscriptions`)."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A planned connection.

    Attributes:
        number: its name within the feed, never reused.
        topics: what it is to carry; never empty.
    """

    number: int
    lane: Lane
    topics: frozenset[Topic]


class PlanLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What binds a plan; None = no limit.

    Attributes:
        changeable: whether a slot's topics may change while it is open.
        slots: how many slots there may be, over all lanes; the one kept for hand-overs is taken off already.
        subscriptions: how many subscriptions one slot may carry, by `count`.
    """

    changeable: bool
    slots: int | None
    subscriptions: int | None


class Open(msgspec.Struct, frozen=True):
    """Open a new slot with these topics."""

    lane: Lane
    topics: frozenset[Topic]


class Replace(msgspec.Struct, frozen=True):
    """Hand a slot over to a new connection that carries exactly these topics."""

    number: int
    topics: frozenset[Topic]


class Add(msgspec.Struct, frozen=True):
    """Subscribe to these on an open slot."""

    number: int
    topics: frozenset[Topic]


class Remove(msgspec.Struct, frozen=True):
    """Unsubscribe from these on an open slot."""

    number: int
    topics: frozenset[Topic]


class Close(msgspec.Struct, frozen=True):
    """Close a slot: nothing of it is wanted any more."""

    number: int


class Overflow(msgspec.Struct, frozen=True):
    """There is no room for these within the vendor's limits."""

    topics: frozenset[Topic]


Change = Close | Remove | Replace | Add | Open | Overflow


def planned_slots(maximum: int | None, *, changeable: bool) -> int | None:
    """Return how many slots may be planned: where a change needs a second connection, one of several is kept for that.

    Args:
        maximum: how many connections the vendor grants; None = no limit named, 0 = unlimited by the operator's word.
        changeable: whether subscriptions may change on an open connection, so that no spare is needed.
    """
    if not maximum:
        return None
    return maximum if changeable or maximum == 1 else maximum - 1


def plan(slots: Sequence[Slot], wanted: Mapping[Topic, Lane], limits: PlanLimits, count: Count) -> list[Change]:
    """Return what to change; [] when all stands as it should.

    Closes come first, so that a slot's place is free before it is taken; the overflow comes last.

    Args:
        slots: all the slots there are, whatever their state.
        wanted: every topic wanted, with the lane that carries it.
        limits: what the vendor allows.
        count: how the vendor counts subscriptions.
    """
    table = _Table(slots, wanted, limits, count)
    table.place(_groups(wanted, {topic for slot in table.slots for topic in slot.topics}))
    return table.changes()


def _groups(wanted: Mapping[Topic, Lane], placed: set[Topic]) -> list[tuple[Lane, list[Topic]]]:
    """The topics without a place, those of one instrument and lane together, in a stable order."""
    groups: dict[tuple[Lane, str], list[Topic]] = {}
    for topic in sorted((topic for topic in wanted if topic not in placed), key=_order):
        groups.setdefault((wanted[topic], topic.instrument or ""), []).append(topic)
    return [(lane, topics) for (lane, _), topics in groups.items()]


def _order(topic: Topic) -> tuple[str, str, str]:
    return (topic.instrument or "", str(topic), topic.scope or "")


class _Draft:
    """A slot while the plan is made; `was` None = to be opened."""

    def __init__(self, lane: Lane, topics: Iterable[Topic], was: Slot | None) -> None:
        self.lane = lane
        self.topics = dict.fromkeys(topics)
        self.was = was
        self.used = 0

    @property
    def changed(self) -> bool:
        return self.was is None or self.topics.keys() != self.was.topics


class _Table:
    """All slots while the plan is made."""

    def __init__(self, slots: Sequence[Slot], wanted: Mapping[Topic, Lane], limits: PlanLimits, count: Count) -> None:
        self._limits = limits
        self._count = count
        self._overflow: list[Topic] = []
        self._hopeless: set[Lane] = set()
        self.slots: list[_Draft] = []
        seen: set[Topic] = set()
        for slot in slots:
            kept = sorted((t for t in slot.topics if wanted.get(t) == slot.lane and t not in seen), key=_order)
            seen.update(kept)
            draft = _Draft(slot.lane, kept, slot)
            draft.used = count(kept)
            self.slots.append(draft)

    def place(self, groups: Iterable[tuple[Lane, list[Topic]]]) -> None:
        left: list[tuple[Lane, list[Topic]]] = []
        for lane, topics in groups:
            if not (self._put(lane, topics) or self._open(lane, topics)):
                left.extend((lane, [topic]) for topic in topics)
        for lane, topics in left:
            if not (self._put(lane, topics) or self._open(lane, topics) or self._make_room(lane, topics)):
                self._overflow.extend(topics)

    def _put(self, lane: Lane, topics: Sequence[Topic]) -> bool:
        """Put topics together on the best slot that has room; one that stands empty takes up a place again."""
        free = self._has_free_place()
        open_slots = [slot for slot in self.slots if slot.lane == lane and (slot.topics or free)]
        best_first = sorted(open_slots, key=lambda slot: (not slot.changed, slot.used))
        return any(self._fits(slot, topics) for slot in best_first)

    def _fits(self, slot: _Draft, topics: Iterable[Topic]) -> bool:
        """Put topics on a slot if it has room for all of them."""
        together = {**slot.topics, **dict.fromkeys(topics)}
        used = self._count(list(together))
        if self._limits.subscriptions is not None and used > self._limits.subscriptions:
            return False
        slot.topics, slot.used = together, used
        return True

    def _open(self, lane: Lane, topics: Sequence[Topic]) -> bool:
        """Open a slot for topics if one more is allowed."""
        slot = _Draft(lane, (), None)
        if not self._has_free_place() or not self._fits(slot, topics):
            return False
        self.slots.append(slot)
        return True

    def _has_free_place(self) -> bool:
        """A slot that stands empty does not count: it will be closed first."""
        return self._limits.slots is None or sum(1 for slot in self.slots if slot.topics) < self._limits.slots

    def _make_room(self, lane: Lane, topics: Sequence[Topic]) -> bool:
        """Join slots of one lane until one is free for topics; False and unchanged when that cannot be."""
        if lane in self._hopeless:
            return False
        for slot in sorted((slot for slot in self.slots if slot.topics), key=lambda slot: slot.used):
            before = [(other, other.topics, other.used) for other in self.slots]
            moving, slot.topics, slot.used = slot.topics, {}, 0
            others = [other for other in self.slots if other.lane == slot.lane and other is not slot and other.topics]
            if all(any(self._fits(other, [topic]) for other in others) for topic in moving) and (
                self._put(lane, topics) or self._open(lane, topics)
            ):
                return True
            for other, kept, used in before:
                other.topics, other.used = kept, used
        self._hopeless.add(lane)
        return False

    def changes(self) -> list[Change]:
        closes: list[Change] = []
        others: list[Change] = []
        opens: list[Change] = []
        for slot in self.slots:
            topics = frozenset(slot.topics)
            if slot.was is None:
                opens.extend([Open(slot.lane, topics)] if topics else [])
            elif not topics:
                closes.append(Close(slot.was.number))
            elif not slot.changed:
                continue
            elif self._limits.changeable:
                gone, new = slot.was.topics - topics, topics - slot.was.topics
                others.extend([Remove(slot.was.number, gone)] if gone else [])
                others.extend([Add(slot.was.number, new)] if new else [])
            else:
                others.append(Replace(slot.was.number, topics))
        overflow: list[Change] = [Overflow(frozenset(self._overflow))] if self._overflow else []
        return closes + others + opens + overflow
