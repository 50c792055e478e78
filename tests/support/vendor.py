"""A vendor made of literal bytes: a Trio server that says exactly what a test wrote down. It imports nothing of ours.

    async with open_vendor(script) as vendor:          # script(call) runs once per connection, after its request was read
        ... connect to vendor.url, vendor.websocket_url
        vendor.calls[0].head                           # what the client sent, byte for byte

A script speaks with `call.send(bytes)`, on a WebSocket after `call.accept()` with `call.say(text)` and `call.frame(…)`, and
hangs up by returning, or with `call.reset()` in the rude way. `hang` is the script of a vendor that says nothing.
"""

import base64
import hashlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio
import trustme

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
EVENT_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Spell a whole HTTP answer, such as `answer("401 Unauthorized", b"{}", "Content-Type: application/json")`."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunk(data: bytes) -> bytes:
    """Spell a chunk of a chunked HTTP body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def server_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Spell a WebSocket frame as a server does: not masked."""
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return head + b"\x7e" + struct.pack("!H", len(payload)) + payload
    return head + b"\x7f" + struct.pack("!Q", len(payload)) + payload


class Call:
    """One client's connection, after its first request was read."""

    def __init__(self, stream: trio.abc.Stream, transport: trio.SocketStream) -> None:
        self.head = b""
        self.body = b""
        self.closed_by_client = trio.Event()
        self.go = trio.Event()  # for a script that waits until its test says so
        self._stream = stream
        self._transport = transport
        self._buffer = b""

    @property
    def request_line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    @property
    def target(self) -> str:
        return self.request_line.split(" ")[1]

    @property
    def headers(self) -> dict[str, str]:
        pairs = (line.partition(":") for line in self.head.decode("latin-1").split("\r\n")[1:] if line)
        return {name.lower(): value.strip() for name, _, value in pairs}

    async def read_request(self) -> None:
        """Read a request's head and, by its Content-Length, its body."""
        raw = await self._until(b"\r\n\r\n")
        self.head = raw
        self.body = await self._exactly(int(self.headers.get("content-length", "0")))

    async def send(self, raw: bytes) -> None:
        """Send bytes as they are."""
        await self._stream.send_all(raw)

    async def send_each(self, raw: bytes, size: int = 1) -> None:
        """Send bytes in HTTP chunks of `size` bytes each: the boundaries fall wherever they fall."""
        for start in range(0, len(raw), size):
            await self.send(chunk(raw[start : start + size]))

    async def accept(self) -> None:
        """Accept a WebSocket (RFC 6455 §4.2.2)."""
        key = self.headers["sec-websocket-key"]
        proof = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        await self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(proof) + b"\r\n\r\n"
        )

    async def say(self, text: str | bytes) -> None:
        """Send a text message."""
        await self.send(server_frame(TEXT, text.encode() if isinstance(text, str) else text))

    async def frame(self, opcode: int, payload: bytes = b"") -> None:
        """Send a frame."""
        await self.send(server_frame(opcode, payload))

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame."""
        await self.frame(CLOSE, struct.pack("!H", code) + reason.encode())

    async def read_frame(self) -> tuple[int, bytes]:
        """Read a client's frame: its opcode and its payload without the mask.

        Raises:
            EOFError: the client hung up.
        """
        first, second = await self._exactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self._exactly(2 if size == 126 else 8), "big")
        mask = await self._exactly(4)
        payload = await self._exactly(size)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    async def heard(self) -> str:
        """Read the client's next text message, answering pings on the way."""
        while True:
            opcode, payload = await self.read_frame()
            if opcode == TEXT:
                return payload.decode()
            if opcode == PING:
                await self.frame(PONG, payload)

    async def until_client_leaves(self) -> None:
        """Read and forget until the client hangs up."""
        with suppress(trio.BrokenResourceError):
            while await self._stream.receive_some():
                pass
        self.closed_by_client.set()

    async def reset(self) -> None:
        """Hang up with RST."""
        self._transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._transport)

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            await self._more()
        raw, mark, self._buffer = self._buffer.partition(mark)
        return raw + mark

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        raw, self._buffer = self._buffer[:size], self._buffer[size:]
        return raw

    async def _more(self) -> None:
        more = await self._stream.receive_some()
        if not more:
            self.closed_by_client.set()
            raise EOFError("the client hung up")
        self._buffer += more


Script = Callable[[Call], Awaitable[None]]


class Vendor:
    """A listening vendor.

    Attributes:
        port: where it listens on 127.0.0.1.
        calls: every connection whose request was read, in order.
    """

    def __init__(self, port: int, *, tls: bool) -> None:
        self.port = port
        self.calls: list[Call] = []
        self._s = "s" if tls else ""
        self._noted = trio.Event()

    def note(self, call: Call) -> None:
        """Add a connection whose request was read."""
        self.calls.append(call)
        self._noted.set()
        self._noted = trio.Event()

    async def called(self, count: int) -> None:
        """Return once there were so many connections."""
        while len(self.calls) < count:
            await self._noted.wait()

    @property
    def url(self) -> str:
        return f"http{self._s}://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws{self._s}://127.0.0.1:{self.port}/ws"


async def hang(call: Call) -> None:
    """Say nothing for as long as the client stays."""
    await call.until_client_leaves()


def saying(raw: bytes) -> Script:
    """Make the script of a vendor that says these bytes and hangs up."""

    async def script(call: Call) -> None:
        await call.send(raw)

    return script


def streaming(raw: bytes, size: int = 4096) -> Script:
    """Make the script of a vendor that answers with an event stream, then stays silent until the client leaves."""

    async def script(call: Call) -> None:
        await call.send(EVENT_STREAM)
        await call.send_each(raw, size)
        await call.until_client_leaves()

    return script


@asynccontextmanager
async def open_vendor(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Vendor]:
    """Listen on a free loopback port; the first connection gets the first script, later ones the next, the last repeats.

    A script ends quietly when its client hung up; any other error fails the test.
    """
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        vendor = Vendor(listeners[0].socket.getsockname()[1], tls=tls is not None)

        async def handle(transport: trio.SocketStream) -> None:
            stream: trio.abc.Stream = transport
            try:
                if tls is not None:
                    stream = trio.SSLStream(transport, tls, server_side=True, https_compatible=True)
                call = Call(stream, transport)
                await call.read_request()
                vendor.note(call)
                await scripts[min(len(vendor.calls), len(scripts)) - 1](call)
            except (EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # the client hung up, or the script did
            finally:
                await trio.aclose_forcefully(stream)

        async def serve() -> None:
            await trio.serve_listeners(handle, listeners)

        nursery.start_soon(serve)
        yield vendor
        nursery.cancel_scope.cancel()


def certified(folder: Path, *names: str, client_ca: bool = False) -> tuple[ssl.SSLContext, str]:
    """Make a certificate authority in a folder, and a server context certified by it for these names.

    Args:
        folder: gets `ca.pem`, and with `client_ca` also `client.pem` (a client's certificate and key).
        names: host names and IP addresses.
        client_ca: whether the server demands a client certificate of the same authority.

    Returns:
        The server's context and the path of `ca.pem`.
    """
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
        authority.issue_cert("client.test").private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    return context, str(folder / "ca.pem")
