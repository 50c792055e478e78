"""Publications to bytes, made once for all who can share them.

A codec is one dialect on one transport with one set of options. What it makes of a publication is remembered on the
publication itself, so a thousand subscribers cost one encoding, and nothing has to be evicted.

Framed bytes may be joined: an event stream's messages as they are, and a WebSocket's as the frames they travel in, which are
the same for every client because a server does not mask. A poll's are one a line, because a `Message`'s data never holds a
line break (`texts` takes them apart again).

On transports where the dialect says books whole, a `BookDelta` is spelled as the topic's book as it stands when its bytes
are first needed, with the delta's own cursor.
"""

import itertools
from collections import deque
from collections.abc import Sequence

import msgspec
import structlog

from bridge.dialects.contract import Dialect, EncoderOptions, Message, SymbolTable, Transport
from bridge.errors import Mistakes, Unspeakable
from bridge.hub.contract import Publication
from bridge.hub.hub import Hub
from bridge.model import (
    BookDelta,
    Cause,
    Covered,
    Gap,
    LogEvent,
    MarketEvent,
    TopicKind,
    TopicRefused,
    Uncovered,
    Want,
    topic_of,
)
from bridge.wire.sse import sse_comment, sse_message
from bridge.wire.websocket import text_frame

_log = structlog.get_logger(__name__)

_KEYS = itertools.count()
"""Numbers, because a dict of numbers and bytes is of no interest to the garbage collector, and there is one a publication."""

UNENCODED_COST_BYTES = 128
"""What a pending publication counts while its bytes do not exist: about what the reference and its place cost us."""


MOST_UNTOLD = 1_000
"""Offsets of events that could not be told are remembered; whoever should have been told is sent away at the first."""

EVERY_ONE_MATTERS = frozenset({TopicKind.TRADE, TopicKind.BAR, TopicKind.ORDER})
"""Kinds of topics of which no event may be left out in silence; after a hole, a book begins anew by itself."""


class CodecStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What one codec has done.

    Attributes:
        encoded: publications turned into bytes.
        unspeakable: publications that the dialect has no word for, left out.
        mistakes: publications that it could not spell by a mistake of ours, declared missing where it has a word for that.
    """

    dialect: str
    transport: Transport
    extra: bool
    wording: str
    encoded: int
    unspeakable: int
    mistakes: int = 0


def framed(transport: Transport, messages: Sequence[Message]) -> bytes:
    """Return messages as their transport's bytes; b"" for none."""
    if transport is Transport.SSE:
        return b"".join(
            sse_message(message.data, message.event, message.id) if message.data else sse_comment(message.comment)
            for message in messages
        )
    if transport is Transport.WEBSOCKET:
        return b"".join(text_frame(message.data) for message in messages if message.data)
    return b"".join(message.data + b"\n" for message in messages if message.data)


def texts(data: bytes) -> list[bytes]:
    """Take a poll's framed bytes apart into its texts."""
    return data.split(b"\n")[:-1]


class Codec:
    """One dialect on one transport with one set of options.

    Args:
        dialect: whose spelling.
        symbols: how it spells instruments here.
        transport: what the bytes are framed for.
        options: what may differ between clients.

    Attributes:
        key: what its bytes are remembered by.
        replaces_books: books are said whole here, so only the newest change of one is needed.
        declares_gaps: the dialect has a word for a hole; without one, who would be told of it is sent away.
    """

    def __init__(self, dialect: Dialect, symbols: SymbolTable, transport: Transport, options: EncoderOptions) -> None:
        self.key = next(_KEYS)
        self.transport = transport
        self._name = dialect.name
        self._options = options
        self._encoder = dialect.encoder(transport, symbols, options)
        self.replaces_books = transport in dialect.profile.replaces_books
        self.declares_gaps = dialect.profile.declares_gaps
        self._encoded = 0
        self._unspeakable = 0
        self._mistakes = Mistakes()
        self._untold: deque[int] = deque(maxlen=MOST_UNTOLD)

    def __repr__(self) -> str:
        return f"<Codec {self._name} {self.transport} {self._encoded} encoded>"

    def encode(self, publication: Publication, hub: Hub) -> bytes:
        """Return the publication's framed bytes; b"" when there is nothing to say."""
        known = publication.encoded.get(self.key)
        if known is None:
            known = publication.encoded[self.key] = self._make(publication, hub)
        return known

    def hides(self, publication: Publication) -> bool:
        """Whether it leaves a hole that would pass here in silence, among events of which every one matters.

        Args:
            publication: a declared hole, or what was encoded before and could neither be told nor declared missing.
        """
        event = publication.event
        if isinstance(event, Gap) and not self.declares_gaps:
            return not event.repaired and any(topic.kind in EVERY_ONE_MATTERS for topic in event.topics)
        return publication.offset in self._untold

    def encode_all(self, publications: Sequence[Publication], hub: Hub) -> list[bytes]:
        """Return the framed bytes of each."""
        key = self.key
        try:
            return [publication.encoded[key] for publication in publications]  # nearly always
        except KeyError:
            return [self.encode(publication, hub) for publication in publications]

    def cost(self, publications: Sequence[Publication], hub: Hub) -> int:
        """Return how many bytes they are while they wait for a slow client."""
        key = self.key
        try:
            return sum([len(publication.encoded[key]) for publication in publications])  # nearly always
        except KeyError:
            return sum(self._cost(publication, hub) for publication in publications)

    def _cost(self, publication: Publication, hub: Hub) -> int:
        known = publication.encoded.get(self.key)
        if known is not None:
            return len(known)
        event = publication.event
        if isinstance(event, TopicRefused) or (self.replaces_books and isinstance(event, BookDelta)):
            return UNENCODED_COST_BYTES
        return len(self.encode(publication, hub))

    def statistics(self) -> CodecStatistics:
        """A snapshot of the counters."""
        return CodecStatistics(
            dialect=self._name,
            transport=self.transport,
            extra=self._options.extra,
            wording=self._options.wording,
            encoded=self._encoded,
            unspeakable=self._unspeakable,
            mistakes=self._mistakes.count,
        )

    def _make(self, publication: Publication, hub: Hub) -> bytes:
        event: LogEvent | None = publication.event
        if isinstance(event, Covered | Uncovered | TopicRefused):
            return b""
        if self.replaces_books and isinstance(event, BookDelta):
            standing = hub.state(Want(topic_of(event), event.feed))
            event = None if standing is None else standing.event
        if event is None:
            return b""
        at = hub.cursor(publication.offset)
        try:
            return self._spell(event, at, whole=publication.whole)
        except Exception as error:  # noqa: BLE001 - contained to one event, logged with its traceback, declared
            if self._mistakes.note(error):
                _log.exception(
                    "an event was not told by a mistake of ours", dialect=self._name, kind=type(event).__name__
                )
            return self._declared_missing(event, publication.offset, hub)

    def _spell(self, event: LogEvent, at: str, *, whole: bool) -> bytes:
        try:
            messages = self._encoder.encode(event, at, whole=whole)
        except Unspeakable:
            self._unspeakable += 1
            return b""
        self._encoded += 1
        return framed(self.transport, messages)

    def _declared_missing(self, event: LogEvent, offset: int, hub: Hub) -> bytes:
        """Say instead of an event that it is missing; b"" where that cannot be said, or what is about no topic."""
        if not isinstance(event, MarketEvent):
            return b""
        topic, before, at = topic_of(event), hub.cursor(offset - 1), hub.cursor(offset)
        gap = Gap(
            topics=(topic,), from_=before, to=at, cause=Cause.BRIDGE, ts_recv=event.ts_recv, missed=1, feed=event.feed
        )
        try:
            said = self._spell(gap, at, whole=False)
        except Exception as error:  # noqa: BLE001 - as above
            self._mistakes.note(error)
            said = b""
        if not said and topic.kind in EVERY_ONE_MATTERS:
            self._untold.append(offset)
        return said


class Codecs:
    """The codecs of one house, each made when first needed. There are few: one a dialect, transport and set of options."""

    def __init__(self) -> None:
        self._codecs: dict[tuple[Dialect, Transport, EncoderOptions], Codec] = {}

    def of(self, dialect: Dialect, symbols: SymbolTable, transport: Transport, options: EncoderOptions) -> Codec:
        """Return the one codec for these. A dialect, which in another manner is another, has one table of symbols in a house."""
        key = (dialect, transport, options)
        codec = self._codecs.get(key)
        if codec is None:
            codec = self._codecs[key] = Codec(dialect, symbols, transport, options)
        return codec

    def statistics(self) -> tuple[CodecStatistics, ...]:
        """A snapshot of every codec's counters."""
        return tuple(codec.statistics() for codec in self._codecs.values())
