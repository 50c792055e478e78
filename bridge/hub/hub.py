"""The hub: one ordered log in the middle, and everything derived from it. Feeds publish here; subscribers join here.

Theory of operation: `publish` makes of an upstream event what stands in the log (`assemble`, `derive`, gaps) and appends
it; the log calls `Applier.apply`, in log order, and only that touches history, state, coverage and subscriptions. Neither awaits,
so under Trio nothing comes between "replay" and "join" in `open`: a late joiner sees no gap and no duplicate, without a lock.
"""

from collections.abc import Sequence

import trio

from bridge.clock import Clock
from bridge.hub.contract import Log, Publication
from bridge.hub.cursor import Cursor
from bridge.hub.inlet.containment import Containment
from bridge.hub.inlet.intake import Ask, Intake
from bridge.hub.inlet.suspicions import FeedSuspicions
from bridge.hub.interest import FeedInterest, InterestLedger, Sources, Watcher, as_asked
from bridge.hub.settings import HubSettings
from bridge.hub.state import join
from bridge.hub.state.apply import Applier
from bridge.hub.state.join import Here, Page
from bridge.hub.state.refusals import Refusals
from bridge.hub.state.replay import Replays
from bridge.hub.state.topic import TopicRecord, Topics
from bridge.hub.statistics import HubStatistics
from bridge.hub.subscribers.bound import Bound
from bridge.hub.subscribers.folding import Folds
from bridge.hub.subscribers.subscription import Subscription
from bridge.model import (
    FeedName,
    FeedStatus,
    InstrumentId,
    Topic,
    TopicKind,
    TopicRefused,
    UnixNanos,
    UpstreamEvent,
    Verdict,
    Want,
)

__all__ = ["Bound", "Hub", "Page", "Subscription"]

SWEEP_SECONDS = 5
"""How often old history and idle topics are let go of; nobody notices a few seconds more."""


class Hub:
    """See the module.

    Args:
        log: where the ordered log lives; the hub attaches itself.
        clock: the wall clock, for what is told.
        settings: the bounds.
        sources: what a feed has to be asked for so that a want can be served; what it lacks is derived.
        steady: nanoseconds that only rise, for ages; None = `clock` is never set.

    Attributes:
        epoch: the log's life.
        folds: the folds that subscribers share.
    """

    def __init__(
        self, log: Log, clock: Clock, settings: HubSettings, sources: Sources = as_asked, steady: Clock | None = None
    ) -> None:
        self.epoch = log.epoch
        self._log = log
        self._clock = clock
        self._steady = steady = steady or clock
        self._topics = Topics(settings)
        self._interests = InterestLedger(settings.linger_seconds, sources)
        self._refusals = Refusals(settings.refusal_seconds, sources)
        self._intake = Intake(log, self._topics, clock, steady, sources)
        self._way_in = Containment(self._intake, self._topics)
        self._subscriptions: set[Subscription] = set()
        self._applier = Applier(log, self._topics, self._refusals, steady)
        self._due = trio.Event()
        self.folds = Folds()
        self._replays = Replays()
        log.attach(self._applier.apply)

    def __repr__(self) -> str:
        return f"<Hub {self.cursor()} {len(self._topics)} topics, {len(self._subscriptions)} subscriptions>"

    @property
    def head(self) -> int:
        """The offset of the newest publication; 0 = none yet."""
        return self._log.head

    def cursor(self, offset: int | None = None) -> str:
        """Spell an offset of this epoch; None = the head."""
        return str(Cursor(self.epoch, self._log.head if offset is None else offset))

    def wall(self) -> UnixNanos:
        """Our wall time."""
        return self._clock()

    def adopt(self, settings: HubSettings) -> None:
        """Keep to other bounds from now on; history beyond them goes with the next event or sweep."""
        self._topics.adopt(settings)
        self._interests.linger_seconds = settings.linger_seconds

    # ── from upstream ──
    def publish(self, event: UpstreamEvent) -> None:
        """Put what a feed says into the log, assembled. Never awaits, never raises."""
        self._way_in.publish(event)

    def interest(self, feed: FeedName) -> FeedInterest:
        """What clients want of a feed; the same object each time, unless it was retired."""
        return self._interests.feed(feed)

    def watch(self, watcher: Watcher) -> None:
        """Tell this, in the midst of it, whenever what is wanted of any feed changes, and whether anything is."""
        self._interests.watch(watcher)

    def retire(self, feed: FeedName) -> None:
        """A feed is over: forget all of it soon, unless something is wanted of it or it is begun again."""
        self._interests.retire(feed)

    def ask_by(self, ask: Ask) -> None:
        """Say who has vendors asked for the quotes that are made here; until then nobody is asked."""
        self._intake.ask = ask

    def suspicions(self, feed: FeedName) -> FeedSuspicions:
        """Which books of a feed cannot be right as they stand; the same object each time."""
        return self._intake.suspicions.feed(feed)

    def look_again(self, feed: FeedName) -> None:
        """A feed has other things than before: what is wanted of it is made of what it has now. Never awaits."""
        for want in self._interests.made_otherwise(feed):
            self._intake.end(want, "the feed's transport changed")
            self._interests.ask_otherwise(want)
            self._intake.begin(want)

    async def run(self) -> None:
        """End lingers, leases, derived bars and old history at their time, until cancelled."""
        sweep_at = trio.current_time() + SWEEP_SECONDS
        while True:
            self._due = trio.Event()
            next_close = trio.current_time() + self._intake.seconds_to_close()
            with trio.move_on_at(min(sweep_at, self._interests.next_expiry(), next_close)):
                await self._due.wait()
            self._intake.close()
            now = trio.current_time()
            for want in self._interests.expire(now):
                self._end(want)
            if now >= sweep_at:
                self._sweep()
                sweep_at = now + SWEEP_SECONDS

    # ── from downstream ──
    def open(self, wants: Sequence[Want], after: str | None, bound: Bound) -> Subscription:
        """Join: what the subscriber is owed is pending when this returns. The caller closes the subscription.

        Raises:
            ValueError: `after` is no cursor; the sentence is fit for the client.
        """
        cursor = None if after is None else Cursor.parse(after)
        wants = tuple(dict.fromkeys(wants))
        self._hold(wants)
        records = self._records(wants)
        here = self._here()
        joined = join.fresh(records, here) if cursor is None else join.resume(records, cursor, here)
        subscription = Subscription(self, bound)
        subscription.begin(wants, joined.verdict, joined.cursor, joined.handout)
        self._subscriptions.add(subscription)
        for record in records:
            record.subscriptions[subscription] = cursor is not None or record.coverage.promised
        for state in joined.states:
            subscription.offer(state)
        return subscription

    def read(self, wants: Sequence[Want], after: str | None, limit: int) -> Page:
        """Answer a poll: the current state, or everything kept after a cursor, `limit` at most; never folded.

        Raises:
            ValueError: `after` is no cursor; the sentence is fit for the client.
        """
        cursor = None if after is None else Cursor.parse(after)
        wants = tuple(dict.fromkeys(wants))
        records = self._records(wants)
        here = self._here()
        if cursor is None:
            joined = join.fresh(records, here)
            return Page(Verdict.FRESH, joined.cursor, joined.states, more=False)
        return join.page(records, cursor, here, limit)

    def state(self, want: Want) -> Publication | None:
        """The newest state of a quote, book, open bar or feed, at the head; None = not known. Cached while nothing changes."""
        record = self._topics.find(want.feed, want.topic)
        return None if record is None else record.latest.at(self._log.head)

    def recent(self, want: Want, limit: int) -> list[Publication]:
        """The newest kept log events (trades, final bars, orders), oldest first."""
        record = self._topics.find(want.feed, want.topic)
        return [] if record is None else record.history.newest(limit)

    def lease(self, wants: Sequence[Want], seconds: float) -> None:
        """Keep these wanted for so long at least, without a subscription."""
        until = trio.current_time() + seconds
        self._records(wants)
        for want in wants:
            if self._interests.lease(want, until):
                self._intake.begin(want)
        self._due.set()

    def refused(self, want: Want) -> TopicRefused | None:
        """A vendor's remembered no to this want, or to all that it is derived from; None = not refused lately."""
        return self._refusals.of(want, self._steady())

    def followed(self) -> frozenset[InstrumentId]:
        """The instruments of which somebody wants something, or did so within the linger or a lease."""
        return frozenset(want.topic.instrument for want in self._interests.wants() if want.topic.instrument is not None)

    def feed_status(self, feed: FeedName) -> FeedStatus | None:
        """How a feed said it is; None = it has not said anything yet."""
        status = self.state(_status(feed))
        return status.event if status is not None and isinstance(status.event, FeedStatus) else None

    def statistics(self) -> HubStatistics:
        """A snapshot of the counters."""
        return HubStatistics(
            epoch=self.epoch,
            head=self._log.head,
            publications=dict(self._applier.counts),
            subscriptions=len(self._subscriptions),
            pending_bytes=sum(subscription.pending_bytes for subscription in self._subscriptions),
            overflowed=sum(subscription.overflowed for subscription in self._subscriptions),
            interests=len(self._interests),
            **self._topics.counts(),
            **self._intake.counts(),
            refusals=len(self._refusals),
            mistakes=self._way_in.mistakes.count,
        )

    def covered(self, want: Want) -> bool:
        """Whether a topic is subscribed upstream on a live session now."""
        return (record := self._topics.find(want.feed, want.topic)) is not None and record.coverage.promised

    # ── for subscriptions: it is their `Keeper` ──
    def admit(self, subscription: Subscription, wants: Sequence[Want]) -> None:
        """Enter a subscription for more wants, freshly."""
        self._hold(wants)
        records = [record for record in self._records(wants) if subscription not in record.subscriptions]
        for record in records:
            record.subscriptions[subscription] = record.coverage.promised
        for state in join.fresh(records, self._here()).states:
            subscription.offer(state)

    def dismiss(self, subscription: Subscription, wants: Sequence[Want]) -> None:
        """Take a subscription out of the index for these wants; its interest lingers from now."""
        for want in wants:
            self._topics.leave(subscription, want, self._steady())
            self._interests.release(want, trio.current_time())
        for feed in {want.feed for want in wants} - {want.feed for want in subscription.wants}:
            self._topics.leave(subscription, _status(feed), self._steady())
        self._due.set()

    def forget(self, subscription: Subscription) -> None:
        """A subscription is closed."""
        self._subscriptions.discard(subscription)

    # ── records and interest ──
    def _here(self) -> Here:
        return Here(self.epoch, self._log.head, self._clock(), self._replays)

    def _records(self, wants: Sequence[Want]) -> list[TopicRecord]:
        """The wants' records, and before them the health of the feeds behind them."""
        health = [_status(feed) for feed in dict.fromkeys(want.feed for want in wants)]
        return [self._topics.make(want, self._log.head, self._steady()) for want in dict.fromkeys([*health, *wants])]

    def _hold(self, wants: Sequence[Want]) -> None:
        for want in wants:
            if self._interests.hold(want):
                self._intake.begin(want)
        self._due.set()

    def _end(self, want: Want) -> None:
        """Nobody wants it any more, and its linger is over."""
        self._intake.end(want)
        if want.topic.depth is not None and (record := self._topics.find(want.feed, want.topic)) is not None:
            record.latest.forget()

    def _sweep(self) -> None:
        now = self._steady()
        self._refusals.expire(now)
        self.folds.clear()
        self._replays.clear()
        for record in self._topics.idle(now):
            if not self._interests.active(record.want):
                if record.want.topic.depth is None:
                    self._intake.forget(record.want.feed, record.want.topic)
                self._topics.forget(record)
        for feed in self._interests.departed():
            self._topics.vacate(feed)


def _status(feed: FeedName) -> Want:
    return Want(Topic(TopicKind.STATUS, scope=feed), feed)
