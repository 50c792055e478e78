"""The guard's part 6: one connection. `guard` has the theory of operation."""

import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final, cast

import structlog
import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H2ProtocolAssumedError, H11WSConnection
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from bridge.downstream.failures import described
from bridge.downstream.guard.frames import let_go
from bridge.downstream.guard.h2 import GuardedH2
from bridge.downstream.guard.h11 import GuardedH11
from bridge.downstream.guard.socket import SharedSocket
from bridge.downstream.guard.tasks import DISCONNECT_GRACE_SECONDS, AppTasks
from bridge.downstream.guard.terms import MayErr, Terms, always

CONNECTION_KEY: Final = "bridge.connection"
"""Where an app finds its connection in `scope["state"]`."""

LINGER_SECONDS: Final = 2.0
"""How long we go on throwing away what a client sends after our last word to it."""

READ_BYTES: Final = 1_024
"""What is taken of one client before others have a turn: the headers of most requests, or sixty of HTTP/2's smallest frames."""

PIECE_BYTES: Final = 65_536
"""What must be taken within one write deadline; so a slow reader that reads is not cut, whatever the size of a message."""

END_SECONDS: Final = 1.0
"""What is left of a connection whose client has gone may take this long, then it is cancelled."""

STALLED_SECONDS: Final = 0.5
"""How long a client that let its last HTTP/2 stream stall may take to ask for something else."""

log = structlog.get_logger(__name__)


class GuardedConnection(TCPServer):
    """One connection; also the `PeerConnection` that its apps find under `CONNECTION_KEY`."""

    def __init__(self, terms: Terms, stream: trio.abc.Stream, may_err: MayErr = always) -> None:
        if isinstance(stream, trio.SSLStream):
            self.socket = stream.transport_stream = SharedSocket(stream.transport_stream, terms.epoll)
        else:
            self.socket = stream = SharedSocket(cast("trio.SocketStream", stream), terms.epoll)
        super().__init__(terms.app, terms.config, terms.context, {}, cast("Any", stream))
        self.terms = terms
        self.may_err = may_err
        self.established = False
        self._scope = trio.CancelScope()
        self._reading = trio.CancelScope()
        self._lingering = False
        self._hung_up = False
        self._stalled = False
        self._retired = False
        self._idle_seconds = terms.first_request_seconds

    def __repr__(self) -> str:
        return f"<GuardedConnection {'hung up' if self._hung_up else 'open'}>"

    def hang_up(self) -> None:
        """Close at once, without waiting for the peer or for any lock; every task of the connection is cancelled."""
        if self._hung_up:
            return
        self._hung_up = True
        self.terms.hung_up += 1
        kernel = self.socket.socket
        with contextlib.suppress(OSError):  # the peer may be gone already
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self._scope.cancel()

    def retire(self) -> None:
        """Close in order once nothing is open on it any more; HTTP/2 with a GOAWAY."""
        self._retired = True

    def welcome(self) -> None:
        """It is no stranger now: its windows and pongs do not wait for those who come; an HTTP/1 stream says nothing more."""
        protocol = self.protocol.protocol
        if isinstance(protocol, GuardedH2) or isinstance(protocol.connection, H11WSConnection):
            self.socket.welcome()

    def stalled(self) -> None:
        """A stream is reset because its client took nothing of it; one that does nothing else either is soon hung up on."""
        self._stalled = True

    async def run(self) -> None:
        """Serve until the end, keeping every error here."""
        try:
            with self._scope:
                await self._handshake_and_serve()
        except* OSError:
            pass  # the peer went away at some point where nobody expected it
        except* Exception as group:  # noqa: BLE001 - whatever it is, it must not end the server; counted and logged
            self._contain(group)
        finally:
            await trio.aclose_forcefully(self.stream)
            self._let_go()

    def _let_go(self) -> None:
        """Break the circles: what has ended is then freed at once, and not by a collection, which is a pause for all."""
        vars(self).pop("_task_group", None)
        if isinstance(self.stream, trio.SSLStream):
            vars(self.stream).pop("_handshook", None)
        protocol = vars(self).pop("protocol", None)
        if protocol is not None and isinstance(protocol.protocol, GuardedH2):
            let_go(protocol.protocol.connection)

    def _contain(self, group: BaseExceptionGroup[Exception]) -> None:
        """Count an error and log it."""
        self.terms.contained += 1
        log.warning("connection_error_contained", errors=described(group))

    async def _handshake_and_serve(self) -> None:
        alpn = "http/1.1"
        if isinstance(self.stream, trio.SSLStream):
            with trio.move_on_after(self.terms.first_request_seconds) as patience:
                try:
                    await self.stream.do_handshake()
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
            if patience.cancelled_caught:
                return
            alpn = self.stream.selected_alpn_protocol() or alpn
        self.established = True
        async with trio.open_nursery() as nursery:
            tasks = AppTasks(nursery, self.terms.write_deadline_seconds, self.hang_up)
            self._task_group = tasks
            self.protocol = GuardedProtocol(self, tasks, alpn)
            await self.protocol.initiate()
            await self.idle_task.restart(tasks, self._idle_timeout)
            await self._read_data()
            await self.idle_task.stop()
            self._scope.deadline = trio.current_time() + DISCONNECT_GRACE_SECONDS + END_SECONDS

    async def _read_data(self) -> None:
        with self._reading:
            while True:
                try:
                    data = await self.stream.receive_some(MAX_RECV if self._lingering else READ_BYTES)
                except (trio.ClosedResourceError, trio.BrokenResourceError):
                    break
                if not self._lingering:
                    await self.protocol.handle(RawData(bytes(data)))
                if not data:
                    break
        await self.protocol.handle(Closed())

    async def protocol_send(self, event: Event) -> None:
        """Take what the protocol has for the socket, or says of the connection."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Closed):
            await self._close_politely()
        elif isinstance(event, Updated):
            await self._on_idle(idle=event.idle)

    async def _write(self, data: bytes) -> None:
        async with self.send_lock:
            for piece in _pieces(data):
                if not await self._patiently(partial(self.stream.send_all, piece)):
                    return

    async def _patiently(self, write: Callable[[], Awaitable[None]]) -> bool:
        """Let the client take something, or hang up on it; return whether it did."""
        with trio.move_on_after(self.terms.write_deadline_seconds, shield=True) as patience:
            try:
                await write()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._reading.cancel()  # the peer is gone: the reader ends what there is
                return False
        if patience.cancelled_caught:
            self.terms.stalled += 1
            self.hang_up()
        return not patience.cancelled_caught

    async def _close_politely(self) -> None:
        if not self._lingering:
            self._lingering = True
            self._reading.deadline = trio.current_time() + LINGER_SECONDS
            async with self.send_lock:
                await self._patiently(self.socket.send_eof)
        await self.protocol.handle(Closed())

    async def _on_idle(self, *, idle: bool) -> None:
        if idle:
            await self.idle_task.restart(self._task_group, self._idle_timeout)
        else:
            self._idle_seconds = self.terms.idle_seconds
            self._stalled = False
            await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        seconds = 0.0 if self._retired else STALLED_SECONDS if self._stalled else self._idle_seconds
        with trio.move_on_after(seconds) as patience:
            await self.context.terminated.wait()
        if self._stalled and patience.cancelled_caught:
            self.terms.stalled += 1
            self.hang_up()
            return
        with trio.CancelScope(shield=True):  # a request that comes now comes too late
            await self._initiate_server_close()

    async def _initiate_server_close(self) -> None:
        if isinstance(self.protocol.protocol, GuardedH2):
            await self.protocol.protocol.say_goodbye()
        await self._close_politely()


class GuardedProtocol(ProtocolWrapper):
    """Hypercorn's choice between HTTP/1.1 and HTTP/2 (by ALPN or by prior knowledge), of the guarded kinds."""

    def __init__(self, connection: GuardedConnection, tasks: AppTasks, alpn: str) -> None:
        kernel = connection.socket.socket
        self._connection = connection
        super().__init__(
            connection.app,
            connection.config,
            connection.context,
            tasks,
            ConnectionState({CONNECTION_KEY: connection}),
            isinstance(connection.stream, trio.SSLStream),
            parse_socket_addr(kernel.family, kernel.getpeername()),
            parse_socket_addr(kernel.family, kernel.getsockname()),
            connection.protocol_send,
            alpn,
        )
        if isinstance(self.protocol, H2Protocol):
            let_go(self.protocol.connection)
            self.protocol = self._h2()
        else:
            self.protocol = GuardedH11(*self._parts(), may_err=connection.may_err)

    def _parts(self) -> tuple[Any, ...]:
        return (
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.state,
            self.ssl,
            self.client,
            self.server,
            self.send,
        )

    def _h2(self) -> GuardedH2:
        seconds = self._connection.terms.write_deadline_seconds
        connection = self._connection
        return GuardedH2(
            *self._parts(),
            patience_seconds=seconds,
            stalled=connection.stalled,
            unruly=connection.terms.on_unruly,
            may_err=connection.may_err,
        )

    async def handle(self, event: Event) -> None:
        """Take what came from the socket; the preface of HTTP/2 changes the protocol."""
        try:
            await self.protocol.handle(event)
        except H2ProtocolAssumedError as assumed:
            self.protocol = self._h2()
            await self.protocol.initiate()
            await self.protocol.handle(RawData(assumed.data))


def _pieces(data: bytes) -> Iterator[bytes]:
    if len(data) <= PIECE_BYTES:
        yield data
        return
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]
