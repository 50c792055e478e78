"""WebSockets of a vendor, frame by frame as its documents print them, on real loopback sockets."""

import base64
import hashlib
import struct
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from bridge.dialects.contract import HttpRequest
from bridge.errors import TransportLost, VendorProtocolError, VendorRefused
from bridge.model import SECONDS, UnixNanos
from bridge.upstream.network import websocket, websocket_connection
from bridge.upstream.network.http import open_client
from bridge.upstream.network.silence import until_silent
from bridge.upstream.network.websocket import open_websocket_connector
from bridge.upstream.network.websocket_connection import WebSocketTerms
from bridge.upstream.settings import FeedSettings
from tests.support.proxy import open_proxy
from tests.support.vendor import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    answer,
    certified,
    hang,
    open_vendor,
    saying,
    server_frame,
)

NOW = UnixNanos(1_773_880_484 * SECONDS)
SNAPSHOT = (  # the Liquidity page's sample
    '{"type":"orderbook_snapshot","symbol":"BTC-USD","bids":[[83400,1.5],[83399,2.0]],'
    '"asks":[[83401,1.2],[83402,0.8]],"timestamp":1710807360}'
)
SUBSCRIBE = b'{"type":"subscribe","channel":"orderbook","symbol":"BTC-USD","depth":20}'


@pytest.fixture(autouse=True)
def _short_goodbyes(monkeypatch):
    """Most vendors here do not answer a close."""
    monkeypatch.setattr(websocket_connection, "CLOSE_SECONDS", 0.1)


@asynccontextmanager
async def connector(read_timeout_seconds=10.0, pong_seconds=5.0, max_message_bytes=10_000, **feed):
    terms = WebSocketTerms(
        read_timeout_seconds=read_timeout_seconds, pong_seconds=pong_seconds, max_message_bytes=max_message_bytes
    )
    with trio.fail_after(20):
        settings = FeedSettings(dialect="x", url="http://h", **feed)
        async with open_client(settings, lambda: NOW) as client, open_websocket_connector(client, terms) as made:
            yield made


async def frame_of(connection):
    """Receive past the signs of life."""
    while (frame := await connection.receive()) is None:
        pass
    return frame


async def test_subscribe_and_snapshot_as_the_page_prints_them():
    async def liquidity(call):
        await call.accept()
        assert await call.heard() == SUBSCRIBE.decode()
        await call.say(SNAPSHOT)
        await call.until_client_leaves()

    async with open_vendor(liquidity) as vendor, connector() as ws:
        request = HttpRequest(url=vendor.websocket_url + "?token=t", headers=(("Authorization", "Bearer t"),))
        connection = await ws.connect(request)
        await connection.send(SUBSCRIBE)
        frame = await connection.receive()
        assert frame.data == SNAPSHOT.encode()
        assert frame.ts_recv == NOW
        assert connection.last_event_id is None
        await connection.aclose()
    call = vendor.calls[0]
    assert call.request_line == "GET /ws?token=t HTTP/1.1"
    assert call.headers["authorization"] == "Bearer t"
    assert call.headers["host"] == f"127.0.0.1:{vendor.port}"
    assert "sec-websocket-extensions" not in call.headers


async def test_messages_in_pieces_and_in_binary_are_data():
    async def script(call):
        await call.accept()
        await call.send(server_frame(TEXT, b"caf\xc3", final=False))
        await call.send(server_frame(PING, b"between"))
        await call.send(server_frame(0, b"\xa9"))
        await call.frame(BINARY, b"\x00\xff")
        await call.until_client_leaves()

    async with open_vendor(script) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        assert (await frame_of(connection)).data.decode() == "café"
        assert (await frame_of(connection)).data == b"\x00\xff"
        await connection.aclose()


async def test_first_messages_behind_the_upgrade_in_one_packet_are_kept():
    async def script(call):
        whole = []
        send, call.send = call.send, None
        call.send = lambda raw: _keep(whole, raw)
        await call.accept()
        await call.say("1")
        await call.say("2")
        await call.close(1000)
        await send(b"".join(whole))

    async def _keep(whole, raw):
        whole.append(raw)

    async with open_vendor(script) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        assert [(await connection.receive()).data for _ in range(2)] == [b"1", b"2"]
        with pytest.raises(TransportLost, match="closed the WebSocket: 1000"):
            await connection.receive()


@pytest.mark.parametrize(
    ("status", "headers", "words", "retry_after_seconds"),
    [
        ("401 Unauthorized", ("Content-Type: application/json",), '{"error":"no such token"}', None),
        ("429 Too Many Requests", ("Retry-After: 9",), '{"error":"no such token"}', 9),
        ("503 Service Unavailable", ("Content-Type: text/html",), "Service Unavailable", None),
        ("200 OK", (), '{"error":"no such token"}', None),
        ("301 Moved Permanently", ("Location: /elsewhere",), "a redirect, which is not followed", None),
    ],
)
async def test_refused_upgrade_tells_status_words_and_how_long(status, headers, words, retry_after_seconds):
    raw = answer(status, b'{"error":"no such token"}', *headers)
    async with open_vendor(saying(raw)) as vendor, connector() as ws:
        with pytest.raises(VendorRefused) as caught:
            await ws.connect(HttpRequest(url=vendor.websocket_url + "?token=top-secret"))
    assert caught.value.status == int(status[:3])
    assert caught.value.reason == words
    assert caught.value.retry_after_seconds == retry_after_seconds


async def test_refusal_whose_body_ends_with_the_connection_is_a_refusal_too():
    raw = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\nno top-secret here"
    async with open_vendor(saying(raw)) as vendor, connector() as ws:
        with pytest.raises(VendorRefused) as caught:
            await ws.connect(HttpRequest(url=vendor.websocket_url + "?token=top-secret"))
    assert caught.value.reason == "no […] here"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "the peer closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the answer is no WebSocket handshake"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: nonsense\r\n\r\n",
            "the answer is no WebSocket handshake",
        ),
    ],
)
async def test_answer_that_is_no_upgrade_is_a_loss(raw, words):
    async with open_vendor(saying(raw)) as vendor, connector() as ws:
        with pytest.raises(TransportLost, match=words):
            await ws.connect(HttpRequest(url=vendor.websocket_url))


def accepting(*instead: str):
    """Return a script that accepts the upgrade, with these lines for those of the same name, and then waits."""

    async def script(call):
        digest = hashlib.sha1(
            call.headers["sec-websocket-key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        ).digest()
        lines = [
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
        ]
        others = {line.partition(":")[0] for line in instead}
        kept = [line for line in lines if line.partition(":")[0] not in others]
        await call.send("\r\n".join(["HTTP/1.1 101 Switching Protocols", *kept, *instead, "", ""]).encode())
        await call.until_client_leaves()

    return script


@pytest.mark.parametrize("instead", [(), ("Upgrade: WebSocket", "Connection: keep-alive, UPGRADE")])
async def test_an_upgrade_may_be_spelled_in_any_case(instead):
    async with open_vendor(accepting(*instead)) as vendor, connector() as ws:
        await (await ws.connect(HttpRequest(url=vendor.websocket_url))).aclose()


@pytest.mark.parametrize(
    "instead",
    [
        ("Upgrade: h2c",),
        ("Connection: close",),
        ("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",),
        ("Sec-WebSocket-Extensions: permessage-deflate",),
        ("Sec-WebSocket-Protocol: chat",),
    ],
)
async def test_an_upgrade_to_what_was_not_asked_for_is_a_loss(instead):
    """RFC 6455 §4.1: another protocol, another key's answer, an extension or a subprotocol that we did not offer."""
    async with open_vendor(accepting(*instead)) as vendor, connector() as ws:
        with pytest.raises(TransportLost, match="the answer is no WebSocket handshake"):
            await ws.connect(HttpRequest(url=vendor.websocket_url))


async def test_endless_refusal_is_cut():
    async def endless(call):
        await call.send(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await call.send(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")

    async with open_vendor(endless) as vendor, connector() as ws:
        with pytest.raises(VendorRefused) as caught:
            await ws.connect(HttpRequest(url=vendor.websocket_url))
    assert caught.value.status == 500


async def test_vendor_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(websocket, "OPEN_SECONDS", 0.2)
    async with open_vendor(hang) as vendor, connector() as ws:
        with pytest.raises(TransportLost, match=r"no accepted WebSocket within 0\.2 s"):
            await ws.connect(HttpRequest(url=vendor.websocket_url))
        await vendor.calls[0].closed_by_client.wait()


async def test_closed_port_is_a_loss():
    async with open_vendor(hang) as vendor:
        url = vendor.websocket_url
    async with connector() as ws:
        with pytest.raises(TransportLost, match="connection refused"):
            await ws.connect(HttpRequest(url=url))


async def test_request_that_http_forbids_is_not_sent():
    async with open_vendor(hang) as vendor, connector() as ws:
        with pytest.raises(TransportLost, match="characters that HTTP does not allow"):
            await ws.connect(HttpRequest(url=vendor.websocket_url, headers=(("authorization", "Bearer x\r\nHost: y"),)))
        with pytest.raises(TransportLost, match="characters that HTTP does not allow"):
            await ws.connect(HttpRequest(url=vendor.websocket_url + "?token=a b"))
    assert vendor.calls == []


async def test_vendors_close_comes_after_its_last_message_and_tells_its_code():
    async def script(call):
        await call.accept()
        await call.say("last")
        await call.close(4401, "token expired")
        opcode, payload = await call.read_frame()
        assert (opcode, payload[:2]) == (CLOSE, struct.pack("!H", 4401))

    async with open_vendor(script) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        assert (await connection.receive()).data == b"last"
        for _ in range(2):
            with pytest.raises(TransportLost, match="closed the WebSocket: 4401 token expired"):
                await connection.receive()
        assert connection.close_code == 4401
        with pytest.raises(TransportLost):
            await connection.send(b"{}")
        with pytest.raises(TransportLost):
            await connection.ping()
        await connection.aclose()


async def test_vendors_complaint_about_us_is_its_close_and_not_its_fault():
    async def script(call):
        await call.accept()
        await call.close(1002, "what was that?")
        await call.until_client_leaves()

    async with open_vendor(script) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        with pytest.raises(TransportLost, match=r"the vendor closed the WebSocket: 1002 what was that\?"):
            await connection.receive()
        assert connection.close_code == 1002


async def test_cut_and_reset_connections_are_losses():
    async def cut(call):
        await call.accept()

    async def reset(call):
        await call.accept()
        await call.go.wait()
        await call.reset()

    async with open_vendor(cut, reset) as vendor, connector() as ws:
        for words in ("the peer closed the connection", "the peer reset the connection"):
            connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
            vendor.calls[-1].go.set()
            with pytest.raises(TransportLost, match=words):
                await connection.receive()
            assert connection.close_code is None
            await connection.aclose()


async def test_silence_past_the_read_deadline_is_a_loss():
    async def mute(call):
        await call.accept()
        await call.until_client_leaves()

    async with open_vendor(mute) as vendor, connector(read_timeout_seconds=0.4) as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        with pytest.raises(TransportLost, match=r"it: silent for 0\.4 s"):
            await until_silent(connection, "it")
        await connection.aclose()


async def test_vendors_pings_are_answered_and_count_as_life():
    pongs = []

    async def pinging(call):
        await call.accept()
        for payload in (b"a", b"b", b"c", b"d", b"e", b"f"):
            await trio.sleep(0.3)
            await call.frame(PING, payload)
            pongs.append(await call.read_frame())
        await call.say("still here")
        await call.until_client_leaves()

    async with open_vendor(pinging) as vendor, connector(read_timeout_seconds=1.2) as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(until_silent, connection, "it")
            assert (await connection.receive()).data == b"still here"
            nursery.cancel_scope.cancel()
        await connection.aclose()
    assert pongs == [(PONG, payload) for payload in (b"a", b"b", b"c", b"d", b"e", b"f")]


async def test_ping_returns_with_its_pong():
    async def answering(call):
        await call.accept()
        opcode, payload = await call.read_frame()
        assert opcode == PING
        await call.frame(PONG, payload)
        await call.until_client_leaves()

    async with open_vendor(answering) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        await connection.ping()
        await connection.aclose()


async def test_ping_without_a_pong_is_a_loss():
    async def deaf(call):
        await call.accept()
        await call.until_client_leaves()

    async with open_vendor(deaf) as vendor, connector(pong_seconds=0.2) as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        with pytest.raises(TransportLost, match=r"no pong within 0\.2 s"):
            await connection.ping()
        await connection.aclose()


async def test_ping_that_meets_a_close_ends_there():
    """The library's reader then raises another library's error, which must not reach the connector's nursery."""

    async def late_ping(call):
        await call.accept()
        await call.read_frame()  # our close
        await call.frame(PING, b"too late")
        await call.until_client_leaves()

    async def healthy(call):
        await call.accept()
        await call.say("on")
        await call.until_client_leaves()

    async with open_vendor(late_ping, healthy) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        await connection.aclose()
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        assert (await connection.receive()).data == b"on"
        await connection.aclose()


@pytest.mark.parametrize(
    "raw",
    [
        server_frame(TEXT, b"\xff\xfe"),  # not UTF-8
        b"\x83\x00",  # a reserved opcode
        b"\xf1\x00",  # reserved bits without an extension
        b"\x81\x81\x00\x00\x00\x00x",  # a masked frame from a server
        b"\x09\x00",  # a fragmented ping
    ],
)
async def test_bytes_that_break_the_protocol_are_the_vendors_fault(raw):
    async def script(call):
        await call.accept()
        await call.say("fine")
        await call.send(raw)
        await call.until_client_leaves()

    async with open_vendor(script) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        assert (await connection.receive()).data == b"fine"
        with pytest.raises(VendorProtocolError, match="broke the WebSocket protocol"):
            await connection.receive()
        with pytest.raises(TransportLost, match="broke the WebSocket protocol"):
            await connection.receive()
        await vendor.calls[0].closed_by_client.wait()
        await connection.aclose()


@pytest.mark.parametrize("head", [b"\x81\x7e" + struct.pack("!H", 10_001), b"\x81\x7f" + struct.pack("!Q", 2**40)])
async def test_oversize_message_is_the_vendors_fault(head):
    async def script(call):
        await call.accept()
        await call.send(head + b"x" * 10_001)
        await call.until_client_leaves()

    async with open_vendor(script) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        with pytest.raises(VendorProtocolError, match="more than 10000 bytes"):
            await connection.receive()
        with pytest.raises(TransportLost, match="more than 10000 bytes"):
            await connection.receive()
        await connection.aclose()
        await vendor.calls[0].closed_by_client.wait()


async def test_vendor_that_does_not_read_fails_the_send(monkeypatch):
    monkeypatch.setattr(websocket_connection, "SEND_SECONDS", 0.2)

    async def deaf(call):
        await call.accept()
        await call.go.wait()

    async with open_vendor(deaf) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        with pytest.raises(TransportLost, match="stopped reading"):
            await connection.send(b"x" * 50_000_000)
        with pytest.raises(TransportLost):
            await connection.send(b"after half a frame nothing more may go out")
        vendor.calls[0].go.set()
        await connection.aclose()


async def test_slow_session_slows_its_vendor_and_loses_nothing():
    count = 3000

    async def script(call):
        await call.accept()
        for number in range(count):
            await call.say(str(number))
        await call.close(1001)
        await call.until_client_leaves()

    async with open_vendor(script) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        await trio.testing.wait_all_tasks_blocked(0.05)
        got = [(await frame_of(connection)).data for _ in range(count)]
        assert got == [str(number).encode() for number in range(count)]
        await connection.aclose()


async def test_close_says_goodbye_and_waits_for_the_vendors():
    async def script(call):
        await call.accept()
        opcode, payload = await call.read_frame()
        assert (opcode, payload) == (CLOSE, struct.pack("!H", 1000))
        await call.close(1000)
        await call.until_client_leaves()

    async with open_vendor(script) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        await connection.aclose()
        await connection.aclose()
        await vendor.calls[0].closed_by_client.wait()
        with pytest.raises(TransportLost, match="closed on this side"):
            await connection.receive()


async def test_a_close_does_not_wait_for_an_answer_that_nobody_reads_any_more(monkeypatch):
    monkeypatch.setattr(websocket_connection, "CLOSE_SECONDS", 5)

    async def script(call):
        await call.accept()
        await call.until_client_leaves()

    async with open_vendor(script) as vendor, trio.open_nursery() as nursery:
        async with connector() as ws:  # its end ends the reader
            connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
            nursery.start_soon(connection.aclose)
            await trio.testing.wait_all_tasks_blocked(0.1)
            assert nursery.child_tasks  # it waits for the answer
        await trio.testing.wait_all_tasks_blocked(0.1)
        assert not nursery.child_tasks


async def test_close_wakes_the_receiver():
    async def mute(call):
        await call.accept()
        await call.until_client_leaves()

    async with open_vendor(mute) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        ends = []

        async def receiver():
            with pytest.raises(TransportLost, match="closed on this side"):
                await connection.receive()
            ends.append(True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receiver)
            await trio.testing.wait_all_tasks_blocked(0.05)
            await connection.aclose()
        assert ends == [True]


async def test_close_under_cancellation_with_a_full_queue_leaves_no_task():
    async def flood(call):
        await call.accept()
        while True:
            await call.say("x" * 1000)

    async with open_vendor(flood) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        await connection.receive()
        await trio.testing.wait_all_tasks_blocked(0.05)
        with trio.CancelScope() as scope:
            scope.cancel()
            await connection.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not ws._nursery.child_tasks
        assert "closed on this side" in repr(connection)


async def test_close_of_a_broken_connection_with_a_full_queue_leaves_no_task():
    async def flood_and_reset(call):
        await call.accept()
        with trio.move_on_after(0.3):
            while True:
                await call.say("x" * 1000)
        await call.reset()

    async with open_vendor(flood_and_reset) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        with pytest.raises(TransportLost):  # noqa: PT012 - the first send after a reset may still go through
            while True:
                await connection.send(b"{}")
                await trio.sleep(0.05)
        await connection.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not ws._nursery.child_tasks


async def test_cancelled_connect_leaves_no_connection_and_no_task():
    async with open_vendor(hang) as vendor, connector() as ws:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ws.connect, HttpRequest(url=vendor.websocket_url))
            await vendor.called(1)
            nursery.cancel_scope.cancel()
        await vendor.calls[0].closed_by_client.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not ws._nursery.child_tasks


async def test_cancelled_receive_costs_nothing():
    async def script(call):
        await call.accept()
        await call.go.wait()
        await call.say("kept")
        await call.until_client_leaves()

    async with open_vendor(script) as vendor, connector() as ws:
        connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        with trio.move_on_after(0.05):
            await connection.receive()
        vendor.calls[0].go.set()
        assert (await frame_of(connection)).data == b"kept"
        await connection.aclose()


async def test_leaving_the_connector_cuts_what_is_open():
    async def mute(call):
        await call.accept()
        await call.until_client_leaves()

    async with open_vendor(mute) as vendor:
        async with connector() as ws:
            connection = await ws.connect(HttpRequest(url=vendor.websocket_url))
        await vendor.calls[0].closed_by_client.wait()
        with pytest.raises(TransportLost):
            await connection.receive()


@pytest.mark.parametrize("way", ["direct", "connect_to", "proxy"])
async def test_tls_checks_the_urls_name_whatever_the_way(tmp_path, way):
    server, ca_file = certified(tmp_path, "api.example.test", "127.0.0.1")

    async def script(call):
        await call.accept()
        await call.say("through")
        await call.until_client_leaves()

    async with open_vendor(script, tls=server) as vendor, open_proxy(dial_port=vendor.port) as proxy:
        url = "wss://api.example.test/ws"
        feed = {
            "direct": {},
            "connect_to": {"connect_to": f"127.0.0.1:{vendor.port}"},
            "proxy": {"proxy": f"http://Aladdin:open%20sesame@127.0.0.1:{proxy.port}"},
        }[way]
        async with connector(ca_file=ca_file, **feed) as ws:
            connection = await ws.connect(HttpRequest(url=vendor.websocket_url if way == "direct" else url))
            assert (await connection.receive()).data == b"through"
            await connection.aclose()
            if way != "direct":
                assert vendor.calls[0].headers["host"] == "api.example.test"
                with pytest.raises(TransportLost, match="the certificate was not accepted"):
                    await ws.connect(HttpRequest(url="wss://other.example.test/ws"))
        if way == "proxy":
            assert proxy.heads[0] == (
                b"CONNECT api.example.test:443 HTTP/1.1\r\nHost: api.example.test:443\r\n"
                b"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
            )


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "answered 407 Proxy Authentication Required"),
        (b"SSH-2.0-x\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "gave no answer to CONNECT"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "spoke out of turn"),
        (b"x" * 20_000, "gave no answer to CONNECT"),
    ],
)
async def test_proxy_that_opens_no_tunnel_is_named(raw, words):
    async with open_proxy(raw) as proxy, connector(proxy=f"http://user:secret@127.0.0.1:{proxy.port}") as ws:
        with pytest.raises(TransportLost, match=words) as caught:
            await ws.connect(HttpRequest(url="ws://api.example.test/ws"))
    assert f"127.0.0.1:{proxy.port}" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_proxy_that_talks_for_ever_is_cut():
    async def endless(call):
        while True:
            await call.send(b"x" * 1000)

    async with open_vendor(endless) as proxy, connector(proxy=f"http://127.0.0.1:{proxy.port}") as ws:
        with pytest.raises(TransportLost, match="gave no answer to CONNECT"):
            await ws.connect(HttpRequest(url="ws://api.example.test/ws"))


async def test_answers_are_fetched_over_the_same_client():
    async with open_vendor(saying(answer("200 OK", b"{}"))) as vendor, connector() as ws:
        assert (await ws.fetch(HttpRequest(url=vendor.url))).data == b"{}"
