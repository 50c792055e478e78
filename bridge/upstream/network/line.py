"""The byte stream under a WebSocket, with an ear on it.

`trio_websocket` keeps to itself what a session must know: when the peer was last heard (a ping is a sign of life too), what
it answered instead of an upgrade, and whether it hung up or broke the protocol. This stream notes the three as the bytes
pass. It also sees to it that a send that was cut in the middle is never followed by another one.
"""

import trio

from bridge.upstream.network.faults import words

HEAD_BYTES = 16 * 1024
"""How much of the answer is remembered until the upgrade is accepted."""

ANSWER_BYTES = 256 * 1024
"""How much may come before the upgrade is accepted."""

_CLOSE_FRAME = b"\x88"  # RFC 6455 §5.2: final, opcode 8; the library sends frame by frame


class HandshakeCut(Exception):
    """The answer to the upgrade ended early. Never leaves `upstream.websocket`."""


class Line(trio.abc.Stream):
    """A stream that remembers what passed.

    Attributes:
        opened: whether the upgrade was accepted.
        answer: the first bytes that came, at most `HEAD_BYTES`; empty once opened.
        heard_at: when bytes last came, on Trio's clock.
        received_bytes: how many bytes came.
        ended: how the peer ended it, in words; None when it did not.
        said_goodbye: whether a close frame went out: of our own, or as the answer to the peer's.

    Args:
        stream: owned from now on.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.opened = False
        self.answer = b""
        self.heard_at = trio.current_time()
        self.received_bytes = 0
        self.ended: str | None = None
        self.said_goodbye = False
        self._stream = stream

    def accept(self) -> None:
        """Note that the upgrade was accepted."""
        self.opened = True
        self.answer = b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive, as any Trio stream.

        Raises:
            HandshakeCut: before the upgrade was accepted, whatever the reason.
        """
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            if isinstance(error, trio.BrokenResourceError):
                self.ended = words(error)
            await self._still_opening(error)
            raise
        self.heard_at = trio.current_time()
        self.received_bytes += len(data)
        if not data:
            self.ended = "the peer closed the connection"
            await self._still_opening(None)
        elif not self.opened:
            self.answer = (self.answer + data)[:HEAD_BYTES]
            if self.received_bytes > ANSWER_BYTES:
                await self._still_opening(None)
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, as any Trio stream; whatever interrupts it closes the stream, for half a frame is out.

        Raises:
            HandshakeCut: before the upgrade was accepted, when the peer broke it.
        """
        self.said_goodbye = self.said_goodbye or data[:1] == _CLOSE_FRAME
        try:
            await self._stream.send_all(data)
        except BaseException as error:
            await trio.aclose_forcefully(self._stream)
            if isinstance(error, trio.BrokenResourceError):
                self.ended = self.ended or words(error)
                await self._still_opening(error)
            raise

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until a send might go through."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._stream.aclose()

    async def _still_opening(self, cause: BaseException | None) -> None:
        """Raise when the upgrade was not accepted. Its owner may be about to run: let it, before judging."""
        if not self.opened:
            await trio.lowlevel.checkpoint()
        if not self.opened:
            raise HandshakeCut from cause
