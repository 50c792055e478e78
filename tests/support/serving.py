"""Starts a server on a free port of the loopback: a small ASGI app behind the guard, or a `House`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import trio

from bridge.clock import wall_clock
from bridge.dialects.contract import Endpoint, HttpAnswer
from bridge.downstream.contract import House, ServedDialect
from bridge.downstream.guard.guard import Guard
from bridge.downstream.handlers import Handlers
from bridge.downstream.readiness import FeedReadiness, Readiness
from bridge.downstream.requests.dispatcher import Dispatcher
from bridge.downstream.server import Listening, serve_app
from bridge.downstream.settings import AuthSettings, DialectSettings, LimitSettings, ListenSettings
from bridge.model import Code, FeedName, Retry


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
        await until(lambda: not self.guard.live and not self.nursery.child_tasks)


async def until(condition: Callable[[], bool]) -> None:
    """Return when it holds; for what tells nobody when it changes."""
    while not condition():  # noqa: ASYNC110 - see above
        await trio.sleep(0.005)


async def connect(port: int, receive_buffer: int | None = None) -> trio.SocketStream:
    """Open a connection to the loopback."""
    sock = trio.socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
    try:
        await sock.connect(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
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


class PlainDialect:
    """A dialect that has nothing but a name, endpoints and an error shape: `{"<name>": code}`."""

    def __init__(self, name: str, *endpoints: Endpoint) -> None:
        self.name = name
        self.endpoints = endpoints

    def refusal(
        self, code: Code, message: str, retry: Retry, retry_after_seconds: float | None, status: int
    ) -> HttpAnswer:
        """Spell a refusal; `forbidden` has a status of its own."""
        body = msgspec.json.encode({self.name: code.value, "message": message})
        return HttpAnswer(body=body, status=418 if code is Code.FORBIDDEN else 0)


def plainly(
    name: str, *endpoints: Endpoint, hosts: tuple[str, ...] = (), prefixes: tuple[str, ...] = ("",)
) -> ServedDialect:
    """Serve a `PlainDialect`."""
    nothing: Any = None
    dialect: Any = PlainDialect(name, *endpoints)
    return ServedDialect(
        dialect=dialect,
        symbols=nothing,
        limits=LimitSettings(),
        settings=DialectSettings(hosts=hosts),
        prefixes=prefixes,
    )
