"""What of a configuration lets secrets travel in the clear: allowed, since a tunnel may protect it, but said aloud."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from bridge.config import Config
from bridge.downstream.door.binds import parse_bind

_PLAIN = ("http", "ws")


def plain_places(config: Config) -> Iterator[str]:
    """Return a sentence for each place where what should be secret leaves this machine without TLS."""
    for text in config.listen.bind:
        if not parse_bind(text).loopback:
            yield f"listen.bind: {text} is open to other machines without TLS, so tokens travel in the clear; see listen.tls_bind"
    yield from plain_upstream(config)


def plain_upstream(config: Config) -> Iterator[str]:
    """Return a sentence for each party that we ask without TLS."""
    if _is_plain(config.auth.jwks_url):
        yield "auth.jwks_url: without TLS whoever is in between can hand us keys of their own, and so let anybody in"
    for name, feed in config.feeds.items():
        for key in ("url", "websocket_url", "rest_url", "token_url"):
            if _is_plain(getattr(feed, key)):
                yield f"feeds.{name}.{key}: without TLS its token travels in the clear, and anybody in between can make up prices"


def _is_plain(url: str | None) -> bool:
    parts = urlsplit(url or "")
    return parts.scheme in _PLAIN and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
