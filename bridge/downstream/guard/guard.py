"""The guard: one connection of Hypercorn, held so that no client can end the process, pin a task or fill the memory.

Theory of operation. Hypercorn's `TCPServer` is one connection: it reads, its protocol objects parse, each request is a task.
Stock, an error in any of that leaves the connection and ends the server; its writes are shielded and wait for ever. Here

* the connection runs in a cancel scope of ours, and every error that leaves it is counted and logged, never raised;
* a write waits at most the write deadline for each piece, then we hang up: the socket is closed at once (with a reset, so that
  the kernel keeps nothing), and our scope is cancelled. No lock and no peer is waited for;
* closing politely is one-sided: we end our direction, throw away what still comes for a short while, then close. Closing at
  once would make the kernel send a reset that can overtake our last words;
* a client that has left ends its requests: each app is told, has a short while, and is cancelled.

Everything that touches a private attribute of Hypercorn or Trio is in this folder, but for the seam's (`outlets`);
`tests/downstream/guard/test_guard.py` names each and fails when an upgrade moves it. That is why Hypercorn is pinned exactly.
"""

import msgspec
import trio
from hypercorn.typing import ASGIFramework

from bridge.downstream.guard.connection import CONNECTION_KEY, GuardedConnection
from bridge.downstream.guard.epoll import RationedEpoll
from bridge.downstream.guard.terms import MayErr, Terms, always

__all__ = ["CONNECTION_KEY", "Guard", "GuardStatistics", "GuardedConnection"]


class GuardStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How the connections have fared.

    Attributes:
        connections: open now.
        accepted: ever.
        contained: errors that would have ended the process.
        hung_up: connections closed at once, for whatever reason.
        stalled: of these, because the client did not read.
        unruly: ended with a GOAWAY because the client asked for too much work.
    """

    connections: int
    accepted: int
    contained: int
    hung_up: int
    stalled: int
    unruly: int


class Guard:
    """Serves accepted connections, and knows those that are open.

    Args:
        app: the ASGI app behind them.
        write_deadline_seconds: how long a piece of a write may wait for its client.
        ping_seconds: how often a WebSocket is pinged; None = never.
        epoll: what waits for connections to say something, run by its owner; None = Trio's own.
    """

    def __init__(
        self,
        app: ASGIFramework,
        write_deadline_seconds: float,
        ping_seconds: float | None = None,
        epoll: RationedEpoll | None = None,
    ) -> None:
        self.terms = Terms(app, write_deadline_seconds, ping_seconds, epoll)
        self.live: set[GuardedConnection] = set()
        self.accepted = 0
        self._none_live = trio.Event()

    async def serve(self, stream: trio.abc.Stream, may_err: MayErr = always) -> None:
        """Serve one accepted connection until it ends; raises nothing but a cancellation.

        Args:
            stream: the connection, its TLS handshake not yet done.
            may_err: asked after each request that was refused; False = it was the last one of this connection.
        """
        connection = GuardedConnection(self.terms, stream, may_err)
        self.live.add(connection)
        self.accepted += 1
        try:
            await connection.run()
        finally:
            self.live.discard(connection)
            if not self.live:
                self._none_live.set()
                self._none_live = trio.Event()

    async def drain(self, seconds: float) -> int:
        """Let the connections end: idle ones now, others after their last response; what is left is hung up on, and counted."""
        await self.terms.context.terminated.set()
        for connection in [each for each in self.live if not each.established]:
            connection.hang_up()
        with trio.move_on_after(seconds):
            while self.live:
                await self._none_live.wait()
        left = list(self.live)
        for connection in left:
            connection.hang_up()
        return len(left)

    def statistics(self) -> GuardStatistics:
        """Return the counts."""
        return GuardStatistics(
            connections=len(self.live),
            accepted=self.accepted,
            contained=self.terms.contained,
            hung_up=self.terms.hung_up,
            stalled=self.terms.stalled,
            unruly=self.terms.unruly,
        )
