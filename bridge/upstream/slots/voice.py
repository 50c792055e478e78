"""Which of a slot's links is heard, and what the slot covers. Plain state; the carrier says when to change it.

One link *speaks*: its events are published. During a hand-over another is *incoming*: what it says of the topics that both
carry is held by the overlap until the switch; what it says of others is published at once. A topic is covered while a link
that is heard has it confirmed, so a hand-over leaves no break.
"""

import trio

from bridge.model import Topic, UpstreamEvent
from bridge.upstream.session.effects import Aside, Emit, Felt, Skipped
from bridge.upstream.slots.link import Link
from bridge.upstream.slots.overlap import Overlap
from bridge.upstream.standing.standing import Standing


class Voice:
    """One slot's voice.

    Args:
        standing: where events, coverage and counts go.

    Attributes:
        speaking: the link whose events are published; None between two.
        incoming: the link that is to follow it; None outside a hand-over.
    """

    def __init__(self, standing: Standing) -> None:
        self.speaking: Link | None = None
        self.incoming: Link | None = None
        self._standing = standing
        self._overlap: Overlap | None = None
        self._covered: frozenset[Topic] = frozenset()

    def emit(self, link: Link, effect: Emit) -> None:
        """A link says something: publish, hold or leave out."""
        self._standing.heard(effect.topic, effect.event)
        overlap = self._overlap
        if overlap is None and link is self.speaking:
            self._standing.publish(effect.event)
        else:
            self._emit_in_overlap(link, effect, overlap)

    def _emit_in_overlap(self, link: Link, effect: Emit, overlap: Overlap | None) -> None:
        if overlap is not None and effect.topic not in overlap.topics:
            overlap = None
        if link is self.speaking:
            if overlap is None or self.incoming is not None:
                self._standing.publish(effect.event)
            if overlap is not None and self.incoming is not None:
                overlap.old(effect.event, trio.current_time())
            elif overlap is not None:
                self._publish_all(overlap, overlap.late(effect.event, trio.current_time()))
        elif link is self.incoming:
            if overlap is None:
                self._standing.publish(effect.event)
            else:
                overlap.hold(effect.event, trio.current_time())

    # ── hand-over ──
    def expect(self, link: Link, topics: frozenset[Topic]) -> Overlap:
        """Begin a hand-over from the speaking link to another that carries `topics`."""
        if self._overlap is not None:
            self.finish(self._overlap)
        carried = topics & self.speaking.session.topics if self.speaking is not None else frozenset()
        self.incoming, self._overlap = link, Overlap(carried)
        return self._overlap

    def switch(self, reason: str) -> Link | None:
        """The incoming link speaks from here on; returns the one that did, still to be closed if it has not ended."""
        old, overlap = self.speaking, self._overlap
        if self.incoming is None or overlap is None:
            return None
        self.speaking, self.incoming = self.incoming, None
        self._publish_all(overlap, overlap.switch(trio.current_time()))
        self.cover(reason)
        return old

    def abandon(self, reason: str) -> None:
        """The incoming link came to nothing; what it said of carried topics the speaking one said too."""
        self.incoming = self._overlap = None
        self.cover(reason)

    def finish(self, overlap: Overlap) -> None:
        """The aftermath of a switch is over, unless the overlap was given up before."""
        if overlap is not self._overlap or self.incoming is not None:
            return
        self._overlap = None
        for event in overlap.finish():
            self._standing.publish(event)

    def lose(self, reason: str) -> None:
        """The speaking link ended by itself; the incoming one, if there is one, may follow it yet."""
        if self._overlap is not None and self.incoming is not None:
            self._overlap.ended(trio.current_time())
        else:
            self._standing.hush(self)
        self.cover(reason)

    def fall_silent(self, reason: str) -> None:
        """Nobody speaks any more."""
        self.speaking = self.incoming = self._overlap = None
        self._standing.hush(self)
        self.cover(reason)

    # ── coverage ──
    def cover(self, reason: str, continued: frozenset[Topic] = frozenset()) -> None:
        """Say what is covered now, what of it goes on from before its break, and what is covered no longer for which reason."""
        heard = [link for link in (self.speaking, self.incoming) if link is not None and link.end is None]
        now = frozenset(topic for link in heard for topic in link.session.confirmed)
        before, self._covered = self._covered, now
        self._standing.uncover(before - now, reason)
        self._standing.cover(now - before - continued)
        self._standing.cover((now - before) & continued, continued=True)

    def skip(self, link: Link, said: Skipped) -> None:
        """A link's vendor declares a hole: a moment without coverage, unless another link that is heard has no such hole."""
        speaks_for = link.session.topics if self.speaking is None else self.speaking.session.topics
        topics = [topic for topic in said.topics if link is self.speaking or topic not in speaks_for]
        self._standing.skip(topics, said.reason, said.cause)

    # ── a vendor that is a bridge ──
    def aside(self, link: Link, said: Aside) -> None:
        """A link says something of the other bridge. What a feed of it that is not well has told us stands no more."""
        self._standing.aside(self, said)
        if isinstance(said, Felt) and link is self.speaking:
            topics = [topic for topic in said.said.topics if topic in link.session.confirmed]
            if said.said.sound:
                self._standing.cover(topics, continued=True)
            else:
                self._standing.uncover(topics, said.said.reason or "")

    def _publish_all(self, overlap: Overlap, events: list[UpstreamEvent]) -> None:
        for event in events:
            self._standing.publish(event)
        self._standing.overlaps_removed += overlap.removed
        overlap.removed = 0
