from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.dialects.contract import Manner, Refusal
from bridge.downstream.settings import AuthSettings, DialectSettings
from bridge.downstream.streams.sse import head_of_sse
from bridge.model import Code, FeedHealth, InstrumentId
from tests.support.asgi import JWT, NOTHING_LEFT, START, Bench, open_bench, sse, with_limits

SECONDS = 1_000_000_000


async def test_a_stream_begins_with_its_headers_a_retry_and_the_stream_event_then_follows_its_topics(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = await sse(bench, nursery, "quote:BTC-USD,trade:BTC-USD").opened()
        start = client.sent[0]
        assert start["status"] == 200
        headers = dict(start["headers"])
        assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
        assert headers[b"cache-control"] == b"no-store, no-transform"
        assert headers[b"x-accel-buffering"] == b"no"
        assert 3_000 <= int(client.blocks[0]["retry"]) < 5_000
        (stream,) = client.of("stream")
        assert stream["verdict"] == "fresh"
        assert stream["topics"] == ["quote:BTC-USD", "trade:BTC-USD"]
        assert stream["limits"]["subscriptions_per_connection"] == 50
        assert "expires" not in stream

        bench.cover("quote:BTC-USD", "trade:BTC-USD")
        bench.quote("1.50")
        bench.trade("2.00")
        await client.until(lambda: client.of("trade"))
        assert [message["type"] for message in client.messages] == ["stream", "quote", "trade"]
        assert client.of("quote")[0]["bid"] == "1.50"
        last = client.blocks[-1]
        assert (last["event"], last["id"]) == ("trade", bench.hub.cursor())


async def test_a_stream_whose_name_can_be_guessed_would_be_anyones(autojump_clock):
    async with open_bench() as (bench, nursery):
        clients = [sse(bench, nursery, "quote:X") for _ in range(5)]
        for client in clients:
            await client.opened()
        names = {client.of("stream")[0]["stream"] for client in clients}
        assert len(names) == 5
        assert min(map(len, names)) >= 20


REFUSED = [
    ("quote", {}, Code.BAD_REQUEST),
    ("candle:X", {}, Code.BAD_REQUEST),
    ("quote:NOPE", {}, Code.UNKNOWN_INSTRUMENT),
    ("bar.5m:BTC-USD", {}, Code.UNSUPPORTED_TOPIC),
    ("order", {}, Code.FORBIDDEN),
    (",".join(f"quote:I{number}" for number in range(51)), {}, Code.TOO_MANY_SUBSCRIPTIONS),
    ("quote:X", {"headers": {"last-event-id": "no cursor"}}, Code.BAD_REQUEST),
]


@pytest.mark.parametrize(("topics", "more", "code"), REFUSED, ids=[str(row[2]) + row[0][:9] for row in REFUSED])
async def test_what_is_wrong_with_a_request_is_refused_before_the_first_byte(autojump_clock, topics, more, code):
    async with open_bench() as (bench, nursery):
        client = sse(bench, nursery, topics, **more)
        await client.done.wait()
        assert client.refused is not None
        assert client.refused.code is code
        assert client.sent == []
        assert bench.left() == NOTHING_LEFT


async def test_fifty_topics_and_the_free_status_fit_on_one_connection(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = await sse(bench, nursery, "status," + ",".join(f"all:I{number}" for number in range(50))).opened()
        assert len(client.of("stream")[0]["topics"]) == 151


async def test_the_sixth_connection_of_a_user_is_refused_until_one_is_closed(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        alice, bob = bench.token("alice"), bench.token("bob")
        held = [sse(bench, nursery, "quote:X", token=alice) for _ in range(5)]
        for client in held:
            await client.opened()
        sixth = sse(bench, nursery, "quote:X", token=alice)
        await sixth.done.wait()
        assert sixth.refused.code is Code.TOO_MANY_CONNECTIONS
        await sse(bench, nursery, "quote:X", token=bob).opened()
        held[0].leave()
        await held[0].done.wait()
        await sse(bench, nursery, "quote:X", token=alice).opened()


async def test_a_refusal_may_be_spelled_so_that_an_event_source_comes_back(autojump_clock):
    async with open_bench(settings=DialectSettings(sse_refusal="retry")) as (bench, nursery):
        client = sse(bench, nursery, "quote:NOPE")
        await client.done.wait()
        assert client.refused is None
        assert client.sent[0]["status"] == 200
        assert client.body == b"retry: 15000\n\n"
        assert client.ended


async def test_a_returning_client_gets_what_it_missed_once_and_in_order(autojump_clock):
    async with open_bench() as (bench, nursery):
        first = await sse(bench, nursery, "trade:BTC-USD").opened()
        bench.cover("trade:BTC-USD")
        bench.trade("1")
        await first.until(lambda: first.of("trade"))
        cursor = first.blocks[-1]["id"]
        first.leave()
        await first.done.wait()
        bench.trade("2")
        bench.trade("3")
        again = sse(bench, nursery, "trade:BTC-USD", headers={"last-event-id": cursor})
        await again.until(lambda: len(again.of("trade")) == 2)
        bench.trade("4")
        await again.until(lambda: len(again.of("trade")) == 3)
        assert again.of("stream")[0]["verdict"] == "resumed"
        assert again.of("stream")[0]["id"] == cursor
        assert [trade["price"] for trade in again.of("trade")] == ["2", "3", "4"]
        assert again.of("gap") == []


async def test_a_cursor_of_another_life_is_a_reset_and_a_gap_that_begins_at_that_cursor(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover("trade:BTC-USD", "quote:BTC-USD")
        client = sse(bench, nursery, "trade:BTC-USD,quote:BTC-USD", headers={"last-event-id": "0ldl1fe-17"})
        await client.until(lambda: client.of("gap"))
        assert client.of("stream")[0]["verdict"] == "reset"
        (gap,) = client.of("gap")
        assert (gap["from"], gap["cause"], gap["topics"]) == ("0ldl1fe-17", "history", ["trade:BTC-USD"])


async def test_orders_reach_only_who_holds_the_account(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        acme = sse(bench, nursery, "order", token=bench.token("a", accounts=("lq/acme",)))
        other = sse(bench, nursery, "order", token=bench.token("b", accounts=("lq/other",)))
        none = sse(bench, nursery, "order", token=bench.token("c"))
        await acme.until(lambda: acme.of("stream"))
        await other.until(lambda: other.of("stream"))
        await none.done.wait()
        assert none.refused.code is Code.FORBIDDEN
        bench.cover_orders("lq/acme")
        bench.cover_orders("lq/other")
        bench.order("lq/acme", "acme's")
        bench.order("lq/other", "other's")
        await acme.until(lambda: acme.of("order"))
        await other.until(lambda: other.of("order"))
        await trio.sleep(5)
        assert [order["order_id"] for order in acme.of("order")] == ["acme's"]
        assert [order["order_id"] for order in other.of("order")] == ["other's"]


async def test_all_is_cut_to_what_is_granted(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = await sse(bench, nursery, "all:BTC-USD", token=bench.token(topics=("trade:*",))).opened()
        assert client.of("stream")[0]["topics"] == ["trade:BTC-USD"]
        bench.cover("quote:BTC-USD", "trade:BTC-USD")
        bench.quote("1")
        bench.trade("1")
        await client.until(lambda: client.of("trade"))
        assert client.of("quote") == []


@pytest.mark.parametrize("ttl", [1, 45, 300])
async def test_a_stream_ends_when_its_token_does(autojump_clock, ttl):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = sse(bench, nursery, "quote:X", token=bench.token(ttl=ttl))
        await client.done.wait()
        assert 0 <= bench.clock() - (START + ttl * SECONDS) < SECONDS
        assert client.messages[-1]["type"] == "goaway"
        assert (client.messages[-1]["reason"], client.messages[-1]["retry"]) == ("token_expired", "no")
        assert client.ended
        assert not client.hung_up
        assert bench.left() == NOTHING_LEFT


async def test_a_wall_clock_set_forward_ends_a_token_at_the_next_look(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = await sse(bench, nursery, "quote:X", token=bench.token(ttl=3_000)).opened()
        bench.clock._start += 4_000 * SECONDS
        with trio.fail_after(31):
            await client.done.wait()
        assert client.messages[-1]["reason"] == "token_expired"


async def test_a_closing_house_says_goodbye_with_the_cursor_and_a_time_to_come_back(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = await sse(bench, nursery, "trade:BTC-USD").opened()
        bench.cover("trade:BTC-USD")
        bench.trade("1")
        await client.until(lambda: client.of("trade"))
        bench.house.closing.set()
        await client.done.wait()
        (goaway,) = client.of("goaway")
        assert (goaway["reason"], goaway["retry"]) == ("going_away", "after")
        assert 1_000 <= goaway["retry_after_ms"] < 6_000
        assert goaway["id"] == client.of("trade")[0]["id"]
        assert client.ended
        late = sse(bench, nursery, "trade:BTC-USD")
        await late.done.wait()
        assert late.refused.code is Code.GOING_AWAY
        assert bench.left() == NOTHING_LEFT


async def test_a_slow_consumer_is_told_so_and_loses_nothing_when_it_returns_with_the_cursor(autojump_clock):
    limits = with_limits(slow_trades="goodbye", pending_bytes_per_connection=10_000, write_deadline_seconds=100)
    async with open_bench(limits=limits) as (bench, nursery):
        client = await sse(bench, nursery, "trade:BTC-USD").opened()
        bench.cover("trade:BTC-USD")
        bench.trade("1")
        await client.until(lambda: client.of("trade"))
        client.stop_reading()
        for price in range(2, 202):
            bench.trade(str(price))
            await trio.sleep(0.01)
        client.read_on()
        await client.done.wait()
        (goaway,) = client.of("goaway")
        assert (goaway["reason"], goaway["retry"]) == ("slow_consumer", "now")
        assert client.ended
        got = [trade["price"] for trade in client.of("trade")]
        again = sse(bench, nursery, "trade:BTC-USD", headers={"last-event-id": goaway["id"]})
        await again.until(lambda: len(again.of("trade")) == 201 - len(got))
        assert got + [trade["price"] for trade in again.of("trade")] == [str(price) for price in range(1, 202)]


async def test_a_peer_that_never_reads_again_is_hung_up_on_and_leaves_nothing(autojump_clock):
    limits = with_limits(write_deadline_seconds=2, linger_seconds=1)
    async with open_bench(limits=limits) as (bench, nursery):
        stuck = await sse(bench, nursery, "trade:BTC-USD").opened()
        other = await sse(bench, nursery, "trade:BTC-USD").opened()
        stuck.stop_reading()
        bench.cover("trade:BTC-USD")
        bench.trade("1")
        began = trio.current_time()
        await stuck.done.wait()
        assert stuck.hung_up
        assert trio.current_time() - began <= 3
        bench.trade("2")
        await other.until(lambda: len(other.of("trade")) == 2)
        assert not other.hung_up
        assert bench.left() == {"connections": 1, "subscriptions": 1, "seats": 1}


async def test_a_peer_that_does_not_take_the_headers_is_hung_up_on(autojump_clock):
    async with open_bench(limits=with_limits(write_deadline_seconds=2)) as (bench, nursery):
        client = bench.stream(nursery, bench.exchange("sse", "subscribe=quote:X"))
        client.stop_reading()
        await client.done.wait()
        assert client.hung_up
        assert bench.left() == NOTHING_LEFT


async def test_a_client_that_leaves_leaves_nothing_and_interest_goes_after_the_linger(autojump_clock):
    async with open_bench(limits=with_limits(linger_seconds=1)) as (bench, nursery):
        clients = [sse(bench, nursery, "all:BTC-USD", address=f"192.0.2.{number}") for number in range(20)]
        for client in clients:
            await client.opened()
        assert bench.left() == {"connections": 20, "subscriptions": 20, "seats": 20}
        assert len(bench.hub.interest("lq").wanted()) == 3
        for client in clients:
            client.leave()
        for client in clients:
            await client.done.wait()
        assert bench.left() == NOTHING_LEFT
        assert len(bench.hub.interest("lq").wanted()) == 3, "it lingers"
        await trio.sleep(1.1)
        assert bench.hub.interest("lq").wanted() == frozenset()


async def test_a_topic_that_the_vendor_refuses_leaves_with_a_problem_and_the_stream_lives_on(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = await sse(bench, nursery, "quote:GONE,trade:BTC-USD").opened()
        bench.refuse("quote:GONE", Code.UNKNOWN_INSTRUMENT)
        await client.until(lambda: client.of("problem"))
        (problem,) = client.of("problem")
        assert (problem["code"], problem["topic"], problem["retry"]) == ("unknown_instrument", "quote:GONE", "no")
        assert bench.house.connections.statistics()[0].topics == ("trade:BTC-USD",)
        bench.cover("trade:BTC-USD", "quote:GONE")
        bench.quote("1", "GONE")
        bench.trade("1")
        await client.until(lambda: client.of("trade"))
        assert client.of("quote") == []


async def test_a_lately_refused_topic_is_refused_at_once_but_does_not_end_a_stream_that_has_others(autojump_clock):
    async with open_bench() as (bench, nursery):
        await sse(bench, nursery, "quote:GONE").opened()
        bench.refuse("quote:GONE", Code.UNKNOWN_INSTRUMENT)
        alone = sse(bench, nursery, "quote:GONE")
        await alone.done.wait()
        assert (alone.refused.code, alone.refused.topic) == (Code.UNKNOWN_INSTRUMENT, "quote:GONE")
        both = sse(bench, nursery, "quote:GONE,quote:BTC-USD")
        await both.until(lambda: both.of("problem"))
        assert both.of("stream")[0]["topics"] == ["quote:BTC-USD"]
        assert both.of("problem")[0]["topic"] == "quote:GONE"
        await trio.sleep(61)
        await sse(bench, nursery, "quote:GONE").opened()


async def test_beyond_the_vendors_quota_a_topic_stays_wanted_and_begins_when_there_is_room(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = await sse(bench, nursery, "quote:BTC-USD").opened()
        bench.refuse("quote:BTC-USD", Code.UPSTREAM_FULL)
        await client.until(lambda: client.of("problem"))
        assert client.of("problem")[0]["code"] == "upstream_full"
        bench.cover("quote:BTC-USD")
        bench.quote("1")
        await client.until(lambda: client.of("quote"))


async def test_a_feeds_health_is_told_free_of_charge_and_an_unavailable_upstream_is_no_refusal(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.health(FeedHealth.DOWN)
        client = sse(bench, nursery, "quote:BTC-USD")
        await client.until(lambda: client.of("feed_status"))
        bench.health(FeedHealth.LIVE)
        await client.until(lambda: len(client.of("feed_status")) == 2)
        assert [status["status"] for status in client.of("feed_status")] == ["down", "live"]


async def test_a_quiet_stream_says_that_it_lives(autojump_clock):
    async with open_bench(limits=with_limits(heartbeat_seconds=4)) as (bench, nursery):
        client = await sse(bench, nursery, "quote:BTC-USD").opened()
        await trio.sleep(9)
        assert sum("comment" in block for block in client.blocks) == 2


@pytest.mark.parametrize(
    ("dialect", "settings", "seconds", "comment"),
    [
        ("liquidity", {}, 15, b":\n\n"),
        ("tradingview", {}, 30, b": heartbeat\n\n"),
        ("tradingview", {"heartbeat_seconds": 7}, 7, b": heartbeat\n\n"),
    ],
)
async def test_a_vendors_stream_beats_as_the_vendors_does_unless_the_operator_says_otherwise(
    autojump_clock, dialect, settings, seconds, comment
):
    query = {"liquidity": "subscribe=quote:BTC-USD", "tradingview": "symbols=A:B"}[dialect]
    limits = with_limits(heartbeat_seconds=4)
    async with open_bench(dialect=dialect, settings=DialectSettings(**settings), limits=limits) as (bench, nursery):
        client = bench.stream(nursery, bench.exchange("sse", query))
        await client.until(lambda: client.body)
        greeting = client.body
        await trio.sleep(2.5 * seconds)
        assert client.body.removeprefix(greeting) == 2 * comment


@pytest.mark.parametrize(("by_asset", "told"), [(False, ["btc", "eth"]), (True, ["eth"])])
async def test_a_liquidity_stream_tells_all_orders_or_as_configured_those_of_its_assets(autojump_clock, by_asset, told):
    async with open_bench(auth=JWT, dialect="liquidity") as (bench, nursery):
        liquidity = bench.served.dialect.mannered(Manner(orders_by_asset=by_asset))
        bench.served = msgspec.structs.replace(bench.served, dialect=liquidity)
        token = bench.token("a", accounts=("lq/acme",))
        client = bench.stream(nursery, bench.exchange("sse", "subscribe=trade:ETH-USD", token=token))
        await client.until(lambda: client.body)
        bench.cover_orders("lq/acme")
        for asset in ("BTC-USD", "ETH-USD"):
            order = bench.order_event("lq/acme", asset[:3].lower())
            bench.hub.publish(msgspec.structs.replace(order, instrument=InstrumentId(asset)))
        await client.until(lambda: b'"eth"' in client.body)
        assert [block["json"]["orderId"] for block in client.blocks if block.get("event") == "order"] == told


async def test_head_is_answered_as_a_get_would_begin_and_opens_nothing(autojump_clock):
    async def head(bench: Bench, query: str, **more: Any) -> dict[str, str]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await head_of_sse(bench.house, bench.exchange("sse", query, **more), {}, trio.sleep_forever, send)
        assert [message.get("body", b"") for message in sent] == [b"", b""]
        assert sent[0]["status"] == 200
        return {name.decode(): value.decode() for name, value in sent[0]["headers"]}

    async with open_bench(auth=JWT, limits=with_limits(sse_connections_per_user=1)) as (bench, nursery):
        token = bench.token("a")
        for query, more, code in (
            ("subscribe=quote:BTC-USD", {}, Code.UNAUTHORIZED),
            ("subscribe=quote:BTC-USD", {"token": "no.to.ken"}, Code.UNAUTHORIZED),
            ("subscribe=quote:NOPE", {"token": token}, Code.UNKNOWN_INSTRUMENT),
            ("", {"token": token}, Code.BAD_REQUEST),
        ):
            with pytest.raises(Refusal) as caught:
                await head(bench, query, **more)
            assert caught.value.code is code
        headers = await head(bench, "subscribe=quote:BTC-USD", token=token)
        assert headers == {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-store, no-transform",
            "x-accel-buffering": "no",
        }
        assert bench.left() == NOTHING_LEFT
        await sse(bench, nursery, "quote:BTC-USD", token=token).opened()
        with pytest.raises(Refusal) as caught:
            await head(bench, "subscribe=quote:BTC-USD", token=token)
        assert caught.value.code is Code.TOO_MANY_CONNECTIONS

    async with open_bench(auth=JWT, settings=DialectSettings(sse_refusal="retry")) as (bench, _):
        assert (await head(bench, "subscribe=quote:BTC-USD"))["content-type"].startswith("text/event-stream")


async def test_a_busy_stream_needs_no_heartbeat(autojump_clock):
    async with open_bench(limits=with_limits(heartbeat_seconds=4)) as (bench, nursery):
        client = await sse(bench, nursery, "trade:BTC-USD").opened()
        bench.cover("trade:BTC-USD")
        for price in range(20):
            bench.trade(str(price))
            await trio.sleep(1)
        assert not any("comment" in block for block in client.blocks)


async def test_a_peer_without_a_token_gets_what_is_open_to_all(autojump_clock):
    auth = AuthSettings(secret="x" * 32, anonymous_topics=("quote:*",))
    async with open_bench(auth=auth) as (bench, nursery):
        await sse(bench, nursery, "quote:BTC-USD").opened()
        refused = sse(bench, nursery, "trade:BTC-USD")
        await refused.done.wait()
        assert refused.refused.code is Code.FORBIDDEN


async def test_what_is_open_now_can_be_shown(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = await sse(bench, nursery, "trade:BTC-USD", token=bench.token("alice")).opened()
        bench.cover("trade:BTC-USD")
        bench.trade("1")
        await client.until(lambda: client.of("trade"))
        await wait_all_tasks_blocked()
        (shown,) = bench.house.connections.statistics()
        assert (shown.user, shown.dialect, shown.topics) == ("alice", "canonical", ("trade:BTC-USD",))
        assert shown.stream == client.of("stream")[0]["stream"]
        assert (shown.sent_events, shown.sent_bytes, shown.pending_bytes) == (1, len(client.body), 0)
