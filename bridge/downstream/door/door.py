"""The door: lets connections in while there are not too many, in all, from one address and of one address in a second.

Who comes too often is closed at once: that costs an accept. A request that is refused (a guessed token, say) counts as a
connection, so that a guesser's connections are closed and it cannot come again faster than an address may. Who comes when the
house is full is told so, with when to come back, as long as few are: an answer takes a handshake and a request to be read. These
few are beside `limits.connections`, so that they never wait for a place. Our own files (feeds, logs) keep a share of what the
system allows.
"""

import os
import socket
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
import trio
from hypercorn.typing import ASGIFramework

from bridge.downstream.access.origin import Network, is_trusted, plain_address
from bridge.downstream.door.visitors import Pace, Visitors, household
from bridge.downstream.goodbyes import GOODBYES
from bridge.downstream.guard.guard import CONNECTION_KEY, Guard
from bridge.downstream.requests.answers import answer_http, plain_refusal, refuse_websocket
from bridge.downstream.settings import LimitSettings
from bridge.model import Code

UNACKNOWLEDGED_SECONDS: Final = 30
"""How long the kernel waits for a client's machine to confirm what was sent: a cut cable sends no FIN, and heartbeats alone
would fill its buffer for a quarter of an hour."""

REFUSALS_AT_ONCE: Final = 64
REFUSALS_PER_SECOND: Final = 50
"""How many are told that the house is full; the rest are closed without a word."""

REFUSAL_SECONDS: Final = 2.0
"""How long one who is to be refused may take for its handshake, and again for its request."""

OWN_FILES: Final = 256
"""What feeds, logs, listeners and refusals may have open beside the connections let in."""

log = structlog.get_logger(__name__)


class Door:
    """Lets connections in, or refuses them.

    Args:
        guard: serves those let in.
        limits: `connections`, `connections_per_address` and `arrivals_per_address_per_second`; 0 = unlimited.
        trusted: our proxies; many clients share their address, so only the total counts for them.

    Attributes:
        refused: connections closed because there were too many.
    """

    def __init__(self, guard: Guard, limits: LimitSettings, trusted: Sequence[Network]) -> None:
        self._guard = guard
        self._visitors = Visitors()
        self._refusals = {code: _refusing(code) for code in (Code.OVERLOADED, Code.TOO_MANY_CONNECTIONS)}
        self._refusal_pace = Pace(trio.current_time(), REFUSALS_PER_SECOND)
        self.refused = 0
        self.adopt(limits, trusted)

    def adopt(self, limits: LimitSettings, trusted: Sequence[Network]) -> None:
        """Go by these from the next connection on; see the class."""
        self._limits = limits
        self._most = most_connections(limits.connections)
        self._trusted = trusted
        self._guard.terms.adopt(limits.write_deadline_seconds, limits.heartbeat_seconds or None)

    def admits(self, host: str) -> bool:
        """Whether who calls from this address may come now; else it is counted as refused."""
        address = plain_address(host)
        if is_trusted(address, self._trusted) or self._may_arrive(household(address)):
            return True
        self._count(address, "too often")
        return False

    def _may_arrive(self, home: str) -> bool:
        return self._visitors.arrives(home, trio.current_time(), self._limits)

    async def enter(self, stream: trio.SocketStream, tls: ssl.SSLContext | None = None) -> None:
        """Serve a connection that was admitted, over TLS if there is a context for it, or refuse it."""
        try:
            address = plain_address(stream.socket.getpeername()[0])
        except OSError:
            stream.socket.close()  # it is gone already
            return
        home = household(address)
        trusted = is_trusted(address, self._trusted)
        reason = self._too_many(home, trusted=trusted)
        if reason is not None:
            self._count(address, reason)
            await self._refuse(stream, tls, reason)
            return
        _watch_the_line(stream)

        def may_err() -> bool:
            return trusted or self._may_arrive(home)

        self._visitors.come(home)
        try:
            await self._guard.serve(_secured(stream, tls), may_err)
        finally:
            self._visitors.leave(home)

    def _too_many(self, home: str, *, trusted: bool) -> Code | None:
        if len(self._guard.live) >= self._most:
            return Code.OVERLOADED
        each = self._limits.connections_per_address
        return Code.TOO_MANY_CONNECTIONS if each and not trusted and self._visitors.open(home) >= each else None

    async def _refuse(self, stream: trio.SocketStream, tls: ssl.SSLContext | None, reason: Code) -> None:
        """Tell it why and when to come back, if few are being told."""
        now = trio.current_time()
        telling = sum(len(guard.live) for guard in self._refusals.values())
        if telling < REFUSALS_AT_ONCE and self._refusal_pace.take(now, REFUSALS_PER_SECOND, REFUSALS_PER_SECOND):
            await self._refusals[reason].serve(_secured(stream, tls))
        else:
            stream.socket.close()

    def _count(self, address: str, reason: Code | str) -> None:
        """Only the first is logged: the rest are counted."""
        self.refused += 1
        if self.refused == 1:
            few_files = reason is Code.OVERLOADED and self._most < (self._limits.connections or sys.maxsize)
            hint = {"hint": "the process may open no more files; see ulimit -n"} if few_files else {}
            log.warning("connection_refused", address=address, reason=reason, connections=len(self._guard.live), **hint)

    async def shut(self) -> None:
        """Hang up on those who are being refused."""
        for guard in self._refusals.values():
            await guard.drain(0)


def _refusing(code: Code) -> Guard:
    """Return what tells everybody the same and closes: over TLS, HTTP/2 and to WebSockets too."""
    wait = GOODBYES[code].retry_after_seconds or 1
    message = f"too many connections; come back in {wait:g} seconds"
    answer = plain_refusal(code, message, None, ("retry-after", f"{wait:g}"))

    async def refuse(scope: Any, _: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's events are dicts of many shapes
        scope["state"][CONNECTION_KEY].retire()
        await (refuse_websocket if scope["type"] == "websocket" else answer_http)(send, answer)

    app: ASGIFramework = refuse
    guard = Guard(app, REFUSAL_SECONDS)
    guard.terms.first_request_seconds = guard.terms.idle_seconds = REFUSAL_SECONDS
    return guard


def most_connections(limit: int) -> int:
    """Return how many connections may be open: the limit (0 = unlimited), as far as the system lets us have files."""
    files = os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else -1
    wanted = limit or sys.maxsize
    return wanted if files < 0 else min(wanted, max(1, files - OWN_FILES))  # below 0: the system knows no bound


def _secured(
    stream: trio.SocketStream, tls: ssl.SSLContext | None
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    """Return the connection as what is spoken over it; only now, for TLS takes memory before its first byte."""
    return stream if tls is None else trio.SSLStream(stream, tls, server_side=True, https_compatible=True)


def _watch_the_line(stream: trio.SocketStream) -> None:
    """Have the kernel notice a client whose machine vanished."""
    with suppress(OSError):  # it is gone already, as its first read will say
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with suppress(AttributeError, OSError):  # Linux only
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000)
