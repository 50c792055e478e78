import pytest

from bridge.dialects.contract import Refusal
from bridge.downstream.access.entitlement import grant, grant_orders, may_see
from bridge.downstream.contract import Identity, User
from bridge.model import AccountId, Code, Topic
from tests.support.asgi import resolve


def identity(*topics: str, accounts: tuple[str, ...] = ()) -> Identity:
    return Identity(user=User("alice"), topics=topics, accounts=tuple(map(AccountId, accounts)))


@pytest.mark.parametrize(
    ("glob", "topic", "seen"),
    [
        ("*", "quote:BTC-USD", True),
        ("quote:*", "quote:BTC-USD", True),
        ("quote:*", "trade:BTC-USD", False),
        ("book:BTC-USD", "book.20:BTC-USD", True),
        ("book.20:BTC-USD", "book.20:BTC-USD", False),
        ("bar:NASDAQ:*", "bar.5m:NASDAQ:AAPL", True),
        ("quote:btc-usd", "quote:BTC-USD", False),
        ("trade:X", "all:X", True),
        ("bar:X", "all:X", False),
        ("all:X", "all:X", False),
        ("nothing", "status", True),
        ("*", "order", False),
    ],
)
def test_globs_match_canonical_topics_by_their_kind(glob, topic, seen):
    assert may_see(identity(glob), Topic.parse(topic)) is seen


def granted(who: Identity, *topics: str) -> list[tuple[str, list[str]]]:
    found = grant(who, [Topic.parse(topic) for topic in topics], resolve)
    return [(str(one.topic), [str(topic) for topic in one.served]) for one in found]


def test_all_is_cut_to_the_parts_that_are_granted():
    who = identity("quote:BTC-USD", "trade:BTC-USD")
    assert granted(who, "all:BTC-USD") == [("all:BTC-USD", ["quote:BTC-USD", "trade:BTC-USD"])]


@pytest.mark.parametrize("topic", ["trade:BTC-USD", "all:ETH-USD", "order", "trade:NOPE"])
def test_what_is_not_granted_is_forbidden_and_not_told_whether_it_exists(topic):
    with pytest.raises(Refusal) as caught:
        granted(identity("quote:BTC-USD"), "quote:BTC-USD", topic)
    assert (caught.value.code, caught.value.topic) == (Code.FORBIDDEN, topic)


def test_an_unknown_instrument_is_named():
    with pytest.raises(Refusal) as caught:
        granted(identity("*"), "quote:NOPE")
    assert (caught.value.code, caught.value.topic) == (Code.UNKNOWN_INSTRUMENT, "quote:NOPE")


def test_orders_follow_the_accounts_and_need_no_topic():
    (one,) = grant(identity(accounts=("lq/a", "tv/b")), [Topic.parse("order")], resolve)
    assert [(want.topic.scope, want.feed) for want in one.wants] == [("lq/a", "lq"), ("tv/b", "tv")]
    assert [str(topic) for topic in one.served] == ["order"]


def test_an_account_that_resolve_invents_is_not_granted():
    def careless(topic, accounts):
        return resolve(topic, [AccountId("lq/stranger"), *accounts])

    (one,) = grant(identity(accounts=("lq/a",)), [Topic.parse("order")], careless)
    assert [want.topic.scope for want in one.wants] == ["lq/a"]


def test_unasked_orders_are_never_refused():
    assert grant_orders(identity("*"), resolve) == ()
    assert len(grant_orders(identity(accounts=("lq/a",)), resolve)) == 1


def test_a_topic_asked_twice_is_granted_once():
    assert len(granted(identity("*"), "quote:X", "quote:X")) == 1
