"""What stands for several events: a conflated quote, a delta folded of many, state said again at a later offset.

Each is a publication of its own, made once and shared by every subscriber that needs exactly it, so that its bytes are made
once too. A fold depends on nothing but its topic and its two ends.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bridge.hub.contract import Publication
from bridge.model import BookDelta, BookLevel, Quote, Want

REMEMBERED_FOLDS = 512
"""Folds that may be shared; those who lag by the same stretch ask for one within moments."""


class Folds:
    """The folded deltas made lately, of all books."""

    def __init__(self) -> None:
        self._made: dict[tuple[Want | None, int, int], Publication] = {}

    def __len__(self) -> int:
        return len(self._made)

    def clear(self) -> None:
        """Share nothing older any more."""
        self._made.clear()

    def delta(self, deltas: Sequence[Publication]) -> Publication:
        """Return one delta for an unbroken run of at least one of the same book, at the offset of its last."""
        first, last = deltas[0].event, deltas[-1].event
        if len(deltas) == 1 or not (isinstance(first, BookDelta) and isinstance(last, BookDelta)):
            return deltas[-1]
        key = (deltas[-1].policy.want, first.prev_sequence, last.sequence)
        made = self._made.get(key)
        if made is None:
            made = Publication(deltas[-1].offset, _folded(deltas, last, first.prev_sequence))
            self._made[key] = made
            if len(self._made) > REMEMBERED_FOLDS:
                del self._made[next(iter(self._made))]
        return made


def _folded(deltas: Sequence[Publication], last: BookDelta, prev_sequence: int) -> BookDelta:
    bids: dict[Decimal, BookLevel] = {}
    asks: dict[Decimal, BookLevel] = {}
    for delta in deltas:
        event = delta.event
        if isinstance(event, BookDelta):
            bids.update((level.price, level) for level in event.bids)
            asks.update((level.price, level) for level in event.asks)
    return msgspec.structs.replace(
        last, bids=tuple(bids.values()), asks=tuple(asks.values()), prev_sequence=prev_sequence
    )


def conflated(publication: Publication) -> Publication:
    """Return it as said to one who missed those before: a quote whole and marked, anything else as it is."""
    event = publication.event
    if not isinstance(event, Quote) or event.conflated:
        return publication
    twin = publication.twin
    if twin is None or twin.offset != publication.offset:
        twin = Publication(publication.offset, msgspec.structs.replace(event, conflated=True), whole=True)
        publication.twin = twin
    return twin


def again(publication: Publication, offset: int) -> Publication:
    """Return it as said at a later offset: state that was held back while other events went by, and holds still."""
    if publication.offset == offset:
        return publication
    twin = publication.twin
    if twin is None or twin.offset != offset:
        twin = Publication(offset, publication.event, whole=True)
        publication.twin = twin
    return twin
