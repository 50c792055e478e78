"""A running bridge takes another configuration over: what changes for whom, and what it refuses without changing anything."""

import json
from functools import partial
from pathlib import Path

import pytest
import trio

from bridge.app import Prepared
from bridge.config import parse_config
from bridge.errors import ConfigError
from tests.support.commands import get
from tests.support.readers import TRANSPORTS, Reader, read_until, until
from tests.support.stage import bridge, vendor

CONFIG = """
[listen]
bind = ["127.0.0.1:0"]
[auth]
mode = "none"
[limits]
drain_seconds = 1
[feeds.lq]
dialect = "liquidity"
transports = ["websocket"]
url = "{url}"
token = "{token}"
[feeds.other]
dialect = "liquidity"
url = "{url}"
token = "{token}"
instruments = ["NOTHING"]
[instruments."BTC-USD"]
liquidity = {{ sse = "BTC", websocket = "BTC-USD", rest = "BTC" }}
feeds = ["lq"]
"""
LISTED_ETH = """
[instruments."ETHER"]
liquidity = { sse = "ETH", websocket = "ETH-USD", rest = "ETH" }
feeds = ["lq"]
"""


def parsed(text):
    return parse_config(text, Path("bridge.toml"), {})


def adopt(running, text):
    return running.reloader.adopt(Prepared(config=parsed(text), certificates=None))


async def ask(url):
    status, text = await trio.to_thread.run_sync(partial(get, url))
    return status, json.loads(text)


def of(party):
    return CONFIG.format(url=party.proxy.url, token=party.token())


async def test_a_new_instrument_can_be_subscribed_and_open_streams_notice_nothing():
    with trio.fail_after(60):
        async with vendor("liquidity") as party:
            text = of(party)
            async with bridge(parsed(text)) as running, trio.open_nursery() as nursery:
                url = running.urls[0]
                steady, fresh = Reader("trade:BTC-USD"), Reader("trade:ETHER")
                nursery.start_soon(TRANSPORTS["websocket"], url, steady)
                await until(lambda: steady.of("trade"))
                assert adopt(running, text + LISTED_ETH) == ["instruments.ETHER"]
                seen = len(steady.of("trade"))
                nursery.start_soon(TRANSPORTS["sse"], url, fresh)
                await until(lambda: fresh.of("trade") and len(steady.of("trade")) > seen + 3)
                assert {trade["instrument"] for trade in fresh.of("trade")} == {"ETHER"}
                assert not steady.of("gap", "problem", "goaway")
                offsets = [int(event["id"].rpartition("-")[2]) for event in steady.of("trade")]
                assert offsets == sorted(set(offsets))
                assert await ask(f"{url}/v1/instruments") == (
                    200,
                    {"instruments": [{"id": name, "feeds": ["lq"]} for name in ("BTC-USD", "ETHER")]},
                )
                nursery.cancel_scope.cancel()


async def test_new_limits_hold_for_who_connects_from_then_on():
    with trio.fail_after(60):
        async with vendor("liquidity") as party:
            text = of(party)
            async with bridge(parsed(text)) as running, trio.open_nursery() as nursery:
                url = running.urls[0]
                first, second = Reader("trade:BTC-USD"), Reader("trade:BTC-USD,quote:BTC-USD")
                nursery.start_soon(TRANSPORTS["sse"], url, first)
                await until(lambda: first.of("trade"))
                lowered = text.replace("[limits]", "[limits]\nsse_connections_per_user = 1\nhistory_events = 3")
                assert adopt(running, lowered) == ["limits.sse_connections_per_user", "limits.history_events"]
                await TRANSPORTS["sse"](url, second)
                assert (second.ended, second.body["error"]["code"]) == (429, "too_many_connections")
                seen = len(first.of("trade"))
                await until(lambda: len(first.of("trade")) > seen + 5)
                page = (await ask(f"{url}/v1/instruments/BTC-USD/trades"))[1]
                assert len(page["events"]) <= 3
                raised = text.replace("[limits]", "[limits]\nsubscriptions_per_connection = 1")
                adopt(running, raised)
                await TRANSPORTS["sse"](url, second)
                assert second.body["error"]["code"] == "too_many_subscriptions"
                nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('bind = ["127.0.0.1:0"]', 'bind = ["127.0.0.1:1"]', ["listen.bind: needs a restart"]),
        ('"none"', '"jwt"\nsecret = "0123456789abcdef0123456789abcdef"', ["auth.mode: needs a restart"]),
        ("[feeds.lq]", "[feeds.lq]\naccount = 'a'", ["feeds.lq.account: needs a restart"]),
        ("[feeds.other]", "[feeds.another]", ["feeds.other: needs a restart", "feeds.another: needs a restart"]),
        ('rest = "BTC"', 'rest = "XBT"', ['instruments."BTC-USD": what is listed already']),
        ('[instruments."BTC-USD"]', "[instruments.BITCOIN]", ['instruments."BTC-USD": what is listed already']),
        ("[instruments", '[instruments.X]\nliquidity = "X"\n[instruments', ["lq and other have shared no instrument"]),
        (
            "[instruments",
            '[instruments.Y]\nliquidity = "ETH-USD"\nfeeds = ["lq"]\n[instruments',
            ["ETH-USD is followed"],
        ),
    ],
)
async def test_what_needs_a_restart_is_refused_by_its_key_and_then_nothing_has_changed(before, after, words):
    with trio.fail_after(60):
        async with vendor("liquidity") as party:
            text = of(party)
            async with bridge(parsed(text)) as running:
                url = running.urls[0]
                reader = Reader("trade:ETH-USD")  # not listed, so spelled as it is
                await read_until(TRANSPORTS["websocket"], url, reader, lambda: reader.of("trade"))
                was = {
                    name: getattr(running.house, name) for name in ("listen", "auth", "limits", "served", "instruments")
                }
                assert before in text
                changed = text.replace(before, after, 1).replace("[limits]", "[limits]\npolls_per_user = 1")
                with pytest.raises(ConfigError) as refused:
                    adopt(running, changed)
                told = list(refused.value.problems)
                assert len(told) == len(words)
                assert all(any(word in problem for problem in told) for word in words)
                assert all(getattr(running.house, name) is value for name, value in was.items())
                assert running.reloader.config.limits.polls_per_user == 5
                assert (await ask(f"{url}/v1/instruments"))[1] == {"instruments": [{"id": "BTC-USD", "feeds": ["lq"]}]}


async def test_a_reload_that_was_refused_does_not_stand_in_the_way_of_the_next():
    with trio.fail_after(60):
        async with vendor("liquidity") as party:
            text = of(party)
            async with bridge(parsed(text)) as running:
                with pytest.raises(ConfigError):
                    adopt(running, text.replace("[feeds.other]", "[feeds.another]"))
                hosts = '[dialects.tradingview]\nhosts = ["tv.example"]\nsse_refusal = "retry"\n'
                assert adopt(running, hosts + text) == ["dialects.tradingview"]
                assert adopt(running, hosts + text) == []
                served = {one.dialect.name: one for one in running.house.served}
                assert served["tradingview"].settings.hosts == ("tv.example",)
                adopt(running, hosts + "named_events = true\n" + text)
                again = {one.dialect.name: one for one in running.house.served}
                assert again["tradingview"].dialect is not served["tradingview"].dialect, (
                    "another manner has bytes of its own"
                )
                assert again["liquidity"].dialect is served["liquidity"].dialect, "the same manner goes on sharing them"
