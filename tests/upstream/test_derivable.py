"""What a topic is made of where its feed lacks it: by the calendar, and never of something that does not tell it."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.bars import interval_start
from bridge.model import SECONDS, Interval, Topic, UnixNanos
from bridge.upstream.derivable import SHORTER, sources_of


def made_of(topic: str, *has: str) -> list[str]:
    return [str(source) for source in sources_of(Topic.parse(topic), lambda one: str(one) in has)]


def test_what_the_feed_has_is_asked_for_as_it_is():
    assert made_of("quote:X", "quote:X", "book:X", "trade:X") == ["quote:X"]
    assert made_of("bar.5m:X", "bar.5m:X", "trade:X") == ["bar.5m:X"]
    assert made_of("book.7:X", "book.7:X") == ["book:X"]


def test_a_bar_is_made_of_trades_or_else_of_the_longest_bars_that_fit():
    assert made_of("bar.1h:X", "trade:X", "bar.30m:X") == ["trade:X"]
    assert made_of("bar.1h:X", "bar.1m:X", "bar.30m:X", "bar.4h:X") == ["bar.30m:X"]
    assert made_of("bar.1mo:X", "bar.1w:X") == []
    assert made_of("bar.1m:X", "bar.5m:X", "quote:X", "book:X") == []


def test_a_quote_is_made_of_what_there_is_of_book_and_trades():
    assert made_of("quote:X", "book:X", "trade:X") == ["book:X", "trade:X"]
    assert made_of("quote:X", "book:X") == ["book:X"]
    assert made_of("quote:X", "trade:X", "bar.1m:X") == ["trade:X"]
    assert made_of("quote:X", "bar.1m:X") == []


def test_trades_and_books_are_made_of_nothing():
    everything = ("quote:X", "bar.1m:X")
    assert made_of("trade:X", *everything, "book:X") == []
    assert made_of("book:X", *everything, "trade:X") == []
    assert made_of("book.5:X", *everything) == []


@pytest.mark.parametrize("interval", Interval)
def test_every_shorter_bar_lies_within_one_longer_and_those_of_a_longer_fill_it(interval):
    first = datetime(2024, 2, 1, tzinfo=UTC)  # the Thursday that begins a leap February
    moments = [first + timedelta(minutes=minute) for minute in range(0, 60 * 24 * 40, 7)]
    for shorter in SHORTER[interval]:
        starts: dict[int, set[int]] = {}
        for moment in moments:
            nanos = UnixNanos(round(moment.timestamp()) * SECONDS)
            starts.setdefault(interval_start(shorter, nanos), set()).add(interval_start(interval, nanos))
        assert all(len(of) == 1 for of in starts.values()), shorter
    left_out = [one for one in Interval if one not in SHORTER[interval]]
    assert left_out[0] is interval or (interval, left_out[0]) == (Interval.MO1, Interval.W1)
