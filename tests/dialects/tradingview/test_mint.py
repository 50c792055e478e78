"""Tokens, as a client of the vendor and as the vendor."""

import base64
import json

import pytest

from bridge.dialects.contract import EndpointKind, HttpRequest, Refusal, Request, Site
from bridge.dialects.tradingview import DIALECT
from bridge.errors import VendorProtocolError
from bridge.model import SECONDS, Code, UnixNanos

MINT = next(endpoint for endpoint in DIALECT.endpoints if endpoint.kind is EndpointKind.MINT)


def jwt(**claims: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{part}.c2lnbmF0dXJl"


def asked(headers: dict[str, str], body: bytes = b"{}") -> Request:
    return Request(endpoint=MINT, headers=headers, body=body)


def test_a_key_may_go_as_a_bearer_token_to_another_address_with_another_body():
    site = Site(
        url="https://v.example",
        api_key="k3y",
        token_url="https://t.example/x",
        token_auth="bearer",
        token_body='{"a":1}',
    )
    assert DIALECT.mint(site) == HttpRequest(
        url="https://t.example/x",
        method="POST",
        headers=(("Authorization", "Bearer k3y"), ("Content-Type", "application/json")),
        body=b'{"a":1}',
    )


def test_without_a_key_nothing_is_minted():
    assert DIALECT.mint(Site(url="https://v.example")) is None


def test_a_token_answer_is_read_with_all_it_tells():
    body = json.dumps(
        {
            "success": True,
            "token": "t0ken",
            "sseUrl": "https://ws.tradingviewapi.com/sse/stream",
            "wsUrl": "ws://localhost:8080",
            "expiresIn": "30 minutes",
            "expiresAt": 1710809160123,
            "sseExample": "curl …",
        }
    ).encode()
    credential = DIALECT.minted(body)
    assert credential.token == "t0ken"
    assert credential.expires_at == 1710809160_123_000_000
    assert credential.sse_url == "https://ws.tradingviewapi.com/sse/stream"
    assert credential.websocket_url == "ws://localhost:8080"


def test_without_expires_at_the_tokens_own_end_counts():
    body = json.dumps({"token": jwt(iat=1710807360, exp=1710809160)}).encode()
    assert DIALECT.minted(body).expires_at == 1710809160 * SECONDS


@pytest.mark.parametrize(
    "token", ["opaque", "a.b.c", "a.!!!!.c", jwt(sub="x"), jwt(exp="soon"), jwt(exp=-1), jwt(exp=10**30)]
)
def test_a_token_that_does_not_say_its_end_has_none(token):
    body = json.dumps({"token": token}).encode()
    assert DIALECT.minted(body).expires_at is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"success":false,"error":"Invalid type parameter"}',
        b'{"token":""}',
        b'{"token":5}',
        b'{"token":"s3cret","expiresAt":"soon"}',
        b'{"token":"s3cret","expiresAt":-5}',
        b'{"token":"s3cret"',
    ],
)
def test_a_token_answer_that_cannot_be_read_shows_no_token(body):
    with pytest.raises(VendorProtocolError) as caught:
        DIALECT.minted(body)
    assert "s3cret" not in str(caught.value)
    assert caught.value.offending == b""
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    "headers",
    [
        {"x-rapidapi-key": "k3y", "x-rapidapi-host": "tradingview-data1.p.rapidapi.com"},
        {"x-api-key": "k3y"},
        {"authorization": "Bearer k3y"},
        {"authorization": "bearer k3y", "x-api-key": "k3y"},
    ],
)
def test_the_key_is_found_in_each_place(headers):
    question = DIALECT.mint_question(asked(headers))
    assert (question.api_key, question.ttl_seconds) == ("k3y", None)


@pytest.mark.parametrize("wish", [b"1", b'"1"'])
def test_the_lifetime_may_be_a_number_or_a_text(wish):
    body = b'{"token-jwt-type":%s,"userId":"u"}' % wish
    assert DIALECT.mint_question(asked({"x-api-key": "k"}, body)).ttl_seconds == 30 * 60


def test_the_lifetimes_are_the_vendors():
    def lifetime(wish: int) -> float | None:
        return DIALECT.mint_question(asked({"x-api-key": "k"}, b'{"token-jwt-type":%d}' % wish)).ttl_seconds

    assert [lifetime(wish) for wish in (1, 2, 3)] == [1_800, 6 * 3_600, 24 * 3_600]


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({}, b"{}", Code.UNAUTHORIZED),
        ({"authorization": "Basic eDp5"}, b"{}", Code.UNAUTHORIZED),
        ({"x-api-key": "one", "authorization": "Bearer other"}, b"{}", Code.BAD_REQUEST),
        ({"x-api-key": "k"}, b'{"token-jwt-type":4}', Code.BAD_REQUEST),
        ({"x-api-key": "k"}, b'{"token-jwt-type":true}', Code.BAD_REQUEST),
        ({"x-api-key": "k"}, b"[1]", Code.BAD_REQUEST),
        ({"x-api-key": "k"}, b"\xff", Code.BAD_REQUEST),
    ],
)
def test_a_wrong_token_request_is_refused(headers, body, code):
    with pytest.raises(Refusal) as caught:
        DIALECT.mint_question(asked(headers, body))
    assert caught.value.code is code


def test_a_body_may_be_absent():
    assert DIALECT.mint_question(asked({"x-api-key": "k"}, b"")).ttl_seconds is None


def test_a_minted_token_is_told_as_the_vendor_tells_it_and_our_own_client_reads_it():
    token = jwt(iat=1710807360, exp=1710809160)
    expires = UnixNanos(1710809160 * SECONDS)
    answer = DIALECT.mint_answer(asked({}), token, expires, "https://b.corp/sse/stream", "wss://b.corp/ws")
    told = json.loads(answer.body)
    assert told == {
        "success": True,
        "token": token,
        "sseUrl": "https://b.corp/sse/stream",
        "wsUrl": "wss://b.corp/ws",
        "expiresIn": "30 minutes",
        "expiresAt": 1710809160000,
        "sseExample": told["sseExample"],
    }
    assert f"https://b.corp/sse/stream?token={token}&symbols=" in told["sseExample"]
    credential = DIALECT.minted(answer.body)
    assert (credential.token, credential.expires_at) == (token, expires)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1800, "30 minutes"),
        (21600, "6 hours"),
        (86400, "24 hours"),
        (3600, "1 hour"),
        (90, "90 seconds"),
        (60, "1 minute"),
    ],
)
def test_the_lifetime_is_told_in_words(seconds, words):
    token = jwt(iat=1710807360)
    expires = UnixNanos((1710807360 + seconds) * SECONDS)
    assert json.loads(DIALECT.mint_answer(asked({}), token, expires, "s", "w").body)["expiresIn"] == words


def test_a_lifetime_that_nobody_knows_is_not_told():
    answer = DIALECT.mint_answer(asked({}), "opaque", UnixNanos(SECONDS), "s", "w")
    assert "expiresIn" not in json.loads(answer.body)
