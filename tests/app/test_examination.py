"""What an operator is told of a configuration before anything is opened; `tests/cli/test_check.py` has the command."""

from pathlib import Path

import pytest

from bridge.app import examine
from bridge.config import parse_config
from bridge.errors import ConfigError

AUTH = '[auth]\nsecret = "0123456789abcdef0123456789abcdef"\n'
FEED = '[feeds.lq]\ndialect = "liquidity"\nurl = "https://api.example"\n'


def config(text, folder=Path()):
    return parse_config(text, folder / "bridge.toml", {})


def test_a_configuration_that_is_all_right_has_no_notes():
    assert examine(config(AUTH + 'default_topics = ["*"]\n' + FEED)) == []


def test_anonymous_topics_are_as_good_as_default_ones():
    assert examine(config(AUTH + 'anonymous_topics = ["quote:*"]\n' + FEED)) == []


def test_a_token_file_that_is_there_is_no_news_and_one_that_is_not_is(tmp_path):
    text = AUTH + 'default_topics = ["*"]\n' + FEED + 'token = { file = "lq.token" }\n'
    (note,) = examine(config(text, tmp_path))
    assert note == f"feeds.lq.token.file: there is no {tmp_path}/lq.token yet; the feed stays down until there is"
    (tmp_path / "lq.token").write_text("t")
    assert examine(config(text, tmp_path)) == []


def test_every_mistake_of_every_part_is_told_at_once():
    text = AUTH + '[listen]\nbind = ["x"]\nadmin_bind = "y"\n' + FEED + 'connect_to = "z"\n'
    with pytest.raises(ConfigError) as caught:
        examine(config(text))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        *("listen.bind", "listen.admin_bind", "feeds.lq.connect_to")
    ]


def test_what_a_vendors_users_will_not_see_is_told():
    visited = "[feeds.lq.client_tokens]\n"
    assert examine(config(AUTH + 'default_topics = ["*"]\n' + FEED + visited)) == []
    (orders,) = examine(config(AUTH + 'default_topics = ["*"]\n' + FEED + 'transports = ["websocket"]\n' + visited))
    assert orders.startswith("feeds.lq.client_tokens: none of its transports brings orders")
    notes = examine(config(AUTH + FEED + visited))
    assert any(note.startswith("feeds.lq.client_tokens.topics and auth.default_topics are empty") for note in notes)
