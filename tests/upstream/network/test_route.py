"""The way out of a feed, as its settings say it."""

import ssl

import pytest
import trustme

from bridge.errors import ConfigError
from bridge.upstream.network.route import Address, address_of, host_header, read_route
from bridge.upstream.settings import FeedSettings


def settings(**more):
    return FeedSettings(dialect="liquidity", url="https://api.example.test", **more)


def test_plain_settings_trust_the_system_and_go_straight():
    route = read_route(settings())
    assert route.proxy is None
    assert route.connect_to is None
    assert route.tls.verify_mode is ssl.CERT_REQUIRED
    assert route.tls.check_hostname


@pytest.mark.parametrize(
    ("text", "address"),
    [("10.0.0.5:8443", Address("10.0.0.5", 8443)), ("[2001:db8::1]:443", Address("2001:db8::1", 443))],
)
def test_connect_to_is_an_address(text, address):
    assert read_route(settings(connect_to=text)).connect_to == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["10.0.0.5", "10.0.0.5:", ":443", "10.0.0.5:x", "10.0.0.5:0", "10.0.0.5:65536"])
def test_connect_to_that_is_no_address_names_its_key(text):
    with pytest.raises(ConfigError, match="connect_to"):
        read_route(settings(connect_to=text))


def test_proxys_user_and_password_become_basic_credentials_and_stay_hidden():
    """RFC 7617's own example."""
    proxy = read_route(settings(proxy="http://Aladdin:open%20sesame@proxy.example.test:3128")).proxy
    assert proxy.authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert proxy.address == Address("proxy.example.test", 3128)
    assert "sesame" not in repr(proxy)
    assert "QWxh" not in f"{proxy}"


@pytest.mark.parametrize("url", ["socks5://h:1", "h:3128", "http://", "http://h:99999", "http://h:x"])
def test_proxy_that_is_none_names_its_key(url):
    with pytest.raises(ConfigError, match="proxy"):
        read_route(settings(proxy=url))


def test_ca_file_is_trusted_instead_of_the_system(tmp_path):
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    assert len(read_route(settings(ca_file=str(ca_file))).tls.get_ca_certs()) == 1


@pytest.mark.parametrize("key", ["ca_file", "client_certificate"])
def test_unreadable_certificate_is_one_sentence_with_its_key_and_path(tmp_path, key):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("not a certificate")
    for path in (str(nonsense), str(tmp_path / "absent.pem")):
        with pytest.raises(ConfigError, match=key) as caught:
            read_route(settings(**{key: path}))
        assert path in str(caught.value)
        assert len(caught.value.problems) == 1


def test_host_header_has_the_port_only_when_it_is_not_the_schemes():
    assert host_header("https://api.example.test/x") == "api.example.test"
    assert host_header("wss://api.example.test:443/x") == "api.example.test"
    assert host_header("http://api.example.test:8080/x") == "api.example.test:8080"
    assert host_header("ws://[::1]:9/x") == "[::1]:9"


@pytest.mark.parametrize("url", ["", "api.example.test", "ftp://h/", "https:///x", "https://h:99999/"])
def test_address_of_a_url_that_is_none_is_a_value_error(url):
    with pytest.raises(ValueError):  # noqa: PT011 - the caller words it
        address_of(url)
