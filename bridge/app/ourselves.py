"""Finds the feeds that would read this very bridge: their address is one of our own listeners.

It happens when a vendor's name is pointed at the bridge for its clients' sake, and the bridge's own machine believes that too.
A name is looked up only where a feed's port is one that we listen on. What goes through a proxy is the proxy's to look up.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from bridge.config import Config
from bridge.downstream.door.binds import Bind, parse_bind
from bridge.downstream.settings import ListenSettings
from bridge.errors import ConfigError
from bridge.upstream.network.route import Address, address_of, read_address
from bridge.upstream.settings import FeedSettings

_URLS = ("url", "websocket_url", "rest_url", "token_url")
_NOT_REDIRECTED = ("connect_to", "client_tokens.jwks_url")
"""What `connect_to` leads nowhere else."""

_ANY_PORT = 9
"""To ask the kernel for its way to an address it wants a port; nothing is sent."""


def circles(config: Config) -> list[str]:
    """Return a sentence for each key of a feed that leads to ourselves, with the way out."""
    binds = list(_binds(config.listen))
    public = None if config.listen.public_url is None else address_of(config.listen.public_url)
    problems = []
    for name, feed in config.feeds.items():
        for key, address in _dialled(feed):
            if address == public or any(_is_at(address, bind) for bind in binds):
                way_out = (
                    "name the vendor's own address there"
                    if key in _NOT_REDIRECTED
                    else f"if DNS points the vendor's name here, set feeds.{name}.connect_to = \"ip:port\" to the vendor's own"
                )
                problems.append(
                    f"feeds.{name}.{key}: {address} is this bridge itself, so it would read itself; {way_out}"
                )
    return problems


def _binds(listen: ListenSettings) -> Iterator[Bind]:
    for text in (*listen.bind, *listen.tls_bind):
        try:
            yield parse_bind(text)
        except ValueError:
            continue  # told as a mistake of `listen`


def _dialled(feed: FeedSettings) -> Iterator[tuple[str, Address]]:
    """Every address that a feed connects to by itself, with the key that says so."""
    if feed.proxy is not None:
        return
    if feed.client_tokens is not None and feed.client_tokens.jwks_url is not None:
        yield "client_tokens.jwks_url", address_of(feed.client_tokens.jwks_url)
    if feed.connect_to is not None:
        with suppress(ConfigError):  # told as a mistake of its own
            yield "connect_to", read_address(feed.connect_to)
        return
    for key in _URLS:
        url = getattr(feed, key)
        if url is not None and urlsplit(url).hostname:
            yield key, address_of(url)
    if feed.client_tokens is not None and feed.client_tokens.check_url is not None:
        yield "client_tokens.check_url", address_of(feed.client_tokens.check_url)


def _is_at(address: Address, bind: Bind) -> bool:
    if address.port != bind.port:
        return False
    theirs = _looked_up(address.host)
    if bind.host:
        ours = _looked_up(bind.host)
        if not any(_is_everywhere(each) for each in ours):
            return not ours.isdisjoint(theirs)
    return any(_is_of_this_machine(each) for each in theirs)


def _looked_up(host: str) -> set[str]:
    """Return the addresses of a name; none when it cannot be looked up now."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {str(sockaddr[0]) for *_, sockaddr in found}


def _is_everywhere(address: str) -> bool:
    return address in ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def _is_of_this_machine(address: str) -> bool:
    """Ask the kernel: what is sent to an address of ours would leave from that very address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, _ANY_PORT))
            return str(probe.getsockname()[0]) == address or _is_everywhere(address)
    except OSError:
        return False
