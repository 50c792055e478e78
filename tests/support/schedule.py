"""What goes wrong when: a plan drawn from a seed and from nothing else, so that the same seed is the same storm.

Plain connections get what a real network does. Doubled and swapped chunks (`Duplicate`, `Reorder`) are left out: TCP does not
do that, and over it nobody could tell; `docs/reference/faults.md` says what comes of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.support.fault import (
    AtTheDoor,
    Cut,
    End,
    Fault,
    Garbage,
    HalfClose,
    Late,
    LetIn,
    Mute,
    Refuse,
    Trickle,
    Truncate,
    Unanswered,
    Way,
    answer,
)

MUTE_SECONDS = (0.5, 4.0)
"""How long a black hole lasts before the connection that fell into it is cut: what vanished must not be followed by more."""

REFUSALS = (
    answer("429 Too Many Requests", "Retry-After: 1"),
    answer("429 Too Many Requests"),
    answer("401 Unauthorized", body=b'{"message":"who are you?"}'),
    answer("403 Forbidden"),
    answer("500 Internal Server Error", body=b"<html>oops</html>"),
    answer("502 Bad Gateway"),
    answer("503 Service Unavailable", "Retry-After: 1"),
    answer("302 Found", "Location: http://127.0.0.1:1/"),
)

_KINDS: tuple[Callable[[Random], Fault], ...] = (
    lambda _: Cut(End.RST),
    lambda _: Cut(End.FIN),
    lambda _: HalfClose(),
    lambda _: Mute(),
    lambda chance: Late(chance.uniform(0.05, 0.5), chunks=chance.randint(1, 5)),
    lambda chance: Trickle(chance.randint(1, 400), 0.002),
    lambda chance: Truncate(chance.randint(1, 600), chance.choice(list(End))),
    lambda _: Garbage(),
    lambda _: Refuse(),
    lambda _: Unanswered(),
    lambda chance: chance.choice(REFUSALS),
    lambda chance: LetIn(Trickle(chance.randint(20, 300), 0.002), chance.choice(list(Way))),
)


@dataclass(frozen=True)
class Planned:
    """One fault.

    Attributes:
        at: seconds since the beginning.
        place: which line.
        fault: what happens there; one at the door comes with a cut, so that somebody comes.
        way: in which direction.
        seconds: how long a black hole lasts.
    """

    at: float
    place: str
    fault: Fault
    way: Way
    seconds: float


def storm(seed: int, places: Sequence[str], per_second: float) -> Iterator[Planned]:
    """Plan faults for ever, at random moments, each at one of `places`."""
    chance = Random(seed)
    at = 0.0
    while True:
        at += chance.expovariate(per_second)
        fault = chance.choice(_KINDS)(chance)
        way = chance.choice(list(Way))
        if isinstance(fault, Garbage):
            way = Way.DOWN  # what a server makes of it is `tests/downstream/guard/test_guard.py`'s matter
        yield Planned(at, chance.choice(places), fault, way, chance.uniform(*MUTE_SECONDS))


def name_of(fault: Fault) -> str:
    """A fault's name in a report: its kind, and what tells it from others of the kind."""
    match fault:
        case Cut(how):
            return f"cut ({how.value})"
        case Truncate(_, how):
            return f"cut in the middle ({how.value})"
        case LetIn(way=way):
            return f"slow start ({way.value})"
        case _ if isinstance(fault, AtTheDoor) and hasattr(fault, "raw"):
            head, _, rest = fault.raw.partition(b"\r\n")
            after = " with Retry-After" if b"Retry-After" in rest else ""
            return f"answered {head.decode().split(' ', 1)[1]}{after}"
        case _:
            return type(fault).__name__.lower()
