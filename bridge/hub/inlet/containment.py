"""What happens when one event breaks the way in by a mistake of ours: it alone is lost, that is declared, and the rest goes on.

Whatever was half done of its topic is forgotten and its followers are told of a hole (cause `bridge`), like after any moment
without coverage; of an event about no topic nothing can be saved but the rest. Each mistake is logged once, and all are counted.
"""

import structlog

from bridge.errors import Mistakes
from bridge.hub.inlet.intake import Intake
from bridge.hub.state.topic import Topics
from bridge.model import Cause, Covered, MarketEvent, Uncovered, UpstreamEvent, topic_of

_log = structlog.get_logger(__name__)


class Containment:
    """The way in, with its mistakes contained.

    Args:
        intake: the way in.
        topics: the hub's records, only read here.

    Attributes:
        mistakes: those made so far.
    """

    def __init__(self, intake: Intake, topics: Topics) -> None:
        self.mistakes = Mistakes()
        self._intake = intake
        self._topics = topics

    def publish(self, event: UpstreamEvent) -> None:
        """Take an event in; raises nothing."""
        try:
            self._intake.publish(event)
        except Exception as error:  # noqa: BLE001 - contained to one event, logged with its traceback, declared
            self._note(error, event)
            self._declare(event)

    def _declare(self, event: UpstreamEvent) -> None:
        if not isinstance(event, MarketEvent):
            return
        topic = topic_of(event)
        record = self._topics.find(event.feed, topic)
        if record is None or record.coverage.since is None:
            return
        feed, topics, now = event.feed, (topic,), event.ts_recv
        try:
            self._intake.publish(
                Uncovered(feed=feed, topics=topics, ts_recv=now, reason="an event could not be taken in")
            )
            self._intake.publish(Covered(feed=feed, topics=topics, ts_recv=now, cause=Cause.BRIDGE))
        except Exception as error:  # noqa: BLE001 - as above
            self._note(error, event)

    def _note(self, error: Exception, event: UpstreamEvent) -> None:
        if self.mistakes.note(error):
            _log.exception("an event was lost by a mistake of ours", kind=type(event).__name__)
