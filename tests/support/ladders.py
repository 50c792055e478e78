"""A feed over several transports of one vendor in memory, with the hub behind it: what a client would be told."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from bridge.broker.loader import open_log
from bridge.dialects.contract import Lane, Transport
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import Covered, FeedStatus, Topic, TopicKind, TopicRefused, Uncovered, UpstreamEvent, Want
from bridge.upstream.credentials.borrowed import BorrowedKeeper
from bridge.upstream.credentials.tokens import NoTokens
from bridge.upstream.ladder.feed import LadderFeed
from bridge.upstream.ladder.reach import Reach
from bridge.upstream.ladder.rung import Rung
from bridge.upstream.ladder.tools import LadderTools
from bridge.upstream.polling import PollingFeed
from bridge.upstream.standing.standing import Standing
from bridge.upstream.stream_feed import StreamFeed
from bridge.upstream.stream_terms import StreamTerms
from bridge.upstream.watches.watches import WatchTerms
from bridge.upstream.watches.witness import Witness
from tests.support.connections import FEED, FakeVendor, asking, now

ALL = frozenset({TopicKind.QUOTE, TopicKind.TRADE, TopicKind.BOOK})
POLLED = frozenset({TopicKind.QUOTE, TopicKind.BOOK})


class Party:
    """One vendor over several transports: the dialect as far as the ladder looks."""

    name = "fake"

    def __init__(self, kinds: Mapping[Transport, frozenset[TopicKind]]) -> None:
        self._kinds = kinds

    def lane(self, topic: Topic, transport: Transport) -> Lane | None:
        return Lane(transport) if topic.kind in self._kinds[transport] else None


class LadderHouse:
    """A ladder, its vendor's transports and the hub."""

    def __init__(
        self, *wanted: Topic, keeper: Any = None, stale_seconds: float = 0, **kinds: frozenset[TopicKind]
    ) -> None:
        carried = {Transport(name): kind for name, kind in kinds.items()} or {
            Transport.SSE: ALL,
            Transport.WEBSOCKET: ALL,
            Transport.POLLING: POLLED,
        }
        self.vendors = {transport: FakeVendor(transport, poll_seconds={"quote": 5, "book": 3}) for transport in carried}
        self.party = Party(carried)
        self._stale_seconds = stale_seconds
        self.hub = Hub(open_log("memory:"), now, HubSettings(linger_seconds=0))
        self.said: list[UpstreamEvent] = []
        self.keeper = keeper or NoTokens()
        self.moves: list[Transport] = []
        self.feed = self._ladder()
        self.told: list[Any] = []
        self.want(*wanted)

    def want(self, *topics: Topic) -> None:
        """A client subscribes."""
        bound = Bound(pending_bytes=sys.maxsize, cost=len, wake=lambda: None)
        self.subscription = self.hub.open([Want(topic, FEED) for topic in topics], None, bound)

    def _publish(self, event: UpstreamEvent) -> None:
        self.said.append(event)
        self.hub.publish(event)

    def _ladder(self) -> LadderFeed:
        witness = Witness(self._publish)
        rungs = [
            Rung(number, transport, Standing(FEED, self._publish, now, rung=transport))
            for number, transport in enumerate(self.vendors)
        ]
        tools = LadderTools(
            reach=Reach(self.party, asking(next(iter(self.vendors.values())), self._publish).symbols),
            keeper=self.keeper,
            interest=self.hub.interest(FEED),
            random=lambda: 1.0,
            moved=self.moves.append,
            watch=WatchTerms(witness=witness, random=lambda: 1.0, suspicions=self.hub.suspicions(FEED)),
        )
        feed = LadderFeed(Standing(FEED, witness, now), rungs, tools)
        for rung in rungs:
            rung.feed = self._rung_feed(rung)
        return feed

    def _rung_feed(self, rung: Rung) -> Any:
        vendor = self.vendors[rung.transport]
        tools = asking(vendor, rung.standing.publish, BorrowedKeeper(self.keeper))
        tools = msgspec.structs.replace(tools, dialect=_dialect(tools.dialect, self.party))
        if rung.transport is Transport.POLLING:
            return PollingFeed(rung.standing, vendor.transport_profile, rung.interest, tools, lambda: 1.0)
        terms = StreamTerms(
            transport=rung.transport,
            profile=vendor.transport_profile,
            max_connections=5,
            depth=None,
            account=None,
            interest=rung.interest,
            random=lambda: 1.0,
            stale_seconds=self._stale_seconds,
        )
        return StreamFeed(rung.standing, terms, tools)

    def __getattr__(self, name: str) -> FakeVendor:
        try:
            return self.__dict__["vendors"][Transport(name)]
        except (KeyError, ValueError):
            raise AttributeError(name) from None

    def breaks(self, *transports: Transport) -> None:
        """Let transports fail: what is open is lost, and nothing is accepted any more."""
        for transport in transports:
            self.vendors[transport].broken = True
            for connection in list(self.vendors[transport].connections):
                connection.lose(f"{transport} broke")

    def mends(self, *transports: Transport) -> None:
        for transport in transports:
            self.vendors[transport].broken = False

    def say(self, *words: Any) -> None:
        """The vendor says this on every connection it has."""
        for vendor in self.vendors.values():
            vendor.say(*words)

    def take(self) -> list[Any]:
        """What the client is told, all of it so far."""
        self.told += [publication.event for publication in self.subscription.take()]
        return self.told

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.take() if isinstance(event, kind)]

    @property
    def transport(self) -> Transport | None:
        return self.feed.statistics().transport

    def covered(self) -> set[Topic]:
        """What is covered, by reading what was said from its beginning."""
        covered: set[Topic] = set()
        for event in self.said:
            if isinstance(event, Covered):
                assert covered.isdisjoint(event.topics), "covered twice"
                covered.update(event.topics)
            elif isinstance(event, Uncovered):
                assert covered.issuperset(event.topics), "uncovered what was not covered"
                covered.difference_update(event.topics)
        return covered

    def status(self) -> FeedStatus:
        return [event for event in self.said if isinstance(event, FeedStatus)][-1]

    def refusals(self) -> list[TopicRefused]:
        return [event for event in self.said if isinstance(event, TopicRefused)]


def _dialect(dialect: Any, party: Party) -> Any:
    dialect.lane = party.lane
    return dialect


@asynccontextmanager
async def running(house: LadderHouse) -> AsyncIterator[LadderHouse]:
    """Run hub and feed until the block ends."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.hub.run)
        nursery.start_soon(house.feed.run)
        yield house
        nursery.cancel_scope.cancel()
