import textwrap
from pathlib import Path

import pytest

from bridge.config import effective, parse_config
from bridge.errors import ConfigError

BEGIN = """
[auth]
secret = "a-secret-of-more-than-32-bytes-for-tests"
issuer = "https://ours"
[feeds.one]
dialect = "liquidity"
url = "https://one.example"
"""


def parsed(text: str):
    return parse_config(BEGIN + textwrap.dedent(text), Path("bridge.toml"), {})


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return caught.value.problems


def test_an_empty_table_is_enough_and_is_shown():
    config = parsed("[feeds.one.client_tokens]")
    assert config.feeds["one"].client_tokens is not None
    assert 'feeds.one.client_tokens.algorithms = ["RS256", "ES256", "EdDSA"]' in effective(config)
    assert parsed("").feeds["one"].client_tokens is None


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('jwks_url = "https://id/keys"', "feeds.one.client_tokens.jwks_url: needs issuer and audience"),
        ('jwks_url = "https://id/keys"\nissuer = "i"', "feeds.one.client_tokens.jwks_url: needs issuer and audience"),
        ('jwks_url = "id/keys"\nissuer = "i"\naudience = "a"', "feeds.one.client_tokens.jwks_url: expected http"),
        (
            'jwks_url = "http://id/keys"\nissuer = "i"\naudience = "a"',
            "feeds.one.client_tokens.jwks_url: expected https",
        ),
        ('check_url = "http://one.example/x"', "feeds.one.client_tokens.check_url: expected https"),
        (
            'jwks_url = "https://id/keys"\nissuer = "i"\naudience = "a"\ncheck_url = "https://x/y"',
            "feeds.one.client_tokens: jwks_url and check_url exclude each other",
        ),
        ('algorithms = ["HS256"]', "feeds.one.client_tokens.algorithms: no HS256"),
        ('issuer = "https://ours"', "feeds.one.client_tokens.issuer: is auth.issuer"),
        ('jwks = "x"', "feeds.one.client_tokens.jwks: no such key; did you mean jwks_url?"),
    ],
)
def test_every_mistake_is_named_by_its_key(table, key):
    (problem,) = problems("[feeds.one.client_tokens]\n" + table)
    assert problem.startswith(key)


TWO = """
[feeds.one.client_tokens]
{}
[feeds.two]
dialect = "liquidity"
url = "https://two.example"
[feeds.two.client_tokens]
{}
"""


@pytest.mark.parametrize("issuers", [("", ""), ('issuer = "a"', 'issuer = "a"')])
def test_a_token_must_not_fit_two_vendors(issuers):
    found = problems(TWO.format(*issuers))
    assert [one.partition(":")[0] for one in found] == [
        "feeds.one.client_tokens.issuer",
        "feeds.two.client_tokens.issuer",
    ]


@pytest.mark.parametrize("issuers", [("", 'issuer = "a"'), ('issuer = "b"', 'issuer = "a"')])
def test_issuers_keep_vendors_apart(issuers):
    assert parsed(TWO.format(*issuers)).feeds["two"].client_tokens.issuer == "a"


def test_they_need_a_bridge_that_looks_at_tokens_but_no_secret_of_it():
    feed = '[feeds.one]\ndialect = "liquidity"\nurl = "https://one.example"\n[feeds.one.client_tokens]\n'
    assert parse_config(feed, Path("bridge.toml"), {}).auth.secret is None
    with pytest.raises(ConfigError, match=r'auth.mode = "none" looks at no tokens'):
        parse_config('[auth]\nmode = "none"\n' + feed, Path("bridge.toml"), {})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('account = "~0123456789ab.alice"', "feeds.one.account"),
        ('account = "x/~y"', "feeds.one.account"),
        (
            '[[auth.api_keys]]\nkey = "k"\nsub = "s"\naccounts = ["one/fine", "one/~0123456789ab.alice"]',
            "auth.api_keys[0].accounts",
        ),
    ],
)
def test_nothing_that_is_written_down_names_a_vendors_users_account(text, key):
    (problem,) = problems(text)
    assert problem.startswith(f"{key}: ")
    assert "'one/" in problem
