"""A vendor behind a CONNECT proxy that wants a password, with an authority and client certificates of its own: by every means.

Over real sockets: an event stream, a WebSocket, a question over REST and the minting of a token. What lets us in stands in
files, and a file that is replaced counts from the next connection on.
"""

import base64
import json
import os
from contextlib import asynccontextmanager

import pytest
import trio
import trustme

from bridge.dialects.contract import Credential, HttpRequest, Transport, TransportProfile
from bridge.errors import BridgeError, TransportLost, VendorRefused
from bridge.model import UnixNanos
from bridge.upstream.credentials.sources import MintSource
from bridge.upstream.network.connectors import open_connector
from bridge.upstream.network.http import open_client
from bridge.upstream.network.in_force import InForce
from bridge.upstream.settings import FeedSettings, FileText
from tests.support.proxy import open_proxy
from tests.support.vendor import EVENT_STREAM, answer, certified, chunk, open_vendor

MEANS = ["sse", "websocket", "rest", "token"]
NAME = "api.example.test"
NO = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"


class Guarded:
    """A CONNECT proxy's doorman: whoever does not say the password of the moment gets 407."""

    def __init__(self, password: str) -> None:
        self.password = password

    def __call__(self, head: bytes) -> bytes | None:
        right = base64.b64encode(f"corp:{self.password}".encode())
        return None if b"Basic " + right in head else NO


async def vendor_script(call):
    if "upgrade" in call.headers:
        await call.accept()
        await call.say("hello")
        await call.until_client_leaves()
    elif call.headers.get("accept") == "text/event-stream":
        await call.send(EVENT_STREAM + chunk(b"data: hello\n\n"))
        await call.until_client_leaves()
    else:
        token = {"token": f"for {call.headers.get('x-key', 'nobody')}"}
        await call.send(answer("200 OK", json.dumps(token).encode(), "Content-Type: application/json"))


async def reach(client, means: str, key: str = "k") -> str:
    """Go to the vendor by one of the means; return what it said."""
    if means == "rest":
        return json.loads((await client.fetch(HttpRequest(url=f"https://{NAME}/x"))).data)["token"]
    if means == "token":
        request = HttpRequest(url=f"https://{NAME}/token", method="POST", headers=(("x-key", key),), body=b"{}")
        source = MintSource(lambda: request, lambda raw: Credential(token=json.loads(raw)["token"]), client.fetch)
        return (await source.get()).token
    scheme = "https" if means == "sse" else "wss"
    async with open_connector(Transport(means), client, TransportProfile()) as connector:
        try:
            connection = await connector.connect(HttpRequest(url=f"{scheme}://{NAME}/ws"))
            while (frame := await connection.receive()) is None:
                pass
            await connection.aclose()
            return frame.data.decode()
        except BridgeError as error:
            failure = error  # raised outside: the connector's nursery would wrap it
    raise failure


@asynccontextmanager
async def way(tmp_path, **others):
    """A vendor that wants client certificates, behind a proxy that wants a password; yields the settings, proxy and doorman."""
    server, ca_file = certified(tmp_path, NAME, client_ca=True)
    doorman = Guarded("sesame")
    with trio.fail_after(30):
        async with (
            open_vendor(vendor_script, tls=server) as vendor,
            open_proxy(doorman, dial_port=vendor.port) as proxy,
        ):
            url = f"http://corp:sesame@127.0.0.1:{proxy.port}"
            given = {"ca_file": ca_file, "client_certificate": str(tmp_path / "client.pem"), "proxy": url}
            yield FeedSettings(dialect="x", url=f"https://{NAME}", **(given | others)), proxy, doorman


def replace(path, text) -> None:
    """Put another file in a file's place, as tools that renew secrets do."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)  # noqa: PTH105 - an atomic replacement is the point


@pytest.mark.parametrize("means", MEANS)
async def test_a_vendor_is_reached_through_proxy_authority_and_certificate(tmp_path, means):
    async with way(tmp_path) as (settings, proxy, _), open_client(settings, lambda: UnixNanos(0)) as client:
        assert await reach(client, means) in ("hello", "for nobody", "for k")
        assert proxy.heads[0].startswith(b"CONNECT api.example.test:443 HTTP/1.1\r\n")


@pytest.mark.parametrize("means", MEANS)
async def test_a_wrong_proxy_password_is_a_sentence_without_it(tmp_path, means):
    async with way(tmp_path) as (settings, _, doorman), open_client(settings, lambda: UnixNanos(0)) as client:
        doorman.password = "another"
        with pytest.raises((TransportLost, VendorRefused), match="407") as caught:
            await reach(client, means)
        assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("means", MEANS)
@pytest.mark.parametrize("missing", ["ca_file", "client_certificate"])
async def test_without_the_authority_or_the_certificate_nothing_is_said(tmp_path, means, missing):
    async with (
        way(tmp_path, **{missing: None}) as (settings, _, _),
        open_client(settings, lambda: UnixNanos(0)) as client,
    ):
        with pytest.raises(TransportLost):
            await reach(client, means)


@pytest.mark.parametrize("means", MEANS)
async def test_a_replaced_proxy_password_counts_from_the_next_connection_on(tmp_path, means):
    file = tmp_path / "proxy.url"
    async with way(tmp_path) as (settings, _, doorman):
        file.write_text(settings.proxy)
        kept = FeedSettings(
            dialect="x",
            url=settings.url,
            ca_file=settings.ca_file,
            client_certificate=settings.client_certificate,
            proxy=FileText(settings.proxy, str(file)),
        )
        async with open_client(kept, lambda: UnixNanos(0)) as client:
            await reach(client, means)
            doorman.password = "open"
            replace(file, "not a proxy")  # half written, say
            with pytest.raises((TransportLost, VendorRefused), match="407"):
                await reach(client, means)
            replace(file, settings.proxy.replace("sesame", "open") + "\n")
            await reach(client, means)


@pytest.mark.parametrize("means", MEANS)
async def test_a_replaced_client_certificate_counts_from_the_next_connection_on(tmp_path, means):
    async with way(tmp_path) as (settings, _, _):
        path = tmp_path / "client.pem"
        right = path.read_text()
        wrong = trustme.CA().issue_cert("client.test").private_key_and_cert_chain_pem.bytes().decode()
        path.write_text(wrong)
        async with open_client(settings, lambda: UnixNanos(0)) as client:
            with pytest.raises(TransportLost):
                await reach(client, means)
            replace(path, right)
            await reach(client, means)
            replace(path, "")  # being written: the certificate in force stays
            await reach(client, means)


def test_a_key_in_a_file_is_read_again_and_a_bad_file_changes_nothing(tmp_path):
    file = tmp_path / "key"
    file.write_text("one\n")
    kept = InForce(FeedSettings(dialect="x", url="http://h", api_key=FileText("one", str(file)), tenant_token="fixed"))
    assert kept.now().api_key == "one"
    assert not kept.changed()
    replace(file, "two\n")
    assert (kept.now().api_key, kept.now().tenant_token) == ("two", "fixed")
    file.unlink()
    assert kept.now().api_key == "two"
    file.write_bytes(b"\xff\xfe")
    assert kept.now().api_key == "two"
    file.write_text("\n")
    assert kept.now().api_key == "two"
    replace(file, "three")
    assert kept.now().api_key == "three"
