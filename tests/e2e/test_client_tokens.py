"""Users who bring a vendor's own token: their orders and nobody else's, over one upstream session each; market data shared."""

import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import jwt
import msgspec
import structlog
import trio
from websockets.trio.client import connect

from bridge.app import Running
from bridge.config import Config
from bridge.dialects.contract import Transport
from bridge.downstream.settings import AuthSettings
from bridge.upstream.settings import ClientTokens, FeedSettings, TokenSource
from tests.support.broker_desk import ISSUER, OWN, Desk, open_desk, order_ids
from tests.support.clients import token as local_token
from tests.support.readers import Reader, polling, sse, until, websocket
from tests.support.stage import bridge, config_of

AUTH = AuthSettings(secret="a-secret-of-more-than-32-bytes-for-tests", default_topics=("*",))
LINGER_SECONDS = 1.0
ORDER = {
    "assetId": "BTC",
    "side": "BUY",
    "orderType": "limit",
    "quantity": 1,
    "filledQuantity": 0,
    "status": "PENDING",
    "timestamp": "2026-03-19T00:34:44Z",
}
ALICES = re.compile(r"desk/~[0-9a-f]{12}\.alice")


def config_before(desk: Desk, **settings: Any) -> Config:
    given = {"token": TokenSource(value=OWN), "client_tokens": ClientTokens(), "account": "house", **settings}
    feed = FeedSettings(dialect="liquidity", url=desk.vendor.url, transports=(Transport.SSE,), **given)
    config = config_of({"desk": feed}, AUTH, linger_seconds=LINGER_SECONDS, drain_seconds=0.1)
    return msgspec.structs.replace(config, instruments={})


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[Desk, Running]]:
    async with open_desk() as desk, bridge(config_before(desk, **settings)) as running:
        yield desk, running


async def liquidity_sse(url: str, reader: Reader, token: str) -> None:
    """Follow Liquidity's own event stream, as its existing clients do."""
    async with (
        httpx2.AsyncClient(timeout=httpx2.Timeout(10, read=60), trust_env=False) as client,
        client.stream("GET", f"{url}/api/realtime", headers={"authorization": f"Bearer {token}"}) as answer,
    ):
        reader.ended = answer.status_code
        name = ""
        async for line in answer.aiter_lines():
            field, _, value = line.partition(":")
            if field == "event":
                name = value.strip()
            elif field == "data" and value.strip():
                reader.events.append({"type": name, **json.loads(value)})


async def status_of(url: str, token: str, path: str = "/v1/instruments") -> int:
    async with httpx2.AsyncClient(timeout=20, trust_env=False) as client:
        return (await client.get(url + path, headers={"authorization": f"Bearer {token}"})).status_code


async def test_each_user_sees_only_their_own_orders_on_every_transport():
    followers = (sse, websocket, polling, liquidity_sse)
    async with served() as (desk, running), trio.open_nursery() as nursery:
        readers = {sub: [Reader("order") for _ in followers] for sub in ("alice", "bob")}
        for sub, own in readers.items():
            for follow, reader in zip(followers, own, strict=True):
                nursery.start_soon(follow, running.urls[0], reader, desk.token(sub))
        await until(lambda: desk.open_of("alice") and desk.open_of("bob"))
        await until(lambda: all(own[2].verdicts and own[3].ended for own in readers.values()))
        await until(lambda: all("live" in statuses(reader) for own in readers.values() for reader in own[:2]))
        for number in range(3):
            await desk.tell("alice", f"ord_a{number}")
            await desk.tell("bob", f"ord_b{number}")
        await until(lambda: all(len(reader.of("order")) == 3 for own in readers.values() for reader in own))
        nursery.cancel_scope.cancel()
    for sub, own in readers.items():
        assert [order_ids(reader.of("order")) for reader in own] == [[f"ord_{sub[0]}{n}" for n in range(3)]] * 4
    accounts = {event["account"] for reader in readers["alice"][:3] for event in reader.of("order")}
    assert len(accounts) == 1
    assert ALICES.fullmatch(accounts.pop())


def statuses(reader: Reader) -> list[str]:
    return [event["status"] for event in reader.of("feed_status") if "/~" in event["feed"]]


async def test_an_order_is_told_to_whose_it_is_and_to_nobody_else():
    async with served() as (desk, running):
        desk.orders["ord_1"] = {"sub": "alice", "orderId": "ord_1", **ORDER}
        tokens = {sub: desk.token(sub) for sub in ("alice", "bob")}
        url = running.urls[0]
        found = {sub: await status_of(url, token, "/v1/orders/ord_1") for sub, token in tokens.items()}
        assert found == {"alice": 200, "bob": 404}
        assert desk.asked["/v1/orders/ord_1", "alice"] == 1
        assert desk.asked["/v1/orders/ord_1", OWN] == 0
        assert not desk.opened, "who asks for an order wants no stream"


async def test_no_claim_opens_a_vendors_users_account_nor_another_users_cursor():
    """Alice's account is named, guessed and globbed by a token of ours; bob comes with the cursor of alice's stream."""
    async with served() as (desk, running), trio.open_nursery() as nursery:
        url, alice = running.urls[0], Reader("order")
        nursery.start_soon(websocket, url, alice, desk.token("alice"))
        await until(lambda: "live" in statuses(alice))
        await desk.tell("alice", "ord_a")
        await until(lambda: alice.of("order"))
        account = alice.of("order")[0]["account"]
        globs = [account, "*", "desk/*", "desk/~*", account.replace("~", "%7E"), "desk/house"]
        claimed = local_token(AUTH.secret, "mallory", topics=["*"], accounts=globs)
        mallory, bob = Reader("order,status"), Reader("order", cursor=alice.of("order")[0]["id"])
        beginning = Reader("order", cursor=alice.of("stream")[0]["id"])
        nursery.start_soon(websocket, url, mallory, claimed)
        nursery.start_soon(sse, url, bob, desk.token("bob"))
        nursery.start_soon(websocket, url, beginning, desk.token("bob", iat=1))
        await until(lambda: all("live" in statuses(reader) for reader in (bob, beginning)))
        await until(lambda: mallory.verdicts and desk.opened[OWN])
        await desk.tell("alice", "ord_a2")
        await desk.tell("bob", "ord_b")
        await desk.tell(OWN, "ord_house")
        await until(lambda: bob.of("order") and beginning.of("order") and mallory.of("order"))
        await until(lambda: len(alice.of("order")) == 2)
        assert await status_of(url, claimed, "/v1/orders/ord_a") == 404
        nursery.cancel_scope.cancel()
    assert [order_ids(reader.of("order")) for reader in (bob, beginning, mallory)] == [
        ["ord_b"],
        ["ord_b"],
        ["ord_house"],
    ]
    assert not statuses(mallory), "private feeds are nobody else's business"
    assert mallory.of("stream")[0]["topics"] == ["order", "status"]
    assert bob.verdicts == beginning.verdicts == ["reset"]


async def test_with_the_vendors_keys_nobody_is_asked():
    async with open_desk() as desk:
        keyed = ClientTokens(jwks_url=f"{desk.vendor.url}/jwks", issuer=ISSUER, audience="api")
        async with bridge(config_before(desk, client_tokens=keyed)) as running, trio.open_nursery() as nursery:
            reader, url = Reader("order"), running.urls[0]
            nursery.start_soon(sse, url, reader, desk.keyed_token("alice"))
            await until(lambda: "live" in statuses(reader))
            await desk.tell("alice", "ord_1")
            await until(lambda: reader.of("order"))
            assert await status_of(url, desk.keyed_token("alice", aud="web")) == 401
            assert await status_of(url, desk.token("alice", aud="api")) == 401
            assert not desk.asked
            nursery.cancel_scope.cancel()


async def test_a_vendor_that_lets_guests_in_proves_nothing_so_nobody_gets_in():
    async with served() as (desk, running):
        desk.lets_guests_in = True
        assert await status_of(running.urls[0], desk.token("alice")) == 401
        assert await status_of(running.urls[0], desk.token("bob")) == 401
        assert not desk.opened
        (feed,) = running.house.readiness().feeds
        assert feed.reason.startswith("nothing is wanted") or "client_tokens: it answers 404" in feed.reason


async def test_while_the_vendor_cannot_be_asked_nobody_gets_in_and_all_are_told_to_come_back():
    async with served() as (desk, running), httpx2.AsyncClient(timeout=20, trust_env=False) as client:
        token = desk.token("alice")
        desk.is_broken = True
        for path in ("/v1/instruments", "/v1/stream?subscribe=order", "/liquidity/v1/orders/x"):
            answer = await client.get(running.urls[0] + path, headers={"authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        desk.is_broken = False
        assert await status_of(running.urls[0], token) == 200


async def test_no_token_is_in_any_line_of_the_log():
    with structlog.testing.capture_logs() as lines:
        async with served() as (desk, running), trio.open_nursery() as nursery:
            reader, good, bad = Reader("order"), desk.token("alice"), desk.token("alice") + "x"
            assert await status_of(running.urls[0], bad) == 401
            nursery.start_soon(sse, running.urls[0], reader, good)
            await until(lambda: "live" in statuses(reader))
            shown = [
                *map(repr, running.house.connections.statistics()),
                repr(running.house),
                repr(running.house.admission),
            ]
            desk.closed_to.add("alice")
            for call in desk.open_of("alice"):
                await call.reset()
            await until(lambda: "down" in statuses(reader))
            nursery.cancel_scope.cancel()
    told = "\n".join([*map(str, lines), *shown, json.dumps(reader.events)])
    assert "alice" in told
    assert not any(part in told for token in (good, bad) for part in token.split(".")[1:])


async def test_three_connections_of_one_user_make_one_session_that_is_closed_after_the_last_ones_linger():
    async with served() as (desk, running), trio.open_nursery() as nursery:
        readers = [Reader("order") for _ in range(3)]
        scopes = [trio.CancelScope() for _ in readers]

        async def follow(place: int) -> None:
            with scopes[place]:
                await (sse, websocket, sse)[place](running.urls[0], readers[place], desk.token("alice", iat=place))

        for place in range(3):
            nursery.start_soon(follow, place)
        await until(lambda: all("live" in statuses(reader) for reader in readers))
        await desk.tell("alice", "ord_1")
        await until(lambda: all(reader.of("order") for reader in readers))
        assert len(desk.open_of("alice")) == 1
        scopes[0].cancel()
        scopes[1].cancel()
        await trio.sleep(2 * LINGER_SECONDS)
        assert len(desk.open_of("alice")) == 1, "one connection is left"
        await desk.tell("alice", "ord_2")
        await until(lambda: len(readers[2].of("order")) == 2)
        scopes[2].cancel()
        await until(lambda: not desk.open_of("alice"))
        nursery.cancel_scope.cancel()
    assert desk.opened["alice"] == 1
    assert not readers[2].of("gap", "problem", "goaway")


async def test_market_data_is_opened_once_with_the_feeds_own_token_for_all_users():
    async with served() as (desk, running), trio.open_nursery() as nursery:
        readers = [Reader("trade:BTC,order") for _ in range(4)]
        for reader, sub in zip(readers, ("alice", "bob", "alice", "bob"), strict=True):
            nursery.start_soon(websocket, running.urls[0], reader, desk.token(sub))
        await until(lambda: all("live" in statuses(reader) for reader in readers) and desk.open_of(OWN))
        await until(lambda: all({event["feed"] for event in reader.of("feed_status")} > {"desk"} for reader in readers))
        await until(
            lambda: all("live" in {e["status"] for e in r.of("feed_status") if e["feed"] == "desk"} for r in readers)
        )
        await desk.trade(1)
        await until(lambda: all(reader.of("trade") for reader in readers))
        nursery.cancel_scope.cancel()
    assert desk.opened == {OWN: 1, "alice": 1, "bob": 1}
    assert dict(desk.subscribed) == {OWN: "subscribe=trade:BTC", "alice": "", "bob": ""}


async def test_a_session_ends_with_its_token_and_the_client_is_told():
    async with served() as (desk, running):
        ending, lasting = Reader("order"), Reader("order")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sse, running.urls[0], lasting, desk.token("bob"))
            await until(lambda: "live" in statuses(lasting))
            token = desk.token("alice", 5)
            with trio.fail_after(20):
                await sse(running.urls[0], ending, token)
            await until(lambda: not desk.open_of("alice"), LINGER_SECONDS * 10)
            assert len(desk.open_of("bob")) == 1
            nursery.cancel_scope.cancel()
        last = ending.events[-1]
        assert (last["type"], last["reason"]) == ("goaway", "token_expired")
        assert await status_of(running.urls[0], token) == 401
        assert desk.opened["alice"] == 1


async def test_a_user_who_comes_back_with_a_newer_token_at_once_has_a_session_again():
    async with served() as (desk, running), trio.open_nursery() as nursery:
        reader = Reader("order")
        with trio.fail_after(20):
            await sse(running.urls[0], reader, desk.token("alice", 5))
        nursery.start_soon(sse, running.urls[0], reader, desk.token("alice"))
        await until(lambda: desk.opened["alice"] == 2 and desk.open_of("alice"))
        before = len(reader.events)
        await until(lambda: "live" in [e["status"] for e in reader.of("feed_status")[-1:]])
        await desk.tell("alice", "ord_1")
        await until(lambda: reader.of("order"))
        nursery.cancel_scope.cancel()
    assert before
    assert reader.verdicts == ["fresh", "reset"]
    assert [gap["topics"] for gap in reader.of("gap")][:1] == [["order"]], "what happened meanwhile is not known"


async def test_a_renewed_token_moves_the_session_before_the_old_one_ends_and_nobody_elses_does():
    async with served() as (desk, running), trio.open_nursery() as nursery:
        reader = Reader("order")
        first, second = desk.token("alice", 8), desk.token("alice", 600)

        async def renewing() -> None:
            address = running.urls[0].replace("http", "ws") + "/v1/ws"
            headers = {"authorization": f"Bearer {first}"}
            async with connect(address, additional_headers=headers, proxy=None) as socket:
                await socket.send(json.dumps({"op": "subscribe", "topics": ["order"]}))
                while "live" not in statuses(reader):
                    reader.take(json.loads(await socket.recv()))
                await socket.send(json.dumps({"op": "renew", "token": desk.token("bob"), "ref": "bob's"}))
                await socket.send(json.dumps({"op": "renew", "token": second, "ref": "own"}))
                while True:
                    reader.take(json.loads(await socket.recv()))

        nursery.start_soon(renewing)
        await until(lambda: desk.tokens == [first, second] and len(desk.open_of("alice")) == 1)
        await desk.tell("alice", "ord_1")
        await until(lambda: reader.of("order"))
        await trio.sleep(max(0, jwt.decode(first, options={"verify_signature": False})["exp"] - time.time()) + 0.2)
        await desk.tell("alice", "ord_2")
        await until(lambda: len(reader.of("order")) == 2)
        nursery.cancel_scope.cancel()
    (problem,) = reader.of("problem")
    assert (problem["code"], problem["ref"]) == ("forbidden", "bob's")
    assert [event["ref"] for event in reader.of("ok") if event["op"] == "renew"] == ["own"]
    assert not reader.of("gap", "goaway")
