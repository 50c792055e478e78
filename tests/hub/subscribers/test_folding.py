"""What stands for several events: exactly what they would have said, made once and shared."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bridge.book import Book
from bridge.hub.contract import Publication
from bridge.hub.subscribers.folding import REMEMBERED_FOLDS, Folds, again, conflated
from bridge.model import BookDelta, BookLevel, BookSnapshot, Quote
from tests.hub.facts import X

level = st.builds(
    BookLevel,
    price=st.sampled_from(["1", "1.0", "1.5", "2", "2.50", "3"]).map(Decimal),
    size=st.sampled_from(["0", "1", "1.00", "7"]).map(Decimal),
)
some_levels = st.lists(level, max_size=5).map(tuple)


def delta(number: int, bids=(), asks=()) -> Publication:
    return Publication(100 + number, BookDelta(**X, bids=bids, asks=asks, sequence=number, prev_sequence=number - 1))


@given(
    start=st.lists(level, max_size=4, unique_by=lambda one: one.price).map(
        lambda found: tuple(one for one in found if one.size)
    ),
    changes=st.lists(st.tuples(some_levels, some_levels), min_size=1, max_size=8),
)
def test_a_folded_delta_leaves_exactly_the_book_that_its_deltas_leave(start, changes):
    deltas = [delta(number, *sides) for number, sides in enumerate(changes, 1)]
    one_by_one, at_once = Book(), Book()
    for book in (one_by_one, at_once):
        book.apply(BookSnapshot(**X, bids=start, asks=start))
    for each in deltas:
        one_by_one.apply(each.event)
    folded = Folds().delta(deltas)
    at_once.apply(folded.event)
    for said, meant in zip(at_once.cut(), one_by_one.cut(), strict=True):
        assert [(one.price, str(one.size)) for one in said] == [(one.price, str(one.size)) for one in meant]
    assert (folded.event.prev_sequence, folded.event.sequence, folded.offset) == (0, len(deltas), 100 + len(deltas))
    if len(changes) > 1:
        assert len(folded.event.bids) == len({one.price for bids, _ in changes for one in bids}), "each price once"


def test_who_lags_by_the_same_stretch_gets_the_same_object():
    folds = Folds()
    run = [delta(number, (BookLevel(Decimal(number), Decimal(1)),)) for number in range(1, 6)]
    assert folds.delta(run[:4]) is folds.delta(list(run[:4]))
    assert folds.delta(run[:4]) is not folds.delta(run)
    assert folds.delta(run[:4]) is not folds.delta(run[1:4])
    assert folds.delta(run[:1]) is run[0], "one delta is itself"


def test_the_folds_remembered_are_bounded():
    folds = Folds()
    run = [delta(number) for number in range(1, REMEMBERED_FOLDS + 10)]
    for end in range(2, len(run)):
        folds.delta(run[:end])
    assert len(folds) <= REMEMBERED_FOLDS


def test_a_conflated_quote_is_whole_marked_and_shared():
    quote = Publication(5, Quote(**X, bid=Decimal(1), changed=frozenset({"bid"})))
    said = conflated(quote)
    assert (said.offset, said.whole, said.event.conflated, said.event.bid) == (5, True, True, Decimal(1))
    assert conflated(quote) is said
    assert conflated(said) is said
    assert not quote.event.conflated


def test_state_said_again_later_is_shared_by_all_who_say_it_then():
    quote = Publication(5, Quote(**X, bid=Decimal(1)))
    assert again(quote, 5) is quote
    later = again(quote, 9)
    assert (later.offset, later.whole, later.event) == (9, True, quote.event)
    assert again(quote, 9) is later
    assert again(quote, 10).offset == 10
