"""Derived bars and quotes against the recordings, computed here by other means: the calendar of `datetime`, plain lists, sums.

1m is made of the recorded trades; 5m to a month of recorded shorter bars. Held are the final bars, how each open bar stands
after every event, and which are partial; the quote is held against a plain book of dictionaries.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from bridge.broker.memory import MemoryLog
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    Covered,
    FeedName,
    InstrumentId,
    Quote,
    Topic,
    Trade,
    UnixNanos,
    Want,
)
from tests.support.data import recorded

FEED = FeedName("f")
BASE: dict[str, Any] = {"instrument": InstrumentId("X"), "feed": FEED}
ROOMY = Bound(10**9, lambda some: 100 * len(some), lambda: None)

Row = dict[str, Any]


class Figures(NamedTuple):
    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def rows(name: str) -> list[Row]:
    return [json.loads(line) for line in (recorded() / name).read_text().splitlines()]


def start_of(interval: str, nanos: int) -> int:
    """When the interval that holds a moment began, by the calendar of `datetime`."""
    moment = datetime.fromtimestamp(nanos // 10**9, UTC)
    day = moment.replace(hour=0, minute=0, second=0)
    begun = {
        "1m": moment.replace(second=0),
        "5m": moment.replace(minute=moment.minute // 5 * 5, second=0),
        "15m": moment.replace(minute=moment.minute // 15 * 15, second=0),
        "30m": moment.replace(minute=moment.minute // 30 * 30, second=0),
        "1h": moment.replace(minute=0, second=0),
        "4h": moment.replace(hour=moment.hour // 4 * 4, minute=0, second=0),
        "1d": day,
        "1w": day - timedelta(days=day.weekday()),
        "1mo": day.replace(day=1),
    }[interval]
    return round(begun.timestamp()) * 10**9


def independent(interval: str, parts: list[tuple[int, Figures]], every: int = 1) -> Iterator[list[Figures] | None]:
    """After each part, all bars so far, the open one last, made anew of everything that it holds; None = not looked at."""
    group: list[Figures] = []
    done: list[Figures] = []
    start = None
    for number, (moment, part) in enumerate(parts):
        turned = start != (begun := start_of(interval, moment))
        if turned:
            done += [bar_of(start or 0, group)] if group else []
            start, group = begun, []
        group.append(part)
        yield [*done, bar_of(begun, group)] if turned or number % every == 0 else None


def bar_of(start: int, parts: list[Figures]) -> Figures:
    return Figures(
        start,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum((part.volume for part in parts), Decimal(0)),
    )


def figures(bar: Bar) -> Figures:
    assert bar.derived
    assert bar.ts_open is not None
    assert bar.volume is not None
    return Figures(bar.ts_open, bar.open, bar.high, bar.low, bar.close, bar.volume)


def hub_of(wanted: str, *sources: str) -> tuple[Hub, Callable[[], list[Bar]]]:
    """A hub whose feed has only the sources, and what it says of the wanted bars since the last time."""
    made_of = {Topic.parse(wanted): tuple(Topic.parse(source) for source in sources)}
    hub = Hub(MemoryLog(), lambda: UnixNanos(0), HubSettings(), lambda want: made_of.get(want.topic, (want.upstream,)))
    subscription = hub.open([Want(Topic.parse(wanted), FEED)], None, ROOMY)

    def said() -> list[Bar]:
        return [one.event for one in subscription.take() if isinstance(one.event, Bar)]

    return hub, said


def cover(hub: Hub, since: int, *topics: str) -> None:
    hub.publish(Covered(feed=FEED, topics=tuple(map(Topic.parse, topics)), ts_recv=UnixNanos(since)))


def hold_to(expected: Iterator[list[Figures] | None], published: Iterator[list[Bar]], whole_from: int) -> int:
    """Compare after every event; return how many final bars there were."""
    final: list[Bar] = []
    newest: Bar | None = None
    for standing, said in zip(expected, published, strict=True):
        final += [bar for bar in said if bar.is_final]
        newest = said[-1] if said else newest  # an event that changes nothing is not said
        assert newest is not None
        assert newest.is_final is False
        assert all(bar.partial == (bar.ts_open is not None and bar.ts_open < whole_from) for bar in said)
        if standing is not None:
            assert [figures(bar) for bar in final] == standing[:-1]
            assert figures(newest) == standing[-1]
    return len(final)


@pytest.mark.parametrize("late", [False, True])
def test_minutes_of_the_recorded_trades_are_those_computed_independently(late):
    trades = rows("trades/BTCUSDT.binance.jsonl")
    first = trades[0]["ts_event"]
    # Either we listened since the minute's beginning, or since the first trade, in the midst of it.
    covered = first if late else start_of("1m", first)
    hub, said = hub_of("bar.1m:X", "trade:X")
    cover(hub, covered, "trade:X")

    def play() -> Iterator[list[Bar]]:
        for row in trades:
            moment = UnixNanos(row["ts_event"])
            price, size = Decimal(row["price"]), Decimal(row["size"])
            hub.publish(Trade(**BASE, ts_recv=moment, ts_event=moment, price=price, size=size, trade_id=row["id"]))
            yield said()

    parts = [(row["ts_event"], Figures(0, *(Decimal(row["price"]),) * 4, Decimal(row["size"]))) for row in trades]
    whole_from = start_of("1m", first) + 60 * 10**9 if late else 0
    assert hold_to(independent("1m", parts, every=10), play(), whole_from) == 3


SHORTER = [
    ("AAPL", "1m", "5m"),
    ("AAPL", "1m", "15m"),
    ("TSLA", "5m", "15m"),
    ("TSLA", "5m", "30m"),
    ("AAPL", "30m", "1h"),
    ("AAPL", "30m", "4h"),
    ("BTCUSDT.binance", "60m", "4h"),
    ("BTCUSDT.binance", "60m", "1d"),
    ("TSLA", "5m", "1d"),
    ("BTCUSDT.binance", "1d", "1w"),
    ("AAPL", "1d", "1mo"),
]


@pytest.mark.parametrize(("name", "shorter", "interval"), SHORTER)
def test_longer_bars_of_recorded_shorter_ones_are_those_computed_independently(name, shorter, interval):
    bars = [row for row in rows(f"bars/{name}.jsonl") if row["interval"] == shorter]
    word = {"60m": "1h"}.get(shorter, shorter)
    hub, said = hub_of(f"bar.{interval}:X", f"bar.{word}:X")
    cover(hub, bars[0]["ts"], f"bar.{word}:X")

    def play() -> Iterator[list[Bar]]:
        for row in bars:
            hub.publish(
                Bar(
                    **BASE,
                    ts_recv=UnixNanos(row["ts"]),
                    interval=word,
                    ts_open=UnixNanos(row["ts"]),
                    **{key: Decimal(row[key]) for key in ("open", "high", "low", "close", "volume")},
                )
            )
            yield said()

    parts = [
        (row["ts"], Figures(0, *(Decimal(row[key]) for key in ("open", "high", "low", "close", "volume"))))
        for row in bars
    ]
    whole_from = bars[0]["ts"]
    assert hold_to(independent(interval, parts), play(), whole_from) > 1


def test_the_quote_made_of_the_recorded_book_and_trades_is_a_plain_books_top_and_the_newest_trade():
    frames = rows("l2/BTCUSDT.binance.jsonl")
    trades = rows("trades/BTCUSDT.binance.jsonl")
    hub, _ = hub_of("quote:X", "book:X", "trade:X")
    want = Want(Topic.parse("quote:X"), FEED)
    cover(hub, 0, "book:X", "trade:X")
    bids: dict[Decimal, Decimal] = {}
    asks: dict[Decimal, Decimal] = {}
    last: Row | None = None
    compared = 0
    for row in sorted([*frames, *trades], key=lambda row: row["ts"]):
        if "kind" in row:
            hub.publish(book_event(row))
            for side, levels in ((bids, row["bids"]), (asks, row["asks"])):
                side.update((Decimal(price), Decimal(size)) for price, size in levels)
        else:
            last = row
            moment = UnixNanos(row["ts_event"])
            hub.publish(
                Trade(
                    **BASE,
                    ts_recv=UnixNanos(row["ts"]),
                    ts_event=moment,
                    price=Decimal(row["price"]),
                    size=Decimal(row["size"]),
                )
            )
        bids, asks = ({price: size for price, size in side.items() if size} for side in (bids, asks))
        standing = hub.state(want)
        if not bids or last is None or standing is None:
            continue
        quote = standing.event
        assert isinstance(quote, Quote)
        assert quote.derived
        best_bid, best_ask = max(bids), min(asks)
        assert (quote.bid, quote.bid_size) == (best_bid, bids[best_bid])
        assert (quote.ask, quote.ask_size) == (best_ask, asks[best_ask])
        assert (quote.last, quote.last_size) == (Decimal(last["price"]), Decimal(last["size"]))
        compared += 1
    assert compared > 3_000


def book_event(row: Row) -> BookSnapshot | BookDelta:
    kind = BookSnapshot if row["kind"] == "snapshot" else BookDelta
    sides = {
        side: tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in row[side]) for side in ("bids", "asks")
    }
    moment = row.get("ts_event")
    return kind(**BASE, ts_recv=UnixNanos(row["ts"]), ts_event=None if moment is None else UnixNanos(moment), **sides)
