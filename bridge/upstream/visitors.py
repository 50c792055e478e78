"""Users who brought a vendor's own token: each has a private feed, opened with it, that brings orders and nothing else.

A private feed is a feed like any other, whose name is its user's account (`model.account`): coverage, health, gaps and
make-before-break come with it. It runs while anything is wanted of that name, linger included, or something was asked of it
lately, and never beyond the token's end. A token lives here only as long as somebody holds the `Visit` that it was shown for:
a connection, or the private feed itself. What one user's feed does wrong ends that one only.
"""

from collections.abc import Callable, Mapping, Sequence
from weakref import WeakValueDictionary

import msgspec
import structlog
import trio

from bridge.clock import Clock
from bridge.dialects.contract import Answer, Dialect, Outcome, Question, SymbolTable, Transport
from bridge.errors import BridgeError
from bridge.model import (
    SECONDS,
    AccountId,
    FeedHealth,
    FeedName,
    FeedStatus,
    Topic,
    TopicKind,
    Uncovered,
    UnixNanos,
)
from bridge.model.account import is_private, vendor_feed
from bridge.upstream.backoff import BASE_SECONDS, CAP_SECONDS, Backoff
from bridge.upstream.bell import Bell
from bridge.upstream.contract import Feed, FeedStatistics
from bridge.upstream.credentials.sources import HandedSource
from bridge.upstream.feed import FeedTools, open_feed
from bridge.upstream.settings import FeedSettings

RECHECK_SECONDS = 30.0
"""How often the wall clock, which may be set, is compared with a token's end."""

_log = structlog.get_logger(__name__)


class Visited(msgspec.Struct, frozen=True):
    """A feed whose vendor's users may come with their own tokens.

    Attributes:
        settings: the feed's own; of its credential and account nothing is used.
        dialect: what it speaks.
        symbols: the dialect's.
    """

    settings: FeedSettings
    dialect: Dialect
    symbols: SymbolTable


class VisitorTools(msgspec.Struct, frozen=True, kw_only=True):
    """What private feeds are made with.

    Attributes:
        feed_tools: what a feed of some name is handed.
        retire: is told the name of a private feed that is over.
        clock: wall time, for the ends of tokens.
        linger_seconds: how long one stays open for further questions.
    """

    feed_tools: Callable[[FeedName], FeedTools]
    retire: Callable[[FeedName], None]
    clock: Clock
    linger_seconds: float


class Visit:
    """One user's newest token; its text does not hold it.

    Args:
        account: the user's.
        token: the vendor's.
        expires: when it ends.

    Attributes:
        bell: rung when there is reason to look at it.
        feed: the private feed; None while there is none.
        asked_until: until when there may be further questions, in Trio's seconds.
    """

    def __init__(self, account: AccountId, token: str, expires: UnixNanos) -> None:
        self.account = account
        self.expires = expires
        self.source = HandedSource(token)
        self.bell = Bell()
        self.feed: Feed | None = None
        self.opened = trio.Event()
        self.asked_until = 0.0

    def __repr__(self) -> str:
        return f"<Visit {self.account}>"

    def renew(self, token: str, expires: UnixNanos) -> None:
        """Go on with another token of the same user."""
        self.expires = expires
        self.source.replace(token)
        self.bell.ring()


class Visitors:
    """All private feeds.

    Args:
        feeds: those that may be visited, by name.
        tools: what private feeds are made with.
    """

    def __init__(self, feeds: Mapping[FeedName, Visited], tools: VisitorTools) -> None:
        self._visited = feeds
        self._tools = tools
        self._visits: WeakValueDictionary[AccountId, Visit] = WeakValueDictionary()
        self._wanted: set[FeedName] = set()
        self._due: dict[AccountId, Visit] = {}
        self._attended: dict[AccountId, Visit] = {}
        self._bell = Bell()

    def __repr__(self) -> str:
        return f"<Visitors {len(self._visits)}, {len(self._attended)} with a private feed>"

    def show(self, account: AccountId, token: str, expires: UnixNanos) -> Visit:
        """Take note of a token that its vendor vouches for; of several the one that ends last is used, while it is any good.

        Returns:
            What keeps the token here; whoever may want its user's orders holds it.
        """
        visit = self._visits.get(account)
        if visit is None:
            visit = self._visits[account] = Visit(account, token, expires)
        elif expires > visit.expires or _is_down(visit):
            visit.renew(token, expires)
        self._call(visit)
        return visit

    def watch(self, feed: FeedName, wanted: bool) -> None:  # noqa: FBT001 - the hub's `Watcher`
        """What is wanted of a feed has changed."""
        if not is_private(feed):
            return
        if wanted:
            self._wanted.add(feed)
        else:
            self._wanted.discard(feed)
        visit = self._visits.get(AccountId(feed))
        if visit is not None:
            visit.bell.ring()
            self._call(visit)

    async def ask(self, name: FeedName, question: Question, deadline_seconds: float) -> Answer:
        """Put a question to a private feed, opening it if need be; see `Feed.ask`."""
        visit = self._visits.get(AccountId(name))
        if visit is None:
            await trio.lowlevel.checkpoint()
            return Answer(outcome=Outcome.UNSUPPORTED)
        visit.asked_until = max(visit.asked_until, trio.current_time() + self._tools.linger_seconds)
        visit.bell.ring()
        self._call(visit)
        with trio.move_on_after(deadline_seconds):
            while (feed := visit.feed) is None:
                await visit.opened.wait()
            return await feed.ask(question, deadline_seconds)
        return Answer(outcome=Outcome.FAILED)

    def statistics(self) -> tuple[FeedStatistics, ...]:
        """A snapshot of every private feed that is open."""
        return tuple(visit.feed.statistics() for visit in self._attended.values() if visit.feed is not None)

    async def run(self) -> None:
        """Open and close private feeds until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._begin(nursery)
                await self._bell.wait()

    def _begin(self, nursery: trio.Nursery) -> None:
        while self._due:
            account, visit = self._due.popitem()
            self._attended[account] = visit
            nursery.start_soon(self._attend, visit)

    def _call(self, visit: Visit) -> None:
        if self._is_due(visit) and visit.account not in self._attended:
            self._due[visit.account] = visit
            self._bell.ring()

    def _is_due(self, visit: Visit) -> bool:
        wanted = FeedName(visit.account) in self._wanted or trio.current_time() < visit.asked_until
        return wanted and visit.expires > self._tools.clock()

    # ── one user ──
    async def _attend(self, visit: Visit) -> None:
        """Keep a private feed open for as long as it is due."""
        name = FeedName(visit.account)
        tools = msgspec.structs.replace(self._tools.feed_tools(name), source=visit.source)
        backoff = Backoff(BASE_SECONDS, CAP_SECONDS, tools.random.random)
        try:
            while self._is_due(visit):
                fault = await self._contained(visit, tools)
                if fault is None:
                    _say_over(name, tools, FeedHealth.CONNECTING, "nothing is wanted, or the token has ended")
                else:
                    _say_over(name, tools, FeedHealth.DOWN, fault)
                    await trio.sleep(backoff.next())
        finally:
            del self._attended[visit.account]
            self._tools.retire(name)

    async def _contained(self, visit: Visit, tools: FeedTools) -> str | None:
        """Serve; whatever goes wrong is returned as a sentence, and stays this user's."""
        try:
            await self._serve(visit, tools)
        except BridgeError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - contained to where it happened, logged with its traceback
            _log.exception("a private feed broke by a mistake of ours", feed=visit.account)
            return f"an internal error ({type(error).__name__})"
        return None

    async def _serve(self, visit: Visit, tools: FeedTools) -> None:
        """Run the feed until it is due no longer."""
        visited = self._visited[vendor_feed(visit.account)]
        async with (
            open_feed(
                FeedName(visit.account), private_settings(visited), visited.dialect, visited.symbols, tools
            ) as feed,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(feed.run)
            visit.feed = feed
            visit.opened.set()
            try:
                while self._is_due(visit):
                    with trio.move_on_after(self._seconds_to_look(visit)):
                        await visit.bell.wait()
            finally:
                visit.feed, visit.opened = None, trio.Event()
            nursery.cancel_scope.cancel()

    def _seconds_to_look(self, visit: Visit) -> float:
        ends = (visit.expires - self._tools.clock()) / SECONDS
        questions = visit.asked_until - trio.current_time()
        return max(0.0, min(RECHECK_SECONDS, ends, questions if questions > 0 else RECHECK_SECONDS))


def order_transport(dialect: Dialect, transports: Sequence[Transport]) -> Transport | None:
    """Return the first of a feed's transports that brings orders; None when none does."""
    order = Topic(TopicKind.ORDER)
    return next((each for each in transports if dialect.lane(order, each) is not None), None)


def private_settings(visited: Visited) -> FeedSettings:
    """Return a private feed's settings: its vendor's feed's, over a transport with orders, and without its credential."""
    settings = visited.settings
    transport = order_transport(visited.dialect, settings.transports) or settings.transports[0]
    return msgspec.structs.replace(settings, transports=(transport,), token=None, api_key=None, account=None)


def _is_down(visit: Visit) -> bool:
    return visit.feed is not None and visit.feed.statistics().status is FeedHealth.DOWN


def _say_over(name: FeedName, tools: FeedTools, health: FeedHealth, reason: str) -> None:
    """Say how a private feed is that runs no longer."""
    now = tools.clock()
    order = Topic(TopicKind.ORDER, scope=name)
    tools.publish(Uncovered(feed=name, topics=(order,), ts_recv=now, reason=reason))
    tools.publish(FeedStatus(feed=name, status=health, ts_recv=now, reason=reason, since=now))
