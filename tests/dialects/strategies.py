"""Hypothesis strategies: frames that went wrong on the way, and market facts of any shape."""

import json
from decimal import Decimal

from hypothesis import strategies as st

from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    InstrumentId,
    Interval,
    OrderUpdate,
    Quote,
    Side,
    Trade,
    UnixNanos,
)
from tests.dialects.sample import FEED, TS_RECV

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**45, -1, 2**63, 253_402_300_800_000, 0]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=20),
    st.sampled_from(["", "1.5", "NaN", "2026-02-30T99:00:00Z", "0000-01-01T00:00:00Z", "a:b", "\ud800"]),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


def _places(value: object, path: tuple = ()) -> list[tuple]:
    """Return the path of every value inside a JSON value, its own included."""
    inside: list[tuple] = []
    if isinstance(value, dict):
        inside = [place for key, item in value.items() for place in _places(item, (*path, key))]
    elif isinstance(value, list):
        inside = [place for index, item in enumerate(value) for place in _places(item, (*path, index))]
    return [path, *inside]


def _put(value: object, path: tuple, junk: object) -> object:
    if not path:
        return junk
    head, *rest = path
    if isinstance(value, dict):
        return {**value, head: _put(value[head], tuple(rest), junk)}
    return [_put(item, tuple(rest), junk) if index == head else item for index, item in enumerate(value)]


def _without(value: object, path: tuple) -> object:
    if isinstance(value, dict) and len(path) == 1:
        return {key: item for key, item in value.items() if key != path[0]}
    if not path:
        return {}
    return _put(value, path[:1], _without(value[path[0]], path[1:])) if len(path) > 1 else _put(value, path, None)


@st.composite
def mutated(draw, frame: bytes) -> bytes:
    """A frame with something cut off, overwritten, left out or of another type; or any bytes at all."""
    how = draw(st.sampled_from(["cut", "overwrite", "swap", "leave out", "repeat", "bytes"]))
    if how == "bytes":
        return draw(st.binary(max_size=60))
    if how == "cut":
        return frame[: draw(st.integers(0, len(frame)))]
    if how == "repeat":
        return frame * 2
    if how == "overwrite":
        at = draw(st.integers(0, max(0, len(frame) - 1)))
        return frame[:at] + draw(st.binary(min_size=1, max_size=3)) + frame[at + 1 :]
    try:
        value = json.loads(frame)
    except ValueError:
        return frame[::-1]
    path = draw(st.sampled_from(_places(value)))
    changed = _without(value, path) if how == "leave out" else _put(value, path, draw(JUNK))
    return json.dumps(changed).encode()


prices = st.decimals(min_value=0, max_value=10**9, places=None, allow_nan=False, allow_infinity=False).filter(
    lambda number: len(number.as_tuple().digits) <= 30 and -20 <= number.as_tuple().exponent <= 10
) | st.sampled_from(
    [Decimal("0E-8"), Decimal("9.0E-7"), Decimal("1E+5"), Decimal("249.90"), Decimal("12345678901234567890.5")]
)
sizes = prices.filter(lambda number: number > 0)
times = st.none() | st.integers(0, 4_000_000_000_000_000_000).map(UnixNanos)
maybe = st.none() | prices


def _levels(of: st.SearchStrategy[Decimal]) -> st.SearchStrategy[tuple[BookLevel, ...]]:
    return st.lists(st.builds(BookLevel, prices, of), max_size=4, unique_by=lambda level: level.price).map(
        lambda levels: tuple(sorted(levels, reverse=True))
    )


def market_events(instrument: InstrumentId) -> st.SearchStrategy:
    """Any fact about an instrument that may stand in the log, whole books and quotes included."""
    fact = {"instrument": st.just(instrument), "feed": st.just(FEED), "ts_recv": st.just(TS_RECV), "ts_event": times}
    ids = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
    quotes = st.builds(
        Quote,
        **fact,
        bid=maybe,
        ask=maybe,
        bid_size=maybe,
        ask_size=maybe,
        last=prices,
        open=maybe,
        high=maybe,
        low=maybe,
        prev_close=maybe,
        change=maybe,
        change_percent=maybe,
        volume=maybe,
    )
    trades = st.builds(
        Trade,
        **fact,
        price=prices,
        size=sizes,
        aggressor_side=st.sampled_from([None, *Side]),
        trade_id=st.none() | ids,
    )
    snapshots = st.builds(BookSnapshot, **fact, bids=_levels(sizes), asks=_levels(sizes))
    deltas = st.builds(BookDelta, **fact, bids=_levels(prices), asks=_levels(prices))
    bars = st.builds(
        Bar,
        **fact,
        interval=st.sampled_from(Interval).map(lambda interval: interval.value),
        open=prices,
        high=prices,
        low=prices,
        close=prices,
        volume=maybe,
        ts_open=times,
        is_final=st.none() | st.booleans(),
    )
    orders = st.builds(
        OrderUpdate,
        **fact,
        account=st.just("sample/acme-1"),
        order_id=ids,
        side=st.sampled_from(Side),
        order_type=st.sampled_from(["limit", "market"]),
        quantity=sizes,
        filled_quantity=prices,
        status=st.sampled_from(["pending", "partially_filled", "executed", "cancelled"]),
        average_price=maybe,
    )
    return st.one_of(quotes, trades, snapshots, deltas, bars, orders)
