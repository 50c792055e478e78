"""What another bridge says, read into our events and signals (a relay, and `state` questions to it).

The other bridge's numbering is its own: our hub numbers again, but a `prev_sequence` that is not the number before shows that
something is missing. Its `gap` means that events are missing for good; from that our hub makes the gap that our clients see.
Its cursor is where we go on after a break: whatever its verdict then is, what it cannot make good it declares, so nothing else
is missing. Its feeds' health becomes ours: the
worst of those that serve us. Which feed serves an instrument is learned from its events; until then it may be any.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import msgspec

from bridge.dialects.canonical.messages import (
    AboutStream,
    BarMessage,
    DeltaMessage,
    ExpiringMessage,
    FeedStatusMessage,
    GapMessage,
    GoawayMessage,
    MarketMessage,
    OkMessage,
    OrderMessage,
    ProblemMessage,
    QuoteMessage,
    ServerMessage,
    SnapshotMessage,
    StreamMessage,
    TradeMessage,
)
from bridge.dialects.canonical.requests import RESUME, common, spelled
from bridge.dialects.contract import (
    Asked,
    Frame,
    Health,
    Heartbeat,
    Missed,
    Passage,
    Ready,
    Refused,
    Signal,
    SubscriptionsLost,
    Transport,
    Unknown,
    VendorError,
    read_comment,
)
from bridge.dialects.scalars import MALFORMED, malformed, reader
from bridge.errors import VendorProtocolError
from bridge.model import (
    Cause,
    Code,
    FeedHealth,
    InstrumentId,
    Topic,
    TopicKind,
    UpstreamEvent,
    Verdict,
)

_REFUSALS: Mapping[str, Code] = {
    "unknown_instrument": Code.UNKNOWN_INSTRUMENT,
    "unsupported_topic": Code.UNSUPPORTED_TOPIC,
    "forbidden": Code.FORBIDDEN,
    "upstream_full": Code.UPSTREAM_FULL,
    "too_many_subscriptions": Code.UPSTREAM_FULL,
}
"""A problem's code → the code with which our hub refuses the topic; any other problem is not about topics."""


MAX_VIA = 64
"""Ids of bridges that are remembered of one connection: no chain is so long."""

_SEVERITY = (FeedHealth.LIVE, FeedHealth.CONNECTING, FeedHealth.STALE, FeedHealth.DOWN)


MOST_KNOWN, MOST_FEEDS = 1_000, 256
"""Instruments remembered before those not asked for any more are forgotten, and feeds of the other bridge by their health."""


class _Kind(msgspec.Struct, frozen=True):
    type: str


_read_message: Callable[[bytes], ServerMessage] = reader(ServerMessage)  # type: ignore[arg-type]  # a union, to msgspec a type
_read_kind = reader(_Kind)
_KNOWN = frozenset(str(kind.__struct_config__.tag) for kind in get_args(ServerMessage))


class CanonicalDecoder:
    """One session's reader.

    Args:
        asked: what the session asked for; the rest is left out.

    Attributes:
        cursor: of the newest message that had one.
    """

    def __init__(self, asked: Asked) -> None:
        self.cursor: str | None = None
        self._asked = asked
        self._chains: dict[InstrumentId, int | None] = {}
        self._sources: dict[InstrumentId, str | None] = {}
        self._feeds: dict[str, tuple[FeedHealth, str | None]] = {}
        self._via: tuple[str, ...] = ()

    def decode(self, frame: Frame) -> Sequence[UpstreamEvent | Signal]:
        """Return what a message says.

        Raises:
            VendorProtocolError: it is malformed.
        """
        try:
            message = _read_message(frame.data)
        except VendorProtocolError:
            kind = _read_kind(frame.data).type
            if kind in _KNOWN:
                raise
            return (Unknown(kind[:64]),)
        if not isinstance(message, OkMessage):
            self.cursor = message.id or self.cursor
        try:
            match message:
                case QuoteMessage() | TradeMessage() | SnapshotMessage() | DeltaMessage() | BarMessage():
                    return self._market(message, frame)
                case OrderMessage():
                    return self._order(message, frame)
                case StreamMessage() | OkMessage() | FeedStatusMessage() if message.via:
                    return self._passed(message)
                case _:
                    return self._said(message)
        except MALFORMED as error:
            raise malformed(error, frame.data) from error

    def comment(self, text: str) -> Sequence[Signal]:
        """Return what a comment says; see `contract.Decoder`."""
        return (read_comment(text, self._asked.topics),)

    def _market(self, message: MarketMessage, frame: Frame) -> Sequence[UpstreamEvent | Signal]:
        instrument = self._asked.instrument(message.instrument)
        if instrument is None or not self._wanted(message, instrument):
            return ()
        event = message.event(common(message, instrument, self._asked.feed, frame.ts_recv))
        if len(self._sources) > MOST_KNOWN:
            gone = self._sources.keys() - {topic.instrument for topic in self._asked.topics}
            for known in (self._sources, self._chains):
                for other in gone:
                    known.pop(other, None)
        missed = self._missed(message, instrument)
        before = self._sources.get(instrument, message.feed)
        self._sources[instrument] = message.feed
        if before == message.feed:
            return (*missed, event)
        # another feed serves it there now: what is wrong with the old one is nothing to us
        return (self._overall(()), *missed, event)

    def _missed(self, message: MarketMessage, instrument: InstrumentId) -> tuple[Signal, ...]:
        """Follow a book's chain; what does not build upon the message before leaves the book in doubt."""
        if not isinstance(message, SnapshotMessage | DeltaMessage):
            return ()
        held = self._chains.get(instrument)
        self._chains[instrument] = message.sequence
        before = message.prev_sequence if isinstance(message, DeltaMessage) else None
        if held is None or before is None or before == held:
            return ()
        reason = f"a change builds upon number {before}, but the one before was {held}"
        return (Missed((Topic(TopicKind.BOOK, instrument),), reason, Cause.VENDOR),)

    def _wanted(self, message: MarketMessage, instrument: InstrumentId) -> bool:
        match message:
            case QuoteMessage():
                return Topic(TopicKind.QUOTE, instrument) in self._asked
            case TradeMessage():
                return Topic(TopicKind.TRADE, instrument) in self._asked
            case SnapshotMessage() | DeltaMessage():
                return message.depth == self._asked.depth and Topic(TopicKind.BOOK, instrument) in self._asked
            case BarMessage():
                return any(topic.interval == message.interval for topic in self._asked.bars_of(instrument))

    def _order(self, message: OrderMessage, frame: Frame) -> Sequence[UpstreamEvent]:
        instrument = self._asked.instrument(message.instrument)
        account = self._asked.account
        wanted = any(topic.kind is TopicKind.ORDER for topic in self._asked.topics)
        if instrument is None or account is None or not wanted:
            return ()
        return (message.event(common(message, instrument, self._asked.feed, frame.ts_recv), account),)

    def _passed(self, message: StreamMessage | OkMessage | FeedStatusMessage) -> Sequence[Signal]:
        """Note by which bridges the events come, of all or of what is new; where one of them is ours, that ends it."""
        known = tuple(dict.fromkeys((*self._via, *message.via)))[:MAX_VIA]
        news = () if known == self._via else (Passage(known),)
        self._via = known
        if self._asked.bridge not in message.via:
            return (*news, *self._said(message))
        chain = " → ".join(message.via[:MAX_VIA])
        sentence = f"its events come by way of this bridge itself: {chain}"
        return (*news, VendorError("circle", sentence, fatal=True))

    def _said(self, message: AboutStream) -> Sequence[Signal]:
        match message:
            case StreamMessage():
                return self._stream(message)
            case OkMessage():
                return (Ready(self._topics(message.topics)) if message.op == "subscribe" else self._overall(()),)
            case GapMessage():
                return self._gap(message)
            case ProblemMessage():
                return self._problem(message)
            case GoawayMessage():
                return (VendorError(message.reason, f"the bridge hung up, come back: {message.retry}", fatal=True),)
            case FeedStatusMessage() | ExpiringMessage():
                return (self._about(message),)

    def _stream(self, message: StreamMessage) -> Sequence[Signal]:
        together = self._asked.lane.transport is Transport.SSE
        return (Ready(None if together else self._topics(message.topics), message.verdict != Verdict.FRESH),)

    def _gap(self, message: GapMessage) -> Sequence[Signal]:
        topics = self._topics(message.topics)
        if message.repaired or not topics:
            return ()
        cause = Cause.VENDOR if message.cause == Cause.VENDOR else Cause.UPSTREAM
        return (Missed(topics, f"the bridge declared a gap ({message.cause})", cause),)

    def _problem(self, message: ProblemMessage) -> Sequence[Signal]:
        """A resuming operation is all or nothing: but for the topic it was refused for, each is asked for again by itself."""
        said = self._complaint(message)
        if message.ref != RESUME:
            return (said,)
        return (said, SubscriptionsLost()) if isinstance(said, Refused) and said.topic else (SubscriptionsLost(),)

    def _complaint(self, message: ProblemMessage) -> Signal:
        code = _REFUSALS.get(message.code)
        named = [text for text in (message.topic, message.ref) if text and text != RESUME]
        ours = self._topics(named)
        if code is None or (named and not ours):
            return VendorError(message.code, message.message)
        return Refused(ours[0] if ours else None, code.value, message.message)

    def _about(self, message: FeedStatusMessage | ExpiringMessage) -> Signal:
        if isinstance(message, ExpiringMessage):  # whoever keeps our token knows its end from itself
            return Heartbeat()
        if message.status not in _SEVERITY:
            return Heartbeat()
        feed, status = message.feed or "", FeedHealth(message.status)
        if message.instrument is not None:
            return self._health_of_part(message, feed, status)
        self._feeds[feed] = (status, message.reason)
        if len(self._feeds) > MOST_FEEDS:
            del self._feeds[next(iter(self._feeds))]
        known = [
            topic for topic in self._asked.topics if topic.instrument and self._sources.get(topic.instrument) == feed
        ]
        return self._overall(tuple(known), sound=status is FeedHealth.LIVE)

    def _health_of_part(self, message: FeedStatusMessage, feed: str, status: FeedHealth) -> Signal:
        """One instrument, or one topic of it, is not as it was; the feed as a whole is."""
        instrument = self._asked.instrument(message.instrument or "")
        topics = tuple(topic for topic in self._asked.topics if topic.instrument == instrument)
        if message.topic is not None:
            topics = self._topics((message.topic,))
        if instrument is None or not topics:
            return Heartbeat()
        sound = status is FeedHealth.LIVE
        reason = None if sound and not message.reason else f"its feed {feed}: {message.reason or status}"
        topic = None if message.topic is None else topics[0]
        return Health(status, reason, topics, sound, instrument=instrument, topic=topic)

    def _overall(self, topics: tuple[Topic, ...], *, sound: bool = True) -> Signal:
        """Judge all feeds that may serve us; those of instruments that are asked for no longer do not."""
        serving = {self._sources.get(topic.instrument) if topic.instrument else None for topic in self._asked.topics}
        told = [
            (_SEVERITY.index(status), feed, status, reason)
            for feed, (status, reason) in self._feeds.items()
            if feed in serving or None in serving
        ]
        _, feed, status, reason = max(told, default=(0, "", FeedHealth.LIVE, None), key=lambda one: one[0])
        sentence = None if status is FeedHealth.LIVE else f"its feed {feed}: {reason or status}"
        return Health(status, sentence, topics, sound)

    def _topics(self, texts: Sequence[str]) -> tuple[Topic, ...]:
        """Return those topics of ours that the other bridge spells so."""
        return tuple(topic for topic in self._asked.topics if spelled(self._asked, topic) in texts)
