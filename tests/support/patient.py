"""A client that never gives up: it follows on one transport, and comes back with its cursor whenever the line breaks.

Whatever the network does to it is an outcome, not an error; what the bridge says is an error only if the `Ledger` says so.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h2.exceptions
import httpx2
import trio
from websockets.exceptions import WebSocketException

from tests.support.ledger import Ledger
from tests.support.readers import polling, sse, websocket

BROKEN = (
    httpx2.HTTPError,
    httpx2.StreamError,
    h2.exceptions.H2Error,
    WebSocketException,
    OSError,
    json.JSONDecodeError,
    UnicodeDecodeError,
)
"""How a line breaks, in the words of the clients' libraries; `EOFError` and Trio's own come along in groups."""

WAYS: dict[str, Callable[..., Any]] = {
    "sse": sse,
    "sse over HTTP/2": partial(sse, http2=True),
    "websocket": websocket,
    "polling": partial(polling, wait=2),
}


@dataclass
class Patient:
    """One client.

    Attributes:
        ledger: what it knows.
        way: one of `WAYS`.
        url: where the bridge is; may be changed between two connections.
        pause_seconds: how long it waits before it comes back.
        ends: how its connections ended.
    """

    ledger: Ledger
    way: str
    url: str
    token: str | None = None
    pause_seconds: float = 0.2
    silence_seconds: float = 20
    ends: Counter[str] = field(default_factory=Counter)
    connections: int = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self._once()
            await trio.sleep(self.pause_seconds)

    async def _once(self) -> None:
        self.connections += 1
        self.ledger.ended = None
        silence = {} if self.way == "polling" else {"silence_seconds": self.silence_seconds}
        try:
            await WAYS[self.way](self.url, self.ledger, token=self.token, **silence)
        except BROKEN as error:
            self.ends[type(error).__name__] += 1
        except BaseExceptionGroup as group:
            broken, rest = group.split((*BROKEN, EOFError, trio.BrokenResourceError, trio.ClosedResourceError))
            if rest is not None:
                raise rest from None
            self.ends[str(broken and type(broken.exceptions[0]).__name__)] += 1
        else:
            self.ends[str(self.ledger.ended)] += 1
