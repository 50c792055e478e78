"""One session's mind: what to say to the vendor, and what follows from what it says. Sans-IO; a `Link` does it.

A topic is *pending* from the moment it is asked for and *confirmed* once the vendor has shown that it serves it: by its own
word (`Ready`), by the first event of the topic, or — where the vendor never answers a subscribe — by the pong of a ping
sent behind it. Only a confirmed topic may be called covered. A complaint that names no topic puts all that is pending in
doubt: no pong confirms it then. What stays pending is asked for again. Malformed frames are survived up to a bound.
"""

from collections.abc import Iterable, Sequence

from bridge.dialects.contract import (
    Asked,
    Comment,
    Credential,
    CredentialEnding,
    Decoder,
    Frame,
    Health,
    HttpRequest,
    Lane,
    Missed,
    Passage,
    Ready,
    Refused,
    Requests,
    Signal,
    SubscriptionsLost,
    TransportProfile,
    Unknown,
    VendorError,
)
from bridge.errors import VendorProtocolError
from bridge.model import AccountId, Code, MarketEvent, OrderUpdate, Topic, TopicKind, UpstreamEvent, topic_of
from bridge.upstream.session.bookmark import Bookmark
from bridge.upstream.session.counters import SessionCounters
from bridge.upstream.session.effects import (
    Complaint,
    Confirmed,
    Declined,
    Doubted,
    Effect,
    Emit,
    GiveUp,
    Say,
    Skipped,
    Strange,
    at_once,
)
from bridge.upstream.session.leniency import Leniency
from bridge.upstream.session.reminders import due_now
from bridge.upstream.session.state import SessionState, Turn, after
from bridge.upstream.session.subject import MarketFact


class Session:
    """One connection's life, from its request to its end.

    Args:
        asked: what it asks for; the session owns it from here on.
        requests: what it sends, made for `asked`.
        decoder: what it makes of frames, made for `asked`.
        profile: the transport's numbers.
        account: whose orders arrive if an `order` topic is asked for; None = nobody's.
        counters: where it counts.
    """

    def __init__(  # noqa: PLR0913 - the three parts of a dialect's client half, and who owns them
        self,
        asked: Asked,
        requests: Requests,
        decoder: Decoder,
        *,
        profile: TransportProfile,
        account: AccountId | None,
        counters: SessionCounters,
    ) -> None:
        self.state = SessionState.CONNECTING
        self._leniency = Leniency()
        self._asked = asked
        self._requests = requests
        self._decoder = decoder
        self._profile = profile
        self._account = account
        self._counters = counters
        self._pending: dict[Topic, int] = {}
        self._doubted: set[Topic] = set()
        self._confirmed: dict[Topic, None] = {}
        self._in_request: frozenset[Topic] = frozenset()
        self._resuming: frozenset[Topic] = frozenset()
        """What the bookmark vouches for that we came with."""

    @property
    def lane(self) -> Lane:
        """What kind of connection it is."""
        return self._asked.lane

    @property
    def topics(self) -> frozenset[Topic]:
        """What is asked for."""
        return frozenset(self._asked.topics)

    @property
    def pending(self) -> frozenset[Topic]:
        """What the vendor has not confirmed yet."""
        return frozenset(self._pending)

    @property
    def confirmed(self) -> frozenset[Topic]:
        """What the vendor has confirmed."""
        return frozenset(self._confirmed)

    @property
    def cursor(self) -> str | None:
        """The vendor's own place in the stream so far; None where it has none."""
        return self._decoder.cursor

    # ── what we do ──
    def open(self, topics: Iterable[Topic], credential: Credential | None, bookmark: Bookmark | None) -> HttpRequest:
        """Return the request that opens the connection for these topics.

        Args:
            topics: what it shall carry.
            credential: None when the feed has none.
            bookmark: where the session before was lost; None = none.
        """
        self._ask(sorted(topics, key=str))
        if bookmark is not None and self._profile.usable_event_ids:
            self._resuming = bookmark.topics & self.topics
        return self._requests.open(credential, bookmark.cursor if bookmark and self._resuming else None)

    def accepted(self) -> list[Effect]:
        """The vendor accepted the connection."""
        self._turn(Turn.ACCEPTED)
        resumed = [topic for topic in self._asked.topics if topic in self._resuming]
        others = [topic for topic in self._asked.topics if topic not in self._resuming]
        texts = [text for some in (resumed, others) if some for text in self._requests.subscribe(some)]
        if not texts:
            self._in_request = self.topics
        return self._say(texts, self._asked.topics)

    def add(self, topics: Iterable[Topic]) -> list[Effect]:
        """Ask for more on an open connection."""
        new = [topic for topic in sorted(topics, key=str) if topic not in self._asked]
        if not new:
            return []
        self._ask(new)
        return self._say(self._requests.subscribe(new), tuple(new))

    def drop(self, topics: Iterable[Topic]) -> list[Effect]:
        """Ask no longer for these on an open connection."""
        old = [topic for topic in sorted(topics, key=str) if topic in self._asked]
        if not old:
            return []
        self._forget(old)
        texts = self._requests.unsubscribe(old)
        return [Say(tuple(texts))] if texts else []

    def anew(self, topics: Sequence[Topic]) -> list[Effect]:
        """Ask for what is served to begin afresh; it stays confirmed, since nothing but its past is given up."""
        known = [topic for topic in topics if topic in self._asked]
        texts = (*self._requests.unsubscribe(known), *self._requests.subscribe(known)) if known else ()
        return [Say(texts)] if texts else []

    def ping(self) -> bytes | None:
        """Return the application's own ping, or None where the protocol's is all there is."""
        return self._requests.ping()

    def remind(self) -> list[Effect]:
        """Ask again for what the vendor has not confirmed for a while; called at a fixed interval."""
        due = due_now(self._pending)
        return self._say(self._requests.subscribe(due), tuple(due)) if due else []

    def retire(self) -> None:
        """We are leaving."""
        self._turn(Turn.RETIRED)

    def ended(self) -> None:
        """The connection is gone."""
        self._turn(Turn.ENDED)

    # ── what the vendor does ──
    def receive(self, frame: Frame) -> list[Effect]:
        """Return what follows from a frame, in order. A mistake of the decoder's comes through; the link contains it."""
        try:
            said = self._decoder.decode(frame)
        except VendorProtocolError as error:
            return self.malformed(error)
        self._leniency.sound()
        effects: list[Effect] = []
        for word in said:
            effects += self._event(word) if isinstance(word, MarketEvent) else self._follow(word)
        return effects

    def comment(self, comment: Comment) -> list[Effect]:
        """Return what follows from a comment; it shows nothing to be served."""
        return [effect for word in self._decoder.comment(comment.text) for effect in self._follow(word)]

    def malformed(self, error: VendorProtocolError) -> list[Effect]:
        """Count what could not be read; give up when it is too much."""
        self._counters.malformed += 1
        return [*self._leniency.malformed(error)]

    def answered(self, topics: Sequence[Topic]) -> list[Effect]:
        """The pong of a ping sent behind a subscribe came: what was not refused or put in doubt by now is served."""
        return self._confirm(sure) if (sure := [topic for topic in topics if topic not in self._doubted]) else []

    def _follow(self, word: UpstreamEvent | Signal) -> list[Effect]:
        effects: list[Effect] = []
        match word:
            case Unknown(kind):
                effects = [Strange(kind)] if self._counters.strange(kind) else []
            case CredentialEnding() | Passage() | Health():
                effects = [at_once(word)]
            case VendorError(code, message, fatal):
                effects = [GiveUp(f"the vendor said {code}: {message}")] if fatal else self._complained(code, message)
            case Ready(topics, continued):
                # a greeting confirms what the opening request carried; a subscribe sent later has an answer of its own
                opened_with = (topic for topic in self._pending if topic in self._in_request)
                effects = self._confirm(tuple(opened_with) if topics is None else topics, continued=continued)
            case Missed():
                effects = self._missed(word)
            case Refused(topic, code, message):
                effects = self._refused(topic, code, message)
            case SubscriptionsLost(topics):
                effects = self._lost(self._asked.topics if topics is None else topics)
            case _:
                pass  # a heartbeat; and coverage is for us to say, not for a decoder
        return effects

    def _event(self, event: MarketFact) -> list[Effect]:
        topic = Topic(TopicKind.ORDER, scope=self._account) if isinstance(event, OrderUpdate) else topic_of(event)
        if topic not in self._asked:
            return []
        self._counters.events += 1
        emit = Emit(event, topic)
        return [*self._confirm((topic,)), emit] if topic in self._pending else [emit]

    def _confirm(self, topics: Sequence[Topic], *, continued: bool = False) -> list[Effect]:
        fresh = tuple(topic for topic in topics if topic in self._pending)
        for topic in fresh:
            del self._pending[topic]
            self._confirmed[topic] = None
        if not fresh and (topics or self._pending):  # a greeting alone is no answer to what was asked
            return []
        self._turn(Turn.CONFIRMED)
        return [Confirmed(fresh, self._resuming.intersection(fresh) if continued else frozenset())] if fresh else []

    def _missed(self, said: Missed) -> list[Effect]:
        """Of what is not confirmed nothing was promised."""
        known = tuple(topic for topic in said.topics if topic in self._confirmed)
        return [Skipped(known, said.reason, said.cause)] if known else []

    def _refused(self, topic: Topic | None, code: str, message: str) -> list[Effect]:
        if topic is None and len(self._pending) == 1:
            topic = next(iter(self._pending))
        if topic is None:
            return self._complained(code, message)
        if topic not in self._asked:
            return []
        self._forget([topic])
        return [Declined(topic, code or Code.UNKNOWN_INSTRUMENT, message)]

    def _complained(self, code: str, message: str) -> list[Effect]:
        """It may be about any topic that is pending."""
        self._doubted.update(self._pending)
        return [Complaint(code, message)]

    def _lost(self, topics: Sequence[Topic]) -> list[Effect]:
        gone = tuple(topic for topic in topics if topic in self._asked)
        if not gone:
            return []
        for topic in gone:
            self._confirmed.pop(topic, None)
            self._pending[topic] = 0
        return [Doubted(gone), *self._say(self._requests.subscribe(gone), gone)]

    # ── bookkeeping ──
    def _say(self, texts: Sequence[bytes], topics: tuple[Topic, ...]) -> list[Effect]:
        self._doubted.difference_update(topics)
        probe = () if self._profile.confirms else topics
        return [Say(tuple(texts), probe)] if texts or probe else []

    def _ask(self, topics: Sequence[Topic]) -> None:
        self._asked.add(topics)
        self._pending.update(dict.fromkeys(topics, 0))
        self._name_account()

    def _forget(self, topics: Sequence[Topic]) -> None:
        self._asked.discard(topics)
        for topic in topics:
            self._pending.pop(topic, None)
            self._confirmed.pop(topic, None)
        self._name_account()

    def _name_account(self) -> None:
        wanted = any(topic.kind is TopicKind.ORDER for topic in self._asked.topics)
        self._asked.account = self._account if wanted else None

    def _turn(self, turn: Turn) -> None:
        self.state = after(self.state, turn)
