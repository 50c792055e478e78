"""A small world for the hub's tests: it makes trades, orders, books and quotes, and a feed that sees some of them.

`off`: nothing is seen; `warming`: some, not yet confirmed; `covered`: all. It remembers what was so and where in the log it
stood, and knows nothing of history, coverage or records.
"""

from decimal import Decimal
from itertools import count

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    BookDelta,
    BookLevel,
    BookReplacement,
    BookSnapshot,
    Covered,
    FeedName,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Side,
    Topic,
    TopicKind,
    Trade,
    Uncovered,
    UnixNanos,
    Want,
)

FEED = FeedName("f")
X = {"instrument": InstrumentId("X"), "feed": FEED, "ts_recv": UnixNanos(0)}
TRADE, BOOK, CUT, QUOTE = (Topic.parse(text) for text in ("trade:X", "book:X", "book.2:X", "quote:X"))
ORDER = Topic(TopicKind.ORDER, scope="f/acme")
WANTS = [Want(topic, FEED) for topic in (TRADE, BOOK, CUT, QUOTE, ORDER)]
FEED_TOPICS = (TRADE, BOOK, QUOTE, ORDER)
ROOMY = Bound(10**9, lambda some: 100 * len(some), lambda: None)

Place = tuple[int, float]
"""Which life of the bridge, and the offset in it; a half lies between two offsets."""


class World:
    def __init__(self, history_events: int) -> None:
        self.settings = HubSettings(history_events=history_events)
        self.epochs: list[str] = []
        self.numbers = count(1)
        self.facts: dict[Topic, list[tuple[int, Place]]] = {TRADE: [], ORDER: []}
        self.untold: list[tuple[Place, Place]] = []
        """Breaks that were still open when their life ended: only the feed's health told of them (`after` < place <= `to`)."""
        self.lost_at: Place | None = None
        self.restart()

    def restart(self) -> None:
        if self.lost_at is not None:
            self.untold.append((self.lost_at, self.now()))
            self.lost_at = None
        self.hub = Hub(MemoryLog(), lambda: UnixNanos(0), self.settings)
        self.epochs.append(self.hub.epoch)
        self.phase = "off"
        self.waiting: list[tuple[Topic, int]] | None = None
        """What was made since coverage was lost, topic and number, as long as the vendor may still go on from there."""
        self.covered_at: Place | None = None
        self.bids: dict[int, int] | None = None
        self.bid: int | None = None

    def place(self, cursor: str) -> Place:
        epoch, _, offset = cursor.partition("-")
        return self.epochs.index(epoch), int(offset)

    def now(self) -> Place:
        return len(self.epochs) - 1, self.hub.head

    def make_fact(self, topic: Topic, *, seen: bool) -> None:
        number = next(self.numbers)
        life, head = self.now()
        seen = self.phase == "covered" or (self.phase == "warming" and seen)
        if seen:
            self.hub.publish(made_fact(topic, number))
        elif self.waiting is not None:
            self.waiting.append((topic, number))
        self.facts[topic].append((number, (life, head + 1 if seen else head + 0.5)))

    def cover(self) -> None:
        if self.phase != "covered":
            self.phase = "covered"
            self.hub.publish(Covered(feed=FEED, topics=FEED_TOPICS, ts_recv=UnixNanos(0)))
            self.covered_at = self.now()
            self.lost_at = self.waiting = None

    def resume(self) -> None:
        """Cover again with nothing lost: what was made during the break follows."""
        if self.waiting is None:
            return
        self.phase = "covered"
        self.hub.publish(Covered(feed=FEED, topics=FEED_TOPICS, ts_recv=UnixNanos(0), continued=True))
        self.covered_at = self.now()
        self.lost_at = None
        for topic, number in self.waiting:
            place = next(at for at, (one, _) in enumerate(self.facts[topic]) if one == number)
            self.hub.publish(made_fact(topic, number))
            self.facts[topic][place] = (number, self.now())
        self.waiting = None

    def uncover(self) -> None:
        if self.phase == "covered":
            self.hub.publish(Uncovered(feed=FEED, topics=FEED_TOPICS, ts_recv=UnixNanos(0)))
            self.covered_at = self.bids = self.bid = None
            self.lost_at = self.now()
        self.waiting = [] if self.phase == "covered" else None
        self.phase = "off" if self.phase != "off" else "warming"

    def change_book(self, levels: dict[int, int], kind: str) -> None:
        if self.phase == "off":
            return
        whole = {price: size for price, size in levels.items() if size}
        if kind != "delta":
            self.bids = whole
            make = BookSnapshot if kind == "snapshot" else BookReplacement
            self.hub.publish(make(**X, bids=as_levels(whole), asks=()))
            return
        self.hub.publish(BookDelta(**X, bids=as_levels(levels), asks=()))
        if self.bids is not None:
            self.bids = {price: size for price, size in (self.bids | levels).items() if size}

    def change_quote(self, bid: int) -> None:
        if self.phase != "off":
            self.bid = bid
            self.hub.publish(QuotePatch(**X, bid=Decimal(bid)))


def made_fact(topic: Topic, number: int) -> Trade | OrderUpdate:
    if topic is TRADE:
        return Trade(**X, price=Decimal(1), size=Decimal(1), trade_id=str(number))
    return OrderUpdate(
        **X,
        account="f/acme",
        order_id=str(number),
        side=Side.BUY,
        order_type="limit",
        quantity=Decimal(1),
        filled_quantity=Decimal(0),
        status="new",
    )


def as_levels(levels: dict[int, int]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in sorted(levels.items(), reverse=True))
