"""`feedbridge token`: mints a token with the configured secret."""

import argparse
from typing import Any

from bridge.app import TokenGrant, mint
from bridge.cli.options import accounts, globs, positive, word
from bridge.config import load_config
from bridge.errors import ConfigError


def add(subparsers: Any) -> None:  # noqa: ANN401 - argparse names no public type for it
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "token",
        help="mint a token",
        description="Mints a token for a client with auth.secret and prints it on a line of its own.",
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="the TOML file")
    parser.add_argument("--sub", required=True, type=word, metavar="USER", help="whose token; limits are counted by it")
    parser.add_argument("--ttl", type=positive, default=3600, metavar="SECONDS", help="how long it lasts (3600)")
    parser.add_argument(
        "--topics", type=globs, metavar="GLOBS", help="such as 'quote:*,book:BTC-*'; else auth.default_topics"
    )
    parser.add_argument(
        "--accounts",
        type=accounts,
        default=(),
        metavar="NAMES",
        help="comma separated accounts such as liquidity/acme-1, for order events",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the token."""
    config = load_config(arguments.config)
    if not 1 <= arguments.ttl <= config.auth.max_ttl_seconds:
        raise ConfigError(f"--ttl: from 1 to auth.max_ttl_seconds = {config.auth.max_ttl_seconds:g}")
    grant = TokenGrant(
        sub=arguments.sub,
        ttl_seconds=arguments.ttl,
        topics=arguments.topics,
        accounts=arguments.accounts,
    )
    print(mint(config.auth, grant))
    return 0
