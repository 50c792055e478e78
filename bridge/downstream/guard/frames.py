"""The guard's part 8: what an HTTP/2 client may have us do, in frames and in memory; h2 itself bounds neither.

Theory of operation. Most attacks on HTTP/2 are the same one: frames that cost their sender nothing and us some work (resets,
PINGs, SETTINGS, empty DATA, window updates of a byte, priorities, frames of unknown types). So every frame costs its client
one of a budget, which fills with time, and with what we send: a client that takes megabytes may acknowledge each piece of
them, and one that gets answers may ask for more. Who has nothing left gets a GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §10.5).
It is counted before a frame has any effect, so nothing of what is past the budget is done.

Held in memory for a client are only: header blocks not yet whole, the settings that we know, the names of our header table,
and how its newest streams ended.
"""

from typing import Any, Final

import h2.config
import h2.connection
import h2.exceptions
import h2.settings
from h2.errors import ErrorCodes
from h2.events import Event
from hpack.exceptions import HPACKDecodingError
from hyperframe.frame import Frame, HeadersFrame, SettingsFrame, WindowUpdateFrame

FRAMES_AHEAD: Final = 500
"""What a client may send at once: far more than a page that opens, or a hundred streams that are closed together."""

FRAMES_BEFORE_REQUEST: Final = 32
"""What it may send before it asks for anything: browsers and libraries send up to a dozen settings, windows and priorities."""

FRAMES_PER_SECOND: Final = 100
"""And then. A browser on quiet streams sends a handful a minute."""

BYTES_PER_FRAME: Final = 32
"""For each so many bytes that we send, one frame more: twice what acknowledging every small event of its own takes, yet more
than the acknowledgement of a PING, a reset or a DATA frame of one byte (17, 13 and 10 bytes) would earn."""

WINDOWS_AHEAD: Final = 5_000
WINDOWS_PER_SECOND: Final = 1_000
"""Window updates have a budget of their own, for they are what slow reading is told by: a client that takes an event a byte at a
time sends two for each byte, and is to get its event slowly. One costs us some 15 us."""

MAX_TABLE_BYTES: Final = 4_096
"""Of the header table that we keep for our answers: HTTP/2's default. A client may offer gigabytes."""

CLOSED_STREAMS: Final = 1_024
"""How many ends of streams are remembered, to judge late frames by; h2 remembers 65,536 (6 MB)."""

_KNOWN_SETTINGS: Final = frozenset(map(int, h2.settings.SettingCodes))

FRAME_HEADER_BYTES = 9
"""RFC 9113 §4.1."""


def let_go(connection: h2.connection.H2Connection) -> None:
    """Break the circles of one that is not used any more: a table of its own methods."""
    connection._frame_dispatch_table.clear()  # noqa: SLF001 - see guard


class FrameBudget:
    """How many frames one client may still send.

    Args:
        now: the monotonic time in seconds.
        ahead: how many at once; `per_second` then.

    Attributes:
        sent: bytes that we have sent since it was looked at last.
    """

    __slots__ = ("_ahead", "_at", "_left", "_per_second", "sent")

    def __init__(self, now: float, ahead: int = FRAMES_AHEAD, per_second: int = FRAMES_PER_SECOND) -> None:
        self.sent = 0
        self._at = now
        self._ahead = ahead
        self._per_second = per_second
        self._left = float(ahead)

    def spend(self, now: float) -> bool:
        """Take one frame at `now`; False = there was none left."""
        earned = (now - self._at) * self._per_second + self.sent / BYTES_PER_FRAME
        self._at, self.sent = now, 0
        self._left = min(self._ahead, self._left + earned) - 1
        return self._left >= 0


class CompressionError(h2.exceptions.ProtocolError):
    """A header block cannot be decompressed (RFC 9113 §4.3); h2 calls that a PROTOCOL_ERROR."""

    error_code = ErrorCodes.COMPRESSION_ERROR


class CalmConnection(h2.connection.H2Connection):
    """h2's server side of a connection, within bounds.

    Args:
        settings: what we tell the client.
        now: the monotonic time in seconds.

    Attributes:
        now: to be set before data is received.
    """

    MAX_CLOSED_STREAMS = CLOSED_STREAMS

    def __init__(self, settings: h2.settings.Settings, now: float) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding=None, validate_inbound_headers=False)
        super().__init__(config)
        self.local_settings = settings
        self.decoder.max_header_list_size = settings.max_header_list_size or self.DEFAULT_MAX_HEADER_LIST_SIZE
        self.now = now
        self._budget = FrameBudget(now)
        self._early = 0
        self._windows = FrameBudget(now, WINDOWS_AHEAD, WINDOWS_PER_SECOND)

    @property
    def open_inbound_streams(self) -> int:
        """None, for h2: with one too many it would end the connection, where RFC 9113 (§5.1.2) has the stream refused."""
        _ = super().open_inbound_streams  # forgets those that have ended
        return 0

    def receive_data(self, data: Any) -> list[Event]:  # noqa: ANN401 - any buffer
        """Take what came; as h2's.

        Raises:
            DenialOfServiceError: it was too much; what has to be said about it is ready to be sent.
            ProtocolError: it broke the rules; likewise.
        """
        events = super().receive_data(data)
        came = self.incoming_buffer._data  # noqa: SLF001 - see guard
        if len(came) >= FRAME_HEADER_BYTES and int.from_bytes(came[:3]) > self.max_inbound_frame_size:
            too_large = h2.exceptions.FrameTooLargeError("a frame is announced that is larger than we allow")
            self._terminate_connection(too_large.error_code)  # h2 would keep all of it first, up to 16 MiB
            raise too_large
        waiting = sum(len(frame.data) for frame in self.incoming_buffer._headers_buffer)  # noqa: SLF001 - see guard
        if waiting > self.decoder.max_header_list_size:
            error = h2.exceptions.DenialOfServiceError("a header block grows without end")
            self._terminate_connection(error.error_code)
            raise error
        return events

    def data_to_send(self, amount: int | None = None) -> bytes:
        """Return what is ready to be sent; as h2's."""
        data: bytes = super().data_to_send(amount)
        self._budget.sent += len(data)
        self._windows.sent += len(data)
        return data

    def _receive_frame(self, frame: Frame) -> list[Event]:
        budget = self._windows if isinstance(frame, WindowUpdateFrame) else self._budget
        self._early += not self.highest_inbound_stream_id
        if self._early > FRAMES_BEFORE_REQUEST or not budget.spend(self.now):
            raise h2.exceptions.DenialOfServiceError("more frames than a client has use for")
        return super()._receive_frame(frame)

    def _receive_headers_frame(self, frame: HeadersFrame) -> tuple[list[Frame], list[Event]]:
        try:
            return super()._receive_headers_frame(frame)
        except h2.exceptions.DenialOfServiceError:
            raise
        except h2.exceptions.ProtocolError as error:
            if isinstance(error.__cause__, HPACKDecodingError):
                raise CompressionError(str(error)) from error.__cause__
            raise

    def _receive_settings_frame(self, frame: SettingsFrame) -> tuple[list[Frame], list[Event]]:
        """Take what is known, and keep our own table small (RFC 9113 §6.5.2, RFC 7541 §4.2)."""
        for setting in frame.settings.keys() - _KNOWN_SETTINGS:
            del frame.settings[setting]
        result = super()._receive_settings_frame(frame)
        encoder = self.encoder
        if encoder.header_table_size > MAX_TABLE_BYTES:  # noqa: PLR1730 - setting it to itself would hide an earlier change
            encoder.header_table_size = MAX_TABLE_BYTES
        told = [min(size, MAX_TABLE_BYTES) for size in encoder.table_size_changes]
        encoder.table_size_changes = [min(told), told[-1]] if told else []  # the next answer must tell these two
        return result
