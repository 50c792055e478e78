"""The event-stream grammar against the HTML standard: its examples, a literal reading of its text, and any chunking."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import VendorProtocolError
from bridge.wire.sse import SseComment, SseMessage, SseParser, sse_comment, sse_message, sse_retry
from tests.wire.event_streams import PIECES, PUBLISHED, Said, read_by_the_steps


def parse(*chunks: bytes | str, bound: int = 1_000_000) -> list[SseMessage | SseComment]:
    parser = SseParser(max_event_bytes=bound)
    return [said for chunk in chunks for said in parser.feed(chunk.encode() if isinstance(chunk, str) else chunk)]


def said_by(parser: SseParser, said: list[SseMessage | SseComment]) -> Said:
    """Return what a parser said and kept, in the reference's words."""
    return Said(
        [(one.data.decode("utf-8", "replace"), one.event, one.id) for one in said if isinstance(one, SseMessage)],
        [one.text for one in said if isinstance(one, SseComment)],
        parser.last_event_id,
        parser.retry_ms,
    )


def read_in(pieces: Iterable[bytes]) -> Said:
    parser = SseParser()
    return said_by(parser, [one for piece in pieces for one in parser.feed(piece)])


grammar = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = draw(grammar)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=len(stream))))
    edges = [0, *cuts, len(stream)]
    return stream, [stream[a:b] for a, b in itertools.pairwise(edges)]


@given(chunked())
def test_any_chunking_says_what_the_standards_own_steps_say(case):
    stream, chunks = case
    assert read_in(chunks) == read_by_the_steps(stream)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_cases_wherever_they_are_cut(name):
    text, messages = PUBLISHED[name]
    stream = text.encode()
    whole = read_in([stream])
    assert [(data, event, last_id or "") for data, event, last_id in whole.messages] == messages
    assert whole == read_by_the_steps(stream) == read_in(stream[i : i + 1] for i in range(len(stream)))
    for cut in range(len(stream)):
        assert read_in([stream[:cut], stream[cut:]]) == whole


def test_every_mix_of_line_ends_wherever_it_is_cut():
    for ends in itertools.product((b"\n", b"\r", b"\r\n"), repeat=4):
        lines = zip((b"data: a", b"", b"id: 7", b"data: b"), ends, strict=True)
        stream = b"".join(line + end for line, end in lines) + b"\r\n\r\n"
        expected = read_by_the_steps(stream)
        one_end = ends[:2] == (b"\r", b"\n")  # so there is no empty line
        assert [data for data, _, _ in expected.messages] == (["a\nb"] if one_end else ["a", "b"])
        for cuts in itertools.combinations_with_replacement(range(len(stream)), 2):
            edges = [0, *cuts, len(stream)]
            assert read_in(stream[a:b] for a, b in itertools.pairwise(edges)) == expected


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


def test_whatever_is_in_data_comes_back_as_lines():
    for parts in itertools.product(("\r", "\n", "a", ":", " ", "\0", "\ufeff", "data: x"), repeat=4):
        data = "".join(parts)
        expected = data.replace("\r\n", "\n").replace("\r", "\n")
        read = read_by_the_steps(sse_message(data.encode(), "t", "7") + sse_message(b"next"))
        assert read.messages == [(expected, "t", "7"), ("next", "", "7")]


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
