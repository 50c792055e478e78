"""What a process costs, from `/proc`; latencies as a histogram. Where there is no `/proc` the costs are None."""

import os
import time
from pathlib import Path

import msgspec

BUCKET_NANOS = 10_000
"""10 µs: fine enough for the bars that are asked of us."""

BUCKETS = 100_000
"""Up to one second; what is slower counts as one second."""


class Cost(msgspec.Struct, frozen=True):
    """A process at one moment.

    Attributes:
        at: when, in seconds on the monotonic clock.
        cpu_seconds: used so far, children not included; None = not known.
        rss_bytes: resident now; None = not known.
    """

    at: float
    cpu_seconds: float | None
    rss_bytes: int | None


def cost_of(pid: int) -> Cost:
    """Read what a process has cost so far."""
    now = time.monotonic()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return Cost(now, None, None)
    ticks = int(fields[11]) + int(fields[12])  # proc(5): utime and stime, counted from the state that follows the name
    return Cost(now, ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))


def share(before: Cost, after: Cost) -> float | None:
    """Return the share of one core that was used between two moments; 1 = all of it."""
    if before.cpu_seconds is None or after.cpu_seconds is None:
        return None
    return (after.cpu_seconds - before.cpu_seconds) / max(after.at - before.at, 1e-9)


class Latencies:
    """A histogram of delays."""

    def __init__(self) -> None:
        self._counts = [0] * (BUCKETS + 1)
        self.total = 0

    def add(self, nanos: int, weight: int) -> None:
        """Count a delay as often as it stands for others."""
        bucket = nanos // BUCKET_NANOS
        self._counts[bucket if 0 <= bucket < BUCKETS else BUCKETS] += weight
        self.total += weight

    def quantile_ms(self, share_below: float) -> float | None:
        """Return the delay that this share of all stays below, in milliseconds; None when there are none."""
        seen, wanted = 0, self.total * share_below
        if not self.total:
            return None
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return (bucket + 1) * BUCKET_NANOS / 1e6
        return None

    def clear(self) -> None:
        """Begin anew."""
        self._counts = [0] * (BUCKETS + 1)
        self.total = 0
