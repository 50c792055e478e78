import pytest

from bridge.dialects.contract import Refusal
from bridge.downstream.contract import Granted
from bridge.downstream.streams.holdings import Holdings
from bridge.model import AccountId, Code, FeedName, Topic
from tests.support.asgi import FEED, OTHER_FEED, resolve


def granted(*topics: str) -> list[Granted]:
    accounts = [AccountId("lq/acme")]
    return [Granted(Topic.parse(topic), resolve(Topic.parse(topic), accounts)) for topic in topics]


def spelled(topics: object) -> list[str]:
    return [str(topic) for topic in topics]


def test_topics_count_as_asked_status_and_what_comes_unasked_not_at_all():
    holdings = Holdings(3)
    holdings.add_unasked(granted("order"))
    holdings.add(granted("status", "all:A", "quote:B"))
    holdings.room_for(granted("quote:C"))
    holdings.room_for(granted("quote:B", "all:A", "status"))
    with pytest.raises(Refusal) as caught:
        holdings.room_for(granted("quote:C", "quote:D"))
    assert caught.value.code is Code.TOO_MANY_SUBSCRIPTIONS
    holdings.add(granted("order"))
    with pytest.raises(Refusal):
        holdings.room_for(granted("quote:C"))


def test_a_limit_of_zero_is_none():
    Holdings(0).room_for(granted(*(f"quote:I{number}" for number in range(1_000))))


def test_a_want_leaves_with_the_last_topic_that_holds_it():
    holdings = Holdings(50)
    holdings.add(granted("all:A", "trade:A", "book.20:A"))
    assert spelled(holdings.remove([Topic.parse("trade:A")])) == []
    assert spelled(holdings.remove([Topic.parse("all:A"), Topic.parse("quote:NEVER")])) == [
        "quote:A",
        "book:A",
        "trade:A",
    ]
    assert spelled(holdings.topics) == ["book.20:A"]


def test_a_refused_book_takes_its_cuts_along_and_is_named_as_the_client_asked():
    holdings = Holdings(50)
    holdings.add(granted("all:A", "book.20:A", "trade:A"))
    assert spelled(holdings.affected(Topic.parse("book:A"), FEED)) == ["book:A", "book.20:A"]
    assert spelled(holdings.lose(Topic.parse("book:A"), FEED)) == ["book:A", "book.20:A"]
    assert spelled(holdings.topics) == ["all:A", "trade:A"]
    assert holdings.affected(Topic.parse("book:A"), FEED) == ()


def test_another_feeds_refusal_takes_nothing():
    holdings = Holdings(50)
    holdings.add(granted("quote:A"))
    assert holdings.affected(Topic.parse("quote:A"), OTHER_FEED) == ()
    assert holdings.lose(Topic.parse("quote:A"), FeedName("none")) == ()
    assert spelled(holdings.topics) == ["quote:A"]
