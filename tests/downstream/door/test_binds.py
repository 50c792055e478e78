"""Where we listen, and what is said when we cannot."""

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from bridge.downstream.door.binds import bind_problems, open_listeners, parse_bind
from bridge.downstream.door.certificates import context_for, read_certificates
from bridge.downstream.door.eager import EagerListener
from bridge.downstream.settings import AuthSettings, Certificate, ListenSettings
from bridge.errors import ConfigError

NONE = AuthSettings(mode="none")
JWT = AuthSettings(mode="jwt")


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("[::1]:0", "::1", 0, True),
        ("localhost:80", "localhost", 80, True),
        ("0.0.0.0:8080", "0.0.0.0", 8080, False),
        (":8080", "", 8080, False),
        ("*:8080", "", 8080, False),
        ("bridge.corp:8080", "bridge.corp", 8080, False),
        ("192.168.1.2:8080", "192.168.1.2", 8080, False),
    ],
)
def test_bind_is_host_and_port(text: str, host: str, port: int, loopback: bool):
    bind = parse_bind(text)
    assert (bind.host, bind.port, bind.loopback) == (host, port, loopback)


@pytest.mark.parametrize(
    "text", ["8080", "localhost", "localhost:", "localhost:http", "localhost:70000", "::1:8080", "a:-1"]
)
def test_what_is_no_bind_is_named(text: str):
    with pytest.raises(ValueError, match="such as"):
        parse_bind(text)


@pytest.mark.parametrize(
    ("listen", "auth", "words"),
    [
        (ListenSettings(), NONE, []),
        (ListenSettings(bind=("0.0.0.0:80",)), JWT, []),
        (ListenSettings(bind=("0.0.0.0:80",), allow_anonymous=True), NONE, []),
        (ListenSettings(bind=("0.0.0.0:80",)), NONE, ["listen.allow_anonymous = true"]),
        (
            ListenSettings(bind=("127.0.0.1:80", "x", ":1")),
            NONE,
            ["listen.bind: 'x' is not", "listen.bind: ':1' can be"],
        ),
        (ListenSettings(tls_bind=("127.0.0.1:1",)), JWT, ["listen.certificates"]),
        (ListenSettings(bind=()), JWT, ["nowhere to listen"]),
        (ListenSettings(trusted_proxies=("nginx",)), JWT, ["listen.trusted_proxies"]),
    ],
)
def test_every_mistake_of_listening_is_one_sentence(listen: ListenSettings, auth: AuthSettings, words: list[str]):
    problems = bind_problems(listen, auth)
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True))


async def test_port_in_use_is_said_in_one_sentence_and_nothing_stays_open():
    (taken,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = taken.socket.getsockname()[1]
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: the port is in use"):
        await open_listeners(ListenSettings(bind=("127.0.0.1:0", f"127.0.0.1:{port}")), None)
    await taken.aclose()


async def test_address_of_another_machine_is_said_in_one_sentence():
    with pytest.raises(ConfigError, match="this machine has no such address"):
        await open_listeners(ListenSettings(bind=("192.0.2.1:0",)), None)


async def test_urls_have_the_real_ports():
    listeners, urls = await open_listeners(ListenSettings(bind=("127.0.0.1:0", "127.0.0.1:0")), None)
    assert len(set(urls)) == 2
    for listener, url in zip(listeners, urls, strict=True):
        assert isinstance(listener, EagerListener)
        assert url == f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        await listener.aclose()


def written(folder: Path, leaf: trustme.LeafCert, name: str) -> Certificate:
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    leaf.cert_chain_pems[0].write_to_path(chain)
    leaf.private_key_pem.write_to_path(key)
    return Certificate(certificate=str(chain), private_key=str(key))


def test_certificates_that_cannot_be_read_are_said_in_one_sentence(tmp_path: Path):
    authority = trustme.CA()
    one, two = (written(tmp_path, authority.issue_cert(name), name) for name in ("one.example", "two.example"))
    absent = Certificate(certificate=str(tmp_path / "absent.pem"), private_key=one.private_key)
    mixed = Certificate(certificate=one.certificate, private_key=two.private_key)
    (tmp_path / "junk.pem").write_text("no certificate")
    junk = Certificate(certificate=str(tmp_path / "junk.pem"), private_key=one.private_key)
    for certificate, words in ((absent, "cannot read .*absent.pem: No such file"), (mixed, "no PEM"), (junk, "no PEM")):
        with pytest.raises(ConfigError, match=rf"listen\.certificates\[1\]: .*{words}"):
            read_certificates([one, certificate])


def test_certificate_is_chosen_by_the_name_asked_for(tmp_path: Path):
    first, wild = ssl.create_default_context(), ssl.create_default_context()
    by_name = {"one.example": first, "*.two.example": wild}
    assert context_for("ONE.example", by_name) is first
    assert context_for("a.two.example", by_name) is wild
    assert context_for("two.example", by_name) is None
    assert context_for(None, by_name) is None
