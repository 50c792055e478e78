"""HTTP/1.1 as attackers and ancient clients speak it: each is answered properly, or refused and closed; never both, never twice.

What matters of smuggling is that we never see a second request where a proxy in front of us saw a body, nor the other way round.
"""

from contextlib import suppress
from typing import NamedTuple

import pytest
import trio

from tests.support.serving import guarded

HOST = b"Host: localhost\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


class Case(NamedTuple):
    """`statuses`: of all answers; `seen`: the paths and bodies that the app got."""

    name: str
    sent: bytes
    statuses: tuple[int, ...] = (400,)
    seen: tuple[tuple[str, bytes], ...] = ()


def get(target: bytes = b"/", *lines: bytes, version: bytes = b"HTTP/1.1", host: bytes = HOST) -> bytes:
    return b"GET " + target + b" " + version + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


CLOSE = b"Connection: close"
SEEN = (("/", b""),)
CASES = (
    # ── whose length is in doubt ──
    Case(
        "length and chunks",
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
        (400,),
    ),
    Case(
        "chunks and length", post(b"Transfer-Encoding: chunked", b"Content-Length: 0", body=b"5\r\nhello\r\n0\r\n\r\n")
    ),
    Case("two lengths", post(b"Content-Length: 5", b"Content-Length: 0", body=b"hello" + HIDDEN)),
    Case("two lengths in one", post(b"Content-Length: 5, 0", body=b"hello")),
    Case(
        "the same length twice",
        post(b"Content-Length: 5", b"Content-Length: 5", CLOSE, body=b"hello"),
        (200,),
        (("/", b"hello"),),
    ),
    Case("length below zero", post(b"Content-Length: -1")),
    Case("length with a sign", post(b"Content-Length: +5", body=b"hello")),
    Case("length in hex", post(b"Content-Length: 0x5", body=b"hello")),
    Case("length in other digits", post(b"Content-Length: \xef\xbc\x95", body=b"hello")),
    Case("length that is empty", post(b"Content-Length: ", body=HIDDEN)),
    Case("length of a thousand digits", post(b"Content-Length: " + b"9" * 1_000)),
    Case("length with a space before its colon", post(b"Content-Length : 5", body=b"hello")),
    Case("chunks twice", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), (501,)),
    Case("chunks and identity", post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"), (501,)),
    Case("gzip and chunks", post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), (501,)),
    Case("chunks in disguise", post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), (501,)),
    Case(
        "chunks behind a tab",
        post(b"Transfer-Encoding:\tchunked", CLOSE, body=b"1\r\na\r\n0\r\n\r\n"),
        (200,),
        (("/", b"a"),),
    ),
    Case("chunks behind a vertical tab", post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n")),
    # ── chunks ──
    Case("chunk of an enormous size", post(b"Transfer-Encoding: chunked", body=b"f" * 21 + b"\r\na"), (400,), ()),
    Case("chunk of a size that is none", post(b"Transfer-Encoding: chunked", body=b"zz\r\na"), (400,), ()),
    Case("chunk of a size below zero", post(b"Transfer-Encoding: chunked", body=b"-1\r\na"), (400,), ()),
    Case("chunk of a size with 0x", post(b"Transfer-Encoding: chunked", body=b"0x1\r\na\r\n"), (400,), ()),
    Case(
        "chunk that is longer than it says",
        post(b"Transfer-Encoding: chunked", body=b"1\r\nab\r\n0\r\n\r\n"),
        (400,),
        (),
    ),
    Case("chunk with a bare LF", post(b"Transfer-Encoding: chunked", body=b"1\na\n0\r\n\r\n"), (400,), ()),
    Case(
        "chunk with an extension",
        post(b"Transfer-Encoding: chunked", CLOSE, body=b"1;a=b\r\na\r\n0\r\n\r\n"),
        (200,),
        (("/", b"a"),),
    ),
    Case(
        "chunk with an endless extension", post(b"Transfer-Encoding: chunked", body=b"1;" + b"a" * 70_000), (431,), ()
    ),
    Case("endless trailers", post(b"Transfer-Encoding: chunked", body=b"0\r\nX: " + b"a" * 70_000), (431,), ()),
    # ── lines and names ──
    Case("space before a colon", get(b"/", b"X : y")),
    Case("folded host", get(b"/", b" X: y", CLOSE), (200,), SEEN),
    Case("folded line", get(b"/", b"X: a", b" b", CLOSE), (200,), SEEN),
    Case("folded first line", b"GET / HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n"),
    Case("space in a name", get(b"/", b"X Y: z")),
    Case("name of nothing", get(b"/", b": y")),
    Case("line without a colon", get(b"/", b"nonsense")),
    Case("NUL in a value", get(b"/", b"X: a\0b")),
    Case("NUL in a name", get(b"/", b"X\0: a")),
    Case("CR in a value", get(b"/", b"X: a\rY: b")),
    Case("NUL in the target", get(b"/\0")),
    Case("space in the target", get(b"/a b")),
    Case("tab for a space", b"GET\t/\tHTTP/1.1\r\n" + HOST + b"\r\n"),
    Case("two spaces", b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n"),
    Case("bare LF", b"GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n", (200,), SEEN),
    Case("method that is none", b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n"),
    Case("no method", b"/ HTTP/1.1\r\n" + HOST + b"\r\n"),
    Case("endless request line", b"GET /" + b"a" * 70_000, (431,)),
    Case("endless header", get(b"/", b"X: " + b"a" * 70_000), (431,)),
    Case("thousands of headers", get(b"/", *[b"X: y"] * 10_000), (431,)),
    Case("bytes that are no text", bytes(range(1, 256)) * 4),
    # ── versions ──
    Case("HTTP/0.9", b"GET /\r\n\r\n"),
    Case("HTTP/1.0", get(version=b"HTTP/1.0", host=b""), (200,), SEEN),
    Case("HTTP/1.0 that keeps alive", get(b"/", b"Connection: keep-alive", version=b"HTTP/1.0"), (200,), SEEN),
    Case("HTTP/1.2", get(b"/", CLOSE, version=b"HTTP/1.2"), (200,), SEEN),
    Case("HTTP/3.0", get(version=b"HTTP/3.0"), (505,)),
    Case("HTTP/1.0 in chunks", b"POST / HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n"),
    Case("version of another case", get(version=b"http/1.1")),
    # ── whom it is for ──
    Case("no host", get(host=b"")),
    Case("two hosts", get(b"/", b"Host: other")),
    Case("absolute target", get(b"http://elsewhere/a?b", CLOSE), (200,), (("/a", b""),)),
    Case("absolute target with a password", get(b"http://a:b@elsewhere/")),
    Case("absolute target of another kind", get(b"file:///etc/passwd")),
    Case("target of another place", get(b"*", CLOSE), (400,)),
    Case("authority for a target", get(b"localhost:80", CLOSE), (400,)),
    Case("CONNECT", b"CONNECT elsewhere:443 HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, (400,)),
    # ── more than one ──
    Case(
        "pipelined",
        get() + get(b"/two") + get(b"/three", CLOSE),
        (200, 200, 200),
        (*SEEN, ("/two", b""), ("/three", b"")),
    ),
    Case("behind a close", get(b"/", CLOSE) + HIDDEN, (200,), SEEN),
    Case("behind a mistake", get(b"/", b"X : y") + HIDDEN),
    Case("body behind a GET", get(b"/", b"Content-Length: 5", CLOSE) + b"hello", (200,), (("/", b"hello"),)),
    Case(
        "expects 100", post(b"Expect: 100-continue", b"Content-Length: 2", CLOSE, body=b"ok"), (200,), (("/", b"ok"),)
    ),
    Case("expects the impossible", post(b"Expect: miracles", b"Content-Length: 0", CLOSE), (200,), (("/", b""),)),
    # ── other protocols ──
    Case(
        "upgrade to h2c",
        get(b"/", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Connection: Upgrade, HTTP2-Settings, close"),
        (200,),
        SEEN,
    ),
    Case("upgrade to nothing known", get(b"/", b"Upgrade: gopher", b"Connection: upgrade, close"), (200,), SEEN),
    Case("preface of HTTP/2 that goes on wrongly", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", ()),
    Case("only blank lines", b"\r\n" * 50_000),
    Case("blank lines before a request", b"\r\n\r\n" + get(b"/", CLOSE)),
    Case("a blank line before a request", b"\r\n" + get(b"/", CLOSE), (200,), SEEN),
    Case(
        "a blank line behind a body",
        post(b"Content-Length: 2", body=b"ok") + b"\r\n" + get(b"/two", CLOSE),
        (200, 200),
        (("/", b"ok"), ("/two", b"")),
    ),
)


class App:
    """Answers 200 with `ok` once the body is there, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    async def __call__(self, scope, receive, send) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            body += event["body"]
            more = event["more_body"]
        self.seen.append((scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def statuses(said: bytes) -> tuple[int, ...]:
    """Of all the answers but those that only tell to go on."""
    found = [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]
    return tuple(status for status in found if status >= 200)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_request_is_answered_properly_or_refused_and_closed(case: Case):
    with trio.fail_after(20):
        app = App()
        async with guarded(app, idle_seconds=0.2) as served:
            stream = await served.connect()
            said = b""
            async with trio.open_nursery() as nursery:

                async def say() -> None:
                    with suppress(trio.BrokenResourceError):  # refused before all was said
                        await stream.send_all(case.sent)

                nursery.start_soon(say)
                try:
                    async for piece in stream:
                        said += piece
                except trio.BrokenResourceError:
                    pass
            assert statuses(said) == case.statuses, said[:500]
            assert tuple(app.seen) == case.seen
            assert b"hidden" not in said
            await trio.aclose_forcefully(stream)
            await served.none_live()
            assert served.guard.statistics().contained == 0


async def test_client_is_told_to_go_on_before_it_sends_its_body():
    with trio.fail_after(10):
        async with guarded(App()) as served:
            stream = await served.connect()
            await stream.send_all(post(b"Expect: 100-continue", b"Content-Length: 2", CLOSE))
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 100")
            await stream.send_all(b"ok")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")


async def test_more_pipelined_than_anybody_needs_ends_the_connection():
    async def waits(scope, receive, send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with trio.fail_after(20):
        async with guarded(waits) as served:
            stream = await served.connect()
            with pytest.raises(trio.BrokenResourceError):  # noqa: PT012 - wherever it notices
                while True:
                    await stream.send_all(get() * 1_000)
            await served.none_live()


async def test_absolute_target_says_whom_it_is_for_whatever_host_says():
    """RFC 9112 §3.2.2: a server must take it, and must not listen to `Host` then."""
    hosts = []

    async def app(scope, receive, send) -> None:
        hosts.append([value for name, value in scope["headers"] if name == b"host"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    with trio.fail_after(10):
        async with guarded(app) as served:
            stream = await served.connect()
            await stream.send_all(get(b"HTTP://elsewhere:81?x=1", CLOSE))
            async for _ in stream:
                pass
    assert hosts == [[b"elsewhere:81"]]


async def test_what_a_client_says_after_its_last_request_is_not_kept():
    """An event stream on `Connection: close` lasts for hours; what its client goes on to say is nobody's."""

    async def waits(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    with trio.fail_after(20):
        async with guarded(waits) as served:
            stream = await served.connect()
            await stream.send_all(get(b"/", CLOSE))
            await stream.receive_some()
            (connection,) = served.guard.live
            for _ in range(50):
                await stream.send_all(bytes(65_536))
            assert len(connection.protocol.protocol.connection.trailing_data[0]) < 65_536
            await trio.aclose_forcefully(stream)
            await served.none_live()
            assert served.guard.statistics().contained == 0
