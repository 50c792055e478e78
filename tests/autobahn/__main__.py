"""Runs the whole suite against both echoes and writes the record and its page: `make autobahn PYTHON27=python2.7`."""

import argparse
import datetime as dt
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from tests.autobahn.record import CASES, PAGE, RECORD, compact, failures, page
from tests.autobahn.suite import Suite, Verdicts, judge_client, judge_server

LARGE = ["9.*"]


def main() -> int:
    """Run it; return 1 when a case fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="a Python 2.7")
    parser.add_argument("--suite", required=True, type=Path, help="where autobahntestsuite was installed")
    parser.add_argument("--into", required=True, type=Path, help="a folder for the suite's own reports")
    given = parser.parse_args()
    suite = Suite(given.python, given.suite)
    verdicts: dict[str, Verdicts] = {}
    for party, judge in {"server": judge_server, "client": judge_client}.items():
        verdicts[party] = judge(suite, ["*"], LARGE, given.into / party)
        verdicts[party] |= judge(suite, LARGE, [], given.into / f"{party}-large")
        sys.stdout.write(f"{party}: {len(verdicts[party])} cases\n")
    record = {"versions": versions(), **{party: compact(found) for party, found in verdicts.items()}}
    bad = failures(record)
    for case in bad:
        sys.stderr.write(f"{case.party} {case.case}: {case.behaviour}, closing {case.closing}\n")
    if bad or any(len(found) != CASES for found in verdicts.values()):
        return 1
    RECORD.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    PAGE.write_text(page(record), "utf-8")
    return 0


def versions() -> dict[str, str]:
    """Return with what it was recorded."""
    ours = {name: version(name) for name in ("hypercorn", "wsproto", "trio-websocket", "trio")}
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    return {"autobahntestsuite": "0.8.2", **ours, "Python": platform.python_version(), "on": today}


if __name__ == "__main__":
    sys.exit(main())
