"""How the load opens a stream on each transport, and how it finds events in what comes back. No I/O.

It looks for events as cheaply as it can: bytes are searched, not parsed. An event ends with a brace, so what stands before
the last one is complete; the framing of HTTP/1.1 chunks and of WebSocket messages lies between events and is passed over.
HTTP/2 cuts anywhere, so its frames are taken off.
"""

import base64
import enum
import secrets
from typing import Final

import h2.config
import h2.connection
import h2.settings
import msgspec

MARKER: Final = b'"trade_id":"'
"""Stands before the send time in every trade."""

FIRST: Final = b'"type":"stream"'
"""In the first message of every stream."""

RESUMED: Final = b'"verdict":"resumed"'
GAP: Final = b'"type":"gap"'

_WIDEST_WINDOW = 2**31 - 1
_DATA, _SETTINGS, _PING, _ACK = 0, 4, 6, 1
_FRAME_HEAD = 9
_LONG_FRAME = 126
"""Bytes from which on a WebSocket frame says its length in two bytes (RFC 6455 §5.2); ours stay below 64 KiB."""


class Way(enum.StrEnum):
    """A transport and what it runs over."""

    SSE = "sse"
    WEBSOCKET = "websocket"
    HTTP2 = "http2"
    SSE_TLS = "sse-tls"
    WEBSOCKET_TLS = "websocket-tls"
    HTTP2_TLS = "http2-tls"

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.value.endswith("-tls")

    @property
    def alpn(self) -> str:
        """What TLS agrees upon."""
        return "h2" if self in {Way.HTTP2, Way.HTTP2_TLS} else "http/1.1"


def opening(way: Way, topics: str, after: str | None) -> bytes:
    """Return the bytes with which a client opens its stream.

    Args:
        way: how.
        topics: comma separated.
        after: the cursor to resume from; only on event streams over HTTP/1.1.
    """
    path = f"/v1/stream?subscribe={topics}"
    if way in {Way.WEBSOCKET, Way.WEBSOCKET_TLS}:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        return (
            f"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    if way.alpn == "h2":
        return _http2_opening(path, "https" if way.secure else "http")
    resume = "" if after is None else f"Last-Event-ID: {after}\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{resume}\r\n".encode()


def greeting(way: Way, topics: str) -> bytes:
    """Return what is sent once the server has accepted: a WebSocket's subscribe, masked with zeroes; else nothing."""
    if way not in {Way.WEBSOCKET, Way.WEBSOCKET_TLS}:
        return b""
    text = msgspec.json.encode({"op": "subscribe", "topics": topics.split(",")})
    size = bytes((0x80 | len(text),)) if len(text) < _LONG_FRAME else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + text


def _http2_opening(path: str, scheme: str) -> bytes:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    codes = h2.settings.SettingCodes
    connection.local_settings = h2.settings.Settings(
        client=True, initial_values={codes.INITIAL_WINDOW_SIZE: _WIDEST_WINDOW, codes.ENABLE_PUSH: 0}
    )
    connection.initiate_connection()
    connection.increment_flow_control_window(_WIDEST_WINDOW - 65_535)
    head = [(":method", "GET"), (":path", path), (":scheme", scheme), (":authority", "localhost")]
    connection.send_headers(1, [*head, ("accept", "text/event-stream")], end_stream=True)
    opened: bytes = connection.data_to_send()
    return opened


class Http2Frames:
    """Takes the frames off one connection's bytes.

    Attributes:
        answer: what must be sent to the server: acknowledgements.
    """

    def __init__(self) -> None:
        self.answer = b""
        self._rest = b""

    def take(self, data: bytes) -> bytes:
        """Return the payload of the DATA frames that are complete now."""
        data = self._rest + data
        place, end = 0, len(data)
        payload = []
        while end - place >= _FRAME_HEAD:
            length = int.from_bytes(data[place : place + 3], "big")
            after = place + _FRAME_HEAD + length
            if after > end:
                break
            kind, flags = data[place + 3], data[place + 4]
            if kind == _DATA:
                payload.append(data[place + _FRAME_HEAD : after])
            elif kind in {_SETTINGS, _PING} and not flags & _ACK:
                self._acknowledge(kind, data[place + _FRAME_HEAD : after])
            place = after
        self._rest = data[place:]
        return b"".join(payload)

    def _acknowledge(self, kind: int, body: bytes) -> None:
        body = body if kind == _PING else b""
        self.answer += len(body).to_bytes(3, "big") + bytes((kind, _ACK, 0, 0, 0, 0)) + body
