"""A made-up account's orders: each is created, filled in part or whole, cancelled or rejected, over a few seconds."""

import random
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from bridge.model import AccountId, InstrumentId, OrderUpdate, Side, UnixNanos
from bridge.tape.format import NO_FEED
from bridge.tape.market import STEPS_A_SECOND

NEW_ORDER_STEPS = 3 * STEPS_A_SECOND
"""Between two new orders."""

CHANGE_STEPS = STEPS_A_SECOND
"""Between two changes of the order in hand."""

LIVES = (
    ("pending", "partially_filled", "executed"),
    ("pending", "matched", "executed"),
    ("pending", "partially_filled", "cancelled"),
    ("pending", "rejected"),
)
"""The courses an order's life may take, in the vendor's words, lower case."""

_FILLED = {"pending": 0, "rejected": 0, "partially_filled": 5, "cancelled": 5, "matched": 0, "executed": 10}
"""How much of a quantity of 10 is filled in each state, when reached by the courses above."""


class OrderDesk:
    """One account's orders, one after another.

    Args:
        instruments: what it trades; none = no orders.
        chance: the tape's random numbers.
    """

    def __init__(self, instruments: Sequence[InstrumentId], chance: random.Random) -> None:
        self._instruments = instruments
        self._chance = chance
        self._number = 0
        self._order: OrderUpdate | None = None
        self._left: list[str] = []

    def step(self, step: int, now: UnixNanos) -> Iterator[OrderUpdate]:
        """Yield the account's news of a step."""
        if self._order and self._left and step % CHANGE_STEPS == 0:
            yield self._advance(self._order, now)
        elif not self._left and self._instruments and step % NEW_ORDER_STEPS == 0:
            self._number += 1
            self._left = list(self._chance.choice(LIVES))
            yield self._advance(self._new(now), now)

    def _new(self, now: UnixNanos) -> OrderUpdate:
        return OrderUpdate(
            instrument=self._chance.choice(self._instruments),
            feed=NO_FEED,
            ts_recv=UnixNanos(0),
            ts_event=now,
            account=AccountId(""),
            order_id=f"ord_{self._chance.getrandbits(48):012x}",
            side=self._chance.choice((Side.BUY, Side.SELL)),
            order_type="limit",
            quantity=Decimal(10),
            filled_quantity=Decimal(0),
            status="pending",
        )

    def _advance(self, order: OrderUpdate, now: UnixNanos) -> OrderUpdate:
        status = self._left.pop(0)
        filled = Decimal(_FILLED[status])
        self._order = msgspec.structs.replace(
            order,
            ts_event=now,
            status=status,
            filled_quantity=filled,
            average_price=Decimal("249.90") if filled else None,
        )
        return self._order
