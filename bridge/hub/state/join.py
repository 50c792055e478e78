"""What is handed out when someone joins or polls: the decision, made from the records, without changing a subscription.

Theory of operation: the promise of a cursor is "every log event up to here was sent to you or declared missing". So per
topic: what a hole reaches over is declared (log topics) and passed over; what history has after it is replayed; state is
given as it stands. A subscriber's own gaps stand at the cursor it came with, so that breaking off among them loses nothing.
Polling hands out every kept publication at its own offset, state too, so that a page may be cut anywhere.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from bridge.hub.contract import Publication
from bridge.hub.cursor import Cursor
from bridge.hub.state.coverage import ELSEWHERE, Hole
from bridge.hub.state.replay import Replays
from bridge.hub.state.topic import GAP_KINDS, TopicRecord
from bridge.hub.subscribers.handout import Handout
from bridge.model import Cause, Gap, TopicKind, UnixNanos, Verdict


class Here(NamedTuple):
    """Where the log stands, the wall time, and what was found for others who came back."""

    epoch: str
    head: int
    now: UnixNanos
    replays: Replays


class Joined(NamedTuple):
    """How a stream begins: its verdict, its first cursor, what it is owed of the past, and after that the state there is."""

    verdict: Verdict
    cursor: str
    states: list[Publication]
    handout: Handout | None = None


class Page(msgspec.Struct, frozen=True):
    """One answer to a poll.

    Attributes:
        cursor: what to ask after next.
        publications: ascending; a client's own gaps first.
        more: the page was cut by its limit; ask again at once.
    """

    verdict: Verdict
    cursor: str
    publications: list[Publication]
    more: bool


def fresh(records: Sequence[TopicRecord], here: Here) -> Joined:
    """Begin at the head, with the state there is."""
    return Joined(Verdict.FRESH, str(Cursor(here.epoch, here.head)), _states(records, here.head))


def resume(records: Sequence[TopicRecord], after: Cursor, here: Here) -> Joined:
    """Go on after a cursor: gaps, then the log events since, then state at the head."""
    place = _place(after, here)
    gaps: list[Publication] = []
    begins: dict[TopicRecord, int] = {}
    verdict = Verdict.RESUMED
    for record in records:
        hole = _hole(record, place, here.head)
        if hole is not None:
            verdict = Verdict.RESET
        if record.want.topic.kind not in GAP_KINDS:
            continue
        begins[record] = place if hole is None else hole.to
        if hole is not None:
            gaps.append(_gap(record, hole, after, here))
    handout = here.replays.after(begins, here.head, gaps)
    start = Cursor(here.epoch, max(place, 0))
    return Joined(verdict, str(start), _states(records, here.head), handout)


def page(records: Sequence[TopicRecord], after: Cursor, here: Here, limit: int) -> Page:
    """Everything kept after a cursor, at most `limit` of it.

    After a reset the client's own gaps, and the states as they were at the cursor, come on top: it begins anew from there.
    """
    place = _place(after, here)
    gaps: list[Publication] = []
    found: list[Publication] = []
    verdict = Verdict.RESUMED
    for record in records:
        hole = _hole(record, place, here.head)
        begin = place
        if hole is not None:
            verdict = Verdict.RESET
            if record.want.topic.kind in GAP_KINDS:
                begin = hole.to
                gaps.append(_gap(record, hole, after, here))
        found.extend(_kept(record, begin, place))
    found.sort(key=_offset)
    more = len(found) > limit
    del found[limit:]
    end = found[-1].offset if more else here.head
    states = _states_at(records, place) if verdict is Verdict.RESET else []
    return Page(verdict, str(Cursor(here.epoch, end)), [*gaps, *states, *found], more)


def _kept(record: TopicRecord, begin: int, place: int) -> list[Publication]:
    kept = record.history.after(begin)
    standing = record.latest.standing()
    if standing is not None and standing.offset > place and all(it.offset != standing.offset for it in reversed(kept)):
        kept.append(standing)
    return kept


def _states(records: Sequence[TopicRecord], head: int) -> list[Publication]:
    return [state for record in records if (state := record.latest.at(head)) is not None]


def _states_at(records: Sequence[TopicRecord], place: int) -> list[Publication]:
    return [state for record in records if (state := record.state_at(place)) is not None]


def _place(after: Cursor, here: Here) -> int:
    return after.offset if after.epoch == here.epoch and after.offset <= here.head else ELSEWHERE


def _hole(record: TopicRecord, place: int, head: int) -> Hole | None:
    kind = record.want.topic.kind
    if kind is TopicKind.STATUS:
        return None
    hole = record.coverage.hole(place, head)
    trimmed = record.history.trimmed_log
    if kind not in GAP_KINDS or place >= trimmed:
        return hole
    if hole is None:
        return Hole(place, trimmed, Cause.HISTORY)
    return hole._replace(to=max(hole.to, trimmed))


def _gap(record: TopicRecord, hole: Hole, after: Cursor, here: Here) -> Publication:
    place = _place(after, here)
    record.coverage.declared(hole)
    gap = Gap(
        topics=(record.want.topic,),
        from_=str(after if hole.after == place else Cursor(here.epoch, hole.after)),
        to=str(Cursor(here.epoch, hole.to)),
        cause=hole.cause,
        ts_recv=here.now,
        feed=record.want.feed,
    )
    return Publication(max(place, 0), gap, whole=True)


def _offset(publication: Publication) -> int:
    return publication.offset
