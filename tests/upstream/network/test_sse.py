"""Event streams of a vendor, byte for byte as its documents print them, on real loopback sockets."""

from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from bridge.dialects.contract import Comment, Frame, HttpRequest
from bridge.errors import TransportLost, VendorProtocolError, VendorRefused
from bridge.model import SECONDS, UnixNanos
from bridge.upstream.network import sse
from bridge.upstream.network.http import open_client
from bridge.upstream.network.silence import until_silent
from bridge.upstream.network.sse import SseConnector
from bridge.upstream.settings import FeedSettings
from tests.support.vendor import EVENT_STREAM, answer, certified, chunk, hang, open_vendor, saying, streaming

LIQUIDITY = (  # the Liquidity page's samples; the base protocol's framing (VENDORS §2.4) has no space after the colons
    b'id:c0ffee\nevent:CONNECT\ndata:{"clientId":"c0ffee"}\n\n'
    b'event: quote\ndata: {"assetId":"AAPL","last":249.93,"bid":249.87,"ask":250.01,"open":252.61,"high":254.91,'
    b'"low":249.01,"prevClose":254.23,"change":-4.30,"changePercent":-1.69,"volume":979956,'
    b'"timestamp":"2026-03-19T00:34:44Z"}\n\n'
    b": keep-alive\n\n"
    b'event: trade\ndata: {"assetId":"AAPL","tradeId":"trd_abc123","price":249.93,"size":50,"side":"buy",'
    b'"timestamp":"2026-03-19T00:34:44Z"}\n\n'
)
TRADINGVIEW = (  # the TradingView page's samples: unnamed events
    b'data: {"type":"connected","clientId":"sse_abc123","symbols":["NASDAQ:AAPL","NYSE:TSLA"],"timestamp":1234567890}\n\n'
    b'data: {"type":"quote_update","symbol":"NASDAQ:AAPL","data":{"lp":195.42},"timestamp":1234567891}\n\n'
    b": heartbeat\n\n"
)


class Clock:
    """A wall clock that a test sets."""

    def __init__(self):
        self.now = UnixNanos(1_773_880_484 * SECONDS)

    def __call__(self):
        return self.now


@asynccontextmanager
async def connector(read_timeout_seconds=10.0, clock=None, max_event_bytes=10_000, **feed):
    with trio.fail_after(20):
        async with open_client(FeedSettings(dialect="x", url="http://h", **feed), clock or Clock()) as client:
            yield SseConnector(client, read_timeout_seconds, max_event_bytes)


async def frames(connection, count):
    """Receive until `count` frames came; Nones stay in."""
    got = []
    while sum(frame is not None for frame in got) < count:
        got.append(await connection.receive())
    return got


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_liquiditys_stream_arrives_whole_however_it_is_cut(size):
    async with open_vendor(streaming(LIQUIDITY, size)) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url + "/api/realtime?subscribe=all:AAPL"))
        said = [said for said in await frames(connection, 4) if said]
        got = [frame for frame in said if isinstance(frame, Frame)]
        assert [frame.event for frame in got] == ["CONNECT", "quote", "trade"]
        assert got[1].data.startswith(b'{"assetId":"AAPL","last":249.93,"bid":249.87')
        assert got[2].data.endswith(b'"side":"buy","timestamp":"2026-03-19T00:34:44Z"}')
        assert connection.last_event_id == "c0ffee"
        assert [one for one in said if isinstance(one, Comment)] == [Comment("keep-alive")]
        await connection.aclose()


async def test_tradingviews_unnamed_events_and_heartbeats():
    async with open_vendor(streaming(TRADINGVIEW)) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        first, second, comment = [await connection.receive() for _ in range(3)]
        assert first.event == second.event == ""
        assert first.data.startswith(b'{"type":"connected"')
        assert comment == Comment("heartbeat")
        assert connection.last_event_id is None
        await connection.aclose()


async def test_request_is_that_of_an_event_stream():
    async with open_vendor(streaming(TRADINGVIEW)) as vendor, connector() as sse_connector:
        request = HttpRequest(url=vendor.url + "/sse/stream?token=t", headers=(("Last-Event-ID", "41"),))
        await (await sse_connector.connect(request)).aclose()
    headers = vendor.calls[0].headers
    assert vendor.calls[0].request_line == "GET /sse/stream?token=t HTTP/1.1"
    assert headers["accept"] == "text/event-stream"
    assert headers["accept-encoding"] == "identity"
    assert headers["cache-control"] == "no-store"
    assert headers["last-event-id"] == "41"


async def test_character_cut_in_the_middle_is_whole_again():
    async def script(call):
        await call.send(EVENT_STREAM)
        await call.send(chunk(b"data: caf\xc3"))
        await call.send(chunk(b"\xa9 \xe2\x82"))
        await call.send(chunk(b"\xac\n\n"))
        await call.until_client_leaves()

    async with open_vendor(script) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        (frame,) = [frame for frame in await frames(connection, 1) if frame]
        assert frame.data.decode() == "café €"
        await connection.aclose()


async def test_frames_carry_the_time_their_bytes_came():
    second_please = trio.Event()

    async def script(call):
        await call.send(EVENT_STREAM + chunk(b"data: a\n\ndata: b\n\n"))
        await second_please.wait()
        await call.send(chunk(b"data: c\n\n"))
        await call.until_client_leaves()

    clock = Clock()
    async with open_vendor(script) as vendor, connector(clock=clock) as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        came = clock.now
        first = await connection.receive()
        clock.now = UnixNanos(came + SECONDS)
        second = await connection.receive()
        second_please.set()
        third = await connection.receive()
        assert [first.ts_recv, second.ts_recv, third.ts_recv] == [came, came, came + SECONDS]
        await connection.aclose()


async def test_event_id_counts_only_once_its_event_was_handed_out():
    raw = b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid\ndata: c\n\n"
    async with open_vendor(streaming(raw)) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        seen = []
        for _ in range(3):
            await connection.receive()
            seen.append(connection.last_event_id)
        assert seen == ["1", "2", None]
        await connection.aclose()


@pytest.mark.parametrize("size", [1, 4096])
async def test_an_id_without_an_event_counts_as_in_a_browser(size):
    """HTML, "dispatch the event", step 1: the last event id is set even when there is no data."""
    raw = b"id: 1\ndata: a\n\nid: 2\n\nid: 3\n"  # the third never ended
    async with open_vendor(streaming(raw, size)) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        seen = []
        while connection.received_bytes < len(raw):
            await connection.receive()
            seen.append(connection.last_event_id)
        assert seen[-1] == "2"
        await connection.aclose()


@pytest.mark.parametrize("raw", [b"retry: 3000\ndata: a\n\n", b"data: a\n\nretry: 3000\n\n"])
async def test_retry_is_remembered_for_who_reconnects(raw):
    async with open_vendor(streaming(raw)) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        await connection.receive()
        assert connection.retry_seconds == 3
        await connection.aclose()


async def test_refusal_tells_status_words_and_how_long_to_stay_away():
    raw = answer("429 Too Many Requests", b'{"message":"Too Many Requests.","status":429}', "Retry-After: 12")
    async with open_vendor(saying(raw)) as vendor, connector() as sse_connector:
        with pytest.raises(VendorRefused) as caught:
            await sse_connector.connect(HttpRequest(url=vendor.url))
    assert caught.value.status == 429
    assert caught.value.retry_after_seconds == 12
    assert "Too Many Requests." in caught.value.reason


async def test_refused_token_is_not_repeated():
    raw = answer("401 Unauthorized", b'{"error":"top-secret is no token"}')
    async with open_vendor(saying(raw)) as vendor, connector() as sse_connector:
        with pytest.raises(VendorRefused) as caught:
            await sse_connector.connect(HttpRequest(url=vendor.url + "?token=top-secret"))
    assert caught.value.status == 401
    assert "top-secret" not in repr(caught.value)


async def test_answer_of_another_type_is_no_stream():
    raw = answer("200 OK", b"<html>Sign in</html>", "Content-Type: text/html")
    async with open_vendor(saying(raw)) as vendor, connector() as sse_connector:
        with pytest.raises(TransportLost, match="the answer is text/html, not an event stream"):
            await sse_connector.connect(HttpRequest(url=vendor.url))


@pytest.mark.parametrize("head", ["200 OK", "500 Oops"])
async def test_answer_that_is_not_taken_is_closed_at_once(head):
    async def endless(call):
        await call.send(f"HTTP/1.1 {head}\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        try:
            while True:
                await call.send(chunk(b"x" * 1000))
        finally:
            call.closed_by_client.set()

    async with open_vendor(endless) as vendor, connector() as sse_connector:
        with pytest.raises((TransportLost, VendorRefused)):
            await sse_connector.connect(HttpRequest(url=vendor.url))
        await vendor.calls[0].closed_by_client.wait()


async def test_vendor_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(sse, "ANSWER_SECONDS", 0.2)
    async with open_vendor(hang) as vendor, connector() as sse_connector:
        with pytest.raises(TransportLost, match=r"no answer within 0\.2 s"):
            await sse_connector.connect(HttpRequest(url=vendor.url))
        with trio.fail_after(5):
            await vendor.calls[0].closed_by_client.wait()


async def test_silence_past_the_read_deadline_is_a_loss():
    async with open_vendor(streaming(b"data: a\n\n")) as vendor, connector(read_timeout_seconds=0.3) as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        assert (await connection.receive()).data == b"a"
        with pytest.raises(TransportLost, match=r"it: silent for 0\.3 s"):
            await until_silent(connection, "it")
        await connection.aclose()


async def test_any_byte_keeps_the_stream_alive():
    async def dripping(call):
        await call.send(EVENT_STREAM)
        for byte in b"data: slow\n":
            await trio.sleep(0.2)
            await call.send(chunk(bytes([byte])))
        await call.send(chunk(b"\n"))
        await call.until_client_leaves()

    async with open_vendor(dripping) as vendor, connector(read_timeout_seconds=1.5) as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(until_silent, connection, "it")
            assert (await frames(connection, 1))[-1].data == b"slow"
            nursery.cancel_scope.cancel()
        await connection.aclose()


async def test_end_of_the_stream_comes_after_its_last_event():
    raw = EVENT_STREAM + chunk(b"data: a\n\ndata: b\n\n") + b"0\r\n\r\n"
    async with open_vendor(saying(raw)) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        assert [(await connection.receive()).data for _ in range(2)] == [b"a", b"b"]
        with pytest.raises(TransportLost, match="the vendor ended the stream"):
            await connection.receive()
        await connection.aclose()


async def test_cut_and_reset_streams_are_losses():
    async def reset(call):
        await call.send(EVENT_STREAM + chunk(b"data: a\n\n"))
        await call.go.wait()
        await call.reset()

    async with open_vendor(saying(EVENT_STREAM + chunk(b"data: a\n\n")), reset) as vendor, connector() as sse_connector:
        for words in ("not HTTP as it should be", "the peer reset the connection"):
            connection = await sse_connector.connect(HttpRequest(url=vendor.url))
            assert (await connection.receive()).data == b"a"
            vendor.calls[-1].go.set()
            with pytest.raises(TransportLost, match=words):
                await connection.receive()
            await connection.aclose()


async def test_oversize_event_breaks_the_protocol():
    async with open_vendor(streaming(b"data: " + b"x" * 20_000)) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        with pytest.raises(VendorProtocolError, match="more than 10000 bytes"):
            await frames(connection, 1)
        with pytest.raises(TransportLost):
            await frames(connection, 1)
        await connection.aclose()


async def test_cancelled_receive_loses_nothing_that_was_parsed():
    async with open_vendor(streaming(b"data: a\n\ndata: b\n\ndata: c\n\n")) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        first = await connection.receive()
        with trio.CancelScope() as scope:
            scope.cancel()
            await connection.ping()
        rest = [await connection.receive() for _ in range(2)]
        assert [frame.data for frame in (first, *rest)] == [b"a", b"b", b"c"]
        with trio.move_on_after(0.1):
            await connection.receive()
        with pytest.raises(TransportLost, match="cancelled"):
            await connection.receive()
        await connection.aclose()


async def test_close_wakes_the_receiver_and_tells_the_vendor():
    async with open_vendor(streaming(b"data: a\n\n")) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        await connection.receive()
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
        await connection.aclose()
        await vendor.calls[0].closed_by_client.wait()


async def test_close_under_cancellation_still_closes():
    async with open_vendor(streaming(b"data: a\n\n")) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        with trio.CancelScope() as scope:
            scope.cancel()
            await connection.aclose()
        await vendor.calls[0].closed_by_client.wait()
        with pytest.raises(TransportLost, match="closed on this side"):
            await connection.receive()


async def test_cancelled_connect_leaves_no_connection_behind():
    async with open_vendor(hang) as vendor, connector() as sse_connector:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sse_connector.connect, HttpRequest(url=vendor.url))
            await vendor.called(1)
            nursery.cancel_scope.cancel()
        await vendor.calls[0].closed_by_client.wait()


async def test_nothing_can_be_sent_and_a_ping_returns_at_once():
    async with open_vendor(streaming(b"data: a\n\n")) as vendor, connector() as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        await connection.ping()
        with pytest.raises(TransportLost):
            await connection.send(b"{}")
        await connection.aclose()


async def test_stream_over_tls_with_an_own_authority(tmp_path):
    server, ca_file = certified(tmp_path, "127.0.0.1")
    stream = streaming(b"data: a\n\n")
    async with open_vendor(stream, tls=server) as vendor, connector(ca_file=ca_file) as sse_connector:
        connection = await sse_connector.connect(HttpRequest(url=vendor.url))
        assert (await connection.receive()).data == b"a"
        await connection.aclose()
        await vendor.calls[0].closed_by_client.wait()


async def test_answers_are_fetched_over_the_same_client():
    async with open_vendor(saying(answer("404 Not Found", b"{}"))) as vendor, connector() as sse_connector:
        assert (await sse_connector.fetch(HttpRequest(url=vendor.url))).status == 404
