"""The server: accepts connections, counts them, hands each to the guard, and drains when the house closes.

Drain, in this order: `/readyz` says so (`limits.unready_seconds` ahead, if wished); no more connections are accepted; every
stream says its own goodbye (it watches `house.closing`); idle connections and those whose last response has ended are closed,
HTTP/2 ones with a GOAWAY; what is left after `limits.drain_seconds` is hung up on. `serve` returns when nothing is left.
"""

import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
import structlog
import trio
from hypercorn.typing import ASGIFramework

from bridge.downstream.binds import Listener, bind_problems, open_listeners, parse_bind
from bridge.downstream.certificates import Keyring, read_certificates
from bridge.downstream.contract import House
from bridge.downstream.dispatcher import Dispatcher
from bridge.downstream.guard import Guard, GuardStatistics
from bridge.downstream.origin import Network, is_trusted, plain_address, proxy_networks
from bridge.downstream.settings import LimitSettings
from bridge.errors import ConfigError

UNACKNOWLEDGED_SECONDS: Final = 30
"""How long the kernel waits for a client's machine to confirm what was sent: a cut cable sends no FIN, and heartbeats alone
would fill its buffer for a quarter of an hour."""

__all__ = ["Door", "Listening", "ServerStatistics", "bind_problems", "serve", "serve_app"]

log = structlog.get_logger(__name__)


class ServerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How the server fares.

    Attributes:
        connections: see `GuardStatistics`.
        refused: connections closed at once because there were too many.
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


class Door:
    """Lets connections in as long as there are not too many, in all and from one address.

    Args:
        guard: serves those let in.
        limits: `connections` and `connections_per_address`; 0 = unlimited.
        trusted: our proxies; many clients share their address, so only the total counts for them.
    """

    def __init__(self, guard: Guard, limits: LimitSettings, trusted: Sequence[Network]) -> None:
        self._guard = guard
        self._limits = limits
        self._trusted = trusted
        self._by_address: Counter[str] = Counter()
        self.refused = 0

    def adopt(self, limits: LimitSettings, trusted: Sequence[Network]) -> None:
        """Go by these from the next connection on; see the class."""
        self._limits = limits
        self._trusted = trusted
        self._guard.terms.adopt(limits.write_deadline_seconds, limits.heartbeat_seconds or None)

    async def enter(self, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]) -> None:
        """Serve an accepted connection, or close it."""
        transport = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
        try:
            address = plain_address(transport.socket.getpeername()[0])
            _watch_the_line(transport)
        except OSError:
            return  # it is gone already
        if self._is_full(address):
            self._refuse(address)
            return
        self._by_address[address] += 1
        try:
            await self._guard.serve(stream)
        finally:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _is_full(self, address: str) -> bool:
        total, each = self._limits.connections, self._limits.connections_per_address
        if total and len(self._guard.live) >= total:
            return True
        return bool(each) and self._by_address[address] >= each and not is_trusted(address, self._trusted)

    def _refuse(self, address: str) -> None:
        """Count it; the caller's return closes it. Only the first is logged: the rest are counted."""
        self.refused += 1
        if self.refused == 1:
            log.warning("connection_refused", address=address, reason="too many connections")

    def statistics(self) -> ServerStatistics:
        """Return the counts of now."""
        return ServerStatistics(connections=self._guard.statistics(), refused=self.refused)


def _watch_the_line(transport: trio.SocketStream) -> None:
    """Have the kernel notice a client whose machine vanished."""
    transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with suppress(AttributeError):  # Linux only
        transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000)


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
    guard = Guard(app, house.limits.write_deadline_seconds, house.limits.heartbeat_seconds or None)
    door = Door(guard, house.limits, proxy_networks(house.listen))
    keyring = Keyring(read_certificates(house.listen.certificates)) if house.listen.tls_bind else None
    listeners, urls = await open_listeners(house.listen, keyring)
    _warn_of_plain(house)

    def learn() -> None:
        door.adopt(house.limits, proxy_networks(house.listen))
        if keyring is not None and house.certificates is not None:
            keyring.adopt(house.certificates)

    house.followers.append(learn)
    async with trio.open_nursery() as pumping:
        pumping.start_soon(house.pump.run, house.closing)
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(_accept, door, listeners, connections)
                task_status.started(Listening(urls=tuple(urls), statistics=door.statistics))
                await house.closing.wait()
                accepting.cancel_scope.cancel()
            within = house.limits.drain_seconds
            log.info("draining", streams=len(house.connections), connections=len(guard.live), within_seconds=within)
            log.info("drained", cut=await guard.drain(within))
        pumping.cancel_scope.cancel()


async def _accept(door: Door, listeners: list[Listener], into: trio.Nursery) -> None:
    await trio.serve_listeners(door.enter, listeners, handler_nursery=into)


def _warn_of_plain(house: House) -> None:
    for text in house.listen.bind:
        if not parse_bind(text).loopback:
            log.warning("listening_without_tls", bind=text, hint="tokens travel in the clear; use listen.tls_bind")
