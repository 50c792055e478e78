"""How one feed reaches its vendor: which certificates it trusts, which proxy it goes through, which address it dials.

Read once from the settings; every mistake is a `ConfigError` that names its key. TLS, `Host` and SNI always use the URL's
own name, whatever address is dialled.
"""

import base64
import ssl
import urllib.parse
from pathlib import Path

import msgspec

from bridge.errors import ConfigError
from bridge.upstream.settings import FeedSettings

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Address(msgspec.Struct, frozen=True):
    """A host (a name or an IP address without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Proxy(msgspec.Struct, frozen=True):
    """An HTTP CONNECT proxy; its text hides the password.

    Attributes:
        address: where it listens.
        authorization: the value of `Proxy-Authorization`; None without a user.
        url: as it was configured, credentials and all.
    """

    address: Address
    authorization: str | None
    url: str

    def __repr__(self) -> str:
        return f"<Proxy {self.address}>"

    __str__ = __repr__


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A feed's way out.

    Attributes:
        tls: trusts `ca_file` instead of the system's authorities when one is set, and shows the client certificate.
        proxy: None = direct.
        connect_to: dialled for every URL of the feed instead of what its name resolves to; None = the name.
    """

    tls: ssl.SSLContext
    proxy: Proxy | None = None
    connect_to: Address | None = None


def read_route(settings: FeedSettings) -> Route:
    """Read a feed's way out from its settings; reads the certificates' files.

    Raises:
        ConfigError: an unreadable certificate, or a `proxy` or `connect_to` that is none.
    """
    return Route(
        tls=_tls(settings.ca_file, settings.client_certificate),
        proxy=None if settings.proxy is None else _proxy(settings.proxy),
        connect_to=None if settings.connect_to is None else read_address(settings.connect_to),
    )


def address_of(url: str) -> Address:
    """Return the host and port that a URL names.

    Raises:
        ValueError: not an absolute HTTP or WebSocket URL.
    """
    parts = urllib.parse.urlsplit(url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        raise ValueError("not an absolute http, https, ws or wss URL")
    return Address(parts.hostname, port)


def host_header(url: str) -> str:
    """Return what `Host` says for a URL: its name, and its port unless it is the scheme's own."""
    parts = urllib.parse.urlsplit(url)
    address = address_of(url)
    name = f"[{address.host}]" if ":" in address.host else address.host
    return name if DEFAULT_PORTS[parts.scheme] == address.port else f"{name}:{address.port}"


def _tls(ca_file: str | None, client_certificate: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file: {ca_file} cannot be read as certificates in PEM: {_why(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # whatever the system's policy says
    context.set_alpn_protocols(["http/1.1"])  # a WebSocket or an event stream of ours never speaks HTTP/2
    if client_certificate is not None:
        try:
            context.load_cert_chain(Path(client_certificate))
        except (OSError, ssl.SSLError) as error:
            sentence = (
                f"client_certificate: {client_certificate} must hold a certificate and its key in PEM: {_why(error)}"
            )
            raise ConfigError(sentence) from error
    return context


def _why(error: OSError) -> str:
    return error.strerror or getattr(error, "reason", "") or "unknown"


def _proxy(url: str) -> Proxy:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError("proxy: must be http://[user:password@]host:port")
    authorization = None
    if parts.username is not None:
        user, password = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
        authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        return Proxy(address_of(url), authorization, url)
    except ValueError as error:
        raise ConfigError("proxy: its port must be a number up to 65535") from error


def read_address(text: str) -> Address:
    """Read a `connect_to`.

    Raises:
        ConfigError: it is not `ip:port`.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ConfigError(f"connect_to: {text!r} must be ip:port")
    return Address(host, int(port))
