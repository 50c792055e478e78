"""The log in memory: one process, one life, and every append applied before it returns.

What is appended from within `apply` waits its turn, so that publications are applied one after the other, in log order.
"""

import secrets
from collections import deque

from bridge.hub.contract import Apply, Publication
from bridge.model import LogEvent

EPOCH_BYTES = 6
"""48 random bits: two lives of a bridge never share an epoch in practice, and a cursor stays short."""


class MemoryLog:
    """A `Log` that dies with its process; each has a fresh epoch.

    Attributes:
        epoch: twelve hexadecimal digits.
        head: the offset of the newest publication, from the moment it is being applied; 0 = none yet.
    """

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(EPOCH_BYTES)
        self.head = 0
        self._apply: Apply | None = None
        self._waiting: deque[LogEvent] = deque()
        self._applying = False

    def __repr__(self) -> str:
        return f"<MemoryLog {self.epoch}-{self.head}>"

    def attach(self, apply: Apply) -> None:
        """Say who is told of every publication.

        Raises:
            RuntimeError: somebody is told already.
        """
        if self._apply is not None:
            msg = "a log tells one hub only"
            raise RuntimeError(msg)
        self._apply = apply

    def append(self, event: LogEvent) -> None:
        """Put an event at the end and have it applied, at once or right after the one being applied now.

        Raises:
            RuntimeError: nobody is attached.
        """
        apply = self._apply
        if apply is None:
            msg = "attach a hub before the first append"
            raise RuntimeError(msg)
        if self._applying:
            self._waiting.append(event)
            return
        self._applying = True
        try:
            self.head += 1
            apply(Publication(self.head, event))
            while self._waiting:
                self.head += 1
                apply(Publication(self.head, self._waiting.popleft()))
        finally:
            self._applying = False
