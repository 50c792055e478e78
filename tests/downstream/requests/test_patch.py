"""`PATCH /v1/stream/{stream}`: what it changes, who may, and that a refusal changes nothing."""

import json

import pytest
import trio

from bridge.dialects.contract import HttpAnswer, Refusal
from bridge.downstream.handlers import Handlers
from bridge.downstream.requests.endpoints import STREAM
from bridge.downstream.requests.patch import Change, patch
from bridge.model import Code
from tests.support.asgi import JWT, Bench, Client, open_bench, sse, websocket, with_limits
from tests.support.published import assert_published

QUOTE, TRADE, BOOK = "quote:BTC-USD", "trade:BTC-USD", "book:BTC-USD"


def name_of(client: Client) -> str:
    return client.of("stream")[0]["stream"]


async def ask(bench: Bench, client: Client | str, body: object, **more) -> HttpAnswer:
    name = client if isinstance(client, str) else name_of(client)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await patch(bench.house, bench.exchange("sse", segments={"stream": name}, body=raw, **more))


async def told(bench: Bench, client: Client, body: object, **more) -> dict:
    answer = await ask(bench, client, body, **more)
    assert answer.status == 200
    assert_published(f"/v1/stream/{name_of(client)}", "PATCH", 200, dict(answer.headers), answer.body)
    return json.loads(answer.body)


async def refusal_of(bench: Bench, client: Client, body: object, **more) -> Code:
    with pytest.raises(Refusal) as refused:
        await ask(bench, client, body, **more)
    return refused.value.code


async def test_topics_come_and_go_on_an_open_stream_and_the_answer_says_what_holds(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover(QUOTE, TRADE)
        client = await sse(bench, nursery, QUOTE).opened()
        bench.quote("1")
        await client.until(lambda: client.of("quote"))
        answer = await told(bench, client, {"add": [TRADE], "remove": [QUOTE, BOOK]})
        assert answer == {
            "stream": name_of(client),
            "topics": [TRADE],
            "conflate": False,
            "max_rate": 0,
            "cursor": bench.hub.cursor(),
        }
        bench.quote("2")
        bench.trade("3")
        await client.until(lambda: client.of("trade"))
        assert [quote["bid"] for quote in client.of("quote")] == ["1"]
        (shown,) = bench.house.connections.statistics()
        assert shown.topics == (TRADE,)


async def test_an_added_topic_starts_with_its_state_and_an_empty_change_says_how_things_are(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover(QUOTE)
        bench.quote("7")
        client = await sse(bench, nursery, TRADE).opened()
        assert (await told(bench, client, {}))["topics"] == [TRADE]
        assert (await told(bench, client, {"add": [QUOTE, TRADE, QUOTE]}))["topics"] == [TRADE, QUOTE]
        await client.until(lambda: client.of("quote"))
        assert client.of("quote")[0]["bid"] == "7"


async def test_wishes_change_while_the_stream_is_open(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover(QUOTE)
        client = await sse(bench, nursery, QUOTE).opened()
        answer = await told(bench, client, {"conflate": True, "max_rate": 1})
        assert (answer["conflate"], answer["max_rate"]) == (True, 1)
        for price in range(50):
            bench.quote(str(price))
            await trio.sleep(0.1)
        assert 4 <= len(client.of("quote")) <= 7
        answer = await told(bench, client, {"max_rate": 0})
        assert (answer["conflate"], answer["max_rate"]) == (True, 0)
        await client.until(lambda: client.of("quote")[-1]["bid"] == "49", seconds=0.1)


async def test_any_open_stream_can_be_changed_also_a_websocket(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = websocket(bench, nursery)
        client.say({"op": "subscribe", "topics": [QUOTE]})
        await client.until(lambda: client.of("ok"))
        assert (await told(bench, client, {"add": [TRADE]}))["topics"] == [QUOTE, TRADE]


async def test_a_token_is_renewed_and_what_it_does_not_grant_leaves_with_a_problem(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        old = bench.token(ttl=100)
        client = await sse(bench, nursery, f"{QUOTE},{TRADE}", token=old).opened()
        new = bench.token(ttl=1_000, topics=("quote:*",))
        answer = await told(bench, client, {"token": new}, token=old)
        assert answer["topics"] == [QUOTE]
        assert answer["expires"] == "2026-01-01T00:16:40Z"
        await client.until(lambda: client.of("problem"))
        assert client.of("problem")[0]["topic"] == TRADE
        await trio.sleep(500)
        assert not client.ended
        await client.done.wait()
        assert client.of("goaway")[0]["reason"] == "token_expired"


NOTHING_CHANGES = [
    (b"", Code.BAD_REQUEST),
    (b"[]", Code.BAD_REQUEST),
    (b"\xff", Code.BAD_REQUEST),
    (b"[" * 100_000, Code.BAD_REQUEST),
    ({"add": "quote:X"}, Code.BAD_REQUEST),
    ({"add": ["quote:X", "nonsense"]}, Code.BAD_REQUEST),
    ({"remove": ["nonsense"], "add": ["quote:X"]}, Code.BAD_REQUEST),
    ({"add": ["quote:X"], "max_rate": -1}, Code.BAD_REQUEST),
    ({"add": ["quote:X"], "conflate": "yes"}, Code.BAD_REQUEST),
    ({"conflate": True, "add": ["quote:NOPE"]}, Code.UNKNOWN_INSTRUMENT),
    ({"conflate": True, "remove": [QUOTE], "add": ["bar.5m:X"]}, Code.UNSUPPORTED_TOPIC),
    ({"conflate": True, "add": ["quote:X", "order"]}, Code.FORBIDDEN),
    ({"conflate": True, "add": ["quote:DEAD"]}, Code.UNKNOWN_INSTRUMENT),
    ({"conflate": True, "add": [f"quote:I{number}" for number in range(50)]}, Code.TOO_MANY_SUBSCRIPTIONS),
]


@pytest.mark.parametrize(("body", "code"), NOTHING_CHANGES, ids=[str(row[0])[:50] for row in NOTHING_CHANGES])
async def test_what_is_refused_has_changed_nothing(autojump_clock, body, code):
    async with open_bench() as (bench, nursery):
        bench.refuse("quote:DEAD", Code.UNKNOWN_INSTRUMENT)
        client = await sse(bench, nursery, QUOTE).opened()
        assert await refusal_of(bench, client, body) is code
        answer = await told(bench, client, {})
        assert (answer["topics"], answer["conflate"], answer["max_rate"]) == ([QUOTE], False, 0)


async def test_fifty_topics_fit_when_as_many_leave(autojump_clock):
    async with open_bench(limits=with_limits(subscriptions_per_connection=2)) as (bench, nursery):
        client = await sse(bench, nursery, f"{QUOTE},{TRADE}").opened()
        change = {"add": ["quote:A", "quote:B"], "remove": [QUOTE, TRADE]}
        assert (await told(bench, client, change))["topics"] == ["quote:A", "quote:B"]


async def test_only_who_has_the_stream_may_change_it_and_nobody_else_learns_that_it_is_there(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        alice, mallory = bench.token("alice"), bench.token("mallory")
        client = await sse(bench, nursery, QUOTE, token=alice).opened()
        foreign = await ask(bench, client, {"add": [TRADE]}, token=mallory)
        missing = await ask(bench, "no-such-stream", {"add": [TRADE]}, token=mallory)
        assert foreign == missing
        assert foreign.status == 404
        assert json.loads(foreign.body)["error"].keys() == {"code", "message", "retry"}
        assert await refusal_of(bench, client, {"token": mallory}, token=alice) is Code.FORBIDDEN
        assert await refusal_of(bench, client, {"add": [TRADE]}) is Code.UNAUTHORIZED
        assert await refusal_of(bench, client, {}, token="nonsense") is Code.UNAUTHORIZED
        assert await refusal_of(bench, client, {"token": "nonsense"}, token=alice) is Code.UNAUTHORIZED
        assert (await told(bench, client, {}, token=alice))["topics"] == [QUOTE]


async def test_what_may_be_added_is_what_the_token_shown_now_grants(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        narrow, wide = bench.token(topics=("quote:*",)), bench.token(topics=("*",))
        client = await sse(bench, nursery, QUOTE, token=narrow).opened()
        assert await refusal_of(bench, client, {"add": [TRADE]}, token=narrow) is Code.FORBIDDEN
        assert (await told(bench, client, {"add": [TRADE], "token": wide}, token=narrow))["topics"] == [QUOTE, TRADE]


async def test_the_path_leads_here_and_only_for_patch():
    assert Handlers().answering(STREAM) is patch
    assert (STREAM.path, STREAM.method) == ("/v1/stream/{stream}", "PATCH")


async def test_a_stream_that_is_gone_is_unknown(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = await sse(bench, nursery, QUOTE).opened()
        client.leave()
        await client.done.wait()
        assert (await ask(bench, client, {"add": [TRADE]})).status == 404
        assert bench.hub.statistics().subscriptions == 0


async def test_a_change_shows_no_token_in_its_text():
    assert "s3cret" not in f"{Change(token='s3cret')!r} {Change(token='s3cret')}"


async def test_removed_and_added_at_once_starts_anew(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover(QUOTE)
        client = await sse(bench, nursery, QUOTE).opened()
        bench.quote("1")
        await client.until(lambda: client.of("quote"))
        assert (await told(bench, client, {"remove": [QUOTE], "add": [QUOTE]}))["topics"] == [QUOTE]
        await client.until(lambda: len(client.of("quote")) == 2)
