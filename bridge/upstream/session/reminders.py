"""When a topic that the vendor has not confirmed is asked for again: at growing intervals, for it may never be."""

from bridge.model import Topic

ASK_AGAIN_AT = (2, 4)
"""The first reminders at which a pending topic is asked for again: one may have come just after it was asked for."""

ASK_AGAIN_EVERY = 8
"""Later ones: often enough to be back soon after a vendor has mended itself, and no burden to one that has not."""


def due_now(pending: dict[Topic, int]) -> list[Topic]:
    """Count one more reminder for each pending topic, and return those to be asked for again."""
    for topic in pending:
        pending[topic] += 1
    return [topic for topic, seen in pending.items() if seen in ASK_AGAIN_AT or seen % ASK_AGAIN_EVERY == 0]
