"""A faulty network: what lies between two parties, and does to their bytes what a test says (`fault`).

It knows no protocol. Everything passes until it is told otherwise; what was dropped stays dropped, and a party that comes back
gets through again unless something waits at the door. `Wire` carries between any two Trio streams; `fault_proxy` is a TCP proxy
on real sockets, `faulty_pair` the same in memory.
"""

import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
import trio.testing

from tests.support.fault import (
    Answer,
    AtOnce,
    AtTheDoor,
    Blurt,
    Cut,
    End,
    HalfClose,
    LetIn,
    Mute,
    Refuse,
    Treated,
    Unanswered,
    Way,
)
from tests.support.treatment import Ending, Pass, Step, Wait, treat

__all__ = ["End", "FaultProxy", "Wire", "fault_proxy", "faulty_pair"]

CHUNK_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class Wire:
    """Carries between two streams, both ways.

    Args:
        dialler: toward whoever dialled.
        target: toward whom it reached.

    Attributes:
        faults: what is done to the bytes of each direction from now on; None = nothing.
    """

    def __init__(self, dialler: trio.abc.HalfCloseableStream, target: trio.abc.HalfCloseableStream) -> None:
        self.faults: dict[Way, Treated | None] = {Way.UP: None, Way.DOWN: None}
        self._ends = {Way.DOWN: dialler, Way.UP: target}
        self._ended: set[Way] = set()
        self._scope = trio.CancelScope()

    def strike(self, fault: AtOnce | Treated | None, way: Way = Way.DOWN) -> None:
        """Let a fault happen; None = the one that lasts is over."""
        match fault:
            case Cut(how):
                self._cut(how)
            case HalfClose():
                self._end_half(way)
            case _ if fault is not None and isinstance(self.faults[way], Mute):
                pass  # a line that has swallowed bytes never lets later ones through: TCP does not do that
            case _:
                self.faults[way] = fault

    async def carry(self) -> None:
        """Carry until both sides have ended it or it is cut; closes both."""
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    for way in Way:
                        nursery.start_soon(self._carry, way, nursery)
            finally:
                for stream in self._ends.values():
                    hang_up(stream)

    async def _carry(self, way: Way, both: trio.Nursery) -> None:
        source, sink = self._ends[Way.UP if way is Way.DOWN else Way.DOWN], self._ends[way]
        try:
            while data := bytes(await source.receive_some(CHUNK_BYTES)):
                steps, self.faults[way] = treat(self.faults[way], data)
                for step in steps:
                    await self._do(step, way, sink)
            self._end_half(way)
        except _GONE:
            both.cancel_scope.cancel()

    async def _do(self, step: Step, way: Way, sink: trio.abc.SendStream) -> None:
        match step:
            case Pass(data):
                if way not in self._ended:
                    await sink.send_all(data)
            case Wait(seconds):
                await trio.sleep(seconds)
            case Ending(how):
                self._cut(how)
                await trio.lowlevel.checkpoint()

    def _end_half(self, way: Way) -> None:
        self._ended.add(way)
        end_half(self._ends[way])

    def _cut(self, how: End) -> None:
        for stream in self._ends.values():
            hang_up(stream, how)
        self._scope.cancel()


def end_half(stream: Any) -> None:
    """End a stream's sending direction at once."""
    if isinstance(stream, trio.SocketStream):
        with suppress(OSError):
            stream.socket.shutdown(socket.SHUT_WR)
    else:
        stream.send_stream.close()


def hang_up(stream: Any, how: End = End.FIN) -> None:
    """Close a stream at once; memory knows no reset."""
    if not isinstance(stream, trio.SocketStream):
        stream.send_stream.close()
        stream.receive_stream.close()
        return
    if how is End.RST:
        with suppress(OSError):
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    stream.socket.close()


class FaultProxy:
    """Made by `fault_proxy`.

    Attributes:
        port: where it listens, on 127.0.0.1.
        accepted: how many connections were let through so far.
        door: what happens to those who come next, one fault each.
        always: what happens to whoever comes when `door` is empty; None = let through.
        target_port: where new connections lead, on 127.0.0.1.
    """

    def __init__(self, port: int, target_port: int) -> None:
        self.port = port
        self.accepted = 0
        self.door: deque[AtTheDoor] = deque()
        self.always: AtTheDoor | None = None
        self.target_port = target_port
        self._wires: set[Wire] = set()
        self._kept_out: set[trio.CancelScope] = set()
        self._black_hole = False

    def __repr__(self) -> str:
        return f"<FaultProxy {self.port} -> {self.target_port}, {len(self._wires)} open>"

    @property
    def url(self) -> str:
        """Where to connect instead of to the target."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._wires)

    @property
    def black_hole(self) -> bool:
        """While true, bytes are read and vanish, of later connections too. What vanished does not come back."""
        return self._black_hole

    @black_hole.setter
    def black_hole(self, swallows: bool) -> None:
        self._black_hole = swallows
        for way in Way:
            self.strike(Mute() if swallows else None, way)

    @property
    def refusing(self) -> bool:
        """While true, new connections are reset as soon as they are made."""
        return isinstance(self.always, Refuse)

    @refusing.setter
    def refusing(self, refuses: bool) -> None:
        self.always = Refuse() if refuses else None

    def drop(self, how: End = End.RST) -> int:
        """Drop every open connection, toward both sides, at once; return how many there were."""
        return self.strike(Cut(how))

    def strike(self, fault: AtOnce | Treated | None, way: Way = Way.DOWN) -> int:
        """Let a fault happen to every open connection (None = the one that lasts is over); return how many there were."""
        wires = list(self._wires)
        if isinstance(fault, Cut):
            for scope in self._kept_out:
                scope.cancel()
        for wire in wires:
            wire.strike(fault, way)
        return len(wires)

    async def serve(self, client: trio.SocketStream) -> None:
        """Let one connection through, or do to it what waits at the door."""
        fault = self.door.popleft() if self.door else self.always
        if fault is not None and not isinstance(fault, LetIn):
            await self._keep_out(client, fault)
            return
        try:
            target = await trio.open_tcp_stream("127.0.0.1", self.target_port)
        except OSError:
            return
        self.accepted += 1
        wire = Wire(client, target)
        if isinstance(fault, LetIn):
            wire.faults[fault.way] = fault.treated
        if self._black_hole:
            wire.faults = dict.fromkeys(Way, Mute())
        self._wires.add(wire)
        try:
            await wire.carry()
        finally:
            self._wires.discard(wire)

    async def _keep_out(self, client: trio.SocketStream, fault: AtTheDoor) -> None:
        with trio.CancelScope() as scope:
            self._kept_out.add(scope)
            try:
                await keep_out(client, fault)
            finally:
                self._kept_out.discard(scope)


async def keep_out(client: trio.SocketStream, fault: AtTheDoor) -> None:
    """Do to a new connection what waited for it; whoever accepted it closes it."""
    with suppress(*_GONE):
        match fault:
            case Refuse():
                hang_up(client, End.RST)
            case Unanswered():
                while await client.receive_some(CHUNK_BYTES):
                    pass
            case Blurt(raw):
                await client.send_all(raw)
                await client.send_eof()
                await _until_left(client)
            case Answer(raw):
                head = b""
                while b"\r\n\r\n" not in head and (more := await client.receive_some(CHUNK_BYTES)):
                    head += more
                await client.send_all(raw)
                await client.send_eof()
                await _until_left(client)


async def _until_left(client: trio.SocketStream) -> None:
    """Wait for its end, so that what it said meanwhile makes no reset of ours, which would overtake our words."""
    with trio.move_on_after(1):
        while await client.receive_some(CHUNK_BYTES):
            pass


@asynccontextmanager
async def fault_proxy(target_port: int) -> AsyncIterator[FaultProxy]:
    """Run a proxy in front of 127.0.0.1:`target_port` until the block ends; it need not be up yet."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    proxy = FaultProxy(listener.socket.getsockname()[1], target_port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
        yield proxy
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def faulty_pair() -> AsyncIterator[tuple[trio.StapledStream, trio.StapledStream, Wire]]:
    """Make two streams in memory with a wire between them: whoever dialled, whom it reached, and the wire."""
    dialler, near = trio.testing.memory_stream_pair()
    far, target = trio.testing.memory_stream_pair()
    wire = Wire(near, far)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.carry)
        yield dialler, target, wire
        nursery.cancel_scope.cancel()
