"""The ear on a WebSocket's stream."""

import pytest
import trio
import trio.testing

from bridge.upstream.network.line import ANSWER_BYTES, HEAD_BYTES, HandshakeCut, Line


def a_line():
    ours, theirs = trio.testing.memory_stream_pair()
    return Line(ours), theirs


async def test_answer_is_remembered_until_it_is_accepted():
    line, peer = a_line()
    await peer.send_all(b"HTTP/1.1 401 ")
    await line.receive_some()
    await peer.send_all(b"Unauthorized\r\n\r\n")
    await line.receive_some()
    assert line.answer == b"HTTP/1.1 401 Unauthorized\r\n\r\n"
    line.accept()
    await peer.send_all(b"frames")
    assert await line.receive_some() == b"frames"
    assert line.answer == b""
    assert line.received_bytes == 35


async def test_answer_is_remembered_and_read_within_bounds():
    line, peer = a_line()

    async def talk():
        await peer.send_all(b"x" * (ANSWER_BYTES + 1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        with pytest.raises(HandshakeCut):  # noqa: PT012 - how many reads it takes is the stream's choice
            while True:
                await line.receive_some(10_000)
    assert len(line.answer) == HEAD_BYTES


async def test_end_before_the_acceptance_cuts_and_afterwards_is_an_end():
    line, peer = a_line()
    await peer.aclose()
    with pytest.raises(HandshakeCut):
        await line.receive_some()
    line.accept()
    assert await line.receive_some() == b""
    assert line.ended == "the peer closed the connection"


class Ended(trio.abc.Stream):
    """A stream at its end, with as few checkpoints as a socket: one."""

    async def receive_some(self, max_bytes=None):
        await trio.lowlevel.cancel_shielded_checkpoint()
        return b""

    async def send_all(self, data):
        raise trio.BrokenResourceError

    async def wait_send_all_might_not_block(self):
        raise trio.BrokenResourceError

    async def aclose(self):
        await trio.lowlevel.checkpoint()


async def test_end_right_behind_the_acceptance_lets_the_waiting_owner_go_first():
    """The library wakes the owner and reads on; which of the two runs first is Trio's to choose, and it tosses a coin."""
    for _ in range(50):
        line = Line(Ended())
        accepted = trio.Event()

        async def own(line=line, accepted=accepted):
            await accepted.wait()
            line.accept()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(own)
            await trio.testing.wait_all_tasks_blocked()
            accepted.set()
            assert await line.receive_some() == b""


async def test_interrupted_send_is_the_last_one():
    line, _ = a_line()
    line.accept()
    with trio.CancelScope() as scope:
        scope.cancel()
        await line.send_all(b"half a frame")
    with pytest.raises(trio.ClosedResourceError):
        await line.send_all(b"another")


async def test_goodbye_is_noted_whoever_began():
    line, _ = a_line()
    line.accept()
    await line.send_all(b"\x81\x80mask")
    assert not line.said_goodbye
    await line.send_all(b"\x88\x82mask..")
    await line.send_all(b"\x8a\x80mask")
    assert line.said_goodbye


async def test_bytes_of_any_kind_are_heard(autojump_clock):
    line, peer = a_line()
    line.accept()
    await trio.sleep(7)
    await peer.send_all(b"\x89\x00")
    await line.receive_some()
    assert line.heard_at == trio.current_time()
