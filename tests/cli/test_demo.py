"""`feedbridge demo` as a process: what it prints can be tried as it stands, on every transport, and it ends when told."""

import json
import re
import shlex
import signal
import socket
import subprocess

import pytest

from tests.support.commands import ROOT, free_port, running


def test_a_port_in_use_is_one_sentence_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running("demo", "--port", port) as command:
            told = command.wait_for(r"^feedbridge: .*")[0]
            assert command.process.wait(30) == 2
    assert f"127.0.0.1:{port}: the port is in use" in told
    assert "make demo PORT=" in told


def test_a_tape_that_is_not_there_is_one_sentence(tmp_path):
    with running("demo", "--port", "0", "--tape", str(tmp_path / "no.tape")) as command:
        command.wait_for(r"^feedbridge: cannot read the tape .*no\.tape: No such file")
        assert command.process.wait(30) == 2


def test_the_demo_makes_do_with_any_free_port_and_shows_where_everything_is():
    with running("demo", "--port", "0") as command:
        command.wait_for("Ctrl-C")
        places = [re.search("http://", line).start() for line in command.lines if re.match("  [a-z ]+ +http://", line)]
        assert len(places) == 3
        assert len(set(places)) == 1, "the URLs stand below one another"
        assert command.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (["--liquidity", "sse", "--tradingview", "sse"], {"quote", "trade", "book_snapshot"}),
        (["--liquidity", "websocket", "--tradingview", "websocket"], {"trade", "book_snapshot"}),
        (["--liquidity", "polling"], {"quote", "book_snapshot"}),
    ],
)
def test_every_transport_brings_what_it_has_and_each_printed_line_can_be_tried(options, kinds):
    with running("demo", "--port", str(free_port()), *options) as command:
        command.wait_for("Ctrl-C")
        tries = [line.strip() for line in command.lines if line.startswith("  curl ")]
        assert len(tries) == 6, "four of ours, one of each vendor's"
        seen = {"liquidity": set(), "tradingview": set()}
        for line in tries:
            said = subprocess.run(
                [*shlex.split(line), "-s", "--max-time", "2"], capture_output=True, text=True, check=False
            ).stdout
            texts = [one.removeprefix("data: ") for one in said.splitlines() if one.startswith(("data: {", "{"))]
            assert texts, line
            events = [json.loads(text) for text in texts]
            for event in [inner for outer in events for inner in outer.get("events", [outer])]:
                assert "error" not in event, event
                seen.setdefault(event.get("feed"), set()).add(event.get("type"))
        assert kinds <= seen["liquidity"]
        assert {"quote", "bar"} <= seen["tradingview"]
        assert command.stop(signal.SIGINT) == 0


def test_the_printed_tail_command_runs_as_it_stands():
    with running("demo", "--port", "0") as command:
        command.wait_for("Ctrl-C")
        (line,) = [line for line in command.lines if " tail http" in line]
        done = subprocess.run(
            [*shlex.split(line), "--count", "3"], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) >= 3


def test_an_interrupt_ends_it_with_open_streams_that_are_told_goodbye():
    with running("demo", "--port", "0") as command:
        url = command.wait_for(r"bridge +(http://\S+)")[1]
        command.wait_for("Ctrl-C")
        stream = f"{url}/v1/stream?subscribe=trade:BTC-USD"
        with subprocess.Popen(["curl", "-sN", stream], stdout=subprocess.PIPE, text=True) as curl:
            assert curl.stdout.readline()
            assert command.stop(signal.SIGINT) == 0
            told, _ = curl.communicate(timeout=30)
        assert curl.returncode == 0, "the stream ended as it should, not in the middle of something"
    assert "event: goaway" in told
    assert not any("Traceback" in line for line in command.lines)
