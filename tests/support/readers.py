"""Clients of the bridge over real sockets that share no code with it: server-sent events, WebSocket, polling.

Each collects what it is told into a `Reader` until it is cancelled or the bridge ends the stream; the reader's cursor is the
one to come back with, on any transport.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import connect

Event = dict[str, Any]


@dataclass
class Reader:
    """What one client knows.

    Attributes:
        events: all it was told, in order, its own `stream` and answers included; polls have neither.
        cursor: where it stands; None before it was told.
        verdicts: of each `stream`, or of each poll.
        ended: how the bridge ended it: an HTTP status, a close code, or 0 for the end of a stream.
    """

    topics: str
    cursor: str | None = None
    events: list[Event] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    ended: int | None = None
    body: Event | None = None

    def take(self, event: Event) -> None:
        """Note an event."""
        self.events.append(event)
        if event["type"] == "stream":
            self.verdicts.append(event["verdict"])
        if "id" in event:
            self.cursor = event["id"]

    def of(self, *kinds: str) -> list[Event]:
        """The events of some types."""
        return [event for event in self.events if event["type"] in kinds]


Follow = Callable[..., Awaitable[None]]


async def sse(
    url: str, reader: Reader, token: str | None = None, *, http2: bool = False, silence_seconds: float = 60
) -> None:
    """Follow `reader.topics` over server-sent events, from its cursor if it has one; HTTP/2 by prior knowledge."""
    headers = {"accept": "text/event-stream"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    if reader.cursor:
        headers["last-event-id"] = reader.cursor
    async with (
        httpx2.AsyncClient(
            timeout=httpx2.Timeout(10, read=silence_seconds), trust_env=False, http1=not http2, http2=http2
        ) as client,
        client.stream("GET", f"{url}/v1/stream?subscribe={reader.topics}", headers=headers) as answer,
    ):
        if answer.status_code != 200:
            reader.ended = answer.status_code
            reader.body = json.loads(await answer.aread())
            return
        event_id = None
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                event_id = value
            elif name == "data":
                event = json.loads(value)
                reader.take(event)
                assert event["id"] == event_id
    reader.ended = 0


async def websocket(url: str, reader: Reader, token: str | None = None, *, silence_seconds: float = 40) -> None:
    """Follow `reader.topics` over a WebSocket, from its cursor if it has one."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    address = url.replace("http", "ws") + "/v1/ws"
    ping = {"ping_interval": silence_seconds / 2, "ping_timeout": silence_seconds / 2, "close_timeout": 1}
    async with connect(address, additional_headers=headers, max_size=2**26, proxy=None, **ping) as socket:
        subscribe = {"op": "subscribe", "topics": reader.topics.split(",")}
        if reader.cursor:
            subscribe["after"] = reader.cursor
        await socket.send(json.dumps(subscribe))
        try:
            while True:
                reader.take(json.loads(await socket.recv()))
        except ConnectionClosed as closed:
            reader.ended = closed.rcvd.code if closed.rcvd else 1006


async def polling(url: str, reader: Reader, token: str | None = None, wait: int = 5) -> None:
    """Follow `reader.topics` by long polls, from its cursor if it has one."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(timeout=wait + 20, trust_env=False, headers=headers) as client:
        while True:
            query = f"subscribe={reader.topics}" + (f"&after={reader.cursor}&wait={wait}" if reader.cursor else "")
            answer = await client.get(f"{url}/v1/poll?{query}")
            page = answer.json()
            if answer.status_code == 503:  # nothing has come from upstream yet
                await trio.sleep(0.05)
                continue
            if answer.status_code != 200:
                reader.ended, reader.body = answer.status_code, page
                return
            for event in page["events"]:
                reader.take(event)
            reader.verdicts.append(page["verdict"])
            reader.cursor = page["cursor"]


TRANSPORTS: dict[str, Follow] = {"sse": sse, "websocket": websocket, "polling": polling}
"""Every way to read, by the contract's name."""


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until something has happened; fail after a generous while."""
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is plain state that tells nobody
            await trio.sleep(0.01)


async def read_until(follow: Follow, url: str, reader: Reader, enough: Callable[[], Any], **more: Any) -> None:
    """Follow until there is enough, then leave."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: follow(url, reader, **more))
        await until(enough)
        nursery.cancel_scope.cancel()
