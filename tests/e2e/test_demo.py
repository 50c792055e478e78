"""The first thing a user does: `feedbridge demo`, then curl, a WebSocket, a poll."""

import json
import signal
import subprocess
import time
from collections import Counter

import pytest
from websockets.sync.client import connect

from tests.support.commands import free_port, running

TOPICS = "all:BTC-USD,quote:NASDAQ:AAPL,bar.5m:NASDAQ:AAPL"
EVERYTHING = {
    ("quote", "liquidity"),
    ("trade", "liquidity"),
    ("book_snapshot", "liquidity"),
    ("book_delta", "liquidity"),
    ("quote", "tradingview"),
    ("bar", "tradingview"),
}
WITHIN_SECONDS = 5


@pytest.fixture(scope="module", params=["sse", "websocket"])
def demo(request):
    """The demo with Liquidity over each streaming transport; yields its URL, and whether Liquidity's quotes are derived."""
    port = free_port()
    with running("demo", "--port", str(port), "--liquidity", request.param) as command:
        command.wait_for("Ctrl-C")
        yield f"http://127.0.0.1:{port}", request.param == "websocket"
        assert command.stop(signal.SIGINT) == 0


def kinds(events):
    return {(event["type"], event.get("feed")) for event in events} & EVERYTHING


def curl_stream(url, *options):
    done = subprocess.run(
        ["curl", "-sN", "--max-time", str(WITHIN_SECONDS), *options, f"{url}/v1/stream?subscribe={TOPICS}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 28, done  # curl's own word for: time is over
    return [json.loads(line.removeprefix("data: ")) for line in done.stdout.splitlines() if line.startswith("data: ")]


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
def test_curl_shows_both_vendors_within_five_seconds(demo, option):
    url, derived = demo
    events = curl_stream(url, option)
    assert events[0]["type"] == "stream"
    assert events[0]["verdict"] == "fresh"
    assert kinds(events) == EVERYTHING
    quotes = [event for event in events if (event["type"], event.get("feed")) == ("quote", "liquidity")]
    assert {event.get("derived", False) for event in quotes} == {derived}
    assert_book_is_whole([event for event in events if event["type"].startswith("book")])


def assert_book_is_whole(events):
    """A snapshot first, then an unbroken chain that never crosses."""
    assert events[0]["type"] == "book_snapshot"
    sequence, sides = None, {"bids": {}, "asks": {}}
    for event in events:
        if event["type"] == "book_snapshot":
            sides = {side: dict(event[side]) for side in sides}
        else:
            assert event["prev_sequence"] == sequence
            for side, levels in sides.items():
                levels.update(dict(event[side]))
                sides[side] = {price: size for price, size in levels.items() if size != "0"}
        sequence = event["sequence"]
        assert max(map(float, sides["bids"])) < min(map(float, sides["asks"]))


def test_the_same_over_a_websocket(demo):
    url, _ = demo
    seen = []
    deadline = time.monotonic() + WITHIN_SECONDS
    with connect(url.replace("http", "ws") + "/v1/ws") as socket:
        socket.send(json.dumps({"op": "subscribe", "topics": TOPICS.split(","), "ref": "mine"}))
        while kinds(seen) != EVERYTHING:
            seen.append(json.loads(socket.recv(timeout=max(0.01, deadline - time.monotonic()))))
    assert seen[0]["type"] == "stream"
    answer = next(event for event in seen if event["type"] == "ok")
    assert (answer["op"], answer["ref"]) == ("subscribe", "mine")


def test_the_same_by_polling(demo):
    url, _ = demo
    seen, cursor, verdicts = [], "", Counter()
    deadline = time.monotonic() + WITHIN_SECONDS
    while kinds(seen) != EVERYTHING:
        assert time.monotonic() < deadline, kinds(seen)
        done = subprocess.run(
            ["curl", "-sf", f"{url}/v1/poll?subscribe={TOPICS}" + (f"&after={cursor}&wait=2" if cursor else "")],
            capture_output=True,
            check=True,
        )
        page = json.loads(done.stdout)
        verdicts[page["verdict"]] += 1
        cursor = page["cursor"]
        seen += page["events"]
    assert verdicts["fresh"] == 1
    assert set(verdicts) <= {"fresh", "resumed"}
    offsets = [int(event["id"].rpartition("-")[2]) for event in seen]
    assert offsets == sorted(offsets)
