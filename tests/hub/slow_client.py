"""A careful client that is served slowly, or wished to be slowed, and the world it lives in: `world.World` with bars."""

import math
from decimal import Decimal

import trio

from bridge.hub.hub import Bound
from bridge.model import Bar, Covered, Gap, OrderUpdate, Topic, Trade, Uncovered, UnixNanos, Want, Wishes
from tests.hub.careful_client import Client
from tests.hub.world import BOOK, CUT, FEED, FEED_TOPICS, ORDER, QUOTE, TRADE, WANTS, World, X

BAR = Topic.parse("bar.1m:X")
SLOW_WANTS = [*WANTS, Want(BAR, FEED)]
COST = 100


class SlowWorld(World):
    """Also makes bars; the final ones are facts."""

    def __init__(self, history_events: int) -> None:
        super().__init__(history_events)
        self.facts[BAR] = []
        self.opened = 1
        self.closes = 0

    def cover(self) -> None:
        if self.phase != "covered":
            super().cover()
            self.hub.publish(Covered(feed=FEED, topics=(BAR,), ts_recv=UnixNanos(0)))
            self.covered_at = self.now()

    def uncover(self) -> None:
        if self.phase == "covered":
            self.hub.publish(Uncovered(feed=FEED, topics=(*FEED_TOPICS, BAR), ts_recv=UnixNanos(0)))
            self.covered_at = self.bids = self.bid = None
            self.lost_at = self.now()
            self.phase = "off"

    def change_bar(self, *, final: bool) -> None:
        self.closes += 1
        covered = self.phase == "covered"
        if covered:
            price = Decimal(self.closes)
            self.hub.publish(
                Bar(
                    **X,
                    interval="1m",
                    ts_open=UnixNanos(self.opened),
                    open=price,
                    high=price,
                    low=price,
                    close=price,
                    is_final=final,
                )
            )
        if final:
            life, head = self.now()
            self.facts[BAR].append((self.opened, (life, head if covered else head + 0.5)))
            self.opened += 1


class SlowClient(Client):
    """Its connection may be blocked; it may wish to be slowed."""

    world: SlowWorld
    folds = True

    def __init__(self, world: SlowWorld, *, room: int, skips: bool) -> None:
        super().__init__(world)
        self.bound = Bound(room * COST, lambda some: COST * len(some), self.wake, skips=skips)
        self.room = room
        self.wishes = Wishes()
        self.handed = 0
        self.woken = False
        self.released: dict[Topic, list[float]] = {}

    def wake(self) -> None:
        self.woken = True

    def join(self, after: str | None) -> None:
        self.leave()
        if after is None:
            self.begin()
        self.woken = False
        self.subscription = self.world.hub.open(SLOW_WANTS, after, self.bound)
        assert self.woken == bool(self.subscription.pending_bytes)
        self.handed = self.subscription.pending_bytes
        self.books = {BOOK: None, CUT: None}
        self.bid = None
        if after is None:
            self.cursor = self.subscription.cursor
        self.wish(self.wishes)

    def wish(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.released.clear()
        if self.subscription is not None:
            self.subscription.wish(wishes)

    def block(self, *, blocked: bool) -> None:
        if self.subscription is not None:
            self.subscription.blocked = blocked

    def take(self) -> None:
        if self.subscription is None:
            return
        self.subscription.blocked = False
        self.woken = False
        publications = self.subscription.take()
        if not self.woken:
            self.handed = 0
        offsets = [publication.offset for publication in publications]
        assert offsets == sorted(offsets)
        assert not offsets or self.cursor is None or offsets[0] >= self.world.place(self.subscription.cursor)[1]
        for publication in publications:
            self.note_rate(publication)
            self.read(publication)
        if publications:
            self.cursor = self.subscription.position
        if math.isinf(self.subscription.due_at) and not (self.subscription.overflowed or self.woken):
            self.check_state()
        if self.subscription.overflowed:
            self.join(self.cursor)

    def note_rate(self, publication) -> None:
        want = publication.policy.want
        if self.wishes.max_rate and publication.policy.slowed and want is not None:
            times = self.released.setdefault(want.topic, [])
            now = trio.current_time()
            assert not times or now >= times[-1] + 1 / self.wishes.max_rate - 1e-5
            times.append(now)

    def check_bound(self) -> None:
        """Something pending is known of; what is pending is bounded; an order is never among what was left out."""
        subscription = self.subscription
        if subscription is None:
            return
        pending = subscription.pending_bytes
        assert not pending or self.woken or not math.isinf(subscription.due_at)
        states = 2 + 2 * 4  # a quote, a bar; two books of three deltas, and one more until it is noticed
        log_bytes = pending - self.handed
        assert not subscription.lagging or log_bytes <= (self.room + states + self.bound.unweighed) * COST

    def check_gaps(self) -> None:
        """A slow consumer's gap begins at the event before it, and counts what it hides."""
        before = None
        for cursor, publication in self.taken:
            event = publication.event
            if isinstance(event, Gap) and event.cause == "slow_consumer":
                assert event.from_ == cursor
                assert before is None or self.world.place(event.from_) >= self.world.place(before)
                inside = (self.world.place(event.from_), self.world.place(event.to))
                hidden = [
                    number
                    for topic in event.topics
                    for number, place in self.world.facts[topic]
                    if inside[0] < place <= inside[1]
                ]
                assert event.missed == len(hidden)
                assert set(event.topics) <= {TRADE, BAR}
            before = cursor

    def number(self, event, topic: Topic) -> int | None:
        if topic == BAR:
            return int(event.ts_open) if isinstance(event, Bar) and event.is_final else None
        if topic == TRADE:
            return int(event.trade_id) if isinstance(event, Trade) else None
        return int(event.order_id) if isinstance(event, OrderUpdate) and topic == ORDER else None


__all__ = ["BAR", "COST", "QUOTE", "SlowClient", "SlowWorld"]
