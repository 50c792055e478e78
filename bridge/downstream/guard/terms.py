"""The guard's part 1: what all connections of a server share, the numbers they keep to, and how they have fared."""

from collections.abc import Callable
from typing import Final

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from bridge.downstream.guard.epoll import RationedEpoll

FIRST_REQUEST_SECONDS: Final = 10.0
"""For TLS, and then again for the headers of the first request: a client that drips bytes (slow loris) holds us no longer."""

IDLE_SECONDS: Final = 75.0
"""How long a connection may stay without a request: nginx's default, longer than a poller's pause."""

MAX_MESSAGE_BYTES: Final = 65_536
"""Of one WebSocket message from a client: thousands of topics."""

MAX_HEADER_BYTES: Final = 32_768
"""Of one request's headers: a URL with hundreds of topics and a token of several kilobytes."""

MAX_STREAMS: Final = 128
"""Of one HTTP/2 connection at once; RFC 9113 §6.5.2 asks for at least 100."""


MayErr = Callable[[], bool]
"""Told that a request was refused; returns whether its connection may make another."""


def always() -> bool:
    """Let a client err as often as it likes."""
    return True


def is_refusal(status: int) -> bool:
    """Whether a status says that a request was its client's mistake."""
    return 400 <= status < 500


class Terms:
    """What all connections of a server share.

    Args:
        app: the ASGI app behind them.
        write_deadline_seconds: how long a piece of a write may wait for its client.
        ping_seconds: how often a WebSocket is pinged; None = never.
        epoll: what waits for connections to say something; None = Trio's own.

    Attributes:
        contained: errors that would have ended the process.
        hung_up: connections that were closed at once, for whatever reason.
        stalled: of these, because the client did not read.
        unruly: ended because the client asked for too much work.
    """

    def __init__(
        self,
        app: ASGIFramework,
        write_deadline_seconds: float,
        ping_seconds: float | None = None,
        epoll: RationedEpoll | None = None,
    ) -> None:
        self.app = ASGIWrapper(app)
        self.epoll = epoll
        self.config = _config(ping_seconds)
        self.context = WorkerContext(None)
        self.write_deadline_seconds = write_deadline_seconds
        self.first_request_seconds = FIRST_REQUEST_SECONDS
        self.idle_seconds = IDLE_SECONDS
        self.contained = 0
        self.hung_up = 0
        self.stalled = 0
        self.unruly = 0

    def on_unruly(self) -> None:
        """Count a client that asked for too much work."""
        self.unruly += 1

    def adopt(self, write_deadline_seconds: float, ping_seconds: float | None) -> None:
        """Keep to these from now on; how often a WebSocket is pinged was settled when it was opened."""
        self.write_deadline_seconds = write_deadline_seconds
        self.config.websocket_ping_interval = ping_seconds


def _config(ping_seconds: float | None) -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    config.keep_alive_max_requests = 2**31  # on HTTP/2 the stock 1,000 sends a GOAWAY that kills the client's streams
    config.read_timeout = None  # an event stream's client says nothing for hours
    config.h11_max_incomplete_size = MAX_HEADER_BYTES
    config.h2_max_header_list_size = MAX_HEADER_BYTES
    config.h2_max_concurrent_streams = MAX_STREAMS
    config.websocket_max_message_size = MAX_MESSAGE_BYTES
    config.websocket_ping_interval = ping_seconds
    return config
