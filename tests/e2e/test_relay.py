"""A bridge behind a bridge: vendor → bridge → (CONNECT proxy) → bridge → client, over real sockets.

What a client of the far bridge is told is held against what a client of the near one is told at the same time. The way between
the bridges goes through a proxy that knows only CONNECT and a network that can be cut.
"""

import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec
import pytest
import trio
from websockets.trio.client import connect

from bridge.app import Running, TokenGrant, mint
from bridge.clock import wall_clock
from bridge.config import Config
from bridge.dialects.contract import Transport
from bridge.downstream.settings import AuthSettings, LimitSettings, ListenSettings
from bridge.model import FeedName, QuotePatch, Trade
from bridge.upstream.settings import FeedSettings, TokenSource
from tests.support.commands import free_port
from tests.support.faults import End, FaultProxy, fault_proxy
from tests.support.proxy import Tunnels, open_proxy
from tests.support.readers import Reader, sse, until, websocket
from tests.support.stage import Vendor, bridge, client_token, config_of, feed_of, vendor
from tests.support.truth import Book, assert_told_in_runs, runs, said

AUTH = AuthSettings(secret="a secret of this test, long enough", default_topics=("*",))
TOPICS = "trade:BTC-USD,quote:BTC-USD,book:BTC-USD,book.5:BTC-USD,order"
OWN = {"id", "ts_recv", "feed", "sequence", "prev_sequence"}
"""What every bridge says in its own words: its cursors, its clock, its name for the feed, its books' numbering."""

KINDS = ("trade", "quote", "book_delta", "order")


@dataclass(frozen=True)
class Chain:
    """Attributes: the vendor, the bridge next to it, the way from there to the one behind, and that one."""

    party: Vendor
    near: Running
    network: FaultProxy
    tunnels: Tunnels
    far: Running


def relay_of(url: str, transport: str, **settings) -> FeedSettings:
    return FeedSettings(**{"dialect": "canonical", "url": url, "transports": (Transport(transport),)} | settings)


def far_config(feed: FeedSettings, **limits) -> Config:
    return Config(
        path=Path("bridge.toml"),
        listen=ListenSettings(bind=("127.0.0.1:0",)),
        auth=AUTH,
        limits=LimitSettings(**limits),
        feeds={FeedName("relay"): feed},
    )


def token_of(account: str) -> str:
    return mint(AUTH, TokenGrant(sub="somebody", ttl_seconds=3600, accounts=(account,)))


@asynccontextmanager
async def chain(transport: str, speed: float = 5, **settings):
    async with vendor("liquidity", speed=speed) as party:
        near_config = config_of({"liquidity": feed_of(party, "sse", account="acme")}, auth=AUTH)
        async with (
            bridge(near_config) as near,
            fault_proxy(int(near.urls[0].rpartition(":")[2])) as network,
            open_proxy() as tunnels,
        ):
            feed = relay_of(
                network.url,
                transport,
                proxy=f"http://127.0.0.1:{tunnels.port}",
                token=TokenSource(value=token_of("liquidity/acme")),
                **settings,
            )
            async with bridge(far_config(feed)) as far:
                yield Chain(party, near, network, tunnels, far)


def stripped(event: dict) -> dict:
    return {key: value for key, value in event.items() if key not in OWN}


def told(reader: Reader, kind: str) -> list[dict]:
    """Events of one kind without what is each bridge's own; of books and quotes those after the first, which is a state."""
    events = [stripped(event) for event in reader.of(kind)]
    return [event | {"account": event["account"].partition("/")[2]} for event in events] if kind == "order" else events


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_what_a_relay_tells_is_what_it_was_told_but_for_ids_receipt_and_feed(transport):
    near, far = Reader(TOPICS), Reader(TOPICS)
    rich = [Reader("quote:BTC-USD&extra=true") for _ in range(2)]
    async with chain(transport, account="acme") as house, trio.open_nursery() as nursery:
        nursery.start_soon(websocket, house.near.urls[0], near, token_of("liquidity/acme"))
        await until(lambda: all(near.of(kind) for kind in KINDS))
        nursery.start_soon(websocket, house.far.urls[0], far, token_of("relay/acme"))
        nursery.start_soon(sse, house.near.urls[0], rich[0], client_token(AUTH, 3600))
        await until(lambda: rich[0].of("quote"))
        nursery.start_soon(sse, house.far.urls[0], rich[1], client_token(AUTH, 3600))
        await until(lambda: all(len(far.of(kind)) >= (2 if kind == "order" else 25) for kind in KINDS), 40)
        await until(lambda: len(rich[1].of("quote")) > 5)
        extra = {"sector": msgspec.Raw(b'"coins"')}  # nothing on the made-up tape has such
        quote = QuotePatch(feed="liquidity", instrument="BTC-USD", ts_recv=wall_clock(), extra=extra)
        house.near.house.hub.publish(quote)
        await until(lambda: any(event.get("extra") == {"sector": "coins"} for event in rich[1].of("quote")))
        nursery.cancel_scope.cancel()
    assert house.tunnels.heads
    assert all(head.startswith(b"CONNECT ") for head in house.tunnels.heads)
    assert {event["feed"] for event in far.of(*KINDS)} == {"relay"}
    assert not far.of("gap", "problem", "goaway")
    assert not [event for event in far.of("quote") if event.get("conflated")]
    for kind in KINDS:
        assert_told_in_runs([told(far, kind)[1:]], told(near, kind))
    assert_told_in_runs([told(rich[1], "quote")[1:]], told(rich[0], "quote"))
    for topic in ("book:BTC-USD", "book.5:BTC-USD"):
        book = Book(topic)
        assert sum(book.take(event) for event in far.events) > 1
        assert book.snapshots == 1


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_short_break_between_the_bridges_costs_nothing(transport):
    near, far = Reader("trade:BTC-USD"), Reader(TOPICS)
    async with chain(transport, account="acme") as house, trio.open_nursery() as nursery:
        nursery.start_soon(websocket, house.near.urls[0], near, token_of("liquidity/acme"))
        await until(lambda: near.of("trade"))
        nursery.start_soon(websocket, house.far.urls[0], far, token_of("relay/acme"))
        await until(lambda: len(far.of("trade")) > 5 and far.of("quote") and len(far.of("book_delta")) > 20)
        for how in (End.RST, End.FIN, End.RST):
            before, seen = len(far.events), len(near.of("trade"))
            house.network.refusing = True
            assert house.network.drop(how)
            await until(lambda n=seen: len(near.of("trade")) > n + 3)
            house.network.refusing = False
            await until(lambda n=before: {"trade", "quote", "book_delta"} <= {e["type"] for e in far.events[n:]}, 30)
            statuses = [event["status"] for event in far.events[before:] if event["type"] == "feed_status"]
            assert statuses[0] == "connecting"
            assert statuses[-1] == "live"
        behind = near.of("trade")[-1]["trade_id"]
        await until(lambda: any(event["trade_id"] == behind for event in far.of("trade")))
        nursery.cancel_scope.cancel()
    assert not far.of("gap", "problem", "goaway")
    assert_told_in_runs([told(far, "trade")], told(near, "trade"))
    assert len(far.of("trade")) > 20
    book = Book("book:BTC-USD")
    assert sum(book.take(event) for event in far.events) > 10
    assert book.snapshots >= 4


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_gap_that_the_near_bridge_declares_is_declared_by_the_far_one(transport):
    near, far, late = (Reader("trade:BTC-USD,book:BTC-USD") for _ in range(3))
    async with chain(transport) as house, trio.open_nursery() as nursery:
        nursery.start_soon(websocket, house.near.urls[0], near, token_of("liquidity/acme"))
        await until(lambda: len(near.of("trade")) > 5)
        nursery.start_soon(websocket, house.far.urls[0], far, client_token(AUTH, 3600))
        await until(lambda: len(far.of("trade")) > 5 and len(far.of("book_delta")) > 20)
        house.party.proxy.refusing = True
        healthy = len(far.of("feed_status"))
        assert house.party.proxy.drop()
        await until(lambda: len(far.of("feed_status")) > healthy)
        nursery.start_soon(websocket, house.far.urls[0], late, client_token(AUTH, 3600))
        await until(lambda: late.of("feed_status"))
        house.party.proxy.refusing = False
        await until(lambda: far.of("gap"))
        after = len(far.events)
        await until(lambda: {"trade", "book_delta"} <= {event["type"] for event in far.events[after:]})
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    assert {topic for gap in far.of("gap") for topic in gap["topics"]} == {"trade:BTC-USD", "book:BTC-USD"}
    assert {gap["cause"] for gap in far.of("gap")} == {"upstream"}
    troubles = [event for event in far.of("feed_status")[healthy:] if event["status"] != "live"]
    assert troubles
    assert all(event["feed"] == "relay" and event["reason"].startswith("its feed liquidity: ") for event in troubles)
    assert far.of("feed_status")[-1]["status"] == "live"
    kinds = [event["type"] for event in late.events]
    assert "book_snapshot" not in kinds[: kinds.index("feed_status")], "an old book is never shown as a live one"
    assert late.of("feed_status")[0]["status"] == "connecting"
    stretches = runs(far.events, "trade", "trade:BTC-USD")
    assert len(stretches) == 2
    assert all(stretches)
    assert_told_in_runs([[stripped(event) for event in run] for run in stretches], told(near, "trade"))
    near_stretches = runs(near.events, "trade", "trade:BTC-USD")
    assert stripped(stretches[0][-1]) == stripped(near_stretches[0][-1]), "the hole stands where the near bridge has it"
    assert stripped(stretches[1][0]) == stripped(near_stretches[1][0])
    book = Book("book:BTC-USD")
    assert sum(book.take(event) for event in far.events) > 10


@pytest.mark.parametrize("transport", ["sse", "websocket"])
@pytest.mark.parametrize("restarts", [True, False])
async def test_what_the_near_bridge_cannot_make_good_after_a_break_is_declared(transport, restarts):
    """It was restarted, and knows nothing of the past; or it keeps two events only, and the break was longer."""
    far = Reader("trade:BTC-USD,book:BTC-USD")
    async with vendor("liquidity", speed=5) as party, fault_proxy(port := free_port()) as network:
        truth = party.listen("trade:BTC-USD")
        near_config = config_of({"liquidity": feed_of(party, "sse")}, auth=AUTH, history_events=2)
        near_config = msgspec.structs.replace(near_config, listen=ListenSettings(bind=(f"127.0.0.1:{port}",)))
        feed = relay_of(network.url, transport, token=TokenSource(value=client_token(AUTH, 3600)))
        async with bridge(far_config(feed)) as running, trio.open_nursery() as nursery:
            nursery.start_soon(websocket, running.urls[0], far, client_token(AUTH, 3600))
            async with AsyncExitStack() as life:
                await life.enter_async_context(bridge(near_config))
                await until(lambda: len(far.of("trade")) > 5 and len(far.of("book_delta")) > 20)
                if restarts:
                    await life.aclose()
                    await life.enter_async_context(bridge(near_config))
                else:
                    network.refusing = True
                    assert network.drop()
                    await trio.sleep(2)
                    network.refusing = False
                before = len(far.of("trade"))
                await until(lambda: len(far.of("trade")) > before + 5, 40)
                nursery.cancel_scope.cancel()
        trades = said(truth.take(), Trade, lambda trade: trade.trade_id)
    stretches = runs(far.events, "trade", "trade:BTC-USD")
    assert len([run for run in stretches if run]) == 2
    assert_told_in_runs([[event["trade_id"] for event in run] for run in stretches if run], trades)
    told_ids = [event["trade_id"] for event in far.of("trade")]
    assert len(told_ids) < trades.index(told_ids[-1]) - trades.index(told_ids[0]) + 1, "nothing was missing after all"
    book = Book("book:BTC-USD")
    assert sum(book.take(event) for event in far.events) > 10


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_stream_says_which_bridges_it_comes_by(transport):
    near, first, second = Reader("trade:BTC-USD"), Reader("trade:BTC-USD"), Reader("trade:BTC-USD")
    async with chain(transport) as house, trio.open_nursery() as nursery:
        nursery.start_soon(websocket, house.near.urls[0], near, client_token(AUTH, 3600))
        nursery.start_soon(websocket, house.far.urls[0], first, client_token(AUTH, 3600))
        await until(lambda: near.of("trade") and first.of("trade"))
        nursery.start_soon(websocket, house.far.urls[0], second, client_token(AUTH, 3600))
        await until(lambda: second.of("stream"))
        nursery.cancel_scope.cancel()
    (near_id,) = near.of("stream")[0]["via"]
    (far_id,) = first.of("stream")[0]["via"]
    assert near_id != far_id
    assert second.of("stream")[0]["via"] == [far_id, near_id]
    assert first.of("feed_status")[-1]["via"] == [near_id], "a stream that is open already is told, too"
    assert "via" not in near.of("feed_status")[-1], "a vendor is no bridge"


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_what_is_added_to_a_stream_and_what_is_polled_say_it_too(transport):
    first, opened = Reader("trade:BTC-USD"), Reader("quote:BTC-USD")
    bearer = {"authorization": f"Bearer {client_token(AUTH, 3600)}"}
    async with chain(transport) as house, trio.open_nursery() as nursery:
        url = house.far.urls[0]
        nursery.start_soon(websocket, url, first, client_token(AUTH, 3600))
        await until(lambda: first.of("trade") and first.of("feed_status")[-1].get("via"))
        nursery.start_soon(sse, url, opened, client_token(AUTH, 3600))
        await until(lambda: opened.of("stream"))
        via = opened.of("stream")[0]["via"]
        async with httpx2.AsyncClient(trust_env=False, headers=bearer) as client:
            page = (await client.get(f"{url}/v1/poll?subscribe=trade:BTC-USD")).json()
            path = f"{url}/v1/stream/{opened.of('stream')[0]['stream']}"
            changed = (await client.patch(path, json={"add": ["trade:BTC-USD"]})).json()
        async with connect(url.replace("http", "ws") + "/v1/ws", additional_headers=bearer, proxy=None) as talk:
            for topic in ("trade:BTC-USD", "quote:BTC-USD"):
                await talk.send(json.dumps({"op": "subscribe", "topics": [topic], "ref": topic}))
            answers = [answer async for answer in answers_of(talk, 2)]
        nursery.cancel_scope.cancel()
    assert len(via) == 2
    assert [page["via"], changed["via"], *(answer["via"] for answer in answers)] == [via] * 4


async def answers_of(talk, count):
    """The first answers to operations, whatever else is said."""
    with trio.fail_after(20):
        while count:
            said = json.loads(await talk.recv())
            if said["type"] == "ok":
                count -= 1
                yield said


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_bridge_that_finds_itself_at_the_other_end_of_a_detour_refuses_that_feed(transport):
    reader, port = Reader("trade:BTC-USD"), free_port()
    async with fault_proxy(port) as detour:
        feed = relay_of(detour.url, transport, token=TokenSource(value=client_token(AUTH, 3600)))
        config = msgspec.structs.replace(far_config(feed), listen=ListenSettings(bind=(f"127.0.0.1:{port}",)))
        async with bridge(config) as running, trio.open_nursery() as nursery:
            nursery.start_soon(websocket, running.urls[0], reader, client_token(AUTH, 3600))
            await until(lambda: any(event["status"] == "down" for event in reader.of("feed_status")), 40)
            nursery.cancel_scope.cancel()
    down = next(event for event in reader.of("feed_status") if event["status"] == "down")
    assert "by way of this bridge itself" in down["reason"]
    assert "live" not in {event["status"] for event in reader.of("feed_status")}


def relays_of_each_other(transport, **more):
    """Return the configurations of two bridges, each of which reads the other; `more` feeds are the first one's."""
    ports = (free_port(), free_port())

    def config(here, there, feeds):
        relay = relay_of(f"http://127.0.0.1:{there}", transport, token=TokenSource(value=client_token(AUTH, 3600)))
        config = far_config(relay)
        listen = ListenSettings(bind=(f"127.0.0.1:{here}",))
        return msgspec.structs.replace(config, listen=listen, feeds={**feeds, **config.feeds})

    return config(*ports, more), config(*reversed(ports), {})


def is_refused(running):
    now = running.feeds[FeedName("relay")].statistics()
    return now.status == "down" and "by way of this bridge itself" in (now.reason or "")


@pytest.mark.parametrize("linger_seconds", [0, 30])
@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_two_bridges_that_read_each_other_are_both_refused_and_make_no_storm(transport, linger_seconds):
    """None of them can know it at its start: each finds itself behind the other once that one has connected."""
    readers = [Reader("trade:BTC-USD") for _ in range(2)]
    configs = relays_of_each_other(transport)
    limits = LimitSettings(linger_seconds=linger_seconds)
    one, other = (msgspec.structs.replace(config, limits=limits) for config in configs)
    async with bridge(one) as one, bridge(other) as other, trio.open_nursery() as nursery:
        for running, reader in zip((one, other), readers, strict=True):
            nursery.start_soon(websocket, running.urls[0], reader, client_token(AUTH, 3600))
        await until(lambda: is_refused(one) and is_refused(other), 60)
        known = [running.feeds[FeedName("relay")].statistics() for running in (one, other)]
        await until(lambda: one.feeds[FeedName("relay")].statistics().retries >= known[0].retries + 2, 60)
        await until(lambda: all(reader.of("feed_status")[-1]["status"] == "down" for reader in readers))
        nursery.cancel_scope.cancel()
        after = [running.feeds[FeedName("relay")].statistics() for running in (one, other)]
    for before, now in zip(known, after, strict=True):
        assert now.connects == before.connects <= 2, "who is refused is not confirmed again"
    for reader in readers:
        assert "by way of this bridge itself" in reader.of("feed_status")[-1]["reason"]
        assert not reader.of("trade")


async def test_a_topic_that_closes_a_circle_later_is_found_out_as_well():
    """The first bridge has one instrument of a vendor and all else from the second, which has everything from the first."""
    reader, added = Reader("trade:BTC-USD"), Reader("trade:OTHER")
    async with vendor("liquidity", speed=5) as party:
        feed = feed_of(party, "sse", instruments=("BTC-USD",))
        one, other = relays_of_each_other("websocket", liquidity=feed)
        listed = config_of({"liquidity": feed}).instruments
        async with (
            bridge(msgspec.structs.replace(one, instruments=listed)) as one,
            bridge(other) as other,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(websocket, other.urls[0], reader, client_token(AUTH, 3600))
            await until(lambda: reader.of("trade"))
            assert not is_refused(other)
            nursery.start_soon(websocket, other.urls[0], added, client_token(AUTH, 3600))
            await until(lambda: is_refused(other), 60)
            nursery.cancel_scope.cancel()


async def test_orders_pass_only_when_the_relays_feed_has_an_account():
    far = Reader("order")
    async with chain("websocket") as house:
        with trio.fail_after(20):
            await websocket_problem(house.far.urls[0], far, token_of("relay/acme"))
    (problem,) = far.of("problem")
    assert problem["code"] == "forbidden"


async def websocket_problem(url, reader, token):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(websocket, url, reader, token)
        await until(lambda: reader.of("problem"))
        nursery.cancel_scope.cancel()
