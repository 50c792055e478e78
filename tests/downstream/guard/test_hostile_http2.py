"""HTTP/2 frames that no decent client sends, made by hand: each ends its stream or connection with the right code, or nothing.

Whatever came: no error was left to the guard, the connection's tasks are gone, and a bystander on a connection of its own is
served before and after.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

import h2.exceptions
import h2.settings
import pytest
import trio
from h2.errors import ErrorCodes
from hpack import Decoder

from bridge.downstream.guard.frames import (
    BYTES_PER_FRAME,
    CLOSED_STREAMS,
    FRAMES_AHEAD,
    FRAMES_BEFORE_REQUEST,
    FRAMES_PER_SECOND,
    WINDOWS_AHEAD,
    CalmConnection,
    FrameBudget,
)
from bridge.downstream.guard.h2 import MAX_RESETS
from tests.support.serving import Served, guarded

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
INITIAL_WINDOW_SIZE, HEADER_TABLE_SIZE = 4, 1
WIDEST = 2**31 - 1
FLOOD = FRAMES_AHEAD * 3
WINDOW_FLOOD = WINDOWS_AHEAD * 3
LAST = 9_999
"""The stream on which a connection is asked whether it lives on."""


def frame(kind: int, flags: int = 0, stream: int = 0, body: bytes = b"") -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def block(path: bytes, *more: tuple[bytes, bytes], method: bytes = b"GET") -> bytes:
    """A header block that needs nothing of the ones before it."""
    names = [(b":method", method), (b":path", path), (b":scheme", b"http"), (b":authority", b"localhost")]
    return b"".join(b"\x10" + string(name) + string(value) for name, value in [*names, *more])


def string(text: bytes) -> bytes:
    """A literal of HPACK's (RFC 7541 §5.2), its length as an integer with a prefix of 7 bits."""
    if len(text) < 127:
        return bytes((len(text),)) + text
    rest, size = len(text) - 127, b"\x7f"
    while rest >= 128:
        size += bytes((rest % 128 | 128,))
        rest //= 128
    return size + bytes((rest,)) + text


def ask(stream: int, path: bytes = b"/", *more: tuple[bytes, bytes], method: bytes = b"GET", end: bool = True) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(path, *more, method=method))


def post(stream: int) -> bytes:
    return ask(stream, b"/", method=b"POST", end=False)


def window(stream: int, increment: int) -> bytes:
    return frame(WINDOW, 0, stream, struct.pack(">I", increment))


def setting(code: int, value: int) -> bytes:
    return frame(SETTINGS, 0, 0, struct.pack(">HI", code, value))


def streams(count: int) -> range:
    return range(1, 2 * count + 1, 2)


def on_each(count: int, *makes: Callable[[int], bytes]) -> bytes:
    return b"".join(make(stream) for stream in streams(count) for make in makes)


RESET_AT_ONCE = post(1) + frame(RST, 0, 1, bytes(4))

BOMB = block(b"/") + b"\x40" + string(b"x") + string(b"a" * 3_900) + b"\xbe" * 100
"""One entry of the dynamic table, named again and again: 150 bytes that mean 390,000."""


class Case(NamedTuple):
    name: str
    sent: bytes
    goaway: ErrorCodes | None = None
    reset: ErrorCodes | None = None


CODES = ErrorCodes
CASES = (
    # ── too much ──
    Case("rapid reset", on_each(300, ask, lambda n: frame(RST, 0, n, bytes(4))), CODES.ENHANCE_YOUR_CALM),
    Case("made you reset by a window", on_each(600, ask, lambda n: window(n, WIDEST)), CODES.ENHANCE_YOUR_CALM),
    Case("made you reset by a window of 0", on_each(300, post, lambda n: window(n, 0)), CODES.PROTOCOL_ERROR),
    Case(
        "made you reset by data after the end",
        on_each(300, lambda n: ask(n, b"/waits"), lambda n: frame(DATA, 0, n, b"a")),
        CODES.ENHANCE_YOUR_CALM,
    ),
    Case(
        "CONTINUATION flood",
        frame(HEADERS, 0, 1, bytes(16_384)) + frame(CONTINUATION, 0, 1, bytes(16_384)) * 60,
        CODES.ENHANCE_YOUR_CALM,
    ),
    Case("empty CONTINUATION flood", frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 100, CODES.PROTOCOL_ERROR),
    Case("PING flood", frame(PING, 0, 0, bytes(8)) * FLOOD, CODES.ENHANCE_YOUR_CALM),
    Case("PING answers nobody asked for", frame(PING, ACK, 0, bytes(8)) * FLOOD, CODES.ENHANCE_YOUR_CALM),
    Case("SETTINGS flood", setting(INITIAL_WINDOW_SIZE, 1) * FLOOD, CODES.ENHANCE_YOUR_CALM),
    Case("empty SETTINGS flood", frame(SETTINGS) * FLOOD, CODES.ENHANCE_YOUR_CALM),
    Case("SETTINGS answers nobody asked for", frame(SETTINGS, ACK) * FLOOD, CODES.ENHANCE_YOUR_CALM),
    Case(
        "PRIORITY flood",
        b"".join(frame(PRIORITY, 0, n, struct.pack(">IB", n + 2, 9)) for n in streams(FLOOD)),
        CODES.ENHANCE_YOUR_CALM,
    ),
    Case("empty DATA flood", post(1) + frame(DATA, 0, 1) * FLOOD, CODES.ENHANCE_YOUR_CALM),
    Case(
        "DATA flood on a stream that was reset",
        post(1) + frame(RST, 0, 1, bytes(4)) + frame(DATA, 0, 1) * FLOOD,
        CODES.ENHANCE_YOUR_CALM,
    ),
    Case("flood of unknown frames", frame(0xEE, 0, 1, b"a") * FLOOD, CODES.ENHANCE_YOUR_CALM),
    Case("window opened by a byte at a time", window(0, 1) * WINDOW_FLOOD, CODES.ENHANCE_YOUR_CALM),
    Case(
        "stream of 1-byte windows",
        setting(INITIAL_WINDOW_SIZE, 0) + ask(1, b"/large") + window(1, 1) * WINDOW_FLOOD,
        CODES.ENHANCE_YOUR_CALM,
    ),
    Case("header bomb", frame(HEADERS, END_HEADERS | END_STREAM, 1, BOMB), CODES.ENHANCE_YOUR_CALM),
    Case(
        "thousands of headers",
        frame(HEADERS, END_HEADERS | END_STREAM, 1, block(b"/", *[(b"a", b"")] * 2_000)),
        CODES.ENHANCE_YOUR_CALM,
    ),
    # ── against the rules ──
    Case("header block that is none", frame(HEADERS, END_HEADERS, 1, b"\xff" * 20), CODES.COMPRESSION_ERROR),
    Case("header table too large", frame(HEADERS, END_HEADERS, 1, b"\x3f\xff\xff\x7f"), CODES.COMPRESSION_ERROR),
    Case("frame within a header block", frame(HEADERS, 0, 1) + frame(PING, 0, 0, bytes(8)), CODES.PROTOCOL_ERROR),
    Case("CONTINUATION of nothing", ask(1, b"/waits") + frame(CONTINUATION, END_HEADERS, 1), CODES.PROTOCOL_ERROR),
    Case("frame too large", post(1) + frame(DATA, 0, 1, bytes(16_385)), CODES.FRAME_SIZE_ERROR),
    Case("a frame announced too large", post(1) + b"\xff\xff\xff\0\0\0\0\0\1" + b"x", CODES.FRAME_SIZE_ERROR),
    Case("headers too large", frame(HEADERS, END_HEADERS, 1, bytes(16_385)), CODES.FRAME_SIZE_ERROR),
    Case("SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, bytes(5)), CODES.FRAME_SIZE_ERROR),
    Case("PING of 7 bytes", frame(PING, 0, 0, bytes(7)), CODES.FRAME_SIZE_ERROR),
    Case("RST_STREAM of 3 bytes", post(1) + frame(RST, 0, 1, bytes(3)), CODES.FRAME_SIZE_ERROR),
    Case("padding longer than its frame", post(1) + frame(DATA, PADDED, 1, b"\xffa"), CODES.PROTOCOL_ERROR),
    Case("HEADERS on stream 0", ask(0), CODES.PROTOCOL_ERROR),
    Case("DATA on stream 0", frame(DATA, 0, 0, b"a"), CODES.PROTOCOL_ERROR),
    Case("SETTINGS on a stream", frame(SETTINGS, 0, 1), CODES.PROTOCOL_ERROR),
    Case("even stream", ask(2), CODES.PROTOCOL_ERROR),
    Case("stream that goes back", ask(5) + ask(3), CODES.PROTOCOL_ERROR),
    Case("DATA before HEADERS", frame(DATA, 0, 1, b"a"), CODES.PROTOCOL_ERROR),
    Case(
        "PUSH_PROMISE", ask(1) + frame(PUSH, END_HEADERS, 1, struct.pack(">I", 2) + block(b"/")), CODES.PROTOCOL_ERROR
    ),
    Case("priority of itself", frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 9)), CODES.PROTOCOL_ERROR),
    Case(
        "priority of itself with its headers",
        frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, struct.pack(">IB", 1, 9) + block(b"/")),
        CODES.PROTOCOL_ERROR,
    ),
    Case("connection's window overflows", window(0, WIDEST), CODES.FLOW_CONTROL_ERROR),
    Case("window of the connection opened by 0", window(0, 0), CODES.PROTOCOL_ERROR),
    Case("initial window too wide", setting(INITIAL_WINDOW_SIZE, 2**31), CODES.FLOW_CONTROL_ERROR),
    Case("largest frame too small", setting(5, 16_383), CODES.PROTOCOL_ERROR),
    Case(
        "window overflows by a setting",
        ask(1, b"/waits") + window(1, WIDEST - 65_535) + setting(INITIAL_WINDOW_SIZE, WIDEST),
        CODES.FLOW_CONTROL_ERROR,
    ),
    # ── one stream's own matter ──
    Case(
        "more streams than allowed",
        b"".join(ask(n, b"/waits") for n in streams(129)) + frame(RST, 0, 1, bytes(4)),
        reset=CODES.REFUSED_STREAM,
    ),
    Case("far more streams than allowed", b"".join(ask(n, b"/waits") for n in streams(400)), CODES.ENHANCE_YOUR_CALM),
    Case("stream's window overflows", ask(1, b"/waits") + window(1, WIDEST), reset=CODES.FLOW_CONTROL_ERROR),
    Case("DATA after the end", ask(1, b"/waits") + frame(DATA, 0, 1, b"a"), reset=CODES.STREAM_CLOSED),
    Case("HEADERS after the end", ask(1, b"/waits") + ask(1, b"/waits"), reset=CODES.STREAM_CLOSED),
    Case("malformed request", ask(1, b"/", (b"connection", b"close")), reset=CODES.PROTOCOL_ERROR),
    Case("malformed request and its reset", ask(1, b"/", (b"A", b"a")) + frame(RST, 0, 1, bytes(4))),
    Case("unreadable request and its reset", ask(1, b"/\xff") + frame(RST, 0, 1, bytes(4))),
    Case("request and its reset", ask(1, b"/waits") + frame(RST, 0, 1, bytes(4))),
    # ── to be ignored ──
    Case("unknown frames", frame(0xEE, 0xFF, 7, b"a") * 20),
    Case("unknown flags", frame(PING, 0xF0, 0, bytes(8))),
    Case("settings nobody knows", ask(1) + b"".join(setting(code, 1) for code in range(100, 200))),
    Case("table of gigabytes", setting(HEADER_TABLE_SIZE, 2**32 - 1)),
    Case(
        "deep tree of priorities",
        ask(1) + b"".join(frame(PRIORITY, 0, n + 2, struct.pack(">IB", n, 255)) for n in streams(400)),
    ),
    Case(
        "window below zero and back",
        ask(1, b"/large")
        + setting(INITIAL_WINDOW_SIZE, 0)
        + setting(INITIAL_WINDOW_SIZE, 65_535)
        + window(0, 2_000_000),
    ),
    Case("late frames of a stream that was reset", ask(1) + frame(RST, 0, 1, bytes(4)) + window(1, 9)),
)


async def app(scope, receive, send):
    """/waits answers never; /large with a megabyte; others with ok, once their body has come."""
    if scope["path"] == "/waits":
        await trio.sleep_forever()
    while (await receive()).get("more_body"):
        pass
    body = bytes(1_000_000) if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


class Peer:
    """A client that says bytes and reads frames."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.resets: dict[int, int] = {}
        self.goaway: int | None = None
        self.ended = False
        self._answered: set[int] = set()
        self._rest = b""

    async def start(self) -> None:
        await self.stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS))

    async def say(self, data: bytes) -> None:
        """Send; a server that has hung up meanwhile is no mistake of ours."""
        try:
            await self.stream.send_all(data)
        except trio.BrokenResourceError:
            self.ended = True

    async def read(self) -> None:
        try:
            data = await self.stream.receive_some(65_536)
        except trio.BrokenResourceError:
            data = b""
        self.ended = not data
        self._rest += data
        while len(self._rest) >= 9 and len(self._rest) >= 9 + (size := int.from_bytes(self._rest[:3], "big")):
            kind, flags, stream = self._rest[3], self._rest[4], int.from_bytes(self._rest[5:9], "big")
            body, self._rest = self._rest[9 : 9 + size], self._rest[9 + size :]
            self._take(kind, flags, stream, body)

    def _take(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        if kind == RST:
            self.resets[stream] = int.from_bytes(body, "big")
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(body[4:8], "big")
        elif kind in {DATA, HEADERS} and flags & END_STREAM:
            self._answered.add(stream)

    async def answered(self, stream: int) -> bool:
        while stream not in self._answered and not self.ended:
            await self.read()
        return stream in self._answered

    async def end(self) -> None:
        """Read to the end of the connection."""
        while not self.ended:
            await self.read()


async def bystander_is_served(stream: trio.SocketStream) -> None:
    await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    said = b""
    while b"ok" not in said:
        data = await stream.receive_some()
        assert data, "cut off"
        said += data


async def attacked(served: Served, sent: bytes) -> Peer:
    peer = Peer(await served.connect())
    await peer.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.say, sent + ask(LAST))
        await peer.answered(LAST)
        nursery.cancel_scope.cancel()
    return peer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_hostile_frames_end_what_they_must_and_nothing_else(case: Case):
    with trio.fail_after(20):
        async with guarded(app, deadline=2) as served:
            bystander = await served.connect()
            await bystander_is_served(bystander)
            peer = await attacked(served, case.sent)
            if case.goaway is None:
                assert await peer.answered(LAST)
                assert peer.goaway is None
                assert set(peer.resets.values()) == ({case.reset} if case.reset is not None else set())
            else:
                await peer.end()
                assert peer.goaway == case.goaway
                assert served.guard.statistics().unruly == (case.goaway is CODES.ENHANCE_YOUR_CALM)
            await trio.aclose_forcefully(peer.stream)
            await bystander_is_served(bystander)
            await trio.aclose_forcefully(bystander)
            await served.none_live()
            assert served.guard.statistics().contained == 0


async def test_client_whose_malformed_requests_are_reset_in_masses_is_told_to_calm_down():
    with trio.fail_after(30):
        async with guarded(app) as served:
            peer = Peer(await served.connect())
            await peer.start()
            for stream in streams(MAX_RESETS):
                await peer.say(ask(stream, b"/", (b"connection", b"close")))
                while stream not in peer.resets and not peer.ended:
                    await peer.read()
            await peer.end()
            assert len(peer.resets) >= MAX_RESETS - 1
            assert peer.goaway == CODES.ENHANCE_YOUR_CALM
            await trio.aclose_forcefully(peer.stream)
            await served.none_live()
            assert (served.guard.statistics().unruly, served.guard.statistics().contained) == (1, 0)


async def test_client_that_does_not_read_the_answers_to_its_pings_is_hung_up_on():
    """Each is answered with as many bytes as it has; a client that takes none must not make us keep them."""
    with trio.fail_after(30):
        async with guarded(app, deadline=0.3) as served:
            peer = Peer(await served.connect(receive_buffer=4_096))
            await peer.start()
            await peer.say(frame(PING, 0, 0, bytes(8)) * FLOOD * 20)
            await served.none_live()


def settled() -> CalmConnection:
    connection = CalmConnection(h2.settings.Settings(client=False), 0)
    connection.initiate_connection()
    connection.receive_data(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS))
    return connection


def test_who_has_asked_for_nothing_may_send_a_few_frames_and_who_has_may_send_hundreds():
    silent, asking = settled(), settled()
    silent.receive_data(frame(PING, 0, 0, bytes(8)) * (FRAMES_BEFORE_REQUEST - 1))  # its SETTINGS were the first
    with pytest.raises(h2.exceptions.DenialOfServiceError):
        silent.receive_data(window(0, 1))
    asking.receive_data(ask(1) + frame(PING, 0, 0, bytes(8)) * (FRAMES_AHEAD - 2))
    with pytest.raises(h2.exceptions.DenialOfServiceError):
        asking.receive_data(frame(PING, 0, 0, bytes(8)))


def test_settings_that_nobody_knows_are_not_kept():
    connection = settled()
    for first in range(0x100, 0x8000, 2_000):
        many = b"".join(struct.pack(">HI", code, 1) for code in range(first, first + 2_000))
        connection.receive_data(frame(SETTINGS, 0, 0, many))
    assert len(connection.remote_settings) < 10


def test_header_table_of_our_answers_stays_small_whatever_the_client_offers():
    connection = settled()
    connection.receive_data(ask(1))
    for size in [2**32 - 1, 0, 2**31, 65_536] * 20:
        connection.receive_data(setting(HEADER_TABLE_SIZE, size))
    assert connection.encoder.header_table_size == 4_096
    assert connection.encoder.table_size_changes == [0, 4_096]
    connection.send_headers(1, [(b":status", b"200")], end_stream=True)
    answer = connection.data_to_send()
    headers = answer[answer.rindex(b"\x01" + bytes((END_HEADERS | END_STREAM,))) + 6 :]
    decoder = Decoder()
    decoder.max_allowed_table_size = 65_536
    assert decoder.decode(headers, raw=True) == [(b":status", b"200")]


def test_a_header_block_may_wait_for_its_end_only_up_to_its_bound():
    connection = settled()
    connection.decoder.max_header_list_size = 32_768
    connection.receive_data(frame(HEADERS, 0, 1, bytes(16_384)) + frame(CONTINUATION, 0, 1, bytes(16_384)))
    with pytest.raises(h2.exceptions.DenialOfServiceError):
        connection.receive_data(frame(CONTINUATION, 0, 1, b"a"))


def test_the_ends_of_old_streams_are_forgotten():
    connection = settled()
    for stream in streams(CLOSED_STREAMS + 500):
        connection.now += 1
        connection.receive_data(ask(stream))
        connection.send_headers(stream, [(b":status", b"200")], end_stream=True)
    assert len(connection._closed_streams) <= CLOSED_STREAMS
    assert len(connection.streams) <= 2


def test_a_client_that_takes_much_may_acknowledge_each_piece_of_it():
    """Both windows for every event of 150 bytes, a hundred thousand times at once: clumsy, and no attack."""
    budget = FrameBudget(0)
    for _ in range(100_000):
        budget.sent += 159
        assert budget.spend(0)
        assert budget.spend(0)


@pytest.mark.parametrize("answer", [17, 13, 10, 0], ids=["PING", "reset", "DATA of a byte", "nothing"])
def test_a_flood_does_not_pay_for_itself(answer: int):
    budget = FrameBudget(0)
    spent = 0
    while budget.spend(0):
        spent += 1
        budget.sent += answer
    assert FRAMES_AHEAD <= spent <= FRAMES_AHEAD / (1 - answer / BYTES_PER_FRAME) + 1


def test_a_client_that_waits_may_go_on():
    budget = FrameBudget(0)
    while budget.spend(0):
        pass
    assert all(budget.spend(1 + second / FRAMES_PER_SECOND) for second in range(10_000))
