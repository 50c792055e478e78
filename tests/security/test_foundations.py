"""What the rest stands on: TLS as it is spoken both ways, where requests go, and the few libraries that are in."""

import re
import ssl
import tomllib
from pathlib import Path

import pytest
import trustme

from bridge.app.plaintext import plain_places
from bridge.config import effective, parse_config
from bridge.downstream.door.certificates import PROTOCOLS, read_certificates
from bridge.downstream.settings import Certificate
from bridge.errors import ConfigError
from bridge.upstream.network.route import read_route
from bridge.upstream.settings import FeedSettings
from tests.support.data import ROOT

WEAK = re.compile(r"NULL|EXP|RC4|RC2|DES|MD5|PSK|SRP|ADH|AECDH|^AES(128|256)-|CAMELLIA|SEED|IDEA")


def assert_modern(context: ssl.SSLContext) -> None:
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    ciphers = [cipher["name"] for cipher in context.get_ciphers()]
    assert ciphers
    assert [name for name in ciphers if WEAK.search(name)] == []
    assert context.options & ssl.OP_NO_COMPRESSION


def test_clients_are_spoken_to_in_modern_tls_with_http2_preferred(tmp_path):
    made = trustme.CA().issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    contexts = read_certificates([Certificate(certificate=str(chain), private_key=str(key))])
    assert_modern(contexts.default)
    assert PROTOCOLS[0] == "h2"


def test_vendors_are_spoken_to_in_modern_tls_and_must_prove_who_they_are():
    context = read_route(FeedSettings(dialect="liquidity", url="https://v.example")).tls
    assert_modern(context)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


AUTH = '[auth]\nsecret = "0123456789abcdef0123456789abcdef"\n'
FEED = '[feeds.lq]\ndialect = "liquidity"\n'
JWKS = 'issuer = "i"\naudience = "a"\njwks_url = "{}"\n'


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (AUTH + '[listen]\nbind = ["0.0.0.0:8080"]\n', "listen.bind"),
        (AUTH + '[listen]\nbind = ["127.0.0.1:8080", "[::1]:8080"]\n', None),
        (AUTH + JWKS.format("http://idp.example/keys"), "auth.jwks_url"),
        (AUTH + JWKS.format("https://idp.example/keys"), None),
        (AUTH + JWKS.format("http://127.0.0.1/keys"), None),
        (AUTH + FEED + 'url = "http://vendor.example"\n', "feeds.lq.url"),
        (
            AUTH + FEED + 'url = "https://vendor.example"\nwebsocket_url = "ws://vendor.example/ws"\n',
            "feeds.lq.websocket_url",
        ),
        (AUTH + FEED + 'url = "http://localhost:9000"\n', None),
    ],
)
def test_what_travels_in_the_clear_beyond_this_machine_is_said(text, key):
    said = list(plain_places(parse_config(text, Path("bridge.toml"), {})))
    assert [sentence.partition(":")[0] for sentence in said] == ([key] if key else [])


@pytest.mark.parametrize("key", ["url", "websocket_url", "rest_url", "token_url"])
def test_a_url_is_no_place_for_a_secret(key):
    scheme = "wss" if key == "websocket_url" else "https"
    urls = {"url": "https://v.example", key: f"{scheme}://user:a-password@v.example"}
    text = AUTH + FEED + "".join(f'{name} = "{url}"\n' for name, url in urls.items())
    with pytest.raises(ConfigError) as caught:
        parse_config(text, Path("bridge.toml"), {})
    assert any(problem.startswith(f"feeds.lq.{key}: a URL is no place") for problem in caught.value.problems)
    assert "a-password" not in str(caught.value)


def test_the_query_of_a_url_is_not_shown():
    text = AUTH + JWKS.format("https://idp.example/keys?code=a-code-of-the-provider")
    shown = effective(parse_config(text, Path("bridge.toml"), {}))
    assert "a-code-of-the-provider" not in shown
    assert "https://idp.example/keys?********" in shown


def test_a_key_set_is_asked_for_at_an_address():
    with pytest.raises(ConfigError, match=r"auth\.jwks_url: expected"):
        parse_config(AUTH + JWKS.format("file:///etc/passwd"), Path("bridge.toml"), {})


def test_every_library_is_bounded_and_named_with_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = (ROOT / "docs" / "explanation" / "security.md").read_text()
    names = set()
    for dependency in project["dependencies"]:
        name, bounds = re.fullmatch(r"([\w-]+)(?:\[\w+\])?([^;]*)(?:;.*)?", dependency).groups()
        assert re.search(r"==|>=", bounds), f"{name} is not bounded"
        names.add(name)
    assert len(names) <= 16, "a further library needs a decision, and a row in docs/explanation/security.md"
    rows = set(re.findall(r"^\| `([\w-]+)` \| \S.{15,} \|$", told, re.MULTILINE))
    assert rows == names
