"""`feedbridge bench`: how fast the bridge is on this machine: a vendor, a bridge and a load, measured as a table or as JSON."""

import argparse
import platform
import signal
import sys
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bridge.bench.crowd import Scale
from bridge.bench.results import Machine, Measurement, Report, notes, table
from bridge.bench.talk import cores
from bridge.bench.workloads import WORKLOADS
from bridge.errors import ConfigError

LOST = 1
"""The exit code when a client missed something, or got something twice, that it was due in a workload with no overload."""

TERMINATED = 128 + signal.SIGTERM
"""The exit code after SIGTERM, as a shell has it."""

PIPED_WIDTH = 160
"""Columns of the table where no terminal says how many there are."""


def add(subparsers: Any) -> None:  # noqa: ANN401 - argparse names no public type for it
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "bench",
        help="measure the bridge on this machine",
        description="Starts a vendor, a bridge and a load on this machine, and measures what clients see. Exit 0, or 1 when "
        "anything was lost below the bridge's limits.",
    )
    parser.add_argument(
        "--workload", nargs="+", metavar="NAME", help=f"which: {', '.join(WORKLOADS)}; default: all of them"
    )
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="of each measurement (3)")
    parser.add_argument("--clients", type=int, metavar="N", help="default: each workload's own number")
    parser.add_argument("--rate", type=float, metavar="N", help="events/s; default: each workload's own rates")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the workloads one after the other and print what came of them."""
    names = arguments.workload or list(WORKLOADS)
    mistakes = [
        f"--workload: there is no {name!r}; there are {', '.join(WORKLOADS)}" for name in names if name not in WORKLOADS
    ]
    if arguments.seconds <= 0:
        mistakes.append("--seconds: more than 0")
    if arguments.clients is not None and arguments.clients < 1:
        mistakes.append("--clients: at least 1")
    if arguments.rate is not None and arguments.rate <= 0:
        mistakes.append("--rate: more than 0")
    if mistakes:
        raise ConfigError(*mistakes)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # or vendor, bridge and load would outlive us
    measurements = _measure(names, arguments)
    usable = cores()
    report = Report(
        machine=Machine(cores=len(usable) or None, pinned=len(usable) >= 2, python=platform.python_version()),
        measurements=measurements,
    )
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        _show(report)
    return 0 if all(one.complete for one in measurements) else LOST


def _measure(names: list[str], arguments: argparse.Namespace) -> list[Measurement]:
    found: list[Measurement] = []
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(names))
        scale = Scale(
            clients=arguments.clients,
            seconds=arguments.seconds,
            rate=arguments.rate,
            step=lambda text: progress.update(task, description=text),
        )
        for name in names:
            found += WORKLOADS[name](scale)
            progress.advance(task)
    return found


def _show(report: Report) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(table(report.measurements))
    for line in notes(report.measurements):
        console.print(line)
    machine = report.machine
    where = "the bridge on a core of its own" if machine.pinned else "the bridge shares its core with vendor and load"
    console.print(f"{machine.cores or 'unknown'} cores, {where}; Python {machine.python}.")
