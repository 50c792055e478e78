import pytest
import trio

from bridge.downstream.streams.websocket import MAX_MESSAGE_BYTES, echoed_subprotocol
from bridge.model import Code, UnixNanos, rfc3339
from tests.support.asgi import JWT, NOTHING_LEFT, START, Client, open_bench, sse, websocket, with_limits

SECONDS = 1_000_000_000
GONE = "websocket.disconnect"


async def subscribed(client: Client, *topics: str, **more: object) -> Client:
    before = len(client.of("ok"))
    client.say({"op": "subscribe", "topics": topics, **more})
    await client.until(lambda: len(client.of("ok")) > before)
    return client


async def told(client: Client, message: object) -> dict:
    """Say something and return the problem that comes back."""
    before = len(client.of("problem"))
    client.say(message)
    await client.until(lambda: len(client.of("problem")) > before)
    return client.of("problem")[-1]


async def test_topics_come_and_go_while_the_connection_lives(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover("trade:BTC-USD", "quote:BTC-USD", "trade:ETH-USD")
        bench.quote("1.0")
        client = websocket(bench, nursery)
        await subscribed(client, "trade:BTC-USD", ref="one")
        assert [message["type"] for message in client.messages] == ["stream", "ok"]
        assert client.of("ok")[0] == {
            "type": "ok",
            "op": "subscribe",
            "ref": "one",
            "topics": ["trade:BTC-USD"],
            "cursor": client.of("stream")[0]["id"],
        }
        assert client.of("stream")[0]["limits"]["inbound_messages_per_second"] == 100

        await subscribed(client, "quote:BTC-USD", ref="two")
        await client.until(lambda: client.of("quote"))
        assert [message["type"] for message in client.messages][2:] == ["ok", "quote"], "a later subscribe starts fresh"
        assert len(client.of("stream")) == 1

        client.say({"op": "unsubscribe", "topics": ["trade:BTC-USD", "trade:NEVER"], "ref": "three"})
        await client.until(lambda: len(client.of("ok")) == 3)
        assert client.of("ok")[2]["topics"] == ["trade:BTC-USD"]
        bench.trade("9")
        bench.quote("2.0")
        await client.until(lambda: len(client.of("quote")) == 2)
        assert client.of("trade") == []

        client.say({"op": "ping", "ref": "p"})
        await client.until(lambda: len(client.of("ok")) == 4)
        assert client.of("ok")[3] == {"type": "ok", "op": "ping", "ref": "p"}


async def test_what_was_asked_under_two_names_stays_until_both_are_dropped(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover("trade:BTC-USD")
        client = websocket(bench, nursery)
        await subscribed(client, "all:BTC-USD", "trade:BTC-USD")
        client.say({"op": "unsubscribe", "topics": ["trade:BTC-USD"]})
        await client.until(lambda: len(client.of("ok")) == 2)
        bench.trade("1")
        await client.until(lambda: client.of("trade"))
        client.say({"op": "unsubscribe"})
        await client.until(lambda: len(client.of("ok")) == 3)
        assert client.of("ok")[2]["topics"] == ["all:BTC-USD"]
        bench.trade("2")
        await trio.sleep(1)
        assert len(client.of("trade")) == 1


PROBLEMS = [
    ("not json", "bad_request"),
    ({"op": "dance"}, "bad_request"),
    ({"op": "subscribe", "topics": ["candle:X"]}, "bad_request"),
    ({"op": "subscribe", "topics": ["trade:X"], "after": "no cursor"}, "bad_request"),
    ({"op": "subscribe", "topics": ["trade:X", "quote:NOPE"]}, "unknown_instrument"),
    ({"op": "subscribe", "topics": ["trade:X", "bar.5m:BTC-USD"]}, "unsupported_topic"),
    ({"op": "subscribe", "topics": ["trade:X", "order"]}, "forbidden"),
    ({"op": "subscribe", "topics": ["trade:X", "quote:SECRET"]}, "forbidden"),
    ({"op": "subscribe", "topics": [f"trade:I{number}" for number in range(51)]}, "too_many_subscriptions"),
    ({"op": "renew", "token": "forged"}, "unauthorized"),
]


@pytest.mark.parametrize(("message", "code"), PROBLEMS, ids=[f"{row[1]}-{n}" for n, row in enumerate(PROBLEMS)])
async def test_a_mistake_is_a_problem_nothing_is_half_done_and_the_connection_lives_on(autojump_clock, message, code):
    async with open_bench(auth=JWT) as (bench, nursery):
        token = bench.token(topics=("trade:*", "quote:NOPE", "bar:*"))
        client = websocket(bench, nursery, token=token)
        asked = message | {"ref": "r7"} if isinstance(message, dict) else message
        problem = await told(client, asked)
        assert problem["code"] == code
        assert problem.get("ref") == ("r7" if isinstance(message, dict) else None)
        assert client.of("stream") == []
        assert bench.hub.statistics().subscriptions == 0
        await subscribed(client, "trade:BTC-USD")
        assert client.of("stream")[0]["topics"] == ["trade:BTC-USD"]
        assert client.closed is None


async def test_the_51st_subscription_is_refused_whenever_it_comes(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = websocket(bench, nursery)
        await subscribed(client, *(f"all:I{number}" for number in range(49)))
        await subscribed(client, "quote:LAST")
        await subscribed(client, "quote:LAST")
        problem = await told(client, {"op": "subscribe", "topics": ["quote:ONE-MORE"]})
        assert problem["code"] == "too_many_subscriptions"
        client.say({"op": "unsubscribe", "topics": ["quote:LAST"]})
        await subscribed(client, "quote:ONE-MORE")


@pytest.mark.parametrize(
    ("auth", "more", "code"),
    [
        (JWT, {}, Code.UNAUTHORIZED),
        (JWT, {"token": "forged"}, Code.UNAUTHORIZED),
        (JWT, {"ttl": 1}, Code.TOKEN_EXPIRED),
    ],
)
async def test_a_bad_credential_is_refused_at_the_handshake(autojump_clock, auth, more, code):
    async with open_bench(auth=auth) as (bench, nursery):
        if "ttl" in more:
            more = {"token": bench.token(ttl=more["ttl"])}
            await trio.sleep(1)
        client = websocket(bench, nursery, **more)
        await client.done.wait()
        assert client.refused.code is code
        assert client.sent == []


async def test_the_sixth_websocket_is_refused_at_the_handshake_and_event_streams_are_counted_apart(autojump_clock):
    async with open_bench() as (bench, nursery):
        for _ in range(5):
            client = websocket(bench, nursery)
            await client.until(lambda client=client: client.sent)
        sixth = websocket(bench, nursery)
        await sixth.done.wait()
        assert sixth.refused.code is Code.TOO_MANY_CONNECTIONS
        await sse(bench, nursery, "quote:X").opened()
        await websocket(bench, nursery, address="192.0.2.99").until(lambda: len(bench.house.connections) == 7)


async def test_the_101st_message_in_a_second_is_not_executed_and_told_once(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = websocket(bench, nursery)
        for number in range(150):
            client.say({"op": "ping", "ref": str(number)})
        await trio.sleep(0.5)
        assert [ok["ref"] for ok in client.of("ok")] == [str(number) for number in range(100)]
        assert [problem["code"] for problem in client.of("problem")] == ["rate_limited"]
        await trio.sleep(2)
        client.say({"op": "ping", "ref": "later"})
        await client.until(lambda: client.of("ok")[-1]["ref"] == "later")
        assert client.closed is None


async def test_three_seconds_over_the_rate_end_the_connection(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = websocket(bench, nursery)
        for _ in range(31):
            for _ in range(30):
                client.say({"op": "ping"})
            await trio.sleep(0.1)
            if client.closed:
                break
        await client.done.wait()
        assert client.closed == (4429, "rate_limited")
        assert client.messages[-1]["type"] == "goaway"
        assert client.messages[-1]["reason"] == "rate_limited"
        assert len(client.of("problem")) == 3
        assert bench.left() == NOTHING_LEFT


async def test_a_message_too_big_to_go_on_with_ends_the_connection(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = websocket(bench, nursery)
        client.say("x" * (MAX_MESSAGE_BYTES + 1))
        await client.done.wait()
        assert client.closed == (4400, "bad_request")
        assert client.of("problem")[0]["code"] == "bad_request"


async def test_a_client_that_returns_with_its_cursor_goes_on_where_it_was(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover("trade:BTC-USD")
        client = websocket(bench, nursery)
        await subscribed(client, "trade:BTC-USD")
        bench.trade("1")
        await client.until(lambda: client.of("trade"))
        cursor = client.of("trade")[0]["id"]
        client.leave(GONE)
        await client.done.wait()
        bench.trade("2")
        again = websocket(bench, nursery)
        await subscribed(again, "trade:BTC-USD", after=cursor)
        await again.until(lambda: again.of("trade"))
        assert again.of("stream")[0]["verdict"] == "resumed"
        assert [trade["price"] for trade in again.of("trade")] == ["2"]
        problem = await told(again, {"op": "subscribe", "topics": ["quote:X"], "after": cursor})
        assert problem["code"] == "bad_request"


async def test_orders_reach_only_who_holds_the_account(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        bench.cover_orders("lq/acme")
        acme = websocket(bench, nursery, token=bench.token("a", accounts=("lq/acme",)))
        other = websocket(bench, nursery, token=bench.token("b", accounts=("lq/other",)))
        await subscribed(acme, "order")
        await subscribed(other, "order")
        bench.order("lq/acme", "acme's")
        await acme.until(lambda: acme.of("order"))
        await trio.sleep(5)
        assert other.of("order") == []
        assert other.of("ok")[0]["topics"] == ["order"]


async def test_a_connection_ends_when_its_token_does(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = websocket(bench, nursery, token=bench.token(ttl=90))
        await subscribed(client, "quote:X")
        await client.done.wait()
        assert 0 <= bench.clock() - (START + 90 * SECONDS) < SECONDS
        assert client.closed == (4401, "token_expired")
        assert client.messages[-1]["reason"] == "token_expired"
        assert bench.left() == NOTHING_LEFT


@pytest.mark.parametrize(("first", "second"), [(10, 100), (100, 10)])
async def test_a_renewed_token_moves_the_end(autojump_clock, first, second):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = websocket(bench, nursery, token=bench.token(ttl=first))
        await subscribed(client, "quote:X")
        await trio.sleep(5)
        client.say({"op": "renew", "token": bench.token(ttl=second), "ref": "n"})
        await client.until(lambda: len(client.of("ok")) == 2)
        assert client.of("ok")[1]["op"] == "renew"
        assert client.of("ok")[1]["expires"] == rfc3339(UnixNanos(START + (5 + second) * SECONDS))
        await client.done.wait()
        assert 0 <= bench.clock() - (START + (5 + second) * SECONDS) < SECONDS


async def test_a_renewed_token_that_grants_less_takes_the_rest_away(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        bench.cover("quote:BTC-USD", "trade:BTC-USD", "book:BTC-USD", "trade:ETH-USD")
        bench.cover_orders("lq/acme")
        client = websocket(bench, nursery, token=bench.token(accounts=("lq/acme",)))
        await subscribed(client, "all:BTC-USD", "trade:ETH-USD", "order")
        client.say({"op": "renew", "token": bench.token(topics=("quote:*",))})
        await client.until(lambda: len(client.of("ok")) == 2)
        gone = {(problem["topic"], problem["code"]) for problem in client.of("problem")}
        assert gone == {("trade:ETH-USD", "forbidden"), ("order", "forbidden")}
        bench.trade("1")
        bench.trade("1", "ETH-USD")
        bench.order("lq/acme", "mine")
        bench.quote("1")
        await client.until(lambda: client.of("quote"))
        await trio.sleep(1)
        assert client.of("trade") == client.of("order") == []


async def test_another_users_token_cannot_take_a_connection_over(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = websocket(bench, nursery, token=bench.token("alice"))
        problem = await told(client, {"op": "renew", "token": bench.token("bob"), "ref": "x"})
        assert (problem["code"], problem["ref"]) == ("forbidden", "x")


async def test_a_closing_house_closes_with_1012(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = websocket(bench, nursery)
        await subscribed(client, "quote:X")
        bench.house.closing.set()
        await client.done.wait()
        assert client.closed == (1012, "going_away")
        assert client.messages[-1]["retry"] == "after"
        late = websocket(bench, nursery)
        await late.done.wait()
        assert late.refused.code is Code.GOING_AWAY


async def test_a_slow_consumer_is_closed_with_4408_and_a_cursor(autojump_clock):
    limits = with_limits(slow_trades="goodbye", pending_bytes_per_connection=10_000, write_deadline_seconds=100)
    async with open_bench(limits=limits) as (bench, nursery):
        bench.cover("trade:BTC-USD")
        client = websocket(bench, nursery)
        await subscribed(client, "trade:BTC-USD")
        client.stop_reading()
        for price in range(200):
            bench.trade(str(price))
            await trio.sleep(0.01)
        client.read_on()
        await client.done.wait()
        assert client.closed == (4408, "slow_consumer")
        goaway = client.messages[-1]
        last = ([client.of("stream")[0], *client.of("trade")])[-1]
        assert (goaway["reason"], goaway["retry"], goaway["id"]) == ("slow_consumer", "now", last["id"])
        assert bench.left() == NOTHING_LEFT


async def test_a_client_that_asks_but_never_reads_is_hung_up_on(autojump_clock):
    async with open_bench(limits=with_limits(write_deadline_seconds=2)) as (bench, nursery):
        client = websocket(bench, nursery)
        await subscribed(client, "quote:X")
        client.stop_reading()
        client.say({"op": "ping"})
        with trio.fail_after(3):
            await client.done.wait()
        assert client.hung_up
        assert bench.left() == NOTHING_LEFT


@pytest.mark.parametrize("subscribe", [True, False])
async def test_a_client_that_leaves_leaves_nothing(autojump_clock, subscribe):
    async with open_bench(limits=with_limits(linger_seconds=1)) as (bench, nursery):
        client = websocket(bench, nursery)
        await client.until(lambda: client.sent)
        if subscribe:
            await subscribed(client, "all:BTC-USD")
        client.leave(GONE)
        await client.done.wait()
        assert bench.left() == NOTHING_LEFT
        await trio.sleep(1.1)
        assert bench.hub.interest("lq").wanted() == frozenset()


async def test_a_topic_that_the_vendor_refuses_leaves_with_a_problem(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = websocket(bench, nursery)
        await subscribed(client, "all:BTC-USD", "book.20:ETH-USD")
        bench.refuse("quote:BTC-USD", Code.UNSUPPORTED_TOPIC)
        bench.refuse("book:ETH-USD", Code.UNKNOWN_INSTRUMENT)
        await client.until(lambda: len(client.of("problem")) == 2)
        found = {(problem["topic"], problem["code"]) for problem in client.of("problem")}
        assert found == {("quote:BTC-USD", "unsupported_topic"), ("book.20:ETH-USD", "unknown_instrument")}
        bench.cover("trade:BTC-USD")
        bench.trade("1")
        await client.until(lambda: client.of("trade"))
        problem = await told(client, {"op": "subscribe", "topics": ["trade:X", "quote:BTC-USD"]})
        assert (problem["code"], problem["topic"]) == ("unsupported_topic", "quote:BTC-USD")
        assert len(client.of("ok")) == 1
        (shown,) = bench.house.connections.statistics()
        assert shown.topics == ("all:BTC-USD",), "a subscribe is all or nothing"


@pytest.mark.parametrize(
    ("offered", "echoed"),
    [
        (["bearer", "tok"], "bearer"),
        (["chat", "bearer", "tok"], "bearer"),
        (["bearer"], None),
        (["chat", "bearer"], None),
        (["tok"], None),
        ([], None),
    ],
)
async def test_only_bearer_is_echoed_and_only_of_the_pair(autojump_clock, offered, echoed):
    assert echoed_subprotocol(offered) == echoed
    async with open_bench() as (bench, nursery):
        client = bench.stream(nursery, bench.exchange("websocket"), offered)
        await client.until(lambda: client.sent)
        assert client.sent[0] == {"type": "websocket.accept", "subprotocol": echoed, "headers": []}
