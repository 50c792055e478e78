import hashlib
import hmac

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bridge.dialects.contract import Refusal
from bridge.downstream.access.admission import Gate
from bridge.downstream.access.tokens import TokenGrant, mint_token, read_token
from bridge.downstream.contract import Peer, User
from bridge.downstream.settings import AuthSettings
from bridge.model import Code, UnixNanos
from tests.support.asgi import SECRET, START

AUTH = AuthSettings(secret=SECRET, default_topics=("quote:*",), max_ttl_seconds=3_600)
NOW_SECONDS = START // 1_000_000_000
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
PUBLIC_PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def clock() -> UnixNanos:
    return START


def peer(*tokens: str, address: str = "192.0.2.7") -> Peer:
    return Peer(address=address, tokens=tokens)


def signed(key: object = SECRET, algorithm: str = "HS256", headers: dict | None = None, **claims: object) -> str:
    whole = {"sub": "alice", "exp": NOW_SECONDS + 600, **claims}
    return jwt.encode({k: v for k, v in whole.items() if v is not None}, key, algorithm=algorithm, headers=headers)


async def refused(auth: AuthSettings, *tokens: str) -> Code:
    with pytest.raises(Refusal) as caught:
        await Gate(auth, clock).identify(peer(*tokens))
    for token in tokens:
        assert not token or token not in str(caught.value), "a token must not stand in an error"
    return caught.value.code


async def test_a_valid_token_says_who_and_what():
    claim = {
        "topics": ["trade:*"],
        "accounts": ["liquidity/acme-1"],
        "limits": {"sse_connections_per_user": 9, "unheard_of": 1},
        "scopes": ["admin"],
        "later": "ignored",
    }
    identity = await Gate(AUTH, clock).identify(peer(signed(feedbridge=claim)))
    assert identity.user == User("alice")
    assert identity.topics == ("trade:*",)
    assert identity.accounts == ("liquidity/acme-1",)
    assert identity.limits == {"sse_connections_per_user": 9}
    assert identity.scopes == {"admin"}
    assert identity.expires == (NOW_SECONDS + 600) * 1_000_000_000
    assert not identity.anonymous


async def test_a_token_without_topics_gets_the_default_ones():
    identity = await Gate(AUTH, clock).identify(peer(signed(feedbridge={"accounts": ["lq/a"]})))
    assert identity.topics == ("quote:*",)
    assert (await Gate(AUTH, clock).identify(peer(signed()))).topics == ("quote:*",)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("not.a.token", id="garbage"),
        pytest.param("\udce4", id="not even utf-8"),
        pytest.param("x" * 20_000, id="too long"),
        pytest.param(signed("another-secret-that-is-also-long-enough!"), id="forged"),
        pytest.param(signed(None, "none"), id="unsigned"),
        pytest.param(signed(SECRET * 2, "HS512"), id="another algorithm"),
        pytest.param(signed(SECRET * 2, "HS512", headers={"alg": "HS256"}), id="another algorithm under our name"),
        pytest.param(signed(exp=None), id="without exp"),
        pytest.param(signed(sub=None), id="without sub"),
        pytest.param(signed(sub=""), id="empty sub"),
        pytest.param(signed(exp=NOW_SECONDS + 3_601), id="lives too long"),
        pytest.param(signed(exp=10**30), id="lives for ever"),
        pytest.param(signed(nbf=NOW_SECONDS + 60), id="not valid yet"),
        pytest.param(signed(feedbridge={"topics": "quote:*"}), id="malformed topics"),
        pytest.param(signed(feedbridge=["admin"]), id="malformed claim"),
        pytest.param(signed(feedbridge={"limits": {"subscriptions_per_connection": -1}}), id="negative limit"),
        pytest.param(signed(KEY, "RS256"), id="asymmetric without a provider"),
    ],
)
async def test_a_token_that_is_not_ours_or_not_valid_is_unauthorized(token):
    assert await refused(AUTH, token) is Code.UNAUTHORIZED


async def test_an_expired_token_is_told_so():
    assert await refused(AUTH, signed(exp=NOW_SECONDS)) is Code.TOKEN_EXPIRED


async def test_a_forged_token_is_not_told_that_it_expired():
    assert await refused(AUTH, signed("another-secret-that-is-also-long-enough!", exp=1)) is Code.UNAUTHORIZED


async def test_a_token_that_ends_at_the_furthest_allowed_moment_is_accepted():
    assert await Gate(AUTH, clock).identify(peer(signed(exp=NOW_SECONDS + 3_600)))


async def test_two_different_credentials_are_a_bad_request_and_the_same_twice_is_none():
    one, other = signed(), signed(sub="bob")
    assert await refused(AUTH, one, other) is Code.BAD_REQUEST
    assert await refused(AuthSettings(mode="none"), one, other) is Code.BAD_REQUEST
    assert (await Gate(AUTH, clock).identify(peer(one, one))).user.subject == "alice"


@pytest.mark.parametrize("claims", [{}, {"iss": "https://evil"}, {"iss": "https://idp", "aud": "else"}, {"aud": "us"}])
async def test_issuer_and_audience_must_be_the_configured_ones(claims):
    auth = AuthSettings(secret=SECRET, issuer="https://idp", audience="us")
    assert await refused(auth, signed(**claims)) is Code.UNAUTHORIZED


async def test_a_user_is_issuer_and_subject():
    auth = AuthSettings(secret=SECRET, issuer="https://idp", audience="us")
    identity = await Gate(auth, clock).identify(peer(signed(iss="https://idp", aud=["us", "them"])))
    assert identity.user == User("alice", "https://idp")


async def test_mode_none_takes_the_address_for_the_user_and_grants_no_orders():
    identity = await Gate(AuthSettings(mode="none"), clock).identify(peer(signed(feedbridge={"accounts": ["lq/a"]})))
    assert identity.user == User("192.0.2.7", by_address=True)
    assert identity.user != User("192.0.2.7")
    assert (identity.topics, identity.accounts, identity.scopes) == (("*",), (), frozenset())
    assert identity.anonymous


async def test_without_a_token_only_what_is_open_to_all_is_granted():
    assert await refused(AUTH) is Code.UNAUTHORIZED
    auth = AuthSettings(secret=SECRET, anonymous_topics=("quote:BTC-USD",))
    identity = await Gate(auth, clock).identify(peer())
    assert (identity.topics, identity.accounts, identity.anonymous) == (("quote:BTC-USD",), (), True)


async def test_the_public_key_of_the_provider_is_no_secret_to_sign_with():
    """The classic: an HS256 token signed with the provider's public key as the secret."""

    async def key_of(key_id: str) -> jwt.PyJWK:
        raise AssertionError("an HS256 token must never be checked against the provider's keys")

    header = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"k"}')
    body = jwt.utils.base64url_encode(b'{"sub":"alice","exp":%d}' % (NOW_SECONDS + 60))
    mac = jwt.utils.base64url_encode(_hs256(header + b"." + body, PUBLIC_PEM))
    token = (header + b"." + body + b"." + mac).decode()
    for secret in (None, SECRET):
        auth = AuthSettings(secret=secret, jwks_url="https://idp/keys", algorithms=("RS256", "HS256", "none"))
        with pytest.raises(Refusal) as caught:
            await read_token(auth, token, key_of, START)
        assert caught.value.code is Code.UNAUTHORIZED


def _hs256(message: bytes, key: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


async def test_a_minted_token_is_read_back_as_granted_and_lives_no_longer_than_allowed():
    grant = TokenGrant(sub="bob", ttl_seconds=1e9, topics=("bar:*",), accounts=("lq/a",), scopes=("admin",))
    token, expires = mint_token(AUTH, grant, START)
    assert expires == START + 3_600 * 1_000_000_000
    identity = await read_token(AUTH, token, None, START)
    assert (identity.user, identity.topics, identity.accounts) == (User("bob"), ("bar:*",), ("lq/a",))
    assert (identity.scopes, identity.expires) == ({"admin"}, expires)


async def test_a_minted_token_fits_the_configured_issuer_and_audience():
    auth = AuthSettings(secret=SECRET, issuer="https://idp", audience="us")
    token, _ = mint_token(auth, TokenGrant(sub="bob", ttl_seconds=60), START)
    assert (await read_token(auth, token, None, START)).user == User("bob", "https://idp")


def test_without_a_secret_nothing_is_minted():
    with pytest.raises(Refusal) as caught:
        mint_token(AuthSettings(), TokenGrant(sub="bob", ttl_seconds=60), START)
    assert caught.value.code is Code.UNSUPPORTED_TOPIC


def test_no_text_of_ours_shows_a_token():
    assert "tok-en" not in repr(peer("tok-en")) + str(peer("tok-en"))
