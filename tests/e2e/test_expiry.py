"""Tokens end: a client's on each transport with the contract's goodbye, the bridge's own at a vendor without anybody noticing."""

import json
import sys
import time
from contextlib import suppress

import httpx2
import jwt
import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import connect

from bridge.downstream.settings import AuthSettings
from bridge.model import Bar, InstrumentId, Quote, Trade
from bridge.tape import generate
from bridge.upstream.settings import TokenSource
from tests.support.readers import TRANSPORTS, Reader, read_until, until
from tests.support.stage import bridge, client_token, config_of, feed_of, vendor
from tests.support.truth import Book, assert_told_in_runs, said

AUTH = AuthSettings(secret="a-secret-of-more-than-32-bytes-for-tests", default_topics=("*",))
A_SECOND = 1.0
"""Within which a token's end ends a connection, as the issue has it."""

# The client's token


def end_of(token):
    return jwt.decode(token, options={"verify_signature": False})["exp"]


async def test_event_stream_ends_with_its_token(tmp_path):
    async with vendor("liquidity") as party, bridge(config_of({"liquidity": feed_of(party, "sse")}, AUTH)) as running:
        token = client_token(AUTH, 2)
        reader = Reader("trade:BTC-USD")
        with trio.fail_after(10):
            await TRANSPORTS["sse"](running.urls[0], reader, token)
        assert 0 <= time.time() - end_of(token) < A_SECOND
        assert reader.ended == 0
        last = reader.events[-1]
        assert (last["type"], last["reason"], last["retry"]) == ("goaway", "token_expired", "no")
        assert last["id"] == reader.events[-2]["id"]
        await TRANSPORTS["sse"](running.urls[0], reader, token)
        assert (reader.ended, reader.body["error"]["code"]) == (401, "token_expired")


async def test_websocket_ends_with_its_token_unless_it_was_renewed_in_time():
    async with vendor("liquidity") as party, bridge(config_of({"liquidity": feed_of(party, "sse")}, AUTH)) as running:
        token = client_token(AUTH, 2)
        renewed, other = Reader("trade:BTC-USD"), Reader("trade:BTC-USD")

        async def renewing():
            headers = {"authorization": f"Bearer {token}"}
            address = running.urls[0].replace("http", "ws") + "/v1/ws"
            async with connect(address, additional_headers=headers, proxy=None) as socket:
                await socket.send(json.dumps({"op": "subscribe", "topics": ["trade:BTC-USD"]}))
                await socket.send(json.dumps({"op": "renew", "token": client_token(AUTH, 60), "ref": "r"}))
                while True:
                    renewed.take(json.loads(await socket.recv()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(renewing)
            with trio.fail_after(10):
                await TRANSPORTS["websocket"](running.urls[0], other, token)
            assert 0 <= time.time() - end_of(token) < A_SECOND
            assert other.ended == 4401
            assert (other.events[-1]["type"], other.events[-1]["reason"]) == ("goaway", "token_expired")
            before = len(renewed.of("trade"))
            await until(lambda: len(renewed.of("trade")) > before + 2)
            nursery.cancel_scope.cancel()
        assert [event["ref"] for event in renewed.of("ok") if event["op"] == "renew"] == ["r"]
        assert not renewed.of("goaway", "problem", "gap")
        with pytest.raises(Exception, match="401"):
            await TRANSPORTS["websocket"](running.urls[0], other, token)


async def _until_closed(socket):
    with suppress(ConnectionClosed):
        while True:
            yield await socket.recv()


async def test_idle_websocket_ends_with_its_token():
    async with bridge(config_of({}, AUTH)) as running:
        token = client_token(AUTH, 1)
        address = running.urls[0].replace("http", "ws") + "/v1/ws"
        headers = {"authorization": f"Bearer {token}"}
        async with connect(address, additional_headers=headers, proxy=None) as socket:
            with trio.fail_after(10):
                said = [json.loads(text) async for text in _until_closed(socket)]
        assert (said[-1]["type"], said[-1]["reason"]) == ("goaway", "token_expired")
        assert socket.close_code == 4401
        assert 0 <= time.time() - end_of(token) < A_SECOND


async def test_long_poll_ends_with_its_token_and_its_cursor_is_good_with_the_next_one():
    async with vendor("liquidity", once=True, speed=1000) as party:
        config = config_of({"liquidity": feed_of(party, "sse")}, AUTH)
        async with bridge(config) as running:
            url = f"{running.urls[0]}/v1/poll?subscribe=trade:BTC-USD"
            reader = Reader("trade:BTC-USD")
            token = client_token(AUTH, 60)
            await read_until(TRANSPORTS["polling"], running.urls[0], reader, lambda: reader.cursor, token=token)
            async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:

                async def ask(token, wait):
                    headers = {"authorization": f"Bearer {token}"}
                    return await client.get(f"{url}&after={reader.cursor}&wait={wait}", headers=headers)

                while (page := (await ask(token, 2)).json())["events"]:
                    reader.cursor = page["cursor"]
                short = client_token(AUTH, 2)
                with trio.fail_after(10):
                    answer = await ask(short, 25)
                assert 0 <= time.time() - end_of(short) < A_SECOND
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_expired")
                assert (await ask(token, 0)).json()["verdict"] == "resumed"


# The bridge's token

FIGURES = ("bid", "ask", "last", "volume", "high", "low", "change")
BAR = ("open", "high", "low", "close", "volume")


def spelled(event, names):
    """Exact numbers, whatever the spelling."""
    return tuple(float(event[name] if isinstance(event, dict) else getattr(event, name)) for name in names)


def changes(sequence):
    """What a state topic tells: only what is new."""
    return [one for one, before in zip(sequence, [None, *sequence], strict=False) if one != before]


async def test_tradingview_token_rolls_over_and_no_event_is_lost_or_doubled():
    async with trio.open_nursery() as nursery:  # at the same time: it is long enough for one
        for transport in ("sse", "websocket"):
            nursery.start_soon(assert_rolls_over_unnoticed, transport)


async def assert_rolls_over_unnoticed(transport):
    tape = generate([InstrumentId("NASDAQ:AAPL")], seed=9)
    async with vendor("tradingview", ttl_seconds=6, tape=tape, speed=3) as party:
        truth = party.listen("quote:NASDAQ:AAPL", "bar.1m:NASDAQ:AAPL")
        feed = feed_of(party, transport, token_refresh_margin_seconds=3)
        readers = {name: Reader("quote:NASDAQ:AAPL,bar.1m:NASDAQ:AAPL") for name in TRANSPORTS}
        ends = set()
        async with bridge(config_of({"tradingview": feed})) as running, trio.open_nursery() as nursery:
            for name, reader in readers.items():
                nursery.start_soon(TRANSPORTS[name], running.urls[0], reader)
            statistics = running.feeds["tradingview"].statistics

            def rolled_over_twice():
                ends.add(statistics().token_expires_at)
                return len(ends - {None}) > 2

            await until(rolled_over_twice)
            await trio.sleep(4)
            fared = statistics()
            nursery.cancel_scope.cancel()
        vendor_said = truth.take()
    assert fared.losses == 0
    quotes = changes(said(vendor_said, Quote, lambda quote: spelled(quote, FIGURES)))
    bars = changes(said(vendor_said, Bar, lambda bar: spelled(bar, BAR)))
    for name, reader in readers.items():
        assert not reader.of("gap", "problem"), name
        assert [event["status"] for event in reader.of("feed_status")][-1] == "live"
        assert_told_in_runs([changes([spelled(event, FIGURES) for event in reader.of("quote")])], quotes)
        assert_told_in_runs([changes([spelled(event, BAR) for event in reader.of("bar")])], bars)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_token_file_that_is_replaced_is_used_without_losing_anything(transport, tmp_path):
    file = tmp_path / "liquidity.token"
    async with vendor("liquidity", speed=5) as party:
        file.write_text(party.token(8))
        truth = party.listen("trade:BTC-USD")
        feed = feed_of(party, transport, token=TokenSource(file=str(file)))
        reader = Reader("trade:BTC-USD,book:BTC-USD")
        async with bridge(config_of({"liquidity": feed})) as running, trio.open_nursery() as nursery:
            nursery.start_soon(TRANSPORTS["websocket"], running.urls[0], reader)
            await until(lambda: reader.of("trade"))
            accepted = party.proxy.accepted
            file.write_text(party.token(3600) + "\n")
            await until(lambda: party.proxy.accepted > accepted and party.connections == 1)
            seen = len(reader.of("trade"))
            await until(lambda: len(reader.of("trade")) > seen + 5)
            nursery.cancel_scope.cancel()
        vendor_said = truth.take()

    def key(trade):
        return (float(trade.price), float(trade.size), trade.aggressor_side.value)

    told = [(float(e["price"]), float(e["size"]), e["aggressor_side"]) for e in reader.of("trade")]
    assert not reader.of("gap")
    assert_told_in_runs([told], said(vendor_said, Trade, key))
    book = Book("book:BTC-USD")
    for event in reader.events:
        book.take(event)


async def test_token_that_the_vendor_refuses_is_read_again(tmp_path):
    script = tmp_path / "token.py"
    async with vendor("liquidity") as party:
        feed = feed_of(party, "sse", token=TokenSource(command=(sys.executable, str(script))))
        script.write_text("print('not-a-token-of-this-vendor')")
        async with bridge(config_of({"liquidity": feed})) as running, trio.open_nursery() as nursery:
            reader = Reader("trade:BTC-USD")
            nursery.start_soon(TRANSPORTS["sse"], running.urls[0], reader)
            await until(lambda: any("401" in event.get("reason", "") for event in reader.of("feed_status")))
            script.write_text(f"print({party.token()!r})")
            await until(lambda: reader.of("trade"), seconds=40)
            nursery.cancel_scope.cancel()
    assert [event["status"] for event in reader.of("feed_status")][-1] == "live"
