"""`feedbridge token`: what it prints is verified here with PyJWT and the configured secret alone."""

import time

import jwt
import pytest

from bridge.cli import main

SECRET = "0123456789abcdef0123456789abcdef"
AUTH = f'[auth]\nsecret = "{SECRET}"\nmax_ttl_seconds = 7200\nissuer = "https://me"\naudience = "desk"\n'


@pytest.fixture
def token(tmp_path, capsys):
    """Mint; returns exit code, what was printed, and what was said on stderr."""

    def run(*arguments, text=AUTH):
        file = tmp_path / "bridge.toml"
        file.write_text(text)
        code = main(["token", "--config", str(file), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def claims_of(printed):
    line, end, rest = printed.partition("\n")
    assert (end, rest) == ("\n", "")
    return jwt.decode(line, SECRET, algorithms=["HS256"], audience="desk", issuer="https://me")


def test_the_claims_are_those_asked_for(token):
    before = int(time.time())
    options = ["--ttl", "600", "--topics", "quote:*, book:BTC-*", "--accounts", "liquidity/acme-1,tv/x"]
    code, printed, said = token("--sub", "alice", *options)
    claims = claims_of(printed)
    assert (code, said) == (0, "")
    assert claims["sub"] == "alice"
    assert before + 600 <= claims["exp"] <= int(time.time()) + 600
    assert claims["feedbridge"] == {
        "topics": ["quote:*", "book:BTC-*"],
        "accounts": ["liquidity/acme-1", "tv/x"],
    }


def test_without_topics_the_token_leaves_them_to_the_default(token):
    _, printed, _ = token("--sub", "alice")
    claims = claims_of(printed)
    assert "feedbridge" not in claims
    assert 3590 < claims["exp"] - time.time() <= 3600


def test_topics_that_are_empty_grant_nothing(token):
    _, printed, _ = token("--sub", "alice", "--topics", "")
    assert claims_of(printed)["feedbridge"] == {"topics": []}


@pytest.mark.parametrize("ttl", ["7201", "0.5"])
def test_a_life_that_the_bridge_would_not_accept_is_refused(token, ttl):
    code, printed, said = token("--sub", "alice", "--ttl", ttl)
    assert (code, printed) == (2, "")
    assert said == "feedbridge: --ttl: from 1 to auth.max_ttl_seconds = 7200\n"


def test_without_a_secret_the_sentence_says_how_to_set_one(token):
    code, printed, said = token("--sub", "alice", text='[auth]\nmode = "none"\n')
    assert (code, printed) == (2, "")
    assert said.startswith("feedbridge: auth.secret is not set")
    assert 'env = "BRIDGE_SECRET"' in said


def test_the_account_of_a_vendors_user_cannot_be_granted(token, capsys):
    with pytest.raises(SystemExit) as ended:
        token("--sub", "mallory", "--accounts", "lq/acme-1,lq/~0123456789ab.alice")
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert "'lq/~0123456789ab.alice' is the account of a vendor's user" in said.err
    assert not said.out
