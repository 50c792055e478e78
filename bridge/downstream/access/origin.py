"""Where a request comes from and what that allows: proxies we believe, `Host`, `Origin`, CORS, and where we may listen.

Plain functions over text. The rule: nothing a peer says of itself is believed unless a trusted proxy says it; and a browser
may use us only from pages of our own or of `listen.allowed_origins`.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bridge.downstream.settings import AuthSettings, ListenSettings
from bridge.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ALLOWED_HEADERS: Final = (
    "Content-Type, Authorization, Last-Event-ID, X-RapidAPI-Key, X-RapidAPI-Host, X-API-Key, tenant-authorization"
)
"""What a page may send us: what the vendors' own clients send them. `Last-Event-ID` is EventSource's when it comes back."""

EXPOSED_HEADERS: Final = "Retry-After, ETag"
"""What a page may read of our answers beside the few that every page may."""

PREFLIGHT_SECONDS: Final = 600
"""How long a browser may remember a preflight's answer; short, so that a changed configuration is soon felt."""

_PRINTED: Final = re.compile(r"[!-~]{1,512}")
"""An origin as browsers write it. What reads URLs leaves out tabs and line breaks, and an answer repeats the origin."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NAME_OF_A_PEER: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_AUTHORITY: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]{1,255})(?::[0-9]{0,5})?", re.ASCII)
"""A `Host`: name or address, and port. RFC 3986 allows more, which no name in use has and every second reader takes otherwise."""

UNKNOWN: Final = "unknown"
"""The address of a peer of which nobody says it."""

_PAIR: Final = re.compile(r'\s*(for|proto|host)\s*=\s*(?:"([^"]*)"|([^;,\s]*))\s*', re.IGNORECASE)


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a request reached us.

    Attributes:
        address: of who sent it.
        scheme: `http` or `https`.
        authority: the `Host` as sent, with its port; None = none sent.
    """

    address: str
    scheme: str
    authority: str | None

    @property
    def host(self) -> str | None:
        """The authority without its port, lower case."""
        return None if self.authority is None else host_of(self.authority)


def host_of(authority: str) -> str:
    """Return a `Host`'s or URL's name without port and brackets, lower case, without the root's dot."""
    name = authority.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def is_authority(text: str) -> bool:
    """Whether a text can be a `Host`."""
    return _AUTHORITY.fullmatch(text) is not None and (text[0] != "[" or _is_literal(host_of(text)))


def plain_address(text: str) -> str:
    """Return an IP address in its shortest spelling: without port, zone or brackets, an IPv4 in IPv6 as IPv4.

    A name that a proxy gives instead (`unknown`, `_hidden`; RFC 7239, section 6) comes back as it is, anything else as `unknown`.
    """
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return bare if _NAME_OF_A_PEER.fullmatch(bare) else UNKNOWN
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def proxy_networks(listen: ListenSettings) -> tuple[Network, ...]:
    """Read `listen.trusted_proxies`.

    Raises:
        ConfigError: one of them is neither an address nor a network.
    """
    try:
        return tuple(ipaddress.ip_network(each, strict=False) for each in listen.trusted_proxies)
    except ValueError as error:
        raise ConfigError(f"listen.trusted_proxies: {error}") from error


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether an address is one of our proxies'."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def believed(direct: Way, headers: Mapping[str, str], trusted: Sequence[Network]) -> Way:
    """Return the way of a request with what trusted proxies say of it.

    Args:
        direct: as our own socket and the `Host` have it.
        headers: lower-case names; several lines of one name joined by commas.
        trusted: our proxies. The chain is read from our end; the first that is none of ours is the client.
    """
    if not is_trusted(direct.address, trusted):
        return direct
    hops = _forwarded(headers["forwarded"]) if "forwarded" in headers else _x_forwarded(headers)
    if not hops:
        return direct
    client = hops[0]
    for hop in reversed(hops):
        client = hop
        if not is_trusted(hop.get("for", ""), trusted):
            break
    scheme = client.get("proto", direct.scheme).lower()
    return Way(
        address=client.get("for") or direct.address,
        scheme=scheme if scheme in _DEFAULT_PORTS else direct.scheme,
        authority=host if (host := client.get("host", "")) and is_authority(host) else direct.authority,
    )


def _forwarded(value: str) -> list[dict[str, str]]:
    """Read RFC 7239's header, the nearest proxy's element last."""
    hops = []
    for element in value.split(","):
        pairs = {name.lower(): quoted or bare for name, quoted, bare in _PAIR.findall(element)}
        if "for" in pairs:
            pairs["for"] = plain_address(pairs["for"])
        hops.append(pairs)
    return hops


def _x_forwarded(headers: Mapping[str, str]) -> list[dict[str, str]]:
    """Read the older three headers; a scheme or host that was not repeated by every proxy is the first one's."""
    addresses = _items(headers.get("x-forwarded-for"))
    hops = [{"for": plain_address(each)} for each in addresses] or [{}]
    for key, name in (("proto", "x-forwarded-proto"), ("host", "x-forwarded-host")):
        values = _items(headers.get(name))
        for index, hop in enumerate(hops):
            if values:
                hop[key] = values[index] if len(values) == len(hops) else values[-1]
    return hops


def _items(value: str | None) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()] if value else []


def host_allowed(way: Way, listen: ListenSettings, auth: AuthSettings, names: Sequence[str]) -> bool:
    """Whether a request may carry this `Host`.

    Without authentication a page elsewhere could point its own name at our address and read us (DNS rebinding), so only
    localhost, IP literals and configured names are let in.

    Args:
        way: how it reached us.
        listen: has `allowed_hosts` and `public_url`.
        auth: any host will do unless its mode is `none`.
        names: the hosts of the dialects served.
    """
    host = way.host
    if auth.mode != "none" or host is None or host == "localhost" or _is_literal(host):
        return True
    known = {host_of(name) for name in (*listen.allowed_hosts, *names)}
    if listen.public_url is not None:
        known.add(host_of(urlsplit(listen.public_url).netloc))
    return host in known


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def origin_allowed(origin: str | None, way: Way, listen: ListenSettings) -> bool:
    """Whether a page of this `Origin` may use us; a client that sends none is no page."""
    if origin is None:
        return True
    own = [f"{way.scheme}://{way.authority}"] if way.authority else []
    if listen.public_url is not None:
        own.append(listen.public_url)
    asked = _normal_origin(origin) if _PRINTED.fullmatch(origin) else None
    return asked is not None and asked in {_normal_origin(each) for each in (*own, *listen.allowed_origins)}


def _normal_origin(text: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(text.strip())
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.scheme and parts.hostname else None


def cors_headers(origin: str | None) -> list[tuple[bytes, bytes]]:
    """Return what every answer carries for a page of an allowed `origin`; the answer differs by it, whoever asks."""
    vary = [(b"vary", b"Origin")]
    if origin is None:
        return vary
    return [
        *vary,
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED_HEADERS.encode()),
    ]


def preflight_headers(methods: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Return what a preflight's answer carries beside `cors_headers`."""
    return [
        (b"access-control-allow-methods", ", ".join(methods).encode()),
        (b"access-control-allow-headers", ALLOWED_HEADERS.encode()),
        (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
    ]
