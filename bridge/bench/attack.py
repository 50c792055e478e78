"""The bench's hostile peer: one address that opens connections and does nothing decent with them.

`python -m bridge.bench.attack` calls from an address of its own (127.0.0.2, which Linux has without being asked), so that the
bridge can tell it from its clients. Each connection is held until the bridge closes it.

| order | answer |
|---|---|
| `attack` with `port`, `tls_port`, `per_second`, `seconds` | `started`; goes on by itself |
| `report` | `opened`, `failed` to connect, `closed` by the bridge, `open` now, `most` at once |
"""

import os
import resource
import select
import socket
import time
from contextlib import suppress

from bridge.bench.talk import Order, Orders

ADDRESS = "127.0.0.2"
TICK_SECONDS = 0.02
DRIP_SECONDS = 1.0
"""Between two bytes of who says its request as slowly as it may."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
_HELLO = bytes.fromhex("160301020001000001fc0303")

KINDS: tuple[tuple[bool, bytes, bytes], ...] = (
    (False, b"", b""),
    (True, b"", b""),
    (True, _HELLO, b"\0"),
    (True, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
    (False, b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nX: ", b"a"),
    (False, bytes(range(256)), b""),
    (False, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nX\0: y\r\n\r\n", b""),
    (False, _PREFACE + bytes.fromhex("000004010000000001") + bytes(4), b""),
    (False, _PREFACE + bytes.fromhex("0000080600000000000000000000000000") * 2_000, b""),
    (False, b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", b"a"),
)
"""Whether it goes to the port with TLS, what it says first, and what it drips: silent, half a handshake, no TLS at all, slow
headers, garbage, a smuggler's headers, a header block without an end, a flood of PINGs, half an upgrade."""


class Attack:
    """The process."""

    def __init__(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
        self._orders = Orders()
        self._poll = select.epoll()
        self._poll.register(self._orders.descriptor, select.EPOLLIN)
        self._open: dict[int, tuple[socket.socket, bytes]] = {}
        self._ports = (0, 0)
        self._per_second = self._began = self._until = self._dripped = 0.0
        self._opened = self._failed = self._closed = self._most = 0

    def run(self) -> None:
        """Attack as told until standard input ends."""
        os.nice(19)  # it shares a core with the clients, which are to wait for the bridge and not for it
        while True:
            for descriptor, _ in self._poll.poll(TICK_SECONDS if self._open or self._per_second else None):
                if descriptor == self._orders.descriptor:
                    orders = self._orders.read()
                    if orders is None:
                        return
                    for order in orders:
                        self._orders.answer(**self._obey(order))
                else:
                    self._hear(descriptor)
            self._go_on(time.monotonic())

    def _obey(self, order: Order) -> dict[str, object]:
        if order["order"] == "attack":
            self._ports = (order["port"], order["tls_port"])
            self._per_second, self._began = order["per_second"], time.monotonic()
            self._until = self._began + order["seconds"]
            return {"started": True}
        return {
            "opened": self._opened,
            "failed": self._failed,
            "closed": self._closed,
            "open": len(self._open),
            "most": self._most,
        }

    def _go_on(self, now: float) -> None:
        """Open what is due, and let the slow ones say another byte."""
        if now > self._until:
            self._per_second = 0.0
        due = int((now - self._began) * self._per_second) - self._opened - self._failed
        for _ in range(max(0, due)):
            self._call(*KINDS[(self._opened + self._failed) % len(KINDS)])
        self._most = max(self._most, len(self._open))
        if now - self._dripped < DRIP_SECONDS:
            return
        self._dripped = now
        for caller, drip in list(self._open.values()):
            if drip:
                with suppress(OSError):
                    caller.send(drip)

    def _call(self, tls: bool, says: bytes, drip: bytes) -> None:  # noqa: FBT001 - a row of the table
        caller = socket.socket()
        try:
            caller.bind((ADDRESS, 0))
            caller.settimeout(1)
            caller.connect(("127.0.0.1", self._ports[tls]))
            caller.settimeout(0)
            caller.send(says)
        except OSError:
            self._failed += 1
            caller.close()
            return
        self._opened += 1
        self._open[caller.fileno()] = (caller, drip)
        self._poll.register(caller, select.EPOLLIN)

    def _hear(self, descriptor: int) -> None:
        """Throw away what the bridge says, and notice when it has closed."""
        caller, _ = self._open[descriptor]
        try:
            if caller.recv(1 << 16):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._poll.unregister(caller)
        del self._open[descriptor]
        caller.close()
        self._closed += 1


if __name__ == "__main__":
    Attack().run()
