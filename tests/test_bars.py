"""Bars against the calendar, against plain grouping, and against recorded bars of other lengths."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.bars import BarBuilder, interval_end, interval_start
from bridge.model import SECONDS, Bar, FeedName, InstrumentId, Interval, Trade, UnixNanos, unix_nanos
from tests.support.data import recorded

AAPL = {"instrument": InstrumentId("AAPL"), "feed": FeedName("liquidity")}
MINUTE = 60 * SECONDS


def trade(at: str | int, price: str, size: str = "1") -> Trade:
    moment = unix_nanos(at) if isinstance(at, str) else UnixNanos(at)
    return Trade(**AAPL, ts_recv=UnixNanos(0), ts_event=moment, price=Decimal(price), size=Decimal(size))


def figures(bar: Bar) -> tuple[str, ...]:
    return tuple(str(figure) for figure in (bar.open, bar.high, bar.low, bar.close, bar.volume))


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        (Interval.M1, "2024-02-29T13:37:00Z", "2024-02-29T13:38:00Z"),
        (Interval.M5, "2024-02-29T13:35:00Z", "2024-02-29T13:40:00Z"),
        (Interval.M15, "2024-02-29T13:30:00Z", "2024-02-29T13:45:00Z"),
        (Interval.M30, "2024-02-29T13:30:00Z", "2024-02-29T14:00:00Z"),
        (Interval.H1, "2024-02-29T13:00:00Z", "2024-02-29T14:00:00Z"),
        (Interval.H4, "2024-02-29T12:00:00Z", "2024-02-29T16:00:00Z"),
        (Interval.D1, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        (Interval.W1, "2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z"),
        (Interval.MO1, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
    ],
)
def test_a_moment_lies_in_the_interval_that_the_calendar_says(interval, start, end):
    moment = unix_nanos("2024-02-29T13:37:42.123456789Z")
    assert interval_start(interval, moment) == unix_nanos(start)
    assert interval_end(interval, moment) == unix_nanos(end)


@given(st.datetimes(datetime(1970, 1, 5), datetime(2099, 1, 1)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_weeks_begin_on_monday_and_months_on_their_first(moment):
    moment = moment.replace(tzinfo=UTC)
    nanos = UnixNanos((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = day - timedelta(days=day.weekday())
    first = day.replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1)
    assert interval_start(Interval.W1, nanos) == round(monday.timestamp()) * SECONDS
    assert interval_end(Interval.W1, nanos) == round((monday + timedelta(days=7)).timestamp()) * SECONDS
    assert interval_start(Interval.MO1, nanos) == round(first.timestamp()) * SECONDS
    assert interval_end(Interval.MO1, nanos) == round(after.timestamp()) * SECONDS


def test_the_first_event_past_the_end_closes_a_bar():
    builder = BarBuilder(Interval.M1)
    builder.add_trade(trade("2024-01-01T10:00:00Z", "10", "2"))
    builder.add_trade(trade("2024-01-01T10:00:30Z", "12", "1"))
    (still_open,) = builder.add_trade(trade("2024-01-01T10:00:59.999999999Z", "9", "0.5"))
    assert figures(still_open) == ("10", "12", "9", "9", "3.5")
    assert still_open.is_final is False
    closed, opened = builder.add_trade(trade("2024-01-01T10:01:00Z", "11"))
    assert figures(closed) == figures(still_open)
    assert (closed.is_final, closed.ts_open) == (True, unix_nanos("2024-01-01T10:00:00Z"))
    assert (opened.is_final, opened.ts_open) == (False, unix_nanos("2024-01-01T10:01:00Z"))
    assert closed.derived
    assert opened.derived


def test_the_clock_closes_a_bar_two_seconds_after_its_end():
    builder = BarBuilder(Interval.M5)
    builder.add_trade(trade("2024-01-01T10:02:00Z", "10"))
    assert builder.close(unix_nanos("2024-01-01T10:05:01.999Z")) == []
    (closed,) = builder.close(unix_nanos("2024-01-01T10:05:02Z"))
    assert closed.is_final is True
    assert builder.close(unix_nanos("2024-01-01T11:00:00Z")) == []
    assert builder.add_trade(trade("2024-01-01T10:04:59Z", "11")) == []
    assert builder.late == 1


def test_an_interval_without_an_event_makes_no_bar():
    builder = BarBuilder(Interval.M1)
    made = builder.add_trade(trade("2024-01-01T10:00:00Z", "10")) + builder.add_trade(
        trade("2024-01-01T10:07:00Z", "11")
    )
    assert [bar.ts_open for bar in made if bar.is_final] == [unix_nanos("2024-01-01T10:00:00Z")]
    assert len({bar.ts_open for bar in made}) == 2


def test_what_began_before_we_listened_is_partial_and_the_next_is_not():
    builder = BarBuilder(Interval.M1)
    (first,) = builder.add_trade(trade("2024-01-01T10:00:20Z", "10"))
    closed, second = builder.add_trade(trade("2024-01-01T10:01:00Z", "11"))
    assert (first.partial, closed.partial, second.partial) == (True, True, False)
    (known,) = BarBuilder(Interval.M1, since=unix_nanos("2024-01-01T09:00:00Z")).add_trade(
        trade("2024-01-01T10:00:20Z", "10")
    )
    assert not known.partial


def test_a_trade_without_a_vendors_time_counts_when_it_was_received():
    made = BarBuilder(Interval.M1).add_trade(
        Trade(**AAPL, ts_recv=unix_nanos("2024-01-01T10:00:10Z"), price=Decimal(1), size=Decimal(1))
    )
    assert made[0].ts_open == unix_nanos("2024-01-01T10:00:00Z")


def test_volume_keeps_every_digit():
    builder = BarBuilder(Interval.M1)
    builder.add_trade(trade("2024-01-01T10:00:00Z", "10", "1234567890123456789012345678901"))
    (bar,) = builder.add_trade(trade("2024-01-01T10:00:01Z", "10", "0.000000001"))
    assert str(bar.volume) == "1234567890123456789012345678901.000000001"


def test_a_newer_version_of_a_shorter_bar_takes_the_place_of_the_older():
    builder = BarBuilder(Interval.M5)
    start = unix_nanos("2024-01-01T10:00:00Z")
    builder.add_bar(minute_bar(start, ("10", "11", "9", "10", "5")))
    builder.add_bar(minute_bar(start + MINUTE, ("10", "10", "10", "10", "1")))
    (bar,) = builder.add_bar(minute_bar(start + MINUTE, ("10", "15", "10", "14", "3")))
    assert figures(bar) == ("10", "15", "9", "14", "8")
    assert builder.add_bar(minute_bar(start, ("1", "1", "1", "1", "1"))) == []


def test_the_last_shorter_bar_closes_the_longer_when_it_is_final_itself():
    builder = BarBuilder(Interval.M5)
    start = unix_nanos("2024-01-01T10:00:00Z")
    builder.add_bar(minute_bar(start, ("10", "11", "9", "10", "5")))
    (bar,) = builder.add_bar(minute_bar(start + 4 * MINUTE, ("10", "12", "10", "11", "1"), is_final=True))
    assert (bar.is_final, figures(bar)) == (True, ("10", "12", "9", "11", "6"))


def test_volume_is_unknown_when_a_part_does_not_tell_it():
    builder = BarBuilder(Interval.M5)
    start = unix_nanos("2024-01-01T10:00:00Z")
    builder.add_bar(minute_bar(start, ("10", "11", "9", "10", "5")))
    (bar,) = builder.add_bar(
        Bar(
            **AAPL,
            ts_recv=UnixNanos(0),
            interval="1m",
            ts_open=start + MINUTE,
            open=Decimal(1),
            high=Decimal(1),
            low=Decimal(1),
            close=Decimal(1),
        )
    )
    assert bar.volume is None


def minute_bar(at: int, told: tuple[str, ...], *, is_final: bool | None = None) -> Bar:
    return recorded_bar(at, told, "1m", is_final=is_final)


def recorded_bar(at: int, told: tuple[str, ...], interval: str, *, is_final: bool | None = None) -> Bar:
    opened, high, low, close, volume = map(Decimal, told)
    return Bar(
        **AAPL,
        ts_recv=UnixNanos(at),
        interval=interval,
        ts_open=UnixNanos(at),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        is_final=is_final,
    )


offsets = st.integers(0, 40 * MINUTE)


@given(st.lists(st.tuples(offsets, st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=40))
def test_any_run_of_trades_makes_the_bars_that_plain_grouping_makes(run):
    run = sorted(run, key=lambda told: told[0])
    groups: dict[int, list[tuple[int, int]]] = {}
    for at, price, size in run:
        groups.setdefault(at // (5 * MINUTE), []).append((price, size))
    builder = BarBuilder(Interval.M5)
    made = [bar for at, price, size in run for bar in builder.add_trade(trade(at, str(price), str(size)))]
    made += builder.close(UnixNanos(100 * MINUTE))
    finals = [bar for bar in made if bar.is_final]
    assert [(bar.ts_open, *figures(bar)) for bar in finals] == [
        (
            number * 5 * MINUTE,
            *map(str, (group[0][0], max(p for p, _ in group), min(p for p, _ in group), group[-1][0])),
            str(sum(size for _, size in group)),
        )
        for number, group in sorted(groups.items())
    ]


def recorded_bars(name: str, interval: str) -> list[dict[str, Any]]:
    with (recorded() / "bars" / name).open() as file:
        return [row for row in map(json.loads, file) if row["interval"] == interval]


def told(row: dict[str, Any]) -> tuple[str, ...]:
    return row["open"], row["high"], row["low"], row["close"], row["volume"]


@pytest.mark.parametrize("name", ["AAPL.jsonl", "TSLA.jsonl"])
@pytest.mark.parametrize(
    ("short", "long", "interval"), [("5m", "15m", Interval.M15), ("30m", "60m", Interval.H1)], ids=["15m", "60m"]
)
def test_recorded_bars_are_made_of_the_recorded_shorter_ones(name, short, long, interval):
    length = {"15m": 15, "60m": 60}[long] * MINUTE
    builder = BarBuilder(interval)
    made = [
        bar for row in recorded_bars(name, short) for bar in builder.add_bar(recorded_bar(row["ts"], told(row), short))
    ]
    made += builder.close(UnixNanos(2**62))
    finals = {bar.ts_open: tuple(map(Decimal, figures(bar))) for bar in made if bar.is_final}
    expected = {row["ts"]: tuple(map(Decimal, told(row))) for row in recorded_bars(name, long)}
    assert all(at % length == 0 for at in finals)
    assert finals == expected


@pytest.mark.parametrize("interval", [Interval.M5, Interval.M15, Interval.M30, Interval.H1])
def test_recorded_minutes_make_longer_bars_as_plain_grouping_does(interval):
    length = {"5m": 5, "15m": 15, "30m": 30, "1h": 60}[interval.value] * MINUTE
    rows = recorded_bars("AAPL.jsonl", "1m")
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["ts"] - row["ts"] % length, []).append(row)
    builder = BarBuilder(interval)
    finals = [bar for row in rows for bar in builder.add_bar(minute_bar(row["ts"], told(row))) if bar.is_final]
    finals += builder.close(UnixNanos(2**62))
    assert [bar.ts_open for bar in finals] == list(groups)
    for bar, group in zip(finals, groups.values(), strict=True):
        assert bar.open == Decimal(group[0]["open"])
        assert bar.high == max(Decimal(row["high"]) for row in group)
        assert bar.low == min(Decimal(row["low"]) for row in group)
        assert bar.close == Decimal(group[-1]["close"])
        assert bar.volume == sum(Decimal(row["volume"]) for row in group)


def test_a_bar_of_one_feeds_trades_names_it_and_one_of_several_feeds_names_none():
    builder = BarBuilder(Interval.M1)

    def of(source, seconds):
        told = msgspec.structs.replace(trade(seconds * SECONDS, "1"), source=source)
        return builder.add_trade(told)[-1].source

    assert [of("a", 0), of("a", 1), of("b", 2), of("b", 3)] == ["a", "a", None, None]
    assert of("b", 60) == "b"
    minutes = BarBuilder(Interval.M5)
    alone = [minute_bar(minute * MINUTE, ("1", "1", "1", "1", "1")) for minute in range(3)]
    bars = [msgspec.structs.replace(one, source=source) for one, source in zip(alone, "aab", strict=True)]
    assert [minutes.add_bar(one)[-1].source for one in bars] == ["a", "a", None]
