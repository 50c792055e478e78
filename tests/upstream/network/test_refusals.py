"""What a vendor's "no" becomes."""

import calendar

import pytest

from bridge.dialects.contract import HttpRequest
from bridge.model import SECONDS, UnixNanos
from bridge.upstream.network.refusals import MAX_RETRY_AFTER_SECONDS, Head, parse_head, refusal, retry_after

NOW = UnixNanos(calendar.timegm((2026, 3, 19, 0, 34, 0)) * SECONDS)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Thu, 19 Mar 2026 00:35:00 GMT", 60),  # RFC 9110 §5.6.7, the preferred form
        ("Thursday, 19-Mar-26 00:35:00 GMT", 60),  # the obsolete RFC 850 form
        ("Thu Mar 19 00:35:00 2026", 60),  # the obsolete asctime form
        ("Thu, 19 Mar 2026 00:33:00 GMT", 0),  # in the past
        ("999999999999", MAX_RETRY_AFTER_SECONDS),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after({"retry-after": value}, NOW) == seconds


def test_retry_after_may_be_absent():
    assert retry_after({}, NOW) is None


def test_refusal_carries_the_vendors_words_but_never_our_secrets():
    """Vendors like to repeat the token that they did not accept, decoded or not."""
    request = HttpRequest(
        url="https://h/sse/stream?token=top%2Fsecret-1&symbols=NASDAQ:AAPL",
        headers=(("authorization", "Bearer header-secret"), ("x-rapidapi-key", "key-secret")),
    )
    body = b'{"error":"bad token top/secret-1 top%2Fsecret-1 header-secret key-secret eyJhbGci.eyJzdWIi.c2ln",\n "a":1}'
    error = refusal(request, Head(401, "Unauthorized", {"retry-after": "3"}), body, NOW)
    assert error.status == 401
    assert error.retry_after_seconds == 3
    assert error.reason == '{"error":"bad token […] […] […] […] […]", "a":1}'
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"data":{},"message":"no asset FOO","status":404}', "no asset FOO"),
        (b'{"error":{"code":"unknown_instrument","message":"no FOO here"}}', "no FOO here"),
        (b'{"message":{"text":"no"}}', '{"message":{"text":"no"}}'),
        (b'{"success":false}', '{"success":false}'),
        (b"[" * 5000, "[" * 200),
        (b"no asset\r\n FOO", "no asset FOO"),
    ],
)
def test_a_refusals_reason_is_the_sentence_that_the_vendor_wrote_for_people(body, reason):
    assert refusal(HttpRequest(url="https://h/"), Head(404, "Not Found", {}), body, NOW).reason == reason


def test_refusal_without_readable_words_has_the_status_lines():
    request = HttpRequest(url="https://h/")
    assert refusal(request, Head(503, "Service Unavailable", {}), b" \n", NOW).reason == "Service Unavailable"
    page = Head(502, "Bad Gateway", {"content-type": "text/html; charset=utf-8"})
    assert refusal(request, page, b"<html>", NOW).reason == "Bad Gateway"
    assert refusal(request, Head(302, "Found", {}), b"over there", NOW).reason == "a redirect, which is not followed"


def test_refusals_words_are_bounded():
    assert len(refusal(HttpRequest(url="https://h/"), Head(400, "", {}), b"x" * 5000, NOW).reason) == 200


def test_head_is_read_with_what_follows_it():
    raw = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nX-Empty:\r\n\r\n{}"
    assert parse_head(raw) == (Head(429, "Too Many Requests", {"retry-after": "7", "x-empty": ""}), b"{}")


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 200 OK\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"\xff\r\n\r\n"]
)
def test_head_that_is_incomplete_or_no_http_is_none(raw):
    assert parse_head(raw) is None
