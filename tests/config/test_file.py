"""A configuration's mistakes: all of them at once, each by its key, with the nearest valid one."""

from pathlib import Path

import pytest

from bridge.config import effective, load_config, parse_config
from bridge.errors import ConfigError

SECRET = "0123456789abcdef0123456789abcdef"
GOOD = f'[auth]\nsecret = "{SECRET}"\ndefault_topics = ["*"]\n'
FEED = '[feeds.lq]\ndialect = "liquidity"\nurl = "https://api.example"\n'


def problems(text: str, environ: dict[str, str] | None = None, folder: Path = Path()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, folder / "bridge.toml", environ or {})
    return list(caught.value.problems)


def test_every_mistake_is_named_at_once():
    text = (
        GOOD + '[limits]\nlinger_secnds = 3\nheartbeat_seconds = "soon"\n[listn]\nbind = []\n' + FEED + "colour = 1\n"
    )
    first, *rest = sorted(problems(text))
    assert first.startswith("feeds.lq.colour: no such key; ")
    assert rest == [
        "limits.heartbeat_seconds: expected a number, got text",
        "limits.linger_secnds: no such key; did you mean linger_seconds?",
        "listn: no such key; did you mean listen?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[auth]\n", 'auth: mode "jwt" needs auth.secret'),
        ('[auth]\nmode = "open"\n', "auth.mode: jwt or none, not 'open'"),
        ('[auth]\nsecret = "short"\n', "auth.secret: at least 32 bytes"),
        ('[auth]\njwks_url = "https://x/jwks"\n', "auth.jwks_url: needs auth.issuer and auth.audience"),
        (GOOD + '[[auth.api_keys]]\nsub = "a"\n', "auth.api_keys[0]: exactly one of key and sha256"),
        (GOOD + '[[auth.api_keys]]\nkey = "k"\n', "auth.api_keys[0].sub is required"),
        (GOOD + '[listen]\ntls_bind = ["127.0.0.1:0"]\n', "listen.tls_bind: needs listen.certificates"),
        (
            GOOD + '[listen]\ncertificates = [{ certificate = "no.pem", private_key = "no.key" }]\n',
            "listen.certificates[0].certificate: cannot read",
        ),
        (
            GOOD + '[feeds.a]\ndialect = "liquidty"\nurl = "https://x"\n',
            "feeds.a.dialect: no dialect 'liquidty'; there are",
        ),
        (
            GOOD + '[feeds.a]\ndialect = "liquidity"\nurl = "ftp://x"\n',
            "feeds.a.url: expected http://host or https://host",
        ),
        (GOOD + FEED + 'transports = ["carrier"]\n', "feeds.lq.transports[0]: "),
        (GOOD + FEED + "transports = []\n", "feeds.lq.transports: name at least one of"),
        (GOOD + FEED + "token = { file = 'a', command = ['b'] }\n", "feeds.lq.token: one of"),
        (GOOD + FEED + "token = 'a'\napi_key = 'b'\n", "feeds.lq: token and api_key exclude each other"),
        (GOOD + '[instruments."A B"]\nliquidity = "AB"\n', 'instruments."A B": an id has 1 to 64 characters'),
        (GOOD + '[instruments."AB"]\nliquidty = "AB"\n', 'instruments."AB".liquidty: no such dialect'),
        (
            GOOD + '[instruments."AB"]\nliquidity = { rst = "AB" }\n',
            "a symbol by transport has the keys sse, websocket, rest",
        ),
        (GOOD + '[instruments."AB"]\nliquidity = "AB"\nfeeds = ["x"]\n', "instruments.\"AB\".feeds: no feed 'x'"),
        (GOOD + '[feeds."a/b"]\ndialect = "liquidity"\nurl = "https://x"\n', "feeds.a/b: a feed's name has letters"),
        (GOOD + FEED + 'proxy = "http://h:99999"\n', "feeds.lq.proxy: expected http://host"),
        (
            GOOD + "[dialects.liquidty]\n",
            "dialects.liquidty: no such dialect; there are canonical, liquidity, tradingview",
        ),
        (
            GOOD + '[dialects.canonical]\nsse_refusal = "200"\n',
            "dialects.canonical.sse_refusal: status or retry, not '200'",
        ),
        (GOOD + 'algorithms = ["HS256", "none", "ES256"]\n', "auth.algorithms: no HS256, none; there are ES256"),
        (GOOD + '[listen]\npublic_url = "bridge.corp"\n', "listen.public_url: expected http://host or https://host"),
        (GOOD + "[limits]\ndrain_seconds = nan\n", "limits.drain_seconds: a number of at least 0, not nan"),
        (GOOD + '[broker]\nurl = "redis://x"\n', "broker.url: only memory: for now, not redis:"),
        ("[auth\n", "not TOML"),
    ],
)
def test_each_mistake_has_its_sentence(text, said):
    assert any(said in problem for problem in problems(text)), problems(text)


def test_two_ids_with_one_spelling_at_a_vendor_are_a_mistake():
    text = (
        GOOD
        + '[instruments."BTC-USD"]\nliquidity = { sse = "BTC" }\n[instruments."BTC"]\nliquidity = { sse = "BTC" }\n'
    )
    assert any("two ids with one spelling in liquidity" in problem for problem in problems(text))


def test_values_come_from_the_environment_and_from_files_beside_the_configuration(tmp_path):
    (tmp_path / "secret.txt").write_text(SECRET + "\n")
    text = '[auth]\nsecret = { file = "secret.txt" }\n' + FEED + 'api_key = { env = "KEY" }\n'
    config = parse_config(text, tmp_path / "bridge.toml", {"KEY": "k-1"})
    assert config.auth.secret == SECRET
    assert config.feeds["lq"].api_key == "k-1"


def test_a_feeds_value_from_a_file_remembers_the_file_because_it_is_read_again(tmp_path):
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "proxy.txt").write_text("http://corp:sesame@proxy.corp:3128\n")
    text = '[auth]\nsecret = { file = "secret.txt" }\n' + FEED + 'proxy = { file = "proxy.txt" }\n'
    config = parse_config(text, tmp_path / "bridge.toml", {})
    proxy = config.feeds["lq"].proxy
    assert proxy == "http://corp:sesame@proxy.corp:3128"
    assert proxy.path == str(tmp_path / "proxy.txt")
    assert type(config.auth.secret) is str
    shown = effective(config)
    assert 'feeds.lq.proxy = "http://corp:********@proxy.corp:3128"' in shown


def test_a_missing_variable_or_file_is_one_sentence_with_the_way_out(tmp_path):
    text = '[auth]\nsecret = { env = "NOPE" }\n' + FEED + 'api_key = { file = "nope" }\n'
    assert problems(text, {}, tmp_path) == [
        "auth.secret: the environment has no NOPE; set it, or write the value here",
        f"feeds.lq.api_key: cannot read {tmp_path}/nope: No such file or directory",
    ]


def test_a_token_file_is_kept_as_a_file_because_it_is_read_again(tmp_path):
    config = parse_config(GOOD + FEED + 'token = { file = "lq.token" }\n', tmp_path / "bridge.toml", {})
    assert config.feeds["lq"].token.file == str(tmp_path / "lq.token")
    config = parse_config(GOOD + FEED + 'token = { env = "T" }\n', tmp_path / "bridge.toml", {"T": "abc"})
    assert config.feeds["lq"].token.value == "abc"


def test_the_shipped_configurations_are_valid_and_show_every_key(tmp_path):
    root = Path(__file__).parent.parent.parent
    load_config(root / "config/demo.toml")
    environ = {"BRIDGE_SECRET": SECRET, "CLIENT_KEY": "k", "RAPIDAPI_KEY": "r"}
    load_config(root / "config/bridge.toml", environ)
