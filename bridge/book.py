"""An order book's state: exact prices and sizes by level, changed by snapshots, deltas and replacements.

A side is two parallel lists in ascending price order, so that a level is found by bisection, the best levels are a slice,
and no price is ever hashed. Changes that change nothing (a removal of an unknown level, a level repeated) are recognised
here, because every layer above wants to leave them out.
"""

import operator
from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal

from bridge.model import BookDelta, BookLevel, BookReplacement, BookSnapshot, Levels

NOTHING = Decimal(0)
"""The size that removes a level."""


def same_number(one: Decimal, other: Decimal) -> bool:
    """Whether two numbers are spelled alike: equal, and with the same digits after the point."""
    return one == other and one.same_quantum(other)


class BookSide:
    """One side. Prices are unique and sizes are never 0.

    Args:
        highest_first: True for bids.
    """

    __slots__ = ("_highest_first", "_levels", "_prices")

    def __init__(self, *, highest_first: bool) -> None:
        self._highest_first = highest_first
        self._prices: list[Decimal] = []
        self._levels: list[BookLevel] = []

    def __len__(self) -> int:
        return len(self._prices)

    def replace(self, levels: Iterable[BookLevel]) -> None:
        """Forget everything and hold these levels, in whatever order they come; of equal prices the last counts."""
        unique = {level.price: level for level in levels if level.size}
        self._levels = sorted(unique.values())
        self._prices = [level.price for level in self._levels]

    def change(self, levels: Iterable[BookLevel]) -> list[BookLevel]:
        """Set each level's size, 0 removing it; return those that changed something, in the order given."""
        changed: list[BookLevel] = []
        prices, held = self._prices, self._levels
        for level in levels:
            price, size = level
            at = bisect_left(prices, price)
            known = at < len(prices) and prices[at] == price
            if not size:
                if not known:
                    continue
                del prices[at]
                del held[at]
            elif known:
                if same_number(held[at][1], size):
                    continue
                held[at] = level
            else:
                prices.insert(at, price)
                held.insert(at, level)
            changed.append(level)
        return changed

    def best(self) -> BookLevel | None:
        """Return the best level; None when the side is empty."""
        if not self._levels:
            return None
        return self._levels[-1 if self._highest_first else 0]

    def top(self, depth: int | None = None) -> Levels:
        """Return the best `depth` levels, best first; None = all."""
        if self._highest_first:
            wanted = self._levels if depth is None else self._levels[-depth:]
            return tuple(reversed(wanted))
        return tuple(self._levels if depth is None else self._levels[:depth])


class Book:
    """Both sides of one instrument's book."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(highest_first=True)
        self.asks = BookSide(highest_first=False)

    def __repr__(self) -> str:
        return f"<Book {len(self.bids)} bids, {len(self.asks)} asks, best {self.best_bid} / {self.best_ask}>"

    @property
    def best_bid(self) -> BookLevel | None:
        """The highest bid; None = no bids."""
        return self.bids.best()

    @property
    def best_ask(self) -> BookLevel | None:
        """The lowest ask; None = no asks."""
        return self.asks.best()

    @property
    def crossed(self) -> bool:
        """Whether the best bid reaches the best ask, which no sound book does."""
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid.price >= ask.price

    def apply(self, event: BookSnapshot | BookDelta | BookReplacement) -> tuple[Levels, Levels]:
        """Take a whole book or a change; return the changed bids and asks (of a whole book: all it holds, best first)."""
        if isinstance(event, BookDelta):
            return tuple(self.bids.change(event.bids)), tuple(self.asks.change(event.asks))
        self.bids.replace(event.bids)
        self.asks.replace(event.asks)
        return self.cut()

    def cut(self, depth: int | None = None) -> tuple[Levels, Levels]:
        """Return the best `depth` levels of each side, best first; None = all."""
        return self.bids.top(depth), self.asks.top(depth)

    def difference(self, other: "Book") -> tuple[Levels, Levels]:
        """Return the fewest levels that turn this book into `other`."""
        return (
            difference(self.bids.top(), other.bids.top(), highest_first=True),
            difference(self.asks.top(), other.asks.top(), highest_first=False),
        )


def difference(before: Levels, after: Levels, *, highest_first: bool) -> Levels:
    """Return the fewest changed levels (size 0 removes) that turn one side into another; all of them best first."""
    better = operator.gt if highest_first else operator.lt
    changed: list[BookLevel] = []
    at, end = 0, len(before)
    for level in after:
        while at < end and before[at] is not level and better(before[at].price, level.price):
            changed.append(BookLevel(before[at].price, NOTHING))
            at += 1
        if at == end or before[at].price != level.price:
            changed.append(level)
            continue
        if before[at] is not level and not same_number(before[at].size, level.size):
            changed.append(level)
        at += 1
    changed.extend(BookLevel(level.price, NOTHING) for level in before[at:])
    return tuple(changed)
