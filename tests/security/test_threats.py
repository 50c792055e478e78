"""Every row of the threat model names barriers and tests that are there."""

import ast
import re

import pytest

from tests.support.data import ROOT

ROWS = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("| ") and "`test_" in line]
TESTS = {
    node.name
    for file in (ROOT / "tests").rglob("test_*.py")
    if "node_modules" not in file.parts
    for node in ast.walk(ast.parse(file.read_text("utf-8")))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:60])
def test_a_threat_has_a_barrier_a_test_and_the_word_that_it_was_tried(row):
    _, who, threat, barrier, tests, tried, _ = row.split(" | ".strip()) if row.count("|") == 6 else [None] * 7
    assert who is not None, "five columns: who, what, barrier, test, tried"
    assert who.strip()
    assert threat.strip()
    assert tried.strip()
    names = re.findall(r"`(test_\w+)`", tests)
    assert names
    assert [name for name in names if name not in TESTS] == []
    files = re.findall(r"`(bridge/[\w/]+\.py)`", barrier)
    assert files
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_there_is_a_threat_model():
    assert len(ROWS) >= 25
