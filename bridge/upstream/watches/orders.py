"""Open orders, compared with what the vendor says over REST: at an interval, and at once after every reconnect.

A stream that is up may still lose a fill, and what happened during a break comes on no stream at all. So every order that was
heard of and is not final is asked for by its id, the newest first; what differs is published as an event of its own, marked
`reconciled`. An order that the bridge never heard of cannot be asked for: the gap after a break says that there may be some.

REST may lag behind the stream. An answer that shows less than is known, or comes while the stream speaks of the order, is left
out; a true difference is still there the next time.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog
import trio

from bridge.dialects.contract import Question, QuestionKind, Refused, Signal
from bridge.errors import BridgeError, VendorRefused
from bridge.model import Covered, OrderUpdate, TopicKind, Uncovered, UpstreamEvent
from bridge.upstream.bell import Bell
from bridge.upstream.standing.standing import Standing
from bridge.upstream.watches.witness import Witness

FINAL_STATUSES = frozenset({"executed", "filled", "cancelled", "canceled", "rejected", "expired"})
"""An order's last words; the first, third and fifth are Liquidity's (VENDORS §2.3), the rest other parties' for the same."""

FOLLOWED_ORDERS = 100
"""Open orders compared; the one that was heard of longest ago gives way. At five questions a second they take 20 s."""

FRESH_SECONDS = 2.0
"""An order of which the stream spoke within this is left alone: REST may be behind, with times of whole seconds."""

Fetch = Callable[[Question], Awaitable[Sequence[UpstreamEvent | Signal] | None]]
"""Asks once, paced; `ask.Asker.fetch`."""

_log = structlog.get_logger(__name__)


class OrderCheck:
    """One feed's.

    Args:
        standing: the feed's.
        fetch: puts a question to the vendor.
        every_seconds: how often all are compared.
    """

    def __init__(self, standing: Standing, fetch: Fetch, every_seconds: float) -> None:
        self._standing = standing
        self._fetch = fetch
        self._every_seconds = every_seconds
        self._orders: dict[str, tuple[OrderUpdate, float]] = {}
        """By id: the newest word, and when it was heard; the newest last."""
        self._covered = False
        self._bell = Bell()

    def __repr__(self) -> str:
        return f"<OrderCheck of {self._standing.name}, {len(self._orders)} open>"

    def follow(self, witness: Witness) -> None:
        """Learn from what the feed publishes which orders are open, and when they are received anew."""
        witness.show(OrderUpdate, self._heard)
        witness.show(Covered, self._begun)
        witness.show(Uncovered, self._ended)

    async def run(self) -> None:
        """Compare until cancelled; returns when the vendor cannot be asked for orders. Never raises for a vendor's fault."""
        while True:
            away_seconds = await self._compare() if self._covered else 0.0
            if away_seconds is None:
                return
            await trio.sleep(away_seconds)
            with trio.move_on_after(self._every_seconds):
                await self._bell.wait()

    # ── what is published ──
    def _heard(self, event: OrderUpdate) -> None:
        self._orders.pop(event.order_id, None)
        if event.status in FINAL_STATUSES:
            return
        self._orders[event.order_id] = event, trio.current_time()
        if len(self._orders) > FOLLOWED_ORDERS:
            del self._orders[next(iter(self._orders))]

    def _begun(self, event: Covered) -> None:
        if any(topic.kind is TopicKind.ORDER for topic in event.topics):
            self._covered = True
            self._bell.ring()

    def _ended(self, event: Uncovered) -> None:
        if any(topic.kind is TopicKind.ORDER for topic in event.topics):
            self._covered = False

    # ── comparing ──
    async def _compare(self) -> float | None:
        """Ask for every open order once; return how long to stay away after that, None = for ever."""
        for order_id in reversed(tuple(self._orders)):
            known, heard_at = self._orders.get(order_id, (None, 0.0))
            if known is None or trio.current_time() - heard_at < FRESH_SECONDS:
                continue
            try:
                said = await self._fetch(Question(kind=QuestionKind.ORDER, order_id=order_id))
            except VendorRefused as error:
                if error.status != 404:
                    return self._failed(error)
                said = (Refused(None, "", error.reason),)
            except BridgeError as error:
                return self._failed(error)
            if said is None:
                return None
            self._take(known, said)
        return 0.0

    def _failed(self, error: BridgeError) -> float:
        _log.info("orders could not be compared", feed=self._standing.name, reason=str(error))
        return (isinstance(error, VendorRefused) and error.retry_after_seconds) or 0.0

    def _take(self, known: OrderUpdate, said: Sequence[UpstreamEvent | Signal]) -> None:
        held, _ = self._orders.get(known.order_id, (None, 0.0))
        if held is not known:
            return  # the stream has spoken of it meanwhile
        for word in said:
            if isinstance(word, Refused):
                _log.warning("a vendor does not know an order of its own", feed=self._standing.name)
                del self._orders[known.order_id]
                return
            if isinstance(word, OrderUpdate) and word.order_id == known.order_id and differs(known, word):
                self._standing.reconciled += 1
                self._standing.events += 1
                self._standing.publish(msgspec.structs.replace(word, reconciled=True))
                return


def differs(known: OrderUpdate, said: OrderUpdate) -> bool:
    """Whether REST says more of an order than the stream did: something else, and not something older."""
    if said.filled_quantity < known.filled_quantity:
        return False
    if said.ts_event is not None and known.ts_event is not None and said.ts_event < known.ts_event:
        return False
    average = known.average_price if said.average_price is None else said.average_price
    return (known.status, known.quantity, known.filled_quantity, known.average_price) != (
        said.status,
        said.quantity,
        said.filled_quantity,
        average,
    )
