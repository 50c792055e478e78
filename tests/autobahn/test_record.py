"""The recorded run of the Autobahn suite is whole, has no failure, and is what the page says."""

import pytest

from tests.autobahn.record import CASES, GROUPS, PAGE, PARTIES, REASONS, cases_of, compact, failures, page, read_record

RECORD = read_record()


@pytest.mark.parametrize("party", PARTIES)
def test_every_case_of_the_suite_was_run(party):
    cases = [found.case for found in cases_of(RECORD) if found.party == party]
    assert len(set(cases)) == len(cases) == CASES
    assert {case.partition(".")[0] for case in cases} == set(GROUPS)


def test_no_case_fails():
    assert failures(RECORD) == []


def test_only_compression_is_not_implemented():
    missing = {found.group for found in cases_of(RECORD) if found.verdict == "UNIMPLEMENTED"}
    assert missing == {"12", "13"}


def test_every_reason_is_still_needed():
    used = {(found.party, found.why) for found in cases_of(RECORD)}
    assert all((party, reason.why) in used for reason in REASONS for party in reason.parties)


def test_the_page_is_made_of_the_record():
    assert PAGE.read_text("utf-8") == page(RECORD)


@pytest.mark.parametrize(
    ("behaviour", "closing"),
    [
        ("FAILED", "OK"),
        ("OK", "FAILED"),
        ("OK", "WRONG CODE"),
        ("OK", "UNCLEAN"),
        ("NON-STRICT", "OK"),
        ("OK", "NO_CLOSE"),
    ],
)
def test_a_case_that_is_not_ok_for_no_known_reason_is_a_failure(behaviour, closing):
    verdicts = {
        "1.1.1": {"behavior": behaviour, "behaviorClose": closing},
        "12.1.1": {"behavior": "UNIMPLEMENTED", "behaviorClose": "OK"},
    }
    record = {"versions": {"suite": "0"}, "server": compact(verdicts), "client": {}}
    (failure,) = failures(record)
    assert failure.case == "1.1.1"
    assert "| server | 1.1.1 |" in page(record)
