"""The bench's clients: thousands of streams in one process (`python -m bridge.bench.load`), read by one epoll loop.

| order | answer |
|---|---|
| `open` with `port`, `way`, `topics` (a list a client), `stalled_percent`, `watchful` | `live`, `refused`, `seconds` |
| `clear`: begins the latencies and bytes anew | `events` |
| `report` | `events` in all, `by_client` (stalled ones None), `bytes`, quantiles, `gaps`, `closed` |
| `settle` with `events`, `seconds` | reads on until so many have come in all, or none came for so long; `events` |
| `drop` | closes every client |
| `return` | all come back with their cursors; `live`, `resumed`, `seconds` |
"""

import resource
import select
import ssl
import time
from collections.abc import Callable

from bridge.bench.client import Client, Sums
from bridge.bench.speech import Way
from bridge.bench.talk import Order, Orders

BURST = 100
"""Clients that connect before the load reads again, so that no accept queue overflows."""

LIVE_SECONDS = 60.0
"""For all streams to begin."""


class Load:
    """The process."""

    def __init__(self) -> None:
        self._orders = Orders()
        self._poll = select.epoll()
        self._poll.register(self._orders.descriptor, select.EPOLLIN)
        self._clients: list[Client] = []
        self._stalled: set[int] = set()
        self._reading: dict[int, Client] = {}
        self._sums = Sums()
        self._port = 0
        self._way = Way.SSE

    def run(self) -> None:
        """Read until standard input ends."""
        while True:
            if self._read(None):
                orders = self._orders.read()
                if orders is None:
                    return
                for order in orders:
                    self._orders.answer(**self._obey(order))

    def _obey(self, order: Order) -> dict[str, object]:
        match order["order"]:
            case "open":
                return self._open(order)
            case "clear":
                self._sums.latencies.clear()
                self._sums.bytes = 0
                return {"events": self._sums.events}
            case "settle":
                return self._settle(order["events"], order["seconds"])
            case "drop":
                for client in self._clients:
                    client.close()
                self._reading.clear()
                return {"events": self._sums.events}
            case "return":
                return self._connect()
            case _:
                return self._report()

    def _open(self, order: Order) -> dict[str, object]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
        self._port, self._way = order["port"], Way(order["way"])
        self._clients = [Client(topics, self._sums, watchful=order["watchful"]) for topics in order["topics"]]
        self._stalled = {number for number in range(len(self._clients)) if number % 100 < order["stalled_percent"]}
        return self._connect()

    def _connect(self) -> dict[str, object]:
        """Connect every client and read until their streams have begun; the stalled ones then read no more."""
        tls = _trusting(self._way.alpn) if self._way.secure else None
        began, refused = time.monotonic(), 0
        self._sums.live = self._sums.resumed = 0
        for number, client in enumerate(self._clients):
            try:
                client.open(self._port, self._way, tls)
            except OSError:
                refused += 1
                continue
            self._reading[client.socket.fileno()] = client
            self._poll.register(client.socket, select.EPOLLIN)
            if number % BURST == BURST - 1:
                self._read(0)
        wanted = len(self._clients) - refused
        self._read_until(lambda: self._sums.live + self._sums.closed >= wanted, began + LIVE_SECONDS)
        seconds = time.monotonic() - began
        for number in self._stalled:
            client = self._clients[number]
            if client.reading:
                self._poll.unregister(client.socket)
                self._reading.pop(client.socket.fileno())
        return {"live": self._sums.live, "resumed": self._sums.resumed, "refused": refused, "seconds": seconds}

    def _settle(self, events: int, seconds: float) -> dict[str, object]:
        """Read on; what still comes is waited for as long as anything comes."""
        while self._sums.events < events:
            before = self._sums.events
            self._read_until(lambda: self._sums.events >= events, time.monotonic() + seconds)
            if self._sums.events == before:
                break
        return {"events": self._sums.events}

    def _report(self) -> dict[str, object]:
        sums = self._sums
        events = [None if number in self._stalled else client.events for number, client in enumerate(self._clients)]
        return {
            "events": self._sums.events,
            "by_client": events,
            "bytes": sums.bytes,
            "p50_ms": sums.latencies.quantile_ms(0.5),
            "p99_ms": sums.latencies.quantile_ms(0.99),
            "sampled": sums.latencies.total,
            "gaps": sums.gaps,
            "closed": sums.closed,
        }

    def _read_until(self, done: Callable[[], bool], deadline: float) -> None:
        """Read clients only: an order that comes meanwhile waits."""
        self._poll.unregister(self._orders.descriptor)
        while not done() and time.monotonic() < deadline:
            self._read(0.05)
        self._poll.register(self._orders.descriptor, select.EPOLLIN)

    def _read(self, seconds: float | None) -> bool:
        """Read every client that has something; return whether an order has come."""
        ordered = False
        reading = self._reading
        for descriptor, _ in self._poll.poll(seconds, 512):
            client = reading.get(descriptor)
            if client is None:
                ordered = ordered or descriptor == self._orders.descriptor
                continue
            client.read()
            if not client.reading:
                del reading[descriptor]
                client.close()
        return ordered


def _trusting(alpn: str) -> ssl.SSLContext:
    """TLS that trusts anybody: the bench's certificate is its own, made a moment ago."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context


if __name__ == "__main__":
    Load().run()
