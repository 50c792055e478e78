"""What a vendor says, numbered: the truth that everything else is held against, made and spelled by nothing of ours.

Of each instrument there is a first, second … trade, book, quote and order state, and what each one holds follows from its
number alone (`trade_of`, `book_of` …). So whoever hears one knows which it was, and whether it was told right; nothing need be
remembered. The shapes are those of the vendors' pages.
"""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Sides = dict[str, dict[Decimal, Decimal]]

BEST_BID, BEST_ASK = Decimal("99.5"), Decimal("100.5")
BOOK_LEVELS = 5
STATUSES = ("PENDING", "PARTIALLY_FILLED", "EXECUTED")
QUANTITY = 20


def price_of(number: int) -> Decimal:
    """The price of a trade; several have the same."""
    return Decimal(10_000 + number % 50) / 100


def book_of(number: int) -> Sides:
    """The whole book; the size at the best bid is its number."""
    bids = {BEST_BID: Decimal(number)}
    asks = {BEST_ASK: Decimal(number + 1)}
    for place in range(BOOK_LEVELS):
        for side, step, bits in ((bids, -1, number), (asks, 1, number + 1)):
            if size := (bits >> place) % 4:
                side[100 + step * Decimal(place + 1)] = Decimal(size)
    return {"bids": bids, "asks": asks}


def change_of(number: int) -> Sides:
    """What became of the book before; size 0 removes."""
    before, after = book_of(number - 1), book_of(number)
    return {
        side: {
            price: after[side].get(price, Decimal(0))
            for price in before[side].keys() | after[side].keys()
            if before[side].get(price) != after[side].get(price)
        }
        for side in after
    }


def order_of(number: int) -> dict[str, Any]:
    """An order's state, as the page prints it; each order has three, and its number is the average price."""
    life = number % len(STATUSES)
    return {
        "orderId": f"ord_{number // len(STATUSES)}",
        "assetId": "ANY",
        "side": "BUY",
        "orderType": "limit",
        "quantity": QUANTITY,
        "filledQuantity": QUANTITY * life // (len(STATUSES) - 1),
        "averagePrice": number,
        "status": STATUSES[life],
    }


class Market:
    """Counts what was said, and spells it.

    Args:
        now: seconds since 1970.

    Attributes:
        said: (kind, instrument) → the number of the newest; kinds are `trade`, `book`, `quote`, `order`.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.said: Counter[tuple[str, str]] = Counter()
        self._now = now

    def next(self, kind: str, instrument: str) -> int:
        """Say the next one; return its number."""
        self.said[kind, instrument] += 1
        return self.said[kind, instrument]

    def newest(self, kind: str, instrument: str) -> int:
        """Return the number of the newest; there always is a book and a quote."""
        if kind in {"book", "quote"}:
            self.said[kind, instrument] = max(1, self.said[kind, instrument])
        return self.said[kind, instrument]

    # ── Liquidity ──
    def liquidity_event(self, kind: str, instrument: str) -> bytes:
        """The newest of its kind as a named server-sent event."""
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), self.liquidity_object(kind, instrument))

    def liquidity_object(self, kind: str, instrument: str) -> bytes:
        """The newest of its kind as SSE and REST have it."""
        number = self.newest(kind, instrument)
        stamp = datetime.fromtimestamp(int(self._now()), UTC).isoformat().replace("+00:00", "Z")
        match kind:
            case "trade":
                fact: dict[str, Any] = {
                    "tradeId": f"trd_{number}",
                    "price": price_of(number),
                    "size": number,
                    "side": "buy",
                }
            case "book":
                fact = {
                    side: [{"price": price, "size": size} for price, size in best_first(side, levels)]
                    for side, levels in book_of(number).items()
                }
            case "order":
                return _json({**order_of(number), "timestamp": stamp})
            case _:
                fact = {"last": number, "bid": number, "ask": number + 1, "volume": number}
        return _json({"assetId": instrument, **fact, "timestamp": stamp})

    def liquidity_message(self, kind: str, instrument: str, *, whole: bool = False) -> bytes:
        """The newest of its kind as a WebSocket message; a book as what changed, or whole."""
        number = self.newest(kind, instrument)
        head = {"symbol": instrument, "timestamp": int(self._now())}
        if kind == "trade":
            return _json({"type": "trade", "price": price_of(number), "size": number, "side": "buy", **head})
        sides = book_of(number) if whole else change_of(number)
        rows = {side: [list(level) for level in best_first(side, levels)] for side, levels in sides.items()}
        return _json({"type": "orderbook_snapshot" if whole else "orderbook_update", **rows, **head})

    # ── TradingView ──
    def tradingview_message(self, instrument: str) -> bytes:
        """The newest quote."""
        number = self.newest("quote", instrument)
        data = {"lp": number, "bid": number, "ask": number + 1}
        return _json({"type": "quote_update", "symbol": instrument, "data": data, "timestamp": int(self._now())})


def best_first(side: str, levels: dict[Decimal, Decimal]) -> list[tuple[Decimal, Decimal]]:
    """A side's levels in the order of the pages."""
    return sorted(levels.items(), reverse=side == "bids")


def _json(value: object) -> bytes:
    return json.dumps(value, default=_exactly, separators=(",", ":")).encode()


def _exactly(number: object) -> float | int:
    assert isinstance(number, Decimal)
    return int(number) if number == int(number) else float(number)
