"""A vendor's "no" over HTTP: its status, its own words within a bound, and how long it asks us to stay away.

The words never hold a credential: vendors like to repeat the token they did not accept, so whatever secret-looking value
our request carried is struck out of the answer.
"""

import email.utils
import re
import urllib.parse
from collections.abc import Iterable, Mapping

import msgspec

from bridge.dialects.contract import HttpRequest
from bridge.errors import VendorRefused
from bridge.model import SECONDS, UnixNanos

MAX_RETRY_AFTER_SECONDS = 3600.0
"""The longest stay-away we honour: a vendor that means more will say so again after an hour."""

WORDS_LENGTH = 200
"""Characters of the vendor's words that an error keeps."""

_SECRET_LENGTH = 8
_TOKEN_LIKE = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


class Head(msgspec.Struct, frozen=True):
    """The head of an HTTP/1.1 answer; header names in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]


def parse_head(raw: bytes) -> tuple[Head, bytes] | None:
    """Read an answer's head where no HTTP library does it for us (a proxy's CONNECT, a refused WebSocket).

    Returns:
        The head and the bytes behind it; None when the head is incomplete or not HTTP/1.
    """
    head, end, rest = raw.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"HTTP/1\.[01] (\d{3})(?: (.*))?", status_line)
    if not end or match is None:
        return None
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Head(int(match[1]), match[2] or "", headers), rest


def retry_after(headers: Mapping[str, str], now: UnixNanos) -> float | None:
    """Read `Retry-After` (RFC 9110 §10.2.3): seconds, or a date; None when absent or unreadable.

    Args:
        headers: with the name in lower case (or a mapping that does not care).
        now: the wall time, for a date.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):  # the second for a zone or a year that no clock has
        return None
    return min(max(moment - now / SECONDS, 0.0), MAX_RETRY_AFTER_SECONDS)


def refusal(request: HttpRequest, head: Head, body: bytes, now: UnixNanos) -> VendorRefused:
    """Make the error for an answer that is not what we asked for."""
    return VendorRefused(head.status, words_of(request, head, body), retry_after(head.headers, now))


def words_of(request: HttpRequest, head: Head, body: bytes) -> str:
    """Return a refusal's words, within `WORDS_LENGTH` and without our secrets."""
    if 300 <= head.status < 400:
        return "a redirect, which is not followed"
    text = "" if "html" in head.headers.get("content-type", "") else _sentence(body)
    text = re.sub(r"\s+", " ", text).strip() or head.reason or "no words"
    return without_secrets(text, secrets_of(request))[:WORDS_LENGTH]


def _sentence(body: bytes) -> str:
    """Return the `message` within a JSON answer, which was written for people; else the whole body."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        told = None
    if isinstance(told, dict) and isinstance(told.get("error"), dict):
        told = told["error"]
    if isinstance(told, dict) and isinstance(told.get("message"), str):
        return str(told["message"])
    return body.decode("utf-8", "replace")


def secrets_of(request: HttpRequest) -> list[str]:
    """Return what of a request must not be repeated: long values of its query and headers, and the words in them."""
    query = urllib.parse.urlsplit(request.url).query
    values = [value for _, value in urllib.parse.parse_qsl(query)]
    values += [word for _, value in request.headers for word in (value, *value.split())]
    values += [raw for _, _, raw in (pair.partition("=") for pair in query.split("&"))]
    return sorted({value for value in values if len(value) >= _SECRET_LENGTH}, key=len, reverse=True)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Strike out each of `secrets` and whatever looks like a JWT."""
    for secret in secrets:
        text = text.replace(secret, "[…]")
    return _TOKEN_LIKE.sub("[…]", text)
