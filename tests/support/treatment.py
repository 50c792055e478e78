"""What a fault does to a chunk of bytes: plain functions, so that the same fault does the same on any kind of stream."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.support.fault import Duplicate, End, Garbage, Late, Mute, Reorder, Treated, Trickle, Truncate


@dataclass(frozen=True)
class Pass:
    """These bytes go on."""

    data: bytes


@dataclass(frozen=True)
class Wait:
    """Nothing goes on for a while."""

    seconds: float


@dataclass(frozen=True)
class Ending:
    """The connection ends here."""

    how: End


Step = Pass | Wait | Ending

Treatment = tuple[list[Step], Treated | None]
"""What becomes of a chunk, and the fault that is left for the next one (None = spent)."""


def treat(fault: Treated | None, data: bytes) -> Treatment:
    """Return what becomes of a chunk."""
    return ([Pass(data)], None) if fault is None else _TREATMENTS[type(fault)](fault, data)


def _late(fault: Late, data: bytes) -> Treatment:
    return [Wait(fault.seconds), Pass(data)], replace(fault, chunks=fault.chunks - 1) if fault.chunks > 1 else None


def _trickle(fault: Trickle, data: bytes) -> Treatment:
    steps: list[Step] = []
    for place in range(min(fault.bytes, len(data))):
        steps += [Pass(data[place : place + 1]), Wait(fault.pause_seconds)]
    if rest := data[fault.bytes :]:
        steps.append(Pass(rest))
    return steps, replace(fault, bytes=fault.bytes - len(data)) if fault.bytes > len(data) else None


def _truncate(fault: Truncate, data: bytes) -> Treatment:
    if len(data) < fault.keep:
        return [Pass(data)], replace(fault, keep=fault.keep - len(data))
    return [Pass(data[: fault.keep]), Ending(fault.how)], None


def _reorder(fault: Reorder, data: bytes) -> Treatment:
    return ([], Reorder(held=data)) if fault.held is None else ([Pass(data), Pass(fault.held)], None)


_TREATMENTS: dict[type, Callable[[Any, bytes], Treatment]] = {
    Mute: lambda fault, _: ([], fault),
    Late: _late,
    Trickle: _trickle,
    Truncate: _truncate,
    Duplicate: lambda _, data: ([Pass(data), Pass(data)], None),
    Reorder: _reorder,
    Garbage: lambda fault, data: ([Pass(fault.raw + data)], None),
}
