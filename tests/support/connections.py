"""A vendor without wires: it opens connections in memory, counts them, and says what a test tells it to say.

Its dialect has no spelling: a frame's data is a number under which the words (events and signals) lie ready, so a test of
the upstream wing depends on no real vendor. Connections obey `upstream.contract.Connection` to the letter.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import trio

from bridge.dialects.contract import (
    Asked,
    Credential,
    Frame,
    HttpRequest,
    Lane,
    Question,
    Ready,
    Site,
    SymbolTable,
    Transport,
    TransportProfile,
    read_comment,
)
from bridge.errors import TransportLost, VendorRefused
from bridge.model import SECONDS, FeedName, Topic, UnixNanos
from bridge.upstream.ask import AskTools
from bridge.upstream.contract import Publish
from bridge.upstream.credentials.tokens import NoTokens
from bridge.upstream.session.subject import subject_of
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_feed import StreamFeed
from bridge.upstream.stream_terms import StreamTerms

FEED = FeedName("vendor")


def now() -> UnixNanos:
    return UnixNanos(round((1_700_000_000 + trio.current_time()) * SECONDS))


class FakeInterest:
    """What clients want, as a test sets it."""

    def __init__(self, *topics: Topic) -> None:
        self._wanted = frozenset(topics)
        self._seen: frozenset[Topic] | None = None
        self._event = trio.Event()

    def set(self, *topics: Topic) -> None:
        self._wanted = frozenset(topics)
        self._event.set()

    def wanted(self) -> frozenset[Topic]:
        self._seen = self._wanted
        return self._wanted

    async def changed(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._seen == self._wanted:
            self._event = trio.Event()
            await self._event.wait()


class FakeConnection:
    """One open connection of a `FakeVendor`."""

    def __init__(self, vendor: "FakeVendor", topics: Sequence[str]) -> None:
        self.last_event_id: str | None = None
        self.heard_at = trio.current_time()
        self.silence_seconds = vendor.silence_seconds
        self.topics = set(topics)
        self.said: list[str] = []
        self.pings = 0
        self.is_open = True
        self._vendor = vendor
        self._inbox: deque[Any] = deque()
        self._more = trio.Event()

    def put(self, item: Any) -> None:
        """Let `receive` return or raise this."""
        self._inbox.append(item)
        self._more.set()

    def say(self, *words: Any) -> None:
        """Send one message with these words in it."""
        self.put(Frame(data=self._vendor.keep(words), ts_recv=now()))

    def lose(self, reason: str = "the vendor hung up") -> None:
        self.put(TransportLost(reason))

    async def receive(self) -> Frame | None:
        await trio.lowlevel.checkpoint()
        while not self._inbox:
            self._more = trio.Event()
            await self._more.wait()
        item = self._inbox.popleft()
        if isinstance(item, Exception):
            raise item
        return item

    async def send(self, text: bytes) -> None:
        await trio.lowlevel.checkpoint()
        sign, _, names = text.decode().partition(" ")
        self.said.append(text.decode())
        self._vendor.told.append(trio.current_time())
        changed = set(names.split())
        self.topics = self.topics | changed if sign == "+" else self.topics - changed
        if sign == "+" and self._vendor.confirms:
            self.say(Ready(tuple(self._vendor.topic(name) for name in sorted(changed - self._vendor.unconfirmed))))

    async def ping(self) -> None:
        self.pings += 1
        await trio.sleep(self._vendor.pong_seconds)

    async def aclose(self) -> None:
        if self.is_open:
            self.is_open = False
            self._vendor.connections.remove(self)


class FakeVendor:
    """A vendor, its connector and its dialect in one.

    Attributes:
        connections: those that are open, oldest first.
        opened: how many there ever were; `most` how many at the same time.
        attempts: when a connection was asked for, whatever became of it.
        told: when a message came in, on whichever connection.
        broken: nothing is accepted or answered.
        refusals: raised by the next connects, one each.
        unknown: names of topics for which a whole request is refused, as some vendors do.
        confirms: whether it answers subscribes (and, on SSE, greets); `unconfirmed` names topics that it passes over.
        connect_seconds: how long a connect takes.
        answers: what a fetch returns or raises, by question.
    """

    name = "fake"

    def __init__(self, transport: Transport = Transport.SSE, **profile: Any) -> None:
        self.transport = transport
        self.transport_profile = TransportProfile(
            **{"changeable": transport is not Transport.SSE, "max_connections": 5, "subscriptions_per_connection": 50}
            | profile
        )
        self.connections: list[FakeConnection] = []
        self.opened = 0
        self.most = 0
        self.refusals: deque[Exception] = deque()
        self.requests: list[Credential | None] = []
        self.event_ids: list[str | None] = []
        self.attempts: list[float] = []
        self.told: list[float] = []
        self.broken = False
        self.confirms = True
        self.unknown: set[str] = set()
        self.unconfirmed: set[str] = set()
        self.connect_seconds = 0.01
        self.pong_seconds = 0.01
        self.silence_seconds = float("inf")
        self.fetched: list[tuple[float, Question]] = []
        self.answers: Callable[[Question], Any] = lambda _: None
        self.lanes: Callable[[Topic], str] = lambda _: ""
        self._words: list[Sequence[Any]] = []
        self._topics: dict[str, Topic] = {}

    # ── the vendor's side ──
    def say(self, *words: Any) -> None:
        """Send a message on every open connection; each decoder leaves out what was not asked for."""
        for connection in self.connections:
            connection.say(*words)

    def subscribed(self) -> Counter[str]:
        """How often each topic is subscribed now, over all connections."""
        return Counter(name for connection in self.connections for name in connection.topics)

    def keep(self, words: Sequence[Any]) -> bytes:
        self._words.append(words)
        return str(len(self._words) - 1).encode()

    def topic(self, name: str) -> Topic:
        return self._topics[name]

    def _name(self, topic: Topic) -> str:
        self._topics[str(topic)] = topic
        return str(topic)

    # ── connector ──
    async def connect(self, request: HttpRequest) -> FakeConnection:
        await trio.sleep(self.connect_seconds)
        self.attempts.append(trio.current_time())
        if self.refusals:
            raise self.refusals.popleft()
        if self.broken:
            raise TransportLost(f"{self.transport} is broken")
        names = msgspec.json.decode(request.body)
        if not self.unknown.isdisjoint(names):
            raise VendorRefused(400, "Invalid parameters")
        connection = FakeConnection(self, names)
        self.connections.append(connection)
        self.opened += 1
        self.most = max(self.most, len(self.connections))
        if self.confirms and not self.transport_profile.changeable:
            connection.say(Ready())
        return connection

    async def fetch(self, request: HttpRequest) -> Frame:
        await trio.sleep(self.connect_seconds)
        question = self._words[int(request.body)][0]
        self.fetched.append((trio.current_time(), question))
        if self.broken:
            raise TransportLost(f"{self.transport} is broken")
        answer = self.answers(question)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Frame) else Frame(data=self.keep(answer or ()), ts_recv=now())

    # ── dialect ──
    def lane(self, topic: Topic, transport: Transport) -> Lane | None:
        return Lane(transport, self.lanes(topic))

    def subscriptions(self, topics: Sequence[Topic], transport: Transport) -> int:
        return len(topics)

    def requests_of(self, asked: Asked) -> "FakeRequests":
        return FakeRequests(self, asked)

    def question(
        self, question: Question, symbols: SymbolTable, site: Site, credential: Credential | None
    ) -> HttpRequest | None:
        return HttpRequest(url="http://fake", body=self.keep([question]))

    def answer(
        self, question: Question, body: bytes, feed: FeedName, symbols: SymbolTable, ts_recv: UnixNanos
    ) -> Sequence[Any]:
        return self.words(body)

    def words(self, data: bytes) -> Sequence[Any]:
        words = self._words[int(data)]
        for word in words:
            if isinstance(word, Exception):
                raise word
        return words

    def spell(self, topics: Sequence[Topic]) -> list[str]:
        return sorted(self._name(topic) for topic in topics)


class FakeDialect:
    """The dialect half of a `FakeVendor`, with the names a dialect has."""

    name = "fake"

    def __init__(self, vendor: FakeVendor) -> None:
        self._vendor = vendor
        self.lane = vendor.lane
        self.subscriptions = vendor.subscriptions
        self.question = vendor.question
        self.answer = vendor.answer

    def requests(self, asked: Asked, site: Site) -> "FakeRequests":
        return FakeRequests(self._vendor, asked)

    def decoder(self, asked: Asked) -> "FakeDecoder":
        return FakeDecoder(self._vendor, asked)


class FakeRequests:
    def __init__(self, vendor: FakeVendor, asked: Asked) -> None:
        self._vendor = vendor
        self._asked = asked

    def open(self, credential: Credential | None, last_event_id: str | None) -> HttpRequest:
        self._vendor.requests.append(credential)
        self._vendor.event_ids.append(last_event_id)
        carried = () if self._vendor.transport_profile.changeable else self._asked.topics
        return HttpRequest(url="http://fake", body=msgspec.json.encode(self._vendor.spell(carried)))

    def subscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        if not self._vendor.transport_profile.changeable:
            return []
        return [f"+ {' '.join(self._vendor.spell(topics))}".encode()]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        return [f"- {' '.join(self._vendor.spell(topics))}".encode()]

    def ping(self) -> bytes | None:
        return None


class FakeDecoder:
    def __init__(self, vendor: FakeVendor, asked: Asked) -> None:
        self._vendor = vendor
        self._asked = asked

    cursor: str | None = None

    def decode(self, frame: Frame) -> Sequence[Any]:
        words = self._vendor.words(frame.data)
        return [word for word in words if (topic := subject_of(word)) is None or topic in self._asked]

    def comment(self, text: str) -> Sequence[Any]:
        return [read_comment(text, self._asked.topics)]


class AnySpelling:
    """Every id is its own symbol."""

    def vendor_symbol(self, instrument: Any, transport: Transport) -> str | None:
        return str(instrument)

    def instrument(self, vendor_symbol: str, transport: Transport) -> Any:
        return vendor_symbol


def asking(vendor: FakeVendor, publish: Publish, keeper: Any = None) -> AskTools:
    return AskTools(
        dialect=FakeDialect(vendor),
        symbols=SymbolTable(AnySpelling(), {}),
        site=lambda: Site(url="http://fake"),
        connector=vendor,
        keeper=keeper or NoTokens(),
        publish=publish,
        clock=now,
        account=None,
    )


def stream_feed(vendor: FakeVendor, interest: FakeInterest, publish: Publish, keeper: Any = None) -> StreamFeed:
    """A `StreamFeed` toward a fake vendor, without jitter: every backoff waits its full ceiling."""
    terms = StreamTerms(
        transport=vendor.transport,
        profile=vendor.transport_profile,
        max_connections=vendor.transport_profile.max_connections,
        depth=None,
        account=None,
        interest=interest,
        random=lambda: 1.0,
    )
    return StreamFeed(Standing(FEED, publish, now), terms, asking(vendor, publish, keeper))
