"""The door: help, version, wrong usage, and `python -m bridge`."""

import subprocess
import sys

import pytest

import bridge
from bridge.cli import COMMANDS, main, parser

NAMES = [command.__name__.rpartition(".")[2] for command in COMMANDS]


def told(capsys, *arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return left.value.code, capsys.readouterr()


def test_the_commands_are_those_of_the_contract():
    assert sorted(NAMES) == ["bench", "check", "demo", "serve", "simulate", "tail", "token"]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_a_help_that_says_what_each_option_is(name, capsys):
    code, said = told(capsys, name, "--help")
    assert code == 0
    assert said.out.startswith(f"usage: feedbridge {name} ")
    command = parser()._subparsers._group_actions[0].choices[name]
    assert command.description
    for action in command._actions:
        assert action.help, f"{name} {action.dest} has no help"


def test_help_names_every_command(capsys):
    code, said = told(capsys, "--help")
    assert code == 0
    assert all(f"    {name} " in said.out for name in NAMES)


def test_version(capsys):
    code, said = told(capsys, "--version")
    assert (code, said.out) == (0, f"feedbridge {bridge.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "feedbridge: the following arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["serve"], "the following arguments are required: --config"),
        (["check"], "the following arguments are required: --config"),
        (["token", "--config", "x"], "the following arguments are required: --sub"),
        (["tail", "http://x"], "the following arguments are required: TOPIC"),
        (["simulate"], "the following arguments are required: DIALECT"),
        (["demo", "--colour"], "unrecognized arguments: --colour"),
        (["demo", "--port", "99999"], "'99999' is no port"),
        (["demo", "--port", "-1"], "--port"),
        (["demo", "--port", "http"], "'http' is no port"),
        (["demo", "--liquidity", "pigeon"], "invalid choice: 'pigeon'"),
        (["demo", "--tradingview", "polling"], "invalid choice: 'polling'"),
        (["simulate", "liquidity", "--speed", "0"], "'0' is not a number above 0"),
        (["simulate", "liquidity", "--speed", "-2"], "--speed"),
        (["simulate", "liquidity", "--speed", "nan"], "'nan' is not a number above 0"),
        (["simulate", "liquidity", "--speed", "inf"], "'inf' is not a number above 0"),
        (["simulate", "liquidity", "--seed", "x"], "invalid int value: 'x'"),
        (["simulate", "liquidity", "--api-key", ""], "--api-key: it must not be empty"),
        (["simulate", "liquidity", "--token-ttl", "0"], "'0' is not a number above 0"),
        (["token", "--config", "x", "--sub", " "], "--sub: it must not be empty"),
        (["token", "--config", "x", "--sub", "a", "--ttl", "soon"], "'soon' is not a number above 0"),
        (["token", "--config", "x", "--sub", "a", "--topics", "quotes:*"], "'quotes:*' matches no topic"),
        (["token", "--config", "x", "--sub", "a", "--topics", "quote:*,book"], "'book' matches no topic"),
        (["token", "--config", "x", "--sub", "a", "--accounts", "acme-1"], "'acme-1' is no account"),
    ],
)
def test_wrong_usage_is_one_sentence_with_the_way_out_and_exit_code_2(arguments, sentence, capsys):
    code, said = told(capsys, *arguments)
    assert code == 2
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert sentence in line
    assert line.endswith(" --help")


def test_python_m_bridge_is_feedbridge():
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "--version"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"feedbridge {bridge.__version__}\n")
