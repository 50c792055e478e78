"""One made-up instrument: a price that walks, a book around it, trades at its best prices, bars of what traded."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from bridge.bars import BarBuilder
from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    InstrumentId,
    Interval,
    QuotePatch,
    Side,
    Trade,
    UnixNanos,
)
from bridge.tape.format import NO_FEED

STEP_NANOS = 250_000_000
"""Between two steps: four a second, a calm but visible market."""

STEPS_A_SECOND = 1_000_000_000 // STEP_NANOS

DEPTH = 25
"""Levels a side."""


class Terms(msgspec.Struct, frozen=True):
    """What an instrument is like.

    Attributes:
        price: where it begins; also yesterday's close.
        tick: the smallest step of its price.
        lot: the smallest step of a size.
        volume: traded today before the tape begins, in base units.
    """

    instrument: InstrumentId
    price: Decimal
    tick: Decimal
    lot: Decimal
    volume: Decimal

    @property
    def has_orders(self) -> bool:
        """Whether the made-up account trades it: things without an exchange in their name."""
        return ":" not in self.instrument

    def renamed(self, instrument: InstrumentId) -> "Terms":
        """The same terms for another id."""
        return msgspec.structs.replace(self, instrument=instrument)


class Market:
    """The instrument's state.

    Args:
        terms: what it is like.
        chance: the tape's random numbers.
    """

    def __init__(self, terms: Terms, chance: random.Random) -> None:
        self._terms = terms
        self._chance = chance
        self._last = terms.price
        self._high = self._low = terms.price
        self._volume = terms.volume
        self._trades = 0
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._builders = [BarBuilder(interval) for interval in Interval]
        self._bars: dict[str, Bar] = {}

    def step(self, step: int, now: UnixNanos) -> Iterator[QuotePatch | Trade | BookSnapshot | BookDelta | Bar]:
        """Yield what happened in a step; the first has the whole book and the whole quote."""
        if step == 0:
            self._rebuild(self._bids, self._last - self._terms.tick, -self._terms.tick)
            self._rebuild(self._asks, self._last + self._terms.tick, self._terms.tick)
        before = dict(self._bids), dict(self._asks)
        trades = [self._trade(now) for _ in range(self._chance.choice((0, 0, 1, 1, 2)) if step else 1)]
        self._breathe()
        yield from trades
        yield from self._delta(before, now) if step else [self._snapshot(now)]
        yield self._quote(now, whole=step == 0)
        yield from self._bars_of(trades, step)

    def _size(self, most: int) -> Decimal:
        return self._terms.lot * self._chance.randint(1, most)

    def _rebuild(self, side: dict[Decimal, Decimal], best: Decimal, tick: Decimal) -> None:
        for level in range(DEPTH):
            side.setdefault(best + tick * level, self._size(900))

    def _trade(self, now: UnixNanos) -> Trade:
        buys = self._chance.random() < 0.5
        side = self._asks if buys else self._bids
        price = min(side) if buys else max(side)
        size = min(self._size(120), side[price])
        side[price] -= size
        if not side[price]:
            del side[price]
        self._trades += 1
        self._last, self._volume = price, self._volume + size
        self._high, self._low = max(self._high, price), min(self._low, price)
        return Trade(
            instrument=self._terms.instrument,
            feed=NO_FEED,
            ts_recv=UnixNanos(0),
            ts_event=now,
            price=price,
            size=size,
            aggressor_side=Side.BUY if buys else Side.SELL,
            trade_id=f"trd_{self._terms.instrument.lower()}_{self._trades:06d}",
        )

    def _breathe(self) -> None:
        """Let liquidity come and go: some sizes change, now and then a best price leaves, the gaps fill up again."""
        tick = self._terms.tick
        for side, best in ((self._bids, max), (self._asks, min)):
            for price in self._chance.sample(sorted(side), 3):
                side[price] = self._size(900)
            if len(side) > 1 and self._chance.random() < 0.3:
                del side[best(side)]
        bid, ask = max(self._bids), min(self._asks)
        while ask - bid > 2 * tick:
            if self._chance.random() < 0.5:
                bid += tick
                self._bids[bid] = self._size(900)
            else:
                ask -= tick
                self._asks[ask] = self._size(900)
        self._trim(self._bids, bid, -tick)
        self._trim(self._asks, ask, tick)

    def _trim(self, side: dict[Decimal, Decimal], best: Decimal, tick: Decimal) -> None:
        self._rebuild(side, best, tick)
        for price in [price for price in side if abs(price - best) >= abs(tick) * DEPTH]:
            del side[price]

    def _snapshot(self, now: UnixNanos) -> BookSnapshot:
        return BookSnapshot(
            instrument=self._terms.instrument,
            feed=NO_FEED,
            ts_recv=UnixNanos(0),
            ts_event=now,
            bids=tuple(BookLevel(price, self._bids[price]) for price in sorted(self._bids, reverse=True)),
            asks=tuple(BookLevel(price, self._asks[price]) for price in sorted(self._asks)),
        )

    def _delta(
        self, before: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]], now: UnixNanos
    ) -> Iterator[BookDelta]:
        bids, asks = _changes(before[0], self._bids), _changes(before[1], self._asks)
        if bids or asks:
            yield BookDelta(
                instrument=self._terms.instrument,
                feed=NO_FEED,
                ts_recv=UnixNanos(0),
                ts_event=now,
                bids=tuple(sorted(bids, reverse=True)),
                asks=tuple(sorted(asks)),
            )

    def _quote(self, now: UnixNanos, *, whole: bool) -> QuotePatch:
        bid, ask, close = max(self._bids), min(self._asks), self._terms.price
        change = self._last - close
        day: dict[str, Any] = (
            {"open": close, "prev_close": close, "session": "market", "delay_seconds": 0} if whole else {}
        )
        return QuotePatch(
            instrument=self._terms.instrument,
            feed=NO_FEED,
            ts_recv=UnixNanos(0),
            ts_event=now,
            full=whole,
            bid=bid,
            ask=ask,
            bid_size=self._bids[bid],
            ask_size=self._asks[ask],
            last=self._last,
            high=self._high,
            low=self._low,
            change=change,
            change_percent=(change / close * 100).quantize(Decimal("0.01")),
            volume=self._volume,
            **day,
        )

    def _bars_of(self, trades: list[Trade], step: int) -> Iterator[Bar]:
        """Final bars at once, open ones once a second."""
        for trade in trades:
            for builder in self._builders:
                for bar in builder.add_trade(trade):
                    told = msgspec.structs.replace(bar, derived=False, partial=False)
                    if told.is_final:
                        self._bars.pop(told.interval, None)
                        yield told
                    else:
                        self._bars[told.interval] = told
        if step % STEPS_A_SECOND == 0:
            yield from self._bars.values()
            self._bars.clear()


def _changes(before: dict[Decimal, Decimal], after: dict[Decimal, Decimal]) -> list[BookLevel]:
    changed = [BookLevel(price, size) for price, size in after.items() if before.get(price) != size]
    return changed + [BookLevel(price, Decimal(0)) for price in before if price not in after]
