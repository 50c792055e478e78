"""Grounds: what stands after a change of the rules and what does not, and that they tell nothing of what they name."""

import hashlib

import msgspec
import pytest

from bridge.downstream.access.grounds import ANONYMOUS, of_key, of_provider, of_secret, standing
from bridge.downstream.settings import ApiKey, AuthSettings

KEY = ApiKey(sub="alice", key="the-key")
AUTH = AuthSettings(secret="s" * 32, api_keys=(KEY,), jwks_url="https://idp/keys", issuer="i", audience="a")


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"secret": "t" * 32}, {"secret", "key"}),
        ({"api_keys": ()}, {"key"}),
        ({"api_keys": (msgspec.structs.replace(KEY, key="another"),)}, {"key"}),
        ({"api_keys": (msgspec.structs.replace(KEY, sub="bob"),)}, {"key"}),
        ({"issuer": "j"}, {"secret", "provider"}),
        ({"audience": "b"}, {"secret", "provider"}),
        ({"jwks_url": "https://other/keys"}, {"provider"}),
        ({"default_topics": ("*",), "max_ttl_seconds": 60, "algorithms": ("ES256",)}, set()),
        ({"api_keys": (msgspec.structs.replace(KEY, ttl_seconds=60, topics=("quote:*",)),)}, set()),
    ],
)
def test_what_a_change_of_the_rules_withdraws(change, gone):
    before = {"secret": of_secret(AUTH), "provider": of_provider(AUTH), "key": of_key(KEY, AUTH)}
    assert set(before.values()) <= standing(AUTH)
    after = standing(msgspec.structs.replace(AUTH, **change))
    assert {name for name, ground in before.items() if ground not in after} == gone


def test_a_key_written_down_as_its_hash_is_the_same_key():
    hashed = ApiKey(sub="alice", sha256=hashlib.sha256(b"the-key").hexdigest().upper())
    assert of_key(hashed, AUTH) == of_key(KEY, AUTH)


def test_peers_without_a_token_stand_while_something_is_open_to_them():
    assert ANONYMOUS in standing(AuthSettings(mode="none"))
    assert ANONYMOUS in standing(msgspec.structs.replace(AUTH, anonymous_topics=("quote:*",)))
    assert ANONYMOUS not in standing(AUTH)


def test_nothing_secret_can_be_read_from_a_ground():
    plain = hashlib.sha256(b"the-key").hexdigest()
    assert not any("the-key" in name or plain[:8] in name or "s" * 8 in name for name in standing(AUTH))
