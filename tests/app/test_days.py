"""What the hub wants asked is asked of the feed, each without waiting for the others; and only of feeds that can be asked."""

import trio

from bridge.app.days import DEADLINE_SECONDS, Days
from bridge.dialects.contract import Answer, Outcome, Question, QuestionKind
from bridge.model import FeedName, InstrumentId, Topic, TopicKind, Want

FEED = FeedName("lq")


def quote(instrument: str, feed: FeedName = FEED) -> Want:
    return Want(Topic(TopicKind.QUOTE, InstrumentId(instrument)), feed)


async def test_each_quote_is_asked_for_at_once_and_a_line_up_never(autojump_clock):
    asked: list[tuple[float, FeedName, Question, float]] = []

    async def ask(feed: FeedName, question: Question, deadline_seconds: float) -> Answer:
        asked.append((trio.current_time(), feed, question, deadline_seconds))
        await trio.sleep(deadline_seconds)
        return Answer(outcome=Outcome.FAILED)

    days = Days(ask, {FEED})
    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        days.want(quote("A"))
        nursery.start_soon(days.run)
        days.want(quote("B", FeedName("lq+tv")))
        days.want(quote("C"))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert asked == [
        (began, FEED, Question(kind=QuestionKind.QUOTE, instrument=InstrumentId(name)), DEADLINE_SECONDS)
        for name in ("A", "C")
    ]
