import pytest
import wsproto
from wsproto.events import TextMessage

from bridge.wire.websocket import text_frame, texts_of

SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 100_000]


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_is_what_another_implementation_reads_as_one_whole_text(size):
    reader = wsproto.Connection(wsproto.ConnectionType.CLIENT)
    reader.receive_data(text_frame(b"x" * size))
    events = list(reader.events())
    assert all(isinstance(event, TextMessage) for event in events)
    assert "".join(event.data for event in events) == "x" * size
    assert [event.message_finished for event in events][-1:] == [True]


def test_joined_frames_come_apart_again():
    texts = [bytes([65 + place]) * size for place, size in enumerate(SIZES)]
    assert texts_of(b"".join(map(text_frame, texts))) == texts
    assert texts_of(b"") == []
