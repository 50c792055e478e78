"""A faulty network: a TCP proxy on real sockets between two parties, which drops, swallows or refuses on command.

It knows no protocol. Everything passes until it is told otherwise; what was dropped stays dropped, and a party that comes back
gets through again unless new connections are refused or swallowed.
"""

import enum
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

CHUNK_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class End(enum.Enum):
    """How a connection is dropped, as its peers see it."""

    FIN = "fin"
    RST = "rst"


class FaultProxy:
    """Made by `fault_proxy`.

    Attributes:
        port: where it listens, on 127.0.0.1.
        black_hole: while true, bytes are read and vanish; connections stay open. What vanished does not come back.
        refusing: while true, new connections are reset as soon as they are made.
        accepted: how many connections were let through so far.
        target_port: where new connections lead, on 127.0.0.1.
    """

    def __init__(self, port: int, target_port: int) -> None:
        self.port = port
        self.black_hole = False
        self.refusing = False
        self.accepted = 0
        self.target_port = target_port
        self._open: dict[trio.CancelScope, list[trio.SocketStream]] = {}

    def __repr__(self) -> str:
        return f"<FaultProxy {self.port} -> {self.target_port}, {len(self._open)} open>"

    @property
    def url(self) -> str:
        """Where to connect instead of to the target."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    def drop(self, how: End = End.RST) -> int:
        """Drop every open connection, toward both sides, at once; return how many there were."""
        dropped = list(self._open.items())
        for scope, streams in dropped:
            for stream in streams:
                if how is End.RST:
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                stream.socket.close()
            scope.cancel()
        return len(dropped)

    async def serve(self, client: trio.SocketStream) -> None:
        """Carry one connection until either side ends it or it is dropped."""
        if self.refusing:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            await trio.aclose_forcefully(client)
            return
        try:
            target = await trio.open_tcp_stream("127.0.0.1", self.target_port)
        except OSError:
            return
        self.accepted += 1
        with trio.CancelScope() as scope:
            self._open[scope] = [client, target]
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._carry, client, target, nursery)
                    nursery.start_soon(self._carry, target, client, nursery)
            finally:
                del self._open[scope]
                await trio.aclose_forcefully(target)

    async def _carry(self, source: trio.SocketStream, sink: trio.SocketStream, both: trio.Nursery) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await source.receive_some(CHUNK_BYTES):
                if not self.black_hole:
                    await sink.send_all(data)
            await sink.send_eof()
            return
        both.cancel_scope.cancel()


@asynccontextmanager
async def fault_proxy(target_port: int) -> AsyncIterator[FaultProxy]:
    """Run a proxy in front of 127.0.0.1:`target_port` until the block ends; it need not be up yet."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    proxy = FaultProxy(listener.socket.getsockname()[1], target_port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
        yield proxy
        nursery.cancel_scope.cancel()
