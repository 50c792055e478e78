"""How long a stream may stay, in virtual time: until its token, what that rests on, or its own lifetime ends."""

import json

import jwt
import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.downstream.comebacks import SOON
from bridge.downstream.requests.mint import mint
from bridge.downstream.requests.patch import patch
from bridge.downstream.settings import ApiKey, AuthSettings
from bridge.downstream.streams.tenure import LIFETIME_JITTER, LOOK_SECONDS, WARNING_SECONDS
from bridge.model import SECONDS, UnixNanos, rfc3339
from tests.support.asgi import JWT, NOTHING_LEFT, SECRET, START, Bench, open_bench, sse, websocket, with_limits

OTHER_SECRET = "another-hs256-secret-of-thirty-two-bytes"


def at(seconds: float) -> str:
    return rfc3339(UnixNanos(START + round(seconds * SECONDS)))


def kinds(client) -> list[str]:
    return [message["type"] for message in client.messages]


async def followed(bench: Bench, nursery: trio.Nursery, transport: str, **more):
    """A client of a canonical stream that has begun."""
    if transport == "sse":
        return await sse(bench, nursery, "quote:X", **more).opened()
    client = websocket(bench, nursery, **more)
    client.say({"op": "subscribe", "topics": ["quote:X"]})
    return await client.opened()


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_client_is_told_ahead_that_its_token_ends_and_where_it_stands(autojump_clock, transport):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = await followed(bench, nursery, transport, token=bench.token(ttl=100))
        await trio.sleep(100 - WARNING_SECONDS - 1)
        assert client.of("expiring") == []
        await trio.sleep(2)
        (warning,) = client.of("expiring")
        assert warning == {
            "type": "expiring",
            "id": client.of("stream")[0]["id"],
            "ts_recv": warning["ts_recv"],
            "expires": at(100),
        }
        await client.done.wait()
        assert kinds(client)[-2:] == ["expiring", "goaway"]
        assert client.of("goaway")[0]["reason"] == "token_expired"
        if transport == "websocket":
            assert client.closed == (4401, "token_expired")


async def test_a_token_that_is_renewed_after_the_warning_costs_nothing_and_is_warned_of_in_its_turn(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = await followed(bench, nursery, "sse", token=bench.token(ttl=100))
        await client.until(lambda: client.of("expiring"))
        body = json.dumps({"token": bench.token(ttl=200)}).encode()
        renewal = bench.exchange(
            "sse", segments={"stream": client.of("stream")[0]["stream"]}, body=body, token=bench.token()
        )
        await patch(bench.house, renewal)
        await client.done.wait()
        assert [warning["expires"] for warning in client.of("expiring")] == [at(100), at(240)]
        assert bench.clock() >= START + 240 * SECONDS
        assert client.of("problem") == []


def keyed(*subjects: str, secret: str = SECRET) -> AuthSettings:
    keys = tuple(ApiKey(sub=sub, key=f"key-of-{sub}", topics=("*",)) for sub in subjects)
    return AuthSettings(secret=secret, api_keys=keys, default_topics=("*",))


async def minted(bench: Bench, key: str) -> str:
    """A token as a client gets it for an API key."""
    exchange = bench.exchange("mint", headers={"x-rapidapi-key": key}, body=b"{}")
    return json.loads((await mint(bench.house, exchange)).body)["token"]


async def test_a_withdrawn_api_key_ends_its_streams_at_the_next_look_and_nobody_elses(autojump_clock):
    async with open_bench(auth=keyed("alice", "bob"), dialect="tradingview") as (bench, nursery):
        tokens = {sub: await minted(bench, f"key-of-{sub}") for sub in ("alice", "bob")}
        clients = {
            sub: bench.stream(nursery, bench.exchange("sse", "symbols=NASDAQ:AAPL", token=token))
            for sub, token in tokens.items()
        }
        for client in clients.values():
            await client.until(lambda client=client: client.messages)
        bench.gate.adopt(keyed("bob"))
        await trio.sleep(LOOK_SECONDS + 1)
        assert kinds(clients["alice"])[-1] == "auth_expired"
        assert clients["alice"].ended
        assert not clients["bob"].ended
        again = bench.stream(nursery, bench.exchange("sse", "symbols=NASDAQ:AAPL", token=tokens["alice"]))
        await again.done.wait()
        assert again.refused.code == "unauthorized"


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_changed_secret_ends_the_streams_whose_tokens_it_signed(autojump_clock, transport):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = await followed(bench, nursery, transport, token=bench.token())
        bench.gate.adopt(msgspec.structs.replace(JWT, secret=OTHER_SECRET))
        await client.done.wait()
        assert client.of("goaway")[0]["reason"] == "token_expired"
        assert bench.clock() <= START + (LOOK_SECONDS + 1) * SECONDS
        assert bench.left() == NOTHING_LEFT


async def test_what_a_reload_leaves_alone_ends_nothing(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = await followed(bench, nursery, "sse", token=bench.token())
        bench.gate.adopt(msgspec.structs.replace(JWT, default_topics=("quote:*",)))
        await trio.sleep(5 * LOOK_SECONDS)
        assert client.of("goaway") == []


async def test_streams_begun_together_do_not_end_together_and_a_resume_costs_nothing(autojump_clock):
    lifetime = 1_000
    async with open_bench(limits=with_limits(connection_lifetime_seconds=lifetime, sse_connections_per_user=0)) as (
        bench,
        nursery,
    ):
        bench.cover("trade:BTC-USD")
        clients = [await sse(bench, nursery, "trade:BTC-USD").opened() for _ in range(40)]
        ends = []

        async def note(client):
            await client.done.wait()
            ends.append((bench.clock() - START) / SECONDS)

        async with trio.open_nursery() as waiting:
            for client in clients:
                waiting.start_soon(note, client)
        assert lifetime * (1 - LIFETIME_JITTER) <= min(ends) <= max(ends) <= lifetime + 1
        assert max(ends) - min(ends) > lifetime * LIFETIME_JITTER / 2
        words = [client.of("goaway")[0] for client in clients]
        assert {(word["reason"], word["retry"]) for word in words} == {("going_away", "after")}
        assert all(0 < word["retry_after_ms"] <= SOON.spread_seconds * 1_000 for word in words)
        bench.trade("1")
        again = await sse(bench, nursery, "trade:BTC-USD", headers={"last-event-id": words[0]["id"]}).opened()
        assert again.of("stream")[0]["verdict"] == "resumed"
        await again.until(lambda: again.of("trade"))
        assert again.of("gap") == []


async def test_a_websocket_that_has_lived_its_time_is_closed_with_1012(autojump_clock):
    async with open_bench(limits=with_limits(connection_lifetime_seconds=100)) as (bench, nursery):
        client = await followed(bench, nursery, "websocket")
        await client.done.wait()
        assert client.closed == (1012, "going_away")


async def test_a_lifetime_set_by_a_reload_counts_for_open_streams_too(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = await followed(bench, nursery, "sse", token=None)
        await trio.sleep(500)
        bench.house.limits = with_limits(connection_lifetime_seconds=100)
        await client.done.wait()
        assert bench.clock() <= START + (501 + LOOK_SECONDS) * SECONDS


def token_with(limits: dict[str, float], sub: str = "alice") -> str:
    exp = START // SECONDS + 3_600
    return jwt.encode({"sub": sub, "exp": exp, "feedbridge": {"limits": limits}}, SECRET, algorithm="HS256")


async def test_a_renewed_tokens_limits_hold_from_then_on(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = websocket(bench, nursery, token=token_with({"subscriptions_per_connection": 1}))
        client.say({"op": "subscribe", "topics": ["quote:A"]})
        client.say({"op": "subscribe", "topics": ["quote:B"], "ref": "too many"})
        await client.until(lambda: client.of("problem"))
        client.say({"op": "renew", "token": token_with({"subscriptions_per_connection": 2})})
        client.say({"op": "subscribe", "topics": ["quote:B"], "ref": "fits now"})
        client.say({"op": "renew", "token": token_with({"subscriptions_per_connection": 1})})
        client.say({"op": "subscribe", "topics": ["quote:C"], "ref": "too many again"})
        await client.until(lambda: len(client.of("problem")) == 2)
        assert [problem["ref"] for problem in client.of("problem")] == ["too many", "too many again"]
        (shown,) = bench.house.connections.statistics()
        assert shown.topics == ("quote:A", "quote:B"), "what is held stays"


async def test_a_renewed_tokens_rate_holds_from_then_on(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        client = websocket(bench, nursery, token=token_with({"inbound_messages_per_second": 1_000}))
        client.say({"op": "renew", "token": token_with({"inbound_messages_per_second": 2})})
        for number in range(6):
            client.say({"op": "ping", "ref": str(number)})
        await client.until(lambda: client.of("problem"))
        await wait_all_tasks_blocked()
        assert [problem["code"] for problem in client.of("problem")] == ["rate_limited"]
        assert len([ok for ok in client.of("ok") if ok["op"] == "ping"]) == 2


async def test_a_patch_is_judged_by_the_limits_of_the_token_it_brings(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        token = token_with({"subscriptions_per_connection": 1})
        client = await sse(bench, nursery, "quote:A", token=token).opened()
        body = json.dumps({"add": ["quote:B"], "token": token_with({"subscriptions_per_connection": 2})}).encode()
        name = client.of("stream")[0]["stream"]
        answer = await patch(bench.house, bench.exchange("sse", segments={"stream": name}, body=body, token=token))
        assert json.loads(answer.body)["topics"] == ["quote:A", "quote:B"]
