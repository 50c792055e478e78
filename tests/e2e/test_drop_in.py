"""Existing clients of both vendors at one bridge: each finds its vendor's endpoints, and nothing of the other's."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
import trio
from websockets.exceptions import InvalidStatus
from websockets.trio.client import connect

from bridge.app import Running
from bridge.downstream.settings import ApiKey, AuthSettings, DialectSettings, ListenSettings
from tests.support.clients import Answer, curl, stream
from tests.support.stage import bridge, client_token, config_of, feed_of, vendor

KEY = "key-of-alice"
AUTH = AuthSettings(
    secret="a-secret-of-more-than-32-bytes-for-tests",
    default_topics=("*",),
    api_keys=(ApiKey(key=KEY, sub="alice", ttl_seconds=600),),
)
LQ_HOST, TV_HOST = "api.lq.example", "ws.tv.example"
CLIENTS_OF_EACH = 20

LQ_WORDS = {"orderbook_snapshot", "orderbook_update", "trade"}
TV_WORDS = {"connected", "subscribed", "quote_subscribed", "quote_update", "update"}


@asynccontextmanager
async def both(auth: AuthSettings = AUTH, **listen: Any) -> AsyncIterator[Running]:
    """A bridge before both vendors' simulators, with a host for each dialect."""
    async with vendor("liquidity") as lq, vendor("tradingview") as tv:
        feeds = {
            "lq": feed_of(lq, "websocket", instruments=("*",)),
            "tv": feed_of(tv, "websocket", instruments=("*:*",)),
        }
        config = config_of(feeds, auth, websocket_connections_per_user=2 * CLIENTS_OF_EACH)
        hosts = {"liquidity": LQ_HOST, "tradingview": TV_HOST}
        config = msgspec.structs.replace(
            config,
            listen=ListenSettings(bind=("127.0.0.1:0",), **listen),
            dialects={name: DialectSettings(hosts=(host,)) for name, host in hosts.items()},
        )
        async with bridge(config) as running:
            yield running


def port_of(running: Running) -> int:
    return int(running.urls[0].rpartition(":")[2])


async def asked(url: str, *options: str) -> Answer:
    return await trio.to_thread.run_sync(partial(curl, url, *options))


@asynccontextmanager
async def socket(running: Running, path: str, host: str = "127.0.0.1") -> AsyncIterator[Any]:
    """Open a WebSocket that calls the bridge by this name."""
    tcp = await trio.open_tcp_stream("127.0.0.1", port_of(running))
    token = client_token(AUTH, 600)
    uri = f"ws://{host}:{port_of(running)}{path}?token={token}"
    async with connect(uri, stream=tcp, proxy=None) as opened:
        yield opened


async def say(opened: Any, **message: Any) -> None:
    await opened.send(json.dumps(message))


async def heard(opened: Any, words: set[str]) -> list[Any]:
    """Read until every word was heard; return all that was said."""
    said: list[Any] = []
    while not words <= {message["type"] for message in said}:
        said.append(json.loads(await opened.recv()))
    return said


async def as_lq(running: Running, path: str = "/ws", host: str = LQ_HOST) -> list[Any]:
    """Be a client of Liquidity's legacy WebSocket until a book, its change and a trade have come."""
    async with socket(running, path, host) as opened:
        await say(opened, type="subscribe", channel="orderbook", symbol="BTC-USD", depth=20)
        await say(opened, type="subscribe", channel="trades", symbol="BTC-USD")
        return await heard(opened, LQ_WORDS)


async def as_tv(running: Running, path: str = "/ws", host: str = TV_HOST) -> list[Any]:
    """Be a client of TradingView's WebSocket until a quote and a candle have come."""
    async with socket(running, path, host) as opened:
        await say(opened, action="subscribe_quote", symbols=["NASDAQ:AAPL"], id="q")
        await say(opened, action="subscribe", symbol="NASDAQ:AAPL", timeframe="5", id="c")
        return await heard(opened, TV_WORDS)


async def test_twenty_clients_of_each_dialect_share_one_path_and_hear_only_their_own():
    said: dict[Any, list[list[Any]]] = {as_lq: [], as_tv: []}

    async def client(running, be) -> None:
        said[be].append(await be(running))

    async with both() as running:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for _ in range(CLIENTS_OF_EACH):
                    nursery.start_soon(client, running, as_lq)
                    nursery.start_soon(client, running, as_tv)
    for be, words in ((as_lq, LQ_WORDS), (as_tv, TV_WORDS)):
        assert len(said[be]) == CLIENTS_OF_EACH
        assert all({message["type"] for message in one} == words for one in said[be])


@pytest.mark.parametrize(("default", "be"), [("liquidity", as_lq), ("tradingview", as_tv)])
async def test_a_host_that_no_dialect_has_gets_the_default(default, be):
    async with both(default_websocket_dialect=default) as running:
        with trio.fail_after(30):
            assert await be(running, host="elsewhere.example")


@pytest.mark.parametrize(("path", "be"), [("/liquidity/ws", as_lq), ("/tradingview/ws", as_tv)])
async def test_a_prefix_needs_no_host(path, be):
    async with both() as running:
        with trio.fail_after(30):
            assert await be(running, path, "elsewhere.example")


async def test_a_trusted_proxys_word_for_the_host_decides_and_nobody_elses():
    for trusted, words in ((("127.0.0.1",), {"connected"}), ((), {"error"})):
        async with both(trusted_proxies=trusted) as running:
            uri = f"ws://127.0.0.1:{port_of(running)}/ws?token={client_token(AUTH, 600)}"
            headers = {"x-forwarded-host": TV_HOST, "x-forwarded-for": "192.0.2.9"}
            with trio.fail_after(30):
                async with connect(uri, additional_headers=headers, proxy=None) as opened:
                    await say(opened, action="ping")
                    assert await heard(opened, words)


@pytest.mark.parametrize("prefix", ["", "/tradingview"])
async def test_a_key_gets_a_token_and_addresses_that_work(prefix):
    async with both() as running:
        options = ("-X", "POST", "-d", "{}", "-H", f"X-RapidAPI-Key: {KEY}", "-H", "Content-Type: application/json")
        answer = await asked(f"{running.urls[0]}{prefix}/api/token/generate", *options)
        assert answer.status == 200
        minted = answer.json
        assert minted["sseUrl"] == f"{running.urls[0]}{prefix}/sse/stream"
        # /ws is Liquidity's by default, so a client that calls us by no vendor's name is led to the prefix.
        assert minted["wsUrl"] == f"{running.urls[0].replace('http', 'ws')}/tradingview/ws"
        with trio.fail_after(30):
            async with connect(f"{minted['wsUrl']}?token={minted['token']}", proxy=None) as opened:
                await say(opened, action="subscribe_quote", symbols="NASDAQ:AAPL")
                assert await heard(opened, {"connected", "quote_subscribed", "quote_update"})
            url = f"{minted['sseUrl']}?token={minted['token']}&symbols=NASDAQ:AAPL"
            assert await trio.to_thread.run_sync(first_words, url, 2) == ["connected", "quote_update"]


def first_words(url: str, count: int) -> list[str]:
    """What an event stream says first, by `type`."""
    with stream(url) as opened:
        assert opened.status == 200
        events = opened.events()
        return [next(events)["type"] for _ in range(count)]


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v1/assets/BTC/book", 200, {"assetId": "BTC"}),
        ("/liquidity/v1/assets/BTC/book", 200, {"assetId": "BTC"}),
        ("/v1/assets/NASDAQ:AAPL/quote", 404, {"data": {}, "status": 404}),
        ("/v1/orders/ord_1", 403, {"data": {}, "status": 403}),
        ("/api/quote/NASDAQ:AAPL", 200, {"success": True}),
        ("/api/quote/NOWHERE", 404, {"success": False}),
        ("/api/realtime?subscribe=depth:BTC", 400, {"data": {}, "status": 400}),
        ("/sse/stream?symbols=&type=quote", 400, {"success": False}),
    ],
)
async def test_a_vendors_rest_and_its_refusals_have_that_vendors_shape(path, status, body):
    async with both() as running:
        answer = await asked(running.urls[0] + path, "-H", f"Authorization: Bearer {client_token(AUTH, 60)}")
        assert (answer.status, body | answer.json) == (status, answer.json)


async def test_a_page_of_a_foreign_origin_is_refused_on_a_vendors_endpoints_and_an_allowed_one_is_told_so():
    async with both(allowed_origins=("https://desk.corp",)) as running:
        url = f"{running.urls[0]}/api/token/generate"
        asks = ("-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST")
        answer = await asked(url, *asks, "-H", "Origin: https://desk.corp")
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "https://desk.corp")
        assert {"X-RapidAPI-Key", "X-RapidAPI-Host"} <= set(answer.headers["access-control-allow-headers"].split(", "))
        assert (await asked(url, *asks, "-H", "Origin: https://evil.example")).status == 403
        for path, method in (("/api/realtime", "GET"), ("/sse/stream", "GET"), ("/v1/stream/any", "PATCH")):
            answer = await asked(running.urls[0] + path, *asks, "-H", "Origin: https://desk.corp")
            assert (answer.status, method in answer.headers["access-control-allow-methods"]) == (204, True)
        for path in ("/ws", "/liquidity/ws", "/tradingview/ws"):
            uri = f"ws://127.0.0.1:{port_of(running)}{path}?token={client_token(AUTH, 600)}"
            with pytest.raises(InvalidStatus, match="403"):
                async with connect(uri, origin="https://evil.example", proxy=None):
                    pass
            async with connect(uri, origin="https://desk.corp", proxy=None):
                pass


async def test_head_on_a_vendors_endpoints_asks_for_a_token_and_tells_none():
    async with both() as running:
        token = client_token(AUTH, 600)
        for path in (
            "/api/realtime?subscribe=quote:BTC",
            "/sse/stream?symbols=NASDAQ:AAPL",
            "/v1/stream?subscribe=status",
        ):
            url = running.urls[0] + path
            assert (await asked(url, "--head")).status == 401
            answer = await asked(url, "--head", "-H", f"Authorization: Bearer {token}")
            assert (answer.status, answer.body) == (200, b"")
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store, no-transform"
            assert answer.headers["x-accel-buffering"] == "no"
            assert not any(token in value for value in answer.headers.values())
        assert (await asked(f"{running.urls[0]}/api/token/generate", "--head")).status == 405
        assert (await asked(f"{running.urls[0]}/v1/assets/BTC/quote", "--head")).status == 401
