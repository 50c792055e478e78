"""The event-stream grammar: bytes to messages, in any chunking, and messages to bytes.

After the HTML standard's chapter on server-sent events, "Parsing an event stream" and "Interpreting an event stream":
CR, LF and CRLF end a line; one leading BOM is skipped; an event without data is not dispatched, but its id counts; the end
of the stream dispatches nothing. Two things differ from a browser. Comments are surfaced, because a heartbeat is a sign of
life. And what is kept while an event is incomplete is bounded, because the sender is not ours.

Data stays bytes: whoever knows the payload decodes it. Writing refuses what could forge a line.
"""

import msgspec

from bridge.errors import VendorProtocolError

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Bytes of one event's lines at most: a full book of 5,000 levels a side has about 0.5 MB, so this only stops a runaway."""

_BOM = b"\xef\xbb\xbf"
_NAMES_KEPT = 64
_NAME_BYTES = 64
"""Lines that name an event, as they came, remembered with the name: a sender has few, and says one with every event."""

_RETRY_DIGITS = 12
"""A reconnection time of more digits (30 years in milliseconds) is nonsense and ignored like any that is not a number."""


class SseMessage(msgspec.Struct, frozen=True, gc=False):
    """A dispatched event.

    Attributes:
        data: the data lines, joined by LF.
        event: the event name; "" when none was sent (a browser then says `message`).
        id: the last event id in force, whether sent with this event or before; None before any, "" after it was cleared.
        retry: the reconnection time in milliseconds, if this event's block carried one.
    """

    data: bytes
    event: str = ""
    id: str | None = None
    retry: int | None = None


class SseComment(msgspec.Struct, frozen=True, gc=False):
    """A comment line, without its colon and one space after it."""

    text: str


class SseParser:
    """One stream's parser; a new connection needs a new one.

    Attributes:
        last_event_id: what to send as `Last-Event-ID` when the stream breaks now; None before any id.
        retry_ms: the newest reconnection time the sender asked for, in milliseconds; None before any.

    Args:
        max_event_bytes: the bound on the lines of one incomplete event.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.last_event_id: str | None = None
        self.retry_ms: int | None = None
        self._max_bytes = max_event_bytes
        self._begun = False
        self._after_cr = False
        self._partial: list[bytes] = []
        self._partial_bytes = 0
        self._names: dict[bytes, str] = {}
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._event = ""
        self._id: str | None = None
        self._retry: int | None = None

    def feed(self, chunk: bytes) -> list[SseMessage | SseComment]:
        """Return what these bytes complete, in order. How the stream is cut into chunks makes no difference.

        Raises:
            VendorProtocolError: an event passes the bound. The stream is then beyond repair, and what the same chunk completed
                before is lost with it: reconnect from `last_event_id`.
        """
        out: list[SseMessage | SseComment] = []
        names = self._names
        for line in self._lines(chunk):
            if not line:
                self._dispatch(out)
            elif line in names:
                self._event = names[line]
            else:
                self._take(line, out)
        if self._data_bytes + self._partial_bytes > self._max_bytes:
            raise self._too_big(b"".join(self._partial))
        return out

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Return the lines that `chunk` ends; keep the rest."""
        if not self._begun:
            chunk = self._without_bom(chunk)
        if not chunk:
            return []
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
        self._after_cr = chunk[-1:] == b"\r" if chunk else False
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._partial:
            lines[0] = b"".join(self._partial) + lines[0]
            self._partial.clear()
            self._partial_bytes = 0
        if rest:
            self._partial.append(rest)
            self._partial_bytes += len(rest)
        return lines

    def _without_bom(self, chunk: bytes) -> bytes:
        """Skip the BOM at the stream's very beginning; hold back what may still become one."""
        chunk = b"".join(self._partial) + chunk
        self._partial.clear()
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._partial.append(chunk)
            return b""
        self._begun = True
        return chunk.removeprefix(_BOM)

    def _take(self, line: bytes, out: list[SseMessage | SseComment]) -> None:
        """Take in a line that ends no event."""
        if self._data_bytes + len(line) > self._max_bytes:
            raise self._too_big(line)
        if line[:6] == b"data: ":
            self._data.append(line[6:])
            self._data_bytes += len(line)
        else:
            self._field(line, out)

    def _field(self, line: bytes, out: list[SseMessage | SseComment]) -> None:
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        match name:
            case b"":
                out.append(SseComment(value.decode(errors="replace")))
            case b"event":
                self._event = value.decode(errors="replace")
                if len(self._names) < _NAMES_KEPT and len(line) <= _NAME_BYTES:
                    self._names[line] = self._event
            case b"id" if b"\0" not in value:
                self._id = value.decode(errors="replace")
            case b"retry" if value.isdigit() and len(value) <= _RETRY_DIGITS:
                self._retry = self.retry_ms = int(value)
            case b"data":
                self._data.append(value)
                self._data_bytes += len(line)
            case _:  # the standard: ignore what is not known
                pass

    def _dispatch(self, out: list[SseMessage | SseComment]) -> None:
        self.last_event_id = self._id
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            out.append(SseMessage(data, self._event, self._id, self._retry))
            self._data.clear()
            self._data_bytes = 0
        self._event = ""
        self._retry = None

    def _too_big(self, line: bytes) -> VendorProtocolError:
        return VendorProtocolError(f"an event of more than {self._max_bytes} bytes", line)


def sse_message(data: bytes, event: str = "", id: str = "") -> bytes:  # noqa: A002 - the field's name
    """Spell an event; an empty `event` or `id` is left out.

    Args:
        data: UTF-8; a line break in it becomes a new data line, which a reader gives back as LF.
        event: the event name.
        id: the event id.

    Raises:
        ValueError: `event` or `id` holds a line break, or `id` a NUL: it would forge a line or be ignored.
    """
    head = b""
    if id:
        if "\0" in id:
            raise ValueError("an event id must not hold NUL")
        head = b"id: %b\n" % _one_line(id, "id")
    if event:
        head += b"event: %b\n" % _one_line(event, "event")
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    return b"%bdata: %b\n\n" % (head, data)


def sse_comment(text: str) -> bytes:
    """Spell a comment, such as a heartbeat, which may have no text; readers ignore it.

    Raises:
        ValueError: it holds a line break.
    """
    return b": %b\n\n" % _one_line(text, "comment") if text else b":\n\n"


def sse_retry(milliseconds: int) -> bytes:
    """Spell how long a client should wait before it reconnects."""
    return b"retry: %d\n\n" % milliseconds


def _one_line(text: str, what: str) -> bytes:
    if "\n" in text or "\r" in text:
        raise ValueError(f"an event stream's {what} must not hold a line break")
    return text.encode()
