"""Who a request comes from, by what header; which `Host` and `Origin` may use us."""

import pytest

from bridge.downstream.access.origin import (
    Way,
    believed,
    cors_headers,
    host_allowed,
    host_of,
    origin_allowed,
    plain_address,
    preflight_headers,
    proxy_networks,
)
from bridge.downstream.settings import AuthSettings, ListenSettings
from bridge.errors import ConfigError

NONE = AuthSettings(mode="none")
JWT = AuthSettings(mode="jwt")


def way(address: str = "10.0.0.1", scheme: str = "http", authority: str | None = "bridge.corp:8080") -> Way:
    return Way(address=address, scheme=scheme, authority=authority)


def trusting(*networks: str):
    return proxy_networks(ListenSettings(trusted_proxies=networks))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ('"[2001:DB8:0:0::1]"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", "unknown"),
        ("_hidden", "_hidden"),
    ],
)
def test_address_has_one_spelling(text: str, address: str):
    assert plain_address(text) == address


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Bridge.Corp:8080", "bridge.corp"),
        ("[::1]:80", "::1"),
        ("localhost", "localhost"),
        ("bridge.corp.", "bridge.corp"),
    ],
)
def test_host_is_the_authority_without_port(authority: str, host: str):
    assert host_of(authority) == host


@pytest.mark.parametrize(
    ("headers", "address", "scheme", "authority"),
    [
        ({}, "10.0.0.1", "http", "bridge.corp:8080"),
        ({"x-forwarded-for": "203.0.113.7"}, "203.0.113.7", "http", "bridge.corp:8080"),
        # the client wrote the first itself; our proxy appended whom it saw
        ({"x-forwarded-for": "1.2.3.4, 203.0.113.7"}, "203.0.113.7", "http", "bridge.corp:8080"),
        # two proxies of ours in a row
        ({"x-forwarded-for": "203.0.113.7, 10.0.0.2"}, "203.0.113.7", "http", "bridge.corp:8080"),
        ({"x-forwarded-for": "10.0.0.3, 10.0.0.2"}, "10.0.0.3", "http", "bridge.corp:8080"),
        (
            {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https", "x-forwarded-host": "prices.example"},
            "203.0.113.7",
            "https",
            "prices.example",
        ),
        (
            {"x-forwarded-for": "203.0.113.7, 10.0.0.2", "x-forwarded-proto": "https, http"},
            "203.0.113.7",
            "https",
            "bridge.corp:8080",
        ),
        ({"x-forwarded-proto": "https"}, "10.0.0.1", "https", "bridge.corp:8080"),
        ({"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "gopher"}, "203.0.113.7", "http", "bridge.corp:8080"),
        # the examples of RFC 7239 §4
        ({"forwarded": 'for="_gazonk"'}, "_gazonk", "http", "bridge.corp:8080"),
        ({"forwarded": 'For="[2001:db8:cafe::17]:4711"'}, "2001:db8:cafe::17", "http", "bridge.corp:8080"),
        ({"forwarded": "for=192.0.2.60;proto=https;by=203.0.113.43"}, "192.0.2.60", "https", "bridge.corp:8080"),
        ({"forwarded": "for=192.0.2.43, for=198.51.100.17"}, "198.51.100.17", "http", "bridge.corp:8080"),
        (
            {
                "forwarded": 'for=192.0.2.43;host="prices.example";proto=https, for=10.0.0.2',
                "x-forwarded-for": "6.6.6.6",
            },
            "192.0.2.43",
            "https",
            "prices.example",
        ),
    ],
)
def test_trusted_proxy_is_believed(headers: dict[str, str], address: str, scheme: str, authority: str):
    seen = believed(way(), headers, trusting("10.0.0.0/8"))
    assert (seen.address, seen.scheme, seen.authority) == (address, scheme, authority)


@pytest.mark.parametrize("trusted", [(), ("10.0.0.2",), ("192.168.0.0/16",)])
def test_nobody_else_is_believed(trusted: tuple[str, ...]):
    headers = {
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-host": "localhost",
        "forwarded": "for=203.0.113.7;host=localhost",
    }
    assert believed(way(), headers, trusting(*trusted)) == way()


def test_trusted_proxies_that_are_no_networks_are_a_mistake_in_the_configuration():
    with pytest.raises(ConfigError, match=r"listen\.trusted_proxies: 'nginx'"):
        trusting("nginx")


@pytest.mark.parametrize(
    ("authority", "welcome"),
    [
        ("localhost:8080", True),
        ("127.0.0.1:8080", True),
        ("192.0.2.1", True),
        ("[::1]:8080", True),
        (None, True),
        ("prices.example", True),
        ("feed.vendor.example", True),
        ("public.example:8080", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_without_authentication_only_known_hosts_are_answered(authority: str | None, welcome: bool):
    listen = ListenSettings(allowed_hosts=("Prices.example",), public_url="https://public.example")
    assert host_allowed(way(authority=authority), listen, NONE, ["feed.vendor.example"]) is welcome
    assert host_allowed(way(authority=authority), listen, JWT, [])


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("http://bridge.corp:8080", True),
        ("http://BRIDGE.corp:8080", True),
        ("https://bridge.corp:8080", False),
        ("http://bridge.corp", False),
        ("https://app.example", True),
        ("https://app.example:443", True),
        ("https://app.example:8443", False),
        ("http://app.example", False),
        ("https://app.example.evil.example", False),
        ("https://public.example", True),
        ("null", False),
        ("", False),
        ("https://[broken", False),
    ],
)
def test_only_own_and_listed_pages_may_use_us(origin: str | None, welcome: bool):
    listen = ListenSettings(allowed_origins=("https://app.example",), public_url="https://public.example/")
    assert origin_allowed(origin, way(), listen) is welcome


def test_answers_to_pages_say_what_the_contract_allows():
    assert cors_headers(None) == [(b"vary", b"Origin")]
    assert dict(cors_headers("https://app.example"))[b"access-control-allow-origin"] == b"https://app.example"
    assert dict(preflight_headers(["GET", "HEAD"])) == {
        b"access-control-allow-methods": b"GET, HEAD",
        b"access-control-allow-headers": b"Content-Type, Authorization, Last-Event-ID, X-RapidAPI-Key, X-RapidAPI-Host, "
        b"X-API-Key, tenant-authorization",
        b"access-control-max-age": b"600",
    }
