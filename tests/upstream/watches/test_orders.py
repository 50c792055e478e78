"""Open orders against REST: what no stream said is said, what REST is behind with is not; a vendor in memory, virtual time."""

from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
import trio

from bridge.dialects.contract import Transport
from bridge.errors import TransportLost, VendorRefused
from bridge.model import AccountId, InstrumentId, OrderUpdate, Side, Topic, TopicKind, UnixNanos
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_feed import StreamFeed
from bridge.upstream.stream_terms import StreamTerms
from bridge.upstream.watches.orders import FOLLOWED_ORDERS, FRESH_SECONDS, differs
from bridge.upstream.watches.watches import WatchTerms
from bridge.upstream.watches.witness import Witness
from tests.support.connections import FEED, FakeInterest, FakeVendor, asking

ACCOUNT = AccountId("vendor/acme")
ORDERS = Topic(TopicKind.ORDER, scope=ACCOUNT)
EVERY = 30.0


def order(order_id="o1", status="pending", filled=0, seconds=10, **others):
    return OrderUpdate(
        **{
            "instrument": InstrumentId("X"),
            "feed": FEED,
            "ts_recv": UnixNanos(0),
            "ts_event": UnixNanos(seconds * 10**9),
            "account": ACCOUNT,
            "order_id": order_id,
            "side": Side.BUY,
            "order_type": "limit",
            "quantity": Decimal(10),
            "filled_quantity": Decimal(filled),
            "status": status,
        }
        | others
    )


class House:
    """A feed that follows an account's orders.

    Attributes:
        rest: what REST says of an order by its id, or raises.
        stream: the orders that the vendor's stream said last are what the log has.
    """

    def __init__(self, vendor, every=EVERY):
        self.vendor = vendor
        self.rest = {}
        self.log = []
        vendor.answers = self._answer
        witness = Witness(self.log.append)
        terms = StreamTerms(
            transport=vendor.transport,
            profile=vendor.transport_profile,
            max_connections=5,
            depth=None,
            account=ACCOUNT,
            interest=FakeInterest(ORDERS),
            random=lambda: 1.0,
            watch=WatchTerms(witness=witness, random=lambda: 1.0, account=ACCOUNT, order_check_seconds=every),
        )
        now = lambda: UnixNanos(round(trio.current_time() * 10**9))  # noqa: E731
        tools = msgspec.structs.replace(asking(vendor, witness), account=ACCOUNT)
        self.feed = StreamFeed(Standing(FEED, witness, now), terms, tools)

    def _answer(self, question):
        said = self.rest.get(question.order_id, [])
        return said if isinstance(said, Exception) else list(said)

    def orders(self):
        return [
            (event.order_id, event.status, event.reconciled) for event in self.log if isinstance(event, OrderUpdate)
        ]

    def asked(self):
        return [question.order_id for _, question in self.vendor.fetched]


@asynccontextmanager
async def running(house):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.feed.run)
        await trio.sleep(1)
        yield house
        nursery.cancel_scope.cancel()


@pytest.fixture(params=[Transport.SSE, Transport.WEBSOCKET])
def vendor(request):
    return FakeVendor(request.param)


async def test_a_fill_that_the_stream_lost_becomes_an_event_once(vendor, autojump_clock):
    async with running(House(vendor)) as house:
        vendor.say(order())
        house.rest["o1"] = [order(filled=4, status="partially_filled", seconds=12)]
        await trio.sleep(10 * EVERY)
        assert house.orders() == [("o1", "pending", False), ("o1", "partially_filled", True)]
        assert house.feed.statistics().reconciled == 1


async def test_every_order_is_compared_at_once_after_a_reconnect(vendor, autojump_clock):
    async with running(House(vendor, every=3600)) as house:
        vendor.say(order("o1"), order("o2"))
        await trio.sleep(5)
        assert house.asked() == []
        house.rest["o1"] = [order("o1", status="executed", filled=10, seconds=14)]
        house.rest["o2"] = [order("o2")]
        vendor.connections[0].lose()
        await trio.sleep(5)
        assert house.asked() == ["o2", "o1"]  # the newest first
        assert house.orders()[-1] == ("o1", "executed", True)


async def test_what_is_final_is_followed_no_more(vendor, autojump_clock):
    async with running(House(vendor)) as house:
        vendor.say(order("o1"), order("o1", status="cancelled"), order("o2", status="executed"))
        await trio.sleep(5 * EVERY)
        assert house.asked() == []


async def test_an_order_that_rest_says_is_final_is_followed_no_more(vendor, autojump_clock):
    async with running(House(vendor)) as house:
        vendor.say(order())
        house.rest["o1"] = [order(status="rejected", seconds=11)]
        await trio.sleep(5 * EVERY)
        assert house.asked() == ["o1"]


@pytest.mark.parametrize(
    "said",
    [
        order(),
        order(status="partially_filled", filled=4, seconds=9),  # older than what is known
        order(status="pending", filled=2, seconds=12),  # a fill never goes back
        order(average_price=None, status="partially_filled", filled=5),
    ],
)
def test_rest_that_is_behind_or_says_the_same_is_no_difference(said):
    known = order(status="partially_filled", filled=5, average_price=Decimal(7))
    assert not differs(known if said != order() else order(), said)


@pytest.mark.parametrize(
    "change",
    [{"status": "cancelled"}, {"filled_quantity": Decimal(6)}, {"average_price": Decimal(8)}, {"quantity": Decimal(9)}],
)
def test_what_a_client_would_act_upon_is_a_difference(change):
    known = order(status="partially_filled", filled=5, average_price=Decimal(7))
    assert differs(known, msgspec.structs.replace(known, **change))


async def test_what_the_stream_says_during_the_question_wins(vendor, autojump_clock):
    async with running(House(vendor)) as house:
        vendor.say(order())
        house.rest["o1"] = [order(status="executed", filled=10)]
        vendor.connect_seconds = 5  # a slow answer
        await trio.sleep(EVERY)
        vendor.say(order(filled=3, status="partially_filled"))
        await trio.sleep(EVERY - 5)
        assert house.orders()[1:] == [("o1", "partially_filled", False)]
        await trio.sleep(2 * EVERY)
        assert house.orders()[2:] == [("o1", "executed", True)]


async def test_an_order_just_heard_of_is_left_alone(vendor, autojump_clock):
    async with running(House(vendor, every=EVERY)) as house, trio.open_nursery() as nursery:

        async def busy():
            for filled in range(10_000):
                vendor.say(order(filled=filled / 1000))
                await trio.sleep(FRESH_SECONDS / 2)

        nursery.start_soon(busy)
        await trio.sleep(5 * EVERY)
        assert house.asked() == []
        nursery.cancel_scope.cancel()


async def test_only_so_many_are_followed_the_newest_ones_and_not_faster_than_the_vendor_allows(vendor, autojump_clock):
    async with running(House(vendor)) as house:
        for number in range(2 * FOLLOWED_ORDERS):
            vendor.say(order(f"o{number}"))
        await trio.sleep(2 * EVERY)
        assert set(house.asked()) == {f"o{number}" for number in range(FOLLOWED_ORDERS, 2 * FOLLOWED_ORDERS)}
        moments = [moment for moment, _ in vendor.fetched]
        assert all(after - before >= 0.19 for before, after in pairwise(moments))


async def test_a_vendor_that_asks_to_be_left_alone_is(vendor, autojump_clock):
    async with running(House(vendor)) as house:
        vendor.say(order("o1"), order("o2"))
        house.rest["o2"] = VendorRefused(429, "slow down", 600)
        await trio.sleep(600)
        assert house.asked() == ["o2"]
        house.rest["o2"] = TransportLost("no")
        await trio.sleep(EVERY + 60)
        assert "o1" not in house.asked()
        house.rest["o2"] = VendorRefused(404, "no such order")
        await trio.sleep(3 * EVERY)
        assert house.asked().count("o1") >= 2
        assert house.asked()[-1] == "o1"  # the other is forgotten


async def test_a_vendor_without_such_a_question_is_not_asked_again(vendor, autojump_clock, monkeypatch):
    house = House(vendor)
    asked = []
    monkeypatch.setattr(house.feed._asker._tools.dialect, "question", lambda *question: asked.append(question))
    async with running(house):
        vendor.say(order())
        await trio.sleep(10 * EVERY)
        assert len(asked) == 1
