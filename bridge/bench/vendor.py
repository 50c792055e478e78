"""The bench's vendor: serves event streams of trades at any rate, in the words of the dialect that the bridge's feed reads.

A process of its own (`python -m bridge.bench.vendor`). It is silent until it is told to `start`, so that everything that was
sent is due at every client. A trade's id is the moment it was made. Events are spread over the topics in turn, in a shuffled
order; what is due within a millisecond leaves in one write a connection, as a busy vendor's would.

| order | answer |
|---|---|
| `listen` | `port` |
| `status` | `connections` open now, `accepted` ever, and how often each topic is asked for |
| `start` with `rate` | nothing but a yes |
| `stop` | `sent` by topic since `start`, and `seconds` of sending |
"""

import random
import select
import socket
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

from bridge.bench.talk import Order, Orders

TICK_SECONDS = 0.001
MOST_A_TICK = 2_000
"""Events: a vendor that fell behind catches up in steps."""

SHUFFLE = 7
"""Seeds the order of the topics: in their own order, neighbours would keep the same few clients busy and leave the rest alone."""

BACKLOG_BYTES = 1 << 18
"""What may wait for the bridge; then nothing is sent until it has read: the rate is what it takes."""

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'event: CONNECT\ndata: {"status":200,"message":"connected"}\n\n'
)


class Reader:
    """One connection of the bridge's."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.topics: list[str] = []
        self.assets: list[bytes] = []
        self.unsent = b""
        self._request = b""

    def read(self) -> bool:
        """Read the request, or notice the end; return whether the connection lives."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._request += data
        if data and not self.topics and b"\r\n\r\n" in self._request:
            query = parse_qs(urlsplit(self._request.split()[1].decode()).query)
            self.topics = [topic for value in query.get("subscribe", []) for topic in value.split(",")]
            self.assets = [topic.partition(":")[2].encode() for topic in self.topics]
            self.write(_HEAD)
        return bool(data)

    def write(self, data: bytes) -> None:
        """Send, or keep what the bridge does not take now."""
        data = self.unsent + data
        try:
            self.unsent = data[self.socket.send(data) :]
        except BlockingIOError:
            self.unsent = data
        except OSError:  # gone; reading will tell
            self.unsent = b""


class Vendor:
    """The process."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._readers: dict[int, Reader] = {}
        self._places: list[tuple[Reader, bytes]] = []
        self._orders = Orders()
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._poll.register(self._orders.descriptor, select.POLLIN)
        self._accepted = 0
        self._rate = 0.0
        self._began = 0.0
        self._sent = 0
        self._by_topic: Counter[bytes] = Counter()
        self._newest = 0

    def run(self) -> None:
        """Serve until standard input ends."""
        while True:
            for descriptor, _ in self._poll.poll(self._pause_ms()):
                if descriptor == self._orders.descriptor:
                    orders = self._orders.read()
                    if orders is None:
                        return
                    for order in orders:
                        self._orders.answer(**self._obey(order))
                elif descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._hear(self._readers[descriptor])
            if self._rate:
                self._send(time.monotonic())

    def _pause_ms(self) -> float | None:
        if not self._rate:
            return None
        until_next = self._began + (self._sent + 1) / self._rate - time.monotonic()
        many = self._rate * TICK_SECONDS >= 1
        time.sleep(TICK_SECONDS if many else min(max(until_next, 0), TICK_SECONDS))
        return 0

    def _obey(self, order: Order) -> dict[str, object]:
        match order["order"]:
            case "listen":
                return {"port": self._listener.getsockname()[1]}
            case "status":
                asked = Counter(topic for reader in self._readers.values() for topic in reader.topics)
                return {"connections": len(self._readers), "accepted": self._accepted, "asked": asked}
            case "start":
                self._rate, self._began, self._sent = order["rate"], time.monotonic(), 0
                self._by_topic.clear()
                return {"started": True}
            case _:
                self._rate = 0.0
                sent = {asset.decode(): count for asset, count in self._by_topic.items()}
                return {"sent": sent, "seconds": time.monotonic() - self._began}

    def _accept(self) -> None:
        reader = Reader(self._listener.accept()[0])
        self._accepted += 1
        self._readers[reader.socket.fileno()] = reader
        self._poll.register(reader.socket, select.POLLIN)

    def _hear(self, reader: Reader) -> None:
        before = len(reader.topics)
        if not reader.read():
            self._poll.unregister(reader.socket)
            del self._readers[reader.socket.fileno()]
            reader.socket.close()
        elif len(reader.topics) == before:
            return
        self._places = [(each, asset) for each in self._readers.values() for asset in each.assets]
        random.Random(SHUFFLE).shuffle(self._places)  # noqa: S311 - the same order each time

    def _send(self, now: float) -> None:
        if any([reader.unsent for reader in self._readers.values()]):  # noqa: C419 - a list is faster
            for reader in self._readers.values():
                if reader.unsent:
                    reader.write(b"")
            if any(len(reader.unsent) > BACKLOG_BYTES for reader in self._readers.values()):
                return
        due = min(int((now - self._began) * self._rate) - self._sent, MOST_A_TICK)
        if due <= 0 or not self._places:
            return
        texts: dict[Reader, list[bytes]] = {}
        places, first = self._places, self._sent
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()).encode()
        for number in range(first, first + due):
            reader, asset = places[number % len(places)]
            texts.setdefault(reader, []).append(self._trade(asset, number, moment))
            self._by_topic[asset] += 1
        for reader, written in texts.items():
            reader.write(b"".join(written))
        self._sent += due

    def _trade(self, asset: bytes, number: int, moment: bytes) -> bytes:
        self._newest = now = max(time.monotonic_ns(), self._newest + 1)
        price, size = 10_000 + number % 997, 1 + number % 50
        return (
            b'event: trade\ndata: {"assetId":"%b","tradeId":"%d","price":%d.%02d,"size":%d,"side":"%b","timestamp":"%b"}\n\n'
            % (asset, now, price // 100, price % 100, size, (b"buy", b"sell")[number & 1], moment)
        )


if __name__ == "__main__":
    Vendor().run()
