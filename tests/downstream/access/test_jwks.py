import json
from collections.abc import Callable

import httpx2
import jwt
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from bridge.dialects.contract import Refusal
from bridge.downstream.access.admission import Gate
from bridge.downstream.access.jwks import FETCH_SECONDS, MAX_BODY_BYTES, MIN_REFRESH_SECONDS, TTL_SECONDS, JwksCache
from bridge.downstream.contract import Peer
from bridge.downstream.settings import AuthSettings
from bridge.model import Code
from tests.support.asgi import SECRET, START

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC_JWK = {**json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key())), "kid": "e", "alg": "ES256"}
RSA_JWK = {**json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())), "kid": "r", "use": "sig"}
OCT_JWK = {"kty": "oct", "kid": "o", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
ENC_JWK = {**RSA_JWK, "kid": "x", "use": "enc"}
KEYS = {"keys": [EC_JWK, RSA_JWK, OCT_JWK, ENC_JWK, {"kty": "quantum", "kid": "q"}]}
AUTH = AuthSettings(jwks_url="https://idp/keys", issuer="https://idp", audience="us")


class Provider:
    """An identity provider whose answer a test may change."""

    def __init__(self) -> None:
        self.answer: Callable[[httpx2.Request], httpx2.Response] = lambda _: httpx2.Response(200, json=KEYS)
        self.requests = 0

    def client(self) -> httpx2.AsyncClient:
        async def handle(request: httpx2.Request) -> httpx2.Response:
            self.requests += 1
            await trio.sleep(0.01)
            return self.answer(request)

        return httpx2.AsyncClient(transport=httpx2.MockTransport(handle))


def signed(key: object, algorithm: str, key_id: str | None) -> str:
    claims = {"sub": "alice", "exp": START // 10**9 + 60, "iss": "https://idp", "aud": "us"}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id} if key_id else None)


async def test_a_providers_tokens_are_accepted_by_key_id(autojump_clock):
    gate = Gate(AUTH, lambda: START, JwksCache("https://idp/keys", Provider().client))
    for token in (signed(EC_KEY, "ES256", "e"), signed(RSA_KEY, "RS256", "r")):
        assert (await gate.identify(Peer(address="a", tokens=(token,)))).user.issuer == "https://idp"


@pytest.mark.parametrize(
    ("key", "algorithm", "key_id"),
    [
        pytest.param(EC_KEY, "ES256", "r", id="another key's id"),
        pytest.param(EC_KEY, "ES256", None, id="no key id"),
        pytest.param(RSA_KEY, "RS512", "r", id="an algorithm not configured"),
        pytest.param(RSA_KEY, "RS256", "x", id="a key for encryption"),
        pytest.param("secret-secret-secret-secret-secret", "HS256", "o", id="a symmetric key"),
    ],
)
async def test_what_does_not_fit_the_providers_keys_is_unauthorized(autojump_clock, key, algorithm, key_id):
    auth = AuthSettings(jwks_url="https://idp/keys", algorithms=("ES256", "RS256", "HS256"), secret=SECRET)
    gate = Gate(auth, lambda: START, JwksCache("https://idp/keys", Provider().client))
    with pytest.raises(Refusal) as caught:
        await gate.identify(Peer(address="a", tokens=(signed(key, algorithm, key_id),)))
    assert caught.value.code is Code.UNAUTHORIZED


@pytest.mark.parametrize("key_id", ["o", "x", "q", ""])
async def test_only_keys_that_may_check_signatures_are_kept(autojump_clock, key_id):
    with pytest.raises(jwt.InvalidKeyError):
        await JwksCache("https://idp/keys", Provider().client).key(key_id)


async def test_many_connections_at_once_cause_one_fetch(autojump_clock):
    provider = Provider()
    cache = JwksCache("https://idp/keys", provider.client)
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(cache.key, "e")
    assert provider.requests == 1


async def test_invented_key_ids_cannot_make_us_hammer_the_provider(autojump_clock):
    provider = Provider()
    cache = JwksCache("https://idp/keys", provider.client)
    for number in range(20):
        with pytest.raises(jwt.InvalidKeyError):
            await cache.key(f"invented-{number}")
    assert provider.requests == 1
    await trio.sleep(MIN_REFRESH_SECONDS)
    with pytest.raises(jwt.InvalidKeyError):
        await cache.key("invented")
    assert provider.requests == 2


async def test_keys_stay_good_while_the_provider_is_away_and_are_replaced_when_it_is_back(autojump_clock):
    provider = Provider()
    cache = JwksCache("https://idp/keys", provider.client)
    await cache.key("e")
    provider.answer = lambda _: httpx2.Response(500)
    await trio.sleep(TTL_SECONDS + 1)
    assert await cache.key("e")
    provider.answer = lambda _: httpx2.Response(200, json={"keys": [RSA_JWK]})
    await trio.sleep(MIN_REFRESH_SECONDS)
    with pytest.raises(jwt.InvalidKeyError):
        await cache.key("e")


def _hang(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("unreachable")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_hang, id="unreachable"),
        pytest.param(lambda _: httpx2.Response(302, headers={"location": "https://evil/keys"}), id="redirect"),
        pytest.param(lambda _: httpx2.Response(200, content=b"<html>"), id="not json"),
        pytest.param(lambda _: httpx2.Response(200, json={"keys": []}), id="empty"),
        pytest.param(lambda _: httpx2.Response(200, content=b" " * (MAX_BODY_BYTES + 1)), id="too big"),
    ],
)
async def test_a_provider_that_was_never_reached_is_our_trouble_not_the_clients(autojump_clock, answer):
    provider = Provider()
    provider.answer = answer
    with pytest.raises(Refusal) as caught:
        await JwksCache("https://idp/keys", provider.client).key("e")
    assert caught.value.code is Code.OVERLOADED
    assert provider.requests == 1, "a redirect must not be followed"


async def test_a_silent_provider_is_given_up_in_time(autojump_clock):
    async def handle(_: httpx2.Request) -> httpx2.Response:
        await trio.sleep_forever()
        raise AssertionError

    cache = JwksCache("https://idp/keys", lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(handle)))
    began = trio.current_time()
    with pytest.raises(Refusal):
        await cache.key("e")
    assert trio.current_time() - began == pytest.approx(FETCH_SECONDS)
