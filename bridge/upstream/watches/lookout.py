"""Looks at what is suspect of being stale, one after another, and says so of what is.

A suspect is looked at over REST. Where the vendor has none, or does not answer, its connection is replaced by a new one before
the old is closed: one that comes up and is as silent proves the silence; one that does not, the contrary. What is stale is
uncovered, said to be so, and its connection replaced; the first new word of it makes it live again (`Standing.heard`).
"""

from collections.abc import Callable, Sequence

import structlog
import trio

from bridge.dialects.contract import Signal
from bridge.errors import BridgeError, VendorRefused
from bridge.model import Topic, UpstreamEvent
from bridge.upstream.ask import Asker
from bridge.upstream.standing.freshness import Freshness, Sight, question_of
from bridge.upstream.standing.standing import Standing

TICK_SECONDS = 1.0
"""How often silence is looked for; thresholds are many times that."""

GRACE_SECONDS = 3.0
"""From news at REST to the verdict: a stream that brings them later than that is not one to rely on."""

LOOK_SECONDS = 10.0
"""For an answer; who is slower has not answered."""

TOO_MANY_REQUESTS = 429

AWAY_SECONDS = 60.0
"""Without a look after a 429 that does not say for how long."""

_log = structlog.get_logger(__name__)


class Lookout:
    """One feed's, on one transport.

    Args:
        freshness: what is known of each topic.
        asker: puts questions to the vendor.
        standing: the feed's.
        confirmed: what the vendor has confirmed now.
        refresh: has the connection of a topic replaced; told whether that is known to be broken.
    """

    def __init__(
        self,
        freshness: Freshness,
        asker: Asker,
        standing: Standing,
        confirmed: Callable[[], frozenset[Topic]],
        refresh: Callable[[Topic, bool], None],
    ) -> None:
        self._freshness = freshness
        self._asker = asker
        self._standing = standing
        self._confirmed = confirmed
        self._refresh = refresh
        self._away_until = float("-inf")

    async def run(self) -> None:
        """Watch until cancelled; never raises for a vendor's fault."""
        while True:
            await trio.sleep(TICK_SECONDS)
            self._keep()
            for topic in self._freshness.suspects(trio.current_time()):
                if trio.current_time() >= self._away_until:
                    await self._look(topic)

    def unproven(self, topics: frozenset[Topic], reason: str) -> None:
        """A connection was to be replaced and could not be: what has been silent on it is stale."""
        for topic in self._freshness.silent(topics):
            self._declare(topic, f"silent, and no other connection can be had: {reason}")

    def _keep(self) -> None:
        self._freshness.keep(self._confirmed(), trio.current_time())
        self._standing.keep_stale(self._freshness.stale)

    async def _look(self, topic: Topic) -> None:
        heard_at = self._freshness.heard_at(topic)
        said = await self._ask(topic)
        if heard_at is None or self._freshness.heard_at(topic) != heard_at:
            return
        sight = self._freshness.looked(topic, said, trio.current_time())
        if sight is Sight.BLIND:
            self._refresh(topic, False)  # noqa: FBT003 - the callback's second word
        elif sight is Sight.NEWS:
            await trio.sleep(GRACE_SECONDS)
            if self._freshness.heard_at(topic) == heard_at:
                silence = trio.current_time() - heard_at
                self._declare(topic, f"silent for {silence:.0f} s while the vendor has news of it over REST")

    async def _ask(self, topic: Topic) -> Sequence[UpstreamEvent | Signal] | None:
        """Return what the vendor says; None = as good as not asked: its connection is tried instead."""
        try:
            with trio.move_on_after(LOOK_SECONDS):
                return await self._asker.fetch(question_of(topic))
        except VendorRefused as error:
            if error.retry_after_seconds is not None or error.status == TOO_MANY_REQUESTS:
                self._away_until = trio.current_time() + (error.retry_after_seconds or AWAY_SECONDS)
        except BridgeError:
            pass
        except Exception:  # noqa: BLE001 - contained to where it happened, logged with its traceback
            _log.exception("a look broke by a mistake of ours", topic=str(topic))
        return None

    def _declare(self, topic: Topic, reason: str) -> None:
        if self._freshness.declare(topic):
            everything = self._freshness.stale >= self._freshness.watched
            self._standing.stale(topic, f"{topic.kind}: {reason}", everything=everything)
            self._refresh(topic, True)  # noqa: FBT003 - the callback's second word
