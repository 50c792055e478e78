"""The way in: upstream events become what stands in the log, in the order in which it must stand there.

Everything derived (whole quotes, numbered books, cuts, closed bars, the gap before a coverage that begins again) is made
here, before `append`, by the process that owns the feed. The hub's `apply` side is only read: what is covered, and since when.
"""

from bridge.clock import Clock
from bridge.hub.assemble import Assembler, Numbering
from bridge.hub.contract import Log
from bridge.hub.cursor import Cursor
from bridge.hub.derive import Cuts
from bridge.hub.topic import DOUBTFUL_KINDS, TopicRecord, Topics
from bridge.model import (
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    Cause,
    Covered,
    FeedName,
    FeedStatus,
    Gap,
    OrderUpdate,
    QuotePatch,
    Topic,
    TopicKind,
    TopicRefused,
    Trade,
    Uncovered,
    UpstreamEvent,
    Want,
)


class Intake:
    """Assembles, derives and appends.

    Args:
        log: where to append.
        topics: the hub's records, only read here.
        clock: stamps what is made here.
    """

    def __init__(self, log: Log, topics: Topics, clock: Clock) -> None:
        self._log = log
        self._topics = topics
        self._clock = clock
        numbering = Numbering()
        self.assembler = Assembler(numbering)
        self.cuts = Cuts(numbering)

    def publish(self, event: UpstreamEvent) -> None:
        """Take an event of a feed into the log; what says nothing new is left out. Never awaits."""
        match event:
            case Trade() | OrderUpdate() | FeedStatus():
                self._log.append(event)
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

    def begin_cut(self, want: Want) -> None:
        """Somebody wants a cut book: if the full one is known, the cut's first snapshot goes into the log."""
        topic = want.topic
        if topic.instrument is None or topic.depth is None:
            return
        self.cuts.begin(want.feed, topic.instrument, topic.depth)
        whole = self.assembler.whole_book(want.feed, topic.instrument)
        if whole is not None:
            for snapshot in self.cuts.first(whole, self._log.head):
                self._log.append(snapshot)

    def end_cut(self, want: Want) -> None:
        """Nobody wants a cut book any more."""
        topic = want.topic
        if topic.instrument is not None and topic.depth is not None:
            self.cuts.end(want.feed, topic.instrument, topic.depth)

    def forget(self, feed: FeedName, topic: Topic) -> None:
        """Trust nothing that a feed has said of a topic so far."""
        if topic.instrument is None:
            return
        match topic.kind:
            case TopicKind.QUOTE:
                self.assembler.forget_quote(feed, topic.instrument)
            case TopicKind.BOOK:
                self.assembler.forget_book(feed, topic.instrument)
            case TopicKind.BAR:
                self.assembler.bars.forget(feed, topic.instrument, topic.interval)
            case _:
                pass

    def _quote(self, event: QuotePatch) -> None:
        quote = self.assembler.quote(event)
        if quote is not None:
            self._log.append(quote)

    def _bar(self, event: Bar) -> None:
        for bar in self.assembler.bars.add(event):
            self._log.append(bar)

    def _book(self, event: BookSnapshot | BookDelta | BookReplacement) -> None:
        numbered = self.assembler.book(event, self._log.head)
        if numbered is None:
            return
        self._log.append(numbered)
        book = self.assembler.held_book(event.feed, event.instrument)
        if book is not None:
            for cut in self.cuts.follow(numbered, book, self._log.head):
                self._log.append(cut)

    def _covered(self, event: Covered) -> None:
        topics = () if event.continued else event.topics
        broken = [record for topic in topics for record in self._topics.family(event.feed, topic) if _broke(record)]
        for record in broken:
            self._declare_break(record)
        self._log.append(event)
        for record in broken:
            self._settle_doubt(record.want)

    def _declare_break(self, record: TopicRecord) -> None:
        self._log.append(
            Gap(
                topics=(record.want.topic,),
                from_=str(Cursor(self._log.epoch, record.coverage.lost or 0)),
                to=str(Cursor(self._log.epoch, self._log.head + 1)),
                cause=Cause.UPSTREAM,
                ts_recv=self._clock(),
                feed=record.want.feed,
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
        for topic in event.topics:
            self.forget(event.feed, topic)
        self._log.append(event)

    def _refused(self, event: TopicRefused) -> None:
        self._log.append(event)
        for record in self._topics.family(event.feed, event.topic):
            if record.want.topic != event.topic:
                self._log.append(
                    TopicRefused(
                        feed=event.feed,
                        topic=record.want.topic,
                        code=event.code,
                        message=event.message,
                        ts_recv=event.ts_recv,
                    )
                )


def _broke(record: TopicRecord) -> bool:
    """Whether coverage that begins now begins again, for a topic whose followers are told."""
    coverage = record.coverage
    return coverage.since is None and coverage.lost is not None and record.want.topic.kind in DOUBTFUL_KINDS
