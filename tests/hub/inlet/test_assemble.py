"""Quotes, books and bars put together from what a wire says in pieces."""

from decimal import Decimal

import msgspec
import pytest

from bridge.hub.inlet.assemble import OLDER_IN_A_ROW, Assembler, Numbering
from bridge.hub.inlet.bars import HeldBars
from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    FeedName,
    InstrumentId,
    Levels,
    QuotePatch,
    UnixNanos,
)

X = {"instrument": InstrumentId("X"), "feed": FeedName("f"), "ts_recv": UnixNanos(7)}


@pytest.fixture
def assembler() -> Assembler:
    return Assembler(Numbering())


def side(*pairs: tuple[int, int]) -> Levels:
    return tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in pairs)


def test_a_patch_changes_what_it_says_and_leaves_the_rest(assembler):
    first = assembler.quote(QuotePatch(**X, bid=Decimal("1.50"), ask=Decimal(2), session="regular"))
    assert first.changed == {"bid", "ask", "session"}
    second = assembler.quote(QuotePatch(**X, bid=Decimal("1.51"), session=None, ask=Decimal(2)))
    assert (second.bid, second.ask, second.session) == (Decimal("1.51"), Decimal(2), None)
    assert second.changed == {"bid", "session"}
    assert second.last is None


def test_a_full_patch_replaces_everything(assembler):
    assembler.quote(QuotePatch(**X, bid=Decimal(1), ask=Decimal(2), extra={"a": msgspec.Raw(b"1")}))
    quote = assembler.quote(QuotePatch(**X, full=True, bid=Decimal(1)))
    assert (quote.bid, quote.ask, quote.extra) == (Decimal(1), None, None)
    assert (quote.changed, quote.changed_extra) == ({"ask"}, {"a"})


def test_other_digits_are_a_change_because_numbers_go_out_as_they_came(assembler):
    assembler.quote(QuotePatch(**X, last=Decimal("1.5")))
    assert str(assembler.quote(QuotePatch(**X, last=Decimal("1.50"))).last) == "1.50"


def test_a_quote_that_says_nothing_new_is_left_out_unless_its_time_moved(assembler):
    assembler.quote(QuotePatch(**X, bid=Decimal(1), ts_event=UnixNanos(5)))
    assert assembler.quote(QuotePatch(**X, bid=Decimal(1), ts_event=UnixNanos(5))) is None
    assert assembler.quote(QuotePatch(**X)) is None
    assert assembler.unchanged == 2
    moved = assembler.quote(QuotePatch(**X, bid=Decimal(1), ts_event=UnixNanos(6)))
    assert (moved.changed, moved.ts_event) == (frozenset(), 6)


def test_an_older_quote_is_dropped_and_counted(assembler):
    assembler.quote(QuotePatch(**X, bid=Decimal(1), ts_event=UnixNanos(5)))
    assembler.quote(QuotePatch(**X, bid=Decimal(2)))
    assert assembler.quote(QuotePatch(**X, bid=Decimal(3), ts_event=UnixNanos(4))) is None
    assert assembler.stale_quotes == 1
    assert assembler.quote(QuotePatch(**X, bid=Decimal(3), ts_event=UnixNanos(5))).bid == 3


def test_a_vendor_whose_clock_went_back_is_believed_after_a_while(assembler):
    ahead = UnixNanos(3_600 * 10**9)
    assembler.quote(QuotePatch(**X, bid=Decimal(1), ts_event=ahead))
    bids = [assembler.quote(QuotePatch(**X, bid=Decimal(n), ts_event=UnixNanos(n))) for n in range(2, 40)]
    first = next(place for place, quote in enumerate(bids) if quote is not None)
    assert first == OLDER_IN_A_ROW - 1
    assert all(quote is not None for quote in bids[first:])
    assert assembler.stale_quotes == first


def test_quotes_that_overtook_each_other_now_and_then_never_add_up(assembler):
    for n in range(1, 4 * OLDER_IN_A_ROW):
        assert assembler.quote(QuotePatch(**X, bid=Decimal(n), ts_event=UnixNanos(10 * n))) is not None
        assert assembler.quote(QuotePatch(**X, bid=Decimal(0), ts_event=UnixNanos(10 * n - 5))) is None


def test_a_vendors_other_fields_are_kept_verbatim_and_merged(assembler):
    assembler.quote(QuotePatch(**X, extra={"rtc": msgspec.Raw(b"1.0"), "lang": msgspec.Raw(b'"en"')}))
    quote = assembler.quote(QuotePatch(**X, extra={"rtc": msgspec.Raw(b"1.00"), "lang": None}))
    assert {name: bytes(raw) for name, raw in quote.extra.items()} == {"rtc": b"1.00"}
    assert quote.changed_extra == {"rtc", "lang"}
    assert assembler.quote(QuotePatch(**X, extra={"rtc": msgspec.Raw(b"1.00")})) is None


def test_after_a_break_nothing_old_is_taken_for_confirmed(assembler):
    assembler.quote(QuotePatch(**X, bid=Decimal(1), ask=Decimal(2), ts_event=UnixNanos(9)))
    assembler.forget_quote(FeedName("f"), InstrumentId("X"))
    quote = assembler.quote(QuotePatch(**X, last=Decimal(3), ts_event=UnixNanos(1)))
    assert (quote.bid, quote.ask, quote.last) == (None, None, Decimal(3))


def test_a_book_is_one_chain_of_numbers(assembler):
    first = assembler.book(BookSnapshot(**X, bids=side((9, 1), (8, 1)), asks=side((10, 1))), head=41)
    second = assembler.book(BookDelta(**X, bids=side((9, 2)), asks=()), head=50)
    third = assembler.book(BookDelta(**X, bids=(), asks=side((10, 0), (11, 1))), head=50)
    again = assembler.book(BookSnapshot(**X, bids=side((5, 1)), asks=()), head=50)
    assert [first.sequence, second.sequence, third.sequence, again.sequence] == [42, 43, 44, 45]
    assert (second.prev_sequence, third.prev_sequence) == (42, 43)


def test_a_chain_that_begins_anew_begins_above_every_number_given_before(assembler):
    for size in range(1, 30):
        newest = assembler.book(BookSnapshot(**X, bids=side((9, size)), asks=()), head=0)
    assembler.forget_book(FeedName("f"), InstrumentId("X"))
    assert assembler.book(BookSnapshot(**X, bids=(), asks=()), head=0).sequence > newest.sequence


def test_a_delta_before_any_book_is_ignored_and_counted(assembler):
    assert assembler.book(BookDelta(**X, bids=side((9, 1)), asks=()), head=0) is None
    assert assembler.baseless_deltas == 1
    assembler.book(BookSnapshot(**X, bids=(), asks=()), head=0)
    assembler.forget_book(FeedName("f"), InstrumentId("X"))
    assert assembler.book(BookDelta(**X, bids=side((9, 1)), asks=()), head=0) is None
    assert assembler.baseless_deltas == 2


def test_a_delta_that_changes_nothing_takes_no_number(assembler):
    assembler.book(BookSnapshot(**X, bids=side((9, 1)), asks=()), head=0)
    assert assembler.book(BookDelta(**X, bids=side((9, 1), (7, 0)), asks=()), head=1) is None
    assert assembler.book(BookDelta(**X, bids=side((9, 2), (7, 0)), asks=()), head=1).bids == side((9, 2))
    assert assembler.unchanged == 1


def test_a_replacement_is_a_snapshot_first_and_then_the_difference(assembler):
    first = assembler.book(BookReplacement(**X, bids=side((9, 1), (8, 1)), asks=side((10, 1))), head=0)
    second = assembler.book(BookReplacement(**X, bids=side((9, 2), (8, 1)), asks=side((11, 1))), head=1)
    assert isinstance(first, BookSnapshot)
    assert isinstance(second, BookDelta)
    assert (second.bids, second.asks) == (side((9, 2)), side((10, 0), (11, 1)))
    assert second.prev_sequence == first.sequence
    assert assembler.book(BookReplacement(**X, bids=side((9, 2), (8, 1)), asks=side((11, 1))), head=2) is None


def test_a_replacement_is_said_whole_when_that_is_shorter(assembler):
    assembler.book(BookReplacement(**X, bids=side((9, 1), (8, 1)), asks=()), head=0)
    shorter = assembler.book(BookReplacement(**X, bids=side((5, 1)), asks=()), head=1)
    assert isinstance(shorter, BookSnapshot)
    assert shorter.bids == side((5, 1))


def bar(ts_open: int | None, close: int, *, is_final: bool | None = None) -> Bar:
    price = Decimal(close)
    opened = None if ts_open is None else UnixNanos(ts_open)
    return Bar(**X, interval="5m", ts_open=opened, open=price, high=price, low=price, close=price, is_final=is_final)


def told(bars: list[Bar]) -> list[tuple[int | None, int, bool | None]]:
    return [(one.ts_open, int(one.close), one.is_final) for one in bars]


def test_the_next_candle_closes_the_one_before():
    held = HeldBars()
    held.add(bar(0, 1))
    assert told(held.add(bar(0, 2))) == [(0, 2, None)]
    assert told(held.add(bar(300, 3))) == [(0, 2, True), (300, 3, None)]
    assert told(held.add(bar(300, 4, is_final=True))) == [(300, 4, True)]
    assert told(held.add(bar(600, 5))) == [(600, 5, None)]


def test_a_bar_that_repeats_itself_is_left_out_whenever_it_came():
    held = HeldBars()
    held.add(bar(0, 1))
    assert held.add(msgspec.structs.replace(bar(0, 1), ts_recv=UnixNanos(99))) == []
    assert held.unchanged == 1


def test_an_open_bar_never_follows_a_later_or_a_final_one():
    held = HeldBars()
    held.add(bar(300, 1, is_final=True))
    assert held.add(bar(300, 2)) == []
    assert held.add(bar(0, 2)) == []
    assert held.stale == 2
    assert told(held.add(bar(0, 2, is_final=True))) == [(0, 2, True)]


def test_bars_without_an_opening_time_are_passed_on_and_never_closed():
    held = HeldBars()
    assert told(held.add(bar(None, 1)) + held.add(bar(None, 2))) == [(None, 1, None), (None, 2, None)]
