"""A real `feedbridge serve` begins, bears what clients do to it, and ends: exit codes, goodbyes, bounds.

Every request that ends a stock Hypercorn is sent to it while a client follows a stream; a drain is asked for while clients on
every transport have stopped reading.
"""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
import trio
from websockets.exceptions import ConnectionClosed

from tests.support.clients import HTTP1, HTTP2, curl, eventually, stream, websocket
from tests.support.commands import ROOT, free_port, running
from tests.support.http2 import Http2Client, get

DRAIN_SECONDS = 2
WELL_UNDER = 3
"""What the process may take beyond its drain bound, start to end of its last task."""

CONFIG = """
[listen]
bind = ["127.0.0.1:0"]
[auth]
mode = "none"
[limits]
linger_seconds = 1
drain_seconds = {drain}
write_deadline_seconds = 60
pending_bytes_per_connection = 67108864
[feeds.liquidity]
dialect = "liquidity"
transports = ["{transport}"]
url = "{url}"
book_depth = 1000
[instruments."BTC-USD"]
liquidity = {{ sse = "BTC", websocket = "BTC-USD", rest = "BTC" }}
"""

TOPICS = "trade:BTC-USD,book:BTC-USD"


def simulated(*options):
    """Run a Liquidity simulator that asks for no token; yields its URL."""
    with running("simulate", "liquidity", "--anonymous", *options) as command:
        yield command.wait_for(r" at (http\S+)")[1]


@pytest.fixture(scope="module")
def vendor():
    """A calm market."""
    yield from simulated()


@pytest.fixture(scope="module")
def loud_vendor(tmp_path_factory):
    """Whole books of a thousand levels, thirty a second, each followed by a trade that is numbered in each lap."""
    tape = tmp_path_factory.mktemp("tape") / "loud.jsonl"
    with tape.open("w") as rows:
        for number in range(1, 300):
            base = {"ts": number * 33_000_000, "instrument": "BTC-USD"}
            bids = [[str(50_000 - level), f"{number}.5"] for level in range(500)]
            asks = [[str(50_001 + level), f"{number}.5"] for level in range(500)]
            rows.write(json.dumps({**base, "kind": "snapshot", "bids": bids, "asks": asks}) + "\n")
            rows.write(json.dumps({**base, "kind": "trade", "price": "50000", "size": str(number)}) + "\n")
    yield from simulated("--tape", str(tape))


def served(folder, url, *, transport="sse", drain=DRAIN_SECONDS):
    """Return a running bridge; closed by its context."""
    path = folder / "bridge.toml"
    path.write_text(CONFIG.format(url=url, transport=transport, drain=drain))
    return running("serve", "--config", str(path))


def url_of(command):
    return command.wait_for(r"serves (http\S+)")[1]


# ── what clients do to it ──


@pytest.fixture(scope="module")
def bridge(vendor, tmp_path_factory):
    """A bridge, and a client that follows a stream of it all the time and must have missed nothing at the end."""
    with served(tmp_path_factory.mktemp("bridge"), vendor) as command:
        url = url_of(command)
        with stream(f"{url}/v1/stream?subscribe={TOPICS}", HTTP1) as follower:
            seen = []
            reader = threading.Thread(target=lambda: seen.extend(follower.events()), daemon=True)
            reader.start()
            yield command, url
            assert command.process.poll() is None
            assert command.stop() == 0
            reader.join(10)
        assert not reader.is_alive()
        numbers = [int(event["trade_id"].rpartition("_")[2]) for event in seen if event["type"] == "trade"]
        assert len(numbers) > 1
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        sequences = [event for event in seen if event["type"].startswith("book")]
        assert [event["prev_sequence"] for event in sequences[1:]] == [event["sequence"] for event in sequences[:-1]]
        assert not {event["type"] for event in seen} & {"gap", "problem"}
        assert [event["type"] for event in seen].count("stream") == 1
        assert seen[-1]["type"] == "goaway"


UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n"
)
EXTENDED_CONNECT = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":path", b"/v1/ws"),
    (b":scheme", b"http"),
    (b":authority", b"localhost"),
    (b"sec-websocket-version", b"13"),
]


async def dial(url, receive_buffer=None):
    sock = trio.socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await sock.connect(("127.0.0.1", int(url.rpartition(":")[2])))
    return trio.SocketStream(sock)


async def first_answer(url, request):
    opened = await dial(url)
    await opened.send_all(request)
    answer = bytes(await opened.receive_some())
    await trio.aclose_forcefully(opened)
    return answer


async def http2_client(url, **options):
    client = Http2Client(await dial(url, options.pop("receive_buffer", None)), **options)
    await client.start()
    return client


def assert_still_serves(bridge):
    command, url = bridge
    assert command.process.poll() is None, command.lines
    for option in (HTTP1, HTTP2):
        assert curl(f"{url}/healthz", option).status == 200


async def test_bytes_right_behind_a_websocket_upgrade_leave_it_serving(bridge):
    with trio.fail_after(20):
        assert (await first_answer(bridge[1], UPGRADE + b"\r\nx")).startswith(b"HTTP/1.1 400")
    assert_still_serves(bridge)


async def test_http2_post_answered_before_its_body_leaves_it_serving(bridge):
    with trio.fail_after(20):
        client = await http2_client(bridge[1])
        late = await client.request(get(b"/v1/stream", method=b"POST"), end=False)
        assert (await client.response(late))[0] == 405
        client.connection.send_data(late, b"too late", end_stream=True)
        await client.flush()
        assert (await client.response(await client.request(get(b"/healthz"))))[0] == 200
        await trio.aclose_forcefully(client.stream)
    assert_still_serves(bridge)


async def test_data_on_an_http2_websocket_that_is_closed_leaves_it_serving(bridge):
    with trio.fail_after(20):
        client = await http2_client(bridge[1], lax=True)
        refused = await client.request(EXTENDED_CONNECT, end=False)
        assert (await client.response(refused))[0] == 400
        client.connection.send_data(refused, b"\x88\x82\0\0\0\0\x03\xe8" + b"\x81\x81\0\0\0\0a")
        await client.flush()
        assert (await client.response(await client.request(get(b"/healthz"))))[0] == 200
        await trio.aclose_forcefully(client.stream)
    assert_still_serves(bridge)


@pytest.mark.parametrize(
    "headers",
    [
        [(b":method", b"CONNECT"), (b":authority", b"localhost:1")],
        get(b"/v1/stream?subscribe=quote:\xff\xfe"),
        get(b"/v1/stream", method=b"G\xffT"),
    ],
    ids=["connect without path", "path not ascii", "method not ascii"],
)
async def test_http2_request_that_cannot_be_read_leaves_it_serving(bridge, headers):
    with trio.fail_after(20):
        client = await http2_client(bridge[1], lax=True)
        assert (await client.response(await client.request(headers, end=False)))[0] == 400
        assert (await client.response(await client.request(get(b"/healthz"))))[0] == 200
        await trio.aclose_forcefully(client.stream)
    assert_still_serves(bridge)


@pytest.mark.parametrize(
    "offer", [b"permessage-deflate; server_max_window_bits=zz", b"permessage-deflate; server_max_window_bits=", b"; ="]
)
async def test_malformed_offer_of_compression_leaves_it_serving(bridge, offer):
    with trio.fail_after(20):
        answer = await first_answer(bridge[1], UPGRADE + b"Sec-WebSocket-Extensions: " + offer + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101")
        assert b"permessage-deflate" not in answer
    assert_still_serves(bridge)


# ── how it ends ──


class Follower(threading.Thread):
    """Reads a stream to its end."""

    def __init__(self, events):
        super().__init__(daemon=True)
        self._events = events
        self.seen = []
        self.start()

    def run(self):
        for event in self._events:
            self.seen.append(event)

    def trades(self):
        return [int(event["size"]) for event in self.seen if event["type"] == "trade"]


def messages(opened):
    """Read a WebSocket to its end; the last thing yielded is its close code."""
    try:
        while True:
            yield json.loads(opened.recv())
    except ConnectionClosed:
        yield {"type": "close", "code": opened.close_code, "reason": opened.close_reason}


def unsent(port):
    """Bytes that the kernel holds for each connection of a server on this port, by the client's port (Linux)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [(row[1].split(":"), row[2].split(":"), row[4].split(":")) for row in rows]
    return {int(there[1], 16): int(queue[0], 16) for here, there, queue in ends if int(here[1], 16) == port}


def stops_moving(look, seconds=0.7):
    """Wait until what is looked at has not changed for so long, and is not nothing."""
    last, since = None, time.monotonic()
    deadline = since + 30
    while time.monotonic() < deadline:
        now = look()
        if now != last or not now:
            last, since = now, time.monotonic()
        elif time.monotonic() > since + seconds:
            return
        time.sleep(0.05)
    raise AssertionError("it never stood still")


SSE_REQUEST = f"GET /v1/stream?subscribe={TOPICS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def raw_client(url, request):
    """Connect with a small window, ask, and read nothing."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    opened.connect(("127.0.0.1", int(url.rpartition(":")[2])))
    opened.sendall(request)
    return opened


def stalled_clients(url):
    """An event stream, an HTTP/2 stream whose window stays shut, one whose socket is full, a WebSocket: none is read."""
    subscribe = json.dumps({"op": "subscribe", "topics": TOPICS.split(",")}).encode()
    frame = b"\x81" + bytes([0x80 | len(subscribe)]) + bytes(4) + subscribe
    return [
        raw_client(url, SSE_REQUEST),
        raw_client(url, http2_opening(window=65_535)),
        raw_client(url, http2_opening(window=2**31 - 1)),
        websocket_client(url, frame),
    ]


def websocket_client(url, frame):
    opened = raw_client(url, UPGRADE + b"\r\n")
    while b"\r\n\r\n" not in opened.recv(4096, socket.MSG_PEEK):
        time.sleep(0.01)
    opened.sendall(frame)
    return opened


def http2_opening(window):
    """What an HTTP/2 client says first, written by the h2 library: a window of this size for the stream and the connection."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.local_settings = h2.settings.Settings(
        client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
    )
    connection.initiate_connection()
    if window > 65_535:
        connection.increment_flow_control_window(window - 65_535)
    connection.send_headers(1, get(f"/v1/stream?subscribe={TOPICS}".encode()), end_stream=True)
    return connection.data_to_send()


def test_sigterm_with_a_stalled_client_on_each_transport_says_goodbye_to_the_others_and_ends_in_time(
    loud_vendor, tmp_path
):
    with served(tmp_path, loud_vendor, transport="websocket") as command, ExitStack() as stack:
        url = url_of(command)
        stalled = [stack.enter_context(client) for client in stalled_clients(url)]
        ports = [client.getsockname()[1] for client in stalled]
        path = f"{url}/v1/stream?subscribe={TOPICS}"
        curls = [stack.enter_context(stream(path, option)) for option in (HTTP1, HTTP2)]
        socket_ = stack.enter_context(websocket(f"{url}/v1/ws", max_size=None))
        socket_.send(json.dumps({"op": "subscribe", "topics": TOPICS.split(",")}))
        followers = [Follower(opened.events()) for opened in curls] + [Follower(messages(socket_))]
        assert eventually(lambda: all(follower.trades() for follower in followers), 10)
        stops_moving(
            lambda: {port: size for port, size in unsent(int(url.rpartition(":")[2])).items() if port in ports}
        )
        count = [len(follower.trades()) for follower in followers]
        assert eventually(lambda: all(len(one.trades()) > n for one, n in zip(followers, count, strict=True)), 5)

        began = time.monotonic()
        assert command.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < DRAIN_SECONDS + WELL_UNDER
        for follower in followers:
            follower.join(10)
            assert not follower.is_alive()
        assert followers[2].seen.pop() == {"type": "close", "code": 1012, "reason": "going_away"}
        for follower in followers:
            *events, goaway = follower.seen
            assert (goaway["type"], goaway["reason"], goaway["retry"]) == ("goaway", "going_away", "after")
            assert goaway["retry_after_ms"] > 0
            assert goaway["id"] == max((event["id"] for event in events if "id" in event), key=offset_of)
            assert not {event["type"] for event in events} & {"gap", "problem", "goaway"}
            trades = follower.trades()
            assert all(later == earlier + 1 or later == 1 for earlier, later in pairwise(trades))
        assert [one.process.wait(5) for one in curls] == [0, 0]  # curl: the responses ended in order
        assert not [line for line in command.lines if "Traceback" in line or "contained" in line]


def offset_of(cursor):
    return int(cursor.rpartition("-")[2])


async def test_http2_connection_is_told_goaway_after_its_last_stream(vendor, tmp_path):
    with trio.fail_after(30), served(tmp_path, vendor) as command:
        url = url_of(command)
        client = await http2_client(url)
        opened = await client.request(get(f"/v1/stream?subscribe={TOPICS}".encode()))
        idle = await http2_client(url)
        await client.until(h2.events.DataReceived, opened)
        command.process.send_signal(signal.SIGTERM)
        data = b""
        while not isinstance(
            event := await client.until((h2.events.DataReceived, h2.events.StreamEnded), opened), h2.events.StreamEnded
        ):
            data += event.data
        assert b"event: goaway" in data
        await client.until(h2.events.ConnectionTerminated)
        await idle.until(h2.events.ConnectionTerminated)
        for one in (client, idle):
            await trio.aclose_forcefully(one.stream)
        assert await trio.to_thread.run_sync(command.process.wait, 10) == 0


def test_new_clients_are_turned_away_while_it_drains_and_a_second_sigint_ends_it_at_once(vendor, tmp_path):
    with served(tmp_path, vendor, drain=60) as command, ExitStack() as stack:
        url = url_of(command)
        stack.enter_context(raw_client(url, http2_opening(window=1_000)))  # stalls after a kilobyte
        with stream(f"{url}/v1/stream?subscribe={TOPICS}") as healthy:
            healthy.until("trade")
            command.process.send_signal(signal.SIGINT)
            assert healthy.until("goaway")["reason"] == "going_away"
            assert healthy.process.wait(5) == 0
        assert command.process.poll() is None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
        began = time.monotonic()
        assert command.stop(signal.SIGINT) == 130
        assert time.monotonic() - began < WELL_UNDER


# ── how it does not begin ──


def failed_start(folder, config, **environ):
    """Run `serve` with a configuration that cannot be served; returns what it said."""
    path = folder / "bridge.toml"
    path.write_text(config)
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "serve", "--config", str(path)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    (sentence,) = done.stderr.strip().splitlines()
    return sentence


def test_port_in_use_is_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = failed_start(tmp_path, f'[listen]\nbind = ["127.0.0.1:{port}"]\n[auth]\nmode = "none"\n')
        assert f"127.0.0.1:{port}" in said
        assert "in use" in said


@pytest.mark.parametrize("content", [None, "not a certificate"], ids=["absent", "nonsense"])
def test_unreadable_certificate_is_one_sentence(tmp_path, content):
    (tmp_path / "bridge.key").write_text("not a key")
    if content is not None:
        (tmp_path / "bridge.pem").write_text(content)
    said = failed_start(
        tmp_path,
        '[listen]\nbind = []\ntls_bind = ["127.0.0.1:0"]\n'
        'certificates = [{ certificate = "bridge.pem", private_key = "bridge.key" }]\n[auth]\nmode = "none"\n',
    )
    assert "bridge.pem" in said


def test_missing_secret_is_one_sentence(tmp_path):
    said = failed_start(tmp_path, '[auth]\nsecret = { env = "NOBODY_SET_THIS" }\n')
    assert "auth.secret" in said
    assert "NOBODY_SET_THIS" in said
    assert "auth.secret" in failed_start(tmp_path, '[auth]\nmode = "jwt"\n')


def test_it_begins_without_its_vendor_says_so_and_recovers(tmp_path):
    port = free_port()
    with served(tmp_path, f"http://127.0.0.1:{port}") as command:
        url = url_of(command)
        ready = curl(f"{url}/readyz")
        assert (ready.status, ready.json["status"]) == (200, "ready")  # nothing is wanted yet
        with stream(f"{url}/v1/stream?subscribe=trade:BTC-USD") as follower:
            events = follower.events()
            assert next(events)["type"] == "stream"
            assert next(events)["status"] == "connecting"
            down = follower.until("down", "status")
            assert (down["type"], down["feed"]) == ("feed_status", "liquidity")
            assert down["reason"]
            ready = curl(f"{url}/readyz")
            assert (ready.status, ready.json["status"]) == (503, "not ready")
            assert curl(f"{url}/healthz").status == 200
            state = curl(f"{url}/v1/instruments/BTC-USD/quote")
            assert (state.status, state.json["error"]["code"]) == (503, "upstream_unavailable")
            assert int(state.headers["retry-after"]) > 0
            for _ in simulated("--port", str(port)):
                assert follower.until("live", "status")["feed"] == "liquidity"
                assert follower.until("trade")["instrument"] == "BTC-USD"
                assert eventually(lambda: curl(f"{url}/readyz").status == 200, 5)
        assert command.stop() == 0
