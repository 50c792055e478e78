import json
from typing import Any

import pytest
import trio

from bridge.dialects.contract import Answer, HttpAnswer, Outcome, QuestionKind, Refusal
from bridge.downstream.requests.state import instruments, state
from bridge.model import Bar, Code, FeedName, InstrumentId, Topic, Uncovered, UnixNanos, exact
from tests.support.asgi import JWT, NOTHING_LEFT, OTHER_FEED, START, Bench, open_bench, with_limits


async def asked(bench: Bench, name: str, instrument: str = "BTC-USD", query: str = "", **more: Any) -> HttpAnswer:
    exchange = bench.exchange("state", query, name=name, segments={"id": instrument}, **more)
    return await state(bench.house, exchange)


async def refused(bench: Bench, *args: Any, **more: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await asked(bench, *args, **more)
    return caught.value


def hold(bench: Bench, *topics: str) -> None:
    for topic in topics:
        bench.hub.lease(bench.house.resolve(Topic.parse(topic), ()), 3_600)


def bar(minute: int, close: str, *, is_final: bool | None = None) -> Bar:
    return Bar(
        instrument=InstrumentId("NASDAQ:AAPL"),
        feed=OTHER_FEED,
        ts_recv=START,
        interval="1m",
        ts_open=UnixNanos(START + minute * 60_000_000_000),
        open=exact("1"),
        high=exact("9"),
        low=exact("1"),
        close=exact(close),
        is_final=is_final,
    )


async def test_a_quote_is_answered_with_the_event_itself(autojump_clock):
    async with open_bench() as (bench, _):
        hold(bench, "quote:BTC-USD")
        bench.cover("quote:BTC-USD")
        bench.quote("1.50")
        answer = await asked(bench, "quote")
        event = json.loads(answer.body)
        assert (event["type"], event["bid"], event["id"]) == ("quote", "1.50", bench.hub.cursor())


async def test_who_has_the_answer_already_gets_304_until_it_changes_whatever_else_happens(autojump_clock):
    async with open_bench() as (bench, _):
        hold(bench, "quote:BTC-USD", "trade:ETH-USD")
        bench.cover("quote:BTC-USD", "trade:ETH-USD")
        bench.quote("1.50")
        first = dict((await asked(bench, "quote")).headers)
        assert first["cache-control"] == "private, no-cache"
        bench.trade("1", "ETH-USD")
        for tags in (first["etag"], f'"other", {first["etag"]}', "*", first["etag"].removeprefix("W/")):
            again = await asked(bench, "quote", headers={"if-none-match": tags})
            assert (again.status, again.body) == (304, b"")
            assert dict(again.headers)["etag"] == first["etag"]
        bench.quote("1.51")
        changed = await asked(bench, "quote", headers={"if-none-match": first["etag"]})
        assert changed.status == 200
        assert dict(changed.headers)["etag"] != first["etag"]


async def test_the_first_request_subscribes_upstream_waits_for_a_value_and_keeps_the_lease(autojump_clock):
    async with open_bench(limits=with_limits(linger_seconds=1)) as (bench, nursery):

        async def vendor() -> None:
            interest = bench.hub.interest("lq")
            while not interest.wanted():
                await interest.changed()
            await trio.sleep(1)
            bench.cover("quote:BTC-USD")
            bench.quote("3")

        nursery.start_soon(vendor)
        assert json.loads((await asked(bench, "quote")).body)["bid"] == "3"
        assert bench.left() == NOTHING_LEFT
        await trio.sleep(13)
        assert bench.hub.interest("lq").wanted(), "three polling intervals of a quote are 15 s"
        await trio.sleep(3)
        assert not bench.hub.interest("lq").wanted()


async def test_without_a_value_it_is_503_after_two_seconds(autojump_clock):
    async with open_bench() as (bench, _):
        began = trio.current_time()
        assert (await refused(bench, "quote")).code is Code.UPSTREAM_UNAVAILABLE
        assert trio.current_time() - began == pytest.approx(2)


@pytest.mark.parametrize("code", [Code.UPSTREAM_FULL, Code.UNKNOWN_INSTRUMENT, Code.UNSUPPORTED_TOPIC])
async def test_a_refusal_from_upstream_is_answered_as_soon_as_it_comes(autojump_clock, code):
    async with open_bench() as (bench, nursery):

        async def vendor() -> None:
            await trio.sleep(0.5)
            bench.refuse("quote:BTC-USD", code)

        nursery.start_soon(vendor)
        began = trio.current_time()
        assert (await refused(bench, "quote")).code is code
        assert trio.current_time() - began == pytest.approx(0.5)


async def test_what_the_vendor_refused_lately_is_refused_at_once(autojump_clock):
    async with open_bench() as (bench, _):
        hold(bench, "quote:BTC-USD")
        bench.refuse("quote:BTC-USD", Code.UNSUPPORTED_TOPIC)
        began = trio.current_time()
        assert (await refused(bench, "quote")).code is Code.UNSUPPORTED_TOPIC
        assert trio.current_time() == began


async def test_a_feed_that_goes_down_is_not_answered_with_old_prices(autojump_clock):
    async with open_bench() as (bench, _):
        hold(bench, "quote:BTC-USD")
        bench.cover("quote:BTC-USD")
        bench.quote("1")
        bench.hub.publish(Uncovered(feed=FeedName("lq"), topics=(Topic.parse("quote:BTC-USD"),), ts_recv=bench.clock()))
        assert (await refused(bench, "quote")).code is Code.UPSTREAM_UNAVAILABLE


async def test_trades_are_the_newest_kept_oldest_first(autojump_clock):
    async with open_bench() as (bench, _):
        hold(bench, "trade:BTC-USD")
        bench.cover("trade:BTC-USD")
        for price in range(1, 6):
            bench.trade(str(price))
        answer = json.loads((await asked(bench, "trades", query="limit=3")).body)
        assert [event["price"] for event in answer["events"]] == ["3", "4", "5"]


async def test_each_bar_is_answered_once_as_it_was_last_said(autojump_clock):
    async with open_bench() as (bench, _):
        hold(bench, "bar.1m:NASDAQ:AAPL")
        bench.cover("bar.1m:NASDAQ:AAPL", feed=OTHER_FEED)
        for event in (bar(0, "1"), bar(0, "2"), bar(1, "3"), bar(1, "4"), bar(2, "5")):
            bench.hub.publish(event)
        answer = json.loads((await asked(bench, "bars", "NASDAQ:AAPL", "interval=1m&limit=2")).body)
        assert [(event["close"], event.get("is_final")) for event in answer["events"]] == [("4", True), ("5", None)]
        assert bench.asked == []


async def test_bars_that_we_do_not_have_are_asked_of_the_vendor(autojump_clock):
    async with open_bench() as (bench, _):
        bench.answers[OTHER_FEED] = Answer(outcome=Outcome.ANSWERED, events=tuple(bar(n, str(n)) for n in range(5)))
        answer = json.loads((await asked(bench, "bars", "NASDAQ:AAPL", "interval=1m&limit=3")).body)
        assert [event["close"] for event in answer["events"]] == ["2", "3", "4"]
        ((feed, question),) = bench.asked
        assert (feed, question.kind, question.instrument, question.interval, question.limit) == (
            "tv",
            QuestionKind.BARS,
            "NASDAQ:AAPL",
            "1m",
            3,
        )


async def test_an_order_is_asked_for_and_told_only_for_accounts_that_the_caller_holds(autojump_clock):
    async with open_bench(auth=JWT, dialect="liquidity") as (bench, _):
        mine, other = bench.token("a", accounts=("lq/acme",)), bench.token("b", accounts=("tv/b", "lq/other"))
        order = bench.order_event("lq/acme", "ord-1")
        bench.answers[FeedName("lq")] = Answer(outcome=Outcome.ANSWERED, events=(order,))
        answer = await asked(bench, "order", "ord-1", token=mine)
        assert json.loads(answer.body)["orderId"] == "ord-1"
        assert [(feed, question.account, question.order_id) for feed, question in bench.asked] == [
            ("lq", "lq/acme", "ord-1")
        ]
        assert (await refused(bench, "order", "ord-1", token=other)).code is Code.UNKNOWN_INSTRUMENT
        assert [question.account for _, question in bench.asked[1:]] == ["tv/b", "lq/other"]
        assert (await refused(bench, "order", "ord-2", token=mine)).code is Code.UNKNOWN_INSTRUMENT
        asked_before = len(bench.asked)
        assert (await refused(bench, "order", "ord-1", token=bench.token("c"))).code is Code.FORBIDDEN
        assert len(bench.asked) == asked_before
        bench.answers[FeedName("lq")] = Answer(outcome=Outcome.FAILED)
        assert (await refused(bench, "order", "ord-1", token=mine)).code is Code.UPSTREAM_UNAVAILABLE


async def test_state_is_granted_as_streams_are(autojump_clock):
    async with open_bench(auth=JWT) as (bench, _):
        assert (await refused(bench, "quote")).code is Code.UNAUTHORIZED
        token = bench.token(topics=("trade:*",))
        assert (await refused(bench, "quote", token=token)).code is Code.FORBIDDEN
        token = bench.token()
        assert (await refused(bench, "quote", "NOPE", token=token)).code is Code.UNKNOWN_INSTRUMENT
        assert (await refused(bench, "bars", query="interval=1m", token=token)).code is Code.UNSUPPORTED_TOPIC
        assert (await refused(bench, "bars", token=token)).code is Code.BAD_REQUEST


async def test_the_listed_instruments_are_those_that_the_caller_may_see(autojump_clock):
    async with open_bench(auth=JWT) as (bench, _):
        for topics, seen in ((("*",), ["BTC-USD", "ETH-USD"]), (("bar:ETH-USD",), ["ETH-USD"]), ((), [])):
            exchange = bench.exchange("state", token=bench.token(topics=topics))
            answer = await instruments(bench.house, exchange)
            found = json.loads(answer.body)["instruments"]
            assert [one["id"] for one in found] == seen
            assert all(one["feeds"] == ["lq"] for one in found)
        with pytest.raises(Refusal):
            await instruments(bench.house, bench.exchange("state"))
