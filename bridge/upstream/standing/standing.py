"""What a feed has said about itself: its health, beside what it covers and was refused. Each is published on change only.

Plain state, told by the tasks that do the work. A feed is *live* while one of its sessions is confirmed, *down* when it was
refused or failed too often in a row without one (`patience`), *stale* when what it receives is not what the vendor has, and
otherwise *connecting*. A live feed whose vendor is a bridge is no better than the worst of that bridge's feeds that serve it.
"""

import msgspec
import structlog
import trio

from bridge.clock import Clock
from bridge.dialects.contract import Credential, Health, Transport
from bridge.errors import BridgeError, VendorRefused
from bridge.model import (
    FeedHealth,
    FeedName,
    FeedStatus,
    Topic,
    UnixNanos,
    UpstreamEvent,
)
from bridge.upstream.contract import ConnectionStatistics, FeedStatistics, Publish
from bridge.upstream.network.silence import WentMute
from bridge.upstream.session.effects import Aside, Felt, Passed
from bridge.upstream.standing.freshness import Freshness
from bridge.upstream.standing.patience import patience
from bridge.upstream.standing.topics import REASON_CHARACTERS, TopicStanding

_SEVERITY = (FeedHealth.LIVE, FeedHealth.CONNECTING, FeedHealth.STALE, FeedHealth.DOWN)

_log = structlog.get_logger(__name__)


class Standing(TopicStanding):
    """One feed's standing and its counters.

    Args:
        name: the feed's.
        publish: where it is said.
        clock: stamps it.
        rung: the transport whose standing this is, where the feed has several; None = the feed's own.

    Attributes:
        retries: attempts to connect that failed; `connects` those that were accepted; `losses` sessions that broke.
        overlaps_removed: events taken out because another connection had delivered them.
        via: the bridges that the vendor's events come by, if it is one.
        freshness: judges the silence of its topics; None = nobody does.
        away_until: until when the vendor asked us to stay away, in Trio's time.
    """

    def __init__(self, name: FeedName, publish: Publish, clock: Clock, *, rung: Transport | None = None) -> None:
        super().__init__(name, publish, clock)
        self.health = FeedHealth.CONNECTING
        self.reason: str | None = None
        self.since: UnixNanos = clock()
        self.retries = 0
        self.connects = 0
        self.losses = 0
        self.overlaps_removed = 0
        self.via: tuple[str, ...] = ()
        self._own: tuple[FeedHealth, str | None] = (self.health, None)
        self._elsewhere: dict[object, Health] = {}
        self._rung = rung
        self.away_until = float("-inf")
        self._failures = 0
        self._said: tuple[FeedHealth, str | None, tuple[str, ...]] | None = None
        self.freshness: Freshness | None = None
        self._all_stale: str | None = None

    # ── health ──
    def connecting(self) -> None:
        """Something is wanted again, and a first attempt is under way."""
        self._say(FeedHealth.CONNECTING, None)

    def live(self) -> None:
        """A session was confirmed."""
        self._failures = 0
        if self._all_stale is None:
            self._say(FeedHealth.LIVE, None)
        else:
            self._say(FeedHealth.STALE, self._all_stale)

    def idle(self) -> None:
        """Nothing is wanted, and nothing is connected."""
        self._failures = 0
        self._say(FeedHealth.CONNECTING, "nothing is wanted, so nothing is connected")

    def failed(self, error: BridgeError, *, another_is_live: bool) -> None:
        """An attempt to connect failed, or a session broke; `another_is_live` keeps the feed live."""
        self.retries += 1
        if isinstance(error, VendorRefused) and error.retry_after_seconds is not None:
            self.away_until = max(self.away_until, trio.current_time() + error.retry_after_seconds)
        if another_is_live:
            self.review()
            return
        self._failures += 1
        down = self._failures >= patience(error) or self._own[0] is FeedHealth.DOWN
        mute = isinstance(error, WentMute) or self._own[0] is FeedHealth.STALE
        self._say(FeedHealth.DOWN if down else FeedHealth.STALE if mute else FeedHealth.CONNECTING, str(error))

    @property
    def own_health(self) -> FeedHealth:
        """How our connection to the vendor is, whatever a vendor that is a bridge says of what is behind it."""
        return self._own[0]

    def tell(self, health: FeedHealth, reason: str | None) -> None:
        """Say how we are as somebody else has judged it."""
        self._say(health, reason)

    def aside(self, who: object, said: Aside) -> None:
        """One of our connections, `who`, was told something by a vendor that is a bridge."""
        if isinstance(said, Passed):
            self.via = said.via
            if self.health is FeedHealth.LIVE:  # else it is said with what comes of the connection
                self.review()
        elif isinstance(said, Felt) and said.said.instrument is not None:
            self._say_of_part(said.said)
        elif isinstance(said, Felt):
            self._elsewhere[who] = said.said
            self.review()

    def hush(self, who: object) -> None:
        """What a connection was told counts no longer; whoever says so next says how we are without it."""
        self._elsewhere.pop(who, None)

    def review(self) -> None:
        """Say how we are, if that has changed: no better than what is behind us."""
        self._say(*self._own)

    def _say(self, health: FeedHealth, reason: str | None) -> None:
        self._own = health, reason
        worst = max(self._elsewhere.values(), default=None, key=lambda one: _SEVERITY.index(one.status))
        if health is FeedHealth.LIVE and worst is not None:
            health, reason = worst.status, worst.reason
        reason = reason and reason[:REASON_CHARACTERS]
        if self._said == (health, reason, self.via):
            return
        if health is not self.health or self._said is None:
            self.since = self.clock()
        if self._said is None or self._said[:2] != (health, reason):
            self._log_health(health, reason)
        self._said = (health, reason, self.via)
        self.health, self.reason = health, reason
        self.publish(
            FeedStatus(
                feed=self.name, status=health, ts_recv=self.clock(), reason=reason, since=self.since, via=self.via
            )
        )

    def _say_of_part(self, said: Health) -> None:
        """Say how one instrument is, or one topic of it; how the feed is does not change by it."""
        reason = said.reason and said.reason[:REASON_CHARACTERS]
        now = self.clock()
        told = FeedStatus(feed=self.name, status=said.status, ts_recv=now, reason=reason, since=now)
        self.publish(msgspec.structs.replace(told, instrument=said.instrument, topic=said.topic))

    def _log_health(self, health: FeedHealth, reason: str | None) -> None:
        if self._rung is None:
            _log.info("a feed's health changed", feed=self.name, status=health.value, reason=reason)
        else:
            _log.debug(
                "a rung's health changed", feed=self.name, rung=self._rung.value, status=health.value, reason=reason
            )

    # ── freshness ──
    def heard(self, topic: Topic, event: UpstreamEvent) -> None:
        """The vendor said this on a stream; it is not published yet. What was stale is live again from here on."""
        if self.freshness is not None and self.freshness.heard(topic, event, trio.current_time()):
            self._freshen(topic)

    def stale(self, topic: Topic, reason: str, *, everything: bool) -> None:
        """A topic says nothing though there is news of it; `everything`: that is so of all that we receive."""
        held = topic in self._covered
        self.uncover((topic,), reason)
        self._stale.add(topic)
        if held:
            self._withheld.add(topic)
        self._say_of(topic, FeedHealth.STALE, reason)
        if everything:
            self._all_stale = reason
            self._say(FeedHealth.STALE, reason)

    def keep_stale(self, topics: frozenset[Topic]) -> None:
        """Of what was said to be stale, only these are watched still; the rest was lost or is not wanted any more."""
        for topic in self._stale - topics:
            self._freshen(topic)

    def _freshen(self, topic: Topic) -> None:
        held = topic in self._withheld
        self._stale.discard(topic)
        self._withheld.discard(topic)
        if held:
            self.cover((topic,))
        if not any(other.instrument == topic.instrument for other in self._stale):
            self._say_of(topic, FeedHealth.LIVE, None)
        if self._all_stale is not None:
            self._all_stale = None
            if self._own[0] is FeedHealth.STALE:
                self._say(FeedHealth.LIVE, None)

    def _say_of(self, topic: Topic, health: FeedHealth, reason: str | None) -> None:
        now = self.clock()
        _log.info(
            "an instrument's health changed", feed=self.name, topic=str(topic), status=health.value, reason=reason
        )
        said = reason and reason[:REASON_CHARACTERS]
        self.publish(
            FeedStatus(feed=self.name, instrument=topic.instrument, status=health, ts_recv=now, reason=said, since=now)
        )

    # ── numbers ──
    def statistics(
        self, wanted: int, connections: tuple[ConnectionStatistics, ...], credential: Credential | None
    ) -> FeedStatistics:
        """A snapshot.

        Args:
            wanted: how many topics clients want.
            connections: those there are.
            credential: the newest in use; None = none.
        """
        return FeedStatistics(
            feed=self.name,
            status=self.health,
            reason=self.reason,
            since=self.since,
            wanted=wanted,
            covered=self.covered,
            refused=self.refused,
            events=self.events,
            unknown=self.unknown,
            malformed=self.malformed,
            overlaps_removed=self.overlaps_removed,
            connects=self.connects,
            losses=self.losses,
            retries=self.retries,
            token_expires_at=None if credential is None else credential.expires_at,
            connections=connections,
            via=self.via,
            mistakes=self.mistakes.count,
            doubted=self.doubted,
            mended=self.mended,
            reconciled=self.reconciled,
        )
