"""The event-stream grammar against the HTML standard: its examples, a literal reading of its text, and any chunking."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import VendorProtocolError
from bridge.wire.sse import SseComment, SseMessage, SseParser, sse_comment, sse_message, sse_retry


def parse(*chunks: bytes | str, bound: int = 1_000_000) -> list[SseMessage | SseComment]:
    parser = SseParser(max_event_bytes=bound)
    return [said for chunk in chunks for said in parser.feed(chunk.encode() if isinstance(chunk, str) else chunk)]


def reference(stream: bytes) -> tuple[list[tuple], str | None]:
    """The standard's algorithm, step by step, over the whole stream's text; nothing shared with the code under test."""
    text = stream.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    lines = re.split("\r\n|\n|\r", text)[:-1]  # the last piece has no line end: never processed
    said: list[tuple] = []
    data_buffer = event_type = ""
    id_buffer: str | None = None
    last_event_id: str | None = None
    for line in lines:
        if line == "":
            last_event_id = id_buffer
            if data_buffer != "":
                said.append(("message", data_buffer[:-1], event_type, last_event_id))
            data_buffer = event_type = ""
        elif line.startswith(":"):
            said.append(("comment", line[1:].removeprefix(" ")))
        else:
            field, value = line.split(":", 1) if ":" in line else (line, "")
            value = value.removeprefix(" ")
            if field == "event":
                event_type = value
            elif field == "data":
                data_buffer += value + "\n"
            elif field == "id" and "\0" not in value:
                id_buffer = value
    return said, last_event_id


def plain(said: list[SseMessage | SseComment]) -> list[tuple]:
    return [
        ("comment", one.text)
        if isinstance(one, SseComment)
        else ("message", one.data.decode("utf-8", "replace"), one.event, one.id)
        for one in said
    ]


grammar = st.lists(
    st.sampled_from(
        [
            *(
                b"\n",
                b"\r",
                b"\r\n",
                b"\n\n",
                b":",
                b" ",
                b"data",
                b"data:",
                b"data: ",
                b"id: ",
                b"id",
                b"event: ",
                b"retry: ",
            ),
            *(b"7", b"x", b"\0", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xff", b"\xc3", b"dat", b"evento: "),
            *(b"id: 7\n\n", b"id\n", b"data: x\n", b"event: t\r\n", b": c\r"),
        ]
    ),
    max_size=40,
).map(b"".join)


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = draw(grammar)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=len(stream))))
    edges = [0, *cuts, len(stream)]
    return stream, [stream[a:b] for a, b in itertools.pairwise(edges)]


@given(chunked())
def test_any_chunking_says_what_the_standards_own_steps_say(case):
    stream, chunks = case
    parser = SseParser()
    said = [one for chunk in chunks for one in parser.feed(chunk)]
    assert (plain(said), parser.last_event_id) == reference(stream)


@given(chunked(), st.integers(0, 30))
def test_any_chunking_passes_the_bound_or_keeps_it_alike(case, bound):
    def passes(pieces: list[bytes]) -> bool:
        try:
            parse(*pieces, bound=bound)
        except VendorProtocolError:
            return True
        return False

    stream, chunks = case
    assert passes(chunks) == passes([stream])


one_line = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
payload = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])).map(str.encode)


@given(st.lists(st.tuples(payload, one_line, one_line.filter(bool))))
def test_what_is_written_is_read_back(messages):
    stream = b"".join(sse_message(data, event, id_) for data, event, id_ in messages)
    assert parse(stream) == [SseMessage(data, event, id_) for data, event, id_ in messages]


@given(one_line)
def test_a_comment_is_read_back(text):
    assert parse(sse_comment(text)) == [SseComment(text)]


@given(st.text())
def test_nobody_can_forge_a_line(text):
    for write in (lambda: sse_message(b"x", event=text), lambda: sse_message(b"x", id=text), lambda: sse_comment(text)):
        try:
            written = write()
        except (ValueError, UnicodeEncodeError):
            continue
        assert len([one for one in parse(written) if isinstance(one, SseMessage)]) <= 1
        assert b"\r" not in written
    for forged in ("a\nb", "a\rb", "a\r\nb"):
        with pytest.raises(ValueError, match="line break"):
            sse_message(b"x", event=forged)
        with pytest.raises(ValueError, match="line break"):
            sse_message(b"x", id=forged)
        with pytest.raises(ValueError, match="line break"):
            sse_comment(forged)
    with pytest.raises(ValueError, match="NUL"):
        sse_message(b"x", id="a\0")


def test_the_standards_examples():
    # HTML standard, "Event stream interpretation": the four examples at its end.
    assert parse("data: YHOO\ndata: +2\ndata: 10\n\n") == [SseMessage(b"YHOO\n+2\n10")]
    assert parse(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n") == [
        SseComment("test stream"),
        SseMessage(b"first event", id="1"),
        SseMessage(b"second event", id=""),
        SseMessage(b" third event", id=""),
    ]
    assert parse("data\n\ndata\ndata\n\ndata:") == [SseMessage(b""), SseMessage(b"\n")]
    assert parse("data:test\n\ndata: test\n\n") == [SseMessage(b"test"), SseMessage(b"test")]


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        (["id: 1\ndata: x\n\n", ": ping\n\n", ": ping\n\n"], [SseMessage(b"x", id="1"), *[SseComment("ping")] * 2]),
        (["event: foo\n\n"], []),
        (["id: 7\n\n"], []),
        (["retry: 100\n\n"], []),
        (["\ufeffdata: x\n\n"], [SseMessage(b"x")]),
        (["\ufeff\ufeffdata: x\n\n"], []),
        (["retry: +5\ndata: a\n\n", "retry: 1_0\ndata: b\n\n"], [SseMessage(b"a"), SseMessage(b"b")]),
        (["retry: " + "9" * 5_000 + "\ndata: a\n\n"], [SseMessage(b"a")]),
        (["retry: 3000\ndata: a\n\n"], [SseMessage(b"a", retry=3_000)]),
        (["data: x\r\r"], [SseMessage(b"x")]),
        (["data: x\r", "\n\r", "\n"], [SseMessage(b"x")]),
        (["data: x\r", "\ndata: y\r\n\r\n"], [SseMessage(b"x\ny")]),
        (["data: x\r", "", "\n", "data: y\n\n"], [SseMessage(b"x\ny")]),
        (["data: x\n"], []),
        (["data: a\u2028b\x0b\x0c\x85\n\n"], [SseMessage("a\u2028b\x0b\x0c\x85".encode())]),
        (["data:\n\n"], [SseMessage(b"")]),
        (["data:  x\n\n"], [SseMessage(b" x")]),
        (["id: a\0b\ndata: x\n\n"], [SseMessage(b"x")]),
        (["event: quote\nevent: trade\ndata: x\n\ndata: y\n\n"], [SseMessage(b"x", "trade"), SseMessage(b"y")]),
    ],
)
def test_the_cases_in_which_libraries_differ(chunks, said):
    assert parse(*chunks) == said


def test_an_id_without_data_is_what_to_resume_from():
    parser = SseParser()
    assert parser.feed(b"id: 7\n\n") == []
    assert parser.last_event_id == "7"
    assert parser.feed(b"id: 8\n") == []
    assert parser.last_event_id == "7", "an event that never ended does not count"
    assert parser.feed(b"\ndata: x\n\n") == [SseMessage(b"x", id="8")]


def test_a_reconnection_time_alone_is_remembered():
    parser = SseParser()
    parser.feed(sse_retry(2_500))
    assert parser.retry_ms == 2_500


def test_an_event_past_the_bound_is_the_senders_fault():
    assert len(parse(b"data: 34567890\n\n" * 5, bound=14)) == 5
    with pytest.raises(VendorProtocolError, match="more than 13 bytes"):
        parse(b"data: 34567890\n\n", bound=13)
    with pytest.raises(VendorProtocolError, match="more than 13 bytes"):
        parse(b": a line that never ends", bound=13)
    with pytest.raises(VendorProtocolError, match="more than 13 bytes"):
        parse(b"data:12\n", b"data:34\n", bound=13)


def test_a_long_line_in_tiny_chunks_is_one_message():
    body = b"x" * 20_000
    stream = b"data: " + body + b"\n\n"
    assert parse(*(stream[i : i + 1] for i in range(len(stream)))) == [SseMessage(body)]
