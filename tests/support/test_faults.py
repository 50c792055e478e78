"""The faulty network does what it is told, so that a test which finds no fault found none in the bridge."""

from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing

from tests.support.fault import (
    Blurt,
    Duplicate,
    End,
    Garbage,
    HalfClose,
    Late,
    LetIn,
    Mute,
    Refuse,
    Reorder,
    Trickle,
    Truncate,
    Unanswered,
    Way,
    answer,
)
from tests.support.faults import fault_proxy, faulty_pair


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


FAULTS = [
    (Late(5, chunks=2), [b"one", b"two"], b"onetwo"),
    (Trickle(4, 0.5), [b"one", b"two"], b"onetwo"),
    (Duplicate(), [b"one", b"two"], b"oneonetwo"),
    (Reorder(), [b"one", b"two", b"three"], b"twoonethree"),
    (Garbage(b"?"), [b"one", b"two"], b"?onetwo"),
    (Mute(), [b"one", b"two"], b""),
]


@pytest.mark.parametrize(("fault", "said", "heard"), FAULTS, ids=lambda value: type(value).__name__)
async def test_in_memory_a_fault_does_to_the_bytes_what_it_says(fault, said, heard, autojump_clock):
    async with faulty_pair() as (dialler, target, wire):
        wire.strike(fault)
        got = b""

        async def read():
            nonlocal got
            async for data in dialler:
                got += data

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for chunk in said:
                await target.send_all(chunk)
                await trio.testing.wait_all_tasks_blocked()
            await trio.sleep(60)
            assert got == heard
            await dialler.send_all(b"the other way is untouched")
            assert await target.receive_some() == b"the other way is untouched"
            nursery.cancel_scope.cancel()


async def test_in_memory_late_and_trickle_take_their_time(autojump_clock):
    async with faulty_pair() as (dialler, target, wire):
        wire.strike(Late(5))
        await target.send_all(b"late")
        assert await dialler.receive_some() == b"late"
        assert trio.current_time() == 5
        wire.strike(Trickle(3, 2))
        await target.send_all(b"slow")
        assert [await dialler.receive_some() for _ in "slow"] == [b"s", b"l", b"o", b"w"]
        assert trio.current_time() == 11


@pytest.mark.parametrize("way", Way)
async def test_half_of_a_connection_ends_and_the_other_half_goes_on(way):
    async with faulty_pair() as (dialler, target, wire):
        near, far = (dialler, target) if way is Way.DOWN else (target, dialler)
        wire.strike(HalfClose(), way)
        assert await near.receive_some() == b""
        await near.send_all(b"still here")
        assert await far.receive_some() == b"still here"
    async with echoing() as (proxy, connect):
        client = await connected(connect)
        proxy.strike(HalfClose(), way)
        assert await client.receive_some() == b""


async def test_a_cut_in_the_middle_lets_so_many_bytes_through():
    async with faulty_pair() as (dialler, target, wire):
        wire.strike(Truncate(5))
        await target.send_all(b"one")
        await target.send_all(b"two")
        assert b"".join([bytes(await dialler.receive_some(1)) for _ in "onetw"]) == b"onetw"
        assert await dialler.receive_some() == b""
    async with echoing() as (proxy, connect):
        client = await connected(connect)
        proxy.strike(Truncate(3))
        assert await exchange(client, b"abcdef") == b"abc"
        assert await client.receive_some() == b""


async def test_what_waits_at_the_door_happens_once_each_and_in_order():
    async with echoing() as (proxy, connect):
        proxy.door.extend(
            [Refuse(), answer("429 Too Many Requests", "Retry-After: 7"), Blurt(b"no TLS here"), Unanswered()]
        )
        with pytest.raises(trio.BrokenResourceError):
            await (await connect()).receive_some()
        client = await connect()
        assert (await exchange(client, b"GET / HTTP/1.1\r\n\r\n")).startswith(
            b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7"
        )
        assert await client.receive_some() == b""
        assert await (await connect()).receive_some() == b"no TLS here"
        with trio.move_on_after(0.2) as silence:
            await exchange(await connect(), b"anybody?")
        assert silence.cancelled_caught
        proxy.door.append(LetIn(Trickle(2, 0.01), Way.DOWN))
        client = await connect()
        assert await exchange(client, b"hello") == b"h"
