"""Event streams with a comment after each write, for proxies that hold back what is short."""

import pytest

from bridge.downstream.outlets.h1 import chunked
from bridge.downstream.outlets.outlet import as_it_is, padded
from bridge.wire.sse import SseParser

DATA = b"data: hello\n\n"


@pytest.mark.parametrize("padding", [1, 3, 4, 40, 4096])
def test_so_many_bytes_follow_and_mean_nothing(padding):
    said = padded(as_it_is, padding)(DATA)
    assert said.startswith(DATA)
    assert len(said) - len(DATA) == max(padding, 3)
    assert [message.data for message in SseParser().feed(said) if hasattr(message, "data")] == [b"hello"]


def test_without_padding_the_frame_is_the_outlets_own():
    assert padded(chunked, 0) is chunked


def test_the_comment_is_in_the_frame_which_is_one_for_all_who_share_it():
    assert padded(chunked, 3)(DATA) == b"10\r\n" + DATA + b":\n\n\r\n"
    assert padded(chunked, 20) is padded(chunked, 20)
