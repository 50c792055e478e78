"""Books against a plain dict, and against a recorded session's own best bids and offers."""

import json
from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.book import Book, difference
from bridge.model import BookDelta, BookLevel, BookReplacement, BookSnapshot, FeedName, InstrumentId, Levels, UnixNanos
from tests.support.data import recorded

BTC = {"instrument": InstrumentId("BTC-USD"), "feed": FeedName("liquidity"), "ts_recv": UnixNanos(0)}


def side(*pairs: tuple[str, str]) -> Levels:
    return tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in pairs)


def snapshot(bids: Levels, asks: Levels) -> BookSnapshot:
    return BookSnapshot(**BTC, bids=bids, asks=asks)


def delta(bids: Levels = (), asks: Levels = ()) -> BookDelta:
    return BookDelta(**BTC, bids=bids, asks=asks)


def test_the_documented_snapshot_and_update_leave_the_documented_book():
    # The vendor's page: orderbook_snapshot, then orderbook_update with 83400 resized and 83401 removed.
    book = Book()
    book.apply(snapshot(side(("83400", "1.5"), ("83399", "2.0")), side(("83401", "1.2"), ("83402", "0.8"))))
    book.apply(delta(side(("83400", "1.8")), side(("83401", "0"))))
    assert book.cut() == (side(("83400", "1.8"), ("83399", "2.0")), side(("83402", "0.8")))
    assert book.best_bid == BookLevel(Decimal(83400), Decimal("1.8"))
    assert book.best_ask == BookLevel(Decimal(83402), Decimal("0.8"))


def test_an_empty_book_has_no_best_and_is_not_crossed():
    book = Book()
    assert book.best_bid is None
    assert book.best_ask is None
    assert not book.crossed
    assert book.cut(5) == ((), ())


def test_a_bid_at_the_best_ask_is_crossed():
    book = Book()
    book.apply(snapshot(side(("10", "1")), side(("11", "1"))))
    assert not book.crossed
    book.apply(delta(bids=side(("11", "1"))))
    assert book.crossed


def test_only_levels_that_change_something_are_told():
    book = Book()
    book.apply(snapshot(side(("10", "1"), ("9", "2")), side(("11", "1"))))
    told = book.apply(delta(side(("8", "0"), ("9", "2"), ("10", "3")), side(("11", "1"), ("12", "0"))))
    assert told == (side(("10", "3")), ())


def test_a_size_spelled_with_other_digits_is_a_change():
    book = Book()
    book.apply(snapshot(side(("10", "1")), ()))
    bids, _ = book.apply(delta(side(("10", "1.00"))))
    assert [str(level.size) for level in bids] == ["1.00"]
    assert str(book.best_bid.size) == "1.00"


def test_a_snapshot_in_any_order_with_empty_and_repeated_levels_is_put_right():
    book = Book()
    book.apply(snapshot(side(("9", "1"), ("10", "1"), ("8", "0"), ("9", "5")), side(("12", "1"), ("11", "2"))))
    assert book.cut() == (side(("10", "1"), ("9", "5")), side(("11", "2"), ("12", "1")))


def test_a_replacement_replaces_everything():
    book = Book()
    book.apply(snapshot(side(("10", "1"), ("9", "1")), side(("11", "1"))))
    book.apply(BookReplacement(**BTC, bids=side(("7", "1")), asks=()))
    assert book.cut() == (side(("7", "1")), ())


def test_a_cut_is_the_best_of_each_side():
    book = Book()
    book.apply(snapshot(side(("10", "1"), ("9", "2"), ("8", "3")), side(("11", "1"), ("12", "2"), ("13", "3"))))
    assert book.cut(2) == (side(("10", "1"), ("9", "2")), side(("11", "1"), ("12", "2")))
    assert book.cut(9) == book.cut()


prices = st.integers(1, 30).map(lambda tick: Decimal(tick) / 4)
sizes = st.integers(0, 3).map(Decimal)
levels = st.lists(st.builds(BookLevel, prices, sizes), max_size=12).map(tuple)
whole_sides = st.dictionaries(prices, st.integers(1, 3).map(Decimal), max_size=12)


def plain_top(held: dict[Decimal, Decimal], *, highest_first: bool, depth: int | None = None) -> Levels:
    return tuple(BookLevel(*item) for item in sorted(held.items(), reverse=highest_first)[:depth])


def plain_change(held: dict[Decimal, Decimal], changes: Levels) -> None:
    for price, size in changes:
        if size:
            held[price] = size
        else:
            held.pop(price, None)


steps = st.one_of(st.tuples(levels, levels), st.tuples(whole_sides, whole_sides))
"""Tuples of levels are a delta's, dicts a snapshot's."""


@given(st.lists(steps, max_size=12), st.integers(1, 15))
def test_any_run_of_snapshots_and_deltas_leaves_what_a_plain_dict_has(run, depth):
    book, bids, asks = Book(), {}, {}
    for new_bids, new_asks in run:
        if isinstance(new_bids, dict):
            bids, asks = dict(new_bids), dict(new_asks)
            book.apply(snapshot(*(tuple(map(BookLevel._make, it.items())) for it in (bids, asks))))
        else:
            as_told = dict(bids), dict(asks)
            plain_change(bids, new_bids)
            plain_change(asks, new_asks)
            for held, told in zip(as_told, book.apply(delta(new_bids, new_asks)), strict=True):
                plain_change(held, told)
            assert as_told == (bids, asks)
        assert book.cut() == (plain_top(bids, highest_first=True), plain_top(asks, highest_first=False))
        assert book.cut(depth) == (book.cut()[0][:depth], book.cut()[1][:depth])
        assert (book.best_bid and book.best_bid.price) == max(bids, default=None)
        assert (book.best_ask and book.best_ask.price) == min(asks, default=None)


@given(whole_sides, whole_sides, st.booleans())
def test_the_difference_is_the_shortest_way_from_one_side_to_another(old, new, highest_first):
    before, after = plain_top(old, highest_first=highest_first), plain_top(new, highest_first=highest_first)
    changes = difference(before, after, highest_first=highest_first)
    assert len(changes) == sum(old.get(price) != new.get(price) for price in old | new)
    assert [price for price, _ in changes] == sorted((price for price, _ in changes), reverse=highest_first)
    plain_change(old, changes)
    assert old == new


def test_a_book_differs_from_another_on_both_sides():
    one, other = Book(), Book()
    one.apply(snapshot(side(("10", "1"), ("9", "1")), side(("11", "1"))))
    other.apply(snapshot(side(("10", "2")), side(("11", "1"), ("12", "1"))))
    assert one.difference(other) == (side(("10", "2"), ("9", "0")), side(("12", "1")))


def lines(name: str) -> Iterator[dict[str, Any]]:
    with (recorded() / name).open() as file:
        yield from map(json.loads, file)


def recorded_side(raw: list[list[str]]) -> Levels:
    return side(*(tuple(level) for level in raw))


def test_a_recorded_session_has_the_recorded_best_bid_and_offer_at_every_comparable_point():
    # An offer is recorded whenever it changes, so the newest one up to a message's last sequence number is what holds then.
    offers = list(lines("quotes/BTCUSDT.binance.jsonl"))
    numbers = [offer["seq"] for offer in offers]
    book, compared, messages = Book(), 0, 0
    for row in lines("l2/BTCUSDT.binance.jsonl"):
        make = snapshot if row["kind"] == "snapshot" else delta
        book.apply(make(recorded_side(row["bids"]), recorded_side(row["asks"])))
        messages += 1
        assert not book.crossed
        assert book.best_bid is not None
        assert book.best_ask is not None
        if row["seq_last"] <= numbers[-1]:
            offer = offers[bisect_right(numbers, row["seq_last"]) - 1]
            compared += 1
            assert book.best_bid == side((offer["bid"], offer["bid_size"]))[0]
            assert book.best_ask == side((offer["ask"], offer["ask_size"]))[0]
    assert messages == 1_201
    assert compared == 395
