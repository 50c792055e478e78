"""`make fuzz`: minutes of mutated inputs for each target, or exactly so many; see docs/reference/fuzzing.md."""

import argparse
import itertools
import logging
import sys
import time
import traceback
from collections.abc import Iterator

import structlog

from tests.fuzz.hunt import Finding, Report, Target, hunt
from tests.fuzz.targets import TARGETS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="for all targets together")
    parser.add_argument("--inputs", type=int, default=0, help="for each target, instead of minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--session", type=int, help="only this one of the seed's, to see a finding again")
    parser.add_argument("--target", default="", help="only targets whose name begins so")
    return parser.parse_args()


def _until(moment: float) -> Iterator[int]:
    return itertools.takewhile(lambda _: time.monotonic() < moment, itertools.count())


def _sessions(wanted: argparse.Namespace, target: Target, seconds: float) -> Iterator[int]:
    if wanted.session is not None:
        return iter([wanted.session])
    if wanted.inputs:
        return iter(range(-(-wanted.inputs // target.inputs)))
    return _until(time.monotonic() + seconds)


def _line(report: Report, seconds: float) -> str:
    outcomes = ", ".join(f"{name} {count:,}" for name, count in report.outcomes.most_common())
    return (
        f"| `{report.target}` | {report.inputs:,} | {outcomes} | {report.slowest_seconds * 1000:.0f} ms "
        f"| {report.growth_bytes / 1e6:.1f} MB | {report.inputs / max(seconds, 1e-9):,.0f}/s |"
    )


def _told(found: Finding) -> str:
    places = traceback.extract_tb(found.__cause__.__traceback__)[-6:] if found.__cause__ else []
    return "\n".join(["FOUND", str(found), *(f"  {one.filename}:{one.lineno} {one.line}" for one in places)])


def main() -> int:
    """Run the targets one after the other; 1 = something was found."""
    wanted = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chosen = [target for target in TARGETS if target.name.startswith(wanted.target)]
    print(f"seed {wanted.seed}, {len(chosen)} targets", flush=True)  # noqa: T201 - a command prints
    findings = 0
    for target in chosen:
        began = time.process_time()
        try:
            report = hunt(target, wanted.seed, _sessions(wanted, target, wanted.minutes * 60 / len(chosen)))
        except Finding as found:
            findings += 1
            print(_told(found), flush=True)  # noqa: T201 - a command prints
        else:
            print(_line(report, time.process_time() - began), flush=True)  # noqa: T201 - a command prints
    return 1 if findings or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
