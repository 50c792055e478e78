"""What a vendor refused lately is refused at once, without asking it again; the hub remembers for how long."""

from collections.abc import Sequence

from bridge.dialects.contract import Refusal
from bridge.downstream.contract import Granted
from bridge.hub.hub import Hub
from bridge.model import Code, TopicKind, TopicRefused


def without_refused(hub: Hub, granted: Sequence[Granted]) -> tuple[list[Granted], list[Refusal]]:
    """Take out what a vendor refused lately; of an `all:` only the parts it refused.

    Returns:
        What is left to serve, and a refusal for each topic or part that is not; one of them may be empty.
    """
    standing: list[Granted] = []
    refusals: list[Refusal] = []
    for one in granted:
        refused = {want: event for want in one.wants if (event := hub.refused(want)) is not None}
        whole = len(refused) == len(one.wants)
        if not whole or not refused:
            standing.append(Granted(one.topic, tuple(want for want in one.wants if want not in refused)))
        part = one.topic.kind is TopicKind.ALL and not whole
        refusals += [_refusal(event, str(want.topic if part else one.topic)) for want, event in refused.items()]
    return standing, refusals


def _refusal(event: TopicRefused, topic: str) -> Refusal:
    return Refusal(Code(event.code), event.message, topic=topic)
