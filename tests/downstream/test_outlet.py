import pytest
import trio

from bridge.downstream.goodbyes import GOODBYES
from bridge.downstream.outlet import SseOutlet, WebSocketOutlet, WriteDeadline
from bridge.model import Code


class Peer:
    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.hung_up_at: float | None = None

    async def send(self, message: dict) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)

    def hang_up(self) -> None:
        self.hung_up_at = trio.current_time()


async def test_an_event_stream_is_headers_pieces_and_an_end():
    peer = Peer()
    outlet = SseOutlet(peer.send, WriteDeadline(1, peer.hang_up))
    await outlet.open()
    await outlet.write(b"data: 1\n\n")
    await outlet.close(Code.GOING_AWAY)
    assert peer.sent[1:] == [
        {"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]


async def test_a_websocket_sends_each_text_as_a_message_of_its_own():
    peer = Peer()
    outlet = WebSocketOutlet(peer.send, WriteDeadline(1, peer.hang_up), "bearer")
    await outlet.open()
    await outlet.write('{"a":"ü"}\n{"b":2}\n'.encode())
    await outlet.close(Code.SLOW_CONSUMER)
    assert peer.sent == [
        {"type": "websocket.accept", "subprotocol": "bearer", "headers": []},
        {"type": "websocket.send", "text": '{"a":"ü"}'},
        {"type": "websocket.send", "text": '{"b":2}'},
        {"type": "websocket.close", "code": 4408, "reason": "slow_consumer"},
    ]


@pytest.mark.parametrize("code", [code for code in Code if GOODBYES[code].close])
async def test_every_goodbye_closes_a_websocket_with_the_tables_code_and_its_name(code):
    peer = Peer()
    await WebSocketOutlet(peer.send, WriteDeadline(1, peer.hang_up), None).close(code)
    assert (peer.sent[0]["code"], peer.sent[0]["reason"]) == (GOODBYES[code].close, code.value)


async def test_one_write_that_takes_too_long_is_hung_up_on_even_when_it_cannot_be_cancelled(autojump_clock, nursery):
    peer = Peer()
    deadline = WriteDeadline(2, peer.hang_up)
    nursery.start_soon(deadline.run)
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


async def test_a_deadline_of_zero_is_none(autojump_clock, nursery):
    peer = Peer()
    deadline = WriteDeadline(0, peer.hang_up)
    nursery.start_soon(deadline.run)
    with deadline.write():
        await trio.sleep(80_000)
    assert peer.hung_up_at is None
