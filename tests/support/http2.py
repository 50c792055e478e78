"""A raw HTTP/2 client on a Trio stream: it says exactly what a test tells it to, also what no decent client says."""

from collections.abc import Sequence

import h2.config
import h2.connection
import h2.events
import h2.settings
import trio

Headers = Sequence[tuple[bytes, bytes]]

STREAM_ENDS = (h2.events.StreamEnded, h2.events.StreamReset, h2.events.ConnectionTerminated)


def get(path: bytes, *more: tuple[bytes, bytes], method: bytes = b"GET", scheme: bytes = b"http") -> Headers:
    """Return the headers of a request."""
    return [(b":method", method), (b":path", path), (b":scheme", scheme), (b":authority", b"localhost"), *more]


class Http2Client:
    """One connection. `events` holds all that has come and has not been asked for.

    Args:
        stream: a connected byte stream (TLS already done, if any).
        lax: whether to send headers that HTTP/2 forbids.
        acknowledge: whether to open the window for what was received.
        window: how much of each stream the server may send at first; None = the standard's 65,535 bytes.
    """

    def __init__(
        self, stream: trio.abc.Stream, *, lax: bool = False, acknowledge: bool = True, window: int | None = None
    ) -> None:
        self.stream = stream
        self.acknowledge = acknowledge
        self.connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=not lax)
        )
        if window is not None:
            self.connection.local_settings = h2.settings.Settings(
                client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
            )
        self.events: list[h2.events.Event] = []
        self.ended = False
        self._turn = trio.Lock()

    async def start(self) -> None:
        """Send the preface."""
        self.connection.initiate_connection()
        await self.flush()

    async def flush(self) -> None:
        """Send what is ready; any task may."""
        async with self._turn:
            await self.stream.send_all(self.connection.data_to_send())

    async def request(self, headers: Headers, *, body: bytes | None = None, end: bool = True) -> int:
        """Send a request; returns its stream id."""
        stream_id = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream_id, list(headers), end_stream=end and body is None)
        if body is not None:
            self.connection.send_data(stream_id, body, end_stream=end)
        await self.flush()
        return stream_id

    async def read(self) -> list[h2.events.Event]:
        """Read once; returns what came (nothing at the end of the connection)."""
        data = await self.stream.receive_some(65_536)
        if not data:
            self.ended = True
            return []
        events = self.connection.receive_data(data)
        if self.acknowledge:
            for event in events:
                if isinstance(event, h2.events.DataReceived):
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        await self.flush()
        self.events += events
        return events

    async def until(self, kind: type | tuple[type, ...], stream_id: int | None = None) -> h2.events.Event:
        """Read until an event of this kind (of this stream) has come; takes it."""
        while True:
            for index, event in enumerate(self.events):
                if isinstance(event, kind) and stream_id in (None, getattr(event, "stream_id", None)):
                    del self.events[index]
                    return event
            if self.ended:
                raise AssertionError(f"the connection ended before a {kind} came")
            await self.read()

    async def response(self, stream_id: int) -> tuple[int, bytes]:
        """Read a whole response; returns its status and body."""
        status, body = 0, b""
        while True:
            event = await self.until((h2.events.ResponseReceived, h2.events.DataReceived, *STREAM_ENDS), stream_id)
            if isinstance(event, h2.events.ResponseReceived):
                status = int(dict(event.headers)[b":status"])
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
            else:
                return status, body
