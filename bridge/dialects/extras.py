"""A party's other fields, handed on verbatim: copied, on one line, within bounds, and readable by whoever gets them.

They are the only bytes of a vendor that reach a client as they came. The JSON reader skips over them without looking, so what
it would have refused is looked for here.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

MAX_EXTRA_FIELDS = 300
MAX_EXTRA_BYTES = 16_384
"""What is kept of one message's other fields: a vendor has somewhat over 100; a runaway must not fill the hub."""

_ENDLESS_DIGITS = 309
"""A double has 309 digits before its point at most; many JSON readers fail on a number that is longer."""

_ENDLESS = re.compile(rb"[0-9]{%d}" % _ENDLESS_DIGITS)


def verbatim(raw: Raw) -> Raw | None:
    """Copy a field's bytes, on one line; null is None.

    Raises:
        msgspec.DecodeError, ValueError, RecursionError: text that is no Unicode.
    """
    text = bytes(raw)
    if not text.isascii() or b"\\u" in text:
        msgspec.json.decode(text)
    # A line break in JSON can only be white space between tokens; in an event stream it would end the line.
    return None if text == b"null" else Raw(text.replace(b"\n", b" ").replace(b"\r", b" "))


def bounded(extra: Mapping[str, Raw | None]) -> dict[str, Raw | None]:
    """Return the first fields that are within both bounds, without those that not every JSON reader can read."""
    kept: dict[str, Raw | None] = {}
    room = MAX_EXTRA_BYTES
    for name, raw in extra.items():
        text = b"" if raw is None else bytes(raw)
        room -= len(name) + len(text)
        if room < 0 or len(kept) == MAX_EXTRA_FIELDS:
            break
        if len(text) < _ENDLESS_DIGITS or not _ENDLESS.search(text):
            kept[name] = raw
    return kept
