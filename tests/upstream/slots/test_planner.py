"""The planner places topics on slots within the vendor's limits, with the smallest change."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.dialects.contract import Lane, Transport
from bridge.model import InstrumentId, Topic, TopicKind
from bridge.upstream.slots.planner import (
    Add,
    Change,
    Close,
    Open,
    Overflow,
    PlanLimits,
    Remove,
    Replace,
    Slot,
    plan,
    planned_slots,
)

SSE = Lane(Transport.SSE)
PRICES = Lane(Transport.SSE, "price", "5")
WEBSOCKET = Lane(Transport.WEBSOCKET)


def quote(name: object) -> Topic:
    return Topic(TopicKind.QUOTE, InstrumentId(str(name)))


def trade(name: object) -> Topic:
    return Topic(TopicKind.TRADE, InstrumentId(str(name)))


def each(topics: Sequence[Topic]) -> int:
    return len(topics)


def by_instrument(topics: Sequence[Topic]) -> int:
    return len({topic.instrument for topic in topics})


def limits(slots: int | None = 4, subscriptions: int | None = 50, *, changeable: bool = False) -> PlanLimits:
    return PlanLimits(changeable=changeable, slots=slots, subscriptions=subscriptions)


def carry_out(slots: Sequence[Slot], changes: Sequence[Change]) -> tuple[list[Slot], frozenset[Topic]]:
    """Apply changes literally, in their order; the reference the planner is held to."""
    table = {slot.number: slot for slot in slots}
    overflow: frozenset[Topic] = frozenset()
    for change in changes:
        match change:
            case Close(number):
                del table[number]
            case Replace(number, topics):
                table[number] = Slot(number=number, lane=table[number].lane, topics=topics)
            case Add(number, topics):
                assert not topics & table[number].topics
                table[number] = Slot(number=number, lane=table[number].lane, topics=table[number].topics | topics)
            case Remove(number, topics):
                assert topics <= table[number].topics
                table[number] = Slot(number=number, lane=table[number].lane, topics=table[number].topics - topics)
            case Open(lane, topics):
                number = max(table, default=0) + 100
                table[number] = Slot(number=number, lane=lane, topics=topics)
            case Overflow(topics):
                overflow = topics
    return list(table.values()), overflow


def test_the_first_topics_open_one_slot():
    wanted = {quote("A"): SSE, trade("A"): SSE}
    assert plan([], wanted, limits(), each) == [Open(SSE, frozenset(wanted))]


def test_what_stands_as_wanted_is_not_touched():
    slot = Slot(number=1, lane=SSE, topics=frozenset({quote("A")}))
    assert plan([slot], {quote("A"): SSE}, limits(), each) == []


def test_a_new_topic_goes_onto_the_slot_with_the_most_room_and_leaves_the_others_alone():
    full = Slot(number=1, lane=SSE, topics=frozenset(quote(n) for n in range(50)))
    half = Slot(number=2, lane=SSE, topics=frozenset(quote(n) for n in range(50, 75)))
    wanted = {topic: SSE for slot in (full, half) for topic in slot.topics} | {quote("new"): SSE}
    assert plan([full, half], wanted, limits(), each) == [Replace(2, half.topics | {quote("new")})]


def test_a_slot_that_changes_anyway_is_filled_first():
    first = Slot(number=1, lane=SSE, topics=frozenset(quote(n) for n in range(30)))
    second = Slot(number=2, lane=SSE, topics=frozenset(quote(n) for n in range(30, 40)))
    wanted = {topic: SSE for slot in (first, second) for topic in slot.topics} | {quote("new"): SSE}
    del wanted[quote(0)]
    changes = plan([first, second], wanted, limits(), each)
    assert changes == [Replace(1, first.topics - {quote(0)} | {quote("new")})]


def test_a_changeable_slot_is_told_what_to_drop_and_what_to_add():
    slot = Slot(number=7, lane=WEBSOCKET, topics=frozenset({quote("A"), quote("B")}))
    changes = plan([slot], {quote("B"): WEBSOCKET, quote("C"): WEBSOCKET}, limits(5, changeable=True), each)
    assert changes == [Remove(7, frozenset({quote("A")})), Add(7, frozenset({quote("C")}))]


def test_a_slot_of_which_nothing_is_wanted_is_closed_before_another_lane_takes_its_place():
    slot = Slot(number=1, lane=SSE, topics=frozenset({quote("A")}))
    changes = plan([slot], {quote("B"): PRICES}, limits(1), each)
    assert changes == [Close(1), Open(PRICES, frozenset({quote("B")}))]


def test_lanes_never_share_a_slot_but_share_the_limit_of_slots():
    wanted = {quote("A"): SSE, quote("B"): PRICES, quote("C"): Lane(Transport.SSE, "price", "15")}
    slots, overflow = carry_out([], plan([], wanted, limits(2), each))
    assert sorted(len(slot.topics) for slot in slots) == [1, 1]
    assert len(overflow) == 1


def test_liquidity_carries_200_on_sse_and_250_on_websocket():
    sse = {quote(n): SSE for n in range(260)}
    slots, overflow = carry_out([], plan([], sse, limits(planned_slots(5, changeable=False)), each))
    assert (len(slots), sum(len(slot.topics) for slot in slots), len(overflow)) == (4, 200, 60)
    websocket = {quote(n): WEBSOCKET for n in range(260)}
    bounds = limits(planned_slots(5, changeable=True), changeable=True)
    slots, overflow = carry_out([], plan([], websocket, bounds, each))
    assert (len(slots), sum(len(slot.topics) for slot in slots), len(overflow)) == (5, 250, 10)


def test_the_topics_of_one_instrument_stay_together_where_the_vendor_counts_them_as_one():
    wanted = {make(n): SSE for n in range(200) for make in (quote, trade)}
    slots, overflow = carry_out([], plan([], wanted, limits(), by_instrument))
    assert not overflow
    assert all(by_instrument(list(slot.topics)) == 50 and len(slot.topics) == 100 for slot in slots)


def test_half_empty_slots_are_joined_only_to_make_room_for_another_lane():
    first = Slot(number=1, lane=SSE, topics=frozenset({quote("A")}))
    second = Slot(number=2, lane=SSE, topics=frozenset({quote("B")}))
    wanted = {quote("A"): SSE, quote("B"): SSE}
    assert plan([first, second], wanted, limits(2), each) == []
    slots, overflow = carry_out([first, second], plan([first, second], wanted | {quote("C"): PRICES}, limits(2), each))
    assert not overflow
    assert {slot.lane: slot.topics for slot in slots} == {
        SSE: frozenset({quote("A"), quote("B")}),
        PRICES: frozenset({quote("C")}),
    }


def test_a_vendor_of_one_connection_leaves_none_spare_and_one_without_a_limit_needs_none():
    assert planned_slots(1, changeable=False) == 1
    assert planned_slots(None, changeable=False) is None
    assert planned_slots(0, changeable=True) is None


topics = st.builds(
    lambda kind, n: Topic(kind, InstrumentId(f"I{n}")),
    st.sampled_from([TopicKind.QUOTE, TopicKind.TRADE, TopicKind.BOOK]),
    st.integers(0, 12),
)
lanes = st.sampled_from([SSE, PRICES])


@settings(max_examples=300, deadline=None)
@given(
    wishes=st.lists(st.dictionaries(topics, lanes, max_size=30), min_size=1, max_size=6),
    slots=st.integers(1, 4),
    subscriptions=st.integers(1, 8),
    count=st.sampled_from([each, by_instrument]),
    changeable=st.booleans(),
)
def test_through_any_wishes_the_plan_is_lawful_complete_and_settled(wishes, slots, subscriptions, count, changeable):
    bounds = limits(slots, subscriptions, changeable=changeable)
    table: list[Slot] = []
    for wanted in wishes:
        before = {(topic, slot.lane) for slot in table for topic in slot.topics}
        changes = plan(table, wanted, bounds, count)
        for at in range(len(changes) + 1):
            assert len(carry_out(table, changes[:at])[0]) <= slots
        table, overflow = carry_out(table, changes)
        placed = [topic for slot in table for topic in slot.topics]
        assert sorted([*placed, *overflow], key=str) == sorted(wanted, key=str)
        assert all(slot.topics and count(list(slot.topics)) <= subscriptions for slot in table)
        assert all(wanted[topic] == slot.lane for slot in table for topic in slot.topics)
        if count is each:
            needed = sum(-(-list(wanted.values()).count(lane) // subscriptions) for lane in (SSE, PRICES))
            assert not overflow or needed > slots
        for topic in overflow:
            assert all(count([*slot.topics, topic]) > subscriptions for slot in table if slot.lane == wanted[topic])
            assert len(table) == slots
            assert (topic, wanted[topic]) not in before
        again = plan(table, wanted, bounds, count)
        assert carry_out(table, again)[0] == table
        assert again in ([], [Overflow(overflow)])
