"""One request on a connection of its own, against a vendor of literal bytes."""

from contextlib import asynccontextmanager

import pytest
import trio

from bridge.dialects.contract import HttpRequest
from bridge.errors import TransportLost
from bridge.upstream.network.exchange import exchange
from bridge.upstream.network.route import read_route
from bridge.upstream.settings import FeedSettings
from tests.support.vendor import answer, hang, open_vendor

PATIENCE_SECONDS = 20
"""A bound, not an expectation."""

ROUTE = read_route(FeedSettings(dialect="x", url="http://h"))


@asynccontextmanager
async def bounded_vendor(script):
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_vendor(script) as vendor:
            yield vendor


def saying(*parts: bytes):
    """A vendor that says these, one after the other, and hangs up."""

    async def script(call):
        for part in parts:
            await call.send(part)
            await trio.sleep(0.01)  # so that each arrives by itself; nothing depends on it

    return script


async def body_of(begun) -> list[bytes]:
    chunks = []
    while (chunk := await begun.next_chunk()) is not None:
        chunks.append(chunk)
    return chunks


async def ask(vendor, **request):
    return await exchange(ROUTE, HttpRequest(url=vendor.url + "/a/b?c=d%20e", **request), [("accept", "x/y")])


async def test_request_is_sent_as_it_stands_and_the_answer_read():
    async with bounded_vendor(saying(answer("200 Fine", b"body", "X-Two: 2"))) as vendor:
        begun = await ask(vendor, headers=(("Authorization", "Bearer t"),))
        assert (begun.head.status, begun.head.reason, begun.head.headers["x-two"]) == (200, "Fine", "2")
        assert b"".join(await body_of(begun)) == b"body"
        await begun.aclose()
    (call,) = vendor.calls
    assert call.request_line == "GET /a/b?c=d%20e HTTP/1.1"
    assert call.headers["host"] == vendor.url.removeprefix("http://")
    assert (call.headers["authorization"], call.headers["accept"]) == ("Bearer t", "x/y")


async def test_body_is_posted():
    async with bounded_vendor(saying(answer("200 OK"))) as vendor:
        begun = await ask(vendor, method="POST", body=b"{}")
        await begun.aclose()
    assert vendor.calls[0].request_line.startswith("POST ")
    assert vendor.calls[0].body == b"{}"


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\nab", b"cd"], b"abcd"),
        ([b"HTTP/1.0 200 OK\r\n\r\n", b"ab"], b"ab"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r", b"\n1\r\nc\r\n0\r\n\r\n"], b"abc"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", b"b"], b"ab"),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nab"], b"ab"),
    ],
    ids=["until the end", "http/1.0", "chunked", "of a length", "after hints"],
)
async def test_body_is_framed_as_the_answer_says(parts, body):
    async with bounded_vendor(saying(*parts)) as vendor:
        begun = await ask(vendor)
        assert begun.head.status == 200
        assert b"".join(await body_of(begun)) == body
        assert await begun.next_chunk() is None
        await begun.aclose()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "closed the connection"),
        (b"220 smtp ready\r\n", "not HTTP as it should be"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "encoded"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "not HTTP as it should be"),
    ],
)
async def test_answer_that_is_none_says_so(said, words):
    async with bounded_vendor(saying(said)) as vendor:
        with pytest.raises(TransportLost, match=words):
            await ask(vendor)


async def test_chunked_body_that_breaks_off_is_a_loss():
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"
    async with bounded_vendor(saying(cut)) as vendor:
        begun = await ask(vendor)
        assert await begun.next_chunk() == b"abc"
        with pytest.raises(TransportLost, match="not HTTP as it should be"):
            await begun.next_chunk()
        await begun.aclose()


async def test_bound_on_a_whole_body_is_held():
    async with bounded_vendor(saying(answer("400 No", b"x" * 100))) as vendor:
        begun = await ask(vendor)
        with pytest.raises(TransportLost, match="more than 50 bytes"):
            await begun.read(50)
        await begun.aclose()


async def test_cancelled_before_the_answer_leaves_no_connection_behind():
    async with bounded_vendor(hang) as vendor:
        with trio.move_on_after(0.1):
            await ask(vendor)
        await vendor.calls[0].closed_by_client.wait()


async def test_close_wakes_the_reader_and_may_be_repeated(nursery):
    async def script(call):
        await call.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await call.until_client_leaves()

    async with bounded_vendor(script) as vendor:
        begun = await ask(vendor)
        nursery.start_soon(begun.aclose)
        with pytest.raises(TransportLost):
            await begun.next_chunk()
        await begun.aclose()
        await begun.aclose()
