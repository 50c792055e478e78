"""Tapes from files and folders: order, digits, shifted times, laps, and what is wrong with a line."""

import json
from decimal import Decimal
from itertools import islice, pairwise

import pytest

from bridge.errors import ConfigError
from bridge.model import Bar, BookDelta, BookSnapshot, QuotePatch, Trade
from bridge.tape import read_tape
from bridge.tape.reader import candidates
from tests.support.data import recorded

START = 1_800_000_000_000_000_000

ROWS = [
    {"ts": 100, "kind": "snapshot", "instrument": "X", "bids": [["1.10", "5"]], "asks": [["1.20", "7.0"]]},
    {"ts": 150, "kind": "trade", "instrument": "X", "id": "a", "price": "1.20", "size": "0.00000000", "side": "buy"},
    {"ts": 150, "kind": "update", "instrument": "X", "ts_event": 140, "bids": [], "asks": [["1.20", "0"]]},
    {"ts": 900, "kind": "quote", "instrument": "Y", "last": "3.0"},
]


@pytest.fixture
def tape_file(tmp_path):
    path = tmp_path / "tape.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_rows_come_in_order_with_their_distances_and_exact_digits(tape_file):
    played = list(read_tape(tape_file).events(START, once=True))

    assert [event.delay_nanos for event in played] == [0, 50, 0, 750]
    snapshot, trade, delta, quote = (event.event for event in played)
    assert isinstance(snapshot, BookSnapshot)
    assert str(snapshot.asks[0].size) == "7.0"
    assert isinstance(trade, Trade)
    assert (str(trade.price), format(trade.size, "f"), trade.aggressor_side) == ("1.20", "0.00000000", "buy")
    assert isinstance(delta, BookDelta)
    assert delta.asks == ((Decimal("1.20"), Decimal(0)),)
    assert isinstance(quote, QuotePatch)
    assert str(quote.last) == "3.0"


def test_times_are_shifted_so_that_the_first_row_falls_on_the_start(tape_file):
    times = [event.event.ts_event for event in read_tape(tape_file).events(START, once=True)]
    assert times == [START, START + 50, START + 40, START + 800]


def test_each_lap_begins_with_the_snapshot_again_and_has_trade_ids_of_its_own(tape_file):
    played = list(islice(read_tape(tape_file).events(START), 12))
    trades = [event.event.trade_id for event in played if isinstance(event.event, Trade)]
    assert trades == ["a", "a.1", "a.2"]
    assert isinstance(played[4].event, BookSnapshot)
    times = [START + sum(event.delay_nanos for event in played[: n + 1]) for n in range(12)]
    assert all(later >= earlier for earlier, later in pairwise(times))
    assert played[4].event.ts_event == times[4]


def test_topics_are_what_the_rows_hold(tape_file):
    assert [str(topic) for topic in read_tape(tape_file).topics] == ["book:X", "trade:X", "quote:Y"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "tape.jsonl:5: not a row of a tape"),
        ('{"ts":1,"kind":"candle","instrument":"X"}', "no row kind 'candle'; there are snapshot, update, trade"),
        ('{"ts":1,"kind":"trade","price":"1","size":"1"}', "the row names no instrument"),
        ('{"ts":1,"kind":"trade","instrument":"X","price":"1"}', "missing required field `size`"),
    ],
)
def test_a_wrong_line_is_named_by_file_and_number(tape_file, line, said):
    tape_file.write_text(tape_file.read_text() + line + "\n")
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        read_tape(tape_file)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the tape .*No such file"):
        read_tape(tmp_path / "none.jsonl")


def test_an_empty_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no recordings \(l2/"):
        read_tape(tmp_path)


def test_a_recordings_name_is_read_with_and_without_its_exchange():
    assert candidates("BTCUSDT.binance") == ("BINANCE:BTCUSDT", "BTC-USD")
    assert candidates("AAPL") == ("NASDAQ:AAPL", "AAPL")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_recorded_session_is_read_whole_in_order_and_digit_for_digit():
    folder = recorded()
    tape = read_tape(folder, accepts=lambda instrument: instrument == "BTC-USD")
    events = [event.event for event in tape.events(START, once=True)]

    rows = lines(folder / "trades/BTCUSDT.binance.jsonl")
    trades = [event for event in events if isinstance(event, Trade)]
    assert len(trades) == len(rows) == 4000
    assert [(t.trade_id, format(t.price, "f"), format(t.size, "f")) for t in trades] == [
        (row["id"], row["price"], row["size"]) for row in rows
    ]
    assert sum(isinstance(event, BookSnapshot | BookDelta) for event in events) == 1201
    books = [event for event in events if isinstance(event, BookDelta)]
    assert sum(len(book.bids) + len(book.asks) for book in books) == sum(
        len(row["bids"]) + len(row["asks"])
        for row in lines(folder / "l2/BTCUSDT.binance.jsonl")
        if row["kind"] == "update"
    )


def test_recordings_of_one_session_keep_their_distances_and_bars_begin_by_themselves():
    tape = read_tape(recorded(), accepts=lambda instrument: ":" not in instrument)
    due, first = 0, {}
    for delay, event in tape.events(START, once=True):
        due += delay
        kind = (
            f"{event.interval} {event.instrument}"
            if isinstance(event, Bar)
            else type(event).__name__ + event.instrument
        )
        first.setdefault(kind, due)
    assert first["5m AAPL"] == first["1d TSLA"] == 0
    # the quotes of the session begin first; the first trade came 5,300 ns and the snapshot 118.760799 ms after it
    assert first["TradeBTC-USD"] - first["QuotePatchBTC-USD"] == 5_300
    assert first["BookSnapshotBTC-USD"] - first["QuotePatchBTC-USD"] == 118_760_799
