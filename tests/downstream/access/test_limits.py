from contextlib import ExitStack

import pytest

from bridge.dialects.contract import Refusal, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.access.limits import InboundRate, Seats, Verdict, effective_limits
from bridge.downstream.contract import Identity, ServedDialect, User
from bridge.model import Code
from tests.support.asgi import with_limits

ALICE, BOB = User("alice"), User("bob")


def test_the_sixth_connection_of_a_user_is_refused_and_a_freed_seat_can_be_taken():
    seats = Seats()
    held = [seats.seat(ALICE, Transport.SSE, 5) for _ in range(5)]
    for seat in held:
        seat.__enter__()
    with pytest.raises(Refusal) as caught, seats.seat(ALICE, Transport.SSE, 5):
        pass
    assert caught.value.code is Code.TOO_MANY_CONNECTIONS
    with seats.seat(BOB, Transport.SSE, 5), seats.seat(ALICE, Transport.WEBSOCKET, 5):
        assert seats.statistics().taken == {Transport.SSE: 6, Transport.WEBSOCKET: 1}
        assert seats.statistics().users == 2
    held.pop().__exit__(None, None, None)
    with seats.seat(ALICE, Transport.SSE, 5):
        assert seats.statistics().refused == 1
    for seat in held:
        seat.__exit__(None, None, None)
    assert seats.statistics().taken == {}


def test_a_limit_of_zero_is_none():
    seats = Seats()
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(seats.seat(ALICE, Transport.SSE, 0))
        assert seats.statistics().taken == {Transport.SSE: 100}


def test_a_tokens_limits_come_last():
    dialect = load_dialect("canonical")
    limits = with_limits(sse_connections_per_user=7, subscriptions_per_connection=8)
    served = ServedDialect(dialect=dialect, symbols=SymbolTable(dialect.spelling, {}), limits=limits)
    who = Identity(user=ALICE, topics=(), limits={"sse_connections_per_user": 2.0})
    found = effective_limits(who, served)
    assert (found.sse_connections_per_user, found.subscriptions_per_connection) == (2, 8)
    assert effective_limits(Identity(user=ALICE, topics=()), served) is limits


def verdicts(rate: InboundRate, now: float, count: int) -> list[Verdict]:
    return [rate.judge(now) for _ in range(count)]


def test_the_101st_message_at_once_is_not_executed_and_told_once():
    rate = InboundRate(100, 0, 0)
    assert verdicts(rate, 0, 100) == [Verdict.EXECUTE] * 100
    assert verdicts(rate, 0, 3) == [Verdict.COMPLAIN, Verdict.IGNORE, Verdict.IGNORE]


def test_the_bucket_fills_again_at_its_rate_and_no_deeper():
    rate = InboundRate(100, 0, 0)
    verdicts(rate, 0, 100)
    assert verdicts(rate, 0.5, 51) == [Verdict.EXECUTE] * 50 + [Verdict.COMPLAIN]
    assert verdicts(rate, 1_000, 101) == [Verdict.EXECUTE] * 100 + [Verdict.COMPLAIN]


def test_three_seconds_in_a_row_over_the_rate_end_the_connection():
    rate = InboundRate(1, 0, 0)
    found = [rate.judge(number / 10) for number in range(30)]
    assert found.count(Verdict.COMPLAIN) == 2
    assert found.index(Verdict.HANG_UP) == 21, "the first message over the rate came at 0.1 s"


def test_a_quiet_second_between_makes_patience_begin_anew():
    rate = InboundRate(1, 0, 0)
    for second in (0.0, 1.25, 3.5, 4.75, 7.0, 8.25):
        found = verdicts(rate, second, 2)
        assert Verdict.HANG_UP not in found
        assert found[-1] is Verdict.COMPLAIN


def test_a_rate_of_zero_is_unlimited():
    assert set(verdicts(InboundRate(0, 0, 0), 0, 1_000)) == {Verdict.EXECUTE}


def test_a_vendor_that_counts_by_the_minute_lets_a_minutes_messages_come_at_once():
    rate = InboundRate(100 / 60, 100, 0)
    assert [rate.judge(0) for _ in range(101)] == [Verdict.EXECUTE] * 100 + [Verdict.COMPLAIN]
