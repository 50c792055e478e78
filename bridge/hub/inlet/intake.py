"""The way in: upstream events become what stands in the log, in the order in which it must stand there.

Everything derived (whole quotes, numbered books, cuts, closed bars, what a feed lacks, the gap before a coverage that begins
again) is made here, before `append`, by the process that owns the feed. The hub's `apply` side is only read: what is covered,
since when, and what is kept.
"""

import math
from collections.abc import Callable, Iterable

import msgspec

from bridge.clock import Clock
from bridge.hub.contract import Log
from bridge.hub.cursor import Cursor
from bridge.hub.inlet.assemble import Assembler, Numbering
from bridge.hub.inlet.derivations import Derivations, Derived, Made
from bridge.hub.inlet.derive import Cuts
from bridge.hub.inlet.derived_bars import DerivedBars
from bridge.hub.inlet.suspicions import Suspicions
from bridge.hub.interest import Sources, as_asked
from bridge.hub.state.topic import DOUBTFUL_KINDS, TopicRecord, Topics
from bridge.model import (
    SECONDS,
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    Cause,
    Covered,
    FeedName,
    FeedStatus,
    Gap,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Topic,
    TopicKind,
    TopicRefused,
    Trade,
    Uncovered,
    UnixNanos,
    UpstreamEvent,
    Want,
)

Ask = Callable[[Want], None]
"""Has a vendor asked for a quote that is made here; the answer, if any, comes as an event."""


class Intake:
    """Assembles, derives and appends.

    Args:
        log: where to append.
        topics: the hub's records, only read here.
        clock: stamps what is made here.
        steady: nanoseconds that only rise.
        sources: what wants are made of.
    """

    def __init__(self, log: Log, topics: Topics, clock: Clock, steady: Clock, sources: Sources = as_asked) -> None:
        self._log = log
        self._topics = topics
        self._clock = clock
        self._sources = sources
        numbering = Numbering()
        self.assembler = Assembler(numbering)
        self.cuts = Cuts(numbering)
        self.derivations = Derivations(topics, steady)
        self.ask: Ask | None = None
        self.suspicions = Suspicions()

    def publish(self, event: UpstreamEvent) -> None:
        """Take an event of a feed into the log; what says nothing new is left out. Never awaits."""
        match event:
            case Trade() | OrderUpdate() | FeedStatus():
                self._whole(event)
            case QuotePatch():
                self._quote(event)
            case BookSnapshot() | BookDelta() | BookReplacement():
                self._book(event)
            case Bar():
                self._bar(event)
            case Covered():
                self._covered(event)
            case Uncovered():
                self._uncovered(event)
            case TopicRefused():
                self._refused(event)

    def begin(self, want: Want) -> None:
        """Somebody wants this: what is known of it goes into the log if we make it, a cut's first snapshot or derived bars."""
        topic = want.topic
        if topic.kind is TopicKind.STATUS or topic.instrument is None:
            return
        if topic.depth is not None:
            self._begin_cut(want.feed, topic.instrument, topic.depth)
        sources = tuple(self._sources(want))
        if sources == (want.upstream,):
            self.derivations.plain(want)
        else:
            derived = self.derivations.begin(want, sources)
            covered = derived in self.derivations.ready(want.feed, sources)
            recalled = self._recall(derived, covered=covered)
            if covered:
                self._vouch(derived, self._clock(), anew=not recalled)

    def end(self, want: Want, reason: str = "nobody wants it any more") -> None:
        """Nobody wants this any more, or it is to be made of something else."""
        topic = want.topic
        if topic.instrument is not None and topic.depth is not None:
            self.cuts.end(want.feed, topic.instrument, topic.depth)
        if self.derivations.end(want):
            self._uncovered(Uncovered(feed=want.feed, topics=(topic,), ts_recv=self._clock(), reason=reason))

    def counts(self) -> dict[str, int]:
        """Return what `HubStatistics` tells of what is made, and left out, on the way in."""
        return {
            "cuts": len(self.cuts),
            "derived": len(self.derivations),
            **self.assembler.counts(),
        }

    def seconds_to_close(self) -> float:
        """When `close` has something to do: all intervals end with a second of the wall clock; infinity = nothing is derived."""
        return 1 - self._clock() % SECONDS / SECONDS if self.derivations else math.inf

    def close(self) -> None:
        """Say what is over by the clock, and have vendors asked for what they alone know."""
        self._made(self.derivations.close())
        self._have_asked()

    def _have_asked(self) -> None:
        if self.ask is not None:
            for want in self.derivations.asks():
                self.ask(want)

    def forget(self, feed: FeedName, topic: Topic) -> None:
        """Trust nothing that a feed has said of a topic so far."""
        if topic.kind is TopicKind.BOOK and topic.instrument is not None:
            self.suspicions.give_up(feed, topic.instrument)
        self.assembler.forget(feed, topic)

    def _whole(self, event: Trade | OrderUpdate | FeedStatus) -> None:
        if isinstance(event, Trade) and self.assembler.echoes.hears(event):
            return
        self._log.append(event)
        if isinstance(event, Trade):
            self._made(self.derivations.take(event))

    def _quote(self, event: QuotePatch) -> None:
        answered = None if event.derived else self.derivations.answered(event)
        if answered is not None:
            self._made(answered)
            return
        quote = self.assembler.quote(event)
        if quote is not None:
            self._log.append(quote)

    def _bar(self, event: Bar) -> None:
        for bar in self.assembler.bars.add(event):
            self._log.append(bar)
            self._made(self.derivations.take(bar))

    def _book(self, event: BookSnapshot | BookDelta | BookReplacement) -> None:
        numbered = self.assembler.book(event, self._log.head)
        book = self.assembler.held_book(event.feed, event.instrument)
        self.suspicions.look(event, book, self._log.head)
        if numbered is None:
            return
        self._log.append(numbered)
        if book is not None:
            for cut in self.cuts.follow(numbered, book, self._log.head):
                self._log.append(cut)
            self._made(self.derivations.take(numbered, book))

    def _made(self, events: Iterable[Made]) -> None:
        for event in events:
            if isinstance(event, QuotePatch):
                self._quote(event)
            else:
                for bar in self.assembler.bars.add(event):
                    self._log.append(bar)

    def _begin_cut(self, feed: FeedName, instrument: InstrumentId, depth: int) -> None:
        self.cuts.begin(feed, instrument, depth)
        whole = self.assembler.whole_book(feed, instrument)
        if whole is not None:
            for snapshot in self.cuts.first(whole, self._log.head):
                self._log.append(snapshot)

    # ── what is derived ──
    def _recall(self, derived: Derived, *, covered: bool) -> bool:
        """Say the bars that follow from what is kept of their source and are not known yet; return whether there was any."""
        want = derived.want
        source = self._topics.find(want.feed, derived.sources[0])
        if source is None or not isinstance(derived.maker, DerivedBars):
            return False
        kept = (publication.event for publication in source.history.after(0))
        bars = derived.maker.history(kept, self._clock())
        record = self._topics.find(want.feed, want.topic)
        newest = UnixNanos(-1) if record is None else record.newest_final
        final = [bar for bar in bars if bar.is_final is True and bar.ts_open is not None and bar.ts_open > newest]
        self._made(final)
        if covered:
            self._made(bar for bar in bars[-1:] if bar.is_final is not True)
        return bool(bars)

    def _vouch(self, derived: Derived, since: UnixNanos, *, anew: bool = True) -> None:
        """This is covered from here on, and all that was seen of its sources is either `anew` or goes on without a break."""
        feed, topic = derived.want.feed, derived.want.topic
        derived.covered = True
        if anew:
            derived.maker.begin(since)
        self._have_asked()
        self._covered(Covered(feed=feed, topics=(topic,), ts_recv=since))
        whole = None if topic.instrument is None else self.assembler.whole_book(feed, topic.instrument)
        if whole is not None:
            self._made(derived.maker.take(whole, self.assembler.held_book(feed, whole.instrument)))

    # ── coverage and refusals ──
    def _covered(self, event: Covered) -> None:
        topics = () if event.continued else event.topics
        broken = [record for topic in topics for record in self._topics.family(event.feed, topic) if _broke(record)]
        for record in broken:
            self._declare_break(record, event.cause)
        for topic in topics:
            if topic.kind is TopicKind.BOOK and topic.instrument is not None:
                self.suspicions.declared(event.feed, topic.instrument)
        self._log.append(event)
        for record in broken:
            self._settle_doubt(record.want)
        self.derivations.accepted(event.feed, event.topics)
        for derived in self.derivations.ready(event.feed, event.topics):
            self._vouch(derived, event.ts_recv)

    def _declare_break(self, record: TopicRecord, cause: Cause) -> None:
        want, lost = record.want, record.coverage.lost or 0
        if want.topic.kind is TopicKind.BOOK and want.topic.instrument is not None:
            lost = self.suspicions.wrong_after(want.feed, want.topic.instrument, lost)
        self._log.append(
            Gap(
                topics=(want.topic,),
                from_=str(Cursor(self._log.epoch, lost)),
                to=str(Cursor(self._log.epoch, self._log.head + 1)),
                cause=cause,
                ts_recv=self._clock(),
                feed=want.feed,
            )
        )

    def _settle_doubt(self, want: Want) -> None:
        """A vendor may send the new book before it confirms; the gap just declared put it in doubt, so say it again."""
        topic = want.topic
        if topic.kind is not TopicKind.BOOK or topic.depth is not None or topic.instrument is None:
            return
        whole = self.assembler.whole_book(want.feed, topic.instrument)
        if whole is not None:
            self._book(whole)

    def _uncovered(self, event: Uncovered) -> None:
        fallen = self.derivations.broken(event.feed, event.topics)
        if fallen:
            event = msgspec.structs.replace(event, topics=(*event.topics, *fallen))
        for topic in event.topics:
            if topic.kind is not TopicKind.TRADE:  # after a break a vendor may say its last trades again
                self.forget(event.feed, topic)
        self._log.append(event)

    def _refused(self, event: TopicRefused) -> None:
        self._log.append(event)
        family = [record.want.topic for record in self._topics.family(event.feed, event.topic)]
        family += self.derivations.refused(event.feed, event.topic, event.code)
        for topic in family:
            if topic != event.topic:
                self._log.append(msgspec.structs.replace(event, topic=topic))
        for derived in self.derivations.ready(event.feed, (event.topic,)):
            self._vouch(derived, event.ts_recv)


def _broke(record: TopicRecord) -> bool:
    """Whether coverage that begins now begins again, for a topic whose followers are told."""
    coverage = record.coverage
    return coverage.since is None and coverage.lost is not None and record.want.topic.kind in DOUBTFUL_KINDS
