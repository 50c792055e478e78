"""Makes up a believable market: quotes, trades, books with removals, bars of every interval, and order life cycles.

Seeded: the same seed gives the same events. Prices walk at random on a grid of ticks; a trade happens at the best price and
eats into the book, so that quote, trade, book and bars of an instrument agree with one another.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal

from bridge.model import InstrumentId, Interval, Topic, TopicKind, UnixNanos, UpstreamEvent
from bridge.tape.format import TapeEvent
from bridge.tape.market import STEP_NANOS, Market, Terms
from bridge.tape.orders import OrderDesk


def _terms(instrument: str, price: str, tick: str, lot: str, volume: int) -> Terms:
    return Terms(InstrumentId(instrument), Decimal(price), Decimal(tick), Decimal(lot), Decimal(volume))


TERMS: tuple[Terms, ...] = (
    _terms("BTC-USD", "83421.50", tick="0.50", lot="0.001", volume=18_342),
    _terms("ETH-USD", "1987.25", tick="0.05", lot="0.01", volume=212_904),
    _terms("AAPL", "249.93", tick="0.01", lot="1", volume=979_956),
    _terms("SPACEX-PRE", "212.00", tick="0.25", lot="1", volume=4_100),
    _terms("NASDAQ:AAPL", "249.93", tick="0.01", lot="1", volume=979_956),
    _terms("NASDAQ:TSLA", "171.05", tick="0.01", lot="1", volume=412_880),
    _terms("NYSE:TSLA", "171.05", tick="0.01", lot="1", volume=412_880),
    _terms("BINANCE:BTCUSDT", "83405.10", tick="0.10", lot="0.0001", volume=20_411),
    _terms("COINBASE:BTCUSD", "83421.50", tick="0.01", lot="0.0001", volume=9_812),
)
"""What can be made up: the instruments of the vendors' documents and of the demo."""


class GeneratedTape:
    """A made-up tape without end; with `once`, one of `length_seconds`.

    Args:
        terms: which instruments.
        seed: the same seed, the same tape.
        length_seconds: how long it is when played once.
    """

    def __init__(self, terms: Sequence[Terms], seed: int, length_seconds: int) -> None:
        self._terms = terms
        self._seed = seed
        self._length_seconds = length_seconds
        self.topics = tuple(itertools.chain.from_iterable(map(_topics, terms)))

    def events(self, start: UnixNanos, *, once: bool = False) -> Iterator[TapeEvent]:
        """Play from `start`; every step of a quarter second brings each instrument's news."""
        chance = random.Random(self._seed)  # noqa: S311 - a made-up market, not a secret
        markets = [Market(terms, chance) for terms in self._terms]
        desk = OrderDesk([terms.instrument for terms in self._terms if terms.has_orders], chance)
        steps = range(self._length_seconds * 1_000_000_000 // STEP_NANOS) if once else itertools.count()
        for step in steps:
            now = UnixNanos(start + step * STEP_NANOS)
            delay = STEP_NANOS if step else 0
            for event in self._step(markets, desk, step, now):
                yield TapeEvent(delay, event)
                delay = 0

    def _step(self, markets: list[Market], desk: OrderDesk, step: int, now: UnixNanos) -> Iterator[UpstreamEvent]:
        for market in markets:
            yield from market.step(step, now)
        yield from desk.step(step, now)


def _topics(terms: Terms) -> Iterator[Topic]:
    yield Topic(TopicKind.QUOTE, terms.instrument)
    yield Topic(TopicKind.TRADE, terms.instrument)
    yield Topic(TopicKind.BOOK, terms.instrument)
    for interval in Interval:
        yield Topic(TopicKind.BAR, terms.instrument, interval=interval)


def generate(
    instruments: Sequence[InstrumentId] | None = None, seed: int = 20260319, length_seconds: int = 60
) -> GeneratedTape:
    """Make up a tape.

    Args:
        instruments: which of `TERMS`, by id; unknown ids get terms like AAPL's. None = all of them.
        seed: the same seed, the same tape.
        length_seconds: how long it is when played once; otherwise it has no end.
    """
    known = {terms.instrument: terms for terms in TERMS}
    if instruments is None:
        chosen = TERMS
    else:
        stock = known[InstrumentId("AAPL")]
        chosen = tuple(known.get(name, stock.renamed(name)) for name in instruments)
    return GeneratedTape(chosen, seed, length_seconds)
