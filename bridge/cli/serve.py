"""`feedbridge serve`: the bridge, until SIGTERM or SIGINT; then it drains and exits 0 (130 on the second SIGINT).

SIGHUP has it read its configuration again: all that changed is taken over, or nothing, with every reason in the log.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import structlog
import trio

from bridge.app import Prepared, Reloader, Running, examine, plain_upstream, prepare, run_bridge
from bridge.cli.garbage import collect_rarely
from bridge.cli.signals import run_until_signal
from bridge.config import Config, load_config
from bridge.errors import ConfigError
from bridge.observe.log import configure_logging

log = structlog.get_logger(__name__)


def add(subparsers: Any) -> None:  # noqa: ANN401 - argparse names no public type for it
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "serve",
        help="run the bridge",
        description="Runs the bridge. SIGTERM or SIGINT drains its streams within limits.drain_seconds, then it exits 0. "
        "SIGHUP has it read its configuration again.",
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
        for why in plain_upstream(config):
            log.warning("asking_without_tls", why=why)

    return await run_until_signal([lambda task_status: run_bridge(config, task_status=task_status)], announce, reload)


async def reload(running: Running) -> None:
    """Read the configuration again and take it over, or say why not; one line in the log either way."""
    reloader = running.reloader
    assert reloader is not None  # noqa: S101 - only simulators have none
    try:
        prepared = await trio.to_thread.run_sync(prepare, reloader.config.path)
    except ConfigError as error:
        _refuse(error.problems)
    except Exception as error:  # noqa: BLE001 - whatever a file did to us, the streams that are open shall not pay for it
        _refuse([f"{type(error).__name__}; see what `feedbridge check` says"])  # its words might be a secret's
    else:
        _adopt(reloader, prepared)


def _adopt(reloader: Reloader, prepared: Prepared) -> None:
    try:
        changed = reloader.adopt(prepared)
    except ConfigError as error:
        _refuse(error.problems)
    else:
        log.info("reloaded", changed=changed)


def _refuse(reasons: Sequence[str]) -> None:
    log.error("reload_refused", reasons=reasons, hint="nothing has changed")
