"""What each feed of a line-up receives, and what it has refused."""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

from bridge.model import FeedName, Topic, TopicRefused


class Reception:
    """One line-up's.

    Args:
        feeds: of the line-up.
        now: seconds that only rise.
    """

    def __init__(self, feeds: Sequence[FeedName], now: Callable[[], float]) -> None:
        self._now = now
        self._since: dict[FeedName, dict[Topic, float]] = {feed: {} for feed in feeds}
        self._refused: dict[FeedName, dict[Topic, TopicRefused]] = {feed: {} for feed in feeds}

    def cover(self, feed: FeedName, topics: Iterable[Topic]) -> None:
        """A feed receives these completely, so it has not refused them after all."""
        for topic in topics:
            self._since[feed].setdefault(topic, self._now())
            self._refused[feed].pop(topic, None)

    def uncover(self, feed: FeedName, topics: Iterable[Topic]) -> None:
        """A feed may miss something of these."""
        for topic in topics:
            self._since[feed].pop(topic, None)

    def refuse(self, event: TopicRefused) -> bool:
        """A feed said no to a topic; return whether that is news."""
        news = event.topic not in self._refused[event.feed]
        self._refused[event.feed][event.topic] = event
        return news

    def forget(self, feed: FeedName, wanted: AbstractSet[Topic]) -> None:
        """A feed is asked for these only: what it refused of others it may grant the next time."""
        self._refused[feed] = {topic: event for topic, event in self._refused[feed].items() if topic in wanted}

    def covered(self, feed: FeedName) -> AbstractSet[Topic]:
        """What a feed receives completely."""
        return self._since[feed].keys()

    def since(self, feed: FeedName, topic: Topic) -> float:
        """Since when a feed receives a topic; infinity = it does not."""
        return self._since[feed].get(topic, float("inf"))

    def refusals(self, feed: FeedName) -> AbstractSet[Topic]:
        """What a feed has refused."""
        return self._refused[feed].keys()

    def refusal(self, feed: FeedName, topic: Topic) -> TopicRefused | None:
        """Return what a feed said when it refused a topic; None = it has not."""
        return self._refused[feed].get(topic)

    def nobody_has(self, topic: Topic) -> bool:
        """Whether every feed has refused a topic."""
        return all(topic in refused for refused in self._refused.values())
