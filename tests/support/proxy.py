"""An HTTP proxy that knows only CONNECT, for tests; it imports nothing of ours and notes what it was asked."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import trio


class Tunnels:
    """A listening CONNECT proxy.

    Attributes:
        port: where it listens on 127.0.0.1.
        heads: what it was asked, byte for byte.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.heads: list[bytes] = []


@asynccontextmanager
async def open_proxy(
    refusal: bytes | Callable[[bytes], bytes | None] | None = None, *, dial_port: int | None = None
) -> AsyncIterator[Tunnels]:
    """Listen as an HTTP proxy that knows only CONNECT.

    Args:
        refusal: answered instead of opening a tunnel; a function is asked with the head, None = open it.
        dial_port: the loopback port that every tunnel leads to, whatever host was asked for; None = the port asked for.
    """
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        tunnels = Tunnels(listeners[0].socket.getsockname()[1])

        async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async for data in source:
                    await sink.send_all(data)
            await trio.aclose_forcefully(sink)
            await trio.aclose_forcefully(source)

        async def handle(client: trio.SocketStream) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                more = await client.receive_some()
                if not more:
                    return
                head += more
            tunnels.heads.append(head)
            said = refusal(head) if callable(refusal) else refusal
            if said is not None:
                await client.send_all(said)
                return
            port = dial_port or int(head.split(b" ")[1].rpartition(b":")[2])
            server = await trio.open_tcp_stream("127.0.0.1", port)
            await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with trio.open_nursery() as pumps:
                pumps.start_soon(pump, client, server)
                pumps.start_soon(pump, server, client)

        async def serve() -> None:
            await trio.serve_listeners(handle, listeners)

        nursery.start_soon(serve)
        yield tunnels
        nursery.cancel_scope.cancel()
