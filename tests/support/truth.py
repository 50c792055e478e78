"""Holds what a client was told against everything that the vendor said: the order, the holes, the books.

The vendor's side is what a simulator's hub had at the time (`stage.Vendor.listen`), rebuilt here by the plainest code there is.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from bridge.hub.contract import Publication
from bridge.model import BookDelta, BookSnapshot
from tests.support.readers import Event

Sides = dict[str, dict[Decimal, Decimal]]


def offset(cursor: str) -> int:
    """The place in one bridge's log."""
    return int(cursor.rpartition("-")[2])


def runs(events: Sequence[Event], kind: str, topic: str) -> list[list[Event]]:
    """Split a log topic's events at its declared gaps, each of which must stand exactly between two runs."""
    found: list[list[Event]] = [[]]
    behind = -1
    for event in events:
        if event["type"] == kind:
            assert offset(event["id"]) > behind, f"{event} was declared missing"
            found[-1].append(event)
        elif event["type"] == "gap" and topic in event["topics"]:
            before = offset(found[-1][-1]["id"]) if found[-1] else -1
            assert before <= offset(event["from"]) < offset(event["to"]), f"{event} reaches over what was told"
            behind = offset(event["to"])
            found.append([])
    return found


def assert_told_in_runs(told: Sequence[Sequence[Any]], said: Sequence[Any]) -> None:
    """Each run is a stretch of what was said without a hole or a double in it, and they follow one another."""
    place = 0
    for number, run in enumerate(told):
        starts = (at for at in range(place, len(said) - len(run) + 1) if list(said[at : at + len(run)]) == list(run))
        start = next(starts, None)
        assert start is not None, f"run {number} of {len(run)} is no stretch of what was said after {place}: {run[:3]}"
        place = start + len(run) if run else place


class Book:
    """A client's book; refuses whatever a careful client must refuse.

    Args:
        topic: `book:X`, or `book.N:X` for the cut with so many levels.
    """

    def __init__(self, topic: str) -> None:
        depth = topic.partition(":")[0].removeprefix("book").removeprefix(".")
        self.topic = topic
        self.depth = int(depth) if depth else None
        self.sides: Sides | None = None
        self.sequence: int | None = None
        self.snapshots = 0

    def take(self, event: Event) -> bool:
        """Apply an event; return whether it was the book's."""
        if event["type"] == "gap" and not event["repaired"] and self.topic in event["topics"]:
            self.sides = None
        if event.get("depth") != self.depth:
            return False
        if event["type"] == "book_snapshot":
            self.sides = {side: _levels(event[side]) for side in ("bids", "asks")}
            self.snapshots += 1
        elif event["type"] == "book_delta":
            assert self.sides is not None, f"a change of a book in doubt: {event}"
            assert event["prev_sequence"] == self.sequence, f"the chain is broken at {event['sequence']}"
            for side, levels in self.sides.items():
                levels.update(_levels(event[side]))
                self.sides[side] = {price: size for price, size in levels.items() if size}
        else:
            return False
        self.sequence = event["sequence"]
        assert max(self.sides["bids"]) < min(self.sides["asks"]), "crossed"
        return True


def _levels(rows: Sequence[Sequence[str]]) -> dict[Decimal, Decimal]:
    return {Decimal(price): Decimal(size) for price, size in rows}


def books_said(publications: Sequence[Publication]) -> list[Sides]:
    """The book as it stood at the vendor after each of its events."""
    bids: dict[Decimal, Decimal] = {}
    asks: dict[Decimal, Decimal] = {}
    states: list[Sides] = []
    for event in (publication.event for publication in publications):
        if isinstance(event, BookSnapshot):
            bids, asks = dict(event.bids), dict(event.asks)
        elif isinstance(event, BookDelta):
            bids = {price: size for price, size in (bids | dict(event.bids)).items() if size}
            asks = {price: size for price, size in (asks | dict(event.asks)).items() if size}
        else:
            continue
        states.append({"bids": bids, "asks": asks})
    return states


def assert_books_were_true(topic: str, events: Sequence[Event], states: Sequence[Sides]) -> int:
    """Every book the client ever held was the vendor's at some time, and never went back; returns how many snapshots came."""
    book, place = Book(topic), 0
    if book.depth is not None:
        states = [_best(state, book.depth) for state in states]
    for event in events:
        if book.take(event):
            place = next((at for at in range(place, len(states)) if states[at] == book.sides), -1)
            assert place >= 0, f"the vendor never had the book of {event['id']}"
    return book.snapshots


def _best(state: Sides, depth: int) -> Sides:
    return {
        side: {price: levels[price] for price in sorted(levels, reverse=side == "bids")[:depth]}
        for side, levels in state.items()
    }


def said(publications: Sequence[Publication], kind: type, key: Callable[[Any], Any]) -> list[Any]:
    """What was said of one type, by a key."""
    return [key(publication.event) for publication in publications if isinstance(publication.event, kind)]
