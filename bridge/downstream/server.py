"""The server: accepts connections, hands each to the door and so to the guard, and drains when the house closes.

Drain, in this order: `/readyz` says so (`limits.unready_seconds` ahead, if wished); no more connections are accepted; every
stream says its own goodbye (it watches `house.closing`); idle connections and those whose last response has ended are closed,
HTTP/2 ones with a GOAWAY; what is left after `limits.drain_seconds` is hung up on. `serve` returns when nothing is left.
"""

import select
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import structlog
import trio
from hypercorn.typing import ASGIFramework

from bridge.downstream.access.origin import proxy_networks
from bridge.downstream.contract import House
from bridge.downstream.door.binds import bind_problems, open_listeners, parse_bind
from bridge.downstream.door.certificates import Keyring, read_certificates
from bridge.downstream.door.door import Door
from bridge.downstream.door.eager import EagerListener
from bridge.downstream.fanout.pump import Pump
from bridge.downstream.guard.epoll import RationedEpoll
from bridge.downstream.guard.guard import Guard, GuardStatistics
from bridge.downstream.guard.ration import Ration
from bridge.downstream.requests.dispatcher import Dispatcher
from bridge.errors import ConfigError

__all__ = ["Listening", "ServerStatistics", "bind_problems", "serve", "serve_app"]

log = structlog.get_logger(__name__)


class ServerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How the server fares.

    Attributes:
        connections: see `GuardStatistics`; of those let in.
        refused: see `Door`.
    """

    connections: GuardStatistics
    refused: int


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """What `serve` tells when it listens.

    Attributes:
        urls: where, with the real ports, the plain ones first.
        statistics: returns the counts of now.
    """

    urls: tuple[str, ...]
    statistics: Callable[[], ServerStatistics]


async def serve(house: House, *, task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED) -> None:
    """Bind, tell `Listening`, serve until `house.closing` is set, drain, return.

    Raises:
        ConfigError: something in `[listen]` is wrong, or a port is in use.
    """
    problems = bind_problems(house.listen, house.auth)
    if problems:
        raise ConfigError(*problems)
    await serve_app(house, Dispatcher(house), task_status=task_status)


async def serve_app(
    house: House, app: ASGIFramework, *, task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED
) -> None:
    """As `serve`, with another app behind the guard.

    Raises:
        ConfigError: a port is in use, a certificate cannot be read.
    """
    epoll = RationedEpoll(house.pump.busy) if hasattr(select, "epoll") else None
    guard = Guard(app, house.limits.write_deadline_seconds, house.limits.heartbeat_seconds or None, epoll)
    door = Door(guard, house.limits, proxy_networks(house.listen))
    keyring = Keyring(read_certificates(house.listen.certificates)) if house.listen.tls_bind else None
    listeners, urls = await open_listeners(house.listen, keyring)
    _warn_of_plain(house)

    def learn() -> None:
        door.adopt(house.limits, proxy_networks(house.listen))
        if keyring is not None and house.certificates is not None:
            keyring.adopt(house.certificates)

    def statistics() -> ServerStatistics:
        return ServerStatistics(connections=guard.statistics(), refused=door.refused)

    house.followers.append(learn)
    async with trio.open_nursery() as pumping:
        pumping.start_soon(house.pump.run, house.closing)
        if epoll is not None:
            pumping.start_soon(epoll.run)
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(_accept, door, house.pump, listeners, connections)
                task_status.started(Listening(urls=tuple(urls), statistics=statistics))
                await house.closing.wait()
                accepting.cancel_scope.cancel()
            await door.shut()
            within = house.limits.drain_seconds
            log.info("draining", streams=len(house.connections), connections=len(guard.live), within_seconds=within)
            log.info("drained", cut=await guard.drain(within))
        pumping.cancel_scope.cancel()


async def _accept(door: Door, pump: Pump, listeners: Sequence[EagerListener], into: trio.Nursery) -> None:
    async with trio.open_nursery() as nursery:
        for each in listeners:
            each.admits, each.ration = door.admits, Ration(pump.busy)
            enter = partial(door.enter, tls=each.tls)
            nursery.start_soon(partial(trio.serve_listeners, enter, [each], handler_nursery=into))


def _warn_of_plain(house: House) -> None:
    for text in house.listen.bind:
        if not parse_bind(text).loopback:
            log.warning("listening_without_tls", bind=text, hint="tokens travel in the clear; use listen.tls_bind")
