"""Opens the byte stream under a WebSocket: TCP, then CONNECT through a proxy if there is one, then TLS.

HTTP requests do not come by here: their library does the same by itself. The caller sets the deadline and owns the stream.
"""

import urllib.parse

import trio

from bridge.errors import TransportLost
from bridge.upstream.network.faults import FOREIGN, lost
from bridge.upstream.network.prompt import PromptStream
from bridge.upstream.network.refusals import parse_head
from bridge.upstream.network.route import Address, Proxy, Route, address_of

MAX_HEAD_BYTES = 16 * 1024
"""A proxy's answer to CONNECT is a few lines."""


async def open_stream(route: Route, url: str) -> trio.abc.Stream:
    """Open a stream to the host that a URL names, ready for the first byte of its protocol.

    Raises:
        TransportLost: unreachable, refused by the proxy, or TLS failed; the sentence says which. Nothing stays open.
    """
    target = address_of(url)
    dialled = route.connect_to or target
    stream = await _dial(route.proxy.address if route.proxy else dialled)
    try:
        if route.proxy:
            await _tunnel(stream, route.proxy, dialled)
        if urllib.parse.urlsplit(url).scheme in ("https", "wss"):
            secured = trio.SSLStream(stream, route.tls, server_hostname=target.host, https_compatible=True)
            await secured.do_handshake()
            return secured
    except FOREIGN as error:
        await trio.aclose_forcefully(stream)
        raise lost(str(target), error) from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def _dial(address: Address) -> PromptStream:
    try:
        return PromptStream(await trio.open_tcp_stream(address.host, address.port))
    except FOREIGN as error:
        raise lost(str(address), error) from error


async def _tunnel(stream: PromptStream, proxy: Proxy, target: Address) -> None:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    await stream.send_all("\r\n".join([*lines, "", ""]).encode())
    raw = b""
    while b"\r\n\r\n" not in raw:
        chunk = await stream.receive_some()
        raw += chunk
        if not chunk or len(raw) > MAX_HEAD_BYTES:
            raise TransportLost(f"the proxy {proxy.address} gave no answer to CONNECT")
    answer = parse_head(raw)
    if answer is None:
        raise TransportLost(f"the proxy {proxy.address} does not speak HTTP")
    head, rest = answer
    if not 200 <= head.status < 300:
        raise TransportLost(f"the proxy {proxy.address} answered {head.status} {head.reason}".rstrip())
    if rest:  # neither TLS nor a WebSocket server speaks first
        raise TransportLost(f"the proxy {proxy.address} spoke out of turn")
