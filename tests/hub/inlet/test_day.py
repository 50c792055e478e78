"""The day's figures of a quote that is made here: asked of the vendor, kept up with the trades, and never older than a minute."""

from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
import trio

from bridge.broker.memory import MemoryLog
from bridge.clock import TrioClock
from bridge.hub.hub import Hub
from bridge.hub.settings import HubSettings
from bridge.model import BookSnapshot, Covered, Quote, QuotePatch, Topic, Trade, Want, unix_nanos
from tests.hub.facts import BOOK, FEED, QUOTE, ROOMY, TRADE, X, levels, uncover, wants

NOON = unix_nanos("2024-03-01T12:00:00Z")
PAGE = {
    "last": Decimal("249.93"),
    "open": Decimal("252.61"),
    "high": Decimal("254.91"),
    "low": Decimal("249.01"),
    "prev_close": Decimal("254.23"),
    "change": Decimal("-4.30"),
    "change_percent": Decimal("-1.69"),
    "volume": Decimal(979956),
}
"""What Liquidity's REST says of AAPL in its own documentation; neither bid nor ask."""


class World:
    """A hub whose quotes of one feed are made of book and trades, and who was asked."""

    def __init__(self, *, feed_has_quotes: bool = False) -> None:
        def made_of(want: Want) -> tuple[Topic, ...]:
            return (BOOK, TRADE) if want.topic == QUOTE and not feed_has_quotes else (want.upstream,)

        self.clock = TrioClock(NOON)
        self.hub = Hub(MemoryLog(), self.clock, HubSettings(), made_of)
        self.asked: list[Want] = []
        self.hub.ask_by(self.asked.append)
        self.subscription = self.hub.open(wants(QUOTE), None, ROOMY)

    def cover(self, *topics: Topic) -> None:
        self.hub.publish(Covered(feed=FEED, topics=topics, ts_recv=self.clock()))

    def answer(self, **figures: Decimal) -> None:
        now = self.clock()
        self.hub.publish(QuotePatch(**{**X, "ts_recv": now}, ts_event=now, full=True, **(figures or PAGE)))

    def book(self, bid: int, ask: int) -> None:
        self.hub.publish(BookSnapshot(**X, bids=levels((bid, 1)), asks=levels((ask, 1))))

    def trade(self, price: str) -> None:
        now = self.clock()
        self.hub.publish(Trade(**{**X, "ts_recv": now}, ts_event=now, price=Decimal(price), size=Decimal(1)))

    def quotes(self) -> list[Quote]:
        return [one.event for one in self.subscription.take() if isinstance(one.event, Quote)]


@asynccontextmanager
async def running(**how: bool):
    async with trio.open_nursery() as nursery:
        world = World(**how)
        nursery.start_soon(world.hub.run)
        yield world
        nursery.cancel_scope.cancel()


def figures(quote: Quote, *names: str) -> list[str]:
    return [str(getattr(quote, name)) for name in names]


async def test_a_quote_that_is_made_here_has_the_day_as_the_vendor_tells_it_and_the_book_as_it_stands(autojump_clock):
    async with running() as world:
        await trio.sleep(5)
        assert world.asked == [], "there is nothing to vouch for yet"
        world.cover(BOOK, TRADE)
        world.book(249, 250)
        await trio.sleep(1.5)
        assert world.asked == [Want(QUOTE, FEED)]
        world.answer()
        told = world.quotes()[-1]
        assert (told.bid, told.ask, told.derived, told.ts_event) == (249, 250, True, world.clock())
        assert {name: getattr(told, name) for name in PAGE} == PAGE


async def test_the_first_word_waits_for_the_answer_and_is_one_with_it(autojump_clock):
    async with running() as world:
        world.book(249, 250)
        world.cover(BOOK, TRADE)
        world.trade("251")
        assert (len(world.asked), world.quotes()) == (1, [])
        world.answer()
        (quote,) = world.quotes()
        assert figures(quote, "bid", "ask", "last", "prev_close", "change") == ["249", "250", "251", "254.23", "-3.23"]


async def test_the_first_word_does_not_wait_for_long(autojump_clock):
    async with running() as world:
        world.book(249, 250)
        world.cover(BOOK, TRADE)
        await trio.sleep(1.6)
        (told,) = world.quotes()
        assert figures(told, "bid", "ask", "last") == ["249", "250", "None"]
        world.trade("251")
        assert len(world.quotes()) == 1


async def test_what_was_told_is_kept_up_with_the_trades(autojump_clock):
    async with running() as world:
        world.cover(BOOK, TRADE)
        await trio.sleep(1.5)
        world.answer()
        await trio.sleep(1)
        for price in ("255.00", "248.50", "250.00"):
            world.trade(price)
        *_, quote = world.quotes()
        assert figures(quote, "last", "open", "high", "low", "prev_close", "volume") == [
            "250.00",
            "252.61",
            "255.00",
            "248.50",
            "254.23",
            "979956",
        ]
        assert figures(quote, "change", "change_percent") == ["-4.23", "-1.6638"]  # -4.23 / 254.23


async def test_trades_heard_while_the_vendor_was_thinking_count(autojump_clock):
    async with running() as world:
        world.cover(BOOK, TRADE)
        await trio.sleep(1.5)
        world.trade("300")
        assert figures(world.quotes()[-1], "high", "change") == ["None", "None"], "it is not waited for any longer"
        world.answer()
        quote = world.quotes()[-1]
        assert figures(quote, "last", "high", "low", "change") == ["300", "300", "249.01", "45.77"]


async def test_the_vendor_is_asked_every_minute_so_that_its_new_day_is_soon_ours(autojump_clock):
    async with running() as world:
        world.cover(BOOK, TRADE)
        await trio.sleep(1.5)
        world.answer()
        world.trade("260")
        await trio.sleep(300)
        assert len(world.asked) == 6
        world.answer(**{**PAGE, "prev_close": Decimal(250), "high": Decimal(251), "low": Decimal(249)})
        quote = world.quotes()[-1]
        assert figures(quote, "last", "high", "low", "change", "change_percent") == [
            "260",
            "251",
            "249",
            "10",
            "4.0000",
        ]


async def test_what_the_vendor_does_not_tell_is_absent(autojump_clock):
    async with running() as world:
        world.cover(BOOK, TRADE)
        await trio.sleep(1.5)
        world.answer(last=Decimal(5), open=Decimal(4))
        world.trade("6")
        quote = world.quotes()[-1]
        names = ("open", "high", "low", "prev_close", "change", "change_percent", "volume")
        assert figures(quote, *names) == ["4", *["None"] * 6]


async def test_a_break_forgets_what_was_told_and_the_vendor_is_asked_anew(autojump_clock):
    async with running() as world:
        world.cover(BOOK, TRADE)
        await trio.sleep(1.5)
        world.answer()
        uncover(world.hub, TRADE)
        world.answer()
        await trio.sleep(90)
        assert len(world.asked) == 1, "nobody vouches for it"
        assert len(world.quotes()) == 1
        world.cover(TRADE)
        world.trade("250")
        await trio.sleep(1.5)
        assert figures(world.quotes()[-1], "last", "open") == ["250", "None"]
        assert len(world.asked) == 2


async def test_an_answer_for_nobody_says_nothing(autojump_clock):
    async with running() as world:
        world.cover(BOOK, TRADE)
        await trio.sleep(1.5)
        world.subscription.close()
        await trio.sleep(HubSettings().linger_seconds + 1)
        head = world.hub.head
        world.answer()
        assert world.hub.head == head
        await trio.sleep(200)
        assert len(world.asked) <= 2


async def test_a_feed_that_has_quotes_is_never_asked_and_what_it_says_is_its_own(autojump_clock):
    async with running(feed_has_quotes=True) as world:
        world.cover(QUOTE)
        await trio.sleep(100)
        world.answer()
        (quote,) = world.quotes()
        assert (world.asked, quote.derived, quote.last) == ([], False, PAGE["last"])


@pytest.mark.parametrize("zero", ["0", "0.00"])
async def test_a_change_from_nothing_has_no_percentage(autojump_clock, zero):
    async with running() as world:
        world.cover(BOOK, TRADE)
        await trio.sleep(1.5)
        world.answer(prev_close=Decimal(zero))
        world.trade("3")
        quote = world.quotes()[-1]
        assert (Decimal(quote.change), quote.change_percent) == (3, None)
        assert msgspec.structs.asdict(quote)["prev_close"] == 0
