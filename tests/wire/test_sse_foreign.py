"""Readers that we did not write agree with our parser, and read what our writer writes.

Chromium's EventSource is the standard's: it must agree on any stream. npm's `eventsource` 2 misreads much of what the standard
allows (a lone CR, a line without a colon, `id` with NUL, a BOM in the middle); what we write must keep clear of all that.
"""

import itertools
import random
import re

import pytest

from bridge.wire.sse import SseMessage, SseParser, sse_comment, sse_message, sse_retry
from tests.support.foreign_readers import in_browser, in_node, read
from tests.wire.event_streams import PUBLISHED, thrown_together

NAMELESS = "message"
TEXTS = (
    "",
    "a",
    " a",
    ":",
    "id: 9",
    "data: x",
    "\0",
    "\ufeff",
    "grüß",
    "\u2028",
    "😀",
    "\t",
    "event: forged",
    "retry: 1",
)
BREAKS = ("\n", "\r", "\r\n", "\n\n")


def cut(stream: bytes, dice: random.Random) -> list[bytes]:
    """Cut a stream anywhere, and within some of its CRLF."""
    within = [place.start() + 1 for place in re.finditer(b"\r\n", stream) if dice.random() < 0.5]
    edges = sorted({0, len(stream), *within, *(dice.randrange(len(stream)) for _ in range(dice.randrange(6)))})
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


def ours(pieces: list[bytes]) -> list[tuple[str, str, str]]:
    parser = SseParser()
    said = [one for piece in pieces for one in parser.feed(piece) if isinstance(one, SseMessage)]
    return [(one.data.decode("utf-8", "replace"), one.event or NAMELESS, one.id or "") for one in said]


def test_a_browser_reads_any_stream_as_our_parser_does(tmp_path):
    dice = random.Random(6)
    streams = [
        cut(stream, dice) for stream in (*(text.encode() for text, _ in PUBLISHED.values()), *thrown_together(150))
    ]
    expected = [ours(pieces) for pieces in streams]
    names = [sorted({NAMELESS, *(event for _, event, _ in said)}) for said in expected]
    for pieces, read_there, read_here in zip(
        streams, read(in_browser, streams, names, tmp_path), expected, strict=True
    ):
        assert read_there == read_here, pieces


def written(dice: random.Random) -> tuple[bytes, list[tuple[str, str, str]]]:
    """Return a stream as the bridge writes them, and what it says."""
    stream, said, last_id = sse_retry(3_000), [], ""
    for _ in range(8):
        data = "".join(dice.choice((*TEXTS, *BREAKS)) for _ in range(dice.randrange(1, 5)))
        event, id_ = dice.choice(("", "quote", "grüß", "t:x")), dice.choice(("", "e-7", "ü 9", "a:b"))
        last_id = id_ or last_id
        stream += sse_message(data.encode(), event, id_) + dice.choice((b"", sse_comment(""), sse_comment("heartbeat")))
        lines = data.replace("\r\n", "\n").replace("\r", "\n")
        said.append((lines, event or NAMELESS, last_id))
    return stream, said


@pytest.mark.parametrize("run", [in_browser, in_node], ids=["Chromium", "npm's eventsource"])
def test_what_is_written_is_read_by_others(run, tmp_path):
    dice = random.Random(6)
    cases = [written(dice) for _ in range(40)]
    streams = [cut(stream, dice) for stream, _ in cases]
    names = [sorted({event for _, event, _ in said}) for _, said in cases]
    for (stream, said), heard in zip(cases, read(run, streams, names, tmp_path), strict=True):
        assert heard == said, stream
