"""Clients that do not read, do not speak or leave: each is gone within its bound and leaves nothing."""

import select
import socket
import ssl
import struct
from contextlib import suppress

import h2.events
import pytest
import trio
import trio.testing
import trustme

from bridge.downstream.guard.buffer import HIGH_WATER_BYTES
from bridge.downstream.guard.epoll import RationedEpoll
from bridge.downstream.guard.guard import CONNECTION_KEY, Guard
from tests.support.garbage import uncollected
from tests.support.http2 import Http2Client, get
from tests.support.serving import Served, connect, guarded, until

UPGRADE = (
    b"GET /flood HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)
PIECE = b"data: " + bytes(9_992) + b"\n\n"
NEVER = 1_000.0


class App:
    """Streams for ever at /flood, silently at /quiet; counts what runs and what it got rid of."""

    def __init__(self, *, listens: bool = True) -> None:
        self.listens = listens
        self.running = 0
        self.sent = 0
        self.ends: list[str] = []
        self.began = trio.Event()
        self.idle = trio.Event()

    async def __call__(self, scope, receive, send):
        self.running += 1
        try:
            await self._serve(scope, receive, send)
        except BaseException:  # `Cancelled`, or a group of it
            self.ends.append("cancelled")
            raise
        finally:
            self.running -= 1
            if not self.running:
                self.idle.set()

    async def _serve(self, scope, receive, send):
        websocket = scope["type"] == "websocket"
        if scope["path"] == "/":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            return
        if websocket:
            await send({"type": "websocket.accept"})
        else:
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
            )
            await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        async with trio.open_nursery() as nursery:
            if self.listens:
                nursery.start_soon(self._listen, receive, nursery.cancel_scope)
            while scope["path"] == "/flood":
                if websocket:
                    await send({"type": "websocket.send", "bytes": PIECE, "text": None})
                else:
                    await send({"type": "http.response.body", "body": PIECE, "more_body": True})
                self.sent += len(PIECE)
                self.began.set()
                await trio.lowlevel.checkpoint()
            await trio.sleep_forever()

    async def _listen(self, receive, scope: trio.CancelScope):
        while (message := await receive())["type"] not in {"http.disconnect", "websocket.disconnect"}:
            pass
        self.ends.append(message["type"])
        scope.cancel()


async def stalled_client(served: Served, protocol: str) -> None:
    """Ask for the flood and read nothing, with a kernel buffer that takes little."""
    stream = await served.connect(receive_buffer=4_096)
    if protocol == "websocket":
        await stream.send_all(UPGRADE)
    elif protocol == "http1":
        await stream.send_all(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
    else:
        client = Http2Client(stream, window=2**31 - 1)
        await client.start()
        client.connection.increment_flow_control_window(2**31 - 1 - 65_535)
        await client.request(get(b"/flood"))


PROTOCOLS = ("http1", "http2", "websocket")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_client_that_does_not_read_is_hung_up_on_after_the_write_deadline(protocol: str):
    app = App()
    with trio.fail_after(20):
        async with guarded(app, deadline=0.3) as served:
            await stalled_client(served, protocol)
            await app.began.wait()
            await served.none_live()
            assert app.running == 0
            statistics = served.guard.statistics()
            assert (statistics.stalled, statistics.hung_up, statistics.contained) == (1, 1, 0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_drain_with_a_client_that_does_not_read_ends_within_its_bound(protocol: str):
    app = App()
    with trio.fail_after(20):
        async with guarded(app, deadline=NEVER) as served:
            await stalled_client(served, protocol)
            sent = -1
            while app.sent != sent:  # until nothing moves any more
                sent = app.sent
                await trio.sleep(0.2)
            await served.guard.drain(0.2)
            await served.none_live()
            assert app.running == 0


async def test_http2_stream_whose_window_stays_shut_is_reset_and_the_others_live_on():
    app = App()
    with trio.fail_after(20):
        async with guarded(app, deadline=0.3) as served:
            client = Http2Client(await served.connect(), acknowledge=False, window=20_000)
            await client.start()
            stalled = await client.request(get(b"/flood"))
            await client.until(h2.events.StreamReset, stalled)
            # what left plus what may wait; without a bound it would be all that an app can produce in that time
            assert app.sent <= 20_000 + HIGH_WATER_BYTES + len(PIECE)
            assert await client.response(await client.request(get(b"/"))) == (200, b"ok")
            assert served.guard.statistics().hung_up == 0
            await app.idle.wait()


async def test_http2_client_that_does_nothing_else_when_its_last_stream_has_stalled_is_hung_up_on():
    app = App()
    with trio.fail_after(20):
        async with guarded(app, deadline=0.3) as served:
            client = Http2Client(await served.connect(), acknowledge=False, window=20_000)
            await client.start()
            await client.request(get(b"/flood"))
            await app.began.wait()
            await served.none_live()
            assert app.running == 0
            statistics = served.guard.statistics()
            assert (statistics.stalled, statistics.hung_up, statistics.contained) == (1, 1, 0)


async def test_slow_client_that_does_read_is_not_cut_however_long_a_message_takes():
    with trio.fail_after(30):

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
            await send({"type": "http.response.body", "body": bytes(size)})

        size, got = 12_000_000, 0
        async with guarded(app, deadline=0.5) as served:
            stream = await served.connect(receive_buffer=65_536)
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            start = trio.current_time()
            while data := await stream.receive_some(200_000):
                got += len(data)
                await trio.sleep(0.01)
            assert got > size
            assert trio.current_time() - start > 0.5  # longer than the deadline, else this shows nothing


# ── clients that leave ──


async def leave(stream: trio.SocketStream, how: str) -> None:
    if how == "rst":
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("opening", [b"GET /quiet HTTP/1.1\r\nHost: x\r\n\r\n", UPGRADE.replace(b"/flood", b"/quiet")])
@pytest.mark.parametrize("behind", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["", "with a request behind"])
async def test_client_that_leaves_ends_its_stream(how: str, opening: bytes, behind: bytes):
    app = App()
    with trio.fail_after(10):
        async with guarded(app) as served:
            stream = await served.connect()
            await stream.send_all(opening)
            await stream.receive_some()
            if b"websocket" not in opening:
                await stream.send_all(behind)
                await trio.sleep(0.02)
            await leave(stream, how)
            await served.none_live()
            assert app.ends == [f"{'websocket' if b'websocket' in opening else 'http'}.disconnect"]
            assert app.running == 0


@pytest.mark.parametrize("how", ["fin", "rst", "stream"])
async def test_http2_client_that_leaves_ends_its_streams(how: str):
    app = App()
    with trio.fail_after(10):
        async with guarded(app, idle_seconds=0.2) as served:
            stream = await served.connect()
            client = Http2Client(stream)
            await client.start()
            stream_ids = [await client.request(get(b"/quiet")) for _ in range(3)]
            for stream_id in stream_ids:
                await client.until(h2.events.DataReceived, stream_id)
            if how == "stream":
                for stream_id in stream_ids:
                    client.connection.reset_stream(stream_id)
                await client.flush()
                await app.idle.wait()
                await client.until(h2.events.ConnectionTerminated)  # idle now, so it is closed in time
            await leave(stream, how)
            await served.none_live()
            assert app.ends == ["http.disconnect"] * 3
            assert app.running == 0


async def test_app_that_does_not_listen_is_cancelled_when_its_client_leaves():
    app = App(listens=False)
    with trio.fail_after(10):
        async with guarded(app) as served:
            stream = await served.connect()
            await stream.send_all(b"GET /quiet HTTP/1.1\r\nHost: x\r\n\r\n")
            await stream.receive_some()
            await stream.aclose()
            await served.none_live()
            assert app.ends == ["cancelled"]


async def test_app_that_does_not_listen_is_cancelled_when_its_http2_stream_is_reset():
    app = App(listens=False)
    with trio.fail_after(10):
        async with guarded(app) as served:
            client = Http2Client(await served.connect())
            await client.start()
            stream_id = await client.request(get(b"/quiet"))
            await client.until(h2.events.DataReceived, stream_id)
            client.connection.reset_stream(stream_id)
            await client.flush()
            await app.idle.wait()
            assert await client.response(await client.request(get(b"/"))) == (200, b"ok")
            assert app.ends == ["cancelled"]


async def test_client_that_still_talks_after_our_last_word_is_not_answered_with_a_reset():
    with trio.fail_after(10):
        async with guarded(App()) as served:
            stream = await served.connect()
            await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n")
            while await stream.receive_some():
                pass
            for _ in range(5):  # a reset would have come back before the last
                await stream.send_all(bytes(20_000))
                await trio.sleep(0.05)


async def test_app_that_does_not_listen_cannot_block_the_reader_for_ever():
    app = App(listens=False)
    with trio.fail_after(10):
        async with guarded(app, deadline=0.3) as served:
            stream = await served.connect()
            await stream.send_all(b"POST /quiet HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
            with pytest.raises(trio.BrokenResourceError):  # noqa: PT012 - at whichever send it notices
                while True:
                    await stream.send_all(bytes(100_000))
            await served.none_live()
            assert app.ends == ["cancelled"]


async def test_hanging_up_ends_every_stream_of_the_connection_at_once():
    connections, began = [], trio.Event()

    async def app(scope, receive, send):
        connections.append(scope["state"][CONNECTION_KEY])
        if len(connections) == 2:
            began.set()
        await trio.sleep_forever()

    with trio.fail_after(10):
        async with guarded(app) as served:
            client = Http2Client(await served.connect())
            await client.start()
            await client.request(get(b"/"))
            await client.request(get(b"/"))
            await began.wait()
            (connection,) = set(connections)
            connection.hang_up()
            connection.hang_up()  # harmless
            await served.none_live()
            assert served.guard.statistics().hung_up == 1
            with pytest.raises(trio.BrokenResourceError):  # noqa: PT012 - what had been sent before comes first
                while True:
                    await client.stream.receive_some()


# ── clients that do not speak ──


@pytest.mark.parametrize(
    "opening",
    [b"", b"GET / HTTP/1.1\r\nHost:", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")],
)
async def test_connection_without_a_whole_request_is_closed(opening: bytes):
    with trio.fail_after(10):
        async with guarded(App(), first_request_seconds=0.2) as served:
            stream = await served.connect()
            await stream.send_all(opening)
            while await stream.receive_some():
                pass
            await stream.aclose()
            await served.none_live()


async def test_request_that_comes_in_drips_is_closed():
    with trio.fail_after(10):
        async with guarded(App(), first_request_seconds=0.3) as served:
            stream = await served.connect()
            with pytest.raises(trio.BrokenResourceError):  # noqa: PT012 - at whichever drip it notices
                await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
                while True:
                    await stream.send_all(b"a")
                    await trio.sleep(0.05)
            await served.none_live()


async def test_idle_connections_are_closed_http2_with_a_goaway():
    with trio.fail_after(10):
        async with guarded(App(), idle_seconds=0.2) as served:
            stream = await served.connect()
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            while await stream.receive_some():
                pass
            client = Http2Client(await served.connect())
            await client.start()
            await client.response(await client.request(get(b"/")))
            await client.until(h2.events.ConnectionTerminated)


async def test_stream_outlives_every_idle_time():
    app = App()
    with trio.fail_after(10):
        async with guarded(app, idle_seconds=0.05, first_request_seconds=0.05) as served:
            stream = await served.connect()
            await stream.send_all(b"GET /quiet HTTP/1.1\r\nHost: x\r\n\r\n")
            await stream.receive_some()
            await trio.sleep(0.3)
            assert app.running == 1


async def test_app_cancelled_by_the_disconnect_behind_its_last_word_leaves_its_connection_in_order():
    async def app(scope, receive, send):
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            await trio.testing.wait_all_tasks_blocked()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

    ask = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with trio.fail_after(10):
        async with guarded(app, idle_seconds=0.2) as served:
            stream = await served.connect()
            await stream.send_all(ask * 3)
            data = b""
            while piece := await stream.receive_some():  # idle in the end, so it is closed in time
                data += piece
            assert data.count(b"HTTP/1.1 200") == 3
            client = Http2Client(await served.connect())
            await client.start()
            assert await client.response(await client.request(get(b"/"))) == (200, b"ok")
            await client.until(h2.events.ConnectionTerminated)


HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
OURS = ("bridge.", "h11.", "h2.", "hypercorn.", "wsproto.", "ssl.")


@pytest.mark.parametrize(
    ("alpn", "says"),
    [
        (None, b""),
        (None, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        (None, b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n"),
        (None, UPGRADE),
        (None, bytes(256)),
        (None, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nX\0: y\r\n\r\n"),
        (None, HTTP2),
        (None, HTTP2 + b"\x00\x00\x04\x01\x00\x00\x00\x00\x01" + bytes(4)),
        (None, HTTP2 + b"\x00\x00\x0d\x01\x04\x00\x00\x00\x01\x82\x86\x04\x06/flood\x01\x01x"),
        ("http/1.1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("h2", HTTP2),
        ("", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ],
    ids="silent get stream websocket garbage smuggler http2 headers http2-stream tls http2-tls no-tls".split(),  # noqa: SIM905
)
async def test_nothing_of_an_ended_connection_waits_for_a_collection(alpn: str | None, says: bytes):
    """A collection is a pause for all streams, and thousands of dead connections would make it a long one."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    trusting.set_alpn_protocols([alpn or "h2"])

    def call(port: int) -> None:
        """Speak, listen to the first words, and leave."""
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            caller = trusting.wrap_socket(plain, server_hostname="localhost") if alpn else plain
            with caller:
                caller.sendall(says)
                if says:
                    with suppress(ConnectionResetError):
                        caller.recv(65_536)

    with trio.fail_after(20):
        async with guarded(App(), ssl_context=context if alpn is not None else None) as served:
            await trio.to_thread.run_sync(call, served.port)
            await served.none_live()
            with uncollected() as left:
                await trio.to_thread.run_sync(call, served.port)
                await until(lambda: served.guard.accepted == 2)
                await served.none_live()
    assert [name for name in left if name.startswith(OURS)] == []


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="only Linux has epoll")
@pytest.mark.parametrize("protocol", ["websocket", "http2"])
async def test_who_has_a_stream_is_read_without_standing_behind_those_who_come(protocol: str):
    """Its windows and pongs are what its stream goes on by; here nobody else is ever served any more."""
    welcomed = trio.Event()

    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        scope["state"][CONNECTION_KEY].welcome()
        welcomed.set()
        while (await receive())["type"] not in {"http.disconnect", "websocket.disconnect"}:
            pass

    with trio.fail_after(20):
        epoll = RationedEpoll()
        guard = Guard(app, 1, None, epoll)
        async with trio.open_nursery() as nursery:
            serving = trio.CancelScope()

            async def ration() -> None:
                with serving:
                    await epoll.run()

            nursery.start_soon(ration)
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, guard.serve, listeners)
            stream = await connect(listeners[0].socket.getsockname()[1])
            if protocol == "websocket":
                await stream.send_all(UPGRADE)
                await welcomed.wait()
                await stream.send_all(b"\x89\x80abcd")  # its next read is still a rationed one
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
                await stream.receive_some()
            else:
                client = Http2Client(stream)
                await client.start()
                await client.request(get(b"/"))
                await welcomed.wait()
                client.connection.ping(b"abcdefgh")
                await client.flush()
                await client.until(h2.events.PingAckReceived)
            serving.cancel()
            await trio.testing.wait_all_tasks_blocked()
            if protocol == "websocket":
                await stream.send_all(b"\x89\x80abcd")
                assert await stream.receive_some() == b"\x8a\x00"
            else:
                client.connection.ping(b"12345678")
                await client.flush()
                await client.until(h2.events.PingAckReceived)
            await stream.aclose()
            nursery.cancel_scope.cancel()
