"""Interest in virtual time: counted, lingering, leased."""

import math

import pytest
import trio

from bridge.hub.interest import InterestLedger
from bridge.model import FeedName, Topic, TopicKind, Want

FEED = FeedName("f")


def want(text: str) -> Want:
    return Want(Topic.parse(text), FEED)


def wanted(ledger: InterestLedger) -> set[str]:
    return set(map(str, ledger.feed(FEED).wanted()))


def test_a_topic_is_wanted_until_the_last_holders_linger_is_over():
    ledger = InterestLedger(linger_seconds=30)
    assert ledger.hold(want("trade:X")) is True
    assert ledger.hold(want("trade:X")) is False
    ledger.release(want("trade:X"), now=100)
    assert ledger.next_expiry() == math.inf
    ledger.release(want("trade:X"), now=200)
    assert ledger.next_expiry() == 230
    assert ledger.expire(229.9) == []
    assert wanted(ledger) == {"trade:X"}
    assert ledger.expire(230) == [want("trade:X")]
    assert wanted(ledger) == set()
    assert len(ledger) == 0


def test_who_returns_within_the_linger_keeps_it():
    ledger = InterestLedger(linger_seconds=30)
    ledger.hold(want("trade:X"))
    ledger.release(want("trade:X"), now=0)
    assert ledger.hold(want("trade:X")) is False
    assert ledger.expire(1_000) == []
    assert wanted(ledger) == {"trade:X"}


def test_a_lease_needs_no_holder_and_is_never_shortened():
    ledger = InterestLedger(linger_seconds=30)
    assert ledger.lease(want("quote:X"), until=15) is True
    assert ledger.lease(want("quote:X"), until=10) is False
    assert ledger.expire(14) == []
    ledger.hold(want("quote:X"))
    assert ledger.expire(20) == []
    ledger.release(want("quote:X"), now=20)
    assert ledger.expire(49) == []
    assert ledger.expire(50) == [want("quote:X")]


def test_a_longer_lease_outlives_the_linger():
    ledger = InterestLedger(linger_seconds=1)
    ledger.hold(want("quote:X"))
    ledger.lease(want("quote:X"), until=100)
    ledger.release(want("quote:X"), now=0)
    assert ledger.expire(99) == []
    assert ledger.expire(100) == [want("quote:X")]


def test_cut_books_rest_on_the_full_one_and_health_on_nothing():
    ledger = InterestLedger(linger_seconds=0)
    for one in (want("book.5:X"), want("book.20:X"), want("book:X"), Want(Topic(TopicKind.STATUS, scope="f"), FEED)):
        ledger.hold(one)
    assert wanted(ledger) == {"book:X"}
    ledger.release(want("book:X"), now=0)
    ledger.release(want("book.5:X"), now=0)
    ledger.expire(0)
    assert wanted(ledger) == {"book:X"}
    ledger.release(want("book.20:X"), now=0)
    ledger.expire(0)
    assert wanted(ledger) == set()


async def test_a_feed_is_woken_when_what_is_wanted_differs_from_what_it_saw(autojump_clock):
    ledger = InterestLedger(linger_seconds=0)
    interest = ledger.feed(FEED)
    seen = []

    async def follow() -> None:
        while True:
            await interest.changed()
            seen.append((trio.current_time(), set(map(str, interest.wanted()))))

    async with trio.open_nursery() as nursery:
        start = trio.current_time()
        nursery.start_soon(follow)
        await trio.sleep(1)
        ledger.hold(want("trade:X"))
        await trio.sleep(1)
        ledger.hold(want("trade:X"))
        await trio.sleep(1)
        ledger.hold(want("quote:X"))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [(round(at - start), topics) for at, topics in seen] == [(1, {"trade:X"}), (3, {"trade:X", "quote:X"})]


async def test_a_change_that_was_taken_back_wakes_nobody(autojump_clock):
    ledger = InterestLedger(linger_seconds=0)
    interest = ledger.feed(FEED)
    interest.wanted()
    ledger.hold(want("trade:X"))
    ledger.release(want("trade:X"), now=0)
    ledger.expire(0)
    with trio.move_on_after(1) as scope:
        await interest.changed()
    assert scope.cancelled_caught
    ledger.hold(want("trade:X"))
    with trio.fail_after(1):
        await interest.changed()


def test_letting_go_of_what_nobody_holds_is_a_mistake():
    with pytest.raises(KeyError):
        InterestLedger(linger_seconds=0).release(want("trade:X"), now=0)


def test_a_watcher_is_told_of_every_feed_when_something_or_nothing_is_wanted_of_it():
    ledger = InterestLedger(10)
    ledger.feed(FeedName("known"))
    told = []
    ledger.watch(lambda feed, wanted: told.append((feed, wanted)))
    wants = [Want(Topic.parse("quote:A"), FeedName(feed)) for feed in ("known", "new")]
    for each in [*wants, *wants]:
        ledger.hold(each)
    ledger.release(wants[1], 0.0)
    ledger.release(wants[1], 0.0)
    ledger.expire(11.0)
    assert told == [("known", True), ("new", True), ("new", False)]


def test_a_retired_feed_is_forgotten_once_nothing_is_wanted_of_it_unless_it_is_begun_again():
    ledger = InterestLedger(10)
    held = Want(Topic.parse("quote:A"), FeedName("one"))
    ledger.hold(held)
    first = ledger.feed(FeedName("one"))
    ledger.retire(FeedName("one"))
    ledger.retire(FeedName("never heard of"))
    assert ledger.departed() == ["never heard of"]
    ledger.release(held, 0.0)
    ledger.expire(11.0)
    assert ledger.departed() == ["one"]
    assert ledger.departed() == []
    again = ledger.feed(FeedName("one"))
    assert again is not first
    ledger.retire(FeedName("one"))
    assert ledger.feed(FeedName("one")) is again
    assert ledger.departed() == []
