"""A bridge and a simulator as they are put together, over real sockets and on free ports."""

from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import trio

from bridge.app import SIMULATED_ACCOUNT, Simulation, TokenGrant, made_up_secret, mint, run_bridge, run_simulator
from bridge.app.house import _hub, limits_of
from bridge.clock import wall_clock
from bridge.config import parse_config
from bridge.downstream.settings import AuthSettings, DialectLimits, DialectSettings, LimitSettings
from bridge.errors import ConfigError
from bridge.hub.interest import as_asked
from bridge.model import Covered, FeedName, InstrumentId, Topic, TopicKind, Trade, Want
from bridge.tape import generate
from tests.support.commands import get

FEED = FeedName("f")
OPEN = '[listen]\nbind = ["127.0.0.1:0", "127.0.0.1:0"]\n[auth]\nmode = "none"\n'


def config(text):
    return parse_config(text, Path("bridge.toml"), {})


async def ask(url, **headers):
    return await trio.to_thread.run_sync(partial(get, url, **headers))


async def test_a_bridge_listens_before_its_feeds_connect_and_closes_when_it_is_told():
    feed = '[feeds.lq]\ndialect = "liquidity"\nurl = "http://127.0.0.1:9"\ntoken = "t"\n'
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            running = await nursery.start(run_bridge, config(OPEN + feed))
            assert len(set(running.urls)) == 2
            for url in running.urls:
                assert (await ask(f"{url}/healthz"))[0] == 200
            assert list(running.feeds) == ["lq"]
            running.closing.set()
            await running.closed.wait()
        with pytest.raises(OSError, match="refused"):
            await ask(f"{running.urls[0]}/healthz")


def test_zero_history_is_history_without_bound_as_with_every_count():
    topic = Topic(TopicKind.TRADE, InstrumentId("A"))
    for events, kept in ((0, 50), (5, 5)):
        hub = _hub("memory:", LimitSettings(history_events=events, history_bytes=0), as_asked)
        hub.publish(Covered(feed=FEED, topics=(topic,), ts_recv=wall_clock()))
        for number in range(50):
            price = Decimal(number + 1)
            hub.publish(Trade(instrument=topic.instrument, feed=FEED, ts_recv=wall_clock(), price=price, size=price))
        assert len(hub.recent(Want(topic, FEED), 100)) == kept


async def test_a_simulator_has_the_vendors_own_limits_and_its_users_own_account():
    auth = AuthSettings(secret=made_up_secret(), default_topics=("*",))
    token = mint(auth, TokenGrant(sub="u", ttl_seconds=60, topics=("*",), accounts=(SIMULATED_ACCOUNT,)))
    simulation = Simulation(dialect="tradingview", tape=generate(None, 1), auth=auth)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            running = await nursery.start(run_simulator, simulation)
            symbols = ",".join(f"NASDAQ:A{number}" for number in range(11))
            status, said = await ask(f"{running.urls[0]}/sse/stream?token={token}&symbols={symbols}")
            assert (status, "SUBSCRIPTION_LIMIT" in said) == (400, True)
            assert (await ask(f"{running.urls[0]}/v1/stream?subscribe=status"))[0] == 404
            running.closing.set()


def test_a_token_needs_a_secret():
    with pytest.raises(ConfigError):
        mint(AuthSettings(mode="none"), TokenGrant(sub="u", ttl_seconds=60))


def test_made_up_secrets_are_long_enough_and_never_the_same():
    assert len(made_up_secret()) >= 32
    assert made_up_secret() != made_up_secret()


def test_a_dialects_own_limits_stand_above_the_common_ones_and_zero_is_one_of_them():
    own = DialectSettings(limits=DialectLimits(sse_connections_per_user=0, inbound_messages_burst=7))
    limits = limits_of(LimitSettings(websocket_connections_per_user=3), own)
    assert limits.sse_connections_per_user == 0
    assert limits.inbound_messages_burst == 7
    assert limits.websocket_connections_per_user == 3
    assert limits.subscriptions_per_connection == 50
