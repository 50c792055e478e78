"""The faulty network does what it is told, so that a test which finds no fault found none in the bridge."""

from contextlib import asynccontextmanager, suppress

import pytest
import trio

from tests.support.faults import End, fault_proxy


@asynccontextmanager
async def echoing():
    """A proxy before a server that sends back what it is sent; yields it and a way to connect through it."""

    async def echo(stream):
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                await stream.send_all(data)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, echo, [listener])
        async with fault_proxy(listener.socket.getsockname()[1]) as proxy:
            clients = []

            async def connect():
                clients.append(await trio.open_tcp_stream("127.0.0.1", proxy.port))
                return clients[-1]

            with trio.fail_after(10):
                yield proxy, connect
            for client in clients:
                await trio.aclose_forcefully(client)
        nursery.cancel_scope.cancel()


async def exchange(client, data):
    await client.send_all(data)
    return bytes(await client.receive_some())


async def connected(connect):
    client = await connect()
    assert await exchange(client, b"hello") == b"hello"
    return client


async def test_everything_passes_and_an_end_passes_too():
    async with echoing() as (proxy, connect):
        client = await connected(connect)
        assert (proxy.accepted, proxy.open_connections) == (1, 1)
        await client.send_eof()
        assert await client.receive_some() == b""
        while proxy.open_connections:  # noqa: ASYNC110 - plain state
            await trio.sleep(0.01)


async def test_a_drop_is_an_end_or_a_reset_and_the_next_connection_is_good():
    async with echoing() as (proxy, connect):
        client, other = await connected(connect), await connected(connect)
        assert proxy.drop(End.FIN) == 2
        assert await client.receive_some() == b""
        assert await other.receive_some() == b""
        client = await connected(connect)
        assert proxy.drop(End.RST) == 1
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
        await connected(connect)


async def test_a_black_hole_swallows_and_stays_open_and_refusing_resets():
    async with echoing() as (proxy, connect):
        client = await connected(connect)
        proxy.black_hole = True
        with trio.move_on_after(0.2) as silence:
            await exchange(client, b"lost")
        assert silence.cancelled_caught
        proxy.black_hole, proxy.refusing = False, True
        assert await exchange(client, b"heard") == b"heard"
        refused = await connect()
        with pytest.raises(trio.BrokenResourceError):
            await refused.receive_some()
