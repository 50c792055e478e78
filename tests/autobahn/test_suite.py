"""Some groups of the suite, run for real where it was installed by `make autobahn`; elsewhere the record stands for all."""

import os

import pytest

from tests.autobahn.record import compact, failures
from tests.autobahn.suite import Suite, judge_client, judge_server
from tests.support.data import ROOT

GROUPS = ["1.*", "2.*", "3.*", "5.*", "7.*", "12.1.1"]
JUDGES = {"server": judge_server, "client": judge_client}


@pytest.fixture
def suite():
    return Suite(os.environ.get("PYTHON27") or "python2.7", ROOT / ".autobahn/suite")


@pytest.mark.parametrize("party", JUDGES)
def test_no_case_of_the_quick_groups_fails(suite, party, tmp_path):
    verdicts = JUDGES[party](suite, GROUPS, [], tmp_path)
    assert len(verdicts) > 80
    nobody = {other: {} for other in JUDGES if other != party}
    assert failures({**nobody, party: compact(verdicts)}) == []
