"""The made-up market: seeded, never crossed, consistent with itself, and with everything a client may want to see."""

from collections import Counter
from decimal import Decimal
from itertools import islice

import pytest

from bridge.model import Bar, BookDelta, BookSnapshot, InstrumentId, OrderUpdate, QuotePatch, Trade
from bridge.tape import generate

START = 1_800_000_000_000_000_000
BTC = InstrumentId("BTC-USD")


def test_the_same_seed_gives_the_same_tape_and_another_seed_another():
    first, again, other = (list(islice(generate([BTC], seed).events(START), 400)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", range(5))
def test_the_book_is_never_crossed_nor_empty_and_the_quote_is_its_top(seed):
    bids: dict[Decimal, Decimal] = {}
    asks: dict[Decimal, Decimal] = {}
    removals = quotes = 0
    for _, event in islice(generate([BTC], seed).events(START), 3000):
        if isinstance(event, BookSnapshot):
            bids, asks = dict(event.bids), dict(event.asks)
        elif isinstance(event, BookDelta):
            for side, levels in ((bids, event.bids), (asks, event.asks)):
                for price, size in levels:
                    removals += size == 0
                    side.update({price: size}) if size else side.pop(price)
            assert max(bids) < min(asks)
        elif isinstance(event, QuotePatch):
            quotes += 1
            assert (event.bid, event.ask) == (max(bids), min(asks))
            assert (event.bid_size, event.ask_size) == (bids[max(bids)], asks[min(asks)])
    assert removals > 50
    assert quotes > 300


def test_bars_hold_the_trades_that_they_stand_for():
    trades, bars = [], {}
    for _, event in islice(generate([BTC], 3).events(START), 3000):
        if isinstance(event, Trade):
            trades.append(event)
        elif isinstance(event, Bar) and event.interval == "1m":
            bars[event.ts_open] = event
            inside = [t for t in trades if event.ts_open <= t.ts_event < event.ts_open + 60_000_000_000]
            if event.is_final:
                assert event.volume == sum(t.size for t in inside)
                assert (event.high, event.low) == (max(t.price for t in inside), min(t.price for t in inside))
            assert not event.derived
            assert not event.partial
    assert len(bars) >= 3


def test_within_two_seconds_there_is_some_of_everything():
    seen: Counter[str] = Counter()
    due = 0
    for delay, event in generate().events(START):
        due += delay
        if due > 2_000_000_000:
            break
        seen[type(event).__name__] += 1
    assert set(seen) == {"QuotePatch", "Trade", "BookSnapshot", "BookDelta", "Bar", "OrderUpdate"}


def test_orders_live_a_believable_life():
    lives: dict[str, list[OrderUpdate]] = {}
    for _, event in islice(generate(seed=5).events(START), 20_000):
        if isinstance(event, OrderUpdate):
            lives.setdefault(event.order_id, []).append(event)
    ended = [life for life in lives.values() if life[-1].status in {"executed", "cancelled", "rejected"}]
    assert len(ended) >= 5
    for life in ended:
        filled = [update.filled_quantity for update in life]
        assert life[0].status == "pending"
        assert filled == sorted(filled)
        assert filled[-1] == (life[-1].quantity if life[-1].status == "executed" else filled[-1])
        assert all((update.average_price is None) == (update.filled_quantity == 0) for update in life)


def test_a_tape_played_once_ends_after_its_length():
    played = list(generate([BTC], 1, length_seconds=2).events(START, once=True))
    assert sum(event.delay_nanos for event in played) == 1_750_000_000
