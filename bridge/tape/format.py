"""The rows of a tape file, and what a tape is to whoever plays it.

A tape file has one JSON object a line: `ts` (integer nanoseconds, never falling) to play by, `kind`, `instrument`, and the
kind's own fields; prices and sizes are strings with the source's digits. A recorded folder leaves `kind` and `instrument`
out, because its folders and file names say them.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import msgspec

from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    FeedName,
    InstrumentId,
    OrderUpdate,
    QuotePatch,
    Side,
    Topic,
    Trade,
    UnixNanos,
    UpstreamEvent,
)

NO_FEED = FeedName("")
"""Stands for the feed until who plays the tape puts its own name in; `ts_recv` is 0 until then."""


class TapeEvent(NamedTuple):
    """One event of a tape.

    Attributes:
        delay_nanos: how long after the one before it is due, at the tape's own speed.
        event: with `feed` empty and `ts_recv` 0, and `ts_event` shifted to the start given to `Tape.events`.
    """

    delay_nanos: int
    event: UpstreamEvent


class Tape(Protocol):
    """Something to play.

    Attributes:
        topics: what it holds.
    """

    topics: tuple[Topic, ...]

    def events(self, start: UnixNanos, *, once: bool = False) -> Iterator[TapeEvent]:
        """Play from the beginning as if it began at `start`; lap after lap with new trade ids unless `once`."""
        ...


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What every row has."""

    ts: int
    ts_event: int | None = None


class SnapshotRow(Row, frozen=True, kw_only=True):
    """A whole book, best first."""

    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


class UpdateRow(SnapshotRow, frozen=True, kw_only=True):
    """Changed levels; size 0 removes."""


class TradeRow(Row, frozen=True, kw_only=True):
    """A match; `side` is the aggressor's."""

    price: Decimal
    size: Decimal
    id: str | None = None
    side: Side | None = None


class QuoteRow(Row, frozen=True, kw_only=True):
    """What became known of a quote."""

    bid: Decimal | None = None
    bid_size: Decimal | None = None
    ask: Decimal | None = None
    ask_size: Decimal | None = None
    last: Decimal | None = None
    volume: Decimal | None = None


class BarRow(Row, frozen=True, kw_only=True):
    """A finished bar; `ts` is its opening time."""

    interval: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None = None


ROWS: dict[str, type[Row]] = {
    "snapshot": SnapshotRow,
    "update": UpdateRow,
    "trade": TradeRow,
    "quote": QuoteRow,
    "bar": BarRow,
}
"""The kinds of rows by the word in the file."""

_INTERVALS = {"60m": "1h", "240m": "4h"}
"""Spellings of recorders that are not ours."""


def _levels(rows: list[tuple[Decimal, Decimal]]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(price, size) for price, size in rows)


def event_of(row: Row, instrument: InstrumentId) -> UpstreamEvent:
    """Turn a row into the event it tells, at its recorded times."""
    base: dict[str, Any] = {
        "instrument": instrument,
        "feed": NO_FEED,
        "ts_recv": UnixNanos(0),
        "ts_event": UnixNanos(row.ts if row.ts_event is None else row.ts_event),
    }
    match row:
        case UpdateRow():
            return BookDelta(bids=_levels(row.bids), asks=_levels(row.asks), **base)
        case SnapshotRow():
            return BookSnapshot(bids=_levels(row.bids), asks=_levels(row.asks), **base)
        case TradeRow():
            return Trade(price=row.price, size=row.size, trade_id=row.id, aggressor_side=row.side, **base)
        case QuoteRow():
            known: dict[str, Any] = {
                name: value for name in QuoteRow.__struct_fields__[2:] if (value := getattr(row, name)) is not None
            }
            return QuotePatch(**known, **base)
        case BarRow():
            return Bar(
                interval=_INTERVALS.get(row.interval, row.interval),
                ts_open=UnixNanos(row.ts),
                open=row.open,
                high=row.high,
                low=row.low,
                close=row.close,
                volume=row.volume,
                is_final=True,
                **base,
            )
        case _:
            msg = f"no event for {type(row).__name__}"
            raise TypeError(msg)


def shifted(event: UpstreamEvent, nanos: int, lap: int) -> UpstreamEvent:
    """Return the event with its times moved by `nanos` and, on laps after the first, with ids of its own."""
    changes: dict[str, Any] = {}
    if (
        isinstance(event, Trade | QuotePatch | BookSnapshot | BookDelta | Bar | OrderUpdate)
        and event.ts_event is not None
    ):
        changes["ts_event"] = event.ts_event + nanos
    if isinstance(event, Bar) and event.ts_open is not None:
        changes["ts_open"] = event.ts_open + nanos
    if lap and isinstance(event, Trade) and event.trade_id is not None:
        changes["trade_id"] = f"{event.trade_id}.{lap}"
    if lap and isinstance(event, OrderUpdate):
        changes["order_id"] = f"{event.order_id}.{lap}"
    return msgspec.structs.replace(event, **changes) if changes else event
