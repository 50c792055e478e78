"""Transport by name: what opens a vendor's connections, made from its profile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.dialects.contract import Transport, TransportProfile
from bridge.upstream.contract import Connector
from bridge.upstream.network.http import HttpClient
from bridge.upstream.network.sse import SseConnector
from bridge.upstream.network.websocket import open_websocket_connector
from bridge.upstream.network.websocket_connection import WebSocketTerms


@asynccontextmanager
async def open_connector(
    transport: Transport, client: HttpClient, profile: TransportProfile
) -> AsyncIterator[Connector]:
    """Open a feed's connector; leaving the block cuts the WebSockets that are left.

    Polling keeps no connections: it only fetches, over the same client.

    Args:
        transport: which kind of connection.
        client: the feed's; it outlives the connector.
        profile: the vendor's numbers for that transport.
    """
    match transport:
        case Transport.WEBSOCKET:
            terms = WebSocketTerms(read_timeout_seconds=profile.read_timeout_seconds, pong_seconds=profile.pong_seconds)
            async with open_websocket_connector(client, terms) as connector:
                yield connector
        case Transport.SSE | Transport.POLLING:
            yield SseConnector(client, profile.read_timeout_seconds)
