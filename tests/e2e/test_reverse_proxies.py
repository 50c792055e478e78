"""Streams through nginx and HAProxy, configured as the how-tos say, over HTTP/1.1 and HTTP/2."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio
from websockets.trio.client import connect

from bridge.app import Running
from bridge.downstream.settings import ApiKey, AuthSettings, DialectSettings, ListenSettings
from tests.support.clients import curl, stream
from tests.support.readers import until
from tests.support.reverse_proxies import KINDS, NAME, Proxy, reverse_proxy
from tests.support.stage import bridge, client_token, config_of, feed_of, vendor

AUTH = AuthSettings(
    secret="a-secret-of-more-than-32-bytes-for-tests",
    default_topics=("*",),
    api_keys=(ApiKey(key="the-key", sub="alice"),),
)
FORGED = ("-H", "Forwarded: for=192.0.2.66;host=evil.example;proto=http", "-H", "X-Forwarded-Host: evil.example")


ANONYMOUS = AuthSettings(secret=AUTH.secret, anonymous_topics=("*",))
CLIENT, LIE = "127.0.0.2", "192.0.2.66"
"""Where a client really is (not where the proxy is, whom the bridge believes), and where it says that it is."""

LIES = {
    "forwarded": f"for={LIE};host=evil.example;proto=http",
    "x-forwarded-for": LIE,
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "http",
    "x-real-ip": LIE,
}


@asynccontextmanager
async def proxied(kind: str, folder: Path, auth: AuthSettings = AUTH) -> AsyncIterator[tuple[Running, Proxy]]:
    """A bridge behind a proxy that it trusts; the proxy's name is TradingView's."""
    async with vendor("tradingview") as party:
        config = config_of({"f": feed_of(party, "sse", instruments=("*",))}, auth, linger_seconds=0)
        config = msgspec.structs.replace(
            config,
            listen=ListenSettings(bind=("127.0.0.1:0",), trusted_proxies=("127.0.0.1",)),
            dialects={"tradingview": DialectSettings(hosts=(NAME,))},
        )
        async with bridge(config) as running:
            port = int(running.urls[0].rpartition(":")[2])
            with reverse_proxy(kind, folder, port) as proxy:
                yield running, proxy


def types_until(wanted: str, proxy: Proxy, path: str, version: str) -> list[str]:
    """Return the types of the events that a stream says, until one of this type has come."""
    said: list[str] = []
    with stream(f"https://{proxy.authority}{path}", version, *proxy.resolve) as opened:
        assert opened.status == 200
        assert opened.headers["content-type"].startswith("text/event-stream")
        for event in opened.events():
            said.append(event["type"])
            if event["type"] == wanted:
                break
    return said


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_event_stream_comes_through_at_once_and_leaves_nothing_when_its_client_goes(kind, version, tmp_path):
    async with proxied(kind, tmp_path) as (running, proxy):
        path = f"/v1/stream?subscribe=quote:NASDAQ:AAPL&token={client_token(AUTH, 600)}"
        with trio.fail_after(30):
            said = await trio.to_thread.run_sync(partial(types_until, "quote", proxy, path, version))
            assert (said[0], said[-1]) == ("stream", "quote")
            await until(lambda: not len(running.house.connections))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_tells_addresses_of_the_proxy_whatever_the_client_forges(kind, tmp_path):
    async with proxied(kind, tmp_path) as (_, proxy):
        asks = ("-X", "POST", "-d", "{}", "-H", "X-RapidAPI-Key: the-key", *FORGED, *proxy.resolve)
        answer = await trio.to_thread.run_sync(partial(curl, f"https://{proxy.authority}/api/token/generate", *asks))
        assert answer.status == 200
        assert answer.json["sseUrl"] == f"https://{proxy.authority}/sse/stream"
        assert answer.json["wsUrl"] == f"wss://{proxy.authority}/ws"


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
async def test_a_websocket_comes_through_and_its_host_says_whose_it_is(kind, tmp_path):
    async with proxied(kind, tmp_path) as (_, proxy):
        context = ssl.create_default_context(cafile=proxy.ca)
        tcp = await trio.open_tcp_stream("127.0.0.1", proxy.port)
        uri = f"wss://{proxy.authority}/ws?token={client_token(AUTH, 600)}"
        with trio.fail_after(30):
            async with connect(uri, stream=tcp, ssl=context, proxy=None) as opened:
                await opened.send(json.dumps({"action": "subscribe_quote", "symbols": ["NASDAQ:AAPL"]}))
                words = [json.loads(await opened.recv())["type"] for _ in range(3)]
        assert words == ["connected", "quote_subscribed", "quote_update"]


def user_of_a_stream(running: Running, proxy: Proxy, version: str) -> str:
    """Return whom the bridge takes an anonymous client for that lies about where it is."""
    lies = [text for name, value in LIES.items() for text in ("-H", f"{name}: {value}")]
    path = "/v1/stream?subscribe=quote:NASDAQ:AAPL"
    options = (version, "--interface", CLIENT, *lies, *proxy.resolve)
    with stream(f"https://{proxy.authority}{path}", *options) as opened:
        assert opened.status == 200
        assert next(opened.events())["type"] == "stream"
        (seen,) = running.house.connections.statistics()
        return str(seen.user)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_is_counted_by_its_own_address_whatever_it_forges(kind, version, tmp_path):
    async with proxied(kind, tmp_path, ANONYMOUS) as (running, proxy):
        with trio.fail_after(30):
            user = await trio.to_thread.run_sync(partial(user_of_a_stream, running, proxy, version))
    assert CLIENT in user
    assert LIE not in user


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
async def test_a_client_on_a_websocket_is_counted_by_its_own_address_too(kind, tmp_path):
    async with proxied(kind, tmp_path, ANONYMOUS) as (running, proxy):
        context = ssl.create_default_context(cafile=proxy.ca)
        with trio.fail_after(30):
            tcp = await trio.open_tcp_stream("127.0.0.1", proxy.port, local_address=CLIENT)
            uri = f"wss://{proxy.authority}/v1/ws"
            async with connect(uri, stream=tcp, ssl=context, additional_headers=LIES, proxy=None) as opened:
                await opened.send(json.dumps({"op": "subscribe", "topics": ["quote:NASDAQ:AAPL"]}))
                assert json.loads(await opened.recv())["type"] == "stream"
                (seen,) = running.house.connections.statistics()
    assert CLIENT in str(seen.user)
    assert LIE not in str(seen.user)
