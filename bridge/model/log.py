"""What stands in the log beside market facts: a feed's health, coverage, refusals and gaps; and the two unions.

`UpstreamEvent` is what a feed may hand to `publish`; `LogEvent` is what stands in the log once the hub has assembled it.
"""

import enum
import functools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bridge.model.market import (
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    OrderUpdate,
    Quote,
    QuotePatch,
    Trade,
)
from bridge.model.topic import Interval, Topic, TopicKind
from bridge.model.units import FeedName, InstrumentId, UnixNanos


class FeedHealth(enum.StrEnum):
    """How a feed is."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    DOWN = "down"


class Cause(enum.StrEnum):
    """Whose fault a gap is."""

    VENDOR = "vendor"
    UPSTREAM = "upstream"
    BRIDGE = "bridge"
    SLOW_CONSUMER = "slow_consumer"
    HISTORY = "history"


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a feed is, said when it changes.

    Attributes:
        feed: whose; of a line-up its name.
        instrument: set when only this instrument is meant.
        topic: set as well when only this topic of it is meant.
        reason: one sentence, never a credential; None when all is well.
        since: when this state began.
        source: the feed that a line-up is on; None where `feed` is the feed.
        via: the ids of the bridges that its events come by, the nearest first; () where none is known.
    """

    feed: FeedName
    status: FeedHealth
    ts_recv: UnixNanos
    instrument: InstrumentId | None = None
    topic: Topic | None = None
    reason: str | None = None
    since: UnixNanos | None = None
    source: FeedName | None = None
    via: tuple[str, ...] = ()


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """From here on the feed receives everything of these topics. Takes an offset, is never delivered.

    A feed says it once per topic and break: when the vendor confirmed the subscription on a live session. Before the first
    `Covered` and after an `Uncovered` nothing is promised.

    Attributes:
        continued: nothing was lost by the break before: the vendor goes on from where it was, what came meanwhile follows,
            and what it cannot make good it declares by itself.
        cause: whose fault the break before was, if there was one.
    """

    feed: FeedName
    topics: tuple[Topic, ...]
    ts_recv: UnixNanos
    continued: bool = False
    cause: Cause = Cause.UPSTREAM


class Uncovered(msgspec.Struct, frozen=True, kw_only=True):
    """From here on the feed may miss something of these topics: unsubscribed, a lost session, stale or down.

    Attributes:
        reason: one sentence for logs.
    """

    feed: FeedName
    topics: tuple[Topic, ...]
    ts_recv: UnixNanos
    reason: str = ""


class TopicRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The vendor, or its quota, said no to a topic.

    Attributes:
        code: `unknown_instrument`, `unsupported_topic`, `forbidden` (the topic leaves every stream and is remembered for 60 s),
            or one that passes: `upstream_full` (until there is room) or `upstream_unavailable` (until a transport that carries
            it works again); then the topic stays wanted.
        message: one sentence for the client, never a credential.
    """

    feed: FeedName
    topic: Topic
    code: str
    message: str
    ts_recv: UnixNanos


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A declared hole.

    Attributes:
        topics: which topics may have missed something.
        from_: the cursor after which; exclusive. May be of another epoch.
        to: the cursor up to which; inclusive.
        missed: how many events, when known.
        ts_from: the time range, when known; `ts_to` likewise.
        repaired: whether what was missed has been delivered after all.
        feed: whose topics these are; None = of no one feed. Two feeds may have the same topic.
    """

    topics: tuple[Topic, ...]
    from_: str
    to: str
    cause: Cause
    ts_recv: UnixNanos
    missed: int | None = None
    ts_from: UnixNanos | None = None
    ts_to: UnixNanos | None = None
    repaired: bool = False
    feed: FeedName | None = None


UpstreamEvent = (
    QuotePatch
    | Trade
    | BookSnapshot
    | BookDelta
    | BookReplacement
    | Bar
    | OrderUpdate
    | FeedStatus
    | Covered
    | Uncovered
    | TopicRefused
)
"""What a feed may hand to `publish`."""

LogEvent = (
    Quote | Trade | BookSnapshot | BookDelta | Bar | OrderUpdate | FeedStatus | Covered | Uncovered | TopicRefused | Gap
)
"""What may stand in the log."""


@functools.lru_cache(maxsize=65_536)
def _quote_topic(instrument: InstrumentId) -> Topic:
    return Topic(TopicKind.QUOTE, instrument)


@functools.lru_cache(maxsize=65_536)
def _trade_topic(instrument: InstrumentId) -> Topic:
    return Topic(TopicKind.TRADE, instrument)


@functools.lru_cache(maxsize=65_536)
def _book_topic(instrument: InstrumentId, depth: int | None) -> Topic:
    return Topic(TopicKind.BOOK, instrument, depth=depth)


@functools.lru_cache(maxsize=65_536)
def _bar_topic(instrument: InstrumentId, interval: str) -> Topic:
    return Topic(TopicKind.BAR, instrument, interval=Interval(interval))


@functools.lru_cache(maxsize=4_096)
def _scoped_topic(kind: TopicKind, scope: str) -> Topic:
    return Topic(kind, scope=scope)


def _quote_of(event: Quote | QuotePatch) -> Topic:
    return _quote_topic(event.instrument)


def _book_of(event: BookSnapshot | BookDelta) -> Topic:
    return _book_topic(event.instrument, event.depth)


_TOPIC_OF: Mapping[type, Callable[[Any], Topic]] = {
    Quote: _quote_of,
    QuotePatch: _quote_of,
    Trade: lambda event: _trade_topic(event.instrument),
    BookSnapshot: _book_of,
    BookDelta: _book_of,
    BookReplacement: lambda event: _book_topic(event.instrument, None),
    Bar: lambda event: _bar_topic(event.instrument, event.interval),
    OrderUpdate: lambda event: _scoped_topic(TopicKind.ORDER, event.account),
    FeedStatus: lambda event: _scoped_topic(TopicKind.STATUS, event.feed),
}
"""Asked several times for every event, so it is a look-up by the exact class."""


def topic_of(event: LogEvent | QuotePatch | BookReplacement) -> Topic:
    """Return the one topic that an event belongs to, assembled or not; equal events give the identical, cached object.

    Raises:
        ValueError: never for events made by this package; a `Gap`, `Covered` or `TopicRefused` names its topics itself.
    """
    find = _TOPIC_OF.get(type(event))
    if find is None:
        msg = f"{type(event).__name__} names its topics itself"
        raise ValueError(msg)
    return find(event)
