"""One open stream, whatever its transport: what it holds, when it must end, and who is told.

A stream at rest is one task: it reads what the client sends, and the stream ends when the client is gone. Everything else is
somebody's plain call: the pump has it write, an alarm looks at its token, a closing house tells it to say goodbye. Others of
its nursery live only for a while: a write that waits for its peer, and the end once the goodbye has gone.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog
import trio

from bridge.dialects.contract import Refusal
from bridge.downstream.contract import Granted, Identity
from bridge.downstream.fanout.ways import Ways
from bridge.downstream.fanout.writer import StreamWriter
from bridge.downstream.goodbyes import problem
from bridge.downstream.outlets.choice import Opening
from bridge.downstream.outlets.outlet import Outlet, Surroundings
from bridge.downstream.settings import LimitSettings
from bridge.downstream.streams.holdings import Holdings
from bridge.downstream.streams.registry import ConnectionStatistics
from bridge.downstream.streams.tenure import Tenure
from bridge.downstream.streams.terms import Terms, codec_of, heartbeat_seconds, padding_bytes, skips_trades, told_limits
from bridge.hub.subscribers.holes import LagCounts
from bridge.model import Code, Stream, Topic, TopicRefused, UnixNanos, Want, Wishes

_log = structlog.get_logger("bridge.downstream.streams.connection")


class StreamConnection:
    """One open stream.

    Attributes:
        identity: who it belongs to; replaced when the token is renewed.
        name: its own, unguessable.
        wishes: how its client wishes it slowed.
        writer: its way out.

    Args:
        terms: what it was accepted with.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        house = terms.house
        self.identity = terms.identity
        self.name = secrets.token_urlsafe(16)
        self.wishes = Wishes()
        self._since = house.clock()
        self._nursery: trio.Nursery | None = None
        self._outlet: Outlet | None = None
        self._error: Exception | None = None
        self._holdings = Holdings(terms.limits.subscriptions_per_connection)
        self.writer = StreamWriter(
            Ways(
                hub=house.hub,
                clock=house.clock,
                codec=codec_of(terms),
                conversation=terms.conversation,
                pump=house.pump,
                heartbeat_seconds=heartbeat_seconds(terms),
                pending_bytes=terms.limits.pending_bytes_per_connection,
                skips=skips_trades(terms),
                padding_bytes=padding_bytes(terms),
                farewell_seconds=terms.limits.write_deadline_seconds,
                refused=self._refused,
                ended=lambda code: self.start(self._close, code),
                failed=self._failed,
                stalled=self._hang_up,
            )
        )
        self._tenure = Tenure(terms, self.writer, self._warn)

    def __repr__(self) -> str:
        return f"<StreamConnection {self._terms.transport} of {self.identity.user}, {len(self._holdings)} topics>"

    def statistics(self) -> ConnectionStatistics:
        """A snapshot of its counters."""
        return ConnectionStatistics(
            stream=self.name,
            user=str(self.identity.user),
            transport=self._terms.transport,
            dialect=self._terms.exchange.served.dialect.name,
            topics=tuple(str(topic) for topic in self._holdings.topics),
            pending_bytes=self.writer.pending_bytes,
            sent_bytes=self.writer.sent_bytes,
            sent_events=self.writer.sent_events,
            since=self._since,
            bound_bytes=self._terms.limits.pending_bytes_per_connection,
            lag=LagCounts() if self.writer.subscription is None else self.writer.subscription.counts,
        )

    @property
    def holdings(self) -> Holdings:
        """What it holds; changed by the methods below only."""
        return self._holdings

    def wish(self, wishes: Wishes) -> None:
        """Slow it like this from now on."""
        self.wishes = wishes
        if self.writer.subscription is not None:
            self.writer.subscription.wish(wishes)

    def subscribe(
        self,
        granted: Sequence[Granted],
        after: str | None,
        unasked: Sequence[Granted] = (),
        *,
        anew: bool = False,
        later: bool = False,
    ) -> tuple[Topic, ...]:
        """Hold these too, all or nothing, and return what is served of them.

        The first call opens the stream's subscription and says `stream`.

        Args:
            granted: what the client asked for.
            after: the cursor to resume from; None = fresh.
            unasked: what the party sends without being asked; not counted and not told.
            anew: what of it is held already begins anew, with its state.
            later: nothing of it is sent before `join`.

        Raises:
            Refusal: `too_many_subscriptions`; `bad_request`: `after` is no cursor, or comes too late.
        """
        self._holdings.room_for(granted)
        served = tuple(dict.fromkeys(topic for one in granted for topic in one.served))
        if anew:
            self._let_go([topic for one in granted for topic in one.served])
        wants = () if later else tuple(want for one in (*granted, *unasked) for want in one.wants)
        if self.writer.subscription is None:
            self._open(wants, after, served)
        elif after is not None:
            raise Refusal(Code.BAD_REQUEST, "`after` belongs in a connection's first subscribe")
        else:
            self.writer.subscription.add(wants)
        self._holdings.add_unasked(unasked)
        self._holdings.add(granted)
        return served

    def join(self, topics: Sequence[Topic]) -> None:
        """Send from now on what was subscribed for `later`, but for what was left meanwhile."""
        if self.writer.subscription is not None:
            held = [one for one in self._holdings.granted if one.topic in topics]
            self.writer.subscription.add([want for one in held for want in one.wants])

    def unsubscribe(self, topics: Sequence[Topic] | None) -> tuple[Topic, ...]:
        """Hold these no longer; None = all. Returns those that were held."""
        dropped = self._holdings.topics if topics is None else self._holdings.held(topics)
        self._let_go(self._holdings.remove(dropped))
        return dropped

    def reword(self) -> None:
        """Tell every topic in the words that the conversation has for it now."""
        wordings = self._terms.conversation.wordings()
        self.writer.tell({topic: [codec_of(self._terms, word) for word in words] for topic, words in wordings.items()})

    def complain(self, refusal: Refusal) -> None:
        """Tell the client what could not be done; the connection lives on."""
        told = problem(refusal, self.writer.at, self._terms.house.clock())
        self.writer.say(self._terms.conversation.problem(told))

    def limits_of(self, identity: Identity) -> LimitSettings:
        """Return what would hold for this stream with another token of its user."""
        return self._terms.house.admission.limits(identity, self._terms.exchange.served)

    def renew(self, identity: Identity) -> None:
        """Go on with a new token of the same user, by its limits; what it does not grant leaves with a problem each."""
        self.identity = identity
        self._tenure.hold(identity)
        self._holdings.limit = self.limits_of(identity).subscriptions_per_connection
        house = self._terms.house
        for held in self._holdings.granted:
            try:
                (still,) = house.admission.grant(identity, [held.topic], house.resolve)
            except Refusal as refusal:
                self.unsubscribe([held.topic])
                self.complain(refusal)
            else:
                self._let_go(self._holdings.narrow(held, still.wants))

    async def run(self, accept: Opening, read: Callable[[], Awaitable[None]]) -> None:
        """Accept the request and serve the stream until it has ended; nothing of it is left when this returns.

        Args:
            accept: accepts it and returns its outlet.
            read: takes what the client sends; returns when the client is gone.
        """
        with self._terms.house.connections.listed(self):
            try:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the client is gone
                        self._outlet = await accept(self._surroundings())
                        self._begin(self._outlet)
                        await read()
                    nursery.cancel_scope.cancel()
            finally:
                self.writer.stop()
                self._tenure.stop()
        del self.writer, self._tenure, self._outlet  # all know us: nothing is left that only a collection could free
        if self._error is not None:
            raise self._error

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            start=self.start,
            freed=self.writer.freed,
            stalled=self._hang_up,
            patience_seconds=self._terms.limits.write_deadline_seconds or float("inf"),
        )

    def _begin(self, outlet: Outlet) -> None:
        self.writer.begin(outlet)
        if self._terms.peer is not None:
            self._terms.peer.welcome()
        self._tenure.hold(self.identity)
        if self._terms.house.closing.is_set():  # since the request came
            self.writer.end(Code.GOING_AWAY)

    def start(self, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Start a task that ends with the stream; when it finds that the client is gone, the stream ends."""
        if self._nursery is not None:
            self._nursery.start_soon(self._contain, partial(work, *arguments))

    async def _contain(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._cancel()

    async def _close(self, code: Code) -> None:
        if code is Code.GOING_AWAY and self._terms.peer is not None:
            self._terms.peer.retire()
        if self._outlet is not None:
            await self._outlet.close(code)
        self._cancel()

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, trio.BrokenResourceError | trio.ClosedResourceError):
            self._error = error
        self._cancel()

    def _cancel(self) -> None:
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def _warn(self, expires: UnixNanos) -> None:
        conversation, now = self._terms.conversation, self._terms.house.clock()
        self.writer.say(conversation.expiring(expires, self.writer.at, now))

    def _open(self, wants: Sequence[Want], after: str | None, served: Sequence[Topic]) -> None:
        house = self._terms.house
        try:
            subscription = house.hub.open(wants, after, self.writer.bound())
        except ValueError as error:
            raise Refusal(Code.BAD_REQUEST, f"that is no cursor: {error}") from error
        self.writer.subscription = subscription
        subscription.wish(self.wishes)
        stream = Stream(
            at=subscription.cursor,
            stream=self.name,
            verdict=subscription.verdict,
            topics=tuple(dict.fromkeys(map(str, served))),
            limits=told_limits(self._terms.limits, self._terms.transport),
            ts_recv=house.clock(),
            expires=self.identity.expires,
            wishes=self.wishes,
            via=house.via(want.feed for want in wants),
        )
        self.writer.say(self._terms.conversation.stream(stream))
        self.writer.wake()

    def _refused(self, event: TopicRefused) -> None:
        """Tell the client that the vendor said no; the topic leaves the stream unless that passes."""
        code = Code(event.code)
        for topic in self._holdings.affected(event.topic, event.feed):
            self.complain(Refusal(code, event.message, topic=str(topic)))
        if not code.is_passing:
            self._let_go(self._holdings.lose(event.topic, event.feed))

    def _let_go(self, topics: Sequence[Topic]) -> None:
        if topics and self.writer.subscription is not None:
            self.writer.subscription.remove(topics)
            self.writer.forget(topics)

    def _hang_up(self) -> None:
        _log.info("peer does not read", user=str(self.identity.user), transport=self._terms.transport.value)
        if self._terms.peer is not None:
            self._terms.peer.hang_up()
        self._cancel()
