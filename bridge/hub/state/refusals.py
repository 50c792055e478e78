"""What vendors said no to, remembered for a while, so that a wrong name is answered at once and not asked again."""

import msgspec

from bridge.hub.interest import Sources, as_asked
from bridge.model import SECONDS, Code, TopicKind, TopicRefused, UnixNanos, Want


class Refusals:
    """Remembered refusals; one that passes is none: such a topic stays wanted.

    Args:
        seconds: how long each is remembered.
        sources: what a want is derived from.
    """

    def __init__(self, seconds: float, sources: Sources = as_asked) -> None:
        self._sources = sources
        self._nanos = round(seconds * SECONDS)
        self._refused: dict[Want, tuple[TopicRefused, int]] = {}

    def __len__(self) -> int:
        return len(self._refused)

    def remember(self, event: TopicRefused, now: UnixNanos) -> None:
        """Note a refusal."""
        if not Code(event.code).is_passing:
            self._refused[Want(event.topic, event.feed)] = (event, now + self._nanos)

    def accepted(self, want: Want) -> None:
        """The vendor took it after all."""
        self._refused.pop(want, None)

    def find(self, want: Want, now: UnixNanos) -> TopicRefused | None:
        """Return what was said of a want, or of the whole book behind a cut; None = nothing, or too long ago."""
        found = self._refused.get(Want(want.upstream, want.feed))
        return found[0] if found is not None and now < found[1] else None

    def of(self, want: Want, now: UnixNanos) -> TopicRefused | None:
        """Return what was said of a want, or of all that it is derived from, as if of itself."""
        found = self.find(want, now)
        if found is None and want.topic.kind is not TopicKind.STATUS:
            each = [self.find(Want(topic, want.feed), now) for topic in self._sources(want)]
            if each and each[0] is not None and all(each):
                found = msgspec.structs.replace(each[0], topic=want.topic)
        return found

    def expire(self, now: UnixNanos) -> None:
        """Let go of what is too long ago."""
        for want in [want for want, (_, until) in self._refused.items() if until <= now]:
            del self._refused[want]
