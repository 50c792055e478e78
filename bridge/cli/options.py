"""What options may hold, and how a wrong one is told: one sentence with the way out, exit code 2."""

import argparse
import math
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from bridge.model import AccountId, TopicKind
from bridge.model.account import is_private

USAGE = 2
LAST_PORT = 65_535


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one sentence: the usage of every option is what `--help` is for."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave."""
        self.exit(USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def port(text: str) -> int:
    """Read a port; 0 = any free one."""
    if not (text.isascii() and text.isdigit() and int(text) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; one is a number from 0 (any free one) to {LAST_PORT}")
    return int(text)


def positive(text: str) -> float:
    """Read a number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def word(text: str) -> str:
    """Read what must not be empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it must not be empty")
    return text


def globs(text: str) -> tuple[str, ...]:
    """Read a comma separated list of globs over topics, such as `quote:*,book:BTC-*`."""
    found = names(text)
    kinds = [kind.value for kind in (TopicKind.QUOTE, TopicKind.TRADE, TopicKind.BOOK, TopicKind.BAR)]
    for glob in found:
        kind, colon, _ = glob.partition(":")
        wild = any(char in kind for char in "*?[")
        if not wild and not (colon and kind in kinds):
            raise argparse.ArgumentTypeError(
                f"{glob!r} matches no topic; a glob begins with {', '.join(kinds)} or a *, such as quote:* "
                "(book.20 counts as book, bar.5m as bar; orders follow the accounts)"
            )
    return found


def accounts(text: str) -> tuple[AccountId, ...]:
    """Read a comma separated list of accounts, such as `liquidity/acme-1`."""
    found = names(text)
    for name in found:
        feed, _, account = name.partition("/")
        if not (feed and account):
            raise argparse.ArgumentTypeError(f"{name!r} is no account; one is <feed>/<name>, such as liquidity/acme-1")
        if is_private(name):
            raise argparse.ArgumentTypeError(
                f"{name!r} is the account of a vendor's user, which no token of ours grants"
            )
    return tuple(AccountId(name) for name in found)


def names(text: str) -> tuple[str, ...]:
    """Read a comma separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def our_command() -> str:
    """Return how this user can run `feedbridge` from here: by name, else by the path within the environment."""
    if shutil.which("feedbridge"):
        return "feedbridge"
    beside = Path(sys.executable).with_name("feedbridge")
    if not beside.exists():
        return f"{sys.executable} -m bridge"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)
