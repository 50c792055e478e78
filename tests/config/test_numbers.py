"""Which numbers a configuration may hold."""

import pytest

from bridge.config.numbers import ABOVE_ZERO, wrong_numbers
from bridge.config.structs import Config
from bridge.downstream.settings import ApiKey, AuthSettings, DialectLimits, DialectSettings, LimitSettings
from bridge.upstream.settings import FeedSettings, TokenSource


def wrong(value):
    return list(wrong_numbers(value, "x"))


def test_every_default_holds():
    assert wrong(LimitSettings()) == wrong(AuthSettings()) == wrong(DialectSettings()) == []
    assert wrong(FeedSettings(dialect="d", url="u")) == []


@pytest.mark.parametrize("number", [-1, -0.5, float("nan"), float("inf"), float("-inf")])
def test_a_number_that_cannot_hold_is_named_wherever_it_stands(number):
    assert wrong(LimitSettings(linger_seconds=number)) == [f"x.linger_seconds: a number of at least 0, not {number}"]
    key = ApiKey(sub="a", key="k", ttl_seconds=number)
    assert wrong(AuthSettings(api_keys=(key,))) == [f"x.api_keys[0].ttl_seconds: a number above 0, not {number}"]
    limits = DialectSettings(limits=DialectLimits(inbound_messages_per_second=number))
    assert wrong({"canonical": limits}) == [
        f"x.canonical.limits.inbound_messages_per_second: a number of at least 0, not {number}"
    ]
    token = TokenSource(command=("c",), refresh_seconds=number)
    assert wrong(FeedSettings(dialect="d", url="u", token=token)) == [
        f"x.token.refresh_seconds: a number above 0, not {number}"
    ]


def test_zero_means_something_but_where_nothing_could_run_with_it():
    assert wrong(LimitSettings(connections=0, history_events=0, linger_seconds=0, drain_seconds=0)) == []
    assert wrong(LimitSettings(write_deadline_seconds=0)) == ["x.write_deadline_seconds: a number above 0, not 0"]
    assert wrong(FeedSettings(dialect="d", url="u", max_connections=0, book_depth=0)) == [
        "x.max_connections: a number above 0, not 0",
        "x.book_depth: a number above 0, not 0",
    ]


def test_the_keys_that_may_not_be_zero_are_keys():
    structs = (LimitSettings, AuthSettings, ApiKey, FeedSettings, TokenSource, Config)
    assert {name for struct in structs for name in struct.__struct_fields__} >= ABOVE_ZERO
