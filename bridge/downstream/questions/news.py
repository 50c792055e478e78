"""Waiting, for those who ask once: until there is something to answer with, until time is up, or until the house closes.

A question leases interest, so that what it asks for is subscribed upstream and stays so until it is asked again; while it
waits, a subscription of its own only says when to look. What is answered is always read afterwards, from the hub.
"""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio

from bridge.dialects.contract import Refusal, Transport
from bridge.downstream.contract import Granted, House, ServedDialect
from bridge.hub.contract import Publication
from bridge.hub.hub import Bound, Hub
from bridge.model import Code, FeedHealth, FeedStatus, Gap, TopicKind, TopicRefused, Want

FIRST_VALUE_SECONDS = 2.0
"""How long a question waits for a first value: a vendor's snapshot after a fresh subscription."""

POLLS_BRIDGED = 3
"""Polling intervals of the party that a lease outlives: two polls may be lost before the topic is dropped upstream."""

_NOTHING_STANDS = frozenset({TopicKind.TRADE, TopicKind.ORDER, TopicKind.STATUS})
"""Kinds without a current state: for these a live feed that says nothing is an answer."""


def lease(house: House, served: ServedDialect, granted: Sequence[Granted]) -> None:
    """Keep what is asked for subscribed upstream until the asker may be expected again."""
    polling = served.dialect.profile.transports.get(Transport.POLLING)
    for one in granted:
        for want in one.wants:
            interval = polling.poll_seconds.get(want.topic.kind.value, 0) if polling else 0
            house.hub.lease([want], max(house.limits.linger_seconds, POLLS_BRIDGED * interval))


def has_value(publications: Sequence[Publication], wants: Sequence[Want]) -> bool:
    """Whether there is anything of what was asked for; a feed's health counts only for who asked for it."""
    status = any(want.topic.kind is TopicKind.STATUS for want in wants)
    return any(
        status if isinstance(publication.event, FeedStatus) else not isinstance(publication.event, Gap | TopicRefused)
        for publication in publications
    )


def may_be_silent(hub: Hub, wants: Sequence[Want]) -> bool:
    """Whether no value is an answer: something asked for has no current state, and its feed is live."""
    for want in wants:
        if want.topic.kind in _NOTHING_STANDS:
            health = hub.feed_status(want.feed)
            if health is not None and health.status is FeedHealth.LIVE:
                return True
    return not wants


def nothing_can_stand(hub: Hub, wants: Sequence[Want]) -> bool:
    """Whether waiting for a first value is idle: all that is asked for is subscribed, and none of it has a current state."""
    return all(want.topic.kind in _NOTHING_STANDS and hub.covered(want) for want in wants)


class Listener:
    """Says when to look again.

    Attributes:
        refused: what a vendor, or its quota, refused since; newest last.
    """

    def __init__(self, hub: Hub, wants: Sequence[Want]) -> None:
        self.refused: list[TopicRefused] = []
        self._wake = trio.Event()
        self._subscription = hub.open(wants, None, Bound(pending_bytes=sys.maxsize, cost=len, wake=self.wake))
        self._take()

    def wake(self) -> None:
        """Have whoever waits look again."""
        self._wake.set()

    async def wait(self) -> None:
        """Return once something happened since the last call."""
        await self._wake.wait()
        self._wake = trio.Event()
        self._take()

    def close(self) -> None:
        """Stop listening."""
        self._subscription.close()

    def _take(self) -> None:
        events = (publication.event for publication in self._subscription.take())
        self.refused += [event for event in events if isinstance(event, TopicRefused)]


@asynccontextmanager
async def listening(house: House, wants: Sequence[Want]) -> AsyncIterator[Listener]:
    """Listen for news of these until the context is left; a closing house is news."""
    listener = Listener(house.hub, wants)

    async def tell_closing() -> None:
        await house.closing.wait()
        listener.wake()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell_closing)
            yield listener
            nursery.cancel_scope.cancel()
    finally:
        listener.close()


async def look_until(
    house: House, wants: Sequence[Want], seconds: float, enough: Callable[[], bool]
) -> Sequence[TopicRefused]:
    """Return when `enough()`, after `seconds`, or when the house closes; it is asked after every change.

    Returns:
        What was refused of `wants` meanwhile.
    """
    if enough() or house.closing.is_set() or seconds <= 0:
        return ()
    async with listening(house, wants) as listener:
        with trio.move_on_after(seconds):
            while not (enough() or house.closing.is_set()):
                await listener.wait()
                if len(listener.refused) >= len(wants):
                    break
        return tuple(listener.refused)


def no_value(house: House, wants: Sequence[Want], refused: Sequence[TopicRefused]) -> Refusal:
    """Return why there is nothing to answer with."""
    remembered = [event for want in wants if (event := house.hub.refused(want)) is not None]
    for event in (*remembered, *refused):
        return Refusal(Code(event.code), event.message, topic=str(event.topic))
    if house.closing.is_set():
        return Refusal(Code.GOING_AWAY, "the bridge is stopping; come back soon")
    return Refusal(Code.UPSTREAM_UNAVAILABLE, "nothing has come from upstream yet; try again")
