"""What one stream holds: the topics as its client asked for them, and what serves each.

Two topics may share a want (`all:X` holds what `quote:X` is): a want leaves only with the last topic that holds it.
"""

from collections.abc import Sequence

from bridge.dialects.contract import Refusal
from bridge.downstream.contract import Granted
from bridge.model import Code, FeedName, Topic, TopicKind, Want


class Holdings:
    """One stream's topics.

    Attributes:
        limit: topics at most, `all:X` counting as one and `status` not at all; 0 = unlimited. What is held stays when it falls.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: dict[Topic, Granted] = {}
        self._uncounted: set[Topic] = set()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def topics(self) -> tuple[Topic, ...]:
        """As the client asked, in the order of asking."""
        return tuple(self._held)

    @property
    def served(self) -> tuple[Topic, ...]:
        """As told to the client: `all:` by its parts."""
        return tuple(dict.fromkeys(topic for one in self._held.values() for topic in one.served))

    @property
    def granted(self) -> tuple[Granted, ...]:
        """The topics with what serves each."""
        return tuple(self._held.values())

    def held(self, topics: Sequence[Topic]) -> tuple[Topic, ...]:
        """Return those of `topics` that are held."""
        return tuple(topic for topic in dict.fromkeys(topics) if topic in self._held)

    def room_for(self, granted: Sequence[Granted], leaving: Sequence[Topic] = (), limit: int | None = None) -> None:
        """Return when these may be held as well, once others have left.

        Args:
            granted: those to come.
            leaving: those to leave.
            limit: the one that will hold by then; None = the one that holds now.

        Raises:
            Refusal: `too_many_subscriptions`.
        """
        after = (self._held.keys() - set(leaving)) | {one.topic for one in granted}
        counted = sum(topic.kind is not TopicKind.STATUS and topic not in self._uncounted for topic in after)
        most = self.limit if limit is None else limit
        if granted and most and counted > most:
            raise Refusal(
                Code.TOO_MANY_SUBSCRIPTIONS,
                f"{counted} topics on one connection; {most} is the most. Ask for fewer, or open another connection",
                topic=str(granted[0].topic) if len(granted) == 1 else None,
            )

    def add(self, granted: Sequence[Granted]) -> None:
        """Hold these too."""
        self._held.update((one.topic, one) for one in granted)
        self._uncounted.difference_update(one.topic for one in granted)

    def add_unasked(self, granted: Sequence[Granted]) -> None:
        """Hold what the party sends unasked; it counts as nothing until it is asked for."""
        for one in granted:
            if one.topic not in self._held:
                self._held[one.topic] = one
                self._uncounted.add(one.topic)

    def remove(self, topics: Sequence[Topic]) -> tuple[Topic, ...]:
        """Hold these no longer; return the served topics that nothing else here holds."""
        before = self._wants()
        for topic in topics:
            self._held.pop(topic, None)
        return self._left(before)

    def narrow(self, granted: Granted, wants: Sequence[Want]) -> tuple[Topic, ...]:
        """Keep only those wants of a held topic that are in `wants`; return as `remove` does."""
        before = self._wants()
        kept = tuple(want for want in granted.wants if want in wants)
        if kept or granted.topic.kind is TopicKind.STATUS:
            self._held[granted.topic] = Granted(granted.topic, kept)
        else:
            self._held.pop(granted.topic, None)
        return self._left(before)

    def affected(self, refused: Topic, feed: FeedName) -> tuple[Topic, ...]:
        """Return what to call a topic that a feed refused: as the client asked, or the part of an `all:`."""
        named: dict[Topic, None] = {}
        for one in self._held.values():
            for want in one.wants:
                if _serves(want, refused, feed):
                    named[want.topic if one.topic.kind is TopicKind.ALL else one.topic] = None
        return tuple(named)

    def lose(self, refused: Topic, feed: FeedName) -> tuple[Topic, ...]:
        """Take what a feed refused out of every topic; return as `remove` does."""
        before = self._wants()
        for one in self.granted:
            kept = [want for want in one.wants if not _serves(want, refused, feed)]
            if len(kept) < len(one.wants):
                self.narrow(one, kept)
        return self._left(before)

    def _wants(self) -> dict[Want, None]:
        return dict.fromkeys(want for one in self._held.values() for want in one.wants)

    def _left(self, before: dict[Want, None]) -> tuple[Topic, ...]:
        still = self._wants()
        return tuple(want.topic for want in before if want not in still)


def _serves(want: Want, topic: Topic, feed: FeedName) -> bool:
    """Whether a want lives off a feed's topic; a cut book lives off the full one."""
    return want.feed == feed and topic in (want.topic, want.upstream)
