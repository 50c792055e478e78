"""Two echoes of our own for the Autobahn suite: a server behind the guard, and a client made of a feed's WebSocket.

The server answers a text as streams are written, straight to the socket (`outlet_websocket`), and bytes over ASGI, so that both
of its ways out are judged. The client is `WebSocketConnector`'s; a vendor's frame does not say whether it was text, so the echo
looks at what the library handed to the connection.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import trio

from bridge.clock import wall_clock
from bridge.dialects.contract import HttpRequest
from bridge.downstream.outlets import choice
from bridge.downstream.outlets.outlet import AsgiMessage, Outlet, Receive, Scope, Send, Surroundings
from bridge.errors import BridgeError
from bridge.upstream.network.http import open_client
from bridge.upstream.network.websocket import open_websocket_connector
from bridge.upstream.network.websocket_connection import WebSocketConnection, WebSocketTerms
from bridge.upstream.settings import FeedSettings
from bridge.wire.websocket import text_frame

PATIENCE_SECONDS = 30.0


async def echo_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Send back what comes, until the client has gone."""
    async with trio.open_nursery() as nursery:
        written = Written()
        around = Surroundings(nursery.start_soon, written.set, nursery.cancel_scope.cancel, PATIENCE_SECONDS)
        await receive()  # websocket.connect
        outlet = await choice.websocket(scope, send, None)(around)
        with suppress(trio.BrokenResourceError):
            while (message := await receive())["type"] == "websocket.receive":
                await _answer(message, outlet, written, send)
        nursery.cancel_scope.cancel()


class Written:
    """Tells when what an outlet had kept has gone."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = trio.Event()


async def _answer(message: AsgiMessage, outlet: Outlet, written: Written, send: Send) -> None:
    text = message.get("text")
    if text is None:
        await send({"type": "websocket.send", "bytes": message["bytes"]})
    elif not outlet.try_write(outlet.frame(text_frame(text.encode()))):
        await written.wait()


class _Remembering:
    """The library's connection; `last` is the message that was taken last."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.last: str | bytes = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    async def get_message(self) -> str | bytes:
        self.last = await self._socket.get_message()
        return self.last


async def run_client(url: str, agent: str, most: int, told: Callable[[int, int], None]) -> None:
    """Run every case of a fuzzing server, one after another, and have it write its report.

    Args:
        url: the fuzzing server's, without a path.
        agent: the name in the report.
        most: the bound on one message, in bytes.
        told: hears of each case that is done, and how many there are.
    """
    terms = WebSocketTerms(read_timeout_seconds=PATIENCE_SECONDS, max_message_bytes=most)
    async with (
        open_client(FeedSettings(dialect="x", url="http://h"), wall_clock) as client,
        open_websocket_connector(client, terms) as connector,
    ):
        counted = await connector.connect(HttpRequest(url=f"{url}/getCaseCount"))
        count = int((await counted.receive()).data)
        await counted.aclose()
        for case in range(1, count + 1):
            await _echo(await connector.connect(HttpRequest(url=f"{url}/runCase?case={case}&agent={agent}")))
            told(case, count)
        await _echo(await connector.connect(HttpRequest(url=f"{url}/updateReports?agent={agent}")))


async def _echo(connection: WebSocketConnection) -> None:
    heard = connection._socket = _Remembering(connection._socket)
    with suppress(BridgeError):  # the case is over: what that was is the suite's to judge
        while True:
            frame = await connection.receive()
            if isinstance(heard.last, str):
                await connection.send(frame.data)
            else:
                await heard.send_message(heard.last)
    await connection.aclose()
