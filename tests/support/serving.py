"""Starts a server on a free port of the loopback, with a small ASGI app or a whole `House`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from bridge.downstream.guard import Guard


@dataclass(frozen=True)
class Served:
    """A guarded app that listens."""

    guard: Guard
    port: int
    nursery: trio.Nursery

    async def connect(self, receive_buffer: int | None = None) -> trio.SocketStream:
        """Open a connection; `receive_buffer` bytes make a client whose kernel takes little."""
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", self.port))
        return trio.SocketStream(sock)


@asynccontextmanager
async def guarded(
    app: Any, *, write_deadline_seconds: float = 10, ssl_context: Any = None, **terms: Any
) -> AsyncIterator[Served]:
    """Serve an ASGI app behind the guard; `terms` are attributes of its `Terms` to change."""
    guard = Guard(app, write_deadline_seconds)
    for name, value in terms.items():
        setattr(guard.terms, name, value)
    async with trio.open_nursery() as nursery:
        listeners: list[Any] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        if ssl_context is not None:
            listeners = [trio.SSLListener(listeners[0], ssl_context, https_compatible=True)]
        connections = await nursery.start(_hold)
        await nursery.start(partial(trio.serve_listeners, guard.serve, listeners, handler_nursery=connections))
        yield Served(guard=guard, port=port, nursery=connections)
        nursery.cancel_scope.cancel()


async def _hold(task_status: trio.TaskStatus[trio.Nursery] = trio.TASK_STATUS_IGNORED) -> None:
    """A nursery for connections alone, so that `child_tasks` counts them."""
    async with trio.open_nursery() as nursery:
        task_status.started(nursery)
        await trio.sleep_forever()
