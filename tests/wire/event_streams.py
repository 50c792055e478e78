"""Event streams to be read by more than one reader: the standard's own steps, and the cases in which readers differ.

`read_by_the_steps` is a literal reading of the HTML standard's "Parsing an event stream" and "Interpreting an event stream", over
the whole of a stream at once; it shares nothing with the code under test. `PUBLISHED` are the cases of the web-platform tests
(`eventsource/format-*`), with what those expect.
"""

import random
import re
from typing import NamedTuple

PIECES = (
    *(b"\n", b"\r", b"\r\n", b"\n\n", b":", b" ", b"data", b"data:", b"data: ", b"id: ", b"id", b"event: ", b"retry: "),
    *(b"7", b"x", b"\0", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xff", b"\xc3", b"dat", b"evento: ", b"Data: ", b"\t"),
    *(
        b"id: 7\n\n",
        b"id\n",
        b"data: x\n",
        b"event: t\r\n",
        b": c\r",
        b"id: a\0b\n",
        b"retry: 3000\n",
        b"retry: +5\r\n",
    ),
)
"""What streams are thrown together from: every line end, every field, whole and broken characters, and near misses."""


class Said(NamedTuple):
    """What a stream said.

    Attributes:
        messages: (data, event name or "", last event id or None) of each that was dispatched.
        comments: their texts.
        last_event_id: what a reconnection would send; None = nothing.
        retry_ms: the reconnection time in force; None = the reader's own.
    """

    messages: list[tuple[str, str, str | None]]
    comments: list[str]
    last_event_id: str | None
    retry_ms: int | None


def read_by_the_steps(stream: bytes) -> Said:  # noqa: C901 - the standard's steps, in its order and none hidden
    """Read a whole stream."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = re.split("\r\n|\n|\r", text)[:-1]  # the last piece has no line end: never processed
    messages: list[tuple[str, str, str | None]] = []
    comments: list[str] = []
    data_buffer = event_type_buffer = ""
    last_event_id_buffer: str | None = None
    last_event_id: str | None = None
    retry_ms: int | None = None
    for line in lines:
        if line == "":
            last_event_id = last_event_id_buffer
            if data_buffer == "":
                event_type_buffer = ""
                continue
            messages.append((data_buffer[:-1], event_type_buffer, last_event_id))
            data_buffer = event_type_buffer = ""
        elif line[0] == ":":
            comments.append(line[1:].removeprefix(" "))
        else:
            field, value = line.split(":", 1) if ":" in line else (line, "")
            value = value.removeprefix(" ")
            if field == "event":
                event_type_buffer = value
            elif field == "data":
                data_buffer += value + "\n"
            elif field == "id":
                if "\0" not in value:
                    last_event_id_buffer = value
            elif field == "retry" and re.fullmatch("[0-9]+", value):
                retry_ms = int(value)
    return Said(messages, comments, last_event_id, retry_ms)


def thrown_together(count: int, seed: int = 7) -> list[bytes]:
    """Return so many streams, the same for the same seed."""
    dice = random.Random(seed)
    return [b"".join(dice.choices(PIECES, k=dice.randint(1, 40))) + b"\n\ndata: end\n\n" for _ in range(count)]


LONG = "x" * 2048

PUBLISHED: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "bom": ("\ufeffdata:1\n\n\ufeffdata:2\n\ndata:3\n\n", [("1", "", ""), ("3", "", "")]),
    "bom-2": ("\ufeff\ufeffdata:1\n\ndata:2\n\ndata:3\n\n", [("2", "", ""), ("3", "", "")]),
    "comments": (
        f"data:1\r:\0\n:\r\ndata:2\n:{LONG}\rdata:3\n:data:fail\r:{LONG}\ndata:4\n\n",
        [("1\n2\n3\n4", "", "")],
    ),
    "data-before-final-empty-line": ("retry:1000\ndata:test1\n\nid:test\ndata:test2", [("test1", "", "")]),
    "field-data": ("data:\n\ndata\ndata\n\ndata:test\n\n", [("", "", ""), ("\n", "", ""), ("test", "", "")]),
    "field-event": ("event:test\ndata:x\n\ndata:x\n\n", [("x", "test", ""), ("x", "", "")]),
    "field-event-empty": ("event: \ndata:data\n\n", [("data", "", "")]),
    "field-id": ("id:\u2026\ndata:hello\n\n", [("hello", "", "\u2026")]),
    "field-id-2": (
        "data:1\n\nid:1\ndata:2\n\ndata:3\n\nid\ndata:4\n\n",
        [("1", "", ""), ("2", "", "1"), ("3", "", "1"), ("4", "", "")],
    ),
    "field-id-null": (
        "id:1\ndata:1\n\nid:\0start\ndata:2\n\nid:in \0 the middle\ndata:3\n\nid:end\0\ndata:4\n\n",
        [("1", "", "1"), ("2", "", "1"), ("3", "", "1"), ("4", "", "1")],
    ),
    "field-parsing": (
        "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
        [("\0\n 2\n1\n3\n\n4", "", "")],
    ),
    "field-retry-bogus": ("retry:3000\nretry:1000x\ndata:x\n\n", [("x", "", "")]),
    "field-retry-empty": ("retry\ndata:test\n\n", [("test", "", "")]),
    "field-unknown": (
        "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
        [("test\n\ntest", "", "")],
    ),
    "leading-space": ("data:\ttest\rdata: \ndata:test\n\n", [("\ttest\n\ntest", "", "")]),
    "newlines": ("data:test\r\ndata\ndata:test\r\n\r", [("test\n\ntest", "", "")]),
    "null-character": ("data:\0\n\n\n\n", [("\0", "", "")]),
    "utf-8": ("data:ok\u2026\n\n", [("ok\u2026", "", "")]),
}
"""Name → the stream, and what is dispatched: data, event name ("" = message), last event id ("" = none)."""
