"""Reads tapes: one file, or a folder of recordings laid out as `l2/ trades/ quotes/ bars/`, one file an instrument.

Rows are merged by `ts` while they are read, so a tape is never held in memory. A malformed line is a `ConfigError` that
names file and line: whoever chose the tape can mend it.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from bridge.errors import ConfigError
from bridge.model import (
    Bar,
    BookDelta,
    BookSnapshot,
    InstrumentId,
    QuotePatch,
    Topic,
    TopicKind,
    Trade,
    UnixNanos,
    UpstreamEvent,
    topic_of,
)
from bridge.tape.format import ROWS, TapeEvent, event_of, shifted

Accepts = Callable[[InstrumentId], bool]
"""Whether who plays the tape can spell an instrument."""

LAP_PAUSE_NANOS = 1_000_000_000
"""Between the last event of a lap and the first of the next."""

_FOLDER_KINDS = {"l2": "", "trades": "trade", "quotes": "quote", "bars": "bar"}
"""What the rows of a folder are; `l2` rows say it themselves."""


class _Head(msgspec.Struct):
    ts: int
    kind: str = ""
    instrument: str = ""
    interval: str = ""


class _Source(msgspec.Struct, frozen=True):
    """Rows of one file; "" where the rows themselves say it.

    Attributes:
        interval: only bars of this one.
        session: sources of one session were recorded at the same time and keep their distances.
    """

    path: Path
    kind: str = ""
    instrument: str = ""
    interval: str = ""
    session: str = ""

    def rows(self) -> Iterator[tuple[int, UpstreamEvent]]:
        """Yield (ts, event) in the file's order, at the recorded times."""
        try:
            with self.path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    row = self._row(line, number)
                    if row is not None:
                        yield row
        except OSError as error:
            raise ConfigError(f"cannot read the tape {self.path}: {error.strerror}") from error

    def _row(self, line: bytes, number: int) -> tuple[int, UpstreamEvent] | None:
        try:
            head = msgspec.json.decode(line, type=_Head)
            if self.interval and head.interval != self.interval:
                return None
            row = msgspec.json.decode(line, type=ROWS[head.kind or self.kind])
        except KeyError as error:
            raise ConfigError(f"{self.path}:{number}: no row kind {error}; there are {', '.join(ROWS)}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path}:{number}: not a row of a tape: {error}") from error
        instrument = head.instrument or self.instrument
        if not instrument:
            raise ConfigError(f"{self.path}:{number}: the row names no instrument")
        return row.ts, event_of(row, InstrumentId(instrument))


def candidates(stem: str) -> tuple[InstrumentId, ...]:
    """Return how a recording's file name may be meant, most specific first.

    `BTCUSDT.binance` is `BINANCE:BTCUSDT` to who knows exchanges and `BTC-USD` to who does not; likewise `AAPL` is
    `NASDAQ:AAPL` or `AAPL`.
    """
    ticker, dot, exchange = stem.partition(".")
    plain = f"{ticker.removesuffix('USDT')}-USD" if ticker.endswith("USDT") else ticker
    return InstrumentId(f"{exchange.upper() if dot else 'NASDAQ'}:{ticker}"), InstrumentId(plain)


def _sources(path: Path, accepts: Accepts) -> list[_Source]:
    if not path.is_dir():
        return [_Source(path)]
    found: list[_Source] = []
    for folder, kind in _FOLDER_KINDS.items():
        for file in sorted((path / folder).glob("*.jsonl")):
            instrument = next((name for name in candidates(file.name.removesuffix(".jsonl")) if accepts(name)), None)
            if instrument is not None:
                found.extend(_file_sources(file, kind, instrument))
    if not found:
        raise ConfigError(
            f"{path} holds no recordings (l2/ trades/ quotes/ bars/ with *.jsonl) that can be spelled here"
        )
    return found


def _file_sources(file: Path, kind: str, instrument: InstrumentId) -> Iterator[_Source]:
    """Bars stand in a file interval by interval, and at another time than the other recordings of their instrument."""
    if kind != "bar":
        yield _Source(file, kind, instrument, session=instrument)
        return
    for interval in {msgspec.json.decode(line, type=_Head).interval: None for line in file.read_bytes().splitlines()}:
        yield _Source(file, kind, instrument, interval, session=f"{instrument} {interval}")


class RecordedTape:
    """A tape over files.

    Every session is moved so that its first row falls on the start; each book begins with its snapshot on every lap.

    Args:
        sources: the files; each one's `ts` never falls.
    """

    def __init__(self, sources: Sequence[_Source]) -> None:
        self._sources = sources
        self._origins: dict[str, int] = {}
        topics: dict[Topic, None] = {}
        for source in sources:
            for ts, event in source.rows():
                self._origins[source.session] = min(ts, self._origins.get(source.session, ts))
                topics[_topic(event)] = None
        self.topics = tuple(topics)

    def events(self, start: UnixNanos, *, once: bool = False) -> Iterator[TapeEvent]:
        """Play as if the first row of each session had been at `start`; lap after lap with new trade ids unless `once`."""
        begin, lap, delay = int(start), 0, 0
        while self._origins:
            last = 0
            for due, origin, event in heapq.merge(*map(self._timed, self._sources), key=_due):
                yield TapeEvent(delay + due - last, shifted(event, begin - origin, lap))
                delay, last = 0, due
            if once:
                return
            begin, lap, delay = begin + last + LAP_PAUSE_NANOS, lap + 1, LAP_PAUSE_NANOS

    def _timed(self, source: _Source) -> Iterator[tuple[int, int, UpstreamEvent]]:
        origin = self._origins[source.session]
        for ts, event in source.rows():
            yield ts - origin, origin, event


def _due(entry: tuple[int, int, UpstreamEvent]) -> int:
    return entry[0]


def _topic(event: UpstreamEvent) -> Topic:
    match event:
        case QuotePatch():
            return Topic(TopicKind.QUOTE, event.instrument)
        case Trade() | BookSnapshot() | BookDelta() | Bar():
            return topic_of(event)
        case _:
            msg = f"no row makes a {type(event).__name__}"
            raise TypeError(msg)


def read_tape(path: str | Path, accepts: Accepts = lambda _: True) -> RecordedTape:
    """Open a tape: a file in our format, or a folder of recordings.

    Args:
        path: the file or folder.
        accepts: which instruments can be spelled by who plays it; a folder's other files are left out.

    Raises:
        ConfigError: it cannot be read, or a line is malformed.
    """
    return RecordedTape(_sources(Path(path), accepts))
