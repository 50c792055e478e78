"""A feed that would read the bridge itself is told before anything runs."""

import socket
from pathlib import Path

import pytest

from bridge.app import examine
from bridge.config import parse_config
from bridge.errors import ConfigError

AUTH = '[auth]\nsecret = "0123456789abcdef0123456789abcdef"\ndefault_topics = ["*"]\n'


def problems(listen, *feed):
    text = "\n".join([AUTH, "[listen]", *listen, "[feeds.vendor]", 'dialect = "liquidity"', *feed])
    try:
        examine(parse_config(text, Path("bridge.toml"), {}))
    except ConfigError as error:
        return list(error.problems)
    return []


@pytest.fixture
def names(monkeypatch):
    """A resolver that knows the vendor's name; everything else is as it is on this machine."""
    known = {}
    real = socket.getaddrinfo

    def look_up(host, port, *more, **named):
        return real(known.get(host, host), port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize("bind", ["127.0.0.1:8443", "localhost:8443", "0.0.0.0:8443", "*:8443", ":8443"])
def test_a_vendors_name_that_is_pointed_at_the_bridge_is_refused_with_connect_to_as_the_way_out(names, bind):
    names["api.vendor.example"] = "127.0.0.1"
    (told,) = problems([f'bind = ["{bind}"]'], 'url = "https://api.vendor.example:8443"')
    assert told.startswith("feeds.vendor.url: api.vendor.example:8443 is this bridge itself")
    assert "feeds.vendor.connect_to" in told
    out = ['url = "https://api.vendor.example:8443"', 'connect_to = "192.0.2.7:443"']
    assert problems([f'bind = ["{bind}"]'], *out) == []


def test_every_address_that_a_feed_dials_is_looked_at():
    listen = ['bind = ["127.0.0.1:8080"]']
    urls = [
        'url = "https://192.0.2.1"',
        'token_url = "http://127.0.0.1:8080/t"',
        'websocket_url = "ws://127.0.0.1:8080/ws"',
    ]
    assert [told.partition(":")[0] for told in problems(listen, *urls)] == [
        *("feeds.vendor.websocket_url", "feeds.vendor.token_url")
    ]
    tokens = ["[feeds.vendor.client_tokens]", 'check_url = "http://127.0.0.1:8080/t"']
    (told,) = problems(listen, 'url = "http://192.0.2.1"', *tokens)
    assert told.startswith("feeds.vendor.client_tokens.check_url: ")
    assert not problems(listen, 'url = "http://192.0.2.1"', 'connect_to = "192.0.2.7:80"', *tokens)
    keys = ["[feeds.vendor.client_tokens]", 'jwks_url = "http://127.0.0.1:8080/t"', 'issuer = "i"', 'audience = "a"']
    (told,) = problems(listen, 'url = "http://192.0.2.1"', 'connect_to = "192.0.2.7:80"', *keys)
    assert told.startswith("feeds.vendor.client_tokens.jwks_url: ")
    (told,) = problems(listen, 'url = "https://192.0.2.1"', 'connect_to = "127.0.0.1:8080"')
    assert told.startswith("feeds.vendor.connect_to: ")


def test_the_public_address_is_ours_wherever_it_leads():
    listen = ['bind = ["127.0.0.1:8080"]', 'public_url = "https://bridge.example"']
    (told,) = problems(listen, 'url = "https://bridge.example"')
    assert "bridge.example:443 is this bridge itself" in told


def test_another_port_another_machine_and_what_a_proxy_looks_up_are_not_ours(names):
    names["api.vendor.example"] = "192.0.2.7"
    everywhere = [
        'bind = ["0.0.0.0:8080"]',
    ]
    assert problems(everywhere, 'url = "http://127.0.0.1:8081"') == []
    assert problems(everywhere, 'url = "http://api.vendor.example:8080"') == []
    assert problems(everywhere, 'url = "http://127.0.0.1:8080"', 'proxy = "http://127.0.0.1:3128"') == []
    assert problems(['bind = ["127.0.0.2:8080"]'], 'url = "http://127.0.0.1:8080"') == []


def test_a_name_that_cannot_be_looked_up_is_no_mistake(names):
    names["api.vendor.example"] = "no such name at all.invalid"
    assert problems(['bind = ["0.0.0.0:8080"]'], 'url = "http://api.vendor.example:8080"') == []
