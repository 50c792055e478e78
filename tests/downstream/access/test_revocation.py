"""A token that was revoked opens nothing, and what it has opened ends, whoever made it and whatever transport it is on."""

import json
from pathlib import Path

import jwt
import msgspec
import pytest
import trio

from bridge.config import parse_config
from bridge.dialects.contract import Refusal
from bridge.downstream.access.revocation import Revocations
from bridge.downstream.contract import Identity, User
from bridge.downstream.requests.patch import patch
from bridge.downstream.requests.polling import poll
from bridge.downstream.settings import AuthSettings, Revoked
from bridge.downstream.streams.tenure import LOOK_SECONDS
from bridge.errors import ConfigError
from bridge.model import SECONDS, Code, Topic, UnixNanos, rfc3339
from tests.support.asgi import JWT, NOTHING_LEFT, SECRET, START, Bench, open_bench, sse, websocket

LATER = rfc3339(UnixNanos(START + SECONDS))
EARLIER = rfc3339(UnixNanos(START - SECONDS))
MINUTE = rfc3339(UnixNanos(START + 60 * SECONDS))


def revoking(*entries: Revoked) -> AuthSettings:
    return msgspec.structs.replace(JWT, revoked=entries)


def id_of(token: str) -> str:
    return jwt.decode(token, options={"verify_signature": False})["jti"]


async def code_of(bench: Bench, token: str) -> Code | None:
    try:
        await bench.gate.identify(bench.exchange("sse", token=token).peer)
    except Refusal as refusal:
        return refusal.code
    return None


async def followed(bench: Bench, nursery: trio.Nursery, transport: str, token: str):
    if transport == "sse":
        return await sse(bench, nursery, "quote:X", token=token).opened()
    client = websocket(bench, nursery, token=token)
    client.say({"op": "subscribe", "topics": ["quote:X"]})
    return await client.opened()


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_revoked_token_ends_its_stream_at_the_next_look_and_opens_no_other(autojump_clock, transport):
    async with open_bench(auth=JWT) as (bench, nursery):
        stolen, kept = bench.token(), bench.token()
        assert id_of(stolen) != id_of(kept)
        thief, owner = [await followed(bench, nursery, transport, token) for token in (stolen, kept)]
        bench.gate.adopt(revoking(Revoked(jti=id_of(stolen))))
        assert await code_of(bench, stolen) is Code.UNAUTHORIZED
        assert await code_of(bench, kept) is None
        await trio.sleep(LOOK_SECONDS + 1)
        assert thief.of("goaway")[0]["reason"] == "token_expired"
        assert owner.of("goaway") == []


async def test_a_poll_that_waits_gets_nothing_more_once_its_token_is_revoked(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        token, topic = bench.token(), "trade:BTC-USD"
        bench.hub.lease(bench.house.resolve(Topic.parse(topic), ()), 3_600)
        bench.cover(topic)
        after = bench.hub.cursor()

        async def later() -> None:
            await trio.sleep(5)
            bench.gate.adopt(revoking(Revoked(sub="alice")))
            bench.trade("1")

        nursery.start_soon(later)
        with pytest.raises(Refusal) as caught:
            await poll(bench.house, bench.exchange("poll", f"subscribe={topic}&after={after}&wait=20", token=token))
        assert caught.value.code is Code.TOKEN_EXPIRED


async def test_a_user_loses_all_tokens_issued_before_a_moment_and_gets_in_with_a_newer_one(autojump_clock):
    async with open_bench(auth=revoking(Revoked(sub="alice", issued_before=MINUTE))) as (bench, _):
        assert await code_of(bench, bench.token(ttl=600)) is Code.UNAUTHORIZED
        assert await code_of(bench, bench.token(ttl=600, sub="bob")) is None
        await trio.sleep(61)
        assert await code_of(bench, bench.token(ttl=600)) is None


@pytest.mark.parametrize(
    ("entry", "struck"),
    [
        (Revoked(jti="t1"), True),
        (Revoked(jti="t2"), False),
        (Revoked(jti="T1"), False),
        (Revoked(sub="alice"), True),
        (Revoked(sub="alic"), False),
        (Revoked(sub="alice", iss="https://idp"), True),
        (Revoked(sub="alice", iss="https://other"), False),
        (Revoked(sub="alice", issued_before=LATER), True),
        (Revoked(sub="alice", issued_before=EARLIER), False),
        (Revoked(sub="alice", issued_before=rfc3339(START)), False),
    ],
)
@pytest.mark.parametrize("vendor", ["", "lq"])
def test_an_entry_strikes_whom_it_names(entry, struck, vendor):
    user = User("alice", "https://idp", vouched_by=vendor)
    identity = Identity(user=user, topics=("*",), token_id="t1", issued=START)
    assert Revocations([entry]).strike(identity) is struck
    assert Revocations([Revoked(sub="x"), Revoked(jti="y"), entry]).strike(identity) is struck


def test_a_token_that_does_not_say_when_it_was_issued_is_older_than_any_moment():
    silent = Identity(user=User("alice"), topics=())
    assert Revocations([Revoked(sub="alice", issued_before=EARLIER)]).strike(silent)


def test_a_peer_without_a_token_is_nobody_who_could_lose_one():
    peer = Identity(user=User("192.0.2.7", by_address=True), topics=(), anonymous=True)
    assert not Revocations([Revoked(sub="192.0.2.7")]).strike(peer)


@pytest.mark.parametrize("iat", ["yesterday", True, [], {}])
async def test_an_unreadable_moment_of_issue_is_none(autojump_clock, iat):
    async with open_bench(auth=revoking(Revoked(sub="mallory", issued_before=EARLIER))) as (bench, _):
        claims = {"sub": "mallory", "exp": START // SECONDS + 60, "iat": iat}
        assert await code_of(bench, jwt.encode(claims, SECRET, algorithm="HS256")) is Code.UNAUTHORIZED


async def test_a_revoked_token_renews_nothing(autojump_clock):
    async with open_bench(auth=JWT) as (bench, nursery):
        older, newer = bench.token(ttl=3_600), bench.token(ttl=1_800)
        bench.gate.adopt(revoking(Revoked(jti=id_of(older))))
        client = await followed(bench, nursery, "sse", newer)
        name = client.of("stream")[0]["stream"]
        body = json.dumps({"token": older}).encode()
        renewal = bench.exchange("sse", segments={"stream": name}, body=body, token=newer)
        with pytest.raises(Refusal) as caught:
            await patch(bench.house, renewal)
        assert caught.value.code is Code.UNAUTHORIZED
        await trio.sleep(1_700)
        assert not client.ended
        await client.done.wait()
        assert bench.left() == NOTHING_LEFT


GOOD = f'[auth]\nsecret = "{SECRET}"\nrevoked = [%s]'


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{}", "auth.revoked[0]: exactly one of jti and sub"),
        ('{ jti = "a", sub = "b" }', "auth.revoked[0]: exactly one of jti and sub"),
        ('{ jti = "a", issued_before = "2026-03-19T12:00:00Z" }', "auth.revoked[0]: iss and issued_before go with sub"),
        ('{ sub = "a", issued_before = "yesterday" }', "auth.revoked[0].issued_before: a moment such as"),
        ('{ sub = "a", before = "x" }', "auth.revoked[0].before"),
    ],
)
def test_a_mistake_in_the_list_is_named(entry, complaint):
    with pytest.raises(ConfigError) as caught:
        parse_config(GOOD % entry, Path("bridge.toml"), {})
    assert any(problem.startswith(complaint) for problem in caught.value.problems), caught.value.problems


def test_a_list_is_read_as_it_stands():
    text = GOOD % '{ jti = "a" }, { sub = "b", iss = "https://idp", issued_before = "2026-03-19T12:00:00+01:00" }'
    assert parse_config(text, Path("bridge.toml"), {}).auth.revoked == (
        Revoked(jti="a"),
        Revoked(sub="b", iss="https://idp", issued_before="2026-03-19T12:00:00+01:00"),
    )
