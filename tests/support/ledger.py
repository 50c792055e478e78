"""A client's account of what it was told, held at once against what the vendor says by number (`market`).

It keeps nothing but where it stands, so it may run for days. What it finds wrong goes into `faults`; nothing is raised, for a
soak wants to go on.

A trade or an order state is owed to a client from the first one of its topic on: each one once, in order, unless a declared
gap stands where it would have stood. A book that is not marked as in doubt is exactly the book of some number, and the numbers
never go back. A quote's parts are of one number.
"""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.support.market import BEST_BID, Sides, book_of, price_of

Event = dict[str, Any]


@dataclass
class LogStand:
    """Where a client stands in a topic of which every event matters.

    Attributes:
        newest: the number of the newest told; None before any.
        excused: whether a gap was declared since.
    """

    newest: int | None = None
    excused: bool = False


@dataclass
class BookStand:
    """A client's book; `sides` None = in doubt."""

    sides: Sides | None = None
    sequence: int | None = None
    number: int = 0


@dataclass
class Ledger:
    """One client's account, and the cursor to come back with. Fits where `readers.Reader` does.

    Attributes:
        topics: what it asks for, comma-separated.
        wrong: what the bridge did wrong, in sentences.
        declared: log events that lay inside declared gaps, by the gap's cause; 'joined' without one.
        told: events by type.
    """

    topics: str
    name: str = ""
    cursor: str | None = None
    ended: int | None = None
    body: Event | None = None
    verdicts: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    wrong: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    verdict_counts: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    possible_duplicates: int = 0
    health: dict[str, str] = field(default_factory=dict)
    logs: dict[str, LogStand] = field(default_factory=lambda: defaultdict(LogStand))
    books: dict[str, BookStand] = field(default_factory=lambda: defaultdict(BookStand))
    quotes: dict[str, int] = field(default_factory=dict)

    def forget(self) -> None:
        """Begin anew, without a cursor: nothing is owed from before."""
        self.cursor = None
        self.logs.clear()
        self.books.clear()
        self.quotes.clear()

    def newest(self, topic: str) -> int:
        """The number of the newest that it knows of a topic; 0 = nothing."""
        kind, _, instrument = topic.partition(":")
        match kind:
            case "book":
                return self.books[topic].number
            case "quote":
                return self.quotes.get(instrument, 0)
            case _:
                return self.logs[topic].newest or 0

    def take(self, event: Event) -> None:
        """Note an event."""
        kind = event["type"]
        self.told[kind] += 1
        reader = {
            "stream": self._stream,
            "trade": self._trade,
            "order": self._order,
            "gap": self._gap,
            "book_snapshot": self._snapshot,
            "book_delta": self._delta,
            "quote": self._quote,
            "feed_status": self._status,
        }.get(kind)
        if reader is not None:
            reader(event)
        if "id" in event:
            self.cursor = event["id"]

    def _stream(self, event: Event) -> None:
        self.verdict_counts[event["verdict"]] += 1

    def _status(self, event: Event) -> None:
        self.health[event["feed"]] = event["status"]

    # ── what must all arrive ──
    def _trade(self, event: Event) -> None:
        number = int(event["size"])
        topic = f"trade:{event['instrument']}"
        if Decimal(event["price"]) != price_of(number) or event.get("trade_id", f"trd_{number}") != f"trd_{number}":
            self._complain(f"{topic}: trade {number} was not told as it was said: {event}")
        self._log(topic, number, event)

    def _order(self, event: Event) -> None:
        self._log("order", int(Decimal(event["average_price"])), event)

    def _log(self, topic: str, number: int, event: Event) -> None:
        stand = self.logs[topic]
        if event.get("possible_duplicate"):
            self.possible_duplicates += 1
            return
        if stand.newest is not None and number <= stand.newest:
            self._complain(f"{topic}: {number} came after {stand.newest}: a double, or out of order ({event['id']})")
            return
        if stand.newest is not None and number != stand.newest + 1:
            if stand.excused:
                self.missed += number - stand.newest - 1
            else:
                self._complain(f"{topic}: {stand.newest + 1} to {number - 1} were lost in silence ({event['id']})")
        stand.newest, stand.excused = number, False

    def _gap(self, event: Event) -> None:
        self.gaps[event["cause"]] += 1
        for topic in event["topics"]:
            kind, _, _ = topic.partition(":")
            if kind in {"trade", "order"}:
                self.logs["order" if kind == "order" else topic].excused = True
            if kind == "book" and not event["repaired"]:
                self.books[topic].sides = None

    # ── of which only the newest matters ──
    def _snapshot(self, event: Event) -> None:
        stand = self.books[f"book:{event['instrument']}"]
        stand.sides = {side: levels_of(event[side]) for side in ("bids", "asks")}
        self._check(stand, event)

    def _delta(self, event: Event) -> None:
        stand = self.books[f"book:{event['instrument']}"]
        if stand.sides is None:
            self._complain(f"a change of a book in doubt: {event}")
            return
        if event["prev_sequence"] != stand.sequence:
            self._complain(f"the book's chain is broken: {stand.sequence} is not before {event}")
        for side, levels in stand.sides.items():
            changed = levels | levels_of(event[side])
            stand.sides[side] = {price: size for price, size in changed.items() if size}
        self._check(stand, event)

    def _check(self, stand: BookStand, event: Event) -> None:
        assert stand.sides is not None
        stand.sequence = event["sequence"]
        number = int(stand.sides["bids"].get(BEST_BID, 0))
        if stand.sides != book_of(number):
            self._complain(f"book {number} of {event['instrument']} was never so: {stand.sides}")
        if number < stand.number:
            self._complain(f"book {number} of {event['instrument']} came after {stand.number}")
        stand.number = number

    def _quote(self, event: Event) -> None:
        number = int(Decimal(event["last"])) if "last" in event else None
        bid, ask = (event.get(side) for side in ("bid", "ask"))
        if bid is not None and ask is not None and Decimal(ask) - Decimal(bid) != 1:
            self._complain(f"a quote of two numbers: {event}")
        if number is not None:
            if number < self.quotes.get(event["instrument"], 0):
                self._complain(f"quote {number} came after {self.quotes[event['instrument']]}")
            self.quotes[event["instrument"]] = number

    def _complain(self, sentence: str) -> None:
        if len(self.wrong) < 20:
            self.wrong.append(f"{self.name}: {sentence}")


def levels_of(rows: list[list[str]]) -> dict[Decimal, Decimal]:
    """A side's levels, by price."""
    return {Decimal(price): Decimal(size) for price, size in rows}
