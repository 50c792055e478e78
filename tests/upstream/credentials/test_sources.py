"""Where credentials come from."""

import base64
import json
import os
import sys
import traceback

import msgspec
import pytest
import trio
import trio.testing

from bridge.dialects.contract import Credential, Frame, HttpRequest
from bridge.errors import ConfigError, VendorProtocolError, VendorRefused
from bridge.model import MILLISECONDS, SECONDS, UnixNanos
from bridge.upstream.credentials import sources as token_sources
from bridge.upstream.credentials.sources import (
    CommandSource,
    FileSource,
    HandedSource,
    MintSource,
    ValueSource,
    expiry_of,
)
from bridge.upstream.network.http import open_client
from bridge.upstream.settings import FeedSettings
from tests.support.vendor import answer, open_vendor, saying


def jwt_of(claims, head='{"alg":"HS256","typ":"JWT"}'):
    """Spell a JWT by hand (RFC 7519 §3.1), signature and all made up."""
    body = claims if isinstance(claims, str) else json.dumps(claims)
    parts = (base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in (head, body, "signature"))
    return ".".join(parts)


EXPIRES = 1_773_882_284
TOKEN = jwt_of({"iat": EXPIRES - 1800, "exp": EXPIRES, "source": "ws-jwt"})


def test_expiry_of_a_jwt_is_read_without_its_key():
    assert expiry_of(TOKEN) == EXPIRES * SECONDS
    assert expiry_of(jwt_of({"exp": EXPIRES + 0.5})) == EXPIRES * SECONDS + SECONDS // 2


@pytest.mark.parametrize(
    "token",
    [
        "opaque-token",
        "a.b.c",
        jwt_of({}),
        jwt_of({"exp": "soon"}),
        jwt_of({"exp": True}),
        jwt_of('{"exp":1e400}'),
        jwt_of('{"exp":NaN}'),
        jwt_of({"exp": -1}),
        jwt_of({"exp": 10**30}),
        jwt_of("[1]"),
        jwt_of("not json"),
        "",
    ],
)
def test_expiry_of_anything_else_is_unknown(token):
    assert expiry_of(token) is None


async def test_value_is_the_token_without_white_space():
    assert await ValueSource(f" {TOKEN}\n").get() == Credential(token=TOKEN, expires_at=UnixNanos(EXPIRES * SECONDS))


async def test_file_is_the_token_without_white_space(tmp_path):
    path = tmp_path / "liquidity.token"
    path.write_text(f"{TOKEN}\n")
    credential = await FileSource(str(path)).get()
    assert credential.token == TOKEN
    assert credential.expires_at == EXPIRES * SECONDS


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"top secret", "one word"), (b"caf\xc3\xa9-secret", "one word")],
)
async def test_file_without_a_token_is_a_sentence_with_its_name_and_nothing_of_it(tmp_path, content, words):
    path = tmp_path / "liquidity.token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        await FileSource(str(path)).get()
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_huge_file_is_no_token(tmp_path):
    path = tmp_path / "liquidity.token"
    path.write_bytes(b"x" * 1_000_000)
    with pytest.raises(ConfigError, match="one word"):
        await FileSource(str(path)).get()


async def test_absent_file_is_a_sentence_with_its_name(tmp_path):
    path = tmp_path / "liquidity.token"
    with pytest.raises(ConfigError, match="No such file") as caught:
        await FileSource(str(path)).get()
    assert str(path) in str(caught.value)


def replace(path, text):
    """Put a file in another's place as careful programs do, with the other's date."""
    stat = path.stat()
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.utime(fresh, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    fresh.rename(path)


@pytest.mark.parametrize("change", ["rewritten", "replaced with the same date", "removed"])
async def test_changed_file_is_noticed(tmp_path, autojump_clock, change):
    path = tmp_path / "liquidity.token"
    path.write_text("first-token")
    source = FileSource(str(path))
    await source.get()
    noticed = []

    async def watch():
        await source.changed()
        noticed.append(trio.current_time())

    with trio.fail_after(1000):
        await change_after_a_while(path, change, watch, noticed)


async def change_after_a_while(path, change, watch, noticed):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await trio.sleep(100)
        assert noticed == []
        begin = trio.current_time()
        if change == "rewritten":
            path.write_text("second-token-longer")
        elif change == "removed":
            path.unlink()
        else:
            replace(path, "other-token")
    assert noticed[0] - begin <= 1.5


async def test_absent_file_is_noticed_when_it_comes(tmp_path, autojump_clock):
    path = tmp_path / "liquidity.token"
    source = FileSource(str(path))
    with pytest.raises(ConfigError):
        await source.get()
    with trio.move_on_after(60) as scope:
        await source.changed()
    assert scope.cancelled_caught
    path.write_text("token")
    with trio.fail_after(2):
        await source.changed()


def python(code):
    return (sys.executable, "-c", code)


async def test_commands_output_is_the_token():
    with trio.fail_after(30):
        credential = await CommandSource(python(f"print({TOKEN!r})"), None).get()
    assert credential.token == TOKEN
    assert credential.expires_at == EXPIRES * SECONDS


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (python("print('top-secret'); raise SystemExit(3)"), "ended with status 3"),
        (python("pass"), "is empty"),
        (python("print('top-secret', 'words')"), "one word"),
        (("/no/such/program",), "cannot be run: No such file"),
    ],
)
async def test_command_without_a_token_is_a_sentence_and_its_output_stays_hidden(command, words, capfd):
    with trio.fail_after(30), pytest.raises(ConfigError, match=words) as caught:
        await CommandSource(command, None).get()
    assert command[0] in str(caught.value)
    shown = "".join(traceback.format_exception_only(caught.value)) + repr(CommandSource(command, None))
    assert "top-secret" not in shown
    assert capfd.readouterr() == ("", "")


async def test_commands_complaints_are_not_printed(capfd):
    command = python("import sys; print('top-secret', file=sys.stderr); print('token')")
    with trio.fail_after(30):
        assert (await CommandSource(command, None).get()).token == "token"
    assert capfd.readouterr() == ("", "")


async def test_command_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(token_sources, "COMMAND_SECONDS", 0.5)
    with trio.fail_after(30), pytest.raises(ConfigError, match=r"did not end within 0\.5 s"):
        await CommandSource(python("import time; time.sleep(100)"), None).get()


async def test_command_is_due_again_after_its_refresh(autojump_clock):
    begin = trio.current_time()
    await CommandSource(("x",), 600).changed()
    assert trio.current_time() - begin == pytest.approx(600)
    with trio.move_on_after(1e6) as scope:
        await CommandSource(("x",), None).changed()
    assert scope.cancelled_caught


MINT = HttpRequest(
    url="https://api.tradingviewapi.com/api/token/generate?x=hidden",
    method="POST",
    headers=(("X-RapidAPI-Key", "rapid-secret"),),
    body=b"{}",
)


def minting(status, body, minted=None, retry_after_seconds=None):
    """A mint whose vendor answers so; returns it with the requests it sent."""
    sent = []

    async def fetch(request):
        await trio.lowlevel.checkpoint()
        sent.append(request)
        return Frame(data=body, ts_recv=UnixNanos(0), status=status, retry_after_seconds=retry_after_seconds)

    return MintSource(lambda: MINT, minted or (lambda raw: Credential(token=json.loads(raw)["token"])), fetch), sent


async def test_minted_tokens_end_is_the_vendors_word():
    def minted(raw):
        said = json.loads(raw)
        return Credential(token=said["token"], expires_at=UnixNanos(said["expiresAt"] * MILLISECONDS))

    source, sent = minting(200, json.dumps({"token": TOKEN, "expiresAt": 1_773_880_000_000}).encode(), minted)
    credential = await source.get()
    assert credential.expires_at == 1_773_880_000 * SECONDS
    assert sent == [MINT]


async def test_minted_tokens_end_is_its_own_word_when_the_vendor_says_none():
    source, _ = minting(200, json.dumps({"token": TOKEN}).encode())
    assert (await source.get()).expires_at == EXPIRES * SECONDS


async def test_refused_mint_has_the_vendors_words_without_our_key():
    source, _ = minting(403, b'{"error":"rapid-secret cannot mint tokens"}', retry_after_seconds=60)
    with pytest.raises(VendorRefused, match="cannot mint tokens") as caught:
        await source.get()
    assert caught.value.status == 403
    assert caught.value.retry_after_seconds == 60
    assert "rapid-secret" not in str(caught.value)
    assert "hidden" not in repr(source)


async def test_mint_over_a_real_socket_as_the_page_prints_it():
    body = json.dumps({"success": True, "token": TOKEN, "sseUrl": "https://ws.tradingviewapi.com/sse/stream"}).encode()
    settings = FeedSettings(dialect="tradingview", url="https://ws.tradingviewapi.com")
    vendor_says = saying(answer("200 OK", body, "Content-Type: application/json"))
    with trio.fail_after(20):
        async with open_vendor(vendor_says) as vendor, open_client(settings, lambda: UnixNanos(0)) as client:
            request = msgspec.structs.replace(MINT, url=vendor.url + "/api/token/generate")
            source = MintSource(lambda: request, lambda raw: Credential(token=json.loads(raw)["token"]), client.fetch)
            credential = await source.get()
    assert credential.expires_at == EXPIRES * SECONDS
    assert vendor.calls[0].request_line == "POST /api/token/generate HTTP/1.1"
    assert vendor.calls[0].headers["x-rapidapi-key"] == "rapid-secret"
    assert vendor.calls[0].body == b"{}"


async def test_malformed_mint_answer_is_the_dialects_complaint():
    def minted(raw):
        raise VendorProtocolError("no token in it", b"")

    with pytest.raises(VendorProtocolError, match="no token in it"):
        await minting(200, b"{}", minted)[0].get()


async def test_a_handed_token_is_used_until_another_is_handed(autojump_clock):
    source = HandedSource("first")
    assert (await source.get()).token == "first"
    with trio.move_on_after(60) as waiting:
        source.replace("first")
        await source.changed()
    assert waiting.cancelled_caught, "the same again is no change"
    source.replace("second")
    with trio.fail_after(1):
        await source.changed()
    assert (await source.get()).token == "second"
    assert "second" not in repr(source)
