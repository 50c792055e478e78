"""Connections that have queued up are taken together."""

import socket

import trio

from bridge.downstream.eager import AT_ONCE, EagerListener


async def listening() -> tuple[EagerListener, int]:
    plain = (await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=256))[0]
    return EagerListener(plain), plain.socket.getsockname()[1]


async def test_turns_before_all_have_come_are_few():
    """Trio's own listener takes as many turns as there are connections."""
    with trio.fail_after(20):
        listener, port = await listening()
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(AT_ONCE)]
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            streams = [await listener.accept() for _ in waiting]
            nursery.cancel_scope.cancel()
        assert turns < 10
        for each in [*streams, listener]:
            await each.aclose()
        for each in waiting:
            each.close()


async def test_who_was_taken_and_not_handed_out_is_closed_with_the_listener():
    with trio.fail_after(20):
        listener, port = await listening()
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        first = await listener.accept()
        await listener.aclose()
        assert waiting[2].recv(1) == b""
        await first.aclose()
        for each in waiting:
            each.close()
