"""Opens WebSockets to a vendor: a stream of our own (`tunnel`, `line`), then the library's handshake on it.

Each connection has its task in the connector's nursery (`websocket_connection`), so a connection can be opened in one task,
used in another and closed in a third. A refused upgrade is read from the bytes that came, because the library knows only
some kinds of refusal and waits for ever for the end of others.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from bridge.dialects.contract import Frame, HttpRequest
from bridge.errors import BridgeError, TransportLost
from bridge.upstream.network.faults import words
from bridge.upstream.network.http import HttpClient, peer_of
from bridge.upstream.network.line import Line
from bridge.upstream.network.refusals import parse_head, refusal
from bridge.upstream.network.tunnel import open_stream
from bridge.upstream.network.websocket_connection import WebSocketConnection, WebSocketTerms

OPEN_SECONDS = 15.0
"""From the first SYN to the accepted upgrade, proxy and TLS included."""


@asynccontextmanager
async def open_websocket_connector(client: HttpClient, terms: WebSocketTerms) -> AsyncIterator["WebSocketConnector"]:
    """Open a connector; leaving the block cuts what connections are left.

    Args:
        client: the feed's; its route is used for WebSockets too.
        terms: the vendor's.
    """
    async with trio.open_nursery() as nursery:
        yield WebSocketConnector(nursery, client, terms)
        nursery.cancel_scope.cancel()


class WebSocketConnector:
    """Opens WebSockets; made by `open_websocket_connector`.

    Args:
        nursery: where each connection has its task; none of them ever raises.
        client: the feed's.
        terms: the vendor's.
    """

    def __init__(self, nursery: trio.Nursery, client: HttpClient, terms: WebSocketTerms) -> None:
        self._nursery = nursery
        self._client = client
        self._terms = terms

    async def connect(self, request: HttpRequest) -> WebSocketConnection:
        """Open a WebSocket; see `upstream.contract.Connector.connect`."""
        peer = peer_of(request)
        with trio.move_on_after(OPEN_SECONDS):
            line = Line(await open_stream(self._client.route, request.url))
            connection = WebSocketConnection(line, peer, self._client.clock, self._terms)
            try:
                await self._nursery.start(connection.carry, request)
            except BaseException:
                connection.cut()
                raise
            if connection.carried:
                return connection
            raise self._unopened(request, line, peer, connection.fault)
        raise TransportLost(f"{peer}: no accepted WebSocket within {OPEN_SECONDS:g} s")

    async def fetch(self, request: HttpRequest) -> Frame:
        """Send one request; see `upstream.contract.Connector.fetch`."""
        return await self._client.fetch(request)

    def _unopened(self, request: HttpRequest, line: Line, peer: str, fault: BaseException | None) -> BridgeError:
        answer = parse_head(line.answer)
        if answer is not None and answer[0].status != 101:
            return refusal(request, *answer, self._client.clock())
        if line.answer:
            return TransportLost(f"{peer}: the answer is no WebSocket handshake")
        return TransportLost(f"{peer}: {line.ended or (words(fault) if fault else 'closed on this side')}")
