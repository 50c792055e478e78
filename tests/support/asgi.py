"""Drives one ASGI application in memory, so that a stream's whole life fits into virtual time; and a house to drive it with.

`Client` is the network: it hands in what the peer sends, keeps what the application sends, may stop reading (`stalled`: the
application's `send` then never returns and cannot be cancelled, like a server's shielded write), and can be hung up on.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from bridge.broker.memory import MemoryLog
from bridge.clock import TrioClock
from bridge.dialects.contract import Answer, Outcome, Question, Refusal, Request, SymbolTable, Transport
from bridge.dialects.contract.profile import Aliases
from bridge.dialects.loader import load_dialect
from bridge.downstream.access.admission import Gate
from bridge.downstream.access.tokens import TokenGrant, mint_token
from bridge.downstream.contract import Exchange, House, Peer, ServedDialect
from bridge.downstream.readiness import Readiness
from bridge.downstream.settings import AuthSettings, DialectSettings, LimitSettings, ListenSettings
from bridge.downstream.streams.sse import serve_sse
from bridge.downstream.streams.websocket import serve_websocket
from bridge.hub.hub import Hub
from bridge.hub.interest import as_asked
from bridge.hub.settings import HubSettings
from bridge.model import (
    AccountId,
    Code,
    Covered,
    FeedHealth,
    FeedName,
    FeedStatus,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Side,
    Topic,
    TopicKind,
    TopicRefused,
    Trade,
    Uncovered,
    UnixNanos,
    Want,
    exact,
)
from bridge.upstream.arbiter import Arbiter

START = UnixNanos(1_767_225_600_000_000_000)  # 2026-01-01T00:00:00Z
SECRET = "an-hs256-secret-of-at-least-thirty-two-bytes"
FEED = FeedName("lq")
OTHER_FEED = FeedName("tv")
OPEN = AuthSettings(mode="none")
LIMITS = LimitSettings()
SETTINGS = DialectSettings()
JWT = AuthSettings(mode="jwt", secret=SECRET, default_topics=("*",))


class Client:
    """One peer's connection, and what came over it."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.hung_up = False
        self.retired = False
        self.welcomed = False
        self.refused: Refusal | None = None
        self.done = trio.Event()
        self._inbox, self._outbox = trio.open_memory_channel[dict[str, Any]](1_000)
        self._news = trio.Event()
        self._reading = trio.Event()
        self._reading.set()

    # ── the application's side ──
    async def receive(self) -> dict[str, Any]:
        return await self._outbox.receive()

    async def send(self, message: dict[str, Any]) -> None:
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()
            while not (self._reading.is_set() or self.hung_up):
                await self._reading.wait()
        if self.hung_up:
            raise trio.BrokenResourceError
        self.sent.append(dict(message))
        self._news.set()

    def retire(self) -> None:
        self.retired = True

    def welcome(self) -> None:
        self.welcomed = True

    def hang_up(self) -> None:
        self.hung_up = True
        self._reading.set()

    # ── the peer's side ──
    def stop_reading(self) -> None:
        self._reading = trio.Event()

    def read_on(self) -> None:
        self._reading.set()

    def say(self, message: object) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self._inbox.send_nowait({"type": "websocket.receive", "text": text})

    def leave(self, kind: str = "http.disconnect") -> None:
        self._inbox.send_nowait({"type": kind})

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent if message["type"] == "http.response.body")

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """An event stream's blocks, read with nothing of ours: field to text, and `json`."""
        return [_block(raw) for raw in self.body.decode().split("\n\n") if raw]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The JSON of every event or WebSocket text so far."""
        texts = [message["text"] for message in self.sent if message["type"] == "websocket.send"]
        return [json.loads(text) for text in texts] + [block["json"] for block in self.blocks if "json" in block]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def closed(self) -> tuple[int, str] | None:
        found = [message for message in self.sent if message["type"] == "websocket.close"]
        return (found[0]["code"], found[0]["reason"]) if found else None

    @property
    def ended(self) -> bool:
        return any(message.get("more_body") is False for message in self.sent)

    async def opened(self) -> "Client":
        """Return once the stream has begun."""
        await self.until(lambda: self.of("stream"))
        return self

    async def until(self, ready: Callable[[], object], seconds: float = 3_600) -> None:
        """Return once `ready()` after something was sent."""
        with trio.fail_after(seconds):
            while not ready():
                self._news = trio.Event()
                await self._news.wait()


def _block(raw: str) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for line in raw.split("\n"):
        name, _, value = line.partition(":")
        block[name or "comment"] = value.removeprefix(" ")
    if "data" in block:
        block["json"] = json.loads(block["data"])
    return block


def resolve(topic: Topic, accounts: Sequence[AccountId]) -> tuple[Want, ...]:
    """Everything is on `lq`, but `NOPE` is nowhere, ids with a colon are on `tv`, and `lq` has no bars."""
    if topic.kind is TopicKind.ORDER:
        return tuple(Want(Topic(TopicKind.ORDER, scope=one), FeedName(one.partition("/")[0])) for one in accounts)
    if topic.kind is TopicKind.STATUS:
        return tuple(Want(Topic(TopicKind.STATUS, scope=feed), feed) for feed in (FEED, OTHER_FEED))
    assert topic.instrument is not None
    if topic.instrument == "NOPE":
        raise Refusal(Code.UNKNOWN_INSTRUMENT, "no feed takes NOPE")
    feed = OTHER_FEED if ":" in topic.instrument else FEED
    if topic.kind is TopicKind.BAR and feed == FEED:
        raise Refusal(Code.UNSUPPORTED_TOPIC, "lq has no bars")
    if topic.kind is TopicKind.ALL:
        kinds = (TopicKind.QUOTE, TopicKind.BOOK, TopicKind.TRADE)
        return tuple(Want(Topic(kind, topic.instrument), feed) for kind in kinds)
    return (Want(topic, feed),)


class Bench:
    """A house in memory, feeds that say what a test says, and its clients.

    Args:
        arbiter: chooses the feeds, and says what is derived; None = `resolve` above, and nothing is.
        aliases: the dialect's symbols for listed instruments.
    """

    def __init__(
        self,
        auth: AuthSettings = OPEN,
        limits: LimitSettings = LIMITS,
        settings: DialectSettings = SETTINGS,
        dialect: str = "canonical",
        *,
        arbiter: Arbiter | None = None,
        aliases: Aliases | None = None,
    ) -> None:
        self.clock = TrioClock(START)
        sources = arbiter.sources if arbiter is not None else as_asked
        self.hub = Hub(MemoryLog(), self.clock, HubSettings(linger_seconds=limits.linger_seconds), sources)
        self.auth = auth
        self.answers: dict[FeedName, Answer] = {}
        self.answer_seconds = 0.0
        self.asked: list[tuple[FeedName, Question]] = []
        self.gate = Gate(auth, self.clock)
        loaded = load_dialect(dialect)
        self.served = ServedDialect(
            dialect=loaded, symbols=SymbolTable(loaded.spelling, aliases or {}), limits=limits, settings=settings
        )
        self.house = House(
            hub=self.hub,
            clock=self.clock,
            ask=self._ask,
            resolve=resolve if arbiter is None else arbiter.resolve,
            readiness=lambda: Readiness(ready=True, feeds=()),
            listen=ListenSettings(),
            auth=auth,
            limits=limits,
            served=[self.served],
            admission=self.gate,
            instruments={"BTC-USD": [FEED], "ETH-USD": [FEED]},
        )

    async def _ask(self, feed: FeedName, question: Question, deadline_seconds: float) -> Answer:
        self.asked.append((feed, question))
        await trio.sleep(min(self.answer_seconds, deadline_seconds))
        if self.answer_seconds > deadline_seconds:
            return Answer(outcome=Outcome.FAILED)
        return self.answers.get(feed, Answer(outcome=Outcome.UNSUPPORTED))

    # ── upstream ──
    def cover(self, *topics: str, feed: FeedName = FEED) -> None:
        parsed = tuple(map(Topic.parse, topics))
        self.hub.publish(Covered(feed=feed, topics=parsed, ts_recv=self.clock()))

    def uncover(self, *topics: str, feed: FeedName = FEED) -> None:
        parsed = tuple(map(Topic.parse, topics))
        self.hub.publish(Uncovered(feed=feed, topics=parsed, ts_recv=self.clock()))

    def cover_orders(self, account: str) -> None:
        feed = FeedName(account.partition("/")[0])
        topic = Topic(TopicKind.ORDER, scope=account)
        self.hub.publish(Covered(feed=feed, topics=(topic,), ts_recv=self.clock()))

    def health(self, status: FeedHealth, feed: FeedName = FEED) -> None:
        self.hub.publish(FeedStatus(feed=feed, status=status, ts_recv=self.clock()))

    def quote(self, bid: str, instrument: str = "BTC-USD", feed: FeedName = FEED) -> None:
        patch = QuotePatch(instrument=InstrumentId(instrument), feed=feed, ts_recv=self.clock(), bid=exact(bid))
        self.hub.publish(patch)

    def trade(self, price: str, instrument: str = "BTC-USD", trade_id: str | None = None) -> None:
        self.hub.publish(
            Trade(
                instrument=InstrumentId(instrument),
                feed=FEED,
                ts_recv=self.clock(),
                price=exact(price),
                size=exact("1"),
                trade_id=trade_id,
            )
        )

    def order(self, account: str, order_id: str) -> None:
        self.hub.publish(self.order_event(account, order_id))

    def order_event(self, account: str, order_id: str) -> OrderUpdate:
        return OrderUpdate(
            instrument=InstrumentId("BTC-USD"),
            feed=FeedName(account.partition("/")[0]),
            ts_recv=self.clock(),
            account=AccountId(account),
            order_id=order_id,
            side=Side.BUY,
            order_type="limit",
            quantity=exact("10"),
            filled_quantity=exact("5"),
            status="partially_filled",
        )

    def refuse(self, topic: str, code: Code, feed: FeedName = FEED) -> None:
        self.hub.publish(
            TopicRefused(
                feed=feed, topic=Topic.parse(topic), code=code.value, message="the vendor said no", ts_recv=self.clock()
            )
        )

    # ── downstream ──
    def token(self, sub: str = "alice", ttl: float = 3_600, **grant: Any) -> str:
        token, _ = mint_token(self.auth, TokenGrant(sub=sub, ttl_seconds=ttl, **grant), self.clock())
        return token

    def exchange(
        self,
        kind: str,
        query: str = "",
        *,
        token: str | None = None,
        name: str = "",
        segments: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        address: str = "192.0.2.1",
    ) -> Exchange:
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        parsed: dict[str, list[str]] = {}
        for key, _, value in pairs:
            parsed.setdefault(key, []).append(value)
        endpoint = next(
            (one for one in self.served.dialect.endpoints if one.kind.value == kind and one.name == name),
            self.served.dialect.endpoints[0],
        )
        request = Request(endpoint=endpoint, segments=segments or {}, query=parsed, headers=headers or {}, body=body)
        authority = (headers or {}).get("host")
        peer = Peer(address=address, authority=authority, tokens=() if token is None else (token,))
        return Exchange(served=self.served, request=request, peer=peer)

    def stream(self, nursery: trio.Nursery, exchange: Exchange, subprotocols: Sequence[str] = ()) -> Client:
        """Open a stream; which transport is the endpoint's."""
        client = Client()
        nursery.start_soon(self._serve, client, exchange, subprotocols)
        return client

    async def _serve(self, client: Client, exchange: Exchange, subprotocols: Sequence[str]) -> None:
        scope = {"http_version": "1.1", "state": {"bridge.connection": client}, "subprotocols": list(subprotocols)}
        serve = serve_sse if exchange.request.endpoint.kind.value == "sse" else serve_websocket
        try:
            await serve(self.house, exchange, scope, client.receive, client.send)
        except Refusal as refusal:
            client.refused = refusal
        finally:
            client.done.set()
            client._news.set()

    def left(self) -> dict[str, int]:
        """What clients have left behind; all zero when they left nothing."""
        statistics = self.hub.statistics()
        return {
            "connections": len(self.house.connections),
            "subscriptions": statistics.subscriptions,
            "seats": sum(self.gate.statistics().taken.values()),
        }


NOTHING_LEFT = {"connections": 0, "subscriptions": 0, "seats": 0}


@asynccontextmanager
async def open_bench(**settings: Any):
    """A bench whose hub runs; clients that are still there at the end are cut."""
    async with trio.open_nursery() as nursery:
        bench = Bench(**settings)
        nursery.start_soon(bench.hub.run)
        nursery.start_soon(bench.house.pump.run, bench.house.closing)
        yield bench, nursery
        nursery.cancel_scope.cancel()


def with_limits(**limits: Any) -> LimitSettings:
    return msgspec.structs.replace(LIMITS, **limits)


def sse(bench: Bench, nursery: trio.Nursery, topics: str, **more: Any) -> Client:
    return bench.stream(nursery, bench.exchange(Transport.SSE.value, f"subscribe={topics}", **more))


def websocket(bench: Bench, nursery: trio.Nursery, **more: Any) -> Client:
    return bench.stream(nursery, bench.exchange(Transport.WEBSOCKET.value, **more))
