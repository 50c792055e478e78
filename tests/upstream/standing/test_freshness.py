"""Quiet is not stale: a topic is suspect by its own cadence, and stale only when the vendor has news that the stream lacks."""

import itertools
from decimal import Decimal

import pytest

from bridge.dialects.contract import QuestionKind
from bridge.model import (
    Bar,
    BookLevel,
    BookReplacement,
    FeedName,
    InstrumentId,
    QuotePatch,
    Topic,
    Trade,
    UnixNanos,
)
from bridge.upstream.standing.freshness import (
    FIRST_LOOK_SECONDS,
    LONGEST_LOOK_SECONDS,
    LONGEST_PATIENCE_SECONDS,
    PATIENCE,
    Freshness,
    Sight,
    figures_of,
    question_of,
)

BASE = {"instrument": InstrumentId("X"), "feed": FeedName("vendor"), "ts_recv": UnixNanos(0)}
QUOTE, TRADE, BOOK, BAR, ORDER = map(Topic.parse, ("quote:X", "trade:X", "book:X", "bar.5m:X", "order"))
STALE_SECONDS = 30.0


def quote(ts_event: int = 0, **figures: str) -> QuotePatch:
    values = {name: Decimal(value) for name, value in figures.items()}
    return QuotePatch(ts_event=UnixNanos(ts_event), full=True, **values, **BASE)


def trade() -> Trade:
    return Trade(price=Decimal(1), size=Decimal(1), **BASE)


def watching(*topics: Topic) -> Freshness:
    freshness = Freshness(STALE_SECONDS)
    freshness.keep(topics, 0)
    return freshness


def suspect_from(freshness: Freshness, topic: Topic, after: float) -> float:
    now = after
    while topic not in freshness.suspects(now):
        now += 1
    return now


def test_a_topic_is_suspect_after_the_configured_silence_and_never_sooner():
    freshness = watching(TRADE)
    for now in range(20):
        freshness.heard(TRADE, trade(), now / 10)
    assert suspect_from(freshness, TRADE, 1.9) == pytest.approx(1.9 + STALE_SECONDS, abs=1)


def test_a_topic_that_is_often_silent_is_given_more_time_by_its_own_past():
    freshness = watching(TRADE)
    for n in range(1, 6):
        freshness.heard(TRADE, trade(), n * 60)
    assert suspect_from(freshness, TRADE, 300) == 300 + PATIENCE * 60


def test_a_nights_silence_is_forgotten_with_the_days_trading_and_never_makes_patience_endless():
    freshness = watching(TRADE)
    freshness.heard(TRADE, trade(), 8 * 3600)
    assert suspect_from(freshness, TRADE, 8 * 3600) == 8 * 3600 + LONGEST_PATIENCE_SECONDS
    now = 8 * 3600.0
    for _ in range(200):
        now += 0.5
        freshness.heard(TRADE, trade(), now)
    assert suspect_from(freshness, TRADE, now) == pytest.approx(now + STALE_SECONDS, abs=1)


def test_the_same_figures_prove_nothing_however_often_they_are_seen_and_are_looked_for_ever_more_seldom():
    freshness, looks, now = watching(QUOTE), [], 0.0
    while now < 24 * 3600:
        now = suspect_from(freshness, QUOTE, now)
        looks.append(now)
        assert freshness.looked(QUOTE, [quote(round(now), last="7")], now) is Sight.NOTHING
    waits = [after - before for before, after in itertools.pairwise(looks)]
    assert waits[0] == FIRST_LOOK_SECONDS
    assert waits[-1] == LONGEST_LOOK_SECONDS
    assert waits == sorted(waits)


def test_other_figures_than_at_the_first_look_are_news():
    freshness = watching(QUOTE)
    assert freshness.looked(QUOTE, [quote(last="7")], 31) is Sight.NOTHING
    assert freshness.looked(QUOTE, [quote(last="8")], 41) is Sight.NEWS


def test_a_word_of_the_stream_begins_everything_anew():
    freshness = watching(QUOTE)
    freshness.looked(QUOTE, [quote(last="7")], 31)
    assert freshness.heard(QUOTE, quote(last="8"), 35) is False
    assert freshness.suspects(36) == []
    assert freshness.looked(QUOTE, [quote(last="8")], 200) is Sight.NOTHING


def test_what_is_stale_is_looked_at_no_more_until_it_speaks_again():
    freshness = watching(QUOTE)
    assert freshness.declare(QUOTE)
    assert not freshness.declare(QUOTE)
    assert freshness.stale == {QUOTE}
    assert freshness.suspects(10_000) == []
    assert freshness.heard(QUOTE, quote(last="8"), 10_001) is True
    assert freshness.stale == frozenset()


def test_only_what_is_kept_is_watched_and_orders_never():
    freshness = watching(QUOTE, ORDER)
    assert freshness.watched == {QUOTE}
    freshness.keep([], 1)
    assert freshness.suspects(10_000) == []
    assert freshness.heard(QUOTE, quote(), 1) is False
    assert freshness.looked(QUOTE, [quote(last="1")], 1) is Sight.NOTHING
    assert not freshness.declare(QUOTE)


def test_the_longest_silent_is_looked_at_first():
    freshness = watching(QUOTE, TRADE)
    freshness.heard(QUOTE, quote(), 5)
    assert freshness.suspects(100) == [TRADE, QUOTE]


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        (QUOTE, QuestionKind.QUOTE),
        (TRADE, QuestionKind.QUOTE),
        (BOOK, QuestionKind.BOOK),
        (BAR, QuestionKind.BARS),
    ],
)
def test_a_vendor_is_asked_what_tells_of_the_topic(topic, kind):
    asked = question_of(topic)
    assert (asked.kind, asked.instrument) == (kind, "X")


def test_times_are_no_figures():
    assert figures_of(QUOTE, [quote(1, last="7")], None) == figures_of(QUOTE, [quote(2, last="7")], None)


def test_a_bid_that_moves_is_no_trade():
    assert figures_of(TRADE, [quote(last="7", bid="6")], None) == figures_of(TRADE, [quote(last="7", bid="5")], None)
    assert figures_of(TRADE, [quote(last="7")], None) != figures_of(TRADE, [quote(last="8")], None)
    assert figures_of(TRADE, [quote(bid="6")], None) is None


def test_only_figures_that_the_stream_sends_too_can_be_missed():
    word = quote(last="7")
    assert figures_of(QUOTE, [quote(last="7", volume="1")], word) == figures_of(
        QUOTE, [quote(last="7", volume="2")], word
    )


def test_a_book_and_a_bar_are_compared_by_what_they_hold():
    def book(size):
        return BookReplacement(bids=(BookLevel(Decimal(1), Decimal(size)),), asks=(), **BASE)

    def bar(close):
        one = Decimal(1)
        return Bar(interval="5m", open=one, high=one, low=one, close=Decimal(close), **BASE)

    assert figures_of(BOOK, [book(1)], None) != figures_of(BOOK, [book(2)], None)
    assert figures_of(BAR, [bar(1)], None) != figures_of(BAR, [bar(2)], None)


def test_an_answer_without_figures_tells_nothing():
    assert watching(QUOTE).looked(QUOTE, None, 31) is Sight.BLIND
    assert watching(QUOTE).looked(QUOTE, [], 31) is Sight.BLIND
    assert watching(QUOTE).looked(QUOTE, [trade()], 31) is Sight.BLIND
