"""Who takes part in a workload: how many clients, and what each of them holds."""

from collections.abc import Callable, Sequence

import msgspec

from bridge.bench.speech import Way

TOPICS = 500
TOPICS_PER_CLIENT = 50
STRIDE = 7
"""Each client's topics begin so many after the one's before: no two neighbours hold the same, each topic has as many clients."""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How large and how long.

    Attributes:
        clients: instead of a workload's own number; None = that.
        seconds: of one measurement.
        rate: events/s instead of a workload's own; None = those.
        step: told what is being done, before each measurement.
    """

    clients: int | None
    rate: float | None
    seconds: float
    step: Callable[[str], None]


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """Clients and what they hold.

    Attributes:
        topics: of each client, as a list of topics.
        stalled_percent: of them stop reading.
    """

    workload: str
    way: Way
    topics: Sequence[Sequence[str]]
    stalled_percent: int = 0

    @property
    def all_topics(self) -> list[str]:
        """Every topic once."""
        return list(dict.fromkeys(topic for held in self.topics for topic in held))

    def stalled(self, number: int) -> bool:
        """Whether a client is one of those that do not read."""
        return number % 100 < self.stalled_percent

    def due(self, sent: dict[str, int]) -> int:
        """How many events the reading clients are due, when the vendor sent so many of each asset."""
        by_topic = {f"trade:{asset}": count for asset, count in sent.items()}
        reading = [held for number, held in enumerate(self.topics) if not self.stalled(number)]
        return sum(by_topic.get(topic, 0) for held in reading for topic in held)


def one_topic_each(scale: Scale, workload: str, way: Way, clients: int = 1_000) -> Crowd:
    """Return clients that all hold the same topic."""
    return Crowd(workload=workload, way=way, topics=[["trade:S0"]] * (scale.clients or clients))


def many_topics_each(scale: Scale, workload: str, clients: int, stalled_percent: int = 0) -> Crowd:
    """Return clients that hold fifty of five hundred topics each."""
    held = [
        [f"trade:S{(number * STRIDE + place) % TOPICS}" for place in range(TOPICS_PER_CLIENT)]
        for number in range(scale.clients or clients)
    ]
    return Crowd(workload=workload, way=Way.SSE, topics=held, stalled_percent=stalled_percent)
