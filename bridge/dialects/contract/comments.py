"""What a comment of an event stream says where a party's documents do not tell: nearly always nothing, at times a loss.

The standard has readers ignore comments, so most do; but there are vendors that report only there that they dropped messages
(`: you are reading too slowly, dropped 10000 messages`). A text that speaks of loss is believed: a gap declared for nothing
costs a client a look, one not declared costs it the truth.
"""

import re
from collections.abc import Sequence

from bridge.dialects.contract.client import Heartbeat, Missed, Signal, Unknown
from bridge.model import Cause, Topic

SIGNS_OF_LIFE = frozenset({"", "heartbeat", "hb", "keepalive", "keep-alive", "ping", "connected", "ok"})
"""Comments that say nothing, in lower case."""

_LOSS = re.compile(
    r"\b(dropp(ed|ing)|drops|too slow(ly)?|lost|losing|skipp(ed|ing)|missed|discard(ed|ing)|overflow(ed)?)\b",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+")
_WORDS = 200
_KIND = 55


def read_comment(text: str, topics: Sequence[Topic]) -> Signal:
    """Read a comment.

    Args:
        text: without its colon.
        topics: what the connection carries; a comment does not say which of it is meant.
    """
    words = text.strip()
    if words.lower() in SIGNS_OF_LIFE:
        return Heartbeat()
    if _LOSS.search(words):
        return Missed(tuple(topics), f"the vendor says in a comment: {words[:_WORDS]}", Cause.VENDOR)
    return Unknown(f"comment: {_DIGITS.sub('0', words)[:_KIND]}")
