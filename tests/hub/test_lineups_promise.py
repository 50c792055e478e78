"""Three feeds that come, go, fall silent, refuse topics and lie about nothing, in any order: what a careful client is told.

Its book is always one feed's true book or in doubt, its quote has no field of another feed, and its trades stand in stretches
of one feed's without a hole, between declared gaps. The model knows nothing of line-ups, only which feed serves.
"""

import math
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Bound, Hub
from bridge.hub.lineups.lineups import Lineups
from bridge.hub.settings import HubSettings
from bridge.model import (
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    Covered,
    FeedHealth,
    FeedName,
    FeedStatus,
    Gap,
    InstrumentId,
    Quote,
    QuotePatch,
    Topic,
    TopicRefused,
    Trade,
    Uncovered,
    UnixNanos,
    Want,
)

FEEDS = tuple(map(FeedName, "abc"))
BOOK, CUT, QUOTE, TRADE = (Topic.parse(text) for text in ("book:X", "book.2:X", "quote:X", "trade:X"))
UPSTREAM = (BOOK, QUOTE, TRADE)
BAND = 100
"""Prices of a feed lie in a band of its own, so that whose a price is can be seen."""


class Party:
    """A feed as it behaves: subscribed when it is wanted and can, and then it says all there is."""

    def __init__(self, stage, name):
        self.stage = stage
        self.name = name
        self.band = (FEEDS.index(name) + 1) * BAND
        self.numbers = count(1)
        self.connected = False
        self.receives: set[Topic] = set()
        self.refuses: set[Topic] = set()
        self.levels = {self.band: 1}
        self.fact = {"instrument": InstrumentId("X"), "feed": name, "ts_recv": UnixNanos(0)}

    def say(self, event):
        self.stage.lineups.publish(event)

    def health(self, health):
        self.say(FeedStatus(feed=self.name, status=health, ts_recv=UnixNanos(0)))

    def whole(self, kind):
        self.say(kind(**self.fact, bids=as_levels(self.levels), asks=()))

    def wanted(self):
        return self.stage.lineups.tap(self.name).wanted()

    def up(self, book_first):
        if not self.connected and self.wanted():
            self.connected = True
            self.health(FeedHealth.LIVE)
            self.follow(book_first)

    def follow(self, book_first):
        """Subscribe to what is wanted, as far as it does not refuse, and to nothing else."""
        if not self.connected:
            return
        wanted = self.wanted()
        self.drop(self.receives - wanted)
        for topic in sorted(wanted - self.receives, key=str):
            if topic in self.refuses:
                self.say_no(topic)
            else:
                self.begin(topic, book_first)

    def begin(self, topic, book_first):
        if topic == BOOK and book_first:
            self.whole(BookSnapshot)
        self.receives.add(topic)
        self.say(Covered(feed=self.name, topics=(topic,), ts_recv=UnixNanos(0)))
        if topic == BOOK and not book_first:
            self.whole(BookReplacement)
        if topic == QUOTE:
            self.say(QuotePatch(**self.fact, bid=Decimal(self.band)))

    def drop(self, topics):
        if topics:
            self.receives -= topics
            self.say(Uncovered(feed=self.name, topics=tuple(topics), ts_recv=UnixNanos(0)))

    def say_no(self, topic):
        no = TopicRefused(feed=self.name, topic=topic, code="upstream_full", message="no", ts_recv=UnixNanos(0))
        self.say(no)

    def refuse(self, topic):
        self.refuses.add(topic)
        if topic in self.receives:
            self.drop({topic})
            self.say_no(topic)

    def grant(self, topic):
        self.refuses.discard(topic)

    def lose(self, health):
        self.connected = False
        self.drop(set(self.receives))
        self.health(health)

    def silent(self, health):
        if self.connected:
            self.health(health)

    def unsubscribe(self):
        if not self.wanted():
            self.lose(FeedHealth.CONNECTING)

    def change(self, offset, size):
        price = self.band + offset
        self.levels = {at: much for at, much in (self.levels | {price: size}).items() if much}
        if BOOK in self.receives:
            self.say(BookDelta(**self.fact, bids=(BookLevel(Decimal(price), Decimal(size)),), asks=()))
        if QUOTE in self.receives:
            self.say(QuotePatch(**self.fact, last=Decimal(price)))

    def trade(self):
        number = next(self.numbers)
        if TRADE in self.receives:
            trade = Trade(**self.fact, price=Decimal(self.band), size=Decimal(1), trade_id=str(number))
            self.say(trade)


def as_levels(levels):
    return tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in sorted(levels.items(), reverse=True))


class Reader:
    """A careful client, which takes everything that is pending at once."""

    def __init__(self, stage):
        self.stage = stage
        wants = [Want(topic, stage.name) for topic in (BOOK, CUT, QUOTE, TRADE)]
        self.subscription = stage.hub.open(wants, None, Bound(10**9, len, lambda: None))
        self.books = {None: None, 2: None}
        self.sequences = {}
        self.quote = None
        self.run = []

    def take(self):
        for publication in self.subscription.take():
            self.read(publication.event)
        self.check()

    def read(self, event):
        reads = {Gap: self.doubt, BookSnapshot: self.book, BookDelta: self.change, Quote: self.price, Trade: self.trade}
        reads.get(type(event), lambda _: None)(event)

    def doubt(self, gap):
        if TRADE in gap.topics:
            self.run = []
        for topic in (BOOK, CUT):
            if topic in gap.topics:
                self.books[topic.depth] = None

    def book(self, event):
        self.books[event.depth] = (event.source, dict(event.bids))
        self.sequences[event.depth] = event.sequence

    def change(self, event):
        held = self.books[event.depth]
        assert held is not None, "a change of no book"
        assert held[0] == event.source, "a change of another feed's book"
        assert self.sequences[event.depth] == event.prev_sequence
        levels = {price: size for price, size in (held[1] | dict(event.bids)).items() if size}
        self.books[event.depth] = (event.source, levels)
        self.sequences[event.depth] = event.sequence

    def price(self, event):
        self.quote = event
        band = self.stage.parties[event.source].band
        values = [value for value in (event.bid, event.last) if value is not None]
        assert all(band <= value < band + BAND for value in values), "fields of two feeds"

    def trade(self, event):
        here = (event.source, int(event.trade_id))
        assert not self.run or here == (self.run[-1][0], self.run[-1][1] + 1), (self.run, here)
        self.run.append(here)

    def check(self):
        """What it holds is the serving feed's truth, as long as that one delivers."""
        serving = self.stage.serving(BOOK)
        for depth, held in self.books.items():
            if BOOK in serving.receives:
                best = as_levels(serving.levels)[:depth]
                assert held == (serving.name, dict(best)), depth
        serving = self.stage.serving(QUOTE)
        if QUOTE in serving.receives:
            assert self.quote.source == serving.name


class Stage:
    def __init__(self, settle_seconds):
        self.hub = Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings())
        self.lineups = Lineups(self.hub, lambda: UnixNanos(0), dict.fromkeys(FEEDS, settle_seconds))
        self.name = {self.lineups.place(topic, FEEDS) for topic in UPSTREAM}.pop()
        self.parties = {name: Party(self, name) for name in FEEDS}

    def catch_up(self, book_first):
        """All do what is wanted of them."""
        for party in self.parties.values():
            party.up(book_first)
            party.follow(book_first)

    def serving(self, topic):
        return self.parties[self.lineups._topics[topic]._server(topic)]


feeds = st.sampled_from(FEEDS)
step = st.one_of(
    st.tuples(feeds, st.just("up"), st.tuples(st.booleans())),
    st.tuples(feeds, st.just("up"), st.tuples(st.booleans())),
    st.tuples(feeds, st.just("lose"), st.tuples(st.sampled_from([FeedHealth.DOWN, FeedHealth.CONNECTING]))),
    st.tuples(feeds, st.just("silent"), st.tuples(st.sampled_from([FeedHealth.STALE, FeedHealth.LIVE]))),
    st.tuples(feeds, st.just("unsubscribe"), st.just(())),
    st.tuples(feeds, st.just("follow"), st.tuples(st.booleans())),
    st.tuples(st.none(), st.just("catch up"), st.tuples(st.booleans())),
    st.tuples(st.none(), st.just("catch up"), st.tuples(st.booleans())),
    st.tuples(feeds, st.just("topple"), st.tuples(st.sampled_from(UPSTREAM), st.booleans())),
    st.tuples(feeds, st.just("refuse"), st.tuples(st.sampled_from(UPSTREAM))),
    st.tuples(feeds, st.just("grant"), st.tuples(st.sampled_from(UPSTREAM))),
    st.tuples(feeds, st.just("change"), st.tuples(st.integers(0, 5), st.integers(1, 3))),
    st.tuples(feeds, st.just("change"), st.tuples(st.integers(1, 5), st.integers(0, 3))),
    st.tuples(feeds, st.just("trade"), st.just(())),
    st.tuples(feeds, st.just("trade"), st.just(())),
    st.tuples(st.none(), st.just("take"), st.just(())),
    st.tuples(st.none(), st.just("join"), st.just(())),
)


@pytest.mark.parametrize("settle_seconds", [0.0, math.inf])
@settings(max_examples=300, deadline=None)
@given(run=st.lists(step, min_size=10, max_size=60))
async def test_no_interleaving_mixes_two_feeds_or_hides_a_break(settle_seconds, run):
    stage = Stage(settle_seconds)
    readers = [Reader(stage)]
    for feed, what, arguments in run:
        if what == "join":
            readers.append(Reader(stage))
        elif what == "catch up":
            stage.catch_up(*arguments)
        elif what == "topple":
            topic, book_first = arguments
            stage.parties[feed].refuse(topic)
            stage.catch_up(book_first)
            stage.parties[feed].grant(topic)
        elif what == "take":
            for reader in readers:
                reader.take()
        else:
            getattr(stage.parties[feed], what)(*arguments)
    for reader in readers:
        reader.take()
