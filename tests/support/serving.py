"""Starts a server on a free port of the loopback: a small ASGI app behind the guard, or a `House`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio

from bridge.clock import wall_clock
from bridge.downstream.contract import FeedReadiness, House, Readiness
from bridge.downstream.dispatcher import Dispatcher
from bridge.downstream.guard import Guard
from bridge.downstream.handlers import Handlers
from bridge.downstream.server import Listening, serve_app
from bridge.downstream.settings import AuthSettings, LimitSettings, ListenSettings
from bridge.model import FeedName


@dataclass(frozen=True)
class Served:
    """A guarded app that listens. `nursery` holds one task a connection and nothing else."""

    guard: Guard
    port: int
    nursery: trio.Nursery
    clients: list[trio.SocketStream] = field(default_factory=list)

    async def connect(self, receive_buffer: int | None = None) -> trio.SocketStream:
        """Open a connection, closed at the end; `receive_buffer` bytes make a client whose kernel takes little."""
        self.clients.append(await connect(self.port, receive_buffer))
        return self.clients[-1]

    async def none_live(self) -> None:
        """Return when no connection and no task of one is left."""
        while self.guard.live or self.nursery.child_tasks:  # noqa: ASYNC110 - a nursery tells nobody when a task ends
            await trio.sleep(0.005)


async def connect(port: int, receive_buffer: int | None = None) -> trio.SocketStream:
    """Open a connection to the loopback."""
    sock = trio.socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
    await sock.connect(("127.0.0.1", port))
    return trio.SocketStream(sock)


@asynccontextmanager
async def guarded(app: Any, *, deadline: float = 10, ssl_context: Any = None, **terms: Any) -> AsyncIterator[Served]:
    """Serve an ASGI app behind the guard; `deadline` is for writes, `terms` are attributes of its `Terms` to change."""
    guard = Guard(app, deadline)
    for name, value in terms.items():
        setattr(guard.terms, name, value)
    async with trio.open_nursery() as nursery:
        listeners: list[Any] = list(await trio.open_tcp_listeners(0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        if ssl_context is not None:
            listeners = [trio.SSLListener(listeners[0], ssl_context, https_compatible=True)]
        connections = await nursery.start(_hold)
        await nursery.start(partial(trio.serve_listeners, guard.serve, listeners, handler_nursery=connections))
        served = Served(guard=guard, port=port, nursery=connections)
        try:
            yield served
        finally:
            for client in served.clients:
                await trio.aclose_forcefully(client)
        nursery.cancel_scope.cancel()


async def _hold(task_status: trio.TaskStatus[trio.Nursery] = trio.TASK_STATUS_IGNORED) -> None:
    async with trio.open_nursery() as nursery:
        task_status.started(nursery)
        await trio.sleep_forever()


def small_house(**parts: Any) -> House:
    """A house without hub, feeds and dialects, for what looks at none of them; `parts` replace its fields."""
    nothing: Any = None
    defaults: dict[str, Any] = {
        "hub": nothing,
        "clock": wall_clock,
        "ask": nothing,
        "resolve": nothing,
        "readiness": lambda: Readiness(
            ready=True, feeds=(FeedReadiness(feed=FeedName("sample"), status="live", wanted=True),)
        ),
        "listen": ListenSettings(bind=("127.0.0.1:0",)),
        "auth": AuthSettings(mode="none"),
        "limits": LimitSettings(drain_seconds=1, write_deadline_seconds=1),
        "served": (),
        "admission": nothing,
    }
    return House(**{**defaults, **parts})


@asynccontextmanager
async def opened(house: House, handlers: Handlers | None = None) -> AsyncIterator[Listening]:
    """Serve a house until the block ends, then close it and wait for its drain."""
    async with trio.open_nursery() as nursery:
        app = Dispatcher(house, handlers)
        listening: Listening = await nursery.start(partial(serve_app, house, app))
        yield listening
        house.closing.set()


def port_of(listening: Listening, index: int = 0) -> int:
    """The port of one of its URLs."""
    return int(listening.urls[index].rpartition(":")[2])
