"""Bars of the past, for who asks for some: what the hub keeps, or else what the vendor tells when it is asked."""

from collections.abc import Iterable, Sequence

from bridge.dialects.contract import Question, QuestionKind
from bridge.downstream.contract import House
from bridge.hub.hub import Hub
from bridge.model import Bar, UnixNanos, Want

BAR_UPDATES_LOOKED_AT = 2_000
"""Publications of a bar topic that are searched for distinct bars: an open bar may have been said many times."""

Found = tuple[Bar, str]
"""A bar with its cursor."""


def kept_bars(hub: Hub, want: Want, limit: int) -> list[Found]:
    """Return the newest word on each of the last `limit` bars that the hub has, oldest first, the open one last."""
    publications = hub.recent(want, BAR_UPDATES_LOOKED_AT)
    standing = hub.state(want)
    told = [*publications, standing] if standing is not None else publications
    return newest_of(((one.event, hub.cursor(one.offset)) for one in told if isinstance(one.event, Bar)), limit)


def newest_of(told: Iterable[Found], limit: int) -> list[Found]:
    """Return the last word on each of the last `limit` bars, oldest first."""
    newest: dict[UnixNanos | None, Found] = {}
    for bar, cursor in told:
        newest[bar.ts_open] = (bar, cursor)
    return sorted(newest.values(), key=_opening)[-limit:]


async def asked_bars(house: House, want: Want, limit: int, seconds: float) -> Sequence[Found]:
    """Ask the vendor; empty when it does not know, cannot be asked, or does not answer within `seconds`."""
    topic = want.topic
    question = Question(kind=QuestionKind.BARS, instrument=topic.instrument, interval=topic.interval, limit=limit)
    answer = await house.ask(want.feed, question, seconds)
    at = house.hub.cursor()
    return [(event, at) for event in answer.events if isinstance(event, Bar)][-limit:]


def _opening(found: Found) -> int:
    """A bar that does not say when it opened is the newest there is."""
    return 2**63 if found[0].ts_open is None else found[0].ts_open
