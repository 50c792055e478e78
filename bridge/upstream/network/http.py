"""One HTTP client for a feed: whole answers (`fetch`), with foreign errors translated. Event streams have `exchange`.

No redirects (a credential would travel with them), no cookies, nothing from the environment: what is not
in the settings does not happen. Answers come unencoded, so that a bound on bytes is a bound.
"""

import logging
import re
import urllib.parse
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import structlog
import trio

from bridge.clock import Clock
from bridge.dialects.contract import Frame, HttpRequest
from bridge.errors import ConfigError, TransportLost
from bridge.upstream.network.answer import Answer
from bridge.upstream.network.faults import FOREIGN, lost
from bridge.upstream.network.in_force import InForce
from bridge.upstream.network.refusals import retry_after
from bridge.upstream.network.route import Route, address_of, host_header, read_route
from bridge.upstream.settings import FeedSettings

CONNECT_SECONDS = 5.0
"""For TCP and TLS together with a name's lookup: a vendor that needs longer is not there."""

FETCH_SECONDS = 15.0
"""For a whole answer: the shortest polling interval is 3 s, so a slower answer is of no use to anybody."""

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Of one answer: the longest documented one (an instrument list) is below 1 MB."""

RETIRED_CLIENTS = 1
"""Clients of a way out that is no more, kept for the answers under way: nobody replaces a certificate every `FETCH_SECONDS`."""

_log = structlog.get_logger(__name__)

_URL_FORBIDDEN = re.compile(r"[^!-~]")
_HEADER_FORBIDDEN = re.compile(r"^\s|[^\t -~]|\s\Z")
_DEFAULT_HEADERS = {"user-agent": "feedbridge", "accept-encoding": "identity"}


@asynccontextmanager
async def open_client(settings: FeedSettings, clock: Clock) -> AsyncIterator["HttpClient"]:
    """Open a feed's HTTP client; leaving the block closes its connections.

    Raises:
        ConfigError: the settings' certificate, proxy or address is none.
    """
    for name in ("httpx2", "httpcore2"):  # at INFO they log whole URLs, and some vendors want the token in the query
        logging.getLogger(name).setLevel(logging.WARNING)
    client = HttpClient(settings, clock)
    try:
        yield client
    finally:
        await client.aclose()


def plain_client(route: Route) -> httpx2.AsyncClient:
    """Return the library's client with a feed's certificates and proxy; its `connect_to` is not looked at."""
    return httpx2.AsyncClient(
        verify=route.tls,
        proxy=None if route.proxy is None else route.proxy.url,
        trust_env=False,
        follow_redirects=False,
        headers=_DEFAULT_HEADERS,
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=15.0),
    )


class HttpClient:
    """Sends a feed's requests. Any number at the same time; made by `open_client`.

    Args:
        settings: the feed's; the files that they name are looked at whenever something connects.
        clock: stamps answers.

    Raises:
        ConfigError: a certificate, proxy or address in the settings is none.
    """

    def __init__(self, settings: FeedSettings, clock: Clock) -> None:
        self.clock = clock
        self._in_force = InForce(settings)
        self._route = read_route(settings)
        self._client = plain_client(self._route)
        self._retired: deque[httpx2.AsyncClient] = deque()

    @property
    def route(self) -> Route:
        """The feed's way out as it is now, for others that need it too."""
        if self._in_force.changed():
            try:
                self._route = read_route(self._in_force.now())
            except ConfigError as error:
                _log.warning("the way to a vendor stays as it was", why=str(error))
            else:
                self._retired.append(self._client)
                self._client = plain_client(self._route)
        return self._route

    async def aclose(self) -> None:
        """Close all connections."""
        for client in (*self._retired, self._client):
            await client.aclose()

    async def fetch(self, request: HttpRequest) -> Frame:
        """Send one request and return the whole answer, whatever its status.

        Raises:
            TransportLost: no whole answer within `FETCH_SECONDS` and `MAX_BODY_BYTES`; the sentence says why.
        """
        peer = peer_of(request)
        with trio.move_on_after(FETCH_SECONDS):
            answer = await self.open(request)
            try:
                body = await answer.read(MAX_BODY_BYTES)
            finally:
                await answer.aclose()
            now = self.clock()
            away = retry_after(answer.head.headers, now)
            return Frame(data=body, ts_recv=now, status=answer.head.status, retry_after_seconds=away)
        raise TransportLost(f"{peer}: no whole answer within {FETCH_SECONDS:g} s")

    async def open(self, request: HttpRequest) -> Answer:
        """Send a request and return as soon as the answer's head is there; the caller sets the deadline and closes.

        Args:
            request: what to send.

        Raises:
            TransportLost: no answer, or an encoded one; the sentence says why.
        """
        peer = peer_of(request)
        route = self.route
        client = self._client
        while len(self._retired) > RETIRED_CLIENTS:
            await self._retired.popleft().aclose()
        try:
            response = await client.send(_prepared(client, route, request), stream=True)
        except FOREIGN as error:
            raise lost(peer, error) from error
        finally:
            client.cookies.clear()
        answer = Answer(response, peer)
        if answer.head.headers.get("content-encoding", "identity") != "identity":
            await answer.aclose()
            raise TransportLost(f"{peer}: an encoded answer, though we asked for none")
        return answer


def _prepared(client: httpx2.AsyncClient, route: Route, request: HttpRequest) -> httpx2.Request:
    headers = list(request.headers)
    url, extensions = request.url, {}
    if route.connect_to is not None:
        parts = urllib.parse.urlsplit(url)
        headers.append(("host", host_header(url)))
        extensions = {"sni_hostname": address_of(url).host}
        url = parts._replace(netloc=str(route.connect_to)).geturl()
    return client.build_request(
        request.method, url, headers=headers, content=request.body or None, extensions=extensions
    )


def peer_of(request: HttpRequest) -> str:
    """Return `host:port` of a request, for sentences.

    Raises:
        TransportLost: HTTP has no spelling for it. Found here, because the library's own complaint repeats a header's value.
    """
    try:
        peer = str(address_of(request.url))
    except ValueError as error:
        raise TransportLost(f"not a URL that can be asked: {error}") from error
    if _URL_FORBIDDEN.search(request.url) or any(_HEADER_FORBIDDEN.search(value) for _, value in request.headers):
        raise TransportLost(f"{peer}: our request holds characters that HTTP does not allow")
    return peer
