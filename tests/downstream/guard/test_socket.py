"""One socket with two writers: bytes leave in the order in which they were made, and never to somebody else."""

import os
import socket

import pytest
import trio

from bridge.downstream.guard.socket import UNSENT_BYTES, SharedSocket


@pytest.fixture
async def pair():
    ours, theirs = trio.socket.socketpair()
    shared, peer = SharedSocket(trio.SocketStream(ours)), trio.SocketStream(theirs)
    with trio.fail_after(20):
        yield shared, peer
    await trio.aclose_forcefully(shared)
    await trio.aclose_forcefully(peer)


async def read_exactly(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await stream.receive_some(65_536)
    return data


async def test_what_the_kernel_did_not_take_goes_before_the_next_writers_bytes(pair):
    shared, peer = pair
    backlog = os.urandom(5_000_000)
    assert not shared.send_now(backlog)
    assert 0 < len(shared.rest) < len(backlog)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shared.send_all, b"then this")
        assert await read_exactly(peer, len(backlog) + 9) == backlog + b"then this"
    assert not shared.rest
    assert shared.send_now(b"and this")
    assert await peer.receive_some() == b"and this"


async def test_a_piece_of_the_rest_goes_when_there_is_room_and_an_end_waits_for_all_of_it(pair):
    shared, peer = pair
    backlog = os.urandom(1_000_000)
    shared.send_now(backlog)
    left = len(shared.rest)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shared.send_some)
        begun = await read_exactly(peer, len(backlog) - left)
    assert 0 < len(shared.rest) < left
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shared.send_eof)
        assert begun + await read_exactly(peer, len(backlog) - len(begun)) == backlog
        assert await peer.receive_some() == b""


@pytest.mark.parametrize("how", ["at once", "in order"])
async def test_after_the_end_nothing_is_written_to_whoever_gets_the_sockets_number_next(pair, how):
    shared, _peer = pair
    number = shared.socket.fileno()
    reader, writer = os.pipe()
    if how == "at once":
        shared.close()
    else:
        await shared.aclose()
    os.dup2(writer, number)
    try:
        with pytest.raises(trio.BrokenResourceError):
            shared.send_now(b"for somebody else")
        os.set_blocking(reader, False)
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
    finally:
        for one in (reader, writer, number):
            os.close(one)


async def test_what_is_left_over_at_the_end_cannot_be_sent_any_more(pair):
    shared, _peer = pair
    shared.send_now(bytes(5_000_000))
    shared.close()
    for _ in range(2):
        with pytest.raises(trio.ClosedResourceError):
            await shared.send_some()


async def test_a_peer_that_is_gone_is_told_as_such(pair):
    shared, peer = pair
    await peer.aclose()
    with pytest.raises(trio.BrokenResourceError):
        shared.send_now(b"x")


async def test_the_kernel_takes_little_for_a_peer_that_does_not_read():
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    with socket.create_connection(listener.socket.getsockname()) as client:
        shared = SharedSocket(await listener.accept())
        taken = 0
        while shared.send_now(bytes(65_536)):
            taken += 65_536
        assert taken <= client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) + 4 * UNSENT_BYTES, "not megabytes"
        await trio.aclose_forcefully(shared)
    await listener.aclose()
