import pytest

from bridge.downstream.fanout.batch import SLICE_BYTES, SLICE_PUBLICATIONS, Batcher
from bridge.downstream.outlets.outlet import as_it_is
from bridge.hub.contract import Publication
from bridge.model import Topic, TopicRefused
from tests.support.asgi import FEED, START


class Bytes:
    """A codec whose bytes a test chooses, by offset."""

    def __init__(self, made: dict[int, bytes]) -> None:
        self.made = made
        self.encoded = 0
        self.key = 0

    def encode(self, publication, hub):
        known = publication.encoded.get(self.key)
        if known is None:
            self.encoded += 1
            known = publication.encoded[self.key] = self.made.get(publication.offset, b"<%d>" % publication.offset)
        return known

    def hides(self, publication) -> bool:
        return publication.event == "a hole"

    def encode_all(self, publications, hub):
        return [self.encode(publication, hub) for publication in publications]


def publications(*offsets: int) -> list[Publication]:
    return [Publication(offset, f"event {offset}") for offset in offsets]


def batcher(made: dict[int, bytes] | None = None, frame=as_it_is) -> Batcher:
    return Batcher(Bytes(made or {}), None, frame)


def test_all_are_joined_and_framed_once():
    framed: list[bytes] = []
    one = batcher(frame=lambda data: framed.append(data) or b"[" + data + b"]")
    pending = publications(1, 2, 3)
    batch = one.join(pending)
    assert (batch.data, batch.events, batch.used, batch.refused) == (b"[<1><2><3>]", 3, 3, None)
    assert one.join(list(pending)) is batch
    assert framed == [b"<1><2><3>"]


def test_a_hole_without_a_word_ends_its_batch_and_nothing_behind_it_is_joined():
    one = batcher({2: b""})
    pending = publications(1, 2, 3)
    pending[1] = Publication(2, "a hole")
    batch = one.join(pending)
    assert (batch.data, batch.used, batch.hole) == (b"<1>", 2, True)
    assert not one.join(pending[2:]).hole


def test_other_publications_are_another_batch_even_with_the_same_ends():
    one = batcher()
    first, second, third, last = publications(1, 2, 3, 4)
    assert one.join([first, second, last]).data == b"<1><2><4>"
    assert one.join([first, third, last]).data == b"<1><3><4>"
    assert one.join([first, second, last]).data == b"<1><2><4>"


def test_a_backlog_is_cut_into_slices_that_together_are_all_of_it():
    size = 10_000
    one = batcher({offset: b"%d" % (offset % 10) * size for offset in range(1, 31)})
    left, slices, said = publications(*range(1, 31)), [], b""
    while left:
        batch = one.join(left)
        slices.append(len(batch.data))
        said += batch.data
        left = left[batch.used :]
    assert said == b"".join(b"%d" % (offset % 10) * size for offset in range(1, 31))
    assert max(slices) < SLICE_BYTES + size


def test_of_a_long_backlog_no_more_is_looked_at_than_a_slice_may_hold():
    one = batcher()
    left = publications(*range(1, 2 * SLICE_PUBLICATIONS + 51))
    used, said = [], b""
    while left:
        batch = one.join(left)
        used.append(batch.used)
        said += batch.data
        left = left[batch.used :]
    assert used == [SLICE_PUBLICATIONS, SLICE_PUBLICATIONS, 50]
    assert said == b"".join(b"<%d>" % offset for offset in range(1, 2 * SLICE_PUBLICATIONS + 51))


def test_one_event_larger_than_a_slice_goes_whole():
    one = batcher({1: bytes(3 * SLICE_BYTES)})
    batch = one.join(publications(1, 2))
    assert (len(batch.data), batch.used) == (3 * SLICE_BYTES, 1)


def test_what_has_no_bytes_is_used_up_and_not_counted():
    batch = batcher({2: b""}).join(publications(1, 2, 3))
    assert (batch.data, batch.events, batch.used) == (b"<1><3>", 2, 3)
    nothing = batcher({1: b""}, frame=lambda data: pytest.fail("nothing is framed")).join(publications(1))
    assert (nothing.data, nothing.events, nothing.used) == (b"", 0, 1)


def test_a_refused_topic_ends_a_batch_so_that_it_is_told_in_its_place():
    refused = TopicRefused(feed=FEED, topic=Topic.parse("quote:X"), code="forbidden", message="no", ts_recv=START)
    one = batcher({2: b""})
    pending = [*publications(1), Publication(2, refused), *publications(3)]
    batch = one.join(pending)
    assert (batch.data, batch.used, batch.refused) == (b"<1>", 2, refused)


def test_nothing_is_held_once_forgotten():
    one = batcher()
    pending = publications(1)
    batch = one.join(pending)
    one.forget()
    assert one.join(pending) is not batch
    assert one.join(pending) == batch
