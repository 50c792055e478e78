"""What the direct way relies on inside Hypercorn, Trio, h11, h2 and wsproto, named one by one; and what happens without it."""

import importlib.metadata
import inspect
import ssl
from functools import partial
from pathlib import Path

import h2.connection
import h11
import h11._writers
import pytest
import structlog.testing
import trio
import wsproto.connection
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.tcp_server import TCPServer

from bridge.downstream.outlets import choice, seam
from bridge.downstream.outlets.asgi import SseOutlet, WebSocketOutlet
from bridge.downstream.outlets.seam import BARE, CHUNKED, PINNED, EventStreamPath, Http2Path, WebSocketPath, direct_path
from tests.support.serving import until
from tests.support.streams import H1Follower, Http2Follower, WebSocketFollower, streaming


@pytest.fixture(autouse=True)
def _forgotten():
    """What was found of the libraries is asked for anew."""
    for known in (seam._known, seam._warn):
        known.cache_clear()
    yield
    for known in (seam._known, seam._warn):
        known.cache_clear()


# ── the names ──


@pytest.mark.parametrize("name", PINNED)
def test_the_library_is_of_the_release_whose_insides_are_known(name):
    assert importlib.metadata.version(name).startswith(PINNED[name]), f"read {name} anew, then move PINNED"


async def test_trio_has_what_the_way_through_tls_needs():
    left, _ = trio.testing.memory_stream_pair()
    stream = trio.SSLStream(left, ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), server_side=True)
    assert isinstance(stream._ssl_object, ssl.SSLObject)
    assert isinstance(stream._outgoing, ssl.MemoryBIO)
    assert isinstance(stream._inner_send_lock, trio.StrictFIFOLock)
    source = inspect.getsource(trio.SSLStream._retry)
    read, lock, send = (
        source.index(part)
        for part in ("self._outgoing.read()", "self._inner_send_lock:", "self.transport_stream.send_all(to_send)")
    )
    assert read < lock < send
    between = [line for line in source[read:lock].split("\n") if "await" in line and not line.strip().startswith("#")]
    assert between == [], "no checkpoint between encrypting and taking the lock"


def test_a_lock_of_trios_is_taken_before_its_checkpoint():
    source = inspect.getsource(trio.Lock.acquire)
    assert source.index("acquire_nowait()") < source.index("cancel_shielded_checkpoint()")


def test_h11_names_its_ways_of_framing_as_we_know_them():
    assert {CHUNKED, BARE} <= set(vars(h11._writers))
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.next_event()
    connection.send(h11.Response(status_code=200, headers=[]))
    assert type(connection._writer).__name__ == CHUNKED
    assert connection.our_state is h11.SEND_BODY


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (TCPServer, ["send_lock", "protocol", "stream"]),
        (H11Protocol, ["connection", "stream"]),
        (H2Protocol, ["connection", "streams", "_window_updated"]),
        (HTTPStream, ["scope"]),
        (WSStream, ["connection", "scope"]),
    ],
)
def test_hypercorn_has_the_attributes_that_the_seam_reads(owner, names):
    source = inspect.getsource(owner)
    for name in names:
        assert f"self.{name}" in source or f"def {name}(" in source, f"{owner.__name__}.{name}"


def test_h2_and_wsproto_have_the_calls_that_the_seam_makes():
    for name in ("local_flow_control_window", "max_outbound_frame_size", "send_data", "data_to_send"):
        assert hasattr(h2.connection.H2Connection, name) or name in inspect.getsource(h2.connection.H2Connection)
    assert wsproto.connection.Connection(wsproto.connection.ConnectionType.SERVER).state is (
        wsproto.connection.ConnectionState.OPEN
    )
    assert hasattr(H11WSConnection, "next_event")


# ── what is found, on real connections ──


@pytest.fixture
def served(tmp_path: Path):
    return partial(streaming, tmp_path)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list:
    """Every answer of `direct_path`."""
    answers: list = []

    def noting(scope):
        answers.append(direct_path(scope))
        return answers[-1]

    monkeypatch.setattr(choice, "direct_path", noting)
    return answers


@pytest.mark.parametrize(
    ("follower", "tls", "kind"),
    [
        (H1Follower, None, EventStreamPath),
        (H1Follower, "http/1.1", EventStreamPath),
        (partial(H1Follower, b"1.0"), None, EventStreamPath),
        (Http2Follower, None, Http2Path),
        (Http2Follower, "h2", Http2Path),
        (WebSocketFollower, None, WebSocketPath),
        (WebSocketFollower, "http/1.1", WebSocketPath),
    ],
)
async def test_each_kind_of_stream_has_its_direct_path(served, found, follower, tls, kind):
    async with served() as server:
        one = follower()
        server.nursery.start_soon(one.run, await server.connect(tls=tls), "trade:A")
        await one.opened.wait()
        (path,) = found
        assert type(path) is kind
        assert type(path.socket) is (seam.DirectPath if tls is None else seam._Tls)
        if kind is EventStreamPath:
            assert path.chunked is (one.headers.get(b"transfer-encoding") == b"chunked")


async def test_each_of_two_streams_of_an_http2_connection_finds_its_own_way(served, found):
    async with served() as server:
        one = Http2Follower()
        server.nursery.start_soon(one.run, await server.connect(), "trade:A")
        await one.opened.wait()
        headers = [(b":method", b"GET"), (b":path", b"/v1/stream?subscribe=trade:B"), (b":scheme", b"http")]
        await one.client.request([*headers, (b":authority", b"localhost")])
        await until(lambda: len(found) == 2)
        assert [path._stream_id for path in found] == [1, 3]


def test_a_server_that_is_not_ours_has_no_direct_path():
    assert direct_path({"type": "http", "state": {}}) is None
    assert direct_path({"type": "http"}) is None


@pytest.mark.parametrize(("tls", "lock"), [(None, "_lock"), ("http/1.1", "_lock"), ("http/1.1", "_inner")])
async def test_nothing_is_written_while_another_writer_holds_the_socket_and_all_of_it_afterwards(
    served, found, tls, lock
):
    async with served() as server:
        server.bench.cover("trade:A")
        one = H1Follower()
        server.nursery.start_soon(one.run, await server.connect(tls=tls), "trade:A")
        await one.opened.wait()
        (path,) = found
        async with getattr(path.socket, lock):
            for price in range(10):
                server.bench.trade(str(price), "A")
                await trio.sleep(0.005)
            assert one.of("trade") == []
            assert server.bench.house.connections.statistics()[0].pending_bytes > 0
        await until(lambda: len(one.of("trade")) == 10)
        await until(lambda: server.bench.house.connections.statistics()[0].pending_bytes == 0)


# ── without it ──


async def serves_over_asgi(served, found) -> None:
    async with served() as server:
        server.bench.cover("trade:A")
        followers = [H1Follower(), Http2Follower(), WebSocketFollower()]
        for one in followers:
            server.nursery.start_soon(one.run, await server.connect(), "trade:A")
            await one.opened.wait()
        await until(lambda: server.bench.hub.statistics().subscriptions == 3)
        server.bench.trade("1.5", "A")
        for one in followers:
            await until(lambda one=one: one.of("trade"))
        assert found == [None] * 3


async def test_other_releases_are_served_over_asgi_with_one_line_in_the_log(served, found, monkeypatch):
    monkeypatch.setattr(seam, "PINNED", {**PINNED, "hypercorn": "0.19."})
    with structlog.testing.capture_logs() as logs:
        await serves_over_asgi(served, found)
    (line,) = (line for line in logs if line["event"] == "no_direct_path")
    assert "'hypercorn': '0.18.0'" in line["reason"]


async def test_an_attribute_that_has_moved_is_named_in_the_log_and_the_stream_served_over_asgi(
    served, found, monkeypatch
):
    def moved(self, connection):
        raise AttributeError("'GuardedConnection' object has no attribute 'send_lock'")

    monkeypatch.setattr(seam.DirectPath, "__init__", moved)
    with structlog.testing.capture_logs() as logs:
        await serves_over_asgi(served, found)
    lines = [line for line in logs if line["event"] == "no_direct_path"]
    assert len(lines) == 1
    assert "send_lock" in lines[0]["reason"]


async def test_what_has_no_direct_path_gets_the_asgi_outlets(monkeypatch, nursery):
    monkeypatch.setattr(choice, "direct_path", lambda scope: None)
    around = choice.Surroundings(nursery.start_soon, lambda: None, lambda: None, 1)

    async def send(message):
        await trio.lowlevel.checkpoint()

    assert type(await choice.event_stream({"http_version": "1.1"}, send)(around)) is SseOutlet
    assert type(await choice.websocket({}, send, None)(around)) is WebSocketOutlet
