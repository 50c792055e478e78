"""`feedbridge serve`: the bridge, until SIGTERM or SIGINT; then it drains and exits 0 (130 on the second SIGINT)."""

import argparse
import sys
from typing import Any

import trio

from bridge.app import Running, examine, run_bridge
from bridge.cli.garbage import collect_rarely
from bridge.cli.signals import run_until_signal
from bridge.config import Config, load_config
from bridge.observe.log import configure_logging


def add(subparsers: Any) -> None:  # noqa: ANN401 - argparse names no public type for it
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "serve",
        help="run the bridge",
        description="Runs the bridge. SIGTERM or SIGINT drains its streams within limits.drain_seconds, then it exits 0.",
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="the TOML file")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: info"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal."""
    config = load_config(arguments.config)
    examine(config)
    configure_logging(arguments.log_level)
    collect_rarely()
    return trio.run(_serve, config)


async def _serve(config: Config) -> int:
    def announce(running: Running) -> None:
        for url in running.urls:
            print(f"feedbridge serves {url}", file=sys.stderr, flush=True)

    return await run_until_signal([lambda task_status: run_bridge(config, task_status=task_status)], announce)
