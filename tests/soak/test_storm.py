"""A short storm; a long one is `make soak`. And what a bridge that lies would look like."""

from tests.soak import storm
from tests.support.ledger import Ledger
from tests.support.market import STATUSES, book_of, change_of, order_of
from tests.support.schedule import name_of
from tests.support.schedule import storm as planned_storm

SECONDS = 20
"""Virtual ones."""


async def test_in_a_short_storm_nothing_is_lost_doubled_wrong_or_left_over(loopback_clock):
    report = await storm.soak(SECONDS, seed=5)
    assert report.wrong == []
    sides = {side for side, _ in report.injected}
    assert sides == {"vendor", "client"}
    assert report.injected.total() > SECONDS


def test_the_same_seed_is_the_same_storm_and_every_kind_of_fault_is_in_it():
    def first(seed, count):
        plan = planned_storm(seed, ["a", "b"], 10)
        return [next(plan) for _ in range(count)]

    assert first(1, 200) == first(1, 200)
    assert first(1, 200) != first(2, 200)
    assert len({name_of(planned.fault) for planned in first(1, 2_000)}) == 21


def told(ledger, *events):
    for offset, event in enumerate(events):
        ledger.take({"id": f"e-{offset}", **event})
    return ledger.wrong


def trade(number, **more):
    price = f"{100 + number % 50 / 100:.2f}"
    return {"type": "trade", "instrument": "X", "size": str(number), "price": price, **more}


GAP = {
    "type": "gap",
    "topics": ["trade:X", "book:X"],
    "from": "e-0",
    "to": "e-9",
    "cause": "upstream",
    "repaired": False,
}


def levels(sides):
    return {side: [[str(price), str(size)] for price, size in levels.items()] for side, levels in sides.items()}


def book(kind, number, **more):
    sides = book_of(number) if kind == "book_snapshot" else change_of(number)
    return {"type": kind, "instrument": "X", "sequence": number, "prev_sequence": number - 1, **levels(sides), **more}


def test_a_loss_that_nobody_declared_is_noticed_and_a_declared_one_is_counted():
    assert told(ledger := Ledger("trade:X"), trade(4), trade(5), GAP, trade(9), trade(10)) == []
    assert ledger.missed == 3
    assert "6 to 8 were lost in silence" in told(Ledger("trade:X"), trade(5), trade(9))[0]
    assert "11 to 11 were lost" in told(Ledger("trade:X"), trade(9), GAP, trade(10), trade(12))[0]


def test_a_double_is_noticed_unless_it_is_marked():
    assert "a double" in told(Ledger("trade:X"), trade(5), trade(6), trade(5))[0]
    assert told(Ledger("trade:X"), trade(5), trade(6), trade(5, possible_duplicate=True), trade(7)) == []
    assert "not told as it was said" in told(Ledger("trade:X"), trade(5) | {"price": "1"})[0]


def test_a_wrong_book_is_noticed():
    good = [book("book_snapshot", 4), book("book_delta", 5), book("book_delta", 6)]
    assert told(Ledger("book:X"), *good) == []
    assert "chain is broken" in told(Ledger("book:X"), good[0], good[2])[0]
    assert "in doubt" in told(Ledger("book:X"), good[0], GAP, good[1])[0]
    assert "never so" in told(Ledger("book:X"), book("book_snapshot", 4, asks=[]))[0]
    assert "came after 6" in told(Ledger("book:X"), *good, book("book_snapshot", 3))[0]


def test_the_numbers_make_what_a_vendor_would_say():
    assert [order_of(number)["status"] for number in (3, 4, 5)] == list(STATUSES)
    for number in range(1, 200):
        before, change = book_of(number - 1), change_of(number)
        for side in ("bids", "asks"):
            after = {price: size for price, size in (before[side] | change[side]).items() if size}
            assert after == {price: size for price, size in book_of(number)[side].items() if size}
        if number > 1:
            assert max(book_of(number)["bids"]) < min(book_of(number)["asks"])
