"""A listener that takes all who wait, not one of them for each turn of the event loop.

Trio accepts one connection a turn. A busy bridge has some dozens of turns a second, so a storm of clients that come back would
take long, and whoever fills the kernel's queue would keep everybody else waiting behind it. So what has queued up is taken
together, and handed out without a checkpoint in between; then the loop turns.
"""

import os
import socket
from collections import deque
from typing import Final

import trio

AT_ONCE: Final = 64
"""Connections taken in one turn: refusing so many takes some milliseconds."""


class EagerListener(trio.abc.Listener[trio.SocketStream]):
    """A `SocketListener` that takes many at once.

    Args:
        listener: the plain one; closed with this.

    Attributes:
        socket: its socket.
    """

    def __init__(self, listener: trio.SocketListener) -> None:
        self.socket = listener.socket
        self._listener = listener
        self._same = socket.socket(fileno=os.dup(listener.socket.fileno()))
        self._same.settimeout(0)
        self._taken: deque[trio.SocketStream] = deque()

    async def accept(self) -> trio.SocketStream:
        """Return the next connection; waits when there is none."""
        if not self._taken:
            self._taken.append(await self._listener.accept())
            self._take_more()
        return self._taken.popleft()

    def _take_more(self) -> None:
        while len(self._taken) < AT_ONCE:
            try:
                connection, _ = self._same.accept()
            except OSError:  # none is left, or the system is at a limit, which the next `accept` will say
                return
            connection.settimeout(0)
            self._taken.append(trio.SocketStream(trio.socket.from_stdlib_socket(connection)))

    async def aclose(self) -> None:
        """Close the listener, and who was taken and not handed out."""
        self._same.close()
        while self._taken:
            await trio.aclose_forcefully(self._taken.popleft())
        await self._listener.aclose()
