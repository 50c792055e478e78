"""`feedbridge serve` as a process: what it says for a mistake, and how it ends."""

import json
import signal
import socket
import subprocess

import pytest

from tests.support.commands import get, running

SECRET = "0123456789abcdef0123456789abcdef"
GOOD = f'[auth]\nsecret = "{SECRET}"\ndefault_topics = ["*"]\n'
LISTEN = '[listen]\nbind = ["127.0.0.1:0"]\n'


@pytest.fixture
def config(tmp_path):
    """Write a configuration; returns its path."""

    def write(text):
        file = tmp_path / "bridge.toml"
        file.write_text(text)
        return str(file)

    return write


def refused(*arguments, **environ):
    """Run until it gives up; returns its only line."""
    with running(*arguments, **environ) as command:
        assert command.process.wait(30) == 2
        command._reader.join()
        lines = [*command.lines]
        while not command._arrivals.empty():
            line = command._arrivals.get()
            lines += [] if line is None else [line]
    assert len(lines) == 1, "\n".join(lines)
    return lines[0]


def test_a_port_in_use_is_one_sentence(config):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        told = refused("serve", "--config", config(GOOD + f'[listen]\nbind = ["{place}"]\n'))
    assert told == (
        f"feedbridge: listen.bind: cannot listen on {place}: the port is in use; stop what listens there, or choose another"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            GOOD + '[listen]\nbind = ["192.0.2.1:80"]\n',
            "listen.bind: cannot listen on 192.0.2.1:80: this machine has no",
        ),
        (
            GOOD
            + '[listen]\ntls_bind = ["127.0.0.1:0"]\ncertificates = [{ certificate = "bridge.toml", private_key = "a" }]\n',
            "listen.certificates[0].private_key: cannot read ",
        ),
        ('[auth]\nsecret = { env = "NOT_SET" }\n', "auth.secret: the environment has no NOT_SET"),
        ("[auth]\n", 'auth: mode "jwt" needs auth.secret'),
        (GOOD + "[limits]\nlinger_secs = 1\n", "limits.linger_secs: no such key; did you mean linger_seconds?"),
        (GOOD + "[limits]\nwrite_deadline_seconds = 0\n", "limits.write_deadline_seconds: a number above 0, not 0"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_key(config, text, sentence):
    told = refused("serve", "--config", config(text))
    assert told.startswith(f"feedbridge: {sentence}")


def test_with_its_vendor_down_it_starts_says_so_and_ends_well(config):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    text = LISTEN + f'[auth]\nmode = "none"\n[feeds.lq]\ndialect = "liquidity"\nurl = "{url}"\ntoken = "t"\n'
    with running("serve", "--config", config(text)) as command:
        bridge = command.wait_for(r"^feedbridge serves (http://127\.0\.0\.1:\d+)$")[1]
        status, answer = get(f"{bridge}/readyz")
        assert (status, json.loads(answer)["status"]) == (200, "ready")
        stream = subprocess.Popen(
            ["curl", "-sN", f"{bridge}/v1/stream?subscribe=quote:AAPL"], stdout=subprocess.PIPE, text=True
        )
        told = []
        while not any(event.get("status") == "down" for event in told):
            line = stream.stdout.readline()
            assert line, told
            told += [json.loads(line.removeprefix("data: "))] if line.startswith("data: {") else []
        status, answer = get(f"{bridge}/readyz")
        assert (status, json.loads(answer)["status"]) == (503, "not ready")
        assert json.loads(answer)["feeds"][0]["reason"]
        assert command.stop(signal.SIGTERM) == 0
        rest, _ = stream.communicate(timeout=30)
    assert '"type":"goaway"' in rest
    assert '"reason":"going_away"' in rest


def test_readyz_has_no_null(config):
    text = (
        LISTEN + '[auth]\nmode = "none"\n[feeds.lq]\ndialect = "liquidity"\nurl = "http://127.0.0.1:9"\ntoken = "t"\n'
    )
    with running("serve", "--config", config(text)) as command:
        bridge = command.wait_for(r"serves (\S+)")[1]
        assert "null" not in get(f"{bridge}/readyz")[1]
        assert command.stop(signal.SIGINT) == 0
