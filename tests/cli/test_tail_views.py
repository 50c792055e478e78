"""The live table: what a person sees of each kind of event, and that a stream cannot steer the terminal."""

import io

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bridge.cli.tail_views import LiveTable, printable, read_event, sentence


def shown(*events, width=150):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    table = LiveTable(console)
    for event in events:
        table.show(event, msgspec.json.encode(event))
    console.print(table.render())
    return console.file.getvalue()


def event(kind, **fields):
    return {
        "type": kind,
        "id": "e-1",
        "instrument": "BTC-USD",
        "feed": "liquidity",
        "ts_recv": "2026-03-19T00:34:44.250Z",
        **fields,
    }


def test_one_row_a_topic_with_the_newest_values():
    text = shown(
        event("quote", bid="1.50", ask="1.60", last="1.55", change_percent="-1.69"),
        event("trade", price="83421.50", size="0.5", aggressor_side="buy"),
        event("trade", price="83422.00", size="0.7"),
        event("bar", interval="5m", open="1", high="3", low="1", close="2", is_final=True),
        event("order", order_id="ord_1", side="buy", filled_quantity="1", quantity="3", status="partially_filled"),
        event("feed_status", status="stale", reason="no data"),
    )
    rows = [line for line in text.splitlines() if "liquidity" in line]
    assert len(rows) == 5
    assert "1.50 / 1.60   last 1.55  -1.69 %" in text
    assert "0.7 @ 83422.00" in text
    assert "83421.50" not in text
    assert "o 1  h 3  l 1  c 2  final" in text
    assert "buy 1/3 BTC-USD partially_filled" in text
    assert "stale no data" in text
    assert "00:34:44.250" in text


def test_a_book_is_kept_from_its_snapshot_and_changes():
    text = shown(
        event("book_snapshot", bids=[["99", "1"], ["100", "2"]], asks=[["101", "3"], ["9", "7"]], sequence=1),
        event("book_snapshot", bids=[["99", "1"], ["100", "2"]], asks=[["101", "3"]], sequence=1),
        event("book_delta", bids=[["100", "0"], ["98.5", "4"]], asks=[["100.5", "6"]], sequence=2, prev_sequence=1),
    )
    assert "1 x 99  |  100.5 x 6   (2/2 levels)" in text
    assert "3" in text


def test_what_is_missing_is_a_dash():
    text = shown(event("quote", last="1"), event("book_snapshot", bids=[], asks=[], sequence=1))
    assert "- / -   last 1" in text
    assert "-  |  -   (0/0 levels)" in text


def test_notices_stand_below_the_newest_last():
    console = Console(file=io.StringIO(), width=100)
    table = LiveTable(console)
    for number in range(20):
        table.notice(f"gap {number:02}")
    console.print(table.render())
    text = console.file.getvalue()
    assert "gap 11" not in text
    assert text.index("gap 12") < text.index("gap 19")


def test_a_stream_cannot_steer_the_terminal():
    text = shown(event("quote", last="\x1b[2J\x07[bold]x"), event("trade", price="\x1b]0;t\x07", size="1"))
    assert "\x1b" not in text
    assert "[bold]x" in text
    assert printable("a\nb\u202e\x9b") == "a?b??"


FIELDS = "instrument feed bids asks price size interval open ts_recv reason topics from code"
KINDS = "quote trade book_snapshot book_delta bar order feed_status gap problem stream expiring nonsense"
values = st.none() | st.integers() | st.text() | st.lists(st.integers() | st.lists(st.text(), max_size=2))


@given(st.sampled_from(KINDS.split()), st.dictionaries(st.sampled_from(FIELDS.split()), values))
def test_no_event_can_break_the_table(kind, fields):
    assert shown({"type": kind, **fields})
    assert sentence({"type": kind, **fields}) is None or kind in ("gap", "feed_status", "problem", "expiring")


def test_a_person_is_told_when_the_token_ends():
    told = sentence({"type": "expiring", "id": "e-1", "expires": "2026-01-01T00:00:00Z"})
    assert told == "the token ends at 2026-01-01T00:00:00Z, and the stream with it"


def test_json_that_is_no_event_is_none():
    assert read_event(b'{"type":"quote"}') == {"type": "quote"}
    for data in (b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000):
        assert read_event(data) is None
