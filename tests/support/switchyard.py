"""A way to a party on real sockets in which single paths can be closed: whoever asks for such a path is hung up on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

CHUNK_BYTES = 65_536


class Switchyard:
    """Made by `switchyard`.

    Attributes:
        url: where to connect instead of to the party.
        asked: the paths asked for, in order, closed or not.
    """

    def __init__(self, port: int, target_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []
        self._target_port = target_port
        self._closed: set[str] = set()
        self._open: dict[trio.CancelScope, str] = {}

    def close(self, path: str) -> None:
        """Hang up on who uses a path, and on who asks for it from now on."""
        self._closed.add(path)
        for scope, used in list(self._open.items()):
            if used == path:
                scope.cancel()

    def reopen(self, path: str) -> None:
        """Let a path through again."""
        self._closed.discard(path)

    async def serve(self, client: trio.SocketStream) -> None:
        """Carry one connection until either side ends it or its path is closed."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError), trio.CancelScope() as scope:
            head = b""
            while b"\r\n" not in head:
                data = await client.receive_some(CHUNK_BYTES)
                if not data:
                    return
                head += data
            path = head.split(b" ", 2)[1].decode().partition("?")[0]
            self.asked.append(path)
            if path in self._closed:
                return
            self._open[scope] = path
            try:
                await self._carry(client, head)
            finally:
                del self._open[scope]

    async def _carry(self, client: trio.SocketStream, head: bytes) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", self._target_port) as target, trio.open_nursery() as nursery:
            await target.send_all(head)

            async def carry(source: trio.SocketStream, sink: trio.SocketStream) -> None:
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    while data := await source.receive_some(CHUNK_BYTES):
                        await sink.send_all(data)
                nursery.cancel_scope.cancel()

            nursery.start_soon(carry, client, target)
            nursery.start_soon(carry, target, client)


@asynccontextmanager
async def switchyard(target_port: int) -> AsyncIterator[Switchyard]:
    """Run one in front of 127.0.0.1:`target_port` until the block ends."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    yard = Switchyard(listener.socket.getsockname()[1], target_port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, yard.serve, [listener])
        yield yard
        nursery.cancel_scope.cancel()
