"""Topics: `parse` and `str` are inverse, and every refusal says what is wrong."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import FeedName, InstrumentId, Interval, Topic, TopicKind, Want

ALPHABET = "ABCXYZabcxyz0189.-_:^=!&@$/"
instruments = st.text(ALPHABET, min_size=1, max_size=64).map(InstrumentId)
topics = st.one_of(
    st.builds(Topic, st.sampled_from([TopicKind.QUOTE, TopicKind.TRADE, TopicKind.BOOK, TopicKind.ALL]), instruments),
    st.builds(lambda i, n: Topic(TopicKind.BOOK, i, depth=n), instruments, st.integers(1, 5_000)),
    st.builds(lambda i, n: Topic(TopicKind.BAR, i, interval=n), instruments, st.sampled_from(Interval)),
    st.sampled_from([Topic(TopicKind.ORDER), Topic(TopicKind.STATUS)]),
)


@given(topics)
def test_what_is_spelled_is_read_back(topic):
    assert Topic.parse(str(topic)) == topic


anything = st.text(ALPHABET + " %ä\n", max_size=80)
nearly = st.builds("{}{}".format, st.sampled_from(["quote:", "bar.", "book."]), st.text(ALPHABET))


@given(anything | nearly)
def test_whatever_is_read_is_spelled_the_same_or_refused(text):
    try:
        topic = Topic.parse(text)
    except ValueError:
        return
    depth = text.partition(":")[0].removeprefix("book.")
    assert str(topic) == (text if not depth.isdigit() else text.replace(depth, str(int(depth)), 1))


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        # the contract's own examples
        ("quote:AAPL", Topic(TopicKind.QUOTE, "AAPL")),
        ("trade:BTC-USD", Topic(TopicKind.TRADE, "BTC-USD")),
        ("book:BTC-USD", Topic(TopicKind.BOOK, "BTC-USD")),
        ("book.20:BTC-USD", Topic(TopicKind.BOOK, "BTC-USD", depth=20)),
        ("bar.5m:AAPL", Topic(TopicKind.BAR, "AAPL", interval=Interval.M5)),
        ("bar.1mo:NASDAQ:AAPL", Topic(TopicKind.BAR, "NASDAQ:AAPL", interval=Interval.MO1)),
        ("order", Topic(TopicKind.ORDER)),
        ("status", Topic(TopicKind.STATUS)),
        ("all:AAPL", Topic(TopicKind.ALL, "AAPL")),
        ("quote:A.-_:^=!&@$/z9", Topic(TopicKind.QUOTE, "A.-_:^=!&@$/z9")),
    ],
)
def test_topics_are_split_at_the_first_colon(text, topic):
    assert Topic.parse(text) == topic


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the kinds are quote, trade, book, bar, order, status, all"),
        ("AAPL", "no topic kind 'AAPL'"),
        ("Quote:AAPL", "no topic kind 'Quote'"),
        ("candle:AAPL", "no topic kind 'candle'"),
        ("quote", "needs an instrument"),
        ("quote:", "needs an instrument"),
        ("quote:A B", "needs an instrument"),
        ("quote:A,B", "needs an instrument"),
        ("quote:Ä", "needs an instrument"),
        ("quote:A\n", "needs an instrument"),
        ("quote:" + "x" * 65, "1 to 64 characters"),
        ("quote.5:AAPL", "'quote' takes no '5'"),
        ("trade.:AAPL", "'trade' takes no ''"),
        ("all.5m:AAPL", "'all' takes no '5m'"),
        ("order:AAPL", "'order' takes no instrument"),
        ("order.1", "'order' takes no instrument"),
        ("status:", "'status' takes no instrument"),
        ("bar:AAPL", "one of 1m 5m 15m 30m 1h 4h 1d 1w 1mo"),
        ("bar.7m:AAPL", "one of 1m 5m 15m 30m 1h 4h 1d 1w 1mo"),
        ("book.:BTC", "depth from 1 to 5000"),
        ("book.0:BTC", "depth from 1 to 5000"),
        ("book.5001:BTC", "depth from 1 to 5000"),
        ("book.00020:BTC", "depth from 1 to 5000"),
        (f"book.{'1' * 5_000}:BTC", "depth from 1 to 5000"),
        ("book.-1:BTC", "depth from 1 to 5000"),
        ("book.²:BTC", "depth from 1 to 5000"),
        ("book.1e3:BTC", "depth from 1 to 5000"),
    ],
)
def test_a_refusal_says_what_is_wrong(text, words):
    with pytest.raises(ValueError, match=r"topic") as caught:
        Topic.parse(text)
    assert words in str(caught.value)


def test_a_refusal_does_not_repeat_a_novel():
    with pytest.raises(ValueError, match="topic kind") as caught:
        Topic.parse("x" * 100_000)
    assert len(str(caught.value)) < 400


def test_scopes_tell_topics_apart_but_are_not_spelled():
    mine, yours = (Topic(TopicKind.ORDER, scope=account) for account in ("a/1", "a/2"))
    assert mine != yours
    assert str(mine) == str(yours) == "order"


def test_a_cut_book_is_asked_for_upstream_as_the_full_one():
    feed = FeedName("f")
    assert Want(Topic.parse("book.20:A"), feed).upstream == Topic.parse("book:A")
    assert Want(Topic.parse("bar.5m:A"), feed).upstream == Topic.parse("bar.5m:A")


@given(topics, topics)
def test_topics_are_keys(one, other):
    assert (one == other) == (str(one) == str(other))
    assert hash(one) == hash(msgspec.structs.replace(one))
