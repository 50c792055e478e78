import json

import pytest

from bridge.dialects.contract import Refusal, SymbolTable
from bridge.dialects.loader import load_dialect
from bridge.downstream.comebacks import SPREAD_SECONDS, Comeback, spread_seconds, together
from bridge.downstream.contract import ServedDialect
from bridge.downstream.goodbyes import GOODBYES, goaway, problem, refusal_answer
from bridge.downstream.settings import LimitSettings
from bridge.model import Code, Retry, UnixNanos

NOW = UnixNanos(1_767_225_600_000_000_000)

# The contract's table: code, HTTP status, WebSocket close code, whether a WebSocket lives on, retry, Retry-After.
CONTRACT = [
    ("bad_request", 400, 4400, True, "no", False),
    ("unauthorized", 401, None, True, "no", False),
    ("token_expired", 401, 4401, False, "no", False),
    ("forbidden", 403, None, True, "no", False),
    ("unknown_instrument", 404, None, True, "no", False),
    ("unsupported_topic", 404, None, True, "no", False),
    ("too_many_subscriptions", 400, None, True, "no", False),
    ("too_many_connections", 429, None, False, "after", True),
    ("rate_limited", 429, 4429, True, "after", True),
    ("slow_consumer", 503, 4408, False, "now", False),
    ("going_away", 503, 1012, False, "after", True),
    ("upstream_unavailable", 503, 1013, True, "after", True),
    ("upstream_full", 503, None, True, "after", False),
    ("overloaded", 503, 1013, False, "after", True),
    ("internal", 500, 1011, False, "after", False),
]


def served() -> ServedDialect:
    dialect = load_dialect("canonical")
    return ServedDialect(dialect=dialect, symbols=SymbolTable(dialect.spelling, {}), limits=LimitSettings())


def test_every_code_has_exactly_one_row():
    assert set(GOODBYES) == set(Code)
    assert [row[0] for row in CONTRACT] == [code.value for code in Code]


@pytest.mark.parametrize("expected", CONTRACT, ids=[row[0] for row in CONTRACT])
def test_a_row_says_what_the_contract_says(expected):
    code = expected[0]
    row = GOODBYES[Code(code)]
    waits = row.retry_after_seconds is not None
    assert (code, row.http, row.close, row.stays, row.retry.value, waits) == expected


@pytest.mark.parametrize("code", list(Code))
def test_a_refusal_is_answered_in_the_dialects_shape_with_the_tables_status(code):
    answer = refusal_answer(Refusal(code, "because"), served())
    row = GOODBYES[code]
    assert answer.status == row.http
    error = json.loads(answer.body)["error"]
    assert (error["code"], error["message"], error["retry"]) == (code.value, "because", row.retry.value)
    assert ("retry-after" in dict(answer.headers)) == (row.retry_after_seconds is not None)


def test_a_refusals_own_time_to_come_back_is_told_in_whole_seconds():
    answer = refusal_answer(Refusal(Code.OVERLOADED, "busy", retry_after_seconds=7.2), served())
    assert dict(answer.headers)["retry-after"] == "8"


def test_clients_sent_away_together_are_told_different_times_within_the_spread():
    told = [goaway(Code.GOING_AWAY, "e-1", NOW).retry_after_ms for _ in range(200)]
    assert min(told) >= 1_000
    assert max(told) < 1_000 + SPREAD_SECONDS * 1_000
    assert len(set(told)) > 20


@pytest.mark.parametrize(("leaving", "seconds"), [(0, 5), (1, 5), (1_000, 5), (2_000, 10), (20_000, 100)])
def test_the_more_leave_together_the_longer_they_take_to_come_back(leaving, seconds):
    assert spread_seconds(leaving) == seconds
    assert together(leaving) == (1, seconds)


def test_all_of_a_spread_is_used_and_nobody_comes_back_at_once():
    told = [goaway(Code.GOING_AWAY, "e-1", NOW, Comeback(0, 100)).retry_after_ms for _ in range(1_000)]
    assert 0 < min(told) < 10_000
    assert 90_000 < max(told) <= 100_000


def test_a_goodbye_without_waiting_tells_no_time():
    said = goaway(Code.SLOW_CONSUMER, "e-7", NOW)
    assert (said.at, said.reason, said.retry, said.retry_after_ms) == ("e-7", Code.SLOW_CONSUMER, Retry.NOW, None)


def test_a_problem_carries_the_refusals_topic_and_reference():
    said = problem(Refusal(Code.FORBIDDEN, "no", topic="quote:X", ref="r1"), "e-3", NOW)
    assert (said.at, said.code, said.retry, said.topic, said.ref) == ("e-3", Code.FORBIDDEN, Retry.NO, "quote:X", "r1")
