"""Strategies for every event of the log, bounded as the model bounds them."""

from decimal import Decimal

import msgspec
from hypothesis import strategies as st

from bridge.model import (
    QUOTE_FIELDS,
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    Cause,
    FeedHealth,
    FeedName,
    FeedStatus,
    Gap,
    InstrumentId,
    Interval,
    OrderUpdate,
    Quote,
    Side,
    Topic,
    TopicKind,
    Trade,
)

SECOND_1971, SECOND_9999 = 31_536_000, 253_370_764_800

instruments = st.text("ABCZabz019.-_:^=!&@$/", min_size=1, max_size=64).map(InstrumentId)
feeds = st.sampled_from(["liquidity", "tradingview", "a-b_2"]).map(FeedName)
moments = st.one_of(
    st.integers(SECOND_1971 * 10**9, SECOND_9999 * 10**9),
    st.integers(SECOND_1971, SECOND_9999).map(lambda seconds: seconds * 10**9),
)
numbers = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(map(int, digits)), exponent)),
    st.integers(0, 1),
    st.text("0123456789", min_size=1, max_size=40),
    st.integers(-30, 30),
).filter(lambda number: len(number.as_tuple().digits) + max(number.as_tuple().exponent, 0) <= 40)
sizes = numbers.map(Decimal.copy_abs)  # abs() rounds to 28 digits: of forty nines it makes a number of 41
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
cursors = st.from_regex(r"[0-9a-z]{1,12}-[0-9]{1,9}", fullmatch=True)
levels = st.lists(st.builds(BookLevel, numbers, sizes), max_size=4).map(tuple)
depths = st.none() | st.integers(1, 5_000)
topics = st.one_of(
    st.builds(Topic, st.sampled_from([TopicKind.QUOTE, TopicKind.TRADE]), instruments),
    st.builds(lambda instrument, depth: Topic(TopicKind.BOOK, instrument, depth=depth), instruments, depths),
    st.builds(
        lambda instrument, interval: Topic(TopicKind.BAR, instrument, interval=interval),
        instruments,
        st.sampled_from(list(Interval)),
    ),
    st.just(Topic(TopicKind.ORDER)),
)

_listed = {"instrument": instruments, "feed": feeds, "ts_recv": moments, "ts_event": st.none() | moments}
_raws = st.sampled_from([b'"x"', b"1.50", b"true", b'{"a":[1,\n2]}', b"[]"]).map(msgspec.Raw)
_special = {"last_time": moments, "session": words, "delay_seconds": st.integers(0, 10_000)}

quotes = st.builds(
    Quote,
    **_listed,
    **{name: st.none() | _special.get(name, numbers) for name in QUOTE_FIELDS},
    extra=st.none() | st.dictionaries(words, _raws, max_size=3),
    conflated=st.booleans(),
    derived=st.booleans(),
)
trades = st.builds(
    Trade,
    **_listed,
    price=numbers,
    size=sizes,
    aggressor_side=st.none() | st.sampled_from(Side),
    trade_id=st.none() | words,
    possible_duplicate=st.booleans(),
)
snapshots = st.builds(BookSnapshot, **_listed, bids=levels, asks=levels, depth=depths, sequence=st.integers(0, 2**53))
deltas = st.builds(
    BookDelta,
    **_listed,
    bids=levels,
    asks=levels,
    depth=depths,
    sequence=st.integers(1, 2**53),
    prev_sequence=st.integers(0, 2**53),
)
bars = st.builds(
    Bar,
    **_listed,
    interval=st.sampled_from([interval.value for interval in Interval]),
    open=numbers,
    high=numbers,
    low=numbers,
    close=numbers,
    ts_open=st.none() | moments,
    volume=st.none() | sizes,
    is_final=st.none() | st.booleans(),
    derived=st.booleans(),
    partial=st.booleans(),
)
orders = st.builds(
    OrderUpdate,
    **_listed,
    account=st.just("liquidity/acme-1"),
    order_id=words,
    side=st.sampled_from(Side),
    order_type=words,
    quantity=sizes,
    filled_quantity=sizes,
    status=words,
    average_price=st.none() | numbers,
    reconciled=st.booleans(),
)
statuses = st.builds(
    FeedStatus,
    feed=feeds,
    status=st.sampled_from(FeedHealth),
    ts_recv=moments,
    instrument=st.none() | instruments,
    reason=st.none() | words,
    since=st.none() | moments,
)
gaps = st.builds(
    Gap,
    topics=st.lists(topics, min_size=1, max_size=3).map(tuple),
    from_=words,
    to=cursors,
    cause=st.sampled_from(Cause),
    ts_recv=moments,
    missed=st.none() | st.integers(0, 10**9),
    ts_from=st.none() | moments,
    ts_to=st.none() | moments,
    repaired=st.booleans(),
    feed=st.none() | feeds,
)
market_events = st.one_of(quotes, trades, snapshots, deltas, bars)
log_events = st.one_of(market_events, orders, statuses, gaps)
