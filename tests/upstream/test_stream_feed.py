"""A feed over open connections, against a vendor in memory and in virtual time."""

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio

from bridge.dialects.contract import (
    Credential,
    CredentialEnding,
    Frame,
    Health,
    Heartbeat,
    Missed,
    Ready,
    Refused,
    SubscriptionsLost,
    Transport,
    Unknown,
    VendorError,
)
from bridge.errors import TransportLost, VendorProtocolError, VendorRefused
from bridge.model import (
    Code,
    Covered,
    FeedHealth,
    FeedStatus,
    InstrumentId,
    Topic,
    TopicKind,
    TopicRefused,
    Trade,
    Uncovered,
)
from bridge.upstream.slots import link as link_module
from tests.support.connections import FEED, FakeInterest, FakeVendor, now, stream_feed

A, B, C = (Topic(TopicKind.TRADE, InstrumentId(name)) for name in "ABC")


def trade(topic: Topic, number: int) -> Trade:
    return Trade(
        instrument=topic.instrument,
        feed=FEED,
        ts_recv=now(),
        price=Decimal(number),
        size=Decimal(1),
        trade_id=f"{topic.instrument}{number}",
    )


class House:
    def __init__(self, vendor: FakeVendor, *wanted: Topic, keeper=None) -> None:
        self.vendor = vendor
        self.interest = FakeInterest(*wanted)
        self.said = []
        self.feed = stream_feed(vendor, self.interest, self.said.append, keeper)

    def of(self, kind):
        return [event for event in self.said if isinstance(event, kind)]

    def trades(self):
        return [event.trade_id for event in self.of(Trade)]

    def health(self):
        return [event.status for event in self.of(FeedStatus)]

    def covered(self):
        """What is covered, by reading the log from its beginning."""
        covered = set()
        for event in self.said:
            if isinstance(event, Covered):
                assert covered.isdisjoint(event.topics)
                covered.update(event.topics)
            elif isinstance(event, Uncovered):
                assert covered.issuperset(event.topics)
                covered.difference_update(event.topics)
        return covered


@asynccontextmanager
async def running(house):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.feed.run)
        yield house
        nursery.cancel_scope.cancel()
    assert house.vendor.connections == []


@pytest.fixture(params=[Transport.SSE, Transport.WEBSOCKET])
def vendor(request):
    return FakeVendor(request.param)


async def test_wanted_topics_are_subscribed_confirmed_and_published(vendor, autojump_clock):
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        assert vendor.subscribed() == {"trade:A": 1, "trade:B": 1}
        assert house.covered() == {A, B}
        vendor.say(trade(A, 1))
        vendor.say(trade(C, 2))
        await trio.sleep(0.1)
        assert house.trades() == ["A1"]
        assert house.health() == [FeedHealth.CONNECTING, FeedHealth.CONNECTING, FeedHealth.LIVE]


async def test_nothing_wanted_means_nothing_connected(vendor, autojump_clock):
    async with running(House(vendor)) as house:
        await trio.sleep(100)
        assert vendor.opened == 0
        house.interest.set(A)
        await trio.sleep(1)
        assert len(vendor.connections) == 1
        house.interest.set()
        await trio.sleep(1)
        assert vendor.connections == []
        assert house.covered() == set()
        assert house.health()[-1] is FeedHealth.CONNECTING


async def test_a_burst_of_changes_is_one_change(vendor, autojump_clock):
    topics = [Topic(TopicKind.TRADE, InstrumentId(f"I{n}")) for n in range(20)]
    async with running(House(vendor)) as house:
        await trio.sleep(1)
        for n in range(20):
            house.interest.set(*topics[: n + 1])
            await trio.sleep(0.004)
        await trio.sleep(2)
        assert vendor.opened == 1
        assert len(vendor.subscribed()) == 20


async def test_a_change_leaves_what_stays_covered_without_a_break(vendor, autojump_clock):
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        house.interest.set(B, C)
        for number in range(40):
            vendor.say(trade(A, number), trade(B, number), trade(C, number))
            await trio.sleep(0.1)
        assert vendor.subscribed() == {"trade:B": 1, "trade:C": 1}
        assert house.covered() == {B, C}
        assert all(B not in event.topics for event in house.of(Uncovered))
        assert [t for t in house.trades() if t.startswith("B")] == [f"B{n}" for n in range(40)]
        assert vendor.opened == (2 if vendor.transport is Transport.SSE else 1)


async def test_a_lost_session_is_uncovered_reconnected_and_subscribed_again(vendor, autojump_clock):
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        vendor.connections[0].lose()
        await trio.sleep(0.5)
        assert house.covered() == set()
        assert house.health()[-1] is FeedHealth.CONNECTING
        assert "hung up" in house.of(FeedStatus)[-1].reason
        await trio.sleep(5)
        assert house.covered() == {A, B}
        assert house.health()[-1] is FeedHealth.LIVE
        assert vendor.subscribed() == {"trade:A": 1, "trade:B": 1}
        assert house.feed.statistics().losses == 1


async def test_a_session_that_falls_silent_is_lost_and_any_sign_of_life_puts_that_off(vendor, autojump_clock):
    vendor.silence_seconds = 90
    async with running(House(vendor, A)) as house:
        await trio.sleep(60)
        vendor.connections[0].heard_at = trio.current_time()
        await trio.sleep(89)
        assert house.covered() == {A}
        await trio.sleep(1.5)
        assert house.covered() == set()
        assert "silent for 90 s" in house.of(FeedStatus)[-1].reason
        await trio.sleep(5)
        assert house.covered() == {A}


async def test_the_last_event_id_goes_to_the_connection_that_follows_a_lost_one_and_to_no_other(autojump_clock):
    vendor = FakeVendor(Transport.SSE, usable_event_ids=True)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        vendor.connections[0].last_event_id = "17"
        vendor.say(trade(A, 1))
        vendor.connections[0].lose()
        vendor.refusals.append(TransportLost("still away"))
        await trio.sleep(10)
        house.interest.set(A, B)
        await trio.sleep(10)
        vendor.connections[0].lose()
        await trio.sleep(10)
        assert vendor.event_ids == [None, "17", "17", None, None]


async def test_a_vendor_that_is_down_from_the_start_is_tried_again_and_again(vendor, autojump_clock):
    vendor.refusals.extend(TransportLost("nobody there") for _ in range(6))
    async with running(House(vendor, A)) as house:
        await trio.sleep(300)
        assert house.health() == [
            FeedHealth.CONNECTING,
            FeedHealth.CONNECTING,
            FeedHealth.CONNECTING,
            FeedHealth.DOWN,
            FeedHealth.LIVE,
        ]
        assert house.of(FeedStatus)[3].reason == "nobody there"
        assert house.covered() == {A}
        assert house.feed.statistics().retries == 6


async def test_after_a_good_connection_the_backoff_begins_anew(vendor, autojump_clock):
    vendor.refusals.extend(TransportLost("nobody there") for _ in range(6))
    async with running(House(vendor, A)) as house:
        await trio.sleep(300)
        vendor.connections[0].lose()
        await trio.sleep(1.5)
        assert house.covered() == {A}


async def test_a_vendor_that_asks_us_to_stay_away_is_left_alone_for_as_long(vendor, autojump_clock):
    vendor.refusals.append(VendorRefused(429, "slow down", retry_after_seconds=120))
    async with running(House(vendor, A)):
        await trio.sleep(119)
        assert vendor.opened == 0
        await trio.sleep(5)
        assert vendor.opened == 1


async def test_beyond_the_vendors_limits_topics_are_refused_as_full_until_there_is_room(autojump_clock):
    vendor = FakeVendor(Transport.SSE, max_connections=3, subscriptions_per_connection=2)
    topics = [Topic(TopicKind.TRADE, InstrumentId(f"I{n}")) for n in range(6)]
    async with running(House(vendor, *topics[:4])) as house:
        await trio.sleep(5)
        house.interest.set(*topics)
        await trio.sleep(5)
        refused = house.of(TopicRefused)
        assert {event.topic for event in refused} == set(topics[4:])
        assert {event.code for event in refused} == {Code.UPSTREAM_FULL}
        assert house.covered() == set(topics[:4])
        house.interest.set(*topics[1:5])
        await trio.sleep(10)
        assert house.covered() == set(topics[1:5])
        assert len(house.of(TopicRefused)) == 2
        assert vendor.most <= 3


async def test_a_topic_that_the_vendor_refuses_leaves_the_others_alone_and_is_tried_again_later(vendor, autojump_clock):
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        vendor.say(Refused(B, Code.UNKNOWN_INSTRUMENT, "no such thing"))
        await trio.sleep(30)
        assert [(event.topic, event.code) for event in house.of(TopicRefused)] == [(B, Code.UNKNOWN_INSTRUMENT)]
        assert house.covered() == {A}
        assert vendor.opened == 1
        assert house.feed.statistics().refused == 1
        await trio.sleep(40)
        assert house.covered() == {A, B}
        assert all(A not in event.topics for event in house.of(Uncovered))


async def test_a_hand_over_refused_for_one_new_topic_refuses_that_topic_and_keeps_the_old_connection(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        vendor.refusals.append(VendorRefused(400, "Invalid parameters"))
        house.interest.set(A, B)
        await trio.sleep(20)
        assert [event.topic for event in house.of(TopicRefused)] == [B]
        assert house.covered() == {A}
        assert vendor.opened == 1
        assert house.health()[-1] is FeedHealth.LIVE


async def test_of_several_new_topics_only_those_that_the_vendor_refuses_are_refused(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    topics = [Topic(TopicKind.TRADE, InstrumentId(f"I{n}")) for n in range(20)]
    vendor.unknown = {"trade:I7", "trade:I13"}
    async with running(House(vendor, topics[0])) as house:
        await trio.sleep(1)
        house.interest.set(*topics)
        await trio.sleep(50)
        assert {str(event.topic) for event in house.of(TopicRefused)} == vendor.unknown
        assert house.covered() == set(topics) - {topics[7], topics[13]}
        assert house.of(Uncovered) == []


async def test_a_topic_that_the_vendor_refuses_on_the_first_connection_keeps_out_no_other(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    topics = [Topic(TopicKind.TRADE, InstrumentId(f"I{n}")) for n in range(20)]
    vendor.unknown = {"trade:I0", "trade:I13"}
    async with running(House(vendor, *topics)) as house:
        await trio.sleep(50)
        assert {str(event.topic) for event in house.of(TopicRefused)} == vendor.unknown
        assert house.covered() == set(topics) - {topics[0], topics[13]}
        assert house.health()[-1] is FeedHealth.LIVE


async def test_a_vendor_that_refuses_everything_is_down_and_no_topic_is_blamed(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    vendor.unknown = {"trade:A", "trade:B", "trade:C"}
    async with running(House(vendor, A, B, C)) as house:
        await trio.sleep(30)
        assert house.of(TopicRefused) == []
        assert house.health()[-1] is FeedHealth.DOWN
        vendor.unknown = set()
        await trio.sleep(40)
        assert house.covered() == {A, B, C}
        assert house.health()[-1] is FeedHealth.LIVE


async def test_a_new_topic_refused_alone_is_blamed_once_the_vendor_has_granted_others_and_the_feed_is_not_down(
    autojump_clock,
):
    vendor = FakeVendor(Transport.SSE)
    vendor.unknown = {"trade:B"}
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        house.interest.set()
        await trio.sleep(1)
        house.interest.set(B)
        await trio.sleep(20)
        assert [event.topic for event in house.of(TopicRefused)] == [B]
        assert house.health()[-1] is not FeedHealth.DOWN


async def test_a_topic_that_was_served_is_not_blamed_for_a_vendors_bad_hour(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        vendor.unknown = {"trade:A"}
        vendor.connections[-1].lose()
        await trio.sleep(30)
        assert house.of(TopicRefused) == []
        vendor.unknown = set()
        await trio.sleep(60)
        assert house.covered() == {A}


async def test_a_hand_over_that_fails_keeps_the_old_connection_and_is_tried_again(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        vendor.refusals.extend([TransportLost("busy"), TransportLost("busy")])
        house.interest.set(A, B)
        for number in range(100):
            vendor.say(trade(A, number))
            await trio.sleep(0.1)
        assert house.trades() == [f"A{number}" for number in range(100)]
        assert house.of(Uncovered) == []
        assert house.covered() == {A, B}


async def test_an_old_connection_lost_in_the_middle_of_a_hand_over_is_followed_by_the_new_one(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        house.interest.set(A, B)
        await trio.sleep(0.5)
        old, new = vendor.connections
        new.say(trade(A, 1))
        old.lose()
        await trio.sleep(0.5)
        assert vendor.connections == [new]
        assert house.trades() == ["A1"]
        assert house.of(Uncovered) == []
        assert house.covered() == {A, B}


async def test_hand_overs_are_made_one_at_a_time_within_the_vendors_connections(autojump_clock):
    vendor = FakeVendor(Transport.SSE, max_connections=6, subscriptions_per_connection=2)
    topics = [Topic(TopicKind.TRADE, InstrumentId(f"I{n}")) for n in range(15)]
    before, after = topics[:10], topics[0:10:2] + topics[10:]
    async with running(House(vendor, *before)) as house:
        await trio.sleep(2)
        assert len(vendor.connections) == 5
        house.interest.set(*after)
        await trio.sleep(20)
        assert (vendor.most, vendor.opened, len(vendor.connections)) == (6, 10, 5)
        assert house.covered() == set(after)
        assert {topic for event in house.of(Uncovered) for topic in event.topics} == set(topics[1:10:2])


async def test_without_a_connection_to_spare_the_old_one_is_closed_first_and_the_break_declared(autojump_clock):
    vendor = FakeVendor(Transport.SSE, max_connections=1)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        house.interest.set(A, B)
        await trio.sleep(10)
        assert (vendor.most, vendor.opened) == (1, 2)
        assert [event.topics for event in house.of(Uncovered)] == [(A,)]
        assert house.covered() == {A, B}


class Keeper:
    """A keeper whose tokens a test makes."""

    problem = None

    def __init__(self) -> None:
        self.number = 1
        self.refused = []
        self.renewed = trio.Event()

    @property
    def held(self):
        return Credential(token=f"token-{self.number}")

    def roll(self):
        self.number += 1
        self.renewed.set()
        self.renewed = trio.Event()

    async def current(self):
        await trio.lowlevel.checkpoint()
        return self.held

    def spoiled(self, credential):
        self.refused.append(credential.token)
        if credential == self.held:
            self.roll()

    async def renewal(self, held):
        while held == self.held:
            await self.renewed.wait()
        await trio.lowlevel.checkpoint()
        return self.held

    async def run(self):
        await trio.sleep_forever()


async def test_a_new_token_moves_every_connection_without_losing_or_doubling_anything(vendor, autojump_clock):
    keeper = Keeper()
    topics = [Topic(TopicKind.TRADE, InstrumentId(f"I{n}")) for n in range(60)]
    async with running(House(vendor, *topics, keeper=keeper)) as house:
        await trio.sleep(2)
        assert len(vendor.connections) == 2
        keeper.roll()
        for number in range(60):
            vendor.say(trade(topics[0], number), trade(topics[59], number))
            await trio.sleep(0.1)
        assert len(vendor.connections) == 2
        assert vendor.opened == 4
        assert [credential.token for credential in vendor.requests] == ["token-1"] * 2 + ["token-2"] * 2
        assert sorted(house.trades()) == sorted(f"I{n}{number}" for n in (0, 59) for number in range(60))
        assert house.of(Uncovered) == []
        assert house.feed.statistics().overlaps_removed > 0


async def test_a_successor_that_is_never_wholly_confirmed_is_closed_and_the_old_connection_goes_on(autojump_clock):
    vendor, keeper = FakeVendor(Transport.WEBSOCKET), Keeper()
    async with running(House(vendor, A, B, keeper=keeper)) as house:
        await trio.sleep(1)
        vendor.unconfirmed = {"trade:A"}
        keeper.roll()
        await trio.sleep(20)
        old, _ = vendor.connections
        await trio.sleep(10.5)
        assert vendor.connections == [old]
        old.say(trade(A, 1))
        await trio.sleep(0.1)
        assert house.trades() == ["A1"]
        vendor.unconfirmed = set()
        await trio.sleep(60)
        assert len(vendor.connections) == 1
        assert house.of(Uncovered) == []
        assert vendor.requests[-1].token == "token-2"


async def test_a_credential_that_the_vendor_says_ends_is_replaced_by_a_hand_over(vendor, autojump_clock):
    keeper = Keeper()
    async with running(House(vendor, A, keeper=keeper)) as house:
        await trio.sleep(1)
        vendor.say(CredentialEnding())
        await trio.sleep(10)
        assert keeper.refused == ["token-1"]
        assert [credential.token for credential in vendor.requests] == ["token-1", "token-2"]
        assert house.of(Uncovered) == []


async def test_a_refused_credential_is_reported_and_another_one_tried(vendor, autojump_clock):
    keeper = Keeper()
    vendor.refusals.append(VendorRefused(401, "expired"))
    async with running(House(vendor, A, keeper=keeper)) as house:
        await trio.sleep(5)
        assert keeper.refused == ["token-1"]
        assert house.covered() == {A}
        assert FeedHealth.DOWN not in house.health()


async def test_a_mistake_in_a_decoder_is_contained_to_its_session(vendor, autojump_clock, capsys):
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        vendor.say(ZeroDivisionError("ours"))
        await trio.sleep(5)
        assert house.covered() == {A}
        assert vendor.opened == 2
        assert "ZeroDivisionError" in house.of(Uncovered)[0].reason


async def test_malformed_and_unknown_messages_are_counted_and_the_session_goes_on(vendor, autojump_clock):
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        vendor.say(VendorProtocolError("not JSON", b"{"))
        vendor.say(Unknown("news"))
        vendor.connections[0].put(VendorProtocolError("too long"))
        vendor.say(trade(A, 1))
        await trio.sleep(1)
        assert house.trades() == ["A1"]
        statistics = house.feed.statistics()
        assert (statistics.malformed, statistics.unknown, statistics.events, statistics.losses) == (2, 1, 1, 0)


async def test_subscriptions_that_the_vendor_dropped_are_uncovered_and_asked_for_again(autojump_clock):
    vendor = FakeVendor(Transport.WEBSOCKET)
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        vendor.say(SubscriptionsLost())
        await trio.sleep(1)
        assert [set(event.topics) for event in house.of(Uncovered)] == [{A, B}]
        assert house.covered() == {A, B}
        assert vendor.connections[0].said == ["+ trade:A trade:B", "+ trade:A trade:B"]


async def test_a_vendor_that_answers_no_subscribe_covers_topics_with_the_pong_behind_it(autojump_clock):
    vendor = FakeVendor(Transport.WEBSOCKET, confirms=False)
    vendor.confirms, vendor.pong_seconds = False, 3
    async with running(House(vendor, A)) as house:
        await trio.sleep(2)
        assert house.covered() == set()
        await trio.sleep(2)
        assert house.covered() == {A}
        assert vendor.connections[0].pings == 1


async def test_a_vendor_that_accepts_and_never_answers_a_subscribe_is_left(autojump_clock):
    vendor = FakeVendor(Transport.WEBSOCKET)
    vendor.confirms = False
    async with running(House(vendor, A)) as house:
        await trio.sleep(120)
        assert house.covered() == set()
        assert house.health()[-1] is FeedHealth.DOWN
        assert "nothing was confirmed" in house.of(FeedStatus)[-1].reason
        assert vendor.opened >= 3


async def test_a_vendor_that_greets_and_never_answers_a_subscribe_is_not_called_live(autojump_clock):
    vendor = FakeVendor(Transport.WEBSOCKET)
    vendor.confirms = False
    async with running(House(vendor, A)) as house:
        for _ in range(600):
            await trio.sleep(0.2)
            vendor.say(Ready())
        assert FeedHealth.LIVE not in house.health()
        assert house.health()[-1] is FeedHealth.DOWN
        assert vendor.opened >= 3


async def test_a_topic_that_the_vendor_passed_over_is_asked_for_again_and_not_covered_before_it_is_served(
    autojump_clock,
):
    vendor = FakeVendor(Transport.WEBSOCKET)
    vendor.unconfirmed = {"trade:B"}
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(60)
        assert house.covered() == {A}
        (connection,) = vendor.connections
        assert connection.said == ["+ trade:A trade:B", "+ trade:B", "+ trade:B", "+ trade:B"]
        vendor.unconfirmed = set()
        await trio.sleep(45)
        assert house.covered() == {A, B}
        assert len(connection.said) == 5
        assert vendor.opened == 1


async def test_an_event_stream_that_only_complains_is_left(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    vendor.confirms = False
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        for _ in range(120):
            vendor.say(VendorError("INTERNAL", "no idea"))
            await trio.sleep(0.5)
        assert house.covered() == set()
        assert house.health()[-1] is FeedHealth.DOWN
        assert "complained" in house.of(FeedStatus)[-1].reason


async def test_an_event_stream_that_never_greets_is_taken_for_confirmed_after_a_while(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    vendor.confirms = False
    async with running(House(vendor, A)) as house:
        await trio.sleep(4)
        assert house.covered() == set()
        await trio.sleep(300)
        assert house.covered() == {A}
        assert vendor.opened == 1


async def test_statistics_tell_the_connections_and_the_text_of_a_feed_its_state(vendor, autojump_clock):
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        vendor.say(trade(A, 1))
        await trio.sleep(1)
        statistics = house.feed.statistics()
        assert (statistics.wanted, statistics.covered, statistics.connects, statistics.status) == (1, 1, 1, "live")
        (connection,) = statistics.connections
        assert (connection.name, connection.state, connection.topics) == ("vendor/1", "ready", 1)
        assert connection.frames == 2
        assert repr(house.feed) == "<Feed vendor live 1 topics>"


async def test_a_break_that_the_vendor_makes_good_is_covered_again_as_if_it_had_not_been(autojump_clock):
    vendor = FakeVendor(Transport.SSE, usable_event_ids=True)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        vendor.connections[0].last_event_id = "17"
        vendor.say(trade(A, 1))
        vendor.connections[0].lose()
        vendor.confirms = False
        house.interest.set(A, B)
        await trio.sleep(1.5)
        vendor.say(Ready(continued=True))
        await trio.sleep(0.1)
        assert [(event.topics, event.continued) for event in house.of(Covered)[1:]] == [((B,), False), ((A,), True)]


async def test_what_the_vendor_declares_missing_is_a_moment_without_coverage(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        vendor.say(Missed((A,), "it said so"))
        await trio.sleep(0.1)
        assert [(event.topics, event.reason) for event in house.of(Uncovered)] == [((A,), "it said so")]
        assert house.of(Covered)[-1].topics == (A,)
        assert house.covered() == {A, B}


async def test_a_feed_is_no_better_than_what_is_behind_the_bridge_that_it_reads(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    async with running(House(vendor, A, B)) as house:
        await trio.sleep(1)
        vendor.say(Health(FeedHealth.STALE, "its feed x: no data", (A,), sound=False))
        await trio.sleep(0.1)
        assert (house.of(FeedStatus)[-1].status, house.of(FeedStatus)[-1].reason) == (
            *(FeedHealth.STALE, "its feed x: no data"),
        )
        assert house.feed.statistics().status is FeedHealth.STALE
        assert house.covered() == {B}
        vendor.say(Health(FeedHealth.LIVE, None, (A,), sound=True))
        await trio.sleep(0.1)
        assert house.health()[-1] is FeedHealth.LIVE
        assert house.of(Covered)[-1] == Covered(
            feed=FEED, topics=(A,), ts_recv=house.of(Covered)[-1].ts_recv, continued=True
        )


async def test_what_was_told_of_the_other_bridges_feeds_ends_with_the_connection_that_told_it(autojump_clock):
    vendor = FakeVendor(Transport.SSE)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        vendor.say(Health(FeedHealth.DOWN, "its feed x: gone", (A,), sound=False))
        await trio.sleep(0.1)
        vendor.connections[0].lose()
        await trio.sleep(10)
        assert house.health()[-3:] == [FeedHealth.DOWN, FeedHealth.CONNECTING, FeedHealth.LIVE]
        assert house.covered() == {A}


async def test_what_came_after_the_end_and_was_not_heard_does_not_move_the_bookmark(autojump_clock):
    vendor = FakeVendor(Transport.SSE, usable_event_ids=True)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        connection = vendor.connections[0]
        coming = iter([("17", VendorError("bye", "over", fatal=True)), ("18", trade(A, 1)), ("19", trade(A, 2))])

        async def receive_what_was_parsed_already():
            connection.last_event_id, word = next(coming)
            return Frame(data=vendor.keep([word]), ts_recv=now())

        connection.receive = receive_what_was_parsed_already
        vendor.say(Heartbeat())
        await trio.sleep(10)
        assert house.trades() == []
        assert vendor.event_ids == [None, "17"]


async def test_messages_of_ours_that_pile_up_end_the_connection_rather_than_grow(autojump_clock, monkeypatch):
    monkeypatch.setattr(link_module, "OUTBOX", 20)
    vendor = FakeVendor(Transport.WEBSOCKET, messages_per_second=0.1)
    async with running(House(vendor, A)) as house:
        await trio.sleep(1)
        for number in range(100):
            house.interest.set(*([A, B] if number % 2 else [A]))
            await trio.sleep(0.5)
        assert any("20 messages of ours wait" in (event.reason or "") for event in house.of(FeedStatus))
        assert house.feed.statistics().losses >= 1
