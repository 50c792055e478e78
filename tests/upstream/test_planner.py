"""The planner places topics on lines within the vendor's limits, with the smallest change."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.dialects.contract import Lane, Transport
from bridge.model import InstrumentId, Topic, TopicKind
from bridge.upstream.planner import (
    Add,
    Change,
    Close,
    Line,
    Open,
    Overflow,
    PlanLimits,
    Remove,
    Replace,
    plan,
    spare_line,
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


def limits(lines: int | None = 4, subscriptions: int | None = 50, *, changeable: bool = False) -> PlanLimits:
    return PlanLimits(changeable=changeable, lines=lines, subscriptions=subscriptions)


def carry_out(lines: Sequence[Line], changes: Sequence[Change]) -> tuple[list[Line], frozenset[Topic]]:
    """Apply changes literally, in their order; the reference the planner is held to."""
    table = {line.number: line for line in lines}
    overflow: frozenset[Topic] = frozenset()
    for change in changes:
        match change:
            case Close(number):
                del table[number]
            case Replace(number, topics):
                table[number] = Line(number=number, lane=table[number].lane, topics=topics)
            case Add(number, topics):
                assert not topics & table[number].topics
                table[number] = Line(number=number, lane=table[number].lane, topics=table[number].topics | topics)
            case Remove(number, topics):
                assert topics <= table[number].topics
                table[number] = Line(number=number, lane=table[number].lane, topics=table[number].topics - topics)
            case Open(lane, topics):
                number = max(table, default=0) + 100
                table[number] = Line(number=number, lane=lane, topics=topics)
            case Overflow(topics):
                overflow = topics
    return list(table.values()), overflow


def test_the_first_topics_open_one_line():
    wanted = {quote("A"): SSE, trade("A"): SSE}
    assert plan([], wanted, limits(), each) == [Open(SSE, frozenset(wanted))]


def test_what_stands_as_wanted_is_not_touched():
    line = Line(number=1, lane=SSE, topics=frozenset({quote("A")}))
    assert plan([line], {quote("A"): SSE}, limits(), each) == []


def test_a_new_topic_goes_onto_the_line_with_the_most_room_and_leaves_the_others_alone():
    full = Line(number=1, lane=SSE, topics=frozenset(quote(n) for n in range(50)))
    half = Line(number=2, lane=SSE, topics=frozenset(quote(n) for n in range(50, 75)))
    wanted = {topic: SSE for line in (full, half) for topic in line.topics} | {quote("new"): SSE}
    assert plan([full, half], wanted, limits(), each) == [Replace(2, half.topics | {quote("new")})]


def test_a_line_that_changes_anyway_is_filled_first():
    first = Line(number=1, lane=SSE, topics=frozenset(quote(n) for n in range(30)))
    second = Line(number=2, lane=SSE, topics=frozenset(quote(n) for n in range(30, 40)))
    wanted = {topic: SSE for line in (first, second) for topic in line.topics} | {quote("new"): SSE}
    del wanted[quote(0)]
    changes = plan([first, second], wanted, limits(), each)
    assert changes == [Replace(1, first.topics - {quote(0)} | {quote("new")})]


def test_a_changeable_line_is_told_what_to_drop_and_what_to_add():
    line = Line(number=7, lane=WEBSOCKET, topics=frozenset({quote("A"), quote("B")}))
    changes = plan([line], {quote("B"): WEBSOCKET, quote("C"): WEBSOCKET}, limits(5, changeable=True), each)
    assert changes == [Remove(7, frozenset({quote("A")})), Add(7, frozenset({quote("C")}))]


def test_a_line_of_which_nothing_is_wanted_is_closed_before_another_lane_takes_its_place():
    line = Line(number=1, lane=SSE, topics=frozenset({quote("A")}))
    changes = plan([line], {quote("B"): PRICES}, limits(1), each)
    assert changes == [Close(1), Open(PRICES, frozenset({quote("B")}))]


def test_lanes_never_share_a_line_but_share_the_limit_of_lines():
    wanted = {quote("A"): SSE, quote("B"): PRICES, quote("C"): Lane(Transport.SSE, "price", "15")}
    lines, overflow = carry_out([], plan([], wanted, limits(2), each))
    assert sorted(len(line.topics) for line in lines) == [1, 1]
    assert len(overflow) == 1


def test_liquidity_carries_200_on_sse_and_250_on_websocket():
    sse = {quote(n): SSE for n in range(260)}
    lines, overflow = carry_out([], plan([], sse, limits(spare_line(5, changeable=False)), each))
    assert (len(lines), sum(len(line.topics) for line in lines), len(overflow)) == (4, 200, 60)
    websocket = {quote(n): WEBSOCKET for n in range(260)}
    bounds = limits(spare_line(5, changeable=True), changeable=True)
    lines, overflow = carry_out([], plan([], websocket, bounds, each))
    assert (len(lines), sum(len(line.topics) for line in lines), len(overflow)) == (5, 250, 10)


def test_the_topics_of_one_instrument_stay_together_where_the_vendor_counts_them_as_one():
    wanted = {make(n): SSE for n in range(200) for make in (quote, trade)}
    lines, overflow = carry_out([], plan([], wanted, limits(), by_instrument))
    assert not overflow
    assert all(by_instrument(list(line.topics)) == 50 and len(line.topics) == 100 for line in lines)


def test_half_empty_lines_are_joined_only_to_make_room_for_another_lane():
    first = Line(number=1, lane=SSE, topics=frozenset({quote("A")}))
    second = Line(number=2, lane=SSE, topics=frozenset({quote("B")}))
    wanted = {quote("A"): SSE, quote("B"): SSE}
    assert plan([first, second], wanted, limits(2), each) == []
    lines, overflow = carry_out([first, second], plan([first, second], wanted | {quote("C"): PRICES}, limits(2), each))
    assert not overflow
    assert {line.lane: line.topics for line in lines} == {
        SSE: frozenset({quote("A"), quote("B")}),
        PRICES: frozenset({quote("C")}),
    }


def test_a_vendor_of_one_connection_leaves_none_spare_and_one_without_a_limit_needs_none():
    assert spare_line(1, changeable=False) == 1
    assert spare_line(None, changeable=False) is None
    assert spare_line(0, changeable=True) is None


topics = st.builds(
    lambda kind, n: Topic(kind, InstrumentId(f"I{n}")),
    st.sampled_from([TopicKind.QUOTE, TopicKind.TRADE, TopicKind.BOOK]),
    st.integers(0, 12),
)
lanes = st.sampled_from([SSE, PRICES])


@settings(max_examples=300, deadline=None)
@given(
    wishes=st.lists(st.dictionaries(topics, lanes, max_size=30), min_size=1, max_size=6),
    lines=st.integers(1, 4),
    subscriptions=st.integers(1, 8),
    count=st.sampled_from([each, by_instrument]),
    changeable=st.booleans(),
)
def test_through_any_wishes_the_plan_is_lawful_complete_and_settled(wishes, lines, subscriptions, count, changeable):
    bounds = limits(lines, subscriptions, changeable=changeable)
    table: list[Line] = []
    for wanted in wishes:
        before = {(topic, line.lane) for line in table for topic in line.topics}
        changes = plan(table, wanted, bounds, count)
        for at in range(len(changes) + 1):
            assert len(carry_out(table, changes[:at])[0]) <= lines
        table, overflow = carry_out(table, changes)
        placed = [topic for line in table for topic in line.topics]
        assert sorted([*placed, *overflow], key=str) == sorted(wanted, key=str)
        assert all(line.topics and count(list(line.topics)) <= subscriptions for line in table)
        assert all(wanted[topic] == line.lane for line in table for topic in line.topics)
        if count is each:
            needed = sum(-(-list(wanted.values()).count(lane) // subscriptions) for lane in (SSE, PRICES))
            assert not overflow or needed > lines
        for topic in overflow:
            assert all(count([*line.topics, topic]) > subscriptions for line in table if line.lane == wanted[topic])
            assert len(table) == lines
            assert (topic, wanted[topic]) not in before
        again = plan(table, wanted, bounds, count)
        assert carry_out(table, again)[0] == table
        assert again in ([], [Overflow(overflow)])
