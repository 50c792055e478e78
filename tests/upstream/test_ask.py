"""Questions to a vendor: single flight, paced, within a deadline, never an exception."""

import itertools
from decimal import Decimal

import msgspec
import pytest
import trio

from bridge.dialects.contract import Frame, Outcome, Question, QuestionKind, Refused
from bridge.errors import TransportLost, VendorProtocolError
from bridge.model import AccountId, Bar, InstrumentId, QuotePatch
from bridge.upstream.ask import INTERVAL_SECONDS, Asker
from tests.support.connections import FEED, FakeVendor, asking, now

AAPL = InstrumentId("AAPL")
QUOTE = Question(kind=QuestionKind.QUOTE, instrument=AAPL)


def patch() -> QuotePatch:
    return QuotePatch(instrument=AAPL, feed=FEED, ts_recv=now(), last=Decimal(1))


class Desk:
    def __init__(self, answers) -> None:
        self.vendor = FakeVendor()
        self.vendor.answers = answers
        self.published = []
        self.tools = asking(self.vendor, self.published.append)
        self.asker = Asker(FEED, self.tools)


async def test_an_answer_is_returned_and_published(autojump_clock):
    desk = Desk(lambda _: [patch()])
    answer = await desk.asker.ask(QUOTE, 2)
    assert answer.outcome is Outcome.ANSWERED
    assert list(answer.events) == desk.published
    assert len(desk.published) == 1


async def test_bars_are_returned_and_not_published(autojump_clock):
    one = Decimal(1)
    bar = Bar(instrument=AAPL, feed=FEED, ts_recv=now(), interval="5m", open=one, high=one, low=one, close=one)
    desk = Desk(lambda _: [bar])
    answer = await desk.asker.ask(Question(kind=QuestionKind.BARS, instrument=AAPL), 2)
    assert answer.events == (bar,)
    assert desk.published == []


async def test_who_asks_what_is_being_asked_shares_the_answer(autojump_clock):
    desk = Desk(lambda _: [patch()])
    answers = []
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(lambda: _ask_into(desk, answers))
    assert len(desk.vendor.fetched) == 1
    assert [answer.outcome for answer in answers] == [Outcome.ANSWERED] * 10
    assert len(desk.published) == 1


async def _ask_into(desk, answers):
    answers.append(await desk.asker.ask(QUOTE, 2))


async def test_who_waits_for_one_that_gives_up_asks_for_himself(autojump_clock):
    desk = Desk(lambda _: [patch()])
    desk.vendor.connect_seconds = 1
    answers = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.asker.ask, QUOTE, 0.5)
        await trio.sleep(0.1)
        nursery.start_soon(lambda: _ask_into(desk, answers))
    assert [answer.outcome for answer in answers] == [Outcome.ANSWERED]


async def test_questions_are_paced(autojump_clock):
    desk = Desk(lambda _: ())
    async with trio.open_nursery() as nursery:
        for number in range(10):
            question = Question(kind=QuestionKind.QUOTE, instrument=InstrumentId(f"I{number}"))
            nursery.start_soon(desk.asker.ask, question, 10)
    times = [at for at, _ in desk.vendor.fetched]
    assert all(b - a >= INTERVAL_SECONDS - 1e-9 for a, b in itertools.pairwise(times))


async def test_past_the_deadline_a_question_has_failed(autojump_clock):
    desk = Desk(lambda _: [patch()])
    desk.vendor.connect_seconds = 10
    with trio.fail_after(2.1):
        answer = await desk.asker.ask(QUOTE, 2)
    assert answer.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (TransportLost("gone"), Outcome.FAILED),
        (VendorProtocolError("not JSON"), Outcome.FAILED),
        (ZeroDivisionError("ours"), Outcome.FAILED),
        ([Refused(None, "unknown_instrument", "no")], Outcome.UNKNOWN),
        (404, Outcome.UNKNOWN),
        (503, Outcome.FAILED),
    ],
)
async def test_every_way_to_fail_has_its_outcome(said, outcome, autojump_clock):
    said = Frame(data=b"0", ts_recv=now(), status=said) if isinstance(said, int) else said
    desk = Desk(lambda _: said)
    assert (await desk.asker.ask(QUOTE, 2)).outcome is outcome
    assert desk.published == []


async def test_what_the_vendor_cannot_be_asked_is_unsupported(autojump_clock):
    desk = Desk(lambda _: ())
    desk.tools.dialect.question = lambda *_: None
    assert (await desk.asker.ask(QUOTE, 2)).outcome is Outcome.UNSUPPORTED


async def test_orders_are_asked_for_the_feeds_own_account_alone(autojump_clock):
    desk = Desk(lambda _: ())
    order = Question(kind=QuestionKind.ORDER, order_id="ord_1")
    assert (await desk.asker.ask(order, 2)).outcome is Outcome.UNSUPPORTED
    asker = Asker(FEED, msgspec.structs.replace(desk.tools, account=AccountId("vendor/acme")))
    other = msgspec.structs.replace(order, account=AccountId("vendor/other"))
    assert (await asker.ask(other, 2)).outcome is Outcome.UNKNOWN
    assert desk.vendor.fetched == []
    await asker.ask(order, 2)
    assert desk.vendor.fetched[0][1].account == "vendor/acme"
