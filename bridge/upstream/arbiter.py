"""Decides which feed serves a topic: listed instruments by their list, unlisted ones by globs and spelling. Plain and at once.

A listed instrument goes to those of its feeds that have such data, in order of preference, or else to those that have what it
can be made of (`derivable`); an unlisted one to the first feed whose globs match and whose dialect accepts the spelling, and to
no other. Which of several feeds serves at a moment is not decided here: whoever is handed them (`line_up`) names the one to
want the topic of.

Unlisted ids are remembered only while they are asked for, because a client can make up any number of them.
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial

import msgspec
import trio

from bridge.dialects.contract import Dialect, Refusal, SymbolTable, Transport
from bridge.model import AccountId, Code, FeedName, InstrumentId, Topic, TopicKind, Want
from bridge.model.account import is_private, order_feed, vendor_feed
from bridge.upstream.derivable import sources_of

IDLE_SECONDS = 60.0
"""An unlisted id not asked for during so long gives way to another: twice the default linger."""

_ALL = (TopicKind.QUOTE, TopicKind.BOOK, TopicKind.TRADE)


LineUp = Callable[[Topic, Sequence[FeedName]], FeedName]
"""Names what to want a topic of, of the feeds that have it, the preferred one first."""


class FeedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A feed, as far as choosing goes.

    Attributes:
        name: the feed's.
        dialect: what it speaks.
        symbols: the dialect's.
        globs: which unlisted ids it may serve.
        transport: the one that it prefers: what that has, or what can be made of it, the feed has.
        account: whose orders it brings; None = nobody's.
        visited: whether users of its vendor have private feeds that bring their orders.
    """

    name: FeedName
    dialect: Dialect
    symbols: SymbolTable
    globs: tuple[str, ...]
    transport: Transport
    account: AccountId | None
    visited: bool = False


class Arbiter:
    """Chooses feeds.

    Args:
        feeds: in the configuration's order.
        instruments: the listed ones, each with its feeds in order.
        strict: whether only listed instruments are known.
        max_unlisted: how many unlisted ids may be asked for within `IDLE_SECONDS`; 0 = unlimited.
        now: seconds that only rise.
        line_up: chooses among several feeds.
    """

    def __init__(  # noqa: PLR0913 - all but two are options
        self,
        feeds: Sequence[FeedEntry],
        instruments: Mapping[InstrumentId, Sequence[FeedName]],
        *,
        strict: bool,
        max_unlisted: int,
        now: Callable[[], float] = trio.current_time,
        line_up: LineUp = lambda _, feeds: feeds[0],
    ) -> None:
        self._feeds = {feed.name: feed for feed in feeds}
        self.adopt(instruments, strict=strict, max_unlisted=max_unlisted)
        self._now = now
        self._line_up = line_up
        self._first: dict[FeedName, FeedEntry] = {}
        """The preferred feed of each line-up."""
        self._in_use: dict[FeedName, Transport] = {}
        """Where that is not the preferred one."""
        self._asked: dict[InstrumentId, float] = {}

    def adopt(self, instruments: Mapping[InstrumentId, Sequence[FeedName]], *, strict: bool, max_unlisted: int) -> None:
        """Choose by these from now on; see the class."""
        self._listed = {instrument: [self._feeds[name] for name in names] for instrument, names in instruments.items()}
        self._strict = strict
        self._max_unlisted = max_unlisted

    def resolve(self, topic: Topic, accounts: Sequence[AccountId]) -> tuple[Want, ...]:
        """Return what serves a topic as a client means it; never empty.

        Args:
            topic: `all` and scopes not yet spelled out.
            accounts: those that the client holds.

        Raises:
            Refusal: `unknown_instrument`, `unsupported_topic`, `forbidden` (orders without an account), or `overloaded`.
        """
        if topic.kind is TopicKind.ORDER:
            return self._orders(topic, accounts)
        if topic.kind is TopicKind.STATUS:
            return tuple(Want(Topic(TopicKind.STATUS, scope=name), name) for name in self._feeds)
        if topic.instrument is None:
            raise Refusal(Code.BAD_REQUEST, f"{topic} names no instrument", topic=str(topic))
        feeds = self._feeds_of(topic, topic.instrument)
        parts = [Topic(kind, topic.instrument) for kind in _ALL] if topic.kind is TopicKind.ALL else [topic]
        for able in (_has, _can_serve):
            for feed in feeds:
                if any(able(feed, part) for part in parts):
                    return tuple(self._want(part, feed, feeds) for part in parts if _can_serve(feed, part))
        names = " and ".join(f"{feed.name} over {feed.transport}" for feed in feeds)
        raise Refusal(Code.UNSUPPORTED_TOPIC, f"{names} has no {topic.kind} of {topic.instrument}", topic=str(topic))

    def moved(self, feed: FeedName, transport: Transport) -> None:
        """A feed uses another transport from here on: what it lacks there is made of what it has there."""
        self._in_use[feed] = transport

    def sources(self, want: Want) -> tuple[Topic, ...]:
        """Return what to ask a want's feed for; more than the thing itself, or something else, where it has to be derived.

        That depends on the transport in use; of what cannot be had there, on the preferred one, for then it has to wait. A
        line-up's topics are the preferred transport's of its first feed, since all its feeds have to serve the same.
        """
        feed = self._feeds.get(want.feed) or self._first.get(want.feed)
        if feed is None or want.topic.instrument is None:
            return (want.upstream,)
        in_use = self._in_use.get(want.feed, feed.transport)
        now = msgspec.structs.replace(feed, transport=in_use)
        return _sources(now, want.topic) or _sources(feed, want.topic) or (want.upstream,)

    def _want(self, part: Topic, first: FeedEntry, feeds: Sequence[FeedEntry]) -> Want:
        """Return what to want of a topic that `first` can serve: of it alone, unless others serve it from just the same."""
        sources = _sources(first, part)
        having = [[feed for feed in feeds if _has(feed, source)] for source in sources]
        able = having[0]
        alike = all(_sources(feed, part) == sources for feed in able)
        if able[0] is not first or not alike or any(others != able for others in having):
            return Want(part, first.name)
        names = [feed.name for feed in able]
        (name,) = {self._line_up(source, names) for source in sources}
        self._first[name] = first
        return Want(part, name)

    def _orders(self, topic: Topic, accounts: Sequence[AccountId]) -> tuple[Want, ...]:
        wants = tuple(
            Want(Topic(TopicKind.ORDER, scope=feed.account), feed.name)
            for feed in self._feeds.values()
            if feed.account is not None and feed.account in accounts
        )
        wants += tuple(
            Want(Topic(TopicKind.ORDER, scope=account), order_feed(account))
            for account in accounts
            if is_private(account) and (feed := self._feeds.get(vendor_feed(account))) is not None and feed.visited
        )
        if not wants:
            message = "orders need a token that holds an account of a feed of this bridge"
            raise Refusal(Code.FORBIDDEN, message, topic=str(topic))
        return wants

    def _feeds_of(self, topic: Topic, instrument: InstrumentId) -> Sequence[FeedEntry]:
        listed = self._listed.get(instrument)
        if listed:
            return listed
        for feed in () if self._strict or listed is not None else self._feeds.values():
            matches = any(fnmatchcase(instrument, glob) for glob in feed.globs)
            if matches and feed.symbols.vendor_symbol(instrument, feed.transport) is not None:
                self._remember(topic, instrument)
                return (feed,)
        message = f"no feed of this bridge takes {instrument}"
        raise Refusal(Code.UNKNOWN_INSTRUMENT, message, topic=str(topic))

    def _remember(self, topic: Topic, instrument: InstrumentId) -> None:
        """Note an unlisted id as asked for now; when there are too many, those asked for longest ago are forgotten first."""
        now = self._now()
        self._asked.pop(instrument, None)
        while self._asked and self._asked[oldest := next(iter(self._asked))] <= now - IDLE_SECONDS:
            del self._asked[oldest]
        if self._max_unlisted and len(self._asked) >= self._max_unlisted:
            message = f"more than {self._max_unlisted} unlisted instruments are asked for"
            raise Refusal(Code.OVERLOADED, message, topic=str(topic), retry_after_seconds=IDLE_SECONDS)
        self._asked[instrument] = now


def _can_serve(feed: FeedEntry, topic: Topic) -> bool:
    """Whether a feed has a topic, or what it can be made of."""
    return bool(_sources(feed, topic))


def _sources(feed: FeedEntry, topic: Topic) -> tuple[Topic, ...]:
    return sources_of(topic, partial(_has, feed))


def _has(feed: FeedEntry, topic: Topic) -> bool:
    """Whether a feed's transport carries a topic and can spell its instrument."""
    upstream = Want(topic, feed.name).upstream
    if feed.dialect.lane(upstream, feed.transport) is None:
        return False
    return topic.instrument is None or feed.symbols.vendor_symbol(topic.instrument, feed.transport) is not None
