"""Two feeds of one instrument, as the hub's clients see them: one at a time, switches declared, nothing mixed."""

from decimal import Decimal

import pytest
import trio
import trio.testing

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Bound, Hub
from bridge.hub.interest import as_asked
from bridge.hub.lineups.lineups import Lineups
from bridge.hub.settings import HubSettings
from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    Covered,
    FeedHealth,
    FeedName,
    FeedStatus,
    Gap,
    InstrumentId,
    OrderUpdate,
    Quote,
    QuotePatch,
    Side,
    Topic,
    TopicRefused,
    Trade,
    Uncovered,
    UnixNanos,
    Verdict,
    Want,
)

A, B = FeedName("a"), FeedName("b")
BOTH = FeedName("a+b")
BOOK, QUOTE, TRADE, BAR = (Topic.parse(text) for text in ("book:X", "quote:X", "trade:X", "bar.1m:X"))
TOPICS = (BOOK, QUOTE, TRADE, BAR)
SETTLE = 30.0
SECOND = 1_000_000_000


class Stage:
    """A hub with a line-up of two feeds, and what they may say."""

    def __init__(self, sources=as_asked):
        self.hub = Hub(MemoryLog(), lambda: UnixNanos(7), HubSettings(linger_seconds=0), sources)
        self.lineups = Lineups(self.hub, lambda: UnixNanos(7), {A: SETTLE, B: SETTLE})
        self.wants = [Want(topic, self.lineups.place(topic, (A, B))) for topic in TOPICS]

    def open(self, after=None):
        return self.hub.open(self.wants, after, Bound(10**9, len, lambda: None))

    def wanted(self, feed):
        return self.lineups.tap(feed).wanted()

    def health(self, feed, health, reason=None):
        self.lineups.publish(FeedStatus(feed=feed, status=FeedHealth(health), ts_recv=UnixNanos(1), reason=reason))

    def cover(self, feed, *topics):
        self.lineups.publish(Covered(feed=feed, topics=topics or TOPICS, ts_recv=UnixNanos(1)))

    def uncover(self, feed, *topics):
        self.lineups.publish(Uncovered(feed=feed, topics=topics or TOPICS, ts_recv=UnixNanos(1)))

    def live(self, feed):
        self.health(feed, "live")
        self.cover(feed)

    def lose(self, feed):
        self.uncover(feed)
        self.health(feed, "down", "no route")

    def book(self, feed, bid, ask):
        self.lineups.publish(BookSnapshot(**fact(feed), bids=side(bid), asks=side(ask)))

    def change(self, feed, bid=None, ask=None):
        self.lineups.publish(BookDelta(**fact(feed), bids=side(bid), asks=side(ask)))

    def trade(self, feed, number, seconds=None):
        at = None if seconds is None else UnixNanos(seconds * SECOND)
        trade = Trade(**fact(feed), ts_event=at, price=Decimal(1), size=Decimal(1), trade_id=str(number))
        self.lineups.publish(trade)


def fact(feed):
    return {"instrument": InstrumentId("X"), "feed": feed, "ts_recv": UnixNanos(1)}


def side(price, size=1):
    return () if price is None else (BookLevel(Decimal(price), Decimal(size)),)


def told(subscription, kind=None):
    """What a subscriber is told, coverage left out as it is never delivered."""
    events = [one.event for one in subscription.take()]
    return [event for event in events if kind is None or isinstance(event, kind)]


def names(events):
    return [type(event).__name__ for event in events]


@pytest.fixture
async def stage(nursery):
    stage = Stage()
    nursery.start_soon(stage.lineups.run)
    return stage


async def settle():
    """Let the line-ups look."""
    await trio.testing.wait_all_tasks_blocked()


async def test_the_preferred_feed_serves_alone_and_only_it_is_subscribed(stage, autojump_clock):
    client = stage.open()
    await settle()
    assert stage.wanted(A) == set(TOPICS)
    assert not stage.wanted(B)
    stage.live(A)
    stage.book(A, 10, 11)
    stage.trade(A, 1)
    events = told(client)
    assert [event.source for event in events] == [A] * len(events)
    assert {event.feed for event in events} == {BOTH}
    assert names(events) == ["FeedStatus", "FeedStatus", "BookSnapshot", "Trade"]
    assert stage.lineups.serving(BOTH) == A


async def test_the_next_takes_over_with_one_declared_switch_a_gap_and_a_fresh_book(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.book(A, 10, 11)
    stage.trade(A, 1)
    told(client)
    stage.lose(A)
    assert stage.wanted(B) == set(TOPICS)
    assert stage.wanted(A) == set(TOPICS), "who is preferred is kept trying"
    assert stage.hub.state(Want(BOOK, BOTH)) is None
    (switch,) = told(client)
    assert (switch.source, switch.status, switch.reason) == (B, "connecting", "in place of a, which is down: no route")
    stage.live(B)
    stage.change(B, ask=9)  # before its book, so it belongs to none
    stage.book(B, 20, 21)
    stage.trade(B, 2)
    events = told(client)
    assert sorted(names(events)) == sorted(["FeedStatus", "Gap", "Gap", "Gap", "BookSnapshot", "Trade"])
    assert {event.topics for event in events if isinstance(event, Gap)} == {(BOOK,), (TRADE,), (BAR,)}
    assert [event.source for event in events if not isinstance(event, Gap)] == [B, B, B]
    (book,) = [event for event in events if isinstance(event, BookSnapshot)]
    assert (book.bids, book.asks) == (side(20), side(21))
    assert names(events).index("BookSnapshot") > max(at for at, name in enumerate(names(events)) if name == "Gap")


async def test_what_the_feed_that_gave_way_still_says_is_heard_by_nobody(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.book(A, 10, 11)
    stage.health(A, "stale", "silent")
    stage.live(B)
    stage.book(B, 20, 21)
    told(client)
    stage.change(A, bid=15)
    stage.trade(A, 9)
    stage.lineups.publish(QuotePatch(**fact(A), bid=Decimal(15)))
    assert told(client) == []
    assert stage.hub.state(Want(BOOK, BOTH)).event.bids == side(20)


async def test_it_goes_back_only_when_the_preferred_one_has_been_live_long_enough(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.lose(A)
    stage.live(B)
    stage.book(B, 20, 21)
    stage.live(A)
    stage.book(A, 10, 11)
    stage.change(A, bid=9)
    stage.lineups.publish(QuotePatch(**fact(A), bid=Decimal(10), last=Decimal(3)))
    stage.lineups.publish(QuotePatch(**fact(A), last=None))
    told(client)
    await trio.sleep(SETTLE - 1)
    assert told(client) == []
    stage.trade(B, 5)
    await trio.sleep(2)
    events = told(client)
    assert names(events[:2]) == ["Trade", "FeedStatus"]
    assert (events[1].source, events[1].status, events[1].reason) == (A, "live", "preferred to b")
    assert names(events).count("FeedStatus") == 1
    (book,) = [event for event in events if isinstance(event, BookSnapshot)]
    assert (book.source, book.bids, book.asks) == (A, side(10) + side(9), side(11)), "as it stands now"
    (quote,) = [event for event in events if not isinstance(event, Trade | Gap | FeedStatus | BookSnapshot)]
    assert (quote.source, quote.bid, quote.last) == (A, 10, None)
    assert not stage.wanted(B)
    stage.change(A, ask=12)
    assert [event.prev_sequence for event in told(client)] == [book.sequence]


async def test_a_preferred_feed_that_does_not_receive_everything_yet_is_not_gone_back_to(stage, autojump_clock):
    stage.open()
    stage.live(A)
    stage.lose(A)
    stage.live(B)
    stage.health(A, "live")
    stage.cover(A, BOOK, QUOTE, TRADE)
    await trio.sleep(2 * SETTLE)
    assert stage.lineups.serving(BOTH) == B
    stage.cover(A, BAR)
    assert stage.lineups.serving(BOTH) == A


async def test_a_feed_that_comes_and_goes_is_not_gone_back_to(stage, autojump_clock):
    stage.open()
    stage.live(A)
    stage.lose(A)
    stage.live(B)
    for _ in range(5):
        stage.live(A)
        await trio.sleep(SETTLE - 1)
        stage.uncover(A)
        stage.health(A, "connecting")
    await trio.sleep(SETTLE + 1)
    assert stage.lineups.serving(BOTH) == B


async def test_a_stale_feed_that_recovers_goes_on_from_the_book_it_had(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.book(A, 10, 11)
    stage.health(A, "stale", "silent")
    stage.live(B)
    stage.change(A, bid=9)
    stage.health(A, "live")
    told(client)
    await trio.sleep(SETTLE + 1)
    (book,) = told(client, BookSnapshot)
    assert (book.source, book.bids) == (A, side(10) + side(9))


@pytest.mark.parametrize("confirmed", [True, False])
async def test_what_a_waiting_feed_said_before_its_connection_broke_is_forgotten(stage, autojump_clock, confirmed):
    client = stage.open()
    stage.live(A)
    stage.lose(A)
    stage.live(B)
    stage.health(A, "live")
    if confirmed:
        stage.cover(A)
    stage.lineups.publish(QuotePatch(**fact(A), bid=Decimal(10), last=Decimal(3)))
    if confirmed:
        stage.uncover(A)
    else:
        stage.health(A, "connecting")
    stage.live(A)
    stage.lineups.publish(QuotePatch(**fact(A), bid=Decimal(11)))
    told(client)
    await trio.sleep(SETTLE + 1)
    (quote,) = told(client, Quote)
    assert (quote.bid, quote.last) == (11, None)


async def test_changes_of_a_book_that_was_never_seen_whole_are_not_applied_to_another_feeds(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.book(A, 10, 11)
    stage.health(A, "stale")
    assert stage.hub.state(Want(BOOK, BOTH)) is None
    stage.live(B)
    told(client)
    stage.change(B, ask=9)
    assert told(client) == []


async def test_trades_that_both_may_have_told_are_marked_and_later_ones_are_not(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.trade(A, 1, seconds=100)
    stage.trade(A, 2, seconds=105)
    stage.lose(A)
    stage.live(B)
    for number, seconds in ((3, 104), (4, 105), (5, 107), (6, 108), (7, None)):
        stage.trade(B, number, seconds)
    marked = {trade.trade_id: trade.possible_duplicate for trade in told(client, Trade)}
    assert marked == {"1": False, "2": False, "3": True, "4": True, "5": True, "6": False, "7": True}
    await trio.sleep(11)
    stage.trade(B, 8)
    assert [trade.possible_duplicate for trade in told(client, Trade)] == [False]


async def test_a_cursor_from_before_a_switch_gets_what_was_told_then_the_gap_and_what_came_after(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.trade(A, 1)
    client.take()
    cursor = client.position
    stage.trade(A, 2)
    stage.lose(A)
    stage.live(B)
    stage.trade(B, 3)
    again = stage.open(cursor)
    events = told(again, Trade | Gap)
    assert again.verdict is Verdict.RESET
    trades = [event.trade_id for event in events if isinstance(event, Trade)]
    assert trades[-1] == "3"
    gaps = [event for event in events if isinstance(event, Gap) and event.topics == (TRADE,)]
    assert gaps, "the break is declared"


async def test_bars_and_orders_and_other_topics_pass_or_switch_as_they_must(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    bar = {"interval": "1m", **dict.fromkeys(("open", "high", "low", "close"), Decimal(1)), "ts_open": UnixNanos(60)}
    stage.lineups.publish(Bar(**fact(A), **bar))
    assert [event.source for event in told(client, Bar)] == [A]
    order = OrderUpdate(
        **fact(A),
        account="a/acme",
        order_id="1",
        side=Side.BUY,
        order_type="limit",
        quantity=Decimal(1),
        filled_quantity=Decimal(0),
        status="new",
    )
    stage.lineups.publish(order)
    other = Trade(instrument=InstrumentId("Y"), feed=A, ts_recv=UnixNanos(1), price=Decimal(1), size=Decimal(1))
    stage.lineups.publish(other)
    assert [one.event for one in stage.hub.recent(Want(Topic.parse("trade:Y"), A), 5)] == [other]
    stage.health(A, "stale")
    stage.live(B)
    stage.lineups.publish(Bar(**fact(A), **(bar | {"close": Decimal(2)})))
    stage.health(A, "live")
    await trio.sleep(SETTLE + 1)
    newest = told(client, Bar)[-1]
    assert (newest.source, newest.close) == (A, 2)


def refuse(stage, feed, topic, code="unsupported_topic"):
    stage.uncover(feed, topic)
    no = TopicRefused(feed=feed, topic=topic, code=code, message=f"no {topic} here", ts_recv=UnixNanos(1))
    stage.lineups.publish(no)


async def test_what_the_feed_in_waiting_refuses_stays_where_it_is_when_that_feed_serves_again(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.health(A, "down")
    stage.live(B)
    stage.health(A, "live")
    refuse(stage, A, TRADE)
    stage.book(A, 10, 11)
    told(client)
    await trio.sleep(SETTLE + 1)
    stage.trade(B, 1)
    stage.trade(A, 2)
    events = told(client)
    assert [(event.source, event.trade_id) for event in events if isinstance(event, Trade)] == [(B, "1")]
    assert [event.source for event in events if isinstance(event, BookSnapshot)] == [A]
    assert not [event for event in events if isinstance(event, TopicRefused)]
    assert (TRADE,) not in [event.topics for event in events if isinstance(event, Gap)], "nothing of it was missed"
    assert stage.wanted(B) == {TRADE}
    assert set(stage.lineups.behind(BOTH)) == {A, B}


@pytest.mark.parametrize("code", ["unknown_instrument", "unsupported_topic", "upstream_full"])
async def test_a_topic_that_the_serving_feed_refuses_falls_to_the_next_and_goes_back_after_a_while(
    stage, autojump_clock, code
):
    client = stage.open()
    stage.live(A)
    stage.book(A, 10, 11)
    stage.trade(A, 1)
    told(client)
    refuse(stage, A, BOOK, code)
    assert stage.wanted(A) == set(TOPICS), "who is preferred is asked again now and then"
    assert stage.wanted(B) == {BOOK}
    assert stage.hub.state(Want(BOOK, BOTH)) is None
    (declared,) = told(client)
    assert (declared.source, declared.instrument, declared.topic) == (B, "X", BOOK)
    assert declared.status == "connecting"
    assert declared.reason == "in place of a, which refused book:X: no book:X here"
    stage.health(B, "live")
    stage.cover(B, BOOK)
    stage.book(B, 20, 21)
    stage.change(A, bid=15)
    stage.trade(A, 2)
    events = told(client)
    assert names(events) == ["FeedStatus", "Gap", "BookSnapshot", "Trade"]
    assert [event.source for event in events if not isinstance(event, Gap)] == [B, B, A]
    refuse(stage, A, BOOK, code)  # asked again after a minute
    assert told(client) == []

    stage.cover(A, BOOK)
    stage.book(A, 10, 11)
    await trio.sleep(SETTLE - 1)
    assert told(client) == []
    stage.change(A, bid=9)
    await trio.sleep(2)
    back, gap, book = told(client)
    assert (back.source, back.topic, back.status, back.reason) == (A, BOOK, "live", "preferred to b")
    assert gap.topics == (BOOK,)
    assert (book.source, book.bids) == (A, side(10) + side(9))
    assert not stage.wanted(B)
    assert stage.lineups.behind(BOTH) == (A,)


async def test_a_feed_that_takes_a_topic_and_refuses_it_again_is_not_gone_back_to(stage, autojump_clock):
    stage.open()
    stage.live(A)
    refuse(stage, A, BOOK)
    stage.health(B, "live")
    stage.cover(B, BOOK)
    for _ in range(3):
        stage.cover(A, BOOK)
        await trio.sleep(SETTLE - 1)
        refuse(stage, A, BOOK)
    await trio.sleep(SETTLE + 1)
    assert stage.wanted(B) == {BOOK}


async def test_only_what_every_feed_refuses_is_refused_and_it_is_said_once(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    told(client)
    refuse(stage, A, BOOK)
    assert not told(client, TopicRefused)
    stage.health(B, "live")
    refuse(stage, B, BOOK, "unknown_instrument")
    (no,) = told(client, TopicRefused)
    assert (no.feed, no.topic, no.code, no.message) == (BOTH, BOOK, "unsupported_topic", "no book:X here")
    assert stage.hub.refused(Want(BOOK, BOTH)) is not None
    refuse(stage, B, BOOK, "unknown_instrument")
    assert not told(client, TopicRefused)


async def test_a_refused_topic_whose_next_feed_is_down_says_so_and_waits_for_it(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.health(B, "down", "no route")
    told(client)
    refuse(stage, A, BOOK)
    (declared,) = told(client)
    assert (declared.source, declared.status, declared.topic) == (B, "down", BOOK)
    stage.health(B, "live")
    stage.cover(B, BOOK)
    stage.book(B, 20, 21)
    assert [event.source for event in told(client, BookSnapshot)] == [B]
    stage.uncover(B)
    stage.health(B, "down", "no route")
    stage.cover(A, BOOK)
    stage.book(A, 10, 11)
    assert [event.source for event in told(client, BookSnapshot)] == [A], "at once: there is nothing to lose by it"


async def test_a_detour_is_no_detour_any_more_once_its_feed_serves_all(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    refuse(stage, A, TRADE)
    stage.health(B, "live")
    stage.cover(B, TRADE)
    stage.trade(B, 1)
    told(client)
    stage.lose(A)
    stage.cover(B)
    stage.trade(B, 2)
    events = told(client)
    assert [event.trade_id for event in events if isinstance(event, Trade)] == ["2"]
    assert (TRADE,) not in [event.topics for event in events if isinstance(event, Gap)]
    assert stage.lineups.behind(BOTH) == (B,)
    assert stage.lineups.serving(BOTH, InstrumentId("X")) == B


async def test_questions_about_an_instrument_go_to_the_feed_that_has_it(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    for topic in TOPICS:
        refuse(stage, A, topic, "unknown_instrument")
    assert stage.lineups.serving(BOTH, InstrumentId("X")) == B
    assert stage.lineups.serving(BOTH) == A
    assert stage.lineups.needs(B)
    end(stage, client)
    await settle()
    again = stage.open()
    assert stage.lineups.serving(BOTH, InstrumentId("X")) == A, "what nobody wants any more is asked for afresh"
    assert again


async def test_what_is_derived_tells_the_feed_that_it_was_derived_from(autojump_clock):
    stage = Stage(lambda want: {QUOTE: (BOOK, TRADE)}.get(want.topic, (want.upstream,)))
    client = stage.hub.open([Want(QUOTE, BOTH)], None, Bound(10**9, len, lambda: None))
    stage.health(A, "live")
    stage.cover(A, BOOK, TRADE)
    stage.book(A, 10, 11)
    stage.trade(A, 1)
    quotes = told(client, Quote)
    assert [(quote.source, quote.derived) for quote in quotes] == [(A, True)] * 2
    stage.lose(A)
    stage.health(B, "live")
    stage.cover(B, BOOK, TRADE)
    stage.trade(B, 2)
    stage.book(B, 20, 21)
    quotes = told(client, Quote)
    assert [(quote.source, quote.bid) for quote in quotes] == [(B, None), (B, 20)]
    refuse(stage, B, TRADE)
    stage.health(A, "live")
    stage.cover(A, TRADE)
    stage.book(B, 30, 31)
    stage.trade(A, 3)
    assert told(client, Quote)[-1].source is None, "of two feeds it is the line-up's"


async def test_when_nobody_wants_anything_the_preferred_feed_is_next_again(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.lose(A)
    stage.live(B)
    assert stage.lineups.serving(BOTH) == B
    client.close()
    for want in stage.hub._interests.expire(trio.current_time()):
        assert want
    await settle()
    assert stage.lineups.serving(BOTH) == A
    assert not stage.wanted(A)
    assert not stage.wanted(B)


async def test_a_feed_that_is_needed_is_one_that_no_other_serves_for(stage, autojump_clock):
    stage.open()
    await settle()
    assert stage.lineups.needs(A)
    stage.lose(A)
    assert not stage.lineups.needs(A)
    assert stage.lineups.needs(B)
    stage.hub.open([Want(Topic.parse("trade:Y"), A)], None, Bound(10**9, len, lambda: None))
    assert stage.lineups.needs(A)


async def test_a_feed_waits_until_what_is_wanted_of_it_changes(stage, autojump_clock):
    tap = stage.lineups.tap(B)
    assert not tap.wanted()
    stage.open()
    stage.live(A)
    changes = []

    async def follow():
        await tap.changed()
        changes.append(tap.wanted())

    with trio.move_on_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await trio.sleep(5)
            assert changes == []
            stage.lose(A)
            await trio.sleep(5)
    assert changes == [set(TOPICS)]


async def test_a_topic_that_one_feed_has_stays_with_it(stage, autojump_clock):
    assert stage.lineups.place(Topic.parse("trade:Z"), (A,)) == A
    assert stage.lineups.serving(A) == A
    assert stage.lineups.tap(FeedName("c")) is None


def own(stage, feed, *topics):
    """Follow topics of one feed itself, as what is derived of its data does."""
    return stage.hub.open([Want(topic, feed) for topic in topics], None, Bound(10**9, len, lambda: None))


def end(stage, subscription):
    subscription.close()
    stage.hub._interests.expire(trio.current_time())


@pytest.mark.parametrize("serving", [True, False])
async def test_a_topic_wanted_of_a_feed_itself_begins_with_the_state_that_the_line_up_had_of_it(
    stage, autojump_clock, serving
):
    client = stage.open()
    stage.live(A)
    stage.book(A, 10, 11)
    stage.change(A, bid=9)
    if not serving:
        stage.health(A, "stale")
        stage.live(B)
    told(client)
    follower = own(stage, A, BOOK, TRADE)
    await settle()
    (book,) = told(follower, BookSnapshot)
    assert (book.feed, book.source, book.bids) == (A, None, side(10) + side(9))
    stage.change(A, ask=12)
    stage.trade(A, 1)
    assert [(type(event), event.feed) for event in told(follower)] == [(BookDelta, A), (Trade, A)]
    assert [(type(event), event.source) for event in told(client)] == ([(BookDelta, A), (Trade, A)] if serving else [])
    stage.uncover(A)
    stage.cover(A)
    stage.book(A, 10, 11)
    assert names(told(follower)) == ["Gap", "Gap", "BookSnapshot"]


async def test_what_is_no_longer_wanted_of_a_feed_itself_is_not_vouched_for_and_the_line_up_goes_on(
    stage, autojump_clock
):
    client = stage.open()
    stage.live(A)
    follower = own(stage, A, BOOK)
    await settle()
    stage.book(A, 10, 11)
    end(stage, follower)
    await settle()
    stage.change(A, bid=9)
    assert stage.hub.state(Want(BOOK, A)) is None
    assert names(told(client))[-2:] == ["BookSnapshot", "BookDelta"]
    (book,) = told(own(stage, A, BOOK), BookSnapshot) or [None]
    assert book is None
    await settle()
    assert stage.hub.state(Want(BOOK, A)).event.bids == side(10) + side(9)


async def test_a_topic_that_was_one_feeds_alone_goes_on_when_it_is_lined_up(stage, autojump_clock):
    topic = Topic.parse("book:Y")
    follower = own(stage, A, topic)
    stage.health(A, "live")
    stage.cover(A, topic)
    fact_of_y = {"instrument": InstrumentId("Y"), "feed": A, "ts_recv": UnixNanos(1)}
    stage.lineups.publish(BookSnapshot(**fact_of_y, bids=side(10), asks=()))
    client = own(stage, stage.lineups.place(topic, (A, B)), topic)
    stage.lineups.publish(BookDelta(**fact_of_y, bids=side(9), asks=()))
    for subscription, feed, source in ((follower, A, None), (client, BOTH, A)):
        snapshot, delta = told(subscription, BookSnapshot | BookDelta)
        assert (snapshot.feed, snapshot.source, delta.bids) == (feed, source, side(9))
        assert delta.prev_sequence == snapshot.sequence
    stage.uncover(A, topic)
    assert stage.hub.state(Want(topic, A)) is None
    assert stage.hub.state(Want(topic, BOTH)) is None


async def test_behind_a_line_up_is_the_feed_that_serves_and_behind_a_feed_is_itself(stage, autojump_clock):
    client = stage.open()
    assert stage.lineups.behind(BOTH) == (A,)
    assert stage.lineups.behind(A) == (A,)
    stage.lose(A)
    assert stage.lineups.behind(BOTH) == (B,)
    way = FeedStatus(feed=B, status=FeedHealth.LIVE, ts_recv=UnixNanos(1), via=("them",))
    stage.lineups.publish(way)
    assert told(client, FeedStatus)[-1].via == ("them",)


def say_of_x(stage, feed, health, **more):
    said = FeedStatus(feed=feed, instrument=InstrumentId("X"), status=FeedHealth(health), ts_recv=UnixNanos(1), **more)
    stage.lineups.publish(said)


async def test_what_a_feed_is_stale_for_alone_goes_to_the_next_and_comes_back(stage, autojump_clock):
    other = Topic.parse("trade:Y")
    stage.wants += [Want(other, stage.lineups.place(other, (A, B)))]
    client = stage.open()
    stage.live(A)
    stage.cover(A, other)
    told(client)
    stage.uncover(A, TRADE)
    say_of_x(stage, A, "stale", reason="deaf")
    assert stage.lineups.serving(BOTH) == A
    assert stage.wanted(B) == set(TOPICS)
    assert stage.wanted(A) == {*TOPICS, other}, "it is asked for them still, so that it can be gone back to"
    declared = told(client, FeedStatus)
    assert {event.topic for event in declared} == set(TOPICS)
    assert {(event.feed, event.source, event.instrument) for event in declared} == {(BOTH, B, "X")}
    assert {event.reason for event in declared} == {"in place of a, which is stale for X: deaf"}
    stage.live(B)
    stage.trade(B, 1)
    stage.trade(A, 2)
    (trade,) = told(client, Trade)
    assert (trade.source, trade.trade_id) == (B, "1")
    say_of_x(stage, A, "live")
    stage.cover(A, TRADE)
    await trio.sleep(SETTLE - 1)
    assert stage.wanted(B) == set(TOPICS)
    await trio.sleep(2)
    assert stage.wanted(B) == set()
    stage.trade(A, 3)
    (trade,) = told(client, Trade)
    assert (trade.source, trade.trade_id) == (A, "3")


async def test_a_feed_that_is_stale_for_something_nobody_wants_goes_on_serving(stage, autojump_clock):
    stage.live(A)
    client = stage.open()
    stage.live(B)
    told(client)
    stage.lineups.publish(
        FeedStatus(feed=A, instrument=InstrumentId("Y"), status=FeedHealth.STALE, ts_recv=UnixNanos(1))
    )
    assert stage.wanted(B) == set()
    assert told(client, FeedStatus) == []


async def test_a_stale_instrument_is_told_in_the_line_ups_name_where_no_other_feed_can_serve(stage, autojump_clock):
    stage.live(A)
    client = stage.open()
    stage.lose(B)
    told(client)
    say_of_x(stage, A, "stale", reason="deaf")
    said = told(client, FeedStatus)
    assert {event.topic for event in said} == set(TOPICS)
    assert {(event.feed, event.source, event.status, event.reason) for event in said} == {(BOTH, A, "stale", "deaf")}
    say_of_x(stage, A, "live")
    said = told(client, FeedStatus)
    assert {(event.topic, event.status) for event in said} == {(topic, "live") for topic in TOPICS}


async def test_a_feed_that_comes_back_stale_for_something_gets_only_the_rest_back(stage, autojump_clock):
    client = stage.open()
    stage.live(A)
    stage.lose(A)
    stage.live(B)
    stage.health(A, "live")
    stage.cover(A, BOOK, QUOTE, BAR)
    status = FeedStatus(
        feed=A, instrument=InstrumentId("X"), topic=TRADE, status=FeedHealth.STALE, ts_recv=UnixNanos(1)
    )
    stage.lineups.publish(status)
    await trio.sleep(SETTLE + 1)
    assert stage.lineups.serving(BOTH) == A
    assert stage.wanted(B) == {TRADE}
    told(client)
    stage.trade(B, 1)
    assert [trade.source for trade in told(client, Trade)] == [B]


async def test_what_a_preferred_feed_lacks_on_the_transport_it_has_fallen_to_stays_where_it_is(stage, autojump_clock):
    stage.live(A)
    client = stage.open()
    stage.lose(A)
    stage.live(B)
    stage.health(A, "live")
    stage.cover(A, BOOK, QUOTE, BAR)
    refusal = TopicRefused(
        feed=A, topic=TRADE, code="upstream_unavailable", message="not over polling", ts_recv=UnixNanos(1)
    )
    stage.lineups.publish(refusal)
    await trio.sleep(SETTLE + 100)
    assert stage.lineups.serving(BOTH) == A
    assert stage.wanted(B) == {TRADE}
    assert told(client, TopicRefused) == [], "another feed has it"
    stage.cover(A, TRADE)
    await trio.sleep(SETTLE + 1)
    assert stage.wanted(B) == set()
