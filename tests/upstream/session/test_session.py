"""A session decides what follows from what a vendor says, without any wire."""

from decimal import Decimal

import pytest

from bridge.dialects.contract import (
    Asked,
    CredentialEnding,
    Frame,
    Heartbeat,
    Lane,
    Missed,
    Ready,
    Refused,
    SubscriptionsLost,
    SymbolTable,
    Transport,
    TransportProfile,
    Unknown,
    VendorError,
)
from bridge.errors import VendorProtocolError
from bridge.model import (
    AccountId,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Side,
    Topic,
    TopicKind,
    Trade,
    UnixNanos,
)
from bridge.upstream.session.bookmark import Bookmark
from bridge.upstream.session.counters import SessionCounters
from bridge.upstream.session.effects import (
    Complaint,
    Confirmed,
    Declined,
    Doubted,
    Emit,
    Expiring,
    GiveUp,
    Say,
    Skipped,
    Strange,
)
from bridge.upstream.session.leniency import MALFORMED_IN_A_ROW
from bridge.upstream.session.session import Session
from bridge.upstream.session.state import SessionState
from tests.support.connections import FEED, AnySpelling

A, B = (Topic(TopicKind.TRADE, InstrumentId(name)) for name in "AB")
ACCOUNT = AccountId("vendor/acme")
ORDER = Topic(TopicKind.ORDER, scope=ACCOUNT)
FRAME = Frame(data=b"", ts_recv=UnixNanos(1))


class Script:
    """The three parts of a dialect: says what the test puts into `words`, spells requests as text."""

    def __init__(self, *, sends: bool) -> None:
        self.words = []
        self.sends = sends
        self.event_ids = []

    cursor = None

    def open(self, credential, last_event_id):
        self.event_ids.append(last_event_id)

    def subscribe(self, topics):
        return [f"+{topic}".encode() for topic in topics] if self.sends else []

    def unsubscribe(self, topics):
        return [f"-{topic}".encode() for topic in topics] if self.sends else []

    def ping(self):
        return None

    def decode(self, _):
        words, self.words = self.words, []
        if words and isinstance(words[0], Exception):
            raise words[0]
        return words


class Stage:
    def __init__(self, *topics, changeable=True, confirms=True, usable_event_ids=False):
        self.script = Script(sends=changeable)
        self.counters = SessionCounters()
        lane = Lane(Transport.WEBSOCKET if changeable else Transport.SSE)
        self.asked = Asked(FEED, lane, SymbolTable(AnySpelling(), {}))
        profile = TransportProfile(changeable=changeable, confirms=confirms, usable_event_ids=usable_event_ids)
        self.session = Session(
            self.asked, self.script, self.script, profile=profile, account=ACCOUNT, counters=self.counters
        )
        self.session.open(topics, None, Bookmark("17", frozenset({A})))
        self.opening = self.session.accepted()

    def hear(self, *words):
        self.script.words = list(words)
        return self.session.receive(FRAME)


def trade(topic):
    return Trade(instrument=topic.instrument, feed=FEED, ts_recv=UnixNanos(1), price=Decimal(1), size=Decimal(1))


def test_a_greeting_confirms_what_the_opening_request_carried():
    stage = Stage(A, B, changeable=False)
    assert stage.opening == []
    assert stage.session.state is SessionState.OPEN
    assert stage.hear(Ready()) == [Confirmed((A, B))]
    assert stage.session.state is SessionState.READY
    assert stage.session.confirmed == {A, B}


def test_a_greeting_confirms_no_topic_that_is_subscribed_by_a_message_of_its_own():
    stage = Stage(A, B)
    assert stage.opening == [Say((b"+trade:A", b"+trade:B"))]
    assert stage.hear(Ready()) == []
    assert stage.session.state is SessionState.OPEN
    assert stage.session.pending == {A, B}
    assert stage.hear(Ready((B,))) == [Confirmed((B,))]
    assert stage.session.state is SessionState.READY
    assert stage.hear(Ready((B,))) == []


@pytest.mark.parametrize(
    "complaint", [VendorError("RATE_LIMIT_EXCEEDED", "slow down"), Refused(None, "full", "no room")]
)
def test_a_complaint_that_names_no_topic_leaves_what_is_pending_unconfirmed_until_it_is_asked_for_again(complaint):
    stage = Stage(A, B, confirms=False)
    assert stage.hear(complaint, trade(B)) == [
        Complaint(complaint.code, complaint.message),
        Confirmed((B,)),
        Emit(trade(B), B),
    ]
    assert stage.session.answered((A, B)) == []
    assert stage.session.pending == {A}
    assert stage.session.remind() == []
    assert stage.session.remind() == [Say((b"+trade:A",), probe=(A,))]
    assert stage.session.answered((A,)) == [Confirmed((A,))]
    assert stage.session.remind() == []


def test_what_is_never_confirmed_is_asked_for_again_and_again_but_ever_more_seldom():
    stage = Stage(A, B)
    stage.hear(Ready((B,)))
    asked = [number for number in range(1, 41) if stage.session.remind()]
    assert asked == [2, 4, 8, 16, 24, 32, 40]


def test_where_a_vendor_answers_no_subscribe_the_pong_behind_it_confirms_what_was_not_refused():
    stage = Stage(A, B, confirms=False)
    assert stage.opening == [Say((b"+trade:A", b"+trade:B"), probe=(A, B))]
    assert stage.hear(Refused(B, "unknown_instrument", "no such thing")) == [
        Declined(B, "unknown_instrument", "no such thing")
    ]
    assert stage.session.answered((A, B)) == [Confirmed((A,))]
    assert stage.session.topics == {A}


def test_a_silent_event_stream_is_confirmed_by_its_acceptance():
    stage = Stage(A, changeable=False, confirms=False)
    assert stage.opening == [Say((), probe=(A,))]


def test_the_first_event_of_a_topic_confirms_it_before_it_is_emitted():
    stage = Stage(A, B)
    assert stage.hear(trade(A)) == [Confirmed((A,)), Emit(trade(A), A)]
    assert stage.hear(trade(A)) == [Emit(trade(A), A)]
    assert stage.counters.events == 2


def test_an_event_of_a_topic_not_asked_for_is_left_out():
    stage = Stage(A)
    patch = QuotePatch(instrument=A.instrument, feed=FEED, ts_recv=UnixNanos(1))
    assert stage.hear(trade(B), patch) == []
    assert stage.counters.events == 0


def test_topics_are_added_and_dropped_by_the_smallest_message():
    stage = Stage(A)
    assert stage.session.add({A, B}) == [Say((b"+trade:B",))]
    assert stage.session.drop({A}) == [Say((b"-trade:A",))]
    assert stage.session.drop({A}) == []
    assert stage.session.topics == {B}


def test_lost_subscriptions_are_doubted_and_asked_for_again():
    stage = Stage(A, B)
    stage.hear(Ready((A, B)))
    assert stage.hear(SubscriptionsLost()) == [Doubted((A, B)), Say((b"+trade:A", b"+trade:B"))]
    assert stage.session.pending == {A, B}
    assert stage.hear(SubscriptionsLost((B,))) == [Doubted((B,)), Say((b"+trade:B",))]


def test_a_refusal_without_a_topic_means_the_only_one_pending_or_is_a_complaint():
    stage = Stage(A, B)
    assert stage.hear(Refused(None, "forbidden", "no")) == [Complaint("forbidden", "no")]
    stage.hear(Ready((A,)))
    assert stage.hear(Refused(None, "forbidden", "no")) == [Declined(B, "forbidden", "no")]
    assert stage.hear(Refused(B, "forbidden", "no")) == []


def test_signals_have_their_consequences():
    stage = Stage(A)
    assert stage.hear(Heartbeat(), Unknown("news")) == [Strange("news")]
    assert stage.hear(Unknown("news")) == []
    assert stage.counters.unknown == 2
    assert stage.hear(CredentialEnding(UnixNanos(5))) == [Expiring(UnixNanos(5))]
    assert stage.hear(VendorError("slow", "slow down")) == [Complaint("slow", "slow down")]
    assert stage.hear(VendorError("bye", "go away", fatal=True)) == [GiveUp("the vendor said bye: go away")]


def test_malformed_messages_are_survived_up_to_a_number_in_a_row():
    stage = Stage(A)
    bad = VendorProtocolError("not JSON", b"{")
    for _ in range(MALFORMED_IN_A_ROW - 1):
        assert stage.hear(bad) == []
    stage.hear(trade(A))
    for _ in range(MALFORMED_IN_A_ROW - 1):
        assert stage.hear(bad) == []
    (end,) = stage.hear(bad)
    assert isinstance(end, GiveUp)
    assert "not JSON" in end.reason
    assert stage.counters.malformed == 2 * MALFORMED_IN_A_ROW - 1


def test_orders_are_asked_for_only_on_the_connection_that_holds_their_topic():
    order = OrderUpdate(
        instrument=A.instrument,
        feed=FEED,
        ts_recv=UnixNanos(1),
        account=ACCOUNT,
        order_id="ord_1",
        side=Side.BUY,
        order_type="limit",
        quantity=Decimal(1),
        filled_quantity=Decimal(0),
        status="pending",
    )
    other, designated = Stage(A), Stage(A, ORDER)
    assert (other.asked.account, designated.asked.account) == (None, ACCOUNT)
    assert other.hear(order) == []
    assert designated.hear(order) == [Confirmed((ORDER,)), Emit(order, ORDER)]
    designated.session.drop({ORDER})
    assert designated.asked.account is None


@pytest.mark.parametrize(("usable", "sent"), [(True, "17"), (False, None)])
def test_the_last_event_id_is_sent_only_where_the_vendors_ids_are_usable(usable, sent):
    assert Stage(A, changeable=False, usable_event_ids=usable).script.event_ids == [sent]


def test_who_comes_back_with_a_bookmark_asks_first_for_what_it_vouches_for():
    stage = Stage(B, A, usable_event_ids=True)
    assert stage.script.event_ids == ["17"]
    assert stage.opening == [Say((b"+trade:A", b"+trade:B"))]
    assert Stage(B, usable_event_ids=True).script.event_ids == [None]


def test_only_what_the_bookmark_vouches_for_goes_on_and_only_where_the_vendor_says_so():
    stage = Stage(A, B, changeable=False, usable_event_ids=True)
    assert stage.hear(Ready(continued=True)) == [Confirmed((A, B), frozenset({A}))]
    anew = Stage(A, B, changeable=False, usable_event_ids=True)
    assert anew.hear(Ready()) == [Confirmed((A, B))]
    unable = Stage(A, changeable=False)
    assert unable.hear(Ready(continued=True)) == [Confirmed((A,))]


def test_what_the_vendor_declares_missing_is_passed_on_for_what_it_had_confirmed():
    stage = Stage(A, B)
    assert stage.hear(Missed((A, B), "why")) == []
    stage.hear(Ready((A,)))
    assert stage.hear(Missed((A, B), "why")) == [Skipped((A,), "why")]
    assert stage.session.confirmed == {A}
