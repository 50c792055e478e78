"""`docs/reference/faults.md` is true: everything on it happens again."""

import math
import re

import pytest

from tests.faults.cases import DOWNSTREAM, UPSTREAM
from tests.faults.table import HEAD, PAGE, run

SIDES = {"vendor": UPSTREAM, "client": DOWNSTREAM}


def page():
    """Return what the page says: for each side, (what happens, over) → the other cells."""
    tables = re.findall(r"((?:\| .*\|\n)+)", PAGE.read_text("utf-8"))
    told = {}
    for side, text in zip(SIDES, tables, strict=True):
        head, _, *rows = ([cell.strip() for cell in line.strip("|\n").split(" | ")] for line in text.splitlines())
        assert tuple(head) == HEAD
        told[side] = {(words, over): cells for words, some, *cells in rows for over in some.split(", ")}
    return told


def seconds(cell):
    return 0 if cell == "-" else float(cell.removesuffix(" s"))


CASES = [pytest.param(side, case, id=f"{side}: {case.words}") for side, cases in SIDES.items() for case in cases]


def test_the_page_has_at_least_thirty_faults_and_each_of_ours_once():
    for side, cases in SIDES.items():
        assert list(dict.fromkeys(words for words, _ in page()[side])) == [case.words for case in cases]
    assert len({case.words for cases in SIDES.values() for case in cases}) >= 30


@pytest.mark.parametrize(("side", "case"), CASES)
def test_what_the_page_says_of_a_fault_is_so(side, case):
    """To write the page anew: python -m tests.faults.table."""
    for outcome in run(case, upstream=side == "vendor"):
        told, told_after, goes_on, lost = page()[side][case.words, outcome.over]
        assert (outcome.told, outcome.lost) == (told, lost), outcome.over
        assert (outcome.told_seconds or 0) <= seconds(told_after), outcome.over
        assert outcome.back_seconds < math.inf
        assert outcome.back_seconds <= seconds(goes_on), outcome.over
