"""One client of the load: a socket that is read as fast as possible, and what is remembered of it.

Of every read one event at a random place is looked at and stands for all of them in the latencies: reading the time of each
would make the load the slowest of the three.
"""

import random
import socket
import ssl
import time
from contextlib import suppress

from bridge.bench.meter import Latencies
from bridge.bench.speech import FIRST, GAP, MARKER, RESUMED, Http2Frames, Way, greeting, opening

READ_BYTES = 1 << 18
CONNECT_SECONDS = 30.0

_NOTHING_NOW = (BlockingIOError, ssl.SSLWantReadError)


class Sums:
    """What all clients have in common to count."""

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.live = 0
        self.resumed = 0
        self.gaps = 0
        self.closed = 0
        self.latencies = Latencies()


class Client:
    """One stream.

    Args:
        topics: comma separated.
        sums: where it counts.
        watchful: whether gaps and cursors are looked for too.

    Attributes:
        events: how many it got, over all its connections.
        cursor: of the newest event; None before any, or when it is not watchful.
        reading: whether it reads: not when it is gone or stalled.
    """

    def __init__(self, topics: str, sums: Sums, *, watchful: bool) -> None:
        self.topics = topics
        self.events = 0
        self.cursor: str | None = None
        self.reading = False
        self._sums = sums
        self._watchful = watchful
        self._live = False
        self._rest = b""
        self._greeting = b""
        self._frames: Http2Frames | None = None
        self.socket: socket.socket = socket.socket()

    def open(self, port: int, way: Way, tls: ssl.SSLContext | None) -> None:
        """Connect and ask; raises OSError when that fails."""
        self.socket.close()
        self.socket = plain = socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(plain, server_hostname="localhost")
        self.socket.sendall(opening(way, self.topics, self.cursor))
        self._greeting = greeting(way, self.topics)
        self.socket.settimeout(0)
        self._live, self._rest = False, b""
        self._frames = Http2Frames() if way.alpn == "h2" else None
        self.reading = True

    def close(self) -> None:
        """Leave without a word, as a client does that loses its network."""
        self.reading = False
        self.socket.close()

    def read(self) -> None:
        """Take what has come; `reading` is False afterwards when the stream has ended."""
        secure = isinstance(self.socket, ssl.SSLSocket)
        while True:
            try:
                data = self.socket.recv(READ_BYTES)
            except _NOTHING_NOW:
                return
            except OSError:
                data = b""
            if not data:
                self.reading = False
                self._sums.closed += 1
                return
            self._take(data)
            if not secure:  # a TLS object may hold records that the kernel no longer announces
                return

    def _take(self, data: bytes) -> None:
        sums = self._sums
        sums.bytes += len(data)
        if self._greeting:
            self.socket.send(self._greeting)
            self._greeting = b""
        if self._frames is not None:
            data = self._frames.take(data)
            if self._frames.answer:
                with suppress(OSError):
                    self.socket.send(self._frames.answer)
                self._frames.answer = b""
        data = self._rest + data
        end = data.rfind(b"}") + 1
        self._rest = data[end:]
        events = data.count(MARKER, 0, end)
        if events:
            self.events += events
            sums.events += events
            self._sample(data, end, events)
        if self._watchful:
            self._watch(data, end)
        if not self._live and FIRST in data:
            self._live = True
            sums.live += 1
            sums.resumed += RESUMED in data

    def _sample(self, data: bytes, end: int, events: int) -> None:
        place = data.find(MARKER, random.randrange(end), end) if events > 1 else -1  # noqa: S311 - a sample
        if place < 0:
            place = data.find(MARKER)
        place += len(MARKER)
        sent = int(data[place : data.index(b'"', place)])
        self._sums.latencies.add(time.monotonic_ns() - sent, events)

    def _watch(self, data: bytes, end: int) -> None:
        self._sums.gaps += data.count(GAP, 0, end)
        place = data.rfind(b"\nid: ", 0, end)
        if place < 0 and data.startswith(b"id: "):
            place = -1
        elif place < 0:
            return
        self.cursor = data[place + 5 : data.index(b"\n", place + 5)].decode()
