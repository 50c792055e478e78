"""De-duplication while two connections of a feed carry the same topics: every event once, none lost.

Theory of operation. While both are open the *old* connection's events are published, and noted from the moment at which the
new one began to open; the *new* one's are held. At the switch the old one has ended, and of what was held goes out:

* trades: those with an id by the id; those without as a multiset (`tally`), a doubtful one marked `possible_duplicate`;
* orders: what the old one did not say word for word; final bars: as trades without ids, a doubtful one goes out;
* quotes and open bars: what follows the last word that the old connection had delivered too, in order; a vendor begins a
  connection with how things stood, and that may be older than what the old one said since;
* books: one replacement, folded from everything the new one said. The new one's later deltas build upon it.

For `AFTERMATH_SECONDS` more the new one's events still pass through here, because it may lag behind the old one. At the end
one patch for each quote, folded from everything the new connection said, and its last open bars put right what may still differ.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from bridge.model import (
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Topic,
    Trade,
    UnixNanos,
    UpstreamEvent,
)
from bridge.upstream.session.subject import subject_of
from bridge.upstream.slots.folds import BookFold, QuoteFold
from bridge.upstream.slots.tally import Sameness, Tally

SETTLE_SECONDS = 0.6
"""How long both stay open after the new one was confirmed: what the vendor sent on the old one has arrived by then.

Short enough that what nobody wants any more is unsubscribed within a second after its linger: until then the old one has it."""

AFTERMATH_SECONDS = 2.0
"""How long after the switch the new one's events are still compared."""

HELD_EVENTS = 10_000
"""Events of the new connection that are held; then the switch is made at once. Books are folded and do not count."""

NOTED_EVENTS = 100_000
"""Trades' ids, and orders, of the old connection that are noted; then the oldest give way. The new one is never so far behind."""

State = tuple[InstrumentId, str | None]
"""A quote, or the open bar of an interval."""


class Overlap:
    """The overlap of two connections. Pure: times are Trio's, handed in.

    Args:
        topics: what both carry; only their events are handed in, but for `foresee`.
        spelled_alike: whether both spell an event the same; of two transports one may leave out a trade's id, or round its time.
        lag_seconds: how far the new connection may lag behind the old one.

    Attributes:
        topics: what both carry; set anew when a comparison begins later than the new connection.
        removed: how many events were taken out.
    """

    def __init__(
        self, topics: Iterable[Topic], *, spelled_alike: bool = True, lag_seconds: float = float("inf")
    ) -> None:
        self.topics = frozenset(topics)
        self.removed = 0
        self._content = _content if spelled_alike else _likeness
        self._tally = Tally(lag_seconds)
        self._ids: dict[tuple[str, str], None] = {}
        self._orders: dict[bytes, None] = {}
        self._held: list[tuple[UpstreamEvent, float]] = []
        self._old_states: dict[State, float] = {}
        self._quotes: dict[str, QuoteFold] = {}
        self._bars: dict[State, Bar] = {}
        self._books: dict[str, BookFold] = {}

    @property
    def full(self) -> bool:
        """No more can be held: switch."""
        return len(self._held) >= HELD_EVENTS

    # ── while both are open ──
    def old(self, event: UpstreamEvent, now: float) -> None:
        """Note what the old connection delivered (and its owner published)."""
        match event:
            case Trade(trade_id=str(trade_id)):
                _remember(self._ids, (event.instrument, trade_id))
                if self._content is _likeness:
                    self._tally.note(self._content(event), now)
            case OrderUpdate():
                _remember(self._orders, self._content(event))
            case Trade() | Bar() | QuotePatch():
                self._tally.note(self._content(event), now)
                state = _state_of(event)
                if state is not None:
                    self._old_states[state] = now
            case _:
                pass

    def foresee(self, event: UpstreamEvent) -> None:
        """Fold what the new connection says before the comparison begins: of its state nothing is lost, the rest is of no use."""
        if isinstance(event, BookSnapshot | BookDelta | BookReplacement):
            self._books.setdefault(event.instrument, BookFold()).add(event)
        else:
            self._fold(event)

    def hold(self, event: UpstreamEvent, now: float) -> None:
        """Keep what the new connection said, for the switch."""
        self.foresee(event)
        if not isinstance(event, BookSnapshot | BookDelta | BookReplacement):
            self._held.append((event, now))

    def confirmed(self, now: float) -> None:
        """The vendor confirmed the new connection."""
        self._tally.confirmed(now)

    def ended(self, now: float) -> None:
        """The old connection ended before the switch: what the new one received since then only the new one saw."""
        self._tally.ended(now)

    # ── the switch and after ──
    def switch(self, now: float) -> list[UpstreamEvent]:
        """The old connection has ended; return what of the new one's is to be published, in order."""
        self._tally.ended(now)
        known = self._known_states()
        held, self._held = self._held, []
        out: list[UpstreamEvent] = []
        for place, (event, received) in enumerate(held):
            state = _state_of(event)
            if state is None:
                out.extend(self._judge(event, received))
            elif place >= known.get(state, 0) and received > self._seen_until(state, known):
                out.append(event)
            else:
                self.removed += 1
        books = (fold.folded() for fold in self._books.values())
        return [*out, *(book for book in books if book is not None)]

    def foreseen(self) -> list[UpstreamEvent]:
        """Return the quotes and open bars, as they stand, of what only the new connection carries."""
        return [event for event in self.finish() if subject_of(event) not in self.topics]

    def late(self, event: UpstreamEvent, now: float) -> list[UpstreamEvent]:
        """Return what of an event that came after the switch is to be published: it, it with a mark, or nothing."""
        self._fold(event)
        return self._judge(event, now)

    def finish(self) -> list[UpstreamEvent]:
        """The aftermath is over; return what puts the quotes and the open bars right; the hub leaves out what is known."""
        return [*(fold.patch for fold in self._quotes.values() if fold.patch is not None), *self._bars.values()]

    # ── judging ──
    def _judge(self, event: UpstreamEvent, received: float) -> list[UpstreamEvent]:
        out: list[UpstreamEvent]
        match event:
            case Trade(trade_id=str(trade_id)) if self._ids or self._content is _content:
                out = [] if (event.instrument, trade_id) in self._ids else [event]
            case OrderUpdate():
                out = [] if self._content(event) in self._orders else [event]
            case Trade() | Bar() | QuotePatch():
                out = _delivered(event, self._tally.match(self._content(event), received))
            case _:
                return [event]
        self.removed += not out
        return out

    def _known_states(self) -> dict[State, int]:
        """By state: the place behind the last held word on it that the old connection delivered too."""
        known: dict[State, int] = {}
        for place, (event, received) in enumerate(self._held):
            state = _state_of(event)
            if state is not None and self._tally.match(self._content(event), received) is not Sameness.FRESH:
                known[state] = place + 1
        return known

    def _seen_until(self, state: State, known: dict[State, int]) -> float:
        """Where nothing matched, what came before the old connection's last word is older than that word."""
        return float("-inf") if state in known else self._old_states.get(state, float("-inf"))

    def _fold(self, event: UpstreamEvent) -> None:
        state = _state_of(event)
        if isinstance(event, QuotePatch):
            self._quotes.setdefault(event.instrument, QuoteFold()).add(event)
        elif isinstance(event, Bar):
            self._bars.pop((event.instrument, event.interval), None)
            if state is not None:
                self._bars[state] = event


def _remember(noted: dict[Any, None], key: object) -> None:
    noted[key] = None
    if len(noted) > NOTED_EVENTS:
        del noted[next(iter(noted))]


def _state_of(event: UpstreamEvent) -> State | None:
    """What an event is the newest word on, so that an older word is of no use; None = every one of its kind matters."""
    match event:
        case QuotePatch():
            return event.instrument, None
        case Bar() if not event.is_final:
            return event.instrument, event.interval
        case _:
            return None


def _delivered(event: Trade | Bar | QuotePatch, sameness: Sameness) -> list[UpstreamEvent]:
    if sameness is Sameness.FRESH:
        return [event]
    if sameness is Sameness.DUPLICATE or _state_of(event) is not None:
        return []
    return [msgspec.structs.replace(event, possible_duplicate=True) if isinstance(event, Trade) else event]


def _content(event: UpstreamEvent) -> bytes:
    """What two copies of one event have in common: everything but when we received it."""
    return msgspec.json.encode(msgspec.structs.replace(event, ts_recv=UnixNanos(0)))


def _likeness(event: UpstreamEvent) -> bytes:
    """What copies on two transports have in common: of a trade neither the id nor the time, of an order its state."""
    said: tuple[object, ...]
    match event:
        case Trade():
            said = (event.instrument, event.price.normalize(), event.size.normalize(), event.aggressor_side)
        case OrderUpdate():
            said = (event.account, event.order_id, event.status, event.filled_quantity.normalize())
        case _:
            return _content(event)
    return msgspec.json.encode(said)
