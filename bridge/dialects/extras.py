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

_ENDLESS = re.compile(rb"[0-9]{309}")
_FAR = re.compile(rb"[0-9.][eE][+-]?[0-9]{3}")
"""How numbers beyond a double's range look, on which many JSON readers fail; an id may look like the second too."""


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
        if _is_readable(text):
            kept[name] = raw
    return kept


def _is_readable(text: bytes) -> bool:
    if _ENDLESS.search(text):
        return False
    if not _FAR.search(text):
        return True
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True
