"""Runs a target on mutated samples: a documented error or a valid answer, in bounded time and memory, and nothing else.

Everything goes by sessions of some inputs, each with a generator seeded by seed, target and its number, so a finding is
reproduced by those three: `make fuzz TARGET=… SEED=… SESSION=…`. A session is bounded by the processor's time, so that a busy
machine makes no finding of its own; memory is what the process holds, looked at now and then.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from tests.fuzz.mutator import Mutator, Sample

SESSION_SECONDS = 5.0
"""Of processor time for one session: some thousand times what it needs, far below what would delay anybody for long."""

MAX_GROWTH_BYTES = 48 * 1024 * 1024
"""What the process may hold more than after its warm-up: caches that are bounded fill up, a leak goes on for ever."""

WARM_UP_SESSIONS = 200

Judge = Callable[[bytes], str]
"""Reads one input and names what became of it; what it raises is a finding."""


@dataclass(frozen=True)
class Target:
    """One thing that reads what others wrote.

    Attributes:
        samples: what is right, to be mutated.
        begin: begins a session; what the judge remembers between inputs, it remembers as long as a connection lives.
        inputs: in one session.
    """

    name: str
    samples: Sequence[bytes]
    begin: Callable[[Random], Judge]
    inputs: int = 32


@dataclass
class Report:
    """What a run did.

    Attributes:
        outcomes: how often each came.
        slowest_seconds: of processor time, of one session.
        growth_bytes: of the process, since the warm-up.
    """

    target: str
    inputs: int = 0
    bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    growth_bytes: int = 0


def told(error: Exception, *secrets: str) -> str:
    """Check that an error's sentence is short, and silent of secrets; returns "refused"."""
    assert len(str(error)) < 4_000
    assert not any(secret in str(error) for secret in secrets)
    return "refused"


class Finding(AssertionError):
    """An input did what none may do; the cause is the error itself."""


class Hang(Exception):
    """A session used up its time."""


def hunt(target: Target, seed: int, sessions: Iterator[int]) -> Report:
    """Run sessions of one target.

    Raises:
        Finding: with what reproduces it.
    """
    report = Report(target.name)
    samples = [Sample(data) for data in target.samples]
    held = 0
    for number in sessions:
        random = Random(f"{seed}/{target.name}/{number}")
        mutator = Mutator(random, samples)
        began = time.process_time()
        _session(target, random, mutator, report, f"make fuzz TARGET={target.name} SEED={seed} SESSION={number}")
        report.slowest_seconds = max(report.slowest_seconds, time.process_time() - began)
        if report.inputs // target.inputs == WARM_UP_SESSIONS:
            held = resident_bytes()
        elif held and number % 256 == 0:
            report.growth_bytes = resident_bytes() - held
            if report.growth_bytes > MAX_GROWTH_BYTES:
                raise Finding(f"{target.name}: holds {report.growth_bytes:,} bytes more after {report.inputs:,} inputs")
    return report


def _session(target: Target, random: Random, mutator: Mutator, report: Report, again: str) -> None:
    data = b""
    try:
        with _bounded(SESSION_SECONDS):
            judge = target.begin(random)
            for _ in range(target.inputs):
                data = mutator.next()
                report.inputs += 1
                report.bytes += len(data)
                report.outcomes[judge(data)] += 1
    except Exception as error:
        message = f"{again}\ninput {report.inputs}: {data[:2_000]!r}\n{type(error).__name__}: {str(error)[:500]}"
        raise Finding(message) from error


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    def ring(_: int, __: FrameType | None) -> None:
        raise Hang(f"more than {seconds:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def resident_bytes() -> int:
    """Return how much memory the process holds; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * 4_096
