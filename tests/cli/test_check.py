"""`feedbridge check`: what is in force on stdout, notes on stderr, or every mistake by its key; never a secret."""

import tomllib

import pytest
import trustme

from bridge.cli import main
from tests.support.commands import ROOT

SECRET = "0123456789abcdef0123456789abcdef"
GOOD = f'[auth]\nsecret = "{SECRET}"\ndefault_topics = ["*"]\n'
FEED = '[feeds.lq]\ndialect = "liquidity"\nurl = "https://api.example"\n'


@pytest.fixture
def check(tmp_path, capsys):
    """Check a configuration's text; returns exit code, stdout and the sentences on stderr."""

    def run(text):
        file = tmp_path / "bridge.toml"
        file.write_text(text)
        code = main(["check", "--config", str(file)])
        said = capsys.readouterr()
        return code, said.out, said.err.splitlines()

    return run


def test_a_good_configuration_is_printed_as_it_is_in_force(check):
    code, printed, notes = check(GOOD + FEED)
    assert (code, notes) == (0, [])
    table = tomllib.loads(printed)
    assert table["feeds"]["lq"]["url"] == "https://api.example"
    assert table["limits"]["subscriptions_per_connection"] == 50
    assert table["auth"]["secret"] == "********"
    assert SECRET not in printed


def test_what_is_printed_is_a_configuration_again_and_means_the_same(check):
    listed = '[instruments]\nstrict = true\n[instruments."NASDAQ:AAPL"]\n'
    listed += 'liquidity = { sse = "AAPL" }\ntradingview = "NASDAQ:AAPL"\n'
    plain = '[auth]\nmode = "none"\n' + FEED + listed
    _, printed, _ = check(plain)
    code, again, _ = check(printed)
    assert code == 0
    assert again == printed
    assert tomllib.loads(printed)["instruments"]["NASDAQ:AAPL"]["liquidity"] == {"sse": "AAPL"}


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (GOOD, "feeds: none is configured"),
        (f'[auth]\nsecret = "{SECRET}"\n' + FEED, "auth.default_topics is empty"),
        (
            GOOD + FEED + 'transports = ["sse", "polling"]\n',
            "feeds.lq.transports: over polling, when it is used, there is no trade and no bar",
        ),
        (GOOD + FEED + 'token = { file = "lq.token" }\n', "feeds.lq.token.file: there is no "),
    ],
)
def test_what_is_no_mistake_but_should_be_known_is_a_note(text, note, check):
    code, _, notes = check(text)
    assert code == 0
    (said,) = notes
    assert said.startswith(f"feedbridge: note: {note}")


def test_every_mistake_is_named_by_its_key_with_the_nearest_valid_one(check):
    code, printed, mistakes = check("[limits]\nlinger_second = 3\n[listen]\nbnd = []\n[auth]\nsecrets = 'x'\n")
    assert (code, printed) == (2, "")
    assert sorted(mistakes) == [
        "feedbridge: auth.secrets: no such key; did you mean secret?",
        "feedbridge: limits.linger_second: no such key; did you mean linger_seconds?",
        "feedbridge: listen.bnd: no such key; did you mean bind?",
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[listen]\nbind = ["localhost"]\n', "listen.bind: 'localhost' is not host:port"),
        ('[listen]\nadmin_bind = "8081"\n', "listen.admin_bind: '8081' is not host:port"),
        (
            '[dialects.liquidity]\nhosts = ["https://a.example"]\n',
            "dialects.liquidity.hosts: 'https://a.example' is no name",
        ),
        ('[dialects.liquidity]\nhosts = ["a.example:443"]\n', "dialects.liquidity.hosts: 'a.example:443' is no name"),
        (
            '[dialects.liquidity]\nhosts = ["a.example"]\n[dialects.tradingview]\nhosts = ["A.example"]\n',
            "dialects.tradingview.hosts: A.example is dialects.liquidity's already",
        ),
        (
            "[dialects.liquidity]\nnamed_events = true\n",
            "dialects.liquidity.named_events: liquidity has nothing of the kind",
        ),
        (
            "[dialects.tradingview]\norders_by_asset = true\n",
            "dialects.tradingview.orders_by_asset: tradingview has nothing of the kind",
        ),
        ('[dialects.tradingview]\ntimestamp_unit = "us"\n', "dialects.tradingview.timestamp_unit: s or ms, not 'us'"),
        (
            '[dialects.liquidity]\nrealtime_path = "rt"\n',
            "dialects.liquidity.realtime_path: a path such as /v1/realtime",
        ),
        ("[listen]\npadding_bytes = 70000\n", "listen.padding_bytes: at most 65536, not 70000"),
        ("[listen]\npadding_bytes = -1\n", "listen.padding_bytes: a number of at least 0, not -1"),
        ('[listen]\ntrusted_proxies = ["proxy"]\n', "listen.trusted_proxies: "),
        (FEED + 'connect_to = "there"\n', "feeds.lq.connect_to: 'there' must be ip:port"),
        (FEED + 'ca_file = "no.pem"\n', "feeds.lq.ca_file: "),
        (FEED + 'client_certificate = "no.pem"\n', "feeds.lq.client_certificate: "),
    ],
)
def test_what_only_the_server_or_a_feed_would_notice_is_told_before_they_start(text, key, check):
    code, _, mistakes = check(GOOD + text)
    assert code == 2
    assert [mistake for mistake in mistakes if mistake.startswith(f"feedbridge: {key}")] == mistakes
    assert len(mistakes) == 1


def test_a_certificate_must_fit_its_key(check, tmp_path):
    one, other = trustme.CA().issue_cert("a.example"), trustme.CA().issue_cert("a.example")
    one.cert_chain_pems[0].write_to_path(tmp_path / "a.pem")
    one.private_key_pem.write_to_path(tmp_path / "a.key")
    other.private_key_pem.write_to_path(tmp_path / "b.key")
    listen = '[listen]\ntls_bind = ["127.0.0.1:0"]\ncertificates = [{ certificate = "a.pem", private_key = "%s" }]\n'
    assert check(GOOD + FEED + listen % "a.key")[0] == 0
    code, _, mistakes = check(GOOD + FEED + listen % "b.key")
    assert code == 2
    (mistake,) = mistakes
    assert mistake.startswith("feedbridge: listen.certificates[0]: ")
    assert "b.key" in mistake
    (tmp_path / "c.key").write_text("no key at all")
    assert check(GOOD + FEED + listen % "c.key")[0] == 2


def test_an_open_bridge_beyond_this_machine_must_be_meant(check):
    text = '[auth]\nmode = "none"\n[listen]\nbind = ["0.0.0.0:8080"]\n'
    code, _, (mistake,) = check(text)
    assert code == 2
    assert "listen.allow_anonymous = true" in mistake
    assert check(text + "allow_anonymous = true\n")[0] == 0


@pytest.mark.parametrize(("name", "reason"), [("none.toml", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read(name, reason, tmp_path, capsys):
    assert main(["check", "--config", str(tmp_path / name)]) == 2
    assert reason in capsys.readouterr().err


def test_the_shipped_example_says_which_variables_it_wants_and_then_is_right(monkeypatch, capsys):
    example = str(ROOT / "config/bridge.toml")
    names = ("BRIDGE_SECRET", "CLIENT_KEY", "RAPIDAPI_KEY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert main(["check", "--config", example]) == 2
    wanted = capsys.readouterr().err.splitlines()
    assert all(any(name in line for line in wanted) for name in names)
    for name in names:
        monkeypatch.setenv(name, f"{name}-{SECRET}")
    assert main(["check", "--config", example]) == 0
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
