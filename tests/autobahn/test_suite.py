"""Some groups of the suite, run for real where it was installed by `make autobahn`; elsewhere the record stands for all."""

import os
import subprocess

import pytest

from tests.autobahn.record import compact, failures
from tests.autobahn.suite import Suite, judge_client, judge_server
from tests.support.data import ROOT

GROUPS = ["1.*", "2.*", "3.*", "5.*", "7.*", "12.1.1"]
JUDGES = {"server": judge_server, "client": judge_client}


@pytest.fixture
def suite():
    python, folder = os.environ.get("PYTHON27") or "python2.7", ROOT / ".autobahn/suite"
    if not _runs(python) or not folder.is_dir():  # no failure in CI: no Python 2.7 can be asked of it
        pytest.skip("the Autobahn suite is not installed: make autobahn PYTHON27=python2.7")
    return Suite(python, folder)


def _runs(python: str) -> bool:
    """Return whether it is there, and no launcher for what is not."""
    try:
        return subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("party", JUDGES)
def test_no_case_of_the_quick_groups_fails(suite, party, tmp_path):
    verdicts = JUDGES[party](suite, GROUPS, [], tmp_path)
    assert len(verdicts) > 80
    nobody = {other: {} for other in JUDGES if other != party}
    assert failures({**nobody, party: compact(verdicts)}) == []
