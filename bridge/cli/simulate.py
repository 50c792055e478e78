"""`feedbridge simulate`: one vendor's simulator, alone: its protocol, limits, tokens, heartbeats and errors, from a tape."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from bridge.app import SIMULATED_ACCOUNT, Running, Simulation, TokenGrant, made_up_secret, mint, run_simulator
from bridge.cli.garbage import collect_rarely
from bridge.cli.options import port, positive, word
from bridge.cli.signals import run_until_signal
from bridge.config import load_config
from bridge.dialects.contract import SymbolTable, Transport
from bridge.dialects.loader import dialect_names, load_dialect
from bridge.downstream.settings import ApiKey, AuthSettings
from bridge.errors import ConfigError
from bridge.model import InstrumentId
from bridge.observe.log import configure_logging
from bridge.tape import Tape, generate, read_tape
from bridge.tape.generator import TERMS

DEMO_CONFIG = Path(__file__).with_name("demo.toml")
"""The demo's configuration; its `[instruments]` are the symbols that simulators use."""

USER = "demo"


def add(subparsers: Any) -> None:  # noqa: ANN401 - argparse names no public type for it
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "simulate",
        help="run one vendor's simulator, alone",
        description="Serves a vendor's own protocol from a tape, with that vendor's limits, tokens, heartbeats and errors.",
    )
    parser.add_argument("dialect", metavar="DIALECT", help=" or ".join(simulated_dialects()))
    parser.add_argument("--port", type=port, default=0, metavar="P", help="default: any free one")
    parser.add_argument(
        "--tape", metavar="F", help="a tape file or a folder of recordings; default: $BRIDGE_DATA, else made up"
    )
    parser.add_argument("--speed", type=positive, default=1.0, metavar="X", help="2 = twice as fast as recorded (1)")
    parser.add_argument("--once", action="store_true", help="play it once, beginning with the first client")
    parser.add_argument(
        "--seed", type=int, default=20260319, metavar="N", help="of a made-up tape: the same seed, the same data"
    )
    parser.add_argument(
        "--api-key", type=word, default=USER, metavar="KEY", help="what a token endpoint accepts (demo)"
    )
    parser.add_argument(
        "--token-ttl", type=positive, default=3600, metavar="SECONDS", help="of the printed token (3600)"
    )
    parser.add_argument("--anonymous", action="store_true", help="let clients in without a token as well")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="warning", help="default: warning"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the simulator until a signal."""
    if arguments.dialect not in simulated_dialects():
        raise ConfigError(
            f"there is no vendor {arguments.dialect!r} to simulate; there are {', '.join(simulated_dialects())}"
        )
    auth = simulator_auth(arguments.api_key, anonymous=arguments.anonymous)
    simulation = Simulation(
        dialect=arguments.dialect,
        tape=open_tape(arguments.dialect, arguments.tape, arguments.seed),
        auth=auth,
        bind=(f"127.0.0.1:{arguments.port}",),
        instruments=symbols_of(arguments.dialect),
        speed=arguments.speed,
        once=arguments.once,
    )
    if arguments.token_ttl > auth.max_ttl_seconds:
        raise ConfigError(f"--token-ttl: at most {auth.max_ttl_seconds:g}")
    token = mint(auth, simulator_grant(arguments.token_ttl))
    configure_logging(arguments.log_level)
    collect_rarely()
    return trio.run(_simulate, simulation, token)


async def _simulate(simulation: Simulation, token: str) -> int:
    def announce(running: Running) -> None:
        for url in running.urls:
            print(f"feedbridge simulates {simulation.dialect} at {url}", file=sys.stderr, flush=True)
        print(f"token {token}", flush=True)

    with told_as_port():
        return await run_until_signal([partial(run_simulator, simulation)], announce)


@contextmanager
def told_as_port(another: str = "choose another") -> Iterator[None]:
    """Name a port that cannot be had by the option that chose it: a simulator and a demo have no file with `listen.bind`.

    Args:
        another: how to choose another one.
    """
    try:
        yield
    except ConfigError as error:
        told = (
            text.replace("listen.bind:", "--port:", 1).replace("choose another", another) for text in error.problems
        )
        raise ConfigError(*told) from error


def simulator_auth(api_key: str, *, anonymous: bool = False, ttl_seconds: float = 1800) -> AuthSettings:
    """Return who gets into a simulator: tokens of a secret made up now, minted for one API key."""
    return AuthSettings(
        secret=made_up_secret(),
        default_topics=("*",),
        anonymous_topics=("*",) if anonymous else (),
        api_keys=(ApiKey(key=api_key, sub=USER, ttl_seconds=ttl_seconds, accounts=(SIMULATED_ACCOUNT,)),),
    )


def simulator_grant(ttl_seconds: float) -> TokenGrant:
    """Return what a simulator's user is granted: everything, and the made-up account's orders."""
    return TokenGrant(sub=USER, ttl_seconds=ttl_seconds, topics=("*",), accounts=(SIMULATED_ACCOUNT,))


def symbols_of(dialect: str) -> dict[InstrumentId, str | dict[str, str]]:
    """Return the symbols that a simulator of `dialect` uses for listed instruments."""
    return load_config(DEMO_CONFIG).aliases(dialect)


def open_tape(dialect: str, path: str | None, seed: int) -> Tape:
    """Open the tape at `path`, else the recordings in `$BRIDGE_DATA`, else make one up.

    Raises:
        ConfigError: there is no such dialect, or the tape cannot be read.
    """
    table = SymbolTable(load_dialect(dialect).spelling, symbols_of(dialect))

    def accepts(instrument: InstrumentId) -> bool:
        return any(table.vendor_symbol(instrument, transport) for transport in Transport)

    path = path or os.environ.get("BRIDGE_DATA")
    if path:
        tape = read_tape(path, accepts)
        if not any(topic.instrument and accepts(topic.instrument) for topic in tape.topics):
            raise ConfigError(f"the tape {path} holds nothing that {dialect} can spell")
        return tape
    return generate([terms.instrument for terms in TERMS if accepts(terms.instrument)], seed)


def simulated_dialects() -> tuple[str, ...]:
    """The dialects that can be simulated: all but our own."""
    return tuple(name for name in dialect_names() if name != "canonical")
