import json
from typing import Any

import pytest
import trio

from bridge.dialects.contract import Refusal
from bridge.downstream.requests.polling import poll
from bridge.model import Code, FeedHealth, Topic
from tests.support.asgi import JWT, NOTHING_LEFT, Bench, open_bench, sse, websocket, with_limits


async def asked(bench: Bench, query: str, **more: Any) -> dict[str, Any]:
    answer = await poll(bench.house, bench.exchange("state", query, **more))
    assert answer.status == 200
    assert dict(answer.headers)["cache-control"] == "private, no-store"
    return json.loads(answer.body)


async def refused(bench: Bench, query: str, **more: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await poll(bench.house, bench.exchange("state", query, **more))
    return caught.value


async def test_without_a_cursor_a_poll_answers_with_the_current_state(autojump_clock):
    async with open_bench() as (bench, _):
        bench.hub.lease(bench.house.resolve(Topic.parse("quote:BTC-USD"), ()), 60)
        bench.cover("quote:BTC-USD")
        bench.quote("1.0")
        bench.quote("1.50")
        page = await asked(bench, "subscribe=quote:BTC-USD")
        assert page["verdict"] == "fresh"
        assert [(event["type"], event["bid"]) for event in page["events"]] == [("quote", "1.50")]
        assert page["cursor"] == bench.hub.cursor()


async def test_a_poll_with_a_cursor_never_folds_and_pages_through_everything(autojump_clock):
    async with open_bench() as (bench, _):
        await _covered(bench, "quote:BTC-USD", "trade:BTC-USD")
        bench.quote("0")
        cursor = (await asked(bench, "subscribe=quote:BTC-USD,trade:BTC-USD"))["cursor"]
        for number in range(1, 8):
            bench.quote(str(number))
            bench.trade(str(number))
        found = []
        while True:
            page = await asked(bench, f"subscribe=quote:BTC-USD,trade:BTC-USD&after={cursor}&limit=4")
            assert page["verdict"] == "resumed"
            assert len(page["events"]) <= 4
            if not page["events"]:
                break
            found += page["events"]
            cursor = page["cursor"]
        said = [(event["type"], event.get("bid") or event.get("price")) for event in found]
        assert said == [(kind, str(number)) for number in range(1, 8) for kind in ("quote", "trade")]


async def _covered(bench: Bench, *topics: str) -> None:
    for topic in topics:
        bench.hub.lease(bench.house.resolve(Topic.parse(topic), ()), 3_600)
    bench.cover(*topics)
    bench.health(FeedHealth.LIVE)


async def test_a_long_poll_returns_with_the_first_news(autojump_clock):
    async with open_bench() as (bench, nursery):
        await _covered(bench, "trade:BTC-USD")
        cursor = (await asked(bench, "subscribe=trade:BTC-USD"))["cursor"]

        async def later() -> None:
            await trio.sleep(7)
            bench.trade("5")

        nursery.start_soon(later)
        began = trio.current_time()
        page = await asked(bench, f"subscribe=trade:BTC-USD&after={cursor}&wait=25")
        assert trio.current_time() - began == pytest.approx(7)
        assert [event["price"] for event in page["events"]] == ["5"]


async def test_a_long_poll_without_news_ends_with_its_wait_and_a_plain_one_at_once(autojump_clock):
    async with open_bench() as (bench, _):
        await _covered(bench, "trade:BTC-USD")
        cursor = (await asked(bench, "subscribe=trade:BTC-USD"))["cursor"]
        for wait, seconds in (("", 0), ("&wait=0", 0), ("&wait=25", 25)):
            began = trio.current_time()
            page = await asked(bench, f"subscribe=trade:BTC-USD&after={cursor}{wait}")
            assert trio.current_time() - began == pytest.approx(seconds)
            assert page == {"verdict": "resumed", "cursor": page["cursor"], "events": []}
        assert bench.left() == NOTHING_LEFT


async def test_a_long_poll_ends_early_when_the_house_closes(autojump_clock):
    async with open_bench() as (bench, nursery):
        await _covered(bench, "trade:BTC-USD")
        cursor = (await asked(bench, "subscribe=trade:BTC-USD"))["cursor"]

        async def close() -> None:
            await trio.sleep(3)
            bench.house.closing.set()

        nursery.start_soon(close)
        began = trio.current_time()
        page = await asked(bench, f"subscribe=trade:BTC-USD&after={cursor}&wait=60")
        assert trio.current_time() - began == pytest.approx(3)
        assert page["events"] == []


async def test_a_first_poll_asks_upstream_and_waits_two_seconds_for_a_value(autojump_clock):
    async with open_bench() as (bench, nursery):

        async def vendor() -> None:
            interest = bench.hub.interest("lq")
            while not interest.wanted():
                await interest.changed()
            await trio.sleep(1.5)
            bench.cover("quote:BTC-USD")
            bench.quote("7")

        nursery.start_soon(vendor)
        page = await asked(bench, "subscribe=quote:BTC-USD")
        assert [event["bid"] for event in page["events"]] == ["7"]


async def test_without_a_value_a_poll_answers_that_upstream_is_unavailable(autojump_clock):
    async with open_bench() as (bench, _):
        began = trio.current_time()
        refusal = await refused(bench, "subscribe=quote:BTC-USD")
        assert refusal.code is Code.UPSTREAM_UNAVAILABLE
        assert trio.current_time() - began == pytest.approx(2)
        assert (await refused(bench, "subscribe=trade:BTC-USD")).code is Code.UPSTREAM_UNAVAILABLE


async def test_a_live_feed_without_trades_is_an_answer_at_once(autojump_clock):
    async with open_bench() as (bench, _):
        await _covered(bench, "trade:BTC-USD")
        began = trio.current_time()
        page = await asked(bench, "subscribe=trade:BTC-USD")
        assert trio.current_time() == began, "there is nothing to wait for"
        assert [event["type"] for event in page["events"]] == ["feed_status"]


async def test_a_full_quota_upstream_is_told_as_such(autojump_clock):
    async with open_bench() as (bench, nursery):

        async def vendor() -> None:
            await trio.sleep(1)
            bench.refuse("quote:BTC-USD", Code.UPSTREAM_FULL)

        nursery.start_soon(vendor)
        assert (await refused(bench, "subscribe=quote:BTC-USD")).code is Code.UPSTREAM_FULL


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", Code.BAD_REQUEST),
        ("subscribe=candle:X", Code.BAD_REQUEST),
        ("subscribe=quote:X&after=nonsense", Code.BAD_REQUEST),
        ("subscribe=quote:X&wait=61", Code.BAD_REQUEST),
        ("subscribe=quote:X&wait=-1", Code.BAD_REQUEST),
        ("subscribe=quote:X&wait=soon", Code.BAD_REQUEST),
        ("subscribe=quote:X&limit=0", Code.BAD_REQUEST),
        ("subscribe=quote:X&limit=5001", Code.BAD_REQUEST),
        ("subscribe=quote:NOPE", Code.UNKNOWN_INSTRUMENT),
        ("subscribe=bar.1m:X", Code.UNSUPPORTED_TOPIC),
        ("subscribe=order", Code.FORBIDDEN),
        ("subscribe=" + ",".join(f"quote:I{number}" for number in range(51)), Code.TOO_MANY_SUBSCRIPTIONS),
    ],
)
async def test_a_mistake_is_refused(autojump_clock, query, code):
    async with open_bench() as (bench, _):
        assert (await refused(bench, query)).code is code
        assert bench.left() == NOTHING_LEFT


async def test_tokens_and_grants_count_as_on_streams(autojump_clock):
    async with open_bench(auth=JWT) as (bench, _):
        assert (await refused(bench, "subscribe=quote:X")).code is Code.UNAUTHORIZED
        token = bench.token(topics=("quote:*",), ttl=60)
        assert (await refused(bench, "subscribe=trade:X", token=token)).code is Code.FORBIDDEN
        await trio.sleep(60)
        assert (await refused(bench, "subscribe=quote:X", token=token)).code is Code.TOKEN_EXPIRED


async def test_orders_are_polled_only_by_who_holds_the_account(autojump_clock):
    async with open_bench(auth=JWT) as (bench, _):
        bench.health(FeedHealth.LIVE)
        acme = bench.token("a", accounts=("lq/acme",))
        other = bench.token("b", accounts=("lq/other",))
        cursors = {}
        for token in (acme, other):
            cursors[token] = (await asked(bench, "subscribe=order", token=token))["cursor"]
        bench.cover_orders("lq/acme")
        bench.cover_orders("lq/other")
        bench.order("lq/acme", "acme's")
        bench.order("lq/other", "other's")
        for token, name in ((acme, "acme's"), (other, "other's")):
            page = await asked(bench, f"subscribe=order&after={cursors[token]}", token=token)
            assert [event["order_id"] for event in page["events"] if event["type"] == "order"] == [name]


async def test_the_sixth_poll_at_once_of_a_user_is_refused(autojump_clock):
    async with open_bench(limits=with_limits(polls_per_user=2)) as (bench, nursery):
        await _covered(bench, "trade:X")
        cursor = (await asked(bench, "subscribe=trade:X"))["cursor"]
        for _ in range(2):
            nursery.start_soon(asked, bench, f"subscribe=trade:X&after={cursor}&wait=30")
        await trio.sleep(1)
        assert (await refused(bench, f"subscribe=trade:X&after={cursor}")).code is Code.TOO_MANY_CONNECTIONS
        await trio.sleep(30)
        assert await asked(bench, f"subscribe=trade:X&after={cursor}")


async def test_a_poll_keeps_its_topics_subscribed_until_the_next_may_be_expected(autojump_clock):
    async with open_bench(limits=with_limits(linger_seconds=1)) as (bench, _):
        await refused(bench, "subscribe=quote:X,trade:X")
        await trio.sleep(3)
        wanted = {str(topic) for topic in bench.hub.interest("lq").wanted()}
        assert wanted == {"quote:X"}, (
            "three polling intervals of a quote are 15 s; a trade has none, so its linger counts"
        )
        await trio.sleep(13)
        assert bench.hub.interest("lq").wanted() == frozenset()


async def test_one_cursor_resumes_on_every_transport(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover("trade:BTC-USD")
        client = await sse(bench, nursery, "trade:BTC-USD").opened()
        bench.trade("1")
        await client.until(lambda: client.of("trade"))
        cursor = client.blocks[-1]["id"]
        bench.trade("2")
        page = await asked(bench, f"subscribe=trade:BTC-USD&after={cursor}")
        socket = websocket(bench, nursery)
        socket.say({"op": "subscribe", "topics": ["trade:BTC-USD"], "after": cursor})
        await socket.until(lambda: socket.of("trade"))
        again = sse(bench, nursery, "trade:BTC-USD", headers={"last-event-id": cursor})
        await again.until(lambda: again.of("trade"))
        assert page["events"] == socket.of("trade") == again.of("trade")
        assert page["events"][0]["price"] == "2"
        assert page["verdict"] == socket.of("stream")[0]["verdict"] == again.of("stream")[0]["verdict"] == "resumed"

        bench.trade("3")
        await socket.until(lambda: len(socket.of("trade")) == 2)
        over = sse(bench, nursery, f"trade:BTC-USD&after={page['cursor']}")
        await over.until(lambda: over.of("trade"))
        assert over.of("trade") == socket.of("trade")[1:]


async def test_a_cursor_of_another_life_is_a_reset_with_a_gap(autojump_clock):
    async with open_bench() as (bench, _):
        await _covered(bench, "trade:BTC-USD")
        page = await asked(bench, "subscribe=trade:BTC-USD&after=0ldl1fe-9")
        assert page["verdict"] == "reset"
        gaps = [event for event in page["events"] if event["type"] == "gap"]
        assert [(gap["from"], gap["cause"]) for gap in gaps] == [("0ldl1fe-9", "history")]


async def test_a_lately_refused_topic_is_a_problem_beside_the_others_and_a_refusal_alone(autojump_clock):
    async with open_bench() as (bench, _):
        await _covered(bench, "quote:BTC-USD", "quote:GONE")
        bench.quote("1")
        bench.refuse("quote:GONE", Code.UNKNOWN_INSTRUMENT)
        assert (await refused(bench, "subscribe=quote:GONE")).code is Code.UNKNOWN_INSTRUMENT
        page = await asked(bench, "subscribe=quote:BTC-USD,quote:GONE")
        assert [event["type"] for event in page["events"]][-1] == "problem"
        assert page["events"][-1]["topic"] == "quote:GONE"
