"""The door: one file a command. Each has `add(subparsers)` and `run(arguments) -> exit code`.

Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration, 130 interrupted. A user's mistake is one sentence a line on
stderr, never a traceback.
"""

import sys
from collections.abc import Sequence

from bridge import __version__
from bridge.cli import bench, check, demo, serve, simulate, tail, token
from bridge.cli.options import Parser
from bridge.errors import BridgeError, ConfigError

COMMANDS = (demo, serve, check, token, tail, simulate, bench)


def parser() -> Parser:
    """Return the parser of the whole command line."""
    top = Parser(
        prog="feedbridge",
        description="A market-data bridge: Liquidity.io and the TradingView API in, one event model out.",
    )
    top.add_argument("--version", action="version", version=f"feedbridge {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(subparsers)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    parsed = parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except ConfigError as error:
        for problem in error.problems:
            print(f"feedbridge: {problem}", file=sys.stderr)
        return 2
    except BridgeError as error:
        print(f"feedbridge: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code
