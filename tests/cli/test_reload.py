"""SIGHUP to a running `feedbridge serve`: a broken file changes nothing and says why, a good one is taken over meanwhile."""

import json
import signal
import socket
import ssl
from pathlib import Path

import pytest
import structlog
import trio
import trustme

from bridge.app import Reloader, Running
from bridge.cli import serve as serving
from bridge.config import load_config
from tests.support.clients import curl, eventually, stream
from tests.support.commands import running

SECRET = "0123456789abcdef0123456789abcdef"
CONFIG = """
[listen]
bind = ["127.0.0.1:0"]
tls_bind = ["127.0.0.1:0"]
certificates = [{ certificate = "bridge.pem", private_key = "bridge.key" }]
[auth]
secret = { file = "secret" }
anonymous_topics = ["*"]
[limits]
drain_seconds = 2
[feeds.lq]
dialect = "liquidity"
url = "http://127.0.0.1:9"
token = "t"
[instruments]
strict = true
[instruments.A]
liquidity = "A"
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a configuration and all that it names."""
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "bridge.toml").write_text(CONFIG)
    certify(tmp_path)
    return tmp_path


def certify(folder: Path) -> None:
    """Write a fresh certificate, of an authority of its own."""
    leaf = trustme.CA().issue_cert("localhost")
    leaf.cert_chain_pems[0].write_to_path(folder / "bridge.pem")
    leaf.private_key_pem.write_to_path(folder / "bridge.key")


def shown(port: int, name: str | None) -> str:
    """The certificate that a new handshake is shown, as PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 10) as opened,
        context.wrap_socket(opened, server_hostname=name) as secured,
    ):
        return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True))


def written(folder: Path) -> str:
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert((folder / "bridge.pem").read_text()))


def said(command, event: str, times: int) -> dict:
    """The newest log line of a kind, once there are so many."""
    while True:
        found = [line for line in command.lines if f'"event": "{event}"' in line]
        if len(found) >= times:
            return json.loads(found[-1])
        command.lines.append(command._arrivals.get(timeout=30))


def serve(folder: Path):
    return running("serve", "--config", str(folder / "bridge.toml"))


def urls(command) -> tuple[str, int]:
    plain = command.wait_for(r"serves (http://\S+)")[1]
    return plain, int(command.wait_for(r"serves https://\S+:(\d+)")[1])


BROKEN = [
    (CONFIG + "[limits.x]\n", "limits.x"),
    (CONFIG.replace("drain_seconds = 2", "drain_secs = 2\nlinger_seconds = 1"), "limits.drain_secs"),
    (CONFIG.replace('"secret"', '"nothing-there"'), "auth.secret"),
    (CONFIG.replace('"bridge.pem"', '"bridge.key"'), "listen.certificates[0]"),
    ("[listen", "not TOML"),
    (CONFIG.replace("[feeds.lq]", "[feeds.qq]"), "feeds.lq: needs a restart"),
    (CONFIG.replace('bind = ["127.0.0.1:0"]\ntls', 'bind = ["127.0.0.1:1"]\ntls'), "listen.bind: needs a restart"),
]


def test_a_broken_file_changes_nothing_and_every_reason_is_in_the_log(folder):
    with serve(folder) as command:
        url, port = urls(command)
        before = shown(port, "localhost")
        with stream(f"{url}/v1/stream?subscribe=trade:A") as follower:
            assert follower.until("stream")["verdict"] == "fresh"
            certify(folder)
            for times, (text, reason) in enumerate(BROKEN, 1):
                (folder / "bridge.toml").write_text(text)
                command.process.send_signal(signal.SIGHUP)
                line = said(command, "reload_refused", times)
                assert any(reason in told for told in line["reasons"]), line
                assert SECRET not in json.dumps(line)
            assert shown(port, "localhost") == before
            assert curl(f"{url}/healthz").status == 200
            assert command.stop() == 0
            assert follower.until("goaway")["reason"] == "going_away"
        assert not [line for line in command.lines if '"reloaded"' in line]


def test_a_good_file_is_taken_over_while_streams_go_on(folder):
    with serve(folder) as command:
        url, port = urls(command)
        assert curl(f"{url}/v1/stream?subscribe=trade:B").status == 404
        with stream(f"https://127.0.0.1:{port}/v1/stream?subscribe=trade:A", "-k") as follower:
            assert follower.until("stream")["verdict"] == "fresh"
            certify(folder)
            command.process.send_signal(signal.SIGHUP)
            assert said(command, "reloaded", 1)["changed"] == []
            for name in ("localhost", "elsewhere", None):
                assert shown(port, name) == written(folder)

            (folder / "secret").write_text(SECRET[::-1])
            added = '[instruments.B]\nliquidity = "B"\n'
            (folder / "bridge.toml").write_text(CONFIG.replace("= 2", "= 3") + added)
            command.process.send_signal(signal.SIGHUP)
            line = said(command, "reloaded", 2)
            assert sorted(line["changed"]) == ["auth.secret", "instruments.B", "limits.drain_seconds"]
            assert SECRET[::-1] not in json.dumps(line)
            with stream(f"{url}/v1/stream?subscribe=trade:B") as other:
                assert other.until("stream")["topics"] == ["trade:B"]
            assert follower.process.poll() is None
            assert command.stop() == 0
            assert follower.until("goaway")["reason"] == "going_away"


async def test_whatever_a_file_does_to_us_is_a_refusal_that_tells_no_secret(monkeypatch, folder):
    def broken(_):
        raise ValueError(SECRET)

    reloader = Reloader(load_config(folder / "bridge.toml"), None)
    monkeypatch.setattr(serving, "prepare", broken)
    with structlog.testing.capture_logs() as lines:
        await serving.reload(Running(house=None, feeds={}, listening=None, closed=trio.Event(), reloader=reloader))
    (line,) = lines
    assert (line["event"], line["hint"]) == ("reload_refused", "nothing has changed")
    assert "ValueError" in line["reasons"][0]
    assert SECRET not in str(line)


def test_a_hangup_while_it_drains_is_passed_over(folder):
    with serve(folder) as command:
        url, _ = urls(command)
        with stream(f"{url}/v1/stream?subscribe=trade:A") as follower:
            follower.until("stream")
            command.process.send_signal(signal.SIGTERM)
            command.process.send_signal(signal.SIGHUP)
            assert follower.until("goaway")["reason"] == "going_away"
        assert eventually(lambda: command.process.poll() is not None, 20)
        assert command.process.returncode == 0
