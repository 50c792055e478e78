"""Tokens: what stands in one that our own key signed, and texts that may be none; keys of an identity provider."""

import base64
import hashlib
import hmac
import json
from random import Random

import jwt

from bridge.dialects.contract import Refusal
from bridge.downstream.access.entitlement import may_see
from bridge.downstream.access.jwks import usable
from bridge.downstream.access.tokens import LIMIT_NAMES, read_token
from bridge.downstream.access.vouching import Vouchers
from bridge.downstream.settings import AuthSettings
from bridge.model import SECONDS, Topic, TopicKind, UnixNanos
from tests.fuzz.clients import refused_at_most
from tests.fuzz.hunt import Judge, Target, told

SECRET = "the-secret-of-the-fuzzing-of-tokens"
NOW = UnixNanos(1_800_000_000 * SECONDS)
AUTH = AuthSettings(
    secret=SECRET,
    jwks_url="https://idp.example/keys",
    issuer="https://idp.example",
    audience="bridge",
    default_topics=("quote:*",),
)
CLAIMS = (
    b'{"sub":"alice","iat":1800000000,"exp":1800003600,"nbf":1800000000,"iss":"https://idp.example","aud":"bridge"}',
    b'{"sub":"bob","exp":1800000060.5,"iss":"https://idp.example","aud":["bridge","other"],"feedbridge":{"topics":["quote:*",'
    b'"trade:BTC-USD"],"accounts":["liquidity/acme-1"],"limits":{"sse_connections_per_user":3,"polls_per_user":1.5},'
    b'"scopes":["admin"],"key":"key:0123"}}',
    b'{"sub":"carol","exp":1800003600,"iss":"https://idp.example","aud":"bridge","jti":"a1","feedbridge":{}}',
)
KEYS = (
    json.dumps(
        {
            "keys": [
                {"kty": "RSA", "kid": "a", "use": "sig", "n": "x" * 342, "e": "AQAB"},
                {"kty": "EC", "kid": "b", "crv": "P-256", "x": "A" * 43, "y": "B" * 43},
                {"kty": "OKP", "kid": "c", "crv": "Ed25519", "x": "C" * 43},
                {"kty": "oct", "kid": "d", "k": "c2VjcmV0"},
            ]
        }
    ).encode(),
)


def _b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(header: bytes, payload: bytes) -> str:
    """Return a token with a good signature, whatever it says."""
    text = _b64(header) + b"." + _b64(payload)
    return (text + b"." + _b64(hmac.digest(SECRET.encode(), text, hashlib.sha256))).decode()


HEADERS = (b'{"alg":"HS256","typ":"JWT"}', b'{"alg":"RS256","kid":"../../etc/passwd"}', b'{"alg":"none"}')
TOKENS = tuple(sign(header, claims).encode() for header in HEADERS for claims in CLAIMS)


async def _no_key(_: str) -> jwt.PyJWK:
    raise jwt.InvalidKeyError("no such key")


def _read(token: str) -> str:
    reading = read_token(AUTH, token, _no_key, NOW)
    try:
        reading.send(None)
    except StopIteration as done:
        identity = done.value
    except Refusal as refusal:
        told(refusal, *([token] if len(token) > 40 else []))
        return refused_at_most(refusal)
    else:
        raise AssertionError("nothing here waits")
    assert isinstance(identity.user.subject, str)
    assert identity.user.subject
    assert NOW < identity.expires <= NOW + AUTH.max_ttl_seconds * SECONDS
    assert set(identity.limits) <= LIMIT_NAMES
    assert all(0 <= value < float("inf") for value in identity.limits.values())
    may_see(identity, Topic(TopicKind.ALL, "AAPL"))
    return "let in"


def _claims(random: Random) -> Judge:
    header = random.choice(HEADERS[:1] * 3 + HEADERS)

    def judge(data: bytes) -> str:
        return _read(sign(header, data))

    return judge


def _token(_: Random) -> Judge:
    genuine = frozenset(sign(HEADERS[0], claims) for claims in CLAIMS)

    def judge(data: bytes) -> str:
        token = data.decode("latin-1")
        outcome = _read(token)
        assert outcome != "let in" or token.rstrip("=") in genuine, "a token that nobody signed lets in"
        assert Vouchers((), lambda: NOW).identify(token).close() is None
        return outcome

    return judge


def _keys(_: Random) -> Judge:
    def judge(data: bytes) -> str:
        try:
            found = usable(data)
        except ValueError:
            return "no keys"
        assert all(key.key_type != "oct" for key in found.values())
        return "keys" if found else "none usable"

    return judge


def targets() -> list[Target]:
    """Return this family's."""
    return [
        Target("claims", CLAIMS, _claims),
        Target("token", TOKENS, _token),
        Target("key-set", KEYS, _keys),
    ]
