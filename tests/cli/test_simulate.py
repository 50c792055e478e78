"""`feedbridge simulate` as a process: what it refuses, and that its token and its tape are as it says."""

import re
import signal
import socket
import subprocess

import pytest

from bridge.cli import main
from tests.support.commands import get, running


@pytest.mark.parametrize("name", ["nope", "canonical", "Liquidity"])
def test_what_is_no_vendor_is_refused_with_those_there_are(name, capsys):
    assert main(["simulate", name]) == 2
    said = capsys.readouterr().err
    assert said == f"feedbridge: there is no vendor {name!r} to simulate; there are liquidity, tradingview\n"


ROW = '{"ts":1,"kind":"trade","instrument":"BTC-USD","price":"1.50","size":"2"}\n'


@pytest.mark.parametrize(
    ("tape", "sentence"),
    [
        (None, "cannot read the tape {path}: No such file"),
        ("", "the tape {path} holds nothing that liquidity can spell"),
        (ROW.replace("BTC-USD", "NASDAQ:AAPL"), "the tape {path} holds nothing that liquidity can spell"),
        (ROW + "nonsense\n", "{path}:2: not a row of a tape: "),
        (ROW * 2 + ROW.replace('"price":"1.50",', ""), "{path}:3: not a row of a tape: "),
        (ROW.replace("trade", "rumour"), "{path}:1: no row kind 'rumour'; there are "),
        (ROW.replace('"BTC-USD"', '""'), "{path}:1: the row names no instrument"),
    ],
)
def test_a_bad_tape_is_named_with_file_and_line(tape, sentence, tmp_path, capsys):
    path = tmp_path / "a.tape"
    if tape is not None:
        path.write_text(tape)
    assert main(["simulate", "liquidity", "--tape", str(path)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("feedbridge: " + sentence.format(path=path))


def test_a_folder_without_recordings_says_what_it_should_hold(tmp_path, capsys):
    assert main(["simulate", "liquidity", "--tape", str(tmp_path)]) == 2
    assert "l2/ trades/ quotes/ bars/" in capsys.readouterr().err


def test_a_token_longer_than_the_simulator_accepts_is_refused(capsys):
    assert main(["simulate", "liquidity", "--token-ttl", "86401"]) == 2
    assert capsys.readouterr().err == "feedbridge: --token-ttl: at most 86400\n"


def test_a_port_in_use_is_one_sentence_that_names_the_option():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running("simulate", "liquidity", "--port", port) as command:
            command.wait_for(
                rf"^feedbridge: --port: cannot listen on 127\.0\.0\.1:{port}: the port is in use; .* choose another$"
            )
            assert command.process.wait(30) == 2
            assert len(command.lines) == 1


def stream(url, token, seconds="2"):
    done = subprocess.run(
        ["curl", "-sN", "--max-time", seconds, "-H", f"Authorization: Bearer {token}", url],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_printed_token_gets_in_and_no_other_and_a_signal_ends_it_well(number):
    with running("simulate", "liquidity") as command:
        url = command.wait_for(r"^feedbridge simulates liquidity at (http://127\.0\.0\.1:\d+)$")[1]
        token = command.wait_for(r"^token (\S+)$")[1]
        assert "event: quote" in stream(f"{url}/api/realtime?subscribe=quote:BTC", token, "1")
        assert get(f"{url}/api/realtime?subscribe=quote:BTC")[0] == 401
        forged = f"{token[:-4]}AAAA"
        assert get(f"{url}/api/realtime?subscribe=quote:BTC", Authorization=f"Bearer {forged}")[0] == 401
        assert command.stop(number) == 0


def test_anonymous_lets_clients_in_without_a_token():
    with running("simulate", "liquidity", "--anonymous") as command:
        url = command.wait_for(r"simulates liquidity at (\S+)")[1]
        assert get(f"{url}/v1/assets/BTC/quote")[0] == 200


def test_the_api_key_is_the_one_chosen():
    with running("simulate", "tradingview", "--api-key", "mine") as command:
        url = command.wait_for(r"simulates tradingview at (\S+)")[1]

        def mint(key):
            asked = ["curl", "-s", "-d", "{}", "-H", f"X-RapidAPI-Key: {key}", f"{url}/api/token/generate"]
            return subprocess.run(asked, capture_output=True, text=True, check=True).stdout

        assert '"token":"ey' in mint("mine")
        assert "the API key is not valid here" in mint("demo")


def test_once_plays_the_tape_from_its_beginning_for_the_first_client_and_then_falls_silent(tmp_path):
    tape = tmp_path / "ten.tape"
    rows = [ROW.replace('"ts":1', f'"ts":{n * 1_000_000}').replace("1.50", f"{n}.50") for n in range(1, 11)]
    tape.write_text("".join(rows))
    with running("simulate", "liquidity", "--tape", str(tape), "--once") as command:
        url = command.wait_for(r"simulates liquidity at (\S+)")[1]
        token = command.wait_for(r"^token (\S+)$")[1]
        told = stream(f"{url}/api/realtime?subscribe=trade:BTC", token)
        assert re.findall(r'"price":([\d.]+)', told) == [f"{n}.50" for n in range(1, 11)]
        assert '"price"' not in stream(f"{url}/api/realtime?subscribe=trade:BTC", token, "1")
