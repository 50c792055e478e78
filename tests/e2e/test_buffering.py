"""A forward proxy that passes an answer on only in full blocks: what is short waits in it, unless padding follows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import trio

from bridge.downstream.settings import ListenSettings
from tests.support.clients import stream
from tests.support.stage import bridge, config_of, feed_of, vendor

BLOCK_BYTES = 4_096


async def in_blocks(target_port: int, client: trio.SocketStream) -> None:
    """Carry a request as it is, and its answer in full blocks."""
    target = await trio.open_tcp_stream("127.0.0.1", target_port)

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
async def buffering_proxy(target_port: int) -> AsyncIterator[str]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, partial(in_blocks, target_port), [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def first_word(url: str, proxy: str) -> Any:
    """Return what an event stream says first through a proxy."""
    with stream(url, "--proxy", proxy, "--noproxy", "") as opened:
        return next(opened.events())


async def test_a_stream_with_little_to_say_comes_through_a_proxy_that_holds_back_what_is_short():
    async with vendor("liquidity") as party:
        config = config_of({"liquidity": feed_of(party, "sse")})
        listen = ListenSettings(bind=("127.0.0.1:0",), padding_bytes=BLOCK_BYTES)
        config = msgspec.structs.replace(config, listen=listen)
        async with bridge(config) as running, buffering_proxy(int(running.urls[0].rpartition(":")[2])) as proxy:
            # Orders alone, of which there are none: nothing but this greeting is ever said, and a short one it is.
            url = f"{running.urls[0]}/liquidity/api/realtime"
            assert list(await trio.to_thread.run_sync(first_word, url, proxy)) == ["clientId"]
