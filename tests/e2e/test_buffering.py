"""A forward proxy that passes an answer on only in full blocks: what is short waits in it, unless padding follows.

As a plain proxy it sees the request and its answer, by `CONNECT` only a tunnel's bytes; it holds back both the same way.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

import msgspec
import pytest
import trio

from bridge.downstream.settings import ListenSettings
from bridge.model import InstrumentId, QuotePatch, Topic, UnixNanos
from bridge.tape import TapeEvent
from tests.support.clients import stream
from tests.support.stage import bridge, config_of, feed_of, vendor

BLOCK_BYTES = 4_096


async def read_head(client: trio.SocketStream) -> bytes:
    """Read a request's head, and whatever came with it."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = await client.receive_some(65_536)
        if not more:
            break
        head += more
    return head


async def in_blocks(target_port: int, methods: list[str], client: trio.SocketStream) -> None:
    """Carry a request or a tunnel as it is, and what is answered in full blocks."""
    target = await trio.open_tcp_stream("127.0.0.1", target_port)
    head = await read_head(client)
    methods.append(head.split(b" ")[0].decode())
    if methods[-1] == "CONNECT":
        await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        await target.send_all(head)

    async def there() -> None:
        while data := await client.receive_some(65_536):
            await target.send_all(data)
        nursery.cancel_scope.cancel()

    async def back() -> None:
        held = b""
        while data := await target.receive_some(65_536):
            held += data
            full = len(held) // BLOCK_BYTES * BLOCK_BYTES
            await client.send_all(held[:full])
            held = held[full:]

    async with target, trio.open_nursery() as nursery:
        nursery.start_soon(there)
        nursery.start_soon(back)


@asynccontextmanager
async def buffering_proxy(target_port: int, methods: list[str]) -> AsyncIterator[str]:
    """Run such a proxy; the methods that it was asked with are added to a list."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, partial(in_blocks, target_port, methods), [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def opening(url: str, *options: str) -> list[str]:
    """Return what types of events an event stream opens with, its first quote the last."""
    said: list[str] = []
    with stream(url, *options, "--noproxy", "") as opened:
        for event in opened.events():
            said.append(event.get("type", ""))
            if said[-1] == "quote":
                break
    return said


WAYS = {"plain": ("--http1.1",), "CONNECT": ("--http1.1", "-p"), "CONNECT, HTTP/2": ("--http2-prior-knowledge", "-p")}


@pytest.mark.parametrize("way", WAYS)
async def test_a_stream_with_little_to_say_comes_through_a_proxy_that_holds_back_what_is_short(way):
    """The bridge says two short words and then nothing more for as long as its heartbeat: only padding pushes them through."""
    methods: list[str] = []
    async with vendor("liquidity", tape=OneQuote()) as party:
        config = config_of({"liquidity": feed_of(party, "sse")}, heartbeat_seconds=3_600)
        listen = ListenSettings(bind=("127.0.0.1:0",), padding_bytes=BLOCK_BYTES)
        config = msgspec.structs.replace(config, listen=listen)
        async with (
            bridge(config) as running,
            buffering_proxy(int(running.urls[0].rpartition(":")[2]), methods) as proxy,
        ):
            url = f"{running.urls[0]}/v1/stream?subscribe=quote:BTC-USD"
            with trio.fail_after(30):
                said = await trio.to_thread.run_sync(opening, url, "--proxy", proxy, *WAYS[way])
    assert (said[0], said[-1]) == ("stream", "quote")
    assert methods == ["GET" if way == "plain" else "CONNECT"]


class OneQuote:
    """A market in which one thing happens."""

    topics = (Topic.parse("quote:BTC-USD"),)

    def events(self, start, *, once=False):
        quote = QuotePatch(instrument=InstrumentId("BTC-USD"), feed="", ts_recv=UnixNanos(0), bid=Decimal(1))
        yield TapeEvent(0, quote)
        yield TapeEvent(3_600_000_000_000, quote)


async def test_without_padding_what_is_short_stays_in_the_proxy():
    """The proxy of these tests is such a one: nothing but the end of the connection pushes a short answer out of it."""
    methods: list[str] = []
    async with vendor("liquidity", tape=OneQuote()) as party:
        config = config_of({"liquidity": feed_of(party, "sse")}, heartbeat_seconds=3_600)
        async with (
            bridge(config) as running,
            buffering_proxy(int(running.urls[0].rpartition(":")[2]), methods) as proxy,
            await trio.open_tcp_stream("127.0.0.1", int(proxy.rpartition(":")[2])) as client,
        ):
            url = f"{running.urls[0]}/v1/stream?subscribe=quote:BTC-USD"
            host = running.urls[0].removeprefix("http://")
            await client.send_all(f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            with trio.fail_after(30):
                while not any(one.sent_events > 1 for one in running.house.connections.statistics()):  # noqa: ASYNC110 - tells nobody
                    await trio.sleep(0.01)
            heard = b""
            with trio.move_on_after(0.5):
                heard = await client.receive_some(65_536)
            assert heard == b""
