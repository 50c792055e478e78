"""A WebSocket's end is told truly, in both directions, whoever began it."""

import struct

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import connect

from bridge.downstream.guard.frames import FRAMES_AHEAD
from tests.support.serving import Served, guarded


class App:
    """Echoes; closes with 4429 when told to; remembers the last disconnect."""

    def __init__(self) -> None:
        self.told: trio.MemorySendChannel[int]
        self.told, self.ends = trio.open_memory_channel[int](10)

    async def __call__(self, scope, receive, send):
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            if message.get("text") == "close":
                await send({"type": "websocket.close", "code": 4429, "reason": "too fast"})
                return
            if message["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"], "bytes": message["bytes"]})
        self.told.send_nowait(message["code"])


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame, masked with zeros (RFC 6455 §5.2)."""
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    elif len(payload) < 65_536:
        length = bytes([0x80 | 126]) + struct.pack("!H", len(payload))
    else:
        length = bytes([0x80 | 127]) + struct.pack("!Q", len(payload))
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


async def opened(served: Served) -> trio.SocketStream:
    stream = await served.connect()
    await stream.send_all(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
    )
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
    return stream


async def rest_of(stream: trio.SocketStream) -> bytes:
    data = b""
    while piece := await stream.receive_some():
        data += piece
    await stream.aclose()
    return data


async def test_a_real_client_is_echoed_and_its_close_code_reaches_the_app():
    app = App()
    with trio.fail_after(10):
        async with guarded(app) as served:
            async with connect(f"ws://127.0.0.1:{served.port}/") as client:
                await client.send("grüß")
                assert await client.recv() == "grüß"
                await client.send(b"")
                assert await client.recv() == b""
                await client.aclose(4001, "done")
            assert await app.ends.receive() == 4001
            await served.none_live()


async def test_client_that_closes_without_a_code_or_vanishes_is_told_apart():
    app = App()
    with trio.fail_after(10):
        async with guarded(app) as served:
            stream = await opened(served)
            await stream.send_all(frame(0x8, b""))
            assert await rest_of(stream) == b"\x88\x00"
            assert await app.ends.receive() == 1005
            await (await opened(served)).aclose()
            assert await app.ends.receive() == 1006


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(0x1, b"a" * 70_000), 1009),
        (frame(0x1, b"\xff"), 1007),
        (frame(0x3, b""), 1002),
        (b"\x81\x01a", 1002),
        (frame(0x9, b"") * FRAMES_AHEAD * 2, 1008),
    ],
    ids=["too long", "not UTF-8", "unknown opcode", "unmasked", "flood of pings"],
)
async def test_what_a_client_may_not_send_closes_with_the_codes_of_rfc_6455(sent: bytes, code: int):
    app = App()
    with trio.fail_after(10):
        async with guarded(app) as served:
            stream = await opened(served)
            await stream.send_all(sent)
            last = (await rest_of(stream)).lstrip(b"\x8a\0")  # the pongs before it
            assert last[:1] == b"\x88"
            assert struct.unpack("!H", last[2:4]) == (code,)
            assert await app.ends.receive() == code
            await served.none_live()
            assert served.guard.statistics().contained == 0


async def test_our_close_code_reaches_a_client_that_is_still_talking():
    with trio.fail_after(20):
        async with guarded(App()) as served, connect(f"ws://127.0.0.1:{served.port}/", max_size=None) as client:

            async def talk() -> None:
                try:
                    while True:
                        await client.send("x" * 60_000)
                except ConnectionClosed:
                    pass

            async with trio.open_nursery() as nursery:
                await client.send("close")
                for _ in range(3):
                    nursery.start_soon(talk)
                with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 - behind the echoes
                    while True:
                        await client.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4429, "too fast")


async def test_quiet_client_is_pinged():
    with trio.fail_after(10):
        async with guarded(App()) as served:
            served.guard.terms.config.websocket_ping_interval = 0.05
            stream = await opened(served)
            assert (await stream.receive_some())[:2] == b"\x89\x00"


async def test_pinging_ends_with_its_connection():
    with trio.fail_after(10):
        async with guarded(App()) as served:
            served.guard.terms.config.websocket_ping_interval = 1_000
            await (await opened(served)).aclose()
            await served.none_live()


HANDSHAKE = {
    "Host": "x",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",  # RFC 6455 §1.3, and what it must be answered with
}
ACCEPTED = ("101", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", None)
REFUSED = ("400", None, None)
ANOTHER_VERSION = ("426", None, "13")


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, ACCEPTED),
        ({"Connection": "keep-alive, upgrade", "Upgrade": "WebSocket"}, ACCEPTED),
        ({"Sec-WebSocket-Extensions": ";;=,"}, ACCEPTED),
        ({"Sec-WebSocket-Version": "8"}, ANOTHER_VERSION),
        ({"Sec-WebSocket-Version": "13, 8"}, ANOTHER_VERSION),
        ({"Sec-WebSocket-Version": ""}, ANOTHER_VERSION),
        ({"Host": "x\r\nSec-WebSocket-Version: 13", "Sec-WebSocket-Version": "8"}, ANOTHER_VERSION),
        ({"Sec-WebSocket-Key": ""}, REFUSED),
        ({"Sec-WebSocket-Key": "YWJj"}, REFUSED),
        ({"Sec-WebSocket-Key": "no base64 of anything!"}, REFUSED),
        ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="}, REFUSED),
    ],
)
async def test_a_handshake_is_answered_as_rfc_6455_says(changes: dict[str, str], answer: tuple[str | None, ...]):
    lines = [f"{name}: {value}" for name, value in {**HANDSHAKE, **changes}.items()]
    with trio.fail_after(10):
        async with guarded(App()) as served:
            stream = await served.connect()
            await stream.send_all("\r\n".join(("GET / HTTP/1.1", *lines, "", "")).encode())
            status, *headers = (await stream.receive_some()).decode().split("\r\n\r\n")[0].split("\r\n")
            said = dict(header.lower().split(": ", 1) for header in headers)
            accept = next((header.split(": ")[1] for header in headers if "accept" in header), None)
            assert (status.split()[1], accept, said.get("sec-websocket-version")) == answer
            assert "sec-websocket-extensions" not in said
            if answer != ACCEPTED:
                assert await stream.receive_some() == b"", "a refused handshake leaves nothing open"
            await stream.aclose()
            await served.none_live()
            assert served.guard.statistics().contained == 0
