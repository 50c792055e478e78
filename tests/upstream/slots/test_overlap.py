"""While two connections overlap, every event is published once: nothing lost, nothing doubled without a mark."""

from collections import Counter
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import (
    AccountId,
    Bar,
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    FeedName,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Side,
    Topic,
    TopicKind,
    Trade,
    UnixNanos,
)
from bridge.upstream.slots.overlap import AFTERMATH_SECONDS, HELD_EVENTS, SETTLE_SECONDS, Overlap
from bridge.upstream.slots.tally import SKEW_SECONDS

BASE = {"instrument": InstrumentId("BTC-USD"), "feed": FeedName("vendor")}


def at(seconds: float) -> UnixNanos:
    return UnixNanos(round(seconds * 1e9))


def trade(price: int, number: int | None = None, received: float = 0) -> Trade:
    trade_id = None if number is None else f"trd_{number}"
    return Trade(price=Decimal(price), size=Decimal(1), trade_id=trade_id, ts_recv=at(received), **BASE)


def patch(received: float = 0, *, full: bool = False, ts_event: int | None = None, **fields) -> QuotePatch:
    values = {name: Decimal(value) for name, value in fields.items()}
    return QuotePatch(full=full, ts_recv=at(received), ts_event=ts_event, **values, **BASE)


def levels(**sizes: int):
    return tuple(BookLevel(Decimal(price[1:]), Decimal(size)) for price, size in sizes.items())


def overlap() -> Overlap:
    return Overlap(Topic(kind, BASE["instrument"]) for kind in TopicKind)


class Stream:
    """A vendor's trades as two connections deliver them, and what becomes of them.

    Each connection delivers in order, up to a skew late. The old one lives until the switch, or until it is lost.
    """

    def __init__(self, steps, latencies, lost_after):
        sent, self.sent = 0.0, []
        for gap, price in steps:
            sent += gap
            self.sent.append((sent, price))
        self.old_late, self.new_late = latencies
        self.begun, self.active = 1.0, 1.2
        self.confirmed = self.active + self.new_late
        self.old_end = self.switch = self.confirmed + SETTLE_SECONDS
        if lost_after is not None:
            self.old_end = min(self.switch, self.begun + lost_after)
            self.switch = max(self.confirmed, self.old_end)

    def play(self, *, ids: bool):
        """Return the published trades and the numbers that either connection delivered."""
        arrivals = []
        for number, (sent, price) in enumerate(self.sent):
            event = trade(price, number if ids else None)
            if sent + self.old_late < self.old_end:
                arrivals.append((sent + self.old_late, 0, number, event))
            if sent >= self.active:
                arrivals.append((sent + self.new_late, 1, number, event))
        marks = [(self.confirmed, 2, 0, None), (self.switch, 4, 0, None)]
        if self.old_end < self.switch:
            marks.append((self.old_end, 3, 0, None))
        player = Player(overlap(), self.begun, self.switch)
        for moment, what, _, event in sorted([*arrivals, *marks], key=lambda row: row[:3]):
            player.steps[what](moment, event)
        return player.published, {number for _, what, number, _ in arrivals}


class Player:
    """Hands an overlap what a session's shell would."""

    def __init__(self, stage: Overlap, begun: float, switch: float) -> None:
        self.stage = stage
        self.published = []
        self.begun = begun
        self.switched_at = switch
        self.switched = False
        self.steps = (self.old, self.new, self.confirm, self.end, self.switch)

    def old(self, moment, event):
        self.published.append(event)
        if moment >= self.begun:
            self.stage.old(event, moment)

    def new(self, moment, event):
        if not self.switched:
            self.stage.hold(event, moment)
        elif moment > self.switched_at + AFTERMATH_SECONDS:
            self.published.append(event)
        else:
            self.published.extend(self.stage.late(event, moment))

    def confirm(self, moment, _):
        self.stage.confirmed(moment)

    def end(self, moment, _):
        self.stage.ended(moment)

    def switch(self, moment, _):
        self.switched = True
        self.published.extend(self.stage.switch(moment))


streams = st.builds(
    Stream,
    steps=st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.1, 0.3]), st.integers(1, 3)), max_size=60),
    latencies=st.tuples(st.floats(0, SKEW_SECONDS), st.floats(0, SKEW_SECONDS)),
    lost_after=st.none() | st.floats(0, 2),
)


@settings(max_examples=500, deadline=None)
@given(stream=streams)
def test_trades_with_ids_are_published_exactly_once(stream):
    published, delivered = stream.play(ids=True)
    assert sorted(event.trade_id for event in published) == sorted(f"trd_{number}" for number in delivered)
    assert not any(event.possible_duplicate for event in published)


@settings(max_examples=500, deadline=None)
@given(stream=streams)
def test_equal_trades_without_ids_are_never_lost_and_doubled_only_with_a_mark(stream):
    published, delivered = stream.play(ids=False)
    truth = Counter(stream.sent[number][1] for number in delivered)
    everything = Counter(int(event.price) for event in published)
    unmarked = Counter(int(event.price) for event in published if not event.possible_duplicate)
    assert all(unmarked[price] <= truth[price] <= everything[price] for price in (1, 2, 3))


def test_equal_trades_close_together_are_told_apart_exactly_in_an_ordinary_hand_over():
    steps = [(0.1, number // 3) for number in range(60)]
    published, delivered = Stream(steps, (0.02, 0.03), None).play(ids=False)
    assert Counter(int(event.price) for event in published) == Counter(n // 3 for n in delivered)
    assert not any(event.possible_duplicate for event in published)


def test_a_trade_that_only_the_new_connection_saw_is_published_although_an_equal_one_was():
    stage = overlap()
    stage.old(trade(5), 0.0)
    stage.confirmed(0.5)
    stage.hold(trade(5), 1.49)
    (late,) = stage.switch(1.5)
    assert late.possible_duplicate


def test_orders_are_published_once_by_their_content():
    def order(status: str) -> OrderUpdate:
        return OrderUpdate(
            account=AccountId("vendor/a"),
            order_id="ord_1",
            side=Side.BUY,
            order_type="limit",
            quantity=Decimal(10),
            filled_quantity=Decimal(5),
            status=status,
            ts_recv=at(1),
            **BASE,
        )

    stage = overlap()
    stage.old(order("pending"), 0.1)
    stage.old(order("partially_filled"), 0.2)
    stage.hold(msgspec.structs.replace(order("partially_filled"), ts_recv=at(2)), 0.2)
    stage.hold(order("executed"), 1.2)
    assert [event.status for event in stage.switch(1.3)] == ["executed"]
    assert stage.late(order("executed"), 1.4) == [order("executed")]
    assert stage.removed == 1


def bar(close: int, interval: str = "5m", **more) -> Bar:
    price = Decimal(close)
    return Bar(interval=interval, open=price, high=price, low=price, close=price, ts_recv=at(0), **BASE, **more)


@pytest.mark.parametrize("is_final", [True, False])
def test_bars_are_taken_out_count_for_count(is_final):
    stage = overlap()
    stage.confirmed(0.0)
    for close in (1, 2):
        stage.old(bar(close, is_final=is_final), 0.5)
        stage.hold(bar(close, is_final=is_final), 0.5)
    stage.hold(bar(1, is_final=is_final), 1.0)
    assert stage.switch(1.5) == [bar(1, is_final=is_final)]


def test_an_open_bar_never_goes_back_to_how_it_stood_when_the_new_connection_began():
    stage = overlap()
    stage.hold(bar(1), 0.1)
    stage.hold(bar(7, "1h"), 0.1)
    stage.confirmed(0.1)
    for close in (2, 3):
        stage.old(bar(close), 0.5)
        stage.hold(bar(close), 0.5)
    assert stage.switch(1.0) == [bar(7, "1h")]
    assert stage.late(bar(4), 1.1) == [bar(4)]
    assert stage.finish() == [bar(7, "1h"), bar(4)]


def test_of_quotes_only_what_is_behind_the_old_connections_last_word_is_published():
    stage = overlap()
    stage.old(patch(last=11, ts_event=2), 0.5)
    stage.hold(patch(full=True, bid=9, last=10, ts_event=1), 0.3)
    stage.hold(patch(last=11, ts_event=2), 0.5)
    stage.hold(patch(last=12, ts_event=3), 0.6)
    assert stage.switch(1.0) == [patch(last=12, ts_event=3)]
    assert stage.late(patch(last=13, ts_event=4), 1.1) == [patch(last=13, ts_event=4)]
    assert stage.finish() == [patch(full=True, bid=9, last=13, ts_event=4)]


def test_a_first_state_older_than_what_the_old_connection_said_is_not_flashed_up():
    stage = overlap()
    stage.hold(patch(full=True, last=10), 0.1)
    stage.old(patch(last=11), 0.5)
    assert stage.switch(1.0) == []
    assert stage.late(patch(last=11), 1.1) == []
    assert stage.finish() == [patch(full=True, last=11)]


def test_a_quote_of_which_the_old_connection_said_nothing_is_published():
    stage = overlap()
    stage.hold(patch(full=True, last=10), 0.1)
    assert stage.switch(1.0) == [patch(full=True, last=10)]


def test_a_gone_field_stays_gone_and_an_unset_one_says_nothing():
    stage = overlap()
    stage.hold(patch(full=True, bid=9, ask=11), 0.1)
    stage.hold(QuotePatch(bid=None, ts_recv=at(0), **BASE), 0.2)
    stage.switch(1.0)
    (whole,) = stage.finish()
    assert (whole.full, whole.bid, whole.ask) == (True, None, Decimal(11))


def test_a_book_is_replaced_by_what_the_new_connection_made_of_it():
    stage = overlap()
    stage.old(BookDelta(bids=levels(p10=5), asks=(), ts_recv=at(0), **BASE), 0.1)
    stage.hold(BookSnapshot(bids=levels(p10=1, p9=2), asks=levels(p11=3), ts_recv=at(0), **BASE), 0.2)
    stage.hold(BookDelta(bids=levels(p10=0, p8=4), asks=levels(p12=6), ts_recv=at(1), ts_event=at(1), **BASE), 0.3)
    assert stage.switch(1.0) == [
        BookReplacement(bids=levels(p9=2, p8=4), asks=levels(p11=3, p12=6), ts_recv=at(1), ts_event=at(1), **BASE)
    ]
    delta = BookDelta(bids=levels(p9=0), asks=(), ts_recv=at(2), **BASE)
    assert stage.late(delta, 1.1) == [delta]


def test_changes_to_a_book_that_never_came_whole_are_folded_into_one():
    stage = overlap()
    stage.hold(BookDelta(bids=levels(p10=1), asks=(), ts_recv=at(0), **BASE), 0.2)
    stage.hold(BookDelta(bids=levels(p10=0), asks=levels(p11=1), ts_recv=at(0), **BASE), 0.3)
    assert stage.switch(1.0) == [BookDelta(bids=levels(p10=0), asks=levels(p11=1), ts_recv=at(0), **BASE)]


def test_what_can_be_held_is_bounded():
    stage = overlap()
    for number in range(HELD_EVENTS):
        assert not stage.full
        stage.hold(trade(1, number), 0.0)
    assert stage.full


def test_what_came_longer_ago_than_the_new_connection_may_lag_is_no_copy():
    both = Overlap([Topic(TopicKind.TRADE, BASE["instrument"])], spelled_alike=False, lag_seconds=1.0)
    both.old(trade(7), 10.0)
    both.confirmed(11.0)
    both.hold(trade(7, received=11.5), 11.5)
    (told,) = both.switch(12.5)
    assert not told.possible_duplicate
    both.old(trade(8), 12.4)
    assert both.late(trade(8, received=13.0), 13.0) == []
