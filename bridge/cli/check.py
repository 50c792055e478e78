"""`feedbridge check`: validates a configuration and prints what is in force, secrets masked."""

import argparse
import sys
from typing import Any

from bridge.app import examine
from bridge.config import effective, load_config


def add(subparsers: Any) -> None:  # noqa: ANN401 - argparse names no public type for it
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "check",
        help="validate a configuration and print what is in force",
        description="Validates a configuration file. Exit 0 and every key in force, or exit 2 and every mistake by its key.",
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="the TOML file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the effective configuration; remarks that are no mistakes go to stderr."""
    config = load_config(arguments.config)
    notes = examine(config)
    sys.stdout.write(effective(config))
    for remark in notes:
        print(f"feedbridge: note: {remark}", file=sys.stderr)
    return 0
