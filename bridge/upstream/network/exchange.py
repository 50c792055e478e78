"""One HTTP/1.1 request on a byte stream of its own, and its answer as the bytes come: what event streams are read through.

A stream on a connection of its own cannot be held up or taken down by another. Whole answers go through the HTTP library
(`http`). Here, where a few events come with each of thousands of reads a second, the library's layers would cost more than
everything else between the vendor's bytes and the log; what is left is `tunnel`'s stream and h11, which the library uses too.
"""

import urllib.parse
from collections.abc import Iterable

import h11
import trio

from bridge.dialects.contract import HttpRequest
from bridge.errors import TransportLost
from bridge.upstream.network.answer import CLOSE_SECONDS
from bridge.upstream.network.body import Body
from bridge.upstream.network.faults import FOREIGN, lost
from bridge.upstream.network.http import CONNECT_SECONDS, peer_of
from bridge.upstream.network.prompt import READ_BYTES
from bridge.upstream.network.refusals import Head
from bridge.upstream.network.route import Route, host_header
from bridge.upstream.network.tunnel import open_stream

Headers = Iterable[tuple[str, str]]


class Exchange(Body):
    """A request that was sent, and its answer. One task reads; any may close.

    Attributes:
        head: the answer's head; made by `exchange`.

    Args:
        stream: owned from now on.
        peer: `host:port`, for sentences.
    """

    def __init__(self, stream: trio.abc.Stream, peer: str) -> None:
        self.head = Head(0, "", {})
        self._stream = stream
        self._peer = peer
        self._heard = False
        self._machine = h11.Connection(h11.CLIENT)

    async def begin(self, request: HttpRequest, headers: Headers) -> None:
        """Send the request and read the answer's head.

        Raises:
            TransportLost: the connection broke, or the answer is not HTTP.
        """
        parts = urllib.parse.urlsplit(request.url)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        said = [("host", host_header(request.url)), *headers, *request.headers]
        if request.body:
            said.append(("content-length", str(len(request.body))))
        asked = h11.Request(method=request.method, target=target, headers=said)
        data = self._machine.send(asked) or b""
        if request.body:
            data += self._machine.send(h11.Data(data=request.body)) or b""
        data += self._machine.send(h11.EndOfMessage()) or b""
        try:
            await self._stream.send_all(data)
        except FOREIGN as error:
            raise lost(self._peer, error) from error
        event = await self._next()
        while isinstance(event, h11.InformationalResponse):
            event = await self._next()
        if not isinstance(event, h11.Response):
            raise TransportLost(f"{self._peer}: the answer is not HTTP as it should be")
        told = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
        self.head = Head(event.status_code, event.reason.decode("latin-1"), told)

    async def next_chunk(self) -> bytes | None:
        """Return the next bytes of the body as they come, or None at its end.

        Raises:
            TransportLost: the connection broke or was closed.
        """
        event = await self._next()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def aclose(self) -> None:
        """Close: never raises, waits at most `CLOSE_SECONDS`, safe to repeat, also under cancellation."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            try:
                await self._stream.aclose()
            except FOREIGN:  # it was broken already, which is as closed as it gets
                await trio.aclose_forcefully(self._stream)

    async def _next(self) -> object:
        """Return the next event of the machine's."""
        try:
            while (event := self._machine.next_event()) is h11.NEED_DATA:
                data = bytes(await self._stream.receive_some(READ_BYTES))
                self._heard = self._heard or bool(data)
                self._machine.receive_data(data)
        except h11.RemoteProtocolError as error:
            why = (
                f"the answer is not HTTP as it should be: {error}" if self._heard else "the peer closed the connection"
            )
            raise TransportLost(f"{self._peer}: {why}") from error
        except FOREIGN as error:
            raise lost(self._peer, error) from error
        return event


async def exchange(route: Route, request: HttpRequest, headers: Headers) -> Exchange:
    """Open a connection, send a request and return when the answer's head is there; the caller sets the deadline and closes.

    Args:
        route: the feed's way out.
        request: what to send.
        headers: sent beside the request's own.

    Raises:
        TransportLost: no connection, no answer, or an encoded one; the sentence says why.
    """
    peer = peer_of(request)
    with trio.move_on_after(CONNECT_SECONDS) as connecting:
        stream = await open_stream(route, request.url)
    if connecting.cancelled_caught:
        raise TransportLost(f"{peer}: no connection in time")
    begun = Exchange(stream, peer)
    try:
        await begun.begin(request, headers)
    except BaseException:
        await begun.aclose()
        raise
    if begun.head.headers.get("content-encoding", "identity") == "identity":
        return begun
    await begun.aclose()
    raise TransportLost(f"{peer}: an encoded answer, though we asked for none")
