"""What differs between two configurations, by key, and that no value is ever told."""

from pathlib import Path

import pytest

from bridge.config import changed_keys, parse_config

BASE = """
[listen]
bind = ["127.0.0.1:0"]
[auth]
secret = "0123456789abcdef0123456789abcdef"
[limits]
linger_seconds = 5
[feeds.lq]
dialect = "liquidity"
url = "https://one.example"
token = "t"
[instruments."BTC-USD"]
liquidity = "BTC"
"""


def read(text):
    return parse_config(text, Path("bridge.toml"), {})


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("linger_seconds = 5", "linger_seconds = 5.0", []),
        ("linger_seconds = 5", "linger_seconds = 6", ["limits.linger_seconds"]),
        ('secret = "0123', 'secret = "4123', ["auth.secret"]),
        ('token = "t"', 'token = "u"', ["feeds.lq.token.value"]),
        ("[feeds.lq]", "[feeds.ql]", ["feeds.lq", "feeds.ql"]),
        ('liquidity = "BTC"', 'liquidity = "XBT"', ['instruments."BTC-USD".symbols.liquidity']),
        ('[instruments."BTC-USD"]', '[instruments]\nstrict = true\n[instruments."A:B"]', None),
        ("[listen]", '[dialects.tradingview]\nhosts = ["a.b"]\n[listen]', ["dialects.tradingview"]),
        ("[listen]", '[[auth.api_keys]]\nkey = "k"\nsub = "s"\n[listen]', ["auth.api_keys"]),
    ],
)
def test_the_keys_that_differ_are_named_as_in_the_file(before, after, keys):
    assert before in BASE
    found = changed_keys(read(BASE), read(BASE.replace(before, after, 1)))
    wanted = ["instruments.BTC-USD", 'instruments."A:B"', "instruments.strict"] if keys is None else keys
    assert [key.replace('"BTC-USD"', "BTC-USD") for key in found] == [
        key.replace('"BTC-USD"', "BTC-USD") for key in wanted
    ]


def test_what_is_the_same_differs_in_nothing():
    assert changed_keys(read(BASE), read(BASE)) == []
