"""No single client ends the server: each request that ends a stock Hypercorn, and what the guard relies on inside Hypercorn."""

import importlib.metadata
import inspect
import struct

import h2.config
import h2.errors
import h2.events
import h2.settings
import h11
import pytest
import trio
from h2.connection import H2Connection
from hypercorn.config import Config
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.h11 import H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import Handshake, WebsocketBuffer, WSStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import TrioSingleTask, WorkerContext
from hypercorn.typing import ConnectionState
from hyperframe.frame import SettingsFrame

from bridge.downstream.guard.frames import CalmConnection
from bridge.downstream.guard.guard import Guard, GuardedConnection
from bridge.downstream.guard.h2 import GuardedH2
from bridge.downstream.guard.request import is_malformed
from tests.support.http2 import Headers, Http2Client, get
from tests.support.serving import Served, guarded

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n"
)
MASK = bytes(4)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


async def app(scope, receive, send):
    """Echoes a WebSocket; answers /quick before its body, everything else after it."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"], "bytes": message["bytes"]})
        return
    if scope["path"] == "/fails":
        raise RuntimeError("an app's own mistake")
    while scope["path"] != "/quick" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    if scope["path"] == "/breaks-off":
        raise RuntimeError("in the middle of a response")
    await send({"type": "http.response.body", "body": b"ok"})


async def read_all(stream: trio.abc.Stream) -> bytes:
    """Read until the other side has ended, however it did."""
    data = b""
    try:
        async for piece in stream:
            data += piece
    except trio.BrokenResourceError:
        pass
    await trio.aclose_forcefully(stream)
    return data


async def still_serves(served: Served) -> None:
    stream = await served.connect()
    await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await read_all(stream)).startswith(b"HTTP/1.1 200")


async def said(served: Served, opening: bytes, rest: bytes = b"") -> bytes:
    """Send an opening, take the first bytes of the answer, send the rest, and leave."""
    stream = await served.connect()
    await stream.send_all(opening)
    answer = bytes(await stream.receive_some())
    await stream.send_all(rest)
    await stream.aclose()
    return answer


# ── the table of requests that end a stock server ──


async def test_bytes_right_behind_a_websocket_upgrade_are_refused():
    with trio.fail_after(10):
        async with guarded(app) as served:
            stream = await served.connect()
            await stream.send_all(UPGRADE + b"\r\nx")
            assert (await read_all(stream)).startswith(b"HTTP/1.1 400")
            await still_serves(served)


async def test_http2_body_that_comes_after_its_answer_is_thrown_away_and_the_connection_lives_on():
    with trio.fail_after(10):
        async with guarded(app) as served:
            client = Http2Client(await served.connect())
            await client.start()
            late = await client.request(get(b"/quick", method=b"POST"), end=False)
            assert await client.response(late) == (200, b"ok")
            for _ in range(8):  # more than the connection's window of 65,535: thrown away, yet given back
                while client.connection.local_flow_control_window(late) < 16_000:
                    await client.read()
                client.connection.send_data(late, bytes(16_000))
                await client.flush()
            client.connection.end_stream(late)
            await client.flush()
            assert await client.response(await client.request(get(b"/"))) == (200, b"ok")
            assert served.guard.statistics().contained == 0


WITHOUT_AUTHORITY = [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http")]


async def test_http2_request_may_name_its_host_in_the_old_way():
    """RFC 9113 §8.3.1: who turns HTTP/1.1 into HTTP/2 may leave `:authority` out and keep `Host`."""
    with trio.fail_after(10):
        async with guarded(app) as served:
            client = Http2Client(await served.connect(), lax=True)
            await client.start()
            assert await client.response(await client.request([*WITHOUT_AUTHORITY, (b"host", b"x")])) == (200, b"ok")


@pytest.mark.parametrize(
    "more",
    [
        (b"Upper", b"case"),
        (b"connection", b"close"),
        (b"te", b"gzip"),
        (b"x", b"a\r\ny: b"),
        (b"host", b"another"),
        (b":path", b"/twice"),
        (b":unknown", b"pseudo"),
    ],
    ids=lambda more: more[0].decode(),
)
async def test_malformed_http2_request_ends_its_stream_and_the_connection_lives_on(more):
    """RFC 9113 §8.1.1: a stream error of type PROTOCOL_ERROR."""
    with trio.fail_after(10):
        async with guarded(app) as served:
            client = Http2Client(await served.connect(), lax=True)
            client.connection.config.normalize_outbound_headers = False
            await client.start()
            broken = await client.request([*get(b"/"), more])
            reset = await client.until(h2.events.StreamReset, broken)
            assert reset.error_code == h2.errors.ErrorCodes.PROTOCOL_ERROR
            assert await client.response(await client.request(get(b"/"))) == (200, b"ok")
            assert served.guard.statistics().contained == 0


@pytest.mark.parametrize(
    "headers",
    [
        [(b":method", b"CONNECT"), (b":authority", b"x:1")],
        [
            (b":method", b"CONNECT"),
            (b":protocol", b"websocket"),
            (b":path", b"/"),
            (b":scheme", b"http"),
            (b":authority", b"x"),
            (b"sec-websocket-version", b"13"),
        ],
        get(b"/\xff\xfe"),
        get(b"/", method=b"G\xffT"),
        WITHOUT_AUTHORITY,
    ],
    ids=["connect without path", "websocket over http2", "path not ascii", "method not ascii", "no host"],
)
async def test_http2_request_that_cannot_be_read_is_answered_400_and_the_connection_lives_on(headers: Headers):
    with trio.fail_after(10):
        async with guarded(app) as served:
            client = Http2Client(await served.connect(), lax=True)
            await client.start()
            status, _ = await client.response(await client.request(headers, end=False))
            assert status == 400
            assert await client.response(await client.request(get(b"/"))) == (200, b"ok")
            assert served.guard.statistics().contained == 0


async def test_websocket_over_http2_is_not_advertised():
    with trio.fail_after(10):
        async with guarded(app) as served:
            client = Http2Client(await served.connect())
            await client.start()
            settings = await client.until(h2.events.RemoteSettingsChanged)
            assert isinstance(settings, h2.events.RemoteSettingsChanged)
            assert 0x8 not in settings.changed_settings  # SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441
            assert client.connection.remote_settings.max_concurrent_streams == 128


@pytest.mark.parametrize(
    "offer",
    [b"permessage-deflate", b"permessage-deflate; server_max_window_bits=zz", b"permessage-deflate; a=", b";;="],
)
async def test_any_offer_of_compression_is_declined(offer: bytes):
    with trio.fail_after(10):
        async with guarded(app) as served:
            answer = await said(served, UPGRADE + b"Sec-WebSocket-Extensions: " + offer + b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 101")
            assert b"sec-websocket-extensions" not in answer.lower()
            assert served.guard.statistics().contained == 0


# ── others that a server must bear ──


@pytest.mark.parametrize(
    ("opening", "rest", "answer"),
    [
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"", b"HTTP/1.1 400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), b"", b"HTTP/1.1 400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000, b"", b"HTTP/1.1 431"),
        (UPGRADE.replace(b"Version: 13", b"Version: 7") + b"\r\n", b"", b"HTTP/1.1 426"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"", b"HTTP/1.1 400"),
        (b"GET /fails HTTP/1.1\r\nHost: x\r\n\r\n", b"", b"HTTP/1.1 500"),
        (UPGRADE + b"\r\n", b"\xff\xff\xff\xff", b"HTTP/1.1 101"),
        (UPGRADE + b"\r\n", b"\x88\x82" + MASK + b"\x03\xe8" + b"\x81\x81" + MASK + b"a", b"HTTP/1.1 101"),
        (PREFACE, b"\0\0\x01\0\0\0\0\0\0a", b"\0\0"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nPRI * HTTP/2.0\r\n\r\n", b"", b"HTTP/1.1 200"),
    ],
    ids=[
        "path not ascii",
        "tls on a plain port",
        "headers too long",
        "websocket of another version",
        "websocket without key",
        "app fails",
        "websocket frame broken",
        "websocket data after close",
        "http2 data on stream 0",
        "http2 preface behind a request",
    ],
)
async def test_server_answers_and_keeps_serving_after(opening: bytes, rest: bytes, answer: bytes):
    with trio.fail_after(10):
        async with guarded(app) as served:
            assert (await said(served, opening, rest)).startswith(answer)
            await still_serves(served)
            await served.none_live()


async def test_client_that_resets_the_connection_at_any_moment_leaves_nothing():
    with trio.fail_after(20):
        async with guarded(app) as served:
            for sent in (
                b"",
                b"GET",
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                UPGRADE + b"\r\n",
                b"PRI * HTTP/2.0\r\n\r\n",
            ):
                for _ in range(10):
                    stream = await served.connect()
                    await stream.send_all(sent)
                    stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
                    await stream.aclose()
            await served.none_live()
            await still_serves(served)


async def test_http2_client_that_says_goaway_leaves_nothing():
    with trio.fail_after(10):
        async with guarded(app) as served:
            client = Http2Client(await served.connect())
            await client.start()
            client.connection.close_connection()
            await client.flush()
            await served.none_live()
            await still_serves(served)


async def test_pipelined_requests_are_answered_in_turn():
    with trio.fail_after(10):
        async with guarded(app) as served:
            stream = await served.connect()
            await stream.send_all(
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            assert (await read_all(stream)).count(b"HTTP/1.1 200") == 5


async def test_a_response_that_breaks_off_is_reset_on_http2_and_cut_on_http1():
    with trio.fail_after(10):
        async with guarded(app) as served:
            client = Http2Client(await served.connect())
            await client.start()
            broken = await client.request(get(b"/breaks-off"))
            assert isinstance(
                await client.until((h2.events.StreamReset, h2.events.StreamEnded), broken), h2.events.StreamReset
            )
            assert await client.response(await client.request(get(b"/"))) == (200, b"ok")
            stream = await served.connect()
            await stream.send_all(b"GET /breaks-off HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"ok" not in await read_all(stream)


# ── what the guard relies on ──


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_hypercorn_is_the_version_the_guard_was_read_against():
    assert importlib.metadata.version("hypercorn") == "0.18.0"


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (TCPServer, ["run", "protocol_send", "_read_data", "_idle_timeout", "_initiate_server_close"]),
        (ProtocolWrapper, ["handle", "initiate"]),
        (TaskGroup, ["spawn_app", "spawn"]),
        (TrioSingleTask, ["restart", "stop"]),
        (WorkerContext, ["mark_request", "event_class"]),
        (
            H11Protocol,
            [
                "_handle_events",
                "_check_protocol",
                "_create_stream",
                "_maybe_recycle",
                "_send_h11_event",
                "_send_error_response",
                "stream_send",
            ],
        ),
        (H11WSConnection, ["our_state", "trailing_data", "they_are_waiting_for_100_continue"]),
        (
            H2Protocol,
            [
                "_send_data",
                "_handle_events",
                "_priority_updated",
                "_create_stream",
                "_close_stream",
                "_flush",
                "stream_send",
                "idle",
            ],
        ),
        (StreamBuffer, ["push", "pop", "drain", "close", "complete"]),
        (
            H2Connection,
            ["_receive_frame", "_receive_headers_frame", "_receive_settings_frame", "_terminate_connection"],
        ),
        (WSStream, ["handle", "_handle_events", "_send_wsproto_event", "_send_error_response", "_send_pings", "idle"]),
        (Handshake, ["is_valid", "accept"]),
        (WebsocketBuffer, ["extend", "clear", "to_message"]),
        (HTTPStream, ["handle", "app_send"]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_hypercorn_still_has_what_the_guard_overrides_or_calls(owner: type, names: list[str]):
    assert [name for name in names if not hasattr(owner, name)] == []


def test_hypercorn_still_takes_what_the_guard_hands_it():
    nine = ["app", "config", "context", "task_group"]
    assert parameters(H11Protocol) == [*nine, "connection_state", "ssl", "client", "server", "send"]
    assert parameters(H2Protocol) == parameters(H11Protocol)
    assert parameters(ProtocolWrapper) == [*nine, "state", "ssl", "client", "server", "send", "alpn_protocol"]
    assert parameters(HTTPStream) == [*nine, "ssl", "client", "server", "send", "stream_id"]
    assert parameters(WSStream) == parameters(HTTPStream)
    assert parameters(TCPServer) == ["app", "config", "context", "state", "stream"]
    assert parameters(TaskGroup.spawn_app) == ["self", "app", "config", "scope", "send"]


def test_h2_still_keeps_header_blocks_that_are_not_whole_where_the_guard_looks():
    connection = CalmConnection(h2.settings.Settings(client=False), 0)
    assert connection.incoming_buffer._headers_buffer == []
    assert connection.encoder.table_size_changes == []
    assert connection._frame_dispatch_table[SettingsFrame] == connection._receive_settings_frame


def test_h2_still_lets_itself_be_told_not_to_judge_and_judges_when_asked():
    assert h2.config.H2Configuration(validate_inbound_headers=False).validate_inbound_headers is False
    assert is_malformed([*get(b"/"), (b"connection", b"close")])
    assert not is_malformed(get(b"/"))


def test_h11_still_keeps_what_came_where_the_guard_looks():
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"\r\nGET")
    assert bytes(connection._receive_buffer) == b"\r\nGET"
    connection._receive_buffer.maybe_extract_at_most(2)
    assert bytes(connection._receive_buffer) == b"GET"


async def test_hypercorn_still_keeps_the_state_that_the_guard_reads():
    async with trio.open_nursery() as nursery:
        guard = Guard(app, 1)
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        client = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        connection = GuardedConnection(guard.terms, await listener.accept())
        assert {"send_lock", "idle_task", "stream", "app", "config", "context"} <= vars(connection).keys()
        assert isinstance(connection.send_lock, trio.Lock)

        async def send(event):
            pass

        parts = (
            guard.terms.app,
            Config(),
            WorkerContext(None),
            TaskGroup(),
            ConnectionState({}),
            False,
            None,
            None,
            send,
        )
        protocol = GuardedH2(*parts, patience_seconds=1, stalled=lambda: None, unruly=lambda: None)
        assert {"streams", "stream_buffers", "priority", "connection", "has_data", "closed"} <= vars(protocol).keys()
        assert {"buffer", "_complete", "_is_empty", "_paused"} == vars(StreamBuffer(WorkerContext.event_class)).keys()
        stream = WSStream(*parts[:4], False, None, None, send, 1)
        assert {"closed", "state", "app_put", "buffer", "config"} <= vars(stream).keys()
        assert "_nursery" in vars(TaskGroup())
        h11 = H11Protocol(*parts)
        assert {"connection", "stream", "can_read", "connection_state", "keep_alive_requests"} <= vars(h11).keys()
        await trio.aclose_forcefully(client)
        await trio.aclose_forcefully(connection.stream)
        await listener.aclose()
        nursery.cancel_scope.cancel()
