"""Every file in `examples/`, run as a user runs it against a demo or simulator; what it prints is checked against the bridge.

A new example without a test of its name fails `test_every_example_is_tested`.
"""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.support.commands import ROOT, free_port, running

EXAMPLES = ROOT / "examples"
FILES = sorted(path for path in EXAMPLES.iterdir() if path.is_file())
AT_MOST_SECONDS = 60
SECRET = "0123456789abcdef0123456789abcdef"


def command(name, *arguments):
    return ["bash" if name.endswith(".sh") else sys.executable, str(EXAMPLES / name), *map(str, arguments)]


def run(name, *arguments):
    return subprocess.run(
        command(name, *arguments), capture_output=True, text=True, timeout=AT_MOST_SECONDS, check=False
    )


def lines_of(done):
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def demo():
    port = free_port()
    with running("demo", "--port", str(port)) as process:
        process.wait_for("Ctrl-C")
        yield f"http://127.0.0.1:{port}"


@contextmanager
def simulator(dialect, *options):
    """A vendor's simulator; yields its URL and the token that it printed."""
    with running("simulate", dialect, "--port", "0", *options) as process:
        url = process.wait_for(r"simulates \w+ at (\S+)")[1]
        yield url, process.wait_for(r"^token (\S+)")[1]


@contextmanager
def bridge_before(folder, feed, *more):
    """A bridge with one feed and a short linger; yields its URL."""
    config = folder / "bridge.toml"
    config.write_text('[listen]\nbind = ["127.0.0.1:0"]\n[auth]\nmode = "none"\n[limits]\nlinger_seconds = 1\n' + feed)
    with running("serve", "--config", str(config), "--log-level", "error", *more) as process:
        yield process.wait_for(r"serves (\S+)")[1]


@contextmanager
def watched(url, topics):
    """What the bridge itself says of `topics` meanwhile, by curl; the list is full when the block has ended."""
    seen = []
    curl = subprocess.Popen(["curl", "-sN", f"{url}/v1/stream?subscribe={topics}"], stdout=subprocess.PIPE, text=True)
    while "verdict" not in curl.stdout.readline():
        pass
    try:
        yield seen
        time.sleep(0.5)
    finally:
        curl.terminate()
        told, _ = curl.communicate()
        seen += [json.loads(line.removeprefix("data: ")) for line in told.splitlines() if line.startswith("data: {")]


def test_every_example_is_tested_and_says_what_to_try():
    for path in FILES:
        assert any(name.startswith(f"test_{path.stem}_") for name in globals()), f"no test runs {path.name}"
        assert re.search(r"\bTry\b", path.read_text()), f"{path.name} does not say what to try"


def test_price_alert_reports_a_crossing_with_the_bridges_own_digits(demo):
    with watched(demo, "quote:NASDAQ:AAPL") as seen:
        told = lines_of(run("price_alert.py", "quote:NASDAQ:AAPL", "--url", demo, "--count", 1))
    when, instrument, price, _, line, direction = told[-1].split()
    assert told[-1].split()[3] == "crossed"
    assert instrument == "NASDAQ:AAPL"
    quotes = [event for event in seen if event["type"] == "quote"]
    (crossing,) = [event for event in quotes if event["ts_recv"] == when and event["last"] == price][:1]
    assert (Decimal(price) > Decimal(line)) == (direction == "up")
    before = [Decimal(event["last"]) for event in quotes[: quotes.index(crossing)]]
    last_off_the_line = next(last for last in reversed(before) if last != Decimal(line))
    assert (last_off_the_line > Decimal(line)) != (direction == "up")


def test_portfolio_adds_up_what_the_bridge_quotes(demo):
    with watched(demo, "quote:BTC-USD,quote:NASDAQ:AAPL") as seen:
        time.sleep(0.5)
        told = lines_of(
            run("portfolio.py", "BTC-USD=0.5", "NASDAQ:AAPL=-120", "--url", demo.replace("http", "ws"), "--count", 6)
        )
    quoted = {(event["instrument"], event["last"]) for event in seen if event["type"] == "quote"}
    whole = [line for line in told if " + " in line]
    assert whole, told
    for line in whole:
        value, bitcoin, apple = re.fullmatch(r"(-?[\d,.]+) = 0\.5 x ([\d.]+) \+ -120 x ([\d.]+)", line).groups()
        assert {("BTC-USD", bitcoin), ("NASDAQ:AAPL", apple)} <= quoted
        exact = Decimal("0.5") * Decimal(bitcoin) - 120 * Decimal(apple)
        assert abs(Decimal(value.replace(",", "")) - exact) <= Decimal("0.005")


def test_portfolio_says_which_instrument_does_not_exist_and_goes_on(demo):
    told = lines_of(run("portfolio.py", "BTC-USD=1", "NOPE=1", "--url", demo.replace("http", "ws"), "--count", 4))
    assert any(line.startswith("! ") and "NOPE" in line for line in told)
    assert told[-1].endswith("(no price yet: NOPE)")


def test_portfolio_and_price_alert_refuse_what_is_no_position_or_no_number():
    for done in (run("portfolio.py", "BTC-USD"), run("price_alert.py", "quote:A", "high")):
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def trades(out):
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_pipeline_resumes_from_its_file_without_a_double_even_after_half_a_line(demo, tmp_path):
    out = tmp_path / "trades.jsonl"
    lines_of(run("pipeline.py", "--url", demo, "--out", out, "--count", 4))
    with out.open("a") as file:
        file.write('{"cursor": "kill')  # killed while it wrote
    lines_of(run("pipeline.py", "--url", demo, "--out", out, "--count", 4))
    kept = trades(out)
    assert {event["type"] for event in kept} == {"trade"}
    numbers = [int(event["trade_id"].rpartition("_")[2]) for event in kept]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "doubled or missing"
    assert len(numbers) >= 8


def test_pipeline_declares_a_gap_when_it_was_away_for_longer_than_the_linger(tmp_path):
    out = tmp_path / "trades.jsonl"
    with simulator("liquidity") as (vendor, token):
        feed = f'[feeds.lq]\ndialect = "liquidity"\nurl = "{vendor}"\ntoken = "{token}"\n'
        feed += '[instruments."BTC-USD"]\nliquidity = { sse = "BTC", rest = "BTC" }\n'
        with bridge_before(tmp_path, feed) as bridge:
            lines_of(run("pipeline.py", "--url", bridge, "--out", out, "--count", 2))
            cursor = trades(out)[-1]["cursor"]
            time.sleep(3)
            lines_of(run("pipeline.py", "--url", bridge, "--out", out, "--count", 2))
    kept = trades(out)
    kinds = [event["type"] for event in kept]
    first, last = kinds.index("gap"), len(kinds) - 1 - kinds[::-1].index("gap")
    assert set(kinds[first : last + 1]) == {"gap"}, "one hole, declared in one place"
    assert kept[first]["topics"] == ["trade:BTC-USD"]
    assert kept[first]["from"] == cursor
    numbers = [int(event["trade_id"].rpartition("_")[2]) for event in kept if event["type"] == "trade"]
    steps = [after - before for before, after in pairwise(numbers)]
    assert steps[first - 1] > 1, "nothing was missed, and a gap was declared"
    assert all(step == 1 for place, step in enumerate(steps) if place != first - 1), "missed without a word, or doubled"


def test_candles_are_printed_final_once_the_next_one_has_begun(tmp_path):
    with simulator("tradingview", "--speed", "60") as (vendor, _):
        feed = f'[feeds.tv]\ndialect = "tradingview"\ntransports = ["websocket"]\nurl = "{vendor}"\napi_key = "demo"\n'
        feed += f'token_url = "{vendor}/api/token/generate"\n'
        with bridge_before(tmp_path, feed) as bridge:
            told = lines_of(run("candles.py", "NASDAQ:AAPL", "--interval", "1m", "--url", bridge, "--count", 130))
    candle = re.compile(r"(\S+) [▲▼] O ([\d.]+) H ([\d.]+) L ([\d.]+) C ([\d.]+) V ([\d.]+)( final)?")
    rows = [candle.fullmatch(line).groups() for line in told]
    finals = [place for place, row in enumerate(rows) if row[-1]]
    assert finals
    for place in finals[:-1]:
        opened, _, high, low, *_ = rows[place]
        grown = [row for row in rows[:place] if row[0] == opened]
        assert all(Decimal(row[2]) <= Decimal(high) and Decimal(row[3]) >= Decimal(low) for row in grown)
        following = datetime.fromisoformat(rows[place + 1][0])
        assert following - datetime.fromisoformat(opened) >= timedelta(minutes=1)
        assert all(row[0] != opened for row in rows[place + 1 :])


def test_curl_shows_every_way_in_and_ends_well(demo):
    told = "\n".join(lines_of(run("curl.sh", demo)))
    assert told.count("event: stream") == 2
    assert '"verdict":"fresh"' in told
    assert '"verdict":"resumed"' in told
    assert '{"type":"book_snapshot"' in told
    assert '{"type":"quote"' in told
    assert '{"events":[{"type":"trade"' in told
    assert '{"status":"ready"' in told


def test_sse_prints_the_events_as_they_come(demo):
    process = subprocess.Popen(
        command("sse.py", f"{demo}/v1/stream?subscribe=trade:BTC-USD"), stdout=subprocess.PIPE, text=True
    )
    first = json.loads(process.stdout.readline())
    assert (first["type"], first["topics"]) == ("stream", ["trade:BTC-USD"])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=AT_MOST_SECONDS)
    assert process.returncode == 0


def test_liquidity_client_follows_the_simulator_with_the_printed_token():
    with simulator("liquidity") as (url, token):
        told = lines_of(run("liquidity_client.py", "--url", url, "--token", token, "--count", 12))
        refused = run("liquidity_client.py", "--url", url, "--token", "no-such-token")
    assert told[0].startswith("connected as ")
    assert re.search(r"^BTC trade: [\d.]+ @ [\d.]+$", "\n".join(told), re.MULTILINE)
    assert re.search(
        r"^BTC book: 25 bids, 25 asks, best [\d.]+ @ [\d.]+ / [\d.]+ @ [\d.]+$", "\n".join(told), re.MULTILINE
    )
    assert re.search(r"^AAPL: [\d.]+ \(-?[\d.]+ %\)$", "\n".join(told), re.MULTILINE)
    assert refused.returncode == 1
    assert refused.stderr.startswith("refused: 401 ")


def test_tradingview_client_mints_a_token_and_follows_the_simulator():
    with simulator("tradingview") as (url, _):
        told = lines_of(run("tradingview_client.py", "--url", url, "--count", 4))
        candles = lines_of(run("tradingview_client.py", "--url", url, "--type", "price", "--count", 1))
        refused = run("tradingview_client.py", "--url", url, "--api-key", "wrong")
        too_many = run("tradingview_client.py", "--url", url, "--symbols", ",".join(f"NASDAQ:A{n}" for n in range(11)))
    assert told[0] == "connected: NASDAQ:AAPL, NYSE:TSLA, BINANCE:BTCUSDT"
    assert re.search(r"^NASDAQ:AAPL: bid [\d.]+ ask [\d.]+ .*lp [\d.]+ ", told[1])
    assert re.search(r": open [\d.]+ high [\d.]+ low [\d.]+ close [\d.]+ volume [\d.]+$", candles[1])
    assert refused.stderr.startswith("no token: 401 ")
    assert "at most 10 symbols" in too_many.stderr
    assert refused.returncode == too_many.returncode == 1


@pytest.mark.parametrize("name", [path.name for path in FILES])
def test_an_example_without_a_bridge_says_so_in_one_sentence(name, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    options = {
        "curl.sh": [nobody],
        "sse.py": [f"{nobody}/v1/stream?subscribe=status"],
        "portfolio.py": ["--url", nobody.replace("http", "ws")],
        "pipeline.py": ["--url", nobody, "--out", tmp_path / "out"],
        "liquidity_client.py": ["--url", nobody, "--token", "t"],
    }
    done = run(name, *options.get(name, ["--url", nobody]))
    assert done.returncode == 1
    assert done.stdout == ""
    (told,) = done.stderr.splitlines()
    assert told.startswith("cannot reach ")
    assert "is it running there?" in told


@pytest.mark.parametrize("name", ["candles.py", "price_alert.py", "portfolio.py", "pipeline.py"])
def test_an_example_ends_quietly_when_interrupted(name, demo, tmp_path):
    url = demo.replace("http", "ws") if name == "portfolio.py" else demo
    more = ["--out", tmp_path / "out"] if name == "pipeline.py" else []
    process = subprocess.Popen(
        command(name, "--url", url, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=AT_MOST_SECONDS)
    assert (process.returncode, told) == (0, "")
