"""The prompt stream keeps what Trio asks of every stream, and reads in the turn in which the bytes came."""

import socket
import struct

import pytest
import trio
import trio.testing

from bridge.upstream.network.prompt import PromptStream


async def pair() -> tuple[PromptStream, PromptStream]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    one = await trio.open_tcp_stream(*listener.socket.getsockname())
    other = await listener.accept()
    await listener.aclose()
    return PromptStream(one), PromptStream(other)


async def test_it_is_a_stream_as_trio_defines_one():
    with trio.fail_after(60):
        await trio.testing.check_half_closeable_stream(pair, None)


async def test_what_has_come_is_read_without_another_turn_for_the_others():
    ours, theirs = await pair()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await theirs.send_all(b"here")
        nursery.start_soon(others)
        before = turns
        assert await ours.receive_some() == b"here"
        assert turns - before <= 2
        nursery.cancel_scope.cancel()
    for one in (ours, theirs):
        await one.aclose()


async def test_a_broken_connection_is_told_as_such():
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = PromptStream(await trio.open_tcp_stream(*listener.socket.getsockname()))
    peer = await listener.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await peer.aclose()
    with trio.fail_after(10), pytest.raises(trio.BrokenResourceError, match="reset"):
        await client.receive_some()
    await client.aclose()
    await listener.aclose()
