"""The faults of `docs/reference/faults.md`: what happens on a line, for how long, and in which words the page has it."""

from dataclasses import dataclass

from tests.support.fault import (
    Answer,
    AtTheDoor,
    Blurt,
    Cut,
    Duplicate,
    End,
    Fault,
    Garbage,
    HalfClose,
    Late,
    LetIn,
    Mute,
    Refuse,
    Reorder,
    Trickle,
    Truncate,
    Unanswered,
    Way,
    answer,
)


@dataclass(frozen=True)
class Case:
    """One row's fault.

    Attributes:
        words: how the page says it.
        fault: what happens to the connections that are open; one at the door comes with a reset, so that somebody comes.
        way: in which direction.
        lasts_seconds: None = it happens once; else it is done to all that comes, until then.
        tls: whether the line is encrypted.
    """

    words: str
    fault: Fault
    way: Way = Way.DOWN
    lasts_seconds: float | None = None
    tls: bool = False

    @property
    def at_the_door(self) -> AtTheDoor:
        """The same for whoever comes next, where connections are too short to be met in the middle."""
        match self.fault:
            case Cut(how):
                return LetIn(Truncate(0, how))
            case HalfClose():
                return LetIn(Truncate(0, End.FIN))
            case Mute() | Late() | Trickle() | Truncate() | Duplicate() | Reorder() | Garbage():
                return LetIn(self.fault, self.way)
            case _:
                return self.fault


ON_OPEN = (
    Case("connection reset", Cut(End.RST)),
    Case("connection ended", Cut(End.FIN)),
    Case("half-closed by the sender", HalfClose()),
    Case("half-closed by the receiver", HalfClose(), Way.UP),
    Case("cut in the middle of a message, ended", Truncate(40, End.FIN)),
    Case("cut in the middle of a message, reset", Truncate(40, End.RST)),
    Case("garbage between two messages", Garbage()),
    Case("each chunk 3 s late, three times", Late(3, chunks=3)),
    Case("200 bytes one by one, 10 ms apart", Trickle(200, 0.01)),
    Case("black hole: open, but nothing comes through", Mute(), lasts_seconds=420),
    Case("a chunk twice, not under TLS", Duplicate()),
    Case("two chunks swapped, not under TLS", Reorder()),
    Case("garbage under TLS", Garbage(), tls=True),
    Case("a chunk twice, under TLS", Duplicate(), tls=True),
    Case("two chunks swapped, under TLS", Reorder(), tls=True),
)

AT_THE_DOOR = (
    Case("reset; the next connection is reset at once", Refuse()),
    Case("reset; connections are reset at once for a minute", Refuse(), lasts_seconds=60),
    Case("reset; the next connection is ended at once", Blurt(b"")),
    Case("reset; the next request is never answered", Unanswered()),
    Case("reset; requests are never answered for two minutes", Unanswered(), lasts_seconds=120),
    Case("reset; the answer's first bytes trickle, one a second", LetIn(Trickle(400, 1.0)), lasts_seconds=60),
    Case("reset; the request's first bytes trickle, one in 20 ms", LetIn(Trickle(100, 0.02), Way.UP)),
    Case("reset; the answer is cut in its head", Answer(b"HTTP/1.1 200 OK\r\nContent-Ty")),
    Case("reset; the answer is no HTTP", Answer(b"SSH-2.0-OpenSSH_9.2\r\n")),
    Case("reset; a web page instead (200)", answer("200 OK", "Content-Type: text/html", body=b"<html>Sign in</html>")),
    Case("reset; 302", answer("302 Found", "Location: http://127.0.0.1:1/")),
    Case("reset; 401 once", answer("401 Unauthorized")),
    Case("reset; 401 for two minutes", answer("401 Unauthorized"), lasts_seconds=120),
    Case("reset; 403 once", answer("403 Forbidden")),
    Case("reset; 403 for two minutes", answer("403 Forbidden"), lasts_seconds=120),
    Case("reset; 429 with `Retry-After: 7`", answer("429 Too Many Requests", "Retry-After: 7")),
    Case("reset; 429 without", answer("429 Too Many Requests")),
    Case("reset; 500", answer("500 Internal Server Error")),
    Case("reset; 502 for a minute", answer("502 Bad Gateway"), lasts_seconds=60),
    Case("reset; 503 with `Retry-After: 7`", answer("503 Service Unavailable", "Retry-After: 7")),
    Case("reset; the TLS handshake fails once", Blurt(b"\x15\x03\x01\x00\x02\x02\x28"), tls=True),
    Case("reset; TLS handshakes fail for a minute", Blurt(b"not TLS at all\r\n"), lasts_seconds=60, tls=True),
)

UPSTREAM = (*ON_OPEN, *AT_THE_DOOR)

DOWNSTREAM = (
    *(case for case in ON_OPEN if not case.tls and case.lasts_seconds is None),
    Case("black hole for a minute: open, but nothing comes through", Mute(), lasts_seconds=60),
    *(
        case
        for case in AT_THE_DOOR
        if not case.tls and not isinstance(case.fault, Answer) and not isinstance(case.fault, LetIn)
    ),
    Case("reset; 502 from a proxy for a minute", answer("502 Bad Gateway"), lasts_seconds=60),
    Case("reset; the request's first bytes trickle, one in 20 ms", LetIn(Trickle(100, 0.02), Way.UP)),
)
