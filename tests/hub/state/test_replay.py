"""Those who come back together share one search of history, and each is handed exactly what it missed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Hub
from bridge.hub.settings import HubSettings
from bridge.hub.state.history import History
from bridge.hub.state.replay import REMEMBERED_REPLAYS
from bridge.model import Topic, UnixNanos
from tests.hub.facts import BAR, ROOMY, TRADE, cover, names, order, order_update, trade, uncover, wants

ACCOUNT = order("f/a")


def make_hub() -> Hub:
    return Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())


@pytest.fixture
def looked_at(monkeypatch) -> list[int]:
    """How many publications each search of a history returned."""
    sizes: list[int] = []
    search = History.after

    def counted(self: History, offset: int):
        found = search(self, offset)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(History, "after", counted)
    return sizes


def offsets(subscription) -> list[int]:
    return [publication.offset for publication in subscription.take()]


async def test_two_thousand_who_come_back_search_history_once_while_it_goes_on(looked_at):
    hub = make_hub()
    cover(hub, TRADE)
    cursors = []
    for number in range(100):
        cursors.append(hub.cursor())
        hub.publish(trade(number))
    first = hub.open(wants(TRADE), cursors[0], ROOMY)
    assert offsets(first) == list(range(2, 102))
    for number in range(2_000):
        returning = hub.open(wants(TRADE), cursors[number % 100], ROOMY)
        assert offsets(returning) == list(range(2 + number % 100, hub.head + 1))
        returning.close()
        if number % 100 == 0:
            hub.publish(trade())
    assert sum(looked_at) == 100 + 20


@given(
    facts=st.lists(st.booleans(), min_size=1, max_size=30),
    returns=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3), st.integers(0, 2)), max_size=12),
)
async def test_each_gets_what_the_log_has_after_its_cursor_of_its_topics(facts, returns):
    hub = make_hub()
    cover(hub, TRADE, ACCOUNT)
    said: list[tuple[int, Topic]] = []

    def publish(is_trade: bool) -> None:
        hub.publish(trade() if is_trade else order_update("f/a", "1"))
        said.append((hub.head, TRADE if is_trade else ACCOUNT))

    for fact in facts:
        publish(fact)
    for back, which, more in returns:
        for _ in range(more):
            publish(back % 2 == 0)
        held = [topic for bit, topic in ((1, TRADE), (2, ACCOUNT)) if which & bit]
        place = max(1, hub.head - back)
        returning = hub.open(wants(*held), hub.cursor(place), ROOMY)
        assert offsets(returning) == [offset for offset, topic in said if offset > place and topic in held]


async def test_what_a_hole_of_one_topic_reaches_over_is_passed_over_and_the_other_topic_is_whole():
    hub = make_hub()
    cover(hub, TRADE, ACCOUNT)
    before = hub.cursor()
    hub.publish(order_update("f/a", "1"))
    uncover(hub, TRADE)
    hub.publish(trade(1))  # seen while coverage was not confirmed
    hub.publish(order_update("f/a", "2"))
    cover(hub, TRADE)
    hub.publish(trade(2))
    returning = hub.open(wants(TRADE, ACCOUNT), before, ROOMY)
    taken = returning.take()
    assert names(taken) == ["Gap", "OrderUpdate", "OrderUpdate", "Trade"]
    assert int(taken[-1].event.size) == 2


async def test_topics_given_up_before_their_past_was_taken_are_left_out_of_it():
    hub = make_hub()
    cover(hub, TRADE, ACCOUNT)
    before = hub.cursor()
    hub.publish(trade())
    hub.publish(order_update("f/a", "1"))
    returning = hub.open(wants(TRADE, ACCOUNT), before, ROOMY)
    returning.remove([TRADE])
    assert names(returning.take()) == ["OrderUpdate"]


async def test_the_replays_remembered_are_bounded():
    hub = make_hub()
    cover(hub, TRADE, BAR)
    before = hub.cursor()
    hub.publish(trade())
    for number in range(REMEMBERED_REPLAYS + 10):
        hub.open(wants(TRADE, Topic.parse(f"trade:Y{number}")), before, ROOMY).close()
    assert len(hub._replays) == REMEMBERED_REPLAYS
