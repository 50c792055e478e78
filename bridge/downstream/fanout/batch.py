"""Publications joined for one write, made once for all who have the same ones pending.

When an event comes, a thousand subscribers of one topic have equal lists to write: the first joins and frames, the others
recognise their list (publications are compared by identity first, so that costs nanoseconds) and take the bytes.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from bridge.downstream.fanout.wording import Words
from bridge.downstream.outlets.outlet import Frame
from bridge.hub.contract import Publication
from bridge.hub.hub import Hub
from bridge.model import TopicRefused

SLICE_BYTES: Final = 65_536
"""Bytes of one write: a backlog leaves in pieces, so that no client's holds up the others', and a goodbye comes soon."""


SLICE_PUBLICATIONS: Final = 200
"""About as many trades as make a slice: what comes behind is not looked at, or a long backlog would be gone through each time."""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """The first of some publications, ready to write.

    Attributes:
        data: framed; b"" when none of them has anything to say.
        events: how many have bytes.
        used: how many it covers.
        refused: a topic that the vendor refused, to be told after this and before what follows; it is among `used`.
        hole: the last of `used` is a hole for which there is no word here: the stream must not go on behind it.
    """

    data: bytes
    events: int
    used: int
    refused: TopicRefused | None = None
    hole: bool = False


class Batcher:
    """Joins for all streams with one codec and one framing, or for one stream that mixes codecs.

    Args:
        codec: makes the bytes of each publication.
        hub: where state is looked up.
        frame: what the outlets want around the joined bytes.
    """

    def __init__(self, codec: Words, hub: Hub, frame: Frame) -> None:
        self._codec = codec
        self._hub = hub
        self._frame = frame
        self._known: Sequence[Publication] = ()
        self._batch = Batch(b"", 0, 0)

    def join(self, publications: list[Publication]) -> Batch:
        """Return at most about `SLICE_BYTES` of these, of which there is at least one."""
        if len(publications) > SLICE_PUBLICATIONS:
            publications = publications[:SLICE_PUBLICATIONS]
        if publications == self._known:
            return self._batch
        batch = self._join_all(publications) or self._join_some(publications)
        self._known, self._batch = publications, batch
        return batch

    def forget(self) -> None:
        """Let go of what was joined last."""
        self._known, self._batch = (), Batch(b"", 0, 0)

    def _join_all(self, publications: list[Publication]) -> Batch | None:
        """Join them as nearly all are; None when that is too much, or some have no bytes."""
        parts = self._codec.encode_all(publications, self._hub)
        data = b"".join(parts)
        if len(data) > SLICE_BYTES or not all(parts):
            return None
        return Batch(self._frame(data), len(parts), len(parts))

    def _join_some(self, publications: list[Publication]) -> Batch:
        parts: list[bytes] = []
        used, room = 0, SLICE_BYTES
        refused, hole = None, False
        for publication in publications:
            used += 1
            if isinstance(publication.event, TopicRefused):
                refused = publication.event
                break
            if hole := self._codec.hides(publication):
                break
            data = self._codec.encode(publication, self._hub)
            if data:
                parts.append(data)
                room -= len(data)
            if room <= 0:
                break
        joined = b"".join(parts)
        return Batch(self._frame(joined) if joined else b"", len(parts), used, refused, hole)
