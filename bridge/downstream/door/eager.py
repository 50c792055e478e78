"""A listener that takes several of those who wait, not one of them for each turn of the event loop.

Trio accepts one connection a turn. A busy bridge has some dozens of turns a second, so a storm of clients that come back would
take long, and whoever fills the kernel's queue would keep everybody else waiting behind it. So in each turn the queue is gone
through: who may not come is closed at once, which costs next to nothing, and as many others are taken as the ration allows.
"""

import errno
import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from bridge.downstream.guard.ration import Ration

LOOKED_AT: Final = 16
"""Connections of which it is asked in one turn whether they may come: closing so many takes half a millisecond."""

_NO_MORE_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class EagerListener(trio.abc.Listener[trio.SocketStream]):
    """A `SocketListener` that takes many at once.

    Args:
        listener: the plain one; closed with this.
        tls: what those who come are to speak; None = no TLS.

    Attributes:
        socket: its socket.
        tls: as above.
        admits: whether who has this address may come now; everybody may until it is set.
        ration: how many may come in a turn.
    """

    def __init__(self, listener: trio.SocketListener, tls: ssl.SSLContext | None = None) -> None:
        self.socket = listener.socket
        self.tls = tls
        self.admits: Callable[[str], bool] = lambda _: True
        self._listener = listener
        self._same = socket.socket(fileno=os.dup(listener.socket.fileno()))
        self._same.settimeout(0)
        self._left = select.poll()
        self._left.register(self._same, select.POLLIN)
        self._taken: deque[trio.SocketStream] = deque()
        self.ration = Ration()

    async def accept(self) -> trio.SocketStream:
        """Return the next connection; waits when there is none.

        Raises:
            OSError: the process, or the system, may open no more files.
        """
        while not self._taken:
            await trio.lowlevel.wait_readable(self._same)
            self._take()
        return self._taken.popleft()

    def _take(self) -> None:
        most = self.ration.take(trio.current_time())
        if not most:
            return
        for _ in range(max(most, LOOKED_AT)):
            try:
                connection, address = self._same.accept()
            except OSError as error:
                if error.errno in _NO_MORE_FILES and not self._taken:
                    raise
                self.ration.emptied()  # or one of them was gone again
                return
            if not self.admits(address[0]):
                connection.close()
                continue
            connection.settimeout(0)
            self._taken.append(trio.SocketStream(trio.socket.from_stdlib_socket(connection)))
            if len(self._taken) == most:
                break
        if not self._left.poll(0):
            self.ration.emptied()

    async def aclose(self) -> None:
        """Close the listener, and who was taken and not handed out."""
        self._same.close()
        while self._taken:
            await trio.aclose_forcefully(self._taken.popleft())
        await self._listener.aclose()
