"""One request to a vendor and its whole answer, on real loopback sockets."""

import logging
import traceback

import pytest
import trio

from bridge.dialects.contract import HttpRequest
from bridge.errors import TransportLost
from bridge.model import SECONDS, UnixNanos
from bridge.upstream.network import http
from bridge.upstream.network.http import open_client
from bridge.upstream.settings import FeedSettings
from tests.support.proxy import open_proxy
from tests.support.vendor import EVENT_STREAM, answer, certified, chunk, hang, open_vendor, saying

NOW = UnixNanos(1_773_880_484 * SECONDS)

QUOTE = (  # docs.next.satschel.com /market-data: GET /v1/assets/AAPL/quote
    b'{"assetId":"AAPL","last":249.93,"open":252.61,"high":254.91,"low":249.01,"prevClose":254.23,'
    b'"change":-4.30,"changePercent":-1.69,"volume":979956,"timestamp":"2026-03-19T00:34:44Z"}'
)


def clock():
    return NOW


def settings(**more):
    return FeedSettings(dialect="liquidity", url="http://127.0.0.1", **more)


async def fetch(url, feed=None, **request):
    with trio.fail_after(20):
        async with open_client(feed or settings(), clock) as client:
            return await client.fetch(HttpRequest(url=url, **request))


async def test_whole_answer_is_a_stamped_frame():
    async with open_vendor(saying(answer("200 OK", QUOTE, "Content-Type: application/json"))) as vendor:
        frame = await fetch(vendor.url + "/v1/assets/AAPL/quote", headers=(("Authorization", "Bearer t"),))
    assert frame.data == QUOTE
    assert frame.status == 200
    assert frame.ts_recv == NOW
    call = vendor.calls[0]
    assert call.request_line == "GET /v1/assets/AAPL/quote HTTP/1.1"
    assert call.headers["authorization"] == "Bearer t"
    assert call.headers["accept-encoding"] == "identity"
    assert call.headers["host"] == f"127.0.0.1:{vendor.port}"


async def test_body_is_posted_as_it_stands():
    async with open_vendor(saying(answer("200 OK", b'{"token":"x"}'))) as vendor:
        await fetch(
            vendor.url + "/api/token/generate",
            method="POST",
            headers=(("Content-Type", "application/json"),),
            body=b"{}",
        )
    assert vendor.calls[0].request_line == "POST /api/token/generate HTTP/1.1"
    assert vendor.calls[0].body == b"{}"


async def test_other_statuses_are_answers_too_and_say_how_long_to_stay_away():
    async with open_vendor(saying(answer("429 Too Many Requests", b"{}", "Retry-After: 17"))) as vendor:
        frame = await fetch(vendor.url)
    assert (frame.status, frame.data, frame.retry_after_seconds) == (429, b"{}", 17)


async def test_redirects_are_not_followed_and_cookies_not_kept():
    moved = answer("302 Found", b"", "Location: /elsewhere", "Set-Cookie: a=b")
    async with open_vendor(saying(moved), saying(answer("200 OK"))) as vendor:
        with trio.fail_after(20):
            async with open_client(settings(), clock) as client:
                first = await client.fetch(HttpRequest(url=vendor.url))
                await client.fetch(HttpRequest(url=vendor.url))
    assert first.status == 302
    assert [call.target for call in vendor.calls] == ["/", "/"]
    assert "cookie" not in vendor.calls[1].headers


async def test_environments_proxy_is_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with open_vendor(saying(answer("200 OK"))) as vendor:
        assert (await fetch(vendor.url)).status == 200


async def test_endless_answer_is_cut_at_the_bound(monkeypatch):
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 1000)

    async def endless(call):
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await call.send(chunk(b"x" * 100))

    async with open_vendor(endless) as vendor:
        with pytest.raises(TransportLost, match="more than 1000 bytes"):
            await fetch(vendor.url)


async def test_encoded_answer_is_refused_so_that_the_bound_stays_a_bound():
    async with open_vendor(saying(answer("200 OK", b"\x1f\x8b", "Content-Encoding: gzip"))) as vendor:
        with pytest.raises(TransportLost, match="encoded"):
            await fetch(vendor.url)


async def test_mute_vendor_is_given_up(monkeypatch):
    monkeypatch.setattr(http, "FETCH_SECONDS", 0.2)
    async with open_vendor(hang) as vendor:
        with pytest.raises(TransportLost, match=r"127\.0\.0\.1:\d+: no whole answer within 0\.2 s"):
            await fetch(vendor.url)


async def test_answer_that_stops_half_way_is_given_up(monkeypatch):
    monkeypatch.setattr(http, "FETCH_SECONDS", 0.2)

    async def half(call):
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        await call.until_client_leaves()

    async with open_vendor(half) as vendor:
        with pytest.raises(TransportLost, match="no whole answer"):
            await fetch(vendor.url)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not HTTP as it should be"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP as it should be"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "not HTTP as it should be"),
    ],
)
async def test_answer_that_is_none_says_so(raw, words):
    async with open_vendor(saying(raw)) as vendor:
        with pytest.raises(TransportLost, match=words):
            await fetch(vendor.url)


async def test_reset_says_so():
    async with open_vendor(lambda call: call.reset()) as vendor:
        with pytest.raises(TransportLost, match="the peer reset the connection"):
            await fetch(vendor.url)


async def test_closed_port_says_so():
    async with open_vendor(hang) as vendor:
        url = vendor.url
    with pytest.raises(TransportLost, match=r"127\.0\.0\.1:\d+: connection refused"):
        await fetch(url)


async def test_unknown_name_says_so():
    with pytest.raises(TransportLost, match="the name could not be resolved"):
        await fetch("http://no-such-host.invalid/")


@pytest.mark.parametrize("url", ["nonsense", "ftp://h/", "http://h:99999/"])
async def test_url_that_is_none_is_a_sentence_not_a_crash(url):
    with pytest.raises(TransportLost):
        await fetch(url)


async def test_request_that_http_forbids_does_not_show_its_secret():
    """The library's own complaint repeats the header's value; it must not reach a log by the chain of causes either."""
    secret = "-".join(("top", "secret"))  # so that no quoted source line holds it
    async with open_vendor(hang) as vendor:
        with pytest.raises(TransportLost, match="characters that HTTP does not allow") as caught:
            await fetch(vendor.url, headers=(("authorization", f"Bearer {secret}\n"),))
    assert secret not in "".join(traceback.format_exception(caught.value, chain=True))


async def test_token_in_the_query_is_never_logged(caplog):
    caplog.set_level(logging.DEBUG)
    async with open_vendor(saying(answer("200 OK"))) as vendor:
        await fetch(vendor.url + "/sse/stream?token=top-secret")
    assert "top-secret" not in caplog.text


async def test_own_authority_is_trusted_and_client_certificate_shown(tmp_path):
    server, ca_file = certified(tmp_path, "127.0.0.1", client_ca=True)
    feed = settings(ca_file=ca_file, client_certificate=str(tmp_path / "client.pem"))
    async with open_vendor(saying(answer("200 OK", b"in")), tls=server) as vendor:
        assert (await fetch(vendor.url, feed)).data == b"in"


async def test_unknown_authority_is_a_sentence(tmp_path):
    server, _ = certified(tmp_path, "127.0.0.1")
    async with open_vendor(hang, tls=server) as vendor:
        with pytest.raises(TransportLost, match=r"the certificate was not accepted: .*issuer"):
            await fetch(vendor.url)


async def test_certificate_of_another_name_is_a_sentence(tmp_path):
    server, ca_file = certified(tmp_path, "api.example.test")
    async with open_vendor(hang, tls=server) as vendor:
        with pytest.raises(TransportLost, match=r"the certificate was not accepted: .*not valid for"):
            await fetch(vendor.url, settings(ca_file=ca_file))


async def test_connect_to_changes_the_address_and_nothing_else(tmp_path):
    """TLS still checks the URL's name, and the vendor still reads it in `Host`."""
    server, ca_file = certified(tmp_path, "api.example.test")
    async with open_vendor(saying(answer("200 OK", b"here")), tls=server) as vendor:
        feed = settings(ca_file=ca_file, connect_to=f"127.0.0.1:{vendor.port}")
        frame = await fetch("https://api.example.test/v1?a=b", feed)
        assert frame.data == b"here"
        assert vendor.calls[0].headers["host"] == "api.example.test"
        assert vendor.calls[0].target == "/v1?a=b"
        with pytest.raises(TransportLost, match="the certificate was not accepted"):
            await fetch("https://other.example.test/", feed)


async def test_proxy_is_asked_for_a_tunnel_with_its_own_credentials(tmp_path):
    server, ca_file = certified(tmp_path, "api.example.test")
    async with (
        open_vendor(saying(answer("200 OK", b"out")), tls=server) as vendor,
        open_proxy(dial_port=vendor.port) as proxy,
    ):
        feed = settings(ca_file=ca_file, proxy=f"http://Aladdin:open%20sesame@127.0.0.1:{proxy.port}")
        frame = await fetch("https://api.example.test/", feed, headers=(("authorization", "Bearer vendors"),))
    assert frame.data == b"out"
    head = proxy.heads[0].decode()
    assert head.startswith("CONNECT api.example.test:443 HTTP/1.1\r\n")
    assert "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" in head
    assert "vendors" not in head
    assert "proxy-authorization" not in vendor.calls[0].headers


async def test_connect_to_holds_behind_a_proxy_too(tmp_path):
    server, ca_file = certified(tmp_path, "api.example.test")
    async with open_vendor(saying(answer("200 OK", b"out")), tls=server) as vendor, open_proxy() as proxy:
        feed = settings(ca_file=ca_file, connect_to=f"127.0.0.1:{vendor.port}", proxy=f"http://127.0.0.1:{proxy.port}")
        assert (await fetch("https://api.example.test/", feed)).data == b"out"
    assert proxy.heads[0].startswith(b"CONNECT 127.0.0.1:%d " % vendor.port)


async def test_proxys_no_is_a_sentence():
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with open_proxy(refusal) as proxy:
        with pytest.raises(TransportLost, match="the proxy answered 407 Proxy Authentication Required"):
            await fetch("https://api.example.test/", settings(proxy=f"http://127.0.0.1:{proxy.port}"))


async def test_cancelled_requests_do_not_use_up_the_client():
    async with open_vendor(*[hang] * 30, saying(answer("200 OK", b"still"))) as vendor:
        with trio.fail_after(20):
            async with open_client(settings(), clock) as client:
                async with trio.open_nursery() as nursery:
                    for _ in range(30):
                        nursery.start_soon(client.fetch, HttpRequest(url=vendor.url))
                    await vendor.called(30)
                    nursery.cancel_scope.cancel()
                assert (await client.fetch(HttpRequest(url=vendor.url))).data == b"still"


async def test_closing_an_unread_stream_is_quiet_and_may_be_repeated():
    async def stream(call):
        await call.send(EVENT_STREAM)
        await call.send(chunk(b": hello\n\n" * 5000))
        await call.until_client_leaves()

    async with open_vendor(stream) as vendor:
        with trio.fail_after(20):
            async with open_client(settings(), clock) as client:
                opened = await client.open(HttpRequest(url=vendor.url))
                await opened.next_chunk()
                await opened.aclose()
                await opened.aclose()
                await vendor.calls[0].closed_by_client.wait()
