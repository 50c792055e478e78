"""A client of the hub that reads as a careful client should, and checks what it is promised, against `world.World`."""

from bridge.hub.contract import Publication
from bridge.model import BookDelta, BookSnapshot, Gap, OrderUpdate, Quote, Topic, Trade, Verdict
from tests.hub.world import BOOK, CUT, ROOMY, TRADE, WANTS, Place, World


class Client:
    """Reads as a careful client does; `taken` is what it was given, with the cursor of each."""

    folds = False
    """Whether several changes of a book may come as one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.subscription = None
        self.began: dict[Topic, Place | None] = {}
        self.cursor: str | None = None
        self.taken: list[tuple[str, Publication]] = []
        self.books: dict[Topic, dict[int, int] | None] = {BOOK: None, CUT: None}
        self.sequences: dict[Topic, int] = {}
        self.life = ""
        self.bid: int | None = None
        self.complete = False
        """Whether it has read its state, so that changes alone will do."""

    def begin(self) -> None:
        """Forget everything: what counts from now on is promised as of here, or of the coverage to come."""
        self.cursor, self.taken = None, []
        self.began = {topic: self.world.covered_at and self.world.now() for topic in self.world.facts}

    def covered(self) -> None:
        for topic, place in self.began.items():
            if place is None:
                self.began[topic] = self.world.covered_at

    def join(self, after: str | None) -> None:
        self.leave()
        if after is None:
            self.begin()
        self.subscription = self.world.hub.open(WANTS, after, ROOMY)
        self.books = {BOOK: None, CUT: None}
        self.bid = None
        self.complete = False
        if after is None:
            assert self.subscription.verdict is Verdict.FRESH
            self.cursor = self.subscription.cursor

    def take(self) -> None:
        if self.subscription is not None:
            publications = self.subscription.take()
            assert publications == sorted(publications, key=lambda publication: publication.offset)
            for publication in publications:
                self.read(publication)
            if publications:
                self.cursor = self.subscription.position
            self.complete = True
            self.check_state()

    def poll(self, limit: int) -> None:
        self.leave()
        self.world.hub.lease(WANTS, 60)
        if self.cursor is None or not self.complete:
            self.begin()
            page = self.world.hub.read(WANTS, None, limit)
        else:
            page = self.world.hub.read(WANTS, self.cursor, limit)
            in_pages = [it for it in page.publications if not (it.whole and isinstance(it.event, Gap))]
            assert len([it for it in in_pages if self.world.place(self.cursor) < self.at(it)]) <= limit
        if page.verdict is Verdict.RESET:
            self.books = {BOOK: None, CUT: None}
        for publication in page.publications:
            self.read(publication)
        self.cursor = page.cursor
        self.complete = True
        if not page.more:
            self.check_state()

    def at(self, publication: Publication) -> Place:
        return self.world.place(self.world.hub.cursor(publication.offset))

    def leave(self) -> None:
        if self.subscription is not None:
            self.subscription.close()
            self.subscription = None

    def go_back(self, index: int) -> str | None:
        """Return a cursor given earlier, forgetting all that came after it.

        Never from between the gaps of a new life: its first cursor can no longer name a place in the old one.
        """
        if not self.taken:
            return self.cursor
        index %= len(self.taken)
        while index + 1 < len(self.taken) and self.taken[index + 1][1].offset == 0:
            index += 1
        del self.taken[index + 1 :]
        self.cursor = self.taken[-1][0]
        return self.cursor

    def read(self, publication: Publication) -> None:
        if self.life != self.world.hub.epoch:
            self.life = self.world.hub.epoch
            self.sequences.clear()
        self.taken.append((self.world.hub.cursor(publication.offset), publication))
        event = publication.event
        match event:
            case BookSnapshot():
                topic = BOOK if event.depth is None else CUT
                assert event.sequence >= self.sequences.get(topic, 0) or publication.whole
                self.books[topic] = _plain(event.bids)
                self.sequences[topic] = event.sequence
            case BookDelta():
                topic = BOOK if event.depth is None else CUT
                held = self.books[topic]
                assert held is not None, "a delta without a book"
                assert event.prev_sequence == self.sequences[topic], "a broken chain"
                assert event.sequence == event.prev_sequence + 1 or (
                    self.folds and event.sequence > event.prev_sequence
                )
                self.books[topic] = {price: size for price, size in (held | _plain(event.bids)).items() if size}
                self.sequences[topic] = event.sequence
            case Gap():
                for topic in event.topics:
                    if topic in self.books and not event.repaired:
                        self.books[topic] = None
            case Quote():
                self.bid = int(event.bid)

    def check_state(self) -> None:
        """With everything read, what the client shows is what the vendor last said, while that can be vouched for."""
        bids = self.world.bids
        if bids is not None:
            assert self.books[BOOK] == bids
            assert self.books[CUT] == dict(sorted(bids.items(), reverse=True)[:2])
        if self.world.bid is not None:
            assert self.bid == self.world.bid

    def check_promise(self) -> None:
        until = self.world.place(self.cursor) if self.cursor is not None else (0, 0)
        if self.world.lost_at is not None:
            until = min(until, self.world.lost_at)
        for topic, began in self.began.items():
            got = [number for _, it in self.taken if (number := self.number(it.event, topic)) is not None]
            assert got == sorted(set(got)), "out of order or twice"
            gaps = [it.event for _, it in self.taken if isinstance(it.event, Gap) and topic in it.event.topics]
            holes = [(self.world.place(gap.from_), self.world.place(gap.to)) for gap in gaps] + self.world.untold
            for number, place in self.world.facts[topic]:
                owed = began is not None and began < place <= until and number not in got
                assert not owed or any(after < place <= to for after, to in holes), (
                    f"{number} at {place} lost in silence"
                )

    def number(self, event, topic: Topic) -> int | None:
        """Return which fact of a topic an event is; None = none of it."""
        if topic is TRADE:
            return int(event.trade_id) if isinstance(event, Trade) else None
        return int(event.order_id) if isinstance(event, OrderUpdate) else None


def _plain(levels) -> dict[int, int]:
    return {int(price): int(size) for price, size in levels}
