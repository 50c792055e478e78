"""What `check` prints: every key in force, and no secret."""

import tomllib
from pathlib import Path

from bridge.config import effective, parse_config

TEXT = """
[auth]
secret = "0123456789abcdef-very-secret-indeed"
default_topics = ["*"]
[[auth.api_keys]]
key = "client-key-secret"
sub = "alice"
[feeds.a]
dialect = "liquidity"
url = "https://api.example"
token = "token-secret"
tenant_token = "tenant-secret"
proxy = "http://user:proxy-secret@proxy.example:3128"
[feeds.b]
dialect = "tradingview"
url = "https://ws.example"
api_key = "api-secret"
"""


def test_the_printed_lines_are_toml_with_every_default_in_force():
    printed = tomllib.loads(effective(parse_config(TEXT, Path("bridge.toml"), {})))
    assert printed["limits"]["linger_seconds"] == 30
    assert printed["listen"]["bind"] == ["127.0.0.1:8080"]
    assert printed["feeds"]["b"]["dialect"] == "tradingview"
    assert printed["auth"]["api_keys"][0]["sub"] == "alice"


def test_no_secret_is_printed():
    printed = effective(parse_config(TEXT, Path("bridge.toml"), {}))
    assert "secret-indeed" not in printed
    for secret in ("client-key-secret", "token-secret", "tenant-secret", "proxy-secret", "api-secret"):
        assert secret not in printed
    assert printed.count("********") == 6
    assert "http://user:********@proxy.example:3128" in printed
