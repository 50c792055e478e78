"""What those who come back are handed of the log, found once for all who come back to the same topics.

When a network or a proxy drops a thousand clients at once, they return together with cursors that lie close. The first one's
search through history is kept for a few seconds, as one ascending list from its cursor on; the others find their place in it
by bisection, and what was published since is added at its end.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from operator import attrgetter

from bridge.hub.contract import Publication
from bridge.hub.state.history import every_one_matters
from bridge.hub.state.topic import TopicRecord
from bridge.hub.subscribers.handout import Handout
from bridge.model import Gap, Want

REMEMBERED_REPLAYS = 64
"""Sets of topics; more different ones at a time gain little from one another."""

_offset = attrgetter("offset")


class _Replay:
    """The log events of some records, from one offset on up to another."""

    __slots__ = ("_base", "_head", "_records", "publications")

    def __init__(self, records: Sequence[TopicRecord], base: int) -> None:
        self._records = records
        self._base = base
        self._head = base
        self.publications: list[Publication] = []

    def reaches(self, records: Sequence[TopicRecord], offset: int) -> bool:
        """Whether it is of these very records and has everything after an offset."""
        return self._base <= offset and all(one is other for one, other in zip(self._records, records, strict=True))

    def extend(self, head: int) -> None:
        """Add what the log has had since."""
        if head > self._head:
            found = [
                kept
                for record in self._records
                for kept in record.history.after(self._head)
                if every_one_matters(kept.event)
            ]
            found.sort(key=_offset)
            self.publications += found
            self._head = head


class Replays:
    """The replays found lately."""

    def __init__(self) -> None:
        self._found: dict[tuple[Want, ...], _Replay] = {}

    def __len__(self) -> int:
        return len(self._found)

    def clear(self) -> None:
        """Remember none: what history has let go of may go."""
        self._found.clear()

    def after(self, begins: Mapping[TopicRecord, int], head: int, lead: Sequence[Publication]) -> Handout | None:
        """Return the log events of each record after the offset where it begins, ascending; None = nothing.

        Args:
            begins: history has everything after these.
            head: the log's newest offset.
            lead: what is handed out before them.
        """
        if not begins:
            return None
        first, last = min(begins.values()), max(begins.values())
        replay = self._replay(tuple(begins), first)
        replay.extend(head)
        found = replay.publications
        common = bisect_right(found, last, key=_offset)
        if first == last:
            return Handout([*lead], found, common)
        offsets = {record.want: begin for record, begin in begins.items()}
        early = found[bisect_right(found, first, key=_offset) : common]
        return Handout([*lead, *(one for one in early if one.offset > offsets[_want(one)])], found, common)

    def _replay(self, records: tuple[TopicRecord, ...], first: int) -> _Replay:
        key = tuple([record.want for record in records])
        replay = self._found.get(key)
        if replay is None or not replay.reaches(records, first):
            if len(self._found) >= REMEMBERED_REPLAYS:
                del self._found[next(iter(self._found))]
            replay = self._found[key] = _Replay(records, first)
        return replay


def _want(publication: Publication) -> Want:
    """Whose history it was found in."""
    want, event = publication.policy.want, publication.event
    if want is None and isinstance(event, Gap) and event.feed is not None:
        return Want(event.topics[0], event.feed)
    assert want is not None  # noqa: S101 - what is kept of a topic has one, and the log's gaps name one topic of one feed
    return want
