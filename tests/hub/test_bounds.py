"""What a vendor or a client may send without end grows nothing without end."""

from decimal import Decimal

import msgspec
import trio

from bridge.book import Book
from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Hub
from bridge.hub.inlet import suspicions as module
from bridge.hub.inlet.assemble import EXTRA_FIELDS, Assembler, Numbering
from bridge.hub.inlet.suspicions import Suspicions
from bridge.hub.lineups.doubles import MOST_INSTRUMENTS, Doubles
from bridge.hub.lineups.lineups import SWEEP_SECONDS, Lineups
from bridge.hub.settings import HubSettings
from bridge.model import (
    BookDelta,
    BookSnapshot,
    FeedName,
    InstrumentId,
    QuotePatch,
    Topic,
    Trade,
    UnixNanos,
    Want,
)
from tests.hub.inlet.test_suspicions import FEED, ROOMY, X, levels
from tests.hub.test_set_clock import Clocks


def test_a_book_that_only_grows_is_suspected(monkeypatch):
    monkeypatch.setattr(module, "MOST_LEVELS", 10)
    suspicions, book = Suspicions(), Book()
    for number in range(1, 12):
        event = BookDelta(**X, bids=levels((number, 1)), asks=())
        book.apply(event)
        assert not suspicions.feed(FEED).crossed
        suspicions.look(event, book, number)
    assert list(suspicions.feed(FEED).crossed.values()) == ["it has 11 levels"]


def test_given_up_books_are_remembered_up_to_a_number(monkeypatch):
    monkeypatch.setattr(module, "MOST_GIVEN_UP", 5)
    suspicions = Suspicions()
    for number in range(20):
        at = {**X, "instrument": InstrumentId(f"I{number}")}
        book = Book()
        event = BookSnapshot(**at, bids=levels((2, 1)), asks=levels((1, 1)))
        book.apply(event)
        suspicions.look(event, book, number)
        suspicions.give_up(FEED, at["instrument"])
    remembered = [n for n in range(20) if suspicions.wrong_after(FEED, InstrumentId(f"I{n}"), 99) == n]
    assert remembered == [15, 16, 17, 18, 19]
    assert not suspicions.feed(FEED).crossed


def test_a_quotes_other_fields_are_bounded_and_those_held_go_on():
    assembler = Assembler(Numbering())
    for number in range(2 * EXTRA_FIELDS):
        assembler.quote(QuotePatch(**X, extra={f"made_up_{number}": msgspec.Raw(b"1")}))
    quote = assembler.quote(QuotePatch(**X, extra={"made_up_0": msgspec.Raw(b"2"), "one_more": msgspec.Raw(b"1")}))
    assert len(quote.extra) == EXTRA_FIELDS
    assert bytes(quote.extra["made_up_0"]) == b"2"


def test_the_times_of_trades_are_remembered_of_so_many_instruments():
    doubles = Doubles(lambda: 0.0)
    for number in range(MOST_INSTRUMENTS + 100):
        trade = Trade(
            instrument=InstrumentId(f"I{number}"),
            feed=FEED,
            ts_recv=UnixNanos(0),
            ts_event=UnixNanos(1),
            price=Decimal(1),
            size=Decimal(1),
        )
        doubles.doubtful(trade)
    doubles.switched()
    assert not doubles.doubtful(msgspec.structs.replace(trade, instrument=InstrumentId("I5")))
    assert doubles.doubtful(trade)


async def test_topics_of_a_line_up_that_nobody_wants_are_forgotten_and_placed_anew(autojump_clock):

    clocks = Clocks()
    hub = Hub(MemoryLog(), clocks.wall, HubSettings())
    one, two = FeedName("one"), FeedName("two")
    lineups = Lineups(hub, clocks.wall, {one: 1.0, two: 1.0})
    topics = [Topic.parse(f"trade:T{number}") for number in range(50)]
    name = {lineups.place(topic, [one, two]) for topic in topics}.pop()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        nursery.start_soon(lineups.run)
        subscription = hub.open([Want(topics[0], name)], None, ROOMY)
        await trio.sleep(3 * SWEEP_SECONDS)
        assert set(lineups._topics) == {topics[0]}
        assert lineups.place(topics[1], [one, two]) == name
        subscription.close()
        await trio.sleep(4 * SWEEP_SECONDS)
        assert not lineups._topics
        nursery.cancel_scope.cancel()
