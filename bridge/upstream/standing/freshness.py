"""Whether a topic that says nothing is quiet or stale: judged by what it has been doing, and by what the vendor says elsewhere.

Theory of operation. A heartbeat is not data, and quiet is not stale. A topic is *suspect* when it has been silent for
`PATIENCE` times the longest silence it has shown of late, and never sooner than the operator's `stale_seconds`. Then the vendor
is looked at beside the stream, over REST. The first look is the baseline; when a later one shows other figures than the baseline
and the stream has still said nothing, the vendor has news that the stream does not bring: the topic is *stale*. The same
figures prove nothing wrong, however long they stay, and the looks become rarer. Only looks are compared with looks, for a
vendor's REST may round, count or stamp differently from its streams.

Plain; times are seconds that only rise.
"""

import enum
from collections.abc import Iterable, Sequence
from operator import itemgetter

import msgspec
from msgspec import UNSET

from bridge.dialects.contract import Question, QuestionKind, Signal
from bridge.model import (
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    MarketEvent,
    QuotePatch,
    Topic,
    TopicKind,
    UpstreamEvent,
)

PATIENCE = 4.0
"""Silences vary: one of three times the longest is not rare, one of four is worth a look."""

FORGETTING = 0.95
"""What a longest silence is worth with each further event: a night's is forgotten after some minutes of trading."""

LONGEST_PATIENCE_SECONDS = 3600.0
"""A topic that has been silent for so long is looked at, whatever its past."""

FIRST_LOOK_SECONDS = 10.0
"""From the baseline to the next look; each further one waits twice as long."""

LONGEST_LOOK_SECONDS = 600.0
"""The longest wait between two looks at a silent topic."""

WATCHED = frozenset({TopicKind.QUOTE, TopicKind.TRADE, TopicKind.BOOK, TopicKind.BAR})

_TRADE_FIGURES = ("last", "last_size", "last_time", "volume")
_QUOTE_FIGURES = ("bid", "ask", "bid_size", "ask_size", "last", "last_size", "volume")


class Sight(enum.Enum):
    """What a look has shown."""

    NOTHING = enum.auto()
    """The first one, or the same as before: the topic may well be quiet."""
    NEWS = enum.auto()
    """Other figures than at the baseline, of which the stream has said nothing."""
    BLIND = enum.auto()
    """The answer has no figures that could tell."""


class _Record:
    """One topic."""

    __slots__ = ("baseline", "heard_at", "longest", "look_at", "stale", "wait", "word")

    def __init__(self, now: float) -> None:
        self.heard_at = now
        self.longest = 0.0
        self.word: UpstreamEvent | None = None
        self.baseline: bytes | None = None
        self.look_at: float | None = None
        self.wait = FIRST_LOOK_SECONDS
        self.stale = False


class Freshness:
    """One feed's topics on one transport.

    Args:
        stale_seconds: how long any topic may be silent without being suspect.
    """

    def __init__(self, stale_seconds: float) -> None:
        self._stale_seconds = stale_seconds
        self._records: dict[Topic, _Record] = {}

    @property
    def stale(self) -> frozenset[Topic]:
        """What was declared stale and has said nothing since."""
        return frozenset(topic for topic, record in self._records.items() if record.stale)

    @property
    def watched(self) -> frozenset[Topic]:
        """What is watched."""
        return frozenset(self._records)

    def silent(self, topics: Iterable[Topic]) -> list[Topic]:
        """Return which of these are being looked at and have said nothing since."""
        return [topic for topic in topics if topic in self._records and self._records[topic].look_at is not None]

    def keep(self, topics: Iterable[Topic], now: float) -> None:
        """Watch exactly these, as far as they are watched; a new one is silent from now on."""
        watched = {topic for topic in topics if topic.kind in WATCHED}
        for topic in self._records.keys() - watched:
            del self._records[topic]
        for topic in watched - self._records.keys():
            self._records[topic] = _Record(now)

    def heard(self, topic: Topic, event: UpstreamEvent, now: float) -> bool:
        """The stream said something; return whether the topic was stale until now. Called for every event."""
        record = self._records.get(topic)
        if record is None:
            return False
        silence = now - record.heard_at
        record.longest = max(silence, record.longest * FORGETTING)
        record.heard_at = now
        record.word = event
        if record.look_at is None and not record.stale:
            return False
        was_stale, record.stale = record.stale, False
        record.baseline, record.look_at, record.wait = None, None, FIRST_LOOK_SECONDS
        return was_stale

    def heard_at(self, topic: Topic) -> float | None:
        """When the stream last said something of a topic; None = it is not watched."""
        record = self._records.get(topic)
        return None if record is None else record.heard_at

    def suspects(self, now: float) -> list[Topic]:
        """Return what is to be looked at now, the longest silent first."""
        due = [(record.heard_at, topic) for topic, record in self._records.items() if self._look_at(record) <= now]
        return [topic for _, topic in sorted(due, key=itemgetter(0))]

    def looked(self, topic: Topic, said: Sequence[UpstreamEvent | Signal] | None, now: float) -> Sight:
        """Judge what the vendor said of a topic beside the stream; None = it could not be asked."""
        record = self._records.get(topic)
        if record is None:
            return Sight.NOTHING
        record.look_at, record.wait = now + record.wait, min(2 * record.wait, LONGEST_LOOK_SECONDS)
        figures = figures_of(topic, said or (), record.word)
        if figures is None:
            return Sight.BLIND
        if record.baseline is None:
            record.baseline = figures
        return Sight.NOTHING if figures == record.baseline else Sight.NEWS

    def declare(self, topic: Topic) -> bool:
        """The topic is stale; return whether that is news."""
        record = self._records.get(topic)
        if record is None or record.stale:
            return False
        record.stale = True
        return True

    def _look_at(self, record: _Record) -> float:
        if record.stale:
            return float("inf")
        if record.look_at is not None:
            return record.look_at
        patience = max(self._stale_seconds, min(PATIENCE * record.longest, LONGEST_PATIENCE_SECONDS))
        return record.heard_at + patience


def question_of(topic: Topic) -> Question:
    """Return what to ask a vendor to see whether it has news of a topic; a quote tells of trades too."""
    if topic.kind is TopicKind.BOOK:
        return Question(kind=QuestionKind.BOOK, instrument=topic.instrument)
    if topic.kind is TopicKind.BAR:
        return Question(kind=QuestionKind.BARS, instrument=topic.instrument, interval=topic.interval, limit=1)
    return Question(kind=QuestionKind.QUOTE, instrument=topic.instrument)


def figures_of(topic: Topic, said: Sequence[UpstreamEvent | Signal], word: UpstreamEvent | None) -> bytes | None:
    """Return what of an answer changes only with news of a topic, never its times; None = nothing that could tell.

    Args:
        topic: what was asked about.
        said: the answer.
        word: the stream's last: of a quote, only figures that the stream sends too can be missed.
    """
    events = [event for event in said if isinstance(event, MarketEvent)]
    if not events:
        return None
    event = events[-1]
    match event:
        case QuotePatch():
            return _quote_figures(topic, event, word)
        case BookSnapshot() | BookReplacement() | BookDelta():
            return msgspec.json.encode((event.bids, event.asks))
        case Bar():
            return msgspec.json.encode((event.ts_open, event.open, event.high, event.low, event.close, event.volume))
        case _:
            return None


def _quote_figures(topic: Topic, quote: QuotePatch, word: UpstreamEvent | None) -> bytes | None:
    names: tuple[str, ...] = _TRADE_FIGURES if topic.kind is TopicKind.TRADE else _QUOTE_FIGURES
    if topic.kind is TopicKind.QUOTE and isinstance(word, QuotePatch):
        names = tuple(name for name in names if _is_said(word, name))
    figures = {name: getattr(quote, name) for name in names if _is_said(quote, name)}
    return msgspec.json.encode(figures) if figures else None


def _is_said(quote: QuotePatch, name: str) -> bool:
    value = getattr(quote, name)
    return value is not UNSET and value is not None
