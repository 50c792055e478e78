import hashlib
import json
from dataclasses import replace

import msgspec
import pytest

from bridge.dialects.contract import Endpoint, EndpointKind, Refusal
from bridge.downstream.contract import Peer, User
from bridge.downstream.requests.mint import find_key, mint, stream_url
from bridge.downstream.settings import ApiKey, AuthSettings, DialectSettings, ListenSettings
from bridge.model import Code
from tests.support.asgi import SECRET, START, Bench, open_bench
from tests.support.serving import plainly

SECONDS = 1_000_000_000
KEYS = (
    ApiKey(sub="alice", key="key-of-alice", ttl_seconds=600, topics=("quote:*",), accounts=("lq/acme",)),
    ApiKey(sub="bob", sha256=hashlib.sha256(b"key-of-bob").hexdigest().upper()),
    ApiKey(sub="nobody"),
)
AUTH = AuthSettings(secret=SECRET, api_keys=KEYS, default_topics=("trade:*",))


@pytest.mark.parametrize(
    ("shown", "sub"),
    [
        ("key-of-alice", "alice"),
        ("key-of-bob", "bob"),
        ("key-of-", None),
        ("", None),
        ("\udce4", None),
        ("x" * 9_999, None),
    ],
)
def test_a_key_is_found_by_its_text_or_its_hash(shown, sub):
    found = find_key(AUTH, shown)
    assert (found and found.sub) == sub


async def asked(bench: Bench, key: str, body: bytes = b"{}"):
    exchange = bench.exchange("mint", headers={"x-rapidapi-key": key, "host": "bridge:8080"}, body=body)
    return await mint(bench.house, exchange)


async def test_a_key_mints_a_token_of_its_own_user_for_no_longer_than_it_may(autojump_clock):
    async with open_bench(auth=AUTH, dialect="tradingview") as (bench, _):
        answer = await asked(bench, "key-of-alice", b'{"userId":"root"}')
        minted = json.loads(answer.body)
        identity = await bench.gate.identify(Peer(address="a", tokens=(minted["token"],)))
        assert identity.user == User("alice")
        assert (identity.topics, identity.accounts) == (("quote:*",), ("lq/acme",))
        assert identity.expires == START + 600 * SECONDS
        assert minted["sseUrl"] == "http://bridge:8080/sse/stream"
        assert minted["wsUrl"] == "ws://bridge:8080/ws"
        assert dict(answer.headers)["cache-control"] == "no-store"


async def test_a_wish_for_a_longer_life_is_cut_to_what_the_key_allows(autojump_clock):
    async with open_bench(auth=AUTH, dialect="tradingview") as (bench, _):
        minted = json.loads((await asked(bench, "key-of-alice", b'{"token-jwt-type":"3"}')).body)
        identity = await bench.gate.identify(Peer(address="a", tokens=(minted["token"],)))
        assert identity.expires == START + 600 * SECONDS


async def test_a_key_without_topics_gets_the_default_ones(autojump_clock):
    async with open_bench(auth=AUTH, dialect="tradingview") as (bench, _):
        minted = json.loads((await asked(bench, "key-of-bob")).body)
        identity = await bench.gate.identify(Peer(address="a", tokens=(minted["token"],)))
        assert (identity.user.subject, identity.topics) == ("bob", ("trade:*",))


async def test_where_nobody_needs_a_token_any_key_gets_one_and_it_opens_nothing_elsewhere(autojump_clock):
    async with open_bench(auth=AuthSettings(mode="none"), dialect="tradingview") as (bench, _):
        minted = json.loads((await asked(bench, "whatever")).body)
        peer = Peer(address="192.0.2.7", tokens=(minted["token"],))
        assert (await bench.gate.identify(peer)).user == User("192.0.2.7", by_address=True)
    async with open_bench(auth=AUTH, dialect="tradingview") as (bench, _):
        with pytest.raises(Refusal):
            await bench.gate.identify(peer)


async def test_an_unknown_key_is_unauthorized_and_stands_in_no_error(autojump_clock):
    async with open_bench(auth=AUTH, dialect="tradingview") as (bench, _):
        with pytest.raises(Refusal) as caught:
            await asked(bench, "key-of-mallory")
        assert caught.value.code is Code.UNAUTHORIZED
        assert "mallory" not in str(caught.value)


@pytest.mark.parametrize(
    ("public_url", "prefixes", "kind", "url"),
    [
        (None, ("",), "sse", "https://bridge.corp:8443/sse/stream"),
        (None, ("/tradingview",), "websocket", "wss://bridge.corp:8443/tradingview/ws"),
        ("https://public.corp/", ("/tradingview",), "sse", "https://public.corp/tradingview/sse/stream"),
        ("http://public.corp", ("",), "websocket", "ws://public.corp/ws"),
    ],
)
async def test_the_urls_told_are_those_a_client_can_use(autojump_clock, public_url, prefixes, kind, url):
    async with open_bench(auth=AUTH, dialect="tradingview") as (bench, _):
        assert told_url(bench, kind, public_url, prefixes) == url


@pytest.mark.parametrize(
    ("public_url", "hosts", "default", "url"),
    [
        (None, (), "other", "wss://bridge.corp:8443/tradingview/ws"),
        (None, (), "tradingview", "wss://bridge.corp:8443/ws"),
        (None, ("bridge.corp",), "other", "wss://bridge.corp:8443/ws"),
        ("https://public.corp", ("bridge.corp",), "other", "wss://public.corp/tradingview/ws"),
    ],
)
async def test_a_path_that_another_dialect_has_too_is_told_where_it_leads_here(
    autojump_clock, public_url, hosts, default, url
):
    async with open_bench(auth=AUTH, dialect="tradingview") as (bench, _):
        other = plainly("other", Endpoint(kind=EndpointKind.WEBSOCKET, path="/ws"))
        told = told_url(
            bench, "websocket", public_url, ("", "/tradingview"), hosts=hosts, before=other, default=default
        )
        assert told == url


def told_url(bench: Bench, kind, public_url, prefixes, *, hosts=(), before=None, default="liquidity") -> str:
    exchange = bench.exchange("mint")
    served = msgspec.structs.replace(exchange.served, prefixes=prefixes, settings=DialectSettings(hosts=hosts))
    peer = Peer(address="a", scheme="https", host="bridge.corp", authority="bridge.corp:8443")
    exchange = msgspec.structs.replace(exchange, served=served, peer=peer)
    listen = ListenSettings(public_url=public_url, default_websocket_dialect=default)
    house = replace(bench.house, listen=listen, served=(served,) if before is None else (before, served))
    return stream_url(house, exchange, EndpointKind(kind))


@pytest.mark.parametrize("shown", ["first-key", "second-key", "neither"])
def test_every_key_is_compared_in_constant_time_whichever_was_shown(monkeypatch, shown):
    compared = []

    def compare(known, digest):
        compared.append((known, digest))
        return known == digest

    monkeypatch.setattr("bridge.downstream.requests.mint.hmac.compare_digest", compare)
    auth = AuthSettings(secret="s" * 32, api_keys=(ApiKey(sub="a", key="first-key"), ApiKey(sub="b", key="second-key")))
    found = find_key(auth, shown)
    assert (found.sub if found else None) == {"first-key": "a", "second-key": "b"}.get(shown)
    assert len(compared) == 2
    assert all(len(known) == len(digest) == 64 for known, digest in compared)
