"""Transport by name."""

import pytest
import trio

from bridge.dialects.contract import HttpRequest, Transport, TransportProfile
from bridge.errors import TransportLost
from bridge.model import UnixNanos
from bridge.upstream.network.connectors import open_connector
from bridge.upstream.network.http import open_client
from bridge.upstream.network.silence import until_silent
from bridge.upstream.settings import FeedSettings
from tests.support.vendor import EVENT_STREAM, answer, open_vendor, saying


async def mute(call):
    """Accept whatever is asked, then say nothing."""
    if "upgrade" in call.headers:
        await call.accept()
    else:
        await call.send(EVENT_STREAM)
    await call.until_client_leaves()


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
async def test_connections_are_of_the_transport_and_keep_the_profiles_deadlines(transport):
    profile = TransportProfile(read_timeout_seconds=0.2, pong_seconds=0.2)
    settings = FeedSettings(dialect="x", url="http://h")
    with trio.fail_after(20):
        async with (
            open_vendor(mute) as vendor,
            open_client(settings, lambda: UnixNanos(0)) as client,
            open_connector(transport, client, profile) as connector,
        ):
            url = vendor.websocket_url if transport is Transport.WEBSOCKET else vendor.url
            connection = await connector.connect(HttpRequest(url=url))
            assert ("upgrade" in vendor.calls[0].headers) == (transport is Transport.WEBSOCKET)
            with pytest.raises(TransportLost, match=r"silent for 0\.2 s"):
                await until_silent(connection, "it")
            await connection.aclose()


@pytest.mark.parametrize("transport", list(Transport))
async def test_every_transport_fetches(transport):
    settings = FeedSettings(dialect="x", url="http://h")
    with trio.fail_after(20):
        async with (
            open_vendor(saying(answer("200 OK", b"{}"))) as vendor,
            open_client(settings, lambda: UnixNanos(0)) as client,
            open_connector(transport, client, TransportProfile()) as connector,
        ):
            assert (await connector.fetch(HttpRequest(url=vendor.url))).data == b"{}"
