"""What came of a workload, for people and for programs."""

from collections.abc import Sequence

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

MANY = 1_000
"""From here on a figure's fraction says nothing."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One run. What does not apply, or cannot be known here, is None.

    Attributes:
        workload: its name; `way` the transport.
        clients: streams that read; `stalled` those beside them that do not.
        topics: different ones in all; `topics_per_client` of them held by each client.
        events_in: what the vendor sent, per second.
        event_bytes: one event as the client receives it, framing included.
        seconds: how long it was measured.
        due: events that clients had to get; `delivered` those that they got.
        delivered_per_second: while it was measured.
        p50_ms: from the vendor's making an event to a client's reading it; `p99_ms` likewise.
        bridge_cpu: share of a core; 1 = all of it. `load_cpu` of the process that reads: near 1, the figures are its limits.
        bridge_rss_bytes: resident at the end.
        figures: what only this workload has, with its unit in the name.
        remark: what a reader must know beside the figures.
    """

    workload: str
    way: str
    clients: int
    stalled: int = 0
    topics: int
    topics_per_client: int
    events_in: float = 0.0
    event_bytes: int | None = None
    seconds: float
    due: int = 0
    delivered: int = 0
    delivered_per_second: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    bridge_cpu: float | None = None
    load_cpu: float | None = None
    bridge_rss_bytes: int | None = None
    figures: dict[str, float] = msgspec.field(default_factory=dict)
    remark: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything that was due arrived, and nothing twice."""
        return self.delivered == self.due


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured, as far as it matters.

    Attributes:
        cores: that the bench may use; None = the system does not tell.
        pinned: whether the bridge had one of them for itself.
        python: the version.
    """

    cores: int | None
    pinned: bool
    python: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole bench."""

    machine: Machine
    measurements: list[Measurement]


_COLUMNS = (
    "workload",
    "clients x topics",
    "events in/s",
    "delivered/s",
    "of due",
    "p50 / p99 ms",
    "CPU",
    "load",
    "RSS MiB",
)


def table(measurements: Sequence[Measurement]) -> Table:
    """Return the measurements as a table for a terminal; what only one workload has is in `notes`."""
    shown = Table(*_COLUMNS, box=SIMPLE_HEAD)
    for one in measurements:
        held = f"{one.clients:,} x {one.topics_per_client} of {one.topics}"
        shown.add_row(
            f"{one.workload} {one.way}",
            held + (f" + {one.stalled} stalled" if one.stalled else ""),
            f"{one.events_in:,.0f}",
            f"{one.delivered_per_second:,.0f}",
            _share_of_due(one),
            "-" if one.p50_ms is None or one.p99_ms is None else f"{one.p50_ms:.2f} / {one.p99_ms:.2f}",
            _percent(one.bridge_cpu),
            _percent(one.load_cpu),
            "-" if one.bridge_rss_bytes is None else f"{one.bridge_rss_bytes / 2**20:.0f}",
        )
    return shown


def notes(measurements: Sequence[Measurement]) -> list[str]:
    """Return a line for each measurement that has figures or a remark of its own."""
    lines = []
    for one in measurements:
        said = [
            f"{name} {value:,.4g}" if value < MANY else f"{name} {value:,.0f}" for name, value in one.figures.items()
        ]
        said += [one.remark] if one.remark else []
        if said:
            lines.append(f"{one.workload} {one.way}: {', '.join(said)}")
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _share_of_due(one: Measurement) -> str:
    if not one.due:
        return "-"
    return "all" if one.complete else f"{one.delivered:,} of {one.due:,}"
