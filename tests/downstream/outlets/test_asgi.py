from functools import partial

import pytest
import trio

from bridge.downstream.goodbyes import GOODBYES
from bridge.downstream.outlets.asgi import SseOutlet, WebSocketOutlet
from bridge.downstream.outlets.outlet import Surroundings, WriteDeadline
from bridge.model import Code
from bridge.wire.websocket import text_frame


class Peer:
    """An ASGI `send`, and a stream's surroundings."""

    def __init__(self, nursery: trio.Nursery, patience: float = 1) -> None:
        self.sent: list[dict] = []
        self.hung_up_at: float | None = None
        self.freed = trio.Event()
        self.around = Surroundings(
            start=lambda work, *arguments: nursery.start_soon(partial(work, *arguments)),
            freed=self._free,
            stalled=self.hang_up,
            patience_seconds=patience,
        )

    async def send(self, message: dict) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)

    async def until_freed(self) -> None:
        await self.freed.wait()
        self.freed = trio.Event()

    def hang_up(self) -> None:
        self.hung_up_at = trio.current_time()

    def _free(self) -> None:
        self.freed.set()


async def test_an_event_stream_is_headers_pieces_and_an_end(nursery):
    peer = Peer(nursery)
    outlet = SseOutlet(peer.send, peer.around)
    await outlet.open()
    assert outlet.try_write(b"data: 1\n\n") is False
    assert outlet.kept_bytes == 9
    await peer.until_freed()
    assert outlet.kept_bytes == 0
    await outlet.close(Code.GOING_AWAY)
    assert peer.sent[1:] == [
        {"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]


async def test_a_websocket_sends_each_text_as_a_message_of_its_own(nursery):
    peer = Peer(nursery)
    outlet = WebSocketOutlet(peer.send, peer.around)
    await outlet.open("bearer")
    outlet.try_write(text_frame('{"a":"ü"}'.encode()) + text_frame(b"x" * 200) + text_frame(b"y" * 70_000))
    await peer.until_freed()
    await outlet.close(Code.SLOW_CONSUMER)
    assert peer.sent == [
        {"type": "websocket.accept", "subprotocol": "bearer", "headers": []},
        {"type": "websocket.send", "text": '{"a":"ü"}'},
        {"type": "websocket.send", "text": "x" * 200},
        {"type": "websocket.send", "text": "y" * 70_000},
        {"type": "websocket.close", "code": 4408, "reason": "slow_consumer"},
    ]


@pytest.mark.parametrize("code", [code for code in Code if GOODBYES[code].close])
async def test_every_goodbye_closes_a_websocket_with_the_tables_code_and_its_name(nursery, code):
    peer = Peer(nursery)
    await WebSocketOutlet(peer.send, peer.around).close(code)
    assert (peer.sent[0]["code"], peer.sent[0]["reason"]) == (GOODBYES[code].close, code.value)


async def test_one_write_that_takes_too_long_is_hung_up_on_even_when_it_cannot_be_cancelled(autojump_clock, nursery):
    peer = Peer(nursery, patience=2)
    deadline = WriteDeadline(peer.around)
    with deadline.write(), trio.CancelScope(shield=True):
        await trio.sleep(1.9)
    await trio.sleep(100)
    for _ in range(10):
        with deadline.write():
            await trio.sleep(1)
    assert peer.hung_up_at is None, "many writes may take long together, and nothing may be written for long"
    began = trio.current_time()
    with deadline.write(), trio.CancelScope(shield=True):
        await trio.sleep(5)
    assert peer.hung_up_at == pytest.approx(began + 2)


async def test_no_patience_to_lose_is_no_deadline(autojump_clock, nursery):
    peer = Peer(nursery, patience=float("inf"))
    with WriteDeadline(peer.around).write():
        await trio.sleep(80_000)
    assert peer.hung_up_at is None
