"""How `feedbridge tail` shows events: JSON lines into a pipe, a live table on a terminal.

Lines are the events' bytes as they came; what a person should notice beside them (gaps, a feed's trouble, a lost
connection) goes to stderr. On the terminal everything is made printable first, because a stream must not be able to
steer it.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO, Protocol, Self

import msgspec
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

NOTICES = 8
"""Notices kept below the table."""

WIDE = 110
"""Columns of a terminal from which on there is room for more than the topic, its newest values and the time."""

Event = Mapping[str, Any]
"""A decoded canonical event."""


class View(Protocol):
    """Where events go."""

    def show(self, event: Event, data: bytes) -> None:
        """Take an event and its bytes as received."""
        ...

    def notice(self, text: str) -> None:
        """Say something about the stream, in one sentence."""
        ...

    def flush(self) -> None:
        """The end of a batch of events."""
        ...

    def redraw(self) -> None:
        """Called a few times a second."""
        ...


class Lines:
    """JSON lines, one an event.

    Args:
        out: where to.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._fresh = False

    def show(self, event: Event, data: bytes) -> None:  # the contract's; the bytes are enough here
        """Write the event as it came; line breaks between JSON's tokens become spaces."""
        self._out.write(data.replace(b"\n", b" ") + b"\n")
        self._fresh = True

    def notice(self, text: str) -> None:
        """Write to stderr."""
        print(f"feedbridge: {printable(text)}", file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Let the reader have what is new."""
        if self._fresh:
            self._fresh = False
            self._out.flush()

    def redraw(self) -> None:
        """Nothing: lines are not drawn again."""


class Row:
    """What the table shows of one topic."""

    def __init__(self) -> None:
        self.count = 0
        self.event: Event = {}
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}

    def take(self, event: Event) -> None:
        """Remember the newest; keep a book's levels."""
        self.count += 1
        self.event = event
        if event["type"] == "book_snapshot":
            self.bids.clear()
            self.asks.clear()
        if event["type"] in ("book_snapshot", "book_delta"):
            for side, levels in ((self.bids, event["bids"]), (self.asks, event["asks"])):
                for price, size in levels:
                    if size == "0":
                        side.pop(price, None)
                    else:
                        side[price] = size

    def best(self) -> str:
        """The best bid and ask with their sizes."""
        bid = max(self.bids, key=Decimal, default=None)
        ask = min(self.asks, key=Decimal, default=None)
        left = "-" if bid is None else f"{self.bids[bid]} x {bid}"
        right = "-" if ask is None else f"{ask} x {self.asks[ask]}"
        return f"{left}  |  {right}   ({len(self.bids)}/{len(self.asks)} levels)"


class LiveTable:
    """One row a topic with its newest values. A context manager.

    Args:
        console: the terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: dict[tuple[str, ...], Row] = {}
        self._notices: deque[str] = deque(maxlen=NOTICES)
        self._live = Live(console=console, auto_refresh=False)
        self._fresh = True

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.redraw()
        self._live.stop()

    def show(self, event: Event, data: bytes) -> None:
        """Take an event into its row; one that is not as the contract says becomes a notice."""
        key = _row_key(event)
        if key is None:
            return
        try:
            self._rows.setdefault(key, Row()).take(event)
        except (KeyError, TypeError, ValueError):
            self.notice(f"an event that is not as the contract says: {data[:100].decode(errors='replace')}")
        self._fresh = True

    def notice(self, text: str) -> None:
        """Put a sentence below the table."""
        self._notices.append(f"{time.strftime('%H:%M:%S')}  {text}")
        self._fresh = True

    def flush(self) -> None:
        """Nothing: however many events come, the table is drawn a few times a second."""

    def redraw(self) -> None:
        """Draw when something is new."""
        if self._fresh:
            self._live.update(self.render(), refresh=True)
            self._fresh = False

    def render(self) -> Group:
        """Return what the terminal shows."""
        wide = self._console.width >= WIDE
        more = (("feed", "dim"), ("events", "dim")) if wide else ()
        table = Table(expand=True, box=box.SIMPLE_HEAD, pad_edge=False)
        for name, style in (("topic", "cyan"), ("newest", ""), *more, ("time", "dim")):
            table.add_column(name, style=style, no_wrap=True, ratio=4 if name == "newest" else None)
        for key, row in self._rows.items():
            event = row.event
            extra = (event.get("feed", ""), row.count) if wide else ()
            clock = str(event.get("ts_recv", ""))[11 : 23 if wide else 19]
            cells = (" ".join(key), summary(row), *extra, clock)
            table.add_row(*(Text(printable(str(cell))) for cell in cells))
        return Group(table, *(Text(printable(notice), style="yellow") for notice in self._notices))


def _row_key(event: Event) -> tuple[str, ...] | None:
    """Return the row an event belongs to; None for what is only a notice."""
    match event.get("type"):
        case "quote" | "trade" as kind:
            return (kind, str(event.get("instrument")))
        case "book_snapshot" | "book_delta":
            depth = event.get("depth")
            return ("book" if depth is None else f"book.{depth}", str(event.get("instrument")))
        case "bar":
            return (f"bar.{event.get('interval')}", str(event.get("instrument")))
        case "order":
            return ("order", str(event.get("order_id")))
        case "feed_status":
            return ("status", str(event.get("feed")))
        case _:
            return None


def summary(row: Row) -> str:
    """Say a row's newest event in a few words."""
    tell = _SUMMARIES.get(str(row.event.get("type")))
    try:
        return "" if tell is None else tell(row)
    except (KeyError, TypeError, ValueError, InvalidOperation):  # not as the contract says, and not worth dying for
        return "?"


def _quote(row: Row) -> str:
    event = row.event
    percent = f"  {event['change_percent']} %" if "change_percent" in event else ""
    return f"{event.get('bid', '-')} / {event.get('ask', '-')}   last {event.get('last', '-')}{percent}"


_SUMMARIES: Mapping[str, Callable[[Row], str]] = {
    "quote": _quote,
    "trade": lambda row: "{size} @ {price} {side}".format(**row.event, side=row.event.get("aggressor_side", "")),
    "book_snapshot": Row.best,
    "book_delta": Row.best,
    "bar": lambda row: "o {open}  h {high}  l {low}  c {close}{end}".format(
        **row.event, end="  final" if row.event.get("is_final") else ""
    ),
    "order": lambda row: "{side} {filled_quantity}/{quantity} {instrument} {status}".format(**row.event),
    "feed_status": lambda row: "{status} {why}".format(**row.event, why=row.event.get("reason", "")),
}


def sentence(event: Event) -> str | None:
    """Return what a person should notice about an event beside the data; None for plain data."""
    match event.get("type"):
        case "gap":
            fate = "repaired" if event.get("repaired") else "lost"
            told = event.get("topics")
            topics = ", ".join(map(str, told)) if isinstance(told, list) else told
            return (
                f"gap in {topics}: {fate}, from {event.get('from')} to {event.get('to')} (cause: {event.get('cause')})"
            )
        case "feed_status":
            reason = f": {event['reason']}" if event.get("reason") else ""
            return f"feed {event.get('feed')} is {event.get('status')}{reason}"
        case "problem":
            return f"{event.get('code')}: {event.get('message')}"
        case "expiring":
            return f"the token ends at {event.get('expires')}, and the stream with it"
        case "stream" if event.get("verdict") == "reset":
            return "the stream could not go on where it stopped; it begins anew"
        case _:
            return None


def printable(text: str) -> str:
    """Replace whatever could steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def read_event(data: bytes) -> Event | None:
    """Read an event's JSON; None when it is not an object."""
    try:
        event = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
