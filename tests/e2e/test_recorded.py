"""Real data through the whole chain: recording → vendor simulator → bridge → SSE, WebSocket and polling clients.

The clients come first, while the vendor is still down, so that nothing of the recording can be missed; the simulator then
plays it once, sped up. What arrives is held against the recording's own rows, digit for digit, and the rebuilt book against the
exchange's own best bids and offers.
"""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from bisect import bisect_right
from contextlib import ExitStack

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.support.commands import PATIENCE_SECONDS, free_port, running
from tests.support.data import recorded

SECRET = "a-secret-of-more-than-32-bytes-for-tests"
SPEED = 30

CONFIG = """
[listen]
bind = ["127.0.0.1:0"]
[auth]
mode = "none"
[limits]
pending_bytes_per_connection = 67108864
history_events = 100000
history_bytes = 268435456
[feeds.recorded]
dialect = "liquidity"
transports = ["{transport}"]
url = "http://127.0.0.1:{port}"
book_depth = 1000000
[instruments."BTC-USD"]
liquidity = {{ sse = "BTC", websocket = "BTC-USD", rest = "BTC" }}
"""


def rows(name):
    return [json.loads(line) for line in (recorded() / name).read_text().splitlines()]


class Client(threading.Thread):
    """Collects events until it has enough of them or is told that time is over."""

    def __init__(self, url, topics, enough):
        super().__init__(daemon=True)
        self.url, self.topics, self.enough = url, topics, Enough(**enough)
        self.events, self.over = [], threading.Event()

    def take(self, event):
        self.events.append(event)
        if self.enough(event):
            self.over.set()


class CurlClient(Client):
    def run(self):
        with subprocess.Popen(
            ["curl", "-sN", f"{self.url}/v1/stream?subscribe={self.topics}"], stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout:
                if line.startswith("data: "):
                    self.take(json.loads(line.removeprefix("data: ")))
                if self.over.is_set():
                    break
            process.kill()


class WebSocketClient(Client):
    def run(self):
        with connect(self.url.replace("http", "ws") + "/v1/ws", max_size=2**26, max_queue=None) as socket:
            socket.send(json.dumps({"op": "subscribe", "topics": self.topics.split(",")}))
            while not self.over.is_set():
                try:
                    self.take(json.loads(socket.recv(timeout=1)))
                except TimeoutError:
                    continue
                except ConnectionClosed:
                    return


class PollingClient(Client):
    """Begins at a cursor that came over another transport, and comes back after a 503 as it is told to."""

    cursor = ""

    def run(self):
        while not self.over.is_set():
            query = f"subscribe={self.topics}&limit=1000&after={self.cursor}&wait=1"
            try:
                with urllib.request.urlopen(f"{self.url}/v1/poll?{query}", timeout=30) as answer:
                    page = json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                time.sleep(0.2)
                continue
            self.cursor = page["cursor"]
            for event in page["events"]:
                self.take(event)


def collect(tmp_path, transport, topics, enough):
    """Play the recording once through simulator and bridge; return what each kind of client received."""
    port = free_port()
    config = tmp_path / "bridge.toml"
    with ExitStack() as stack:
        simulator = ["simulate", "liquidity", "--port", str(port), "--once", "--anonymous", "--speed", str(SPEED)]
        config.write_text(CONFIG.format(transport=transport, port=port))
        bridge = stack.enter_context(running("serve", "--config", str(config)))
        url = bridge.wait_for(r"serves (http://\S+)")[1]
        streams = [CurlClient(url, topics, enough), WebSocketClient(url, topics, enough)]
        poller = PollingClient(url, topics, enough)
        clients = [*streams, poller]
        for client in streams:
            client.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(client.events for client in streams):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        poller.cursor = streams[0].events[0]["id"]
        poller.start()
        stack.enter_context(running(*simulator, "--tape", str(recorded())))
        for client in clients:
            client.over.wait(60)
            client.over.set()
            client.join(10)
    return {type(client).__name__: client.events for client in clients}


def trades_of(events):
    return [event for event in events if event["type"] == "trade"]


class Enough:
    """Says that a client has as many trades and book events as were recorded.

    Args:
        trades: how many.
        books: how many.
    """

    def __init__(self, trades, books=0):
        self.missing = {"trade": trades, "book": books}

    def __call__(self, event):
        kind = event["type"].partition("_")[0]
        if kind in self.missing:
            self.missing[kind] -= 1
        return not any(self.missing.values())


def assert_trades_are_the_recorded_ones(events, name):
    told = [(e["price"], e["size"], e["aggressor_side"]) for e in trades_of(events)]
    assert told == [(row["price"], row["size"], row["side"]) for row in rows("trades/BTCUSDT.binance.jsonl")], name
    assert not [event for event in events if event["type"] in {"gap", "problem", "goaway"}]
    assert not any(e.get("possible_duplicate") for e in trades_of(events))


def test_every_recorded_trade_arrives_over_sse_in_order_and_digit_for_digit(tmp_path):
    ids = [row["id"] for row in rows("trades/BTCUSDT.binance.jsonl")]
    received = collect(tmp_path, "sse", "trade:BTC-USD", {"trades": len(ids)})
    for name, events in received.items():
        assert_trades_are_the_recorded_ones(events, name)
        assert [event["trade_id"] for event in trades_of(events)] == ids


def reference_books():
    """The recorded book after each row, by the plainest code there is: (last sequence number, bids, asks)."""
    bids, asks = {}, {}
    for row in rows("l2/BTCUSDT.binance.jsonl"):
        if row["kind"] == "snapshot":
            bids, asks = dict(row["bids"]), dict(row["asks"])
        for side, levels in ((bids, row["bids"]), (asks, row["asks"])):
            for price, size in levels:
                if float(size):
                    side[price] = size
                else:
                    side.pop(price, None)
        yield row["seq_last"], dict(bids), dict(asks)


def rebuilt(events):
    """The client's book after each book event."""
    bids, asks, sequence = {}, {}, None
    for event in events:
        if event["type"] == "book_snapshot":
            bids, asks = dict(event["bids"]), dict(event["asks"])
        elif event["type"] == "book_delta":
            assert event["prev_sequence"] == sequence
            for side, levels in ((bids, event["bids"]), (asks, event["asks"])):
                for price, size in levels:
                    if size == "0":
                        del side[price]
                    else:
                        side[price] = size
        else:
            continue
        sequence = event["sequence"]
        yield dict(bids), dict(asks)


def top(bids, asks):
    bid, ask = max(bids, key=float), min(asks, key=float)
    return bid, bids[bid], ask, asks[ask]


def test_the_recorded_book_and_trades_arrive_over_websocket_complete_and_exact(tmp_path):
    reference = list(reference_books())
    assert len(reference) == 1201
    enough = {"trades": len(rows("trades/BTCUSDT.binance.jsonl")), "books": len(reference)}
    received = collect(tmp_path, "websocket", "trade:BTC-USD,book:BTC-USD", enough)
    offers = rows("quotes/BTCUSDT.binance.jsonl")
    numbers = [offer["seq"] for offer in offers]
    for name, events in received.items():
        assert_trades_are_the_recorded_ones(events, name)
        compared = 0
        for (seq_last, bids, asks), book in zip(reference, rebuilt(events), strict=True):
            assert book == (bids, asks), f"{name} at {seq_last}"
            if seq_last <= numbers[-1]:
                # An offer is recorded whenever it changes, so the newest one up to here is what held.
                offer = offers[bisect_right(numbers, seq_last) - 1]
                assert top(*book) == (offer["bid"], offer["bid_size"], offer["ask"], offer["ask_size"])
                compared += 1
        assert compared == 395
