"""`feedbridge demo`: both vendors' simulators on free ports, a bridge in front of them, and what to try."""

import argparse
import sys
from functools import partial
from typing import Any

import msgspec
import trio

from bridge.app import Running, Simulation, mint, run_bridge, run_simulator
from bridge.cli.garbage import collect_rarely
from bridge.cli.options import our_command, port
from bridge.cli.signals import run_until_signal
from bridge.cli.simulate import DEMO_CONFIG, USER, open_tape, simulator_auth, simulator_grant, symbols_of, told_as_port
from bridge.config import Config, load_config
from bridge.dialects.contract import Transport
from bridge.downstream.settings import AuthSettings
from bridge.model import FeedName
from bridge.observe.log import configure_logging
from bridge.upstream.settings import TokenSource

TRY = "all:BTC-USD,quote:NASDAQ:AAPL,bar.5m:NASDAQ:AAPL"
"""The topics of the line to try."""

COLUMN = 24
"""Where the URLs begin, so that they stand below one another."""

TOKEN_SECONDS = 86_400
"""A demo lasts no longer than a day."""


def add(subparsers: Any) -> None:  # noqa: ANN401 - argparse names no public type for it
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "demo",
        help="both vendors' simulators and a bridge in front of them",
        description="Runs both vendors' simulators and a bridge in front of them, and prints what to try.",
    )
    parser.add_argument("--port", type=port, default=8080, metavar="P", help="the bridge's port (8080)")
    parser.add_argument("--tape", metavar="F", help="as in simulate; default: $BRIDGE_DATA, else made up")
    parser.add_argument(
        "--liquidity", choices=[transport.value for transport in Transport], help="the Liquidity feed's transport (sse)"
    )
    parser.add_argument(
        "--tradingview", choices=("sse", "websocket"), help="the TradingView feed's transport (websocket)"
    )
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="warning", help="default: warning"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo until a signal."""
    configure_logging(arguments.log_level)
    collect_rarely()
    return trio.run(_demo, arguments)


async def _demo(arguments: argparse.Namespace) -> int:
    config = _with_choices(load_config(DEMO_CONFIG), arguments)
    auth = simulator_auth(USER)
    addresses: dict[str, str] = {}

    def announce(running: Running) -> None:
        dialect = running.house.served[0].dialect.name
        addresses[dialect] = running.urls[0]
        if running.house.served[0].prefixes and dialect != "canonical":
            print(f"  {f'{dialect} simulator':<{COLUMN}}{running.urls[0]}", file=sys.stderr, flush=True)
        else:
            print(_welcome(running.urls[0]), file=sys.stderr, flush=True)

    async def bridge(task_status: trio.TaskStatus[Running]) -> None:
        await run_bridge(_toward(config, addresses, auth), task_status=task_status)

    print("feedbridge demo", file=sys.stderr, flush=True)
    simulators = [
        partial(run_simulator, _simulation(feed.dialect, arguments.tape, auth)) for feed in config.feeds.values()
    ]
    with told_as_port("choose another: make demo PORT=8090, or --port 8090"):
        return await run_until_signal([*simulators, bridge], announce)


def _with_choices(config: Config, arguments: argparse.Namespace) -> Config:
    chosen = {"liquidity": arguments.liquidity, "tradingview": arguments.tradingview}
    feeds = {
        name: msgspec.structs.replace(feed, transports=(Transport(chosen[name]),)) if chosen.get(name) else feed
        for name, feed in config.feeds.items()
    }
    listen = msgspec.structs.replace(config.listen, bind=(f"127.0.0.1:{arguments.port}",))
    return msgspec.structs.replace(config, feeds=feeds, listen=listen)


def _simulation(dialect: str, tape: str | None, auth: AuthSettings) -> Simulation:
    return Simulation(
        dialect=dialect, tape=open_tape(dialect, tape, seed=20260319), auth=auth, instruments=symbols_of(dialect)
    )


def _toward(config: Config, addresses: dict[str, str], auth: AuthSettings) -> Config:
    """Point each feed at its simulator, with a token or the key that it accepts."""
    feeds = {}
    for name, feed in config.feeds.items():
        url = addresses[feed.dialect]
        token = TokenSource(value=mint(auth, simulator_grant(TOKEN_SECONDS))) if feed.token else None
        token_url = f"{url}/api/token/generate" if feed.api_key else None
        feeds[FeedName(name)] = msgspec.structs.replace(feed, url=url, token=token, token_url=token_url)
    return msgspec.structs.replace(config, feeds=feeds)


def _welcome(url: str) -> str:
    return f"""  {"bridge":<{COLUMN}}{url}

Try, in another terminal:
  curl -N '{url}/v1/stream?subscribe={TRY}'
  curl -N --http2-prior-knowledge '{url}/v1/stream?subscribe=book.5:BTC-USD'
  curl '{url}/v1/poll?subscribe={TRY}'
  curl '{url}/v1/instruments/BTC-USD/book'
  {our_command()} tail {url} quote:NASDAQ:AAPL book.5:BTC-USD
As existing clients of either vendor do:
  curl -N '{url}/api/realtime?subscribe=all:BTC'
  curl -N '{url}/sse/stream?symbols=NASDAQ:AAPL'
Ctrl-C ends it."""
