"""Private feeds, in virtual time, over a real hub; the vendor's side of each is a script."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from bridge.broker.memory import MemoryLog
from bridge.clock import TrioClock
from bridge.dialects.contract import Answer, Outcome, Question, QuestionKind, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.errors import ConfigError
from bridge.hub.hub import SWEEP_SECONDS, Bound, Hub, Subscription
from bridge.hub.settings import HubSettings
from bridge.model import (
    SECONDS,
    AccountId,
    Covered,
    FeedHealth,
    FeedName,
    FeedStatus,
    Gap,
    OrderUpdate,
    Side,
    Topic,
    TopicKind,
    UnixNanos,
    Want,
    exact,
)
from bridge.upstream import visitors as module
from bridge.upstream.feed import FeedTools
from bridge.upstream.settings import FeedSettings, TokenSource
from bridge.upstream.visitors import Visited, Visitors, VisitorTools, order_transport, private_settings
from tests.support.asgi import START

ALICE, BOB = AccountId("desk/~0123456789ab.alice"), AccountId("desk/~0123456789ab.bob")
LINGER_SECONDS = 30.0
LIQUIDITY = load_dialect("liquidity")


class FakeFeed:
    """A private feed that is live at once, and does what its test says."""

    def __init__(self, name: FeedName, settings: FeedSettings, tools: FeedTools) -> None:
        self.name = name
        self.settings = settings
        self.tools = tools
        self.crash = trio.Event()
        self.asked: list[Question] = []
        self.tokens: list[str] = []

    async def run(self) -> None:
        now = self.tools.clock()
        self.tokens.append((await self.tools.source.get()).token)
        self.tools.publish(FeedStatus(feed=self.name, status=FeedHealth.LIVE, ts_recv=now, since=now))
        self.tools.publish(Covered(feed=self.name, topics=tuple(self.tools.interest.wanted()), ts_recv=now))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow)
            await self.crash.wait()
            raise RuntimeError("a mistake of ours")

    async def _follow(self) -> None:
        while True:
            await self.tools.source.changed()
            self.tokens.append((await self.tools.source.get()).token)

    async def ask(self, question: Question, deadline_seconds: float) -> Answer:
        await trio.lowlevel.checkpoint()
        self.asked.append(question)
        return Answer(outcome=Outcome.ANSWERED)

    def statistics(self) -> FeedStatus:
        now = self.tools.clock()
        return FeedStatus(feed=self.name, status=FeedHealth.LIVE, ts_recv=now, since=now)

    def fill(self, order_id: str) -> None:
        self.tools.publish(
            OrderUpdate(
                instrument="BTC",
                feed=self.name,
                ts_recv=self.tools.clock(),
                account=AccountId(self.name),
                order_id=order_id,
                side=Side.BUY,
                order_type="limit",
                quantity=exact("1"),
                filled_quantity=exact("1"),
                status="executed",
            )
        )


class World:
    """A hub, its visitors, and every private feed that was ever opened."""

    def __init__(self, settings: FeedSettings | None = None) -> None:
        self.clock = TrioClock(START)
        bounds = HubSettings(linger_seconds=LINGER_SECONDS)
        self.hub = Hub(MemoryLog(), self.clock, bounds)
        self.opened: list[FakeFeed] = []
        self.closed: list[FeedName] = []
        self.broken = 0
        visited = Visited(
            settings or FeedSettings(dialect="liquidity", url="https://v"),
            LIQUIDITY,
            SymbolTable(LIQUIDITY.spelling, {}),
        )
        tools = VisitorTools(
            feed_tools=self.tools, retire=self.hub.retire, clock=self.clock, linger_seconds=LINGER_SECONDS
        )
        self.visitors = Visitors({FeedName("desk"): visited}, tools)
        self.hub.watch(self.visitors.watch)

    def tools(self, name: FeedName) -> FeedTools:
        return FeedTools(publish=self.hub.publish, interest=self.hub.interest(name), clock=self.clock, random=Random(1))

    @asynccontextmanager
    async def open_feed(
        self, name: FeedName, settings: FeedSettings, dialect: object, symbols: object, tools: FeedTools
    ) -> AsyncIterator[FakeFeed]:
        if self.broken:
            self.broken -= 1
            raise ConfigError("ca_file: there is none any more")
        feed = FakeFeed(name, settings, tools)
        self.opened.append(feed)
        try:
            yield feed
        finally:
            self.closed.append(name)

    def show(self, account: AccountId, token: str = "t", seconds: float = 3600) -> object:
        return self.visitors.show(account, token, UnixNanos(self.clock() + round(seconds * SECONDS)))

    def follow(self, account: AccountId) -> Subscription:
        bound = Bound(pending_bytes=10**9, cost=lambda _: 1, wake=lambda: None)
        return self.hub.open([want_of(account)], None, bound)

    @property
    def running(self) -> int:
        return len(self.opened) - len(self.closed)


def want_of(account: AccountId) -> Want:
    return Want(Topic(TopicKind.ORDER, scope=account), FeedName(account))


Make = Callable[..., World]


@pytest.fixture
async def make(nursery, monkeypatch) -> Make:
    def begin(**more: object) -> World:
        world = World(**more)
        monkeypatch.setattr(module, "open_feed", world.open_feed)
        nursery.start_soon(world.hub.run)
        nursery.start_soon(world.visitors.run)
        return world

    return begin


async def settle() -> None:
    await trio.sleep(0.01)


def told(subscription: Subscription) -> list[object]:
    return [publication.event for publication in subscription.take()]


def orders(subscription: Subscription) -> list[str]:
    return [event.order_id for event in told(subscription) if isinstance(event, OrderUpdate)]


async def test_one_feed_serves_all_of_a_users_streams_and_ends_a_linger_after_the_last(autojump_clock, make):
    world = make()
    visit = world.show(ALICE)
    await settle()
    assert not world.opened, "whoever wants no orders costs no session"
    streams = [world.follow(ALICE) for _ in range(3)]
    await settle()
    assert [feed.name for feed in world.opened] == [ALICE]
    world.opened[0].fill("o1")
    assert [orders(stream) for stream in streams] == [["o1"]] * 3
    for stream in streams:
        stream.close()
    await trio.sleep(LINGER_SECONDS - 1)
    assert world.running == 1
    await trio.sleep(2)
    assert world.running == 0
    assert visit is world.show(ALICE)


async def test_users_have_feeds_of_their_own(autojump_clock, make):
    world = make()
    visits = [world.show(account) for account in (ALICE, BOB)]
    alice, bob = world.follow(ALICE), world.follow(BOB)
    await settle()
    feeds = {feed.name: feed for feed in world.opened}
    feeds[ALICE].fill("a")
    feeds[BOB].fill("b")
    assert (orders(alice), orders(bob)) == (["a"], ["b"])
    assert len(visits) == 2


async def test_a_feed_ends_with_its_token_and_begins_again_with_the_next(autojump_clock, make):
    world = make()
    visit = world.show(ALICE, "first", 60)
    stream = world.follow(ALICE)
    await trio.sleep(59)
    assert world.running == 1
    await trio.sleep(2)
    assert world.running == 0
    statuses = [event.status for event in told(stream) if isinstance(event, FeedStatus)]
    assert statuses == ["live", "connecting"]
    await trio.sleep(1)
    again = world.show(ALICE, "second", 60)
    await settle()
    assert world.running == 1, "what is wanted has not changed meanwhile, and still is"
    assert world.opened[-1].tokens == ["second"]
    assert visit is again


@pytest.mark.parametrize(("then", "tokens"), [(61, ["first", "second"]), (60, ["first"]), (59, ["first"])])
async def test_of_several_tokens_the_one_that_ends_last_is_used_by_the_feed_that_runs(
    autojump_clock, make, then, tokens
):
    world = make()
    visits = [world.show(ALICE, "first", 60)]
    stream = world.follow(ALICE)
    await settle()
    visits.append(world.show(ALICE, "second", then - trio.current_time()))
    await settle()
    assert [feed.tokens for feed in world.opened] == [tokens]
    assert told(stream)


async def test_a_newer_token_prolongs_the_feed(autojump_clock, make):
    world = make()
    visits = [world.show(ALICE, "first", 60), world.follow(ALICE)]
    await settle()
    visits.append(world.show(ALICE, "second", 120))
    await trio.sleep(100)
    assert (world.running, len(world.opened)) == (1, 1)
    await trio.sleep(21)
    assert world.running == 0
    assert visits


async def test_a_token_that_nobody_holds_any_more_is_forgotten(autojump_clock, make):
    world = make()
    visit = world.show(ALICE)
    assert "<Visitors 1" in repr(world.visitors)
    assert "secret-token" not in repr(world.show(BOB, "secret-token"))
    del visit
    assert "<Visitors 0" in repr(world.visitors)
    answer = await world.visitors.ask(ALICE, Question(kind=QuestionKind.ORDER, order_id="o"), 1)
    assert answer.outcome is Outcome.UNSUPPORTED


async def test_a_question_opens_a_feed_without_a_stream_that_stays_for_further_ones(autojump_clock, make):
    world = make()
    visit = world.show(ALICE)
    for order in ("o1", "o2"):
        answer = await world.visitors.ask(ALICE, Question(kind=QuestionKind.ORDER, order_id=order), 2)
        assert answer.outcome is Outcome.ANSWERED
    assert [[question.order_id for question in feed.asked] for feed in world.opened] == [["o1", "o2"]]
    assert world.opened[0].tools.interest.wanted() == frozenset()
    await trio.sleep(LINGER_SECONDS + 1)
    assert world.running == 0
    assert visit


async def test_a_crash_of_one_is_told_to_its_user_and_ends_nobody_elses(autojump_clock, make):
    world = make()
    visits = [world.show(account) for account in (ALICE, BOB)]
    alice, bob = world.follow(ALICE), world.follow(BOB)
    await settle()
    told(bob)
    next(feed for feed in world.opened if feed.name == ALICE).crash.set()
    await settle()
    assert [event.status for event in told(alice) if isinstance(event, FeedStatus)] == ["live", "down"]
    await trio.sleep(2)
    assert [feed.name for feed in world.opened if feed.name == ALICE] == [ALICE] * 2
    assert "live" in [event.status for event in told(alice) if isinstance(event, FeedStatus)]
    assert not told(bob)
    assert visits


async def test_a_feed_that_cannot_be_opened_is_down_with_the_reason_and_tried_again(autojump_clock, make):
    world = make()
    world.broken = 2
    visit, stream = world.show(ALICE), world.follow(ALICE)
    await trio.sleep(10)
    statuses = [event for event in told(stream) if isinstance(event, FeedStatus)]
    assert statuses[0].reason == "ca_file: there is none any more"
    assert statuses[-1].status is FeedHealth.LIVE
    assert visit


async def test_who_comes_back_is_told_of_what_may_be_missing_be_it_remembered_or_forgotten(autojump_clock, make):
    """Within the linger nothing is missing; soon after the session's end, and long after, the same gap is declared."""
    world = make()
    visit = world.show(ALICE)
    stream = world.follow(ALICE)
    await settle()
    cursor = world.hub.cursor()
    stream.close()
    world.opened[0].fill("o1")
    found = []
    for seconds in (1, LINGER_SECONDS + 1, LINGER_SECONDS + SWEEP_SECONDS + 1):
        await trio.sleep(seconds)
        bound = Bound(pending_bytes=10**9, cost=lambda _: 1, wake=lambda: None)
        back = world.hub.open([want_of(ALICE)], cursor, bound)
        await settle()
        events = told(back)
        gaps = [event for event in events if isinstance(event, Gap)]
        assert all(gap.topics == (want_of(ALICE).topic,) for gap in gaps)
        missing = gaps[0].from_ if gaps else None
        found.append((back.verdict, missing, [event.order_id for event in events if isinstance(event, OrderUpdate)]))
        back.close()
    assert found == [("resumed", None, ["o1"]), *[("reset", cursor, [])] * 2]
    assert visit


async def test_of_thousands_of_users_who_were_here_nothing_is_left(autojump_clock, make):
    world = make()
    before = world.hub.statistics()
    for number in range(2_000):
        account = AccountId(f"desk/~0123456789ab.u{number}")
        visit, stream = world.show(account), world.follow(account)
        await trio.sleep(0.001)
        world.opened[-1].fill("o")
        stream.close()
        del visit
    assert len(world.opened) == 2_000
    await trio.sleep(LINGER_SECONDS + 2 * SWEEP_SECONDS)
    assert world.running == 0
    after = world.hub.statistics()
    for count in ("topics", "interests", "subscriptions", "history_events", "history_bytes", "covered", "refusals"):
        assert getattr(after, count) == getattr(before, count), count
    assert repr(world.visitors) == "<Visitors 0, 0 with a private feed>"
    assert not world.visitors.statistics()
    assert not world.hub._interests._feeds
    assert not world.hub._interests._retired


def test_a_private_feed_has_its_vendors_settings_without_the_shared_credential():
    settings = FeedSettings(
        dialect="liquidity",
        url="https://v",
        transports=(Transport.WEBSOCKET, Transport.SSE, Transport.POLLING),
        token=TokenSource(value="ours"),
        tenant_token="tenant",
        proxy="http://p:1",
        account="house",
    )
    private = private_settings(Visited(settings, LIQUIDITY, SymbolTable(LIQUIDITY.spelling, {})))
    assert (private.token, private.api_key, private.account) == (None, None, None)
    assert (private.tenant_token, private.proxy, private.transports) == ("tenant", "http://p:1", (Transport.SSE,))


def test_orders_come_over_the_first_transport_that_has_them():
    assert order_transport(LIQUIDITY, [Transport.WEBSOCKET]) is None
    assert order_transport(LIQUIDITY, [Transport.POLLING, Transport.SSE]) is Transport.POLLING
    assert order_transport(load_dialect("tradingview"), [Transport.SSE, Transport.WEBSOCKET]) is None
    assert order_transport(load_dialect("canonical"), [Transport.WEBSOCKET]) is Transport.WEBSOCKET
