"""What can go wrong between two parties. A fault is a frozen struct; `treatment` says what becomes of bytes, `faults` does it.

Three kinds: at once to the connections that are open (`Cut`, `HalfClose`), to the bytes that pass next (`Treated`), at the door
to those who come (`AtTheDoor`). `DOWN` is the direction toward whoever dialled.
"""

import enum
from dataclasses import dataclass


class End(enum.Enum):
    """How a connection is dropped, as its peers see it."""

    FIN = "fin"
    RST = "rst"


class Way(enum.Enum):
    """A direction."""

    UP = "up"
    DOWN = "down"


# ── at once ──
@dataclass(frozen=True)
class Cut:
    """Every open connection ends, toward both sides."""

    how: End = End.RST


@dataclass(frozen=True)
class HalfClose:
    """One direction ends in order and the other stays; what comes for it later is lost."""


# ── to the bytes that pass next ──
@dataclass(frozen=True)
class Mute:
    """A black hole: bytes are read and vanish, the connection stays open."""


@dataclass(frozen=True)
class Late:
    """Each of the next chunks waits, and so does all behind it."""

    seconds: float
    chunks: int = 1


@dataclass(frozen=True)
class Trickle:
    """So many bytes pass one by one, with a pause between them."""

    bytes: int
    pause_seconds: float


@dataclass(frozen=True)
class Truncate:
    """So many bytes pass, then the connection ends in order: as a rule in the middle of a frame."""

    keep: int
    how: End = End.FIN


@dataclass(frozen=True)
class Duplicate:
    """The next chunk comes twice. TCP never does that; a broken box between may, and TLS notices."""


@dataclass(frozen=True)
class Reorder:
    """The next chunk comes after the one behind it. As `Duplicate`.

    Attributes:
        held: the chunk that waits; None before it came.
    """

    held: bytes | None = None


@dataclass(frozen=True)
class Garbage:
    """Bytes that nobody sent come before the next chunk: nonsense to HTTP/1.1, WebSocket, HTTP/2 and TLS alike."""

    raw: bytes = b"\x00\x00\x04\x00\x00\x00\x00\x00\x00bad!"


# ── at the door ──
@dataclass(frozen=True)
class Refuse:
    """A new connection is reset as soon as it is made."""


@dataclass(frozen=True)
class Unanswered:
    """A new connection is accepted and never served."""


@dataclass(frozen=True)
class Answer:
    """A new connection's request is answered with these bytes by somebody between, then it ends."""

    raw: bytes


@dataclass(frozen=True)
class Blurt:
    """A new connection gets these bytes before it has said anything, then it ends: to a TLS client, a failed handshake."""

    raw: bytes


@dataclass(frozen=True)
class LetIn:
    """A new connection is let through, and its first bytes are treated; a `Trickle` makes it a slow loris."""

    treated: Mute | Late | Trickle | Truncate | Duplicate | Reorder | Garbage
    way: Way = Way.DOWN


AtOnce = Cut | HalfClose
Treated = Mute | Late | Trickle | Truncate | Duplicate | Reorder | Garbage
AtTheDoor = Refuse | Unanswered | Answer | Blurt | LetIn
Fault = AtOnce | Treated | AtTheDoor


def answer(status: str, *headers: str, body: bytes = b"") -> Answer:
    """Spell an HTTP answer, such as `answer("429 Too Many Requests", "Retry-After: 7")`."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return Answer("\r\n".join(lines).encode() + body)
