"""A cursor's one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.hub.cursor import Cursor


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=32), st.integers(0, 10**18))
def test_reading_and_writing_are_inverse(epoch, offset):
    cursor = Cursor(epoch, offset)
    assert str(cursor) == f"{epoch}-{offset}"
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a-",
        "-1",
        "a--1",
        "A-1",
        "a-01",
        "a-1 ",
        "a-1\n",
        "a-x",
        "a-1-2",
        "a-" + "9" * 20,
        "é-1",
        "a" * 33 + "-1",
    ],
)
def test_anything_else_is_no_cursor_and_the_sentence_says_so(text):
    with pytest.raises(ValueError, match="no cursor") as caught:
        Cursor.parse(text)
    assert len(str(caught.value)) < 200
