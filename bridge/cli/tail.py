"""`feedbridge tail`: follows topics of a bridge over server-sent events, for people and for scripts.

It behaves as a client should: it reads the comments as signs of life, comes back with `Last-Event-ID` after a capped,
jittered wait, obeys `retry:`, `Retry-After` and `goaway`, and gives up only on what a retry cannot mend. A first connection
that fails is a mistake to be told, not to be retried.
"""

import argparse
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import msgspec
import trio
from rich.console import Console

from bridge.cli.tail_answers import ComeBack, Refused, goodbye, refusal
from bridge.cli.tail_views import Lines, LiveTable, View, read_event, sentence
from bridge.errors import BridgeError, ConfigError, TransportLost
from bridge.model import Topic
from bridge.wire.sse import SseMessage, SseParser

PATH = "/v1/stream"
CONNECT_SECONDS = 10
SILENCE_SECONDS = 45
"""Three of the bridge's heartbeats: after that a connection is dead, whatever TCP believes."""

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
REDRAW_SECONDS = 0.1
INTERRUPTED = 130

_ABOUT_THE_STREAM = frozenset({"stream", "gap", "problem", "expiring", "goaway"})


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """What to follow.

    Attributes:
        url: the bridge's base URL, or its stream's.
        topics: as spelled in the contract.
        token: a bearer token, or None.
        count: end after so many events of these topics; None = never.
    """

    url: str
    topics: tuple[str, ...]
    token: str | None = None
    count: int | None = None

    def __repr__(self) -> str:
        return f"<Following {self.url} {len(self.topics)} topics>"

    __str__ = __repr__

    @property
    def stream_url(self) -> str:
        """The URL of the stream with its topics."""
        base = self.url.rstrip("/").removesuffix(PATH)
        return f"{base}{PATH}?subscribe={quote(','.join(self.topics), safe=',:/@!$^')}"


def add(subparsers: Any) -> None:  # noqa: ANN401 - argparse names no public type for it
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "tail",
        help="follow topics of a running bridge",
        description="Follows topics: a live table on a terminal, JSON lines when piped. Reconnects and resumes by itself.",
    )
    parser.add_argument("url", metavar="URL", help="the bridge, such as http://127.0.0.1:8080")
    parser.add_argument(
        "topics", metavar="TOPIC", nargs="+", help="such as quote:AAPL trade:BTC-USD bar.5m:AAPL all:BTC-USD"
    )
    parser.add_argument("--token", help="a bearer token; better in the environment as FEEDBRIDGE_TOKEN")
    parser.add_argument("--count", type=int, metavar="N", help="end after N events of these topics")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Follow until interrupted, or until `--count` is reached."""
    following = _following(arguments)
    view = LiveTable(Console()) if sys.stdout.isatty() else Lines(sys.stdout.buffer)
    try:
        with view if isinstance(view, LiveTable) else nullcontext():
            return trio.run(tail, following, view)
    except BrokenPipeError:  # the reader of our pipe has enough, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _following(arguments: argparse.Namespace) -> Following:
    """Check what was typed.

    Raises:
        ConfigError: with every mistake.
    """
    problems = []
    if not _is_url(arguments.url):
        problems.append(f"{arguments.url!r} is no URL of a bridge; it looks like http://127.0.0.1:8080")
    topics = [text for argument in arguments.topics for text in argument.split(",") if text]
    for text in topics:
        try:
            Topic.parse(text)
        except ValueError as error:
            problems.append(str(error))
    if arguments.count is not None and arguments.count < 1:
        problems.append("--count: at least 1")
    token = (arguments.token or os.environ.get("FEEDBRIDGE_TOKEN") or "").strip() or None
    if token is not None and not (token.isascii() and token.isprintable()):
        problems.append("the token holds characters that no token has")
    if problems:
        raise ConfigError(*problems)
    return Following(url=arguments.url, topics=tuple(topics), token=token, count=arguments.count)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


async def tail(following: Following, view: View) -> int:
    """Follow until the count is reached, the bridge refuses or SIGINT comes; return the exit code.

    Raises:
        BridgeError: the bridge cannot be reached at first, or refused for good.
    """
    outcome: int | BridgeError | OSError = INTERRUPTED
    async with trio.open_nursery() as nursery:

        async def interrupted() -> None:
            with trio.open_signal_receiver(signal.SIGINT) as signals:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

        async def redraw() -> None:
            while True:
                await trio.sleep(REDRAW_SECONDS)
                view.redraw()

        nursery.start_soon(interrupted)
        nursery.start_soon(redraw)
        try:
            await Follower(following, view).run()
            outcome = 0
        except (BridgeError, OSError) as error:  # carried out of the nursery, which would wrap it in a group
            outcome = error
        nursery.cancel_scope.cancel()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class Follower:
    """The connections, one after the other, and the place reached.

    Args:
        following: what to follow.
        view: where it is shown.
    """

    def __init__(self, following: Following, view: View) -> None:
        self._following = following
        self._view = view
        self._last_event_id: str | None = None
        self._left = following.count
        self._first_wait = FIRST_WAIT_SECONDS
        self._failures = 0
        self._connected = False
        follows_status = "status" in following.topics
        self._uncounted = _ABOUT_THE_STREAM if follows_status else _ABOUT_THE_STREAM | {"feed_status"}

    async def run(self) -> None:
        """Follow until the count is reached.

        Raises:
            BridgeError: there is no point in going on.
        """
        loopback = urlsplit(self._following.url).hostname in ("127.0.0.1", "::1", "localhost")
        timeout = httpx2.Timeout(CONNECT_SECONDS, read=SILENCE_SECONDS)
        async with httpx2.AsyncClient(timeout=timeout, trust_env=not loopback) as client:
            while self._left != 0:
                try:
                    await self._connection(client)
                except TransportLost as error:
                    if not self._connected:
                        raise
                    await self._wait(ComeBack(str(error)))
                except ComeBack as error:
                    await self._wait(error)

    async def _wait(self, back: ComeBack) -> None:
        ceiling = min(LONGEST_WAIT_SECONDS, self._first_wait * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        seconds = random.random() * ceiling if back.seconds is None else back.seconds  # noqa: S311 - jitter
        self._view.notice(f"{back.why}; coming back in {seconds:.1f} s")
        self._view.flush()
        await trio.sleep(seconds)

    async def _connection(self, client: httpx2.AsyncClient) -> None:
        headers = {"accept": "text/event-stream", "accept-encoding": "identity"}
        if self._following.token:
            headers["authorization"] = f"Bearer {self._following.token}"
        if self._last_event_id:
            headers["last-event-id"] = self._last_event_id
        try:
            async with client.stream("GET", self._following.stream_url, headers=headers) as response:
                if response.status_code != 200:
                    raise refusal(response.status_code, await response.aread(), response.headers.get("retry-after"))
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise Refused(f"{self._following.url} answered, but not with an event stream; is it a bridge?")
                self._connected = True
                await self._read(response.aiter_raw())
        except httpx2.ReadTimeout as error:
            raise TransportLost(f"silent for {SILENCE_SECONDS} s") from error
        except httpx2.TransportError as error:
            why = str(error) or str(error.__cause__) or type(error).__name__
            hint = "" if self._connected else "; is the bridge running there?"
            raise TransportLost(f"cannot reach {self._following.url}: {why}{hint}") from error

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        parser = SseParser()
        async for chunk in chunks:
            for said in parser.feed(chunk):
                if isinstance(said, SseMessage) and not self._take(said):
                    return
            if parser.last_event_id:
                self._last_event_id = parser.last_event_id
            if parser.retry_ms is not None:
                self._first_wait = parser.retry_ms / 1_000
            self._view.flush()
        raise ComeBack("the stream ended")

    def _take(self, said: SseMessage) -> bool:
        """Show a message; return whether to go on."""
        self._failures = 0
        event = read_event(said.data)
        if event is None:
            self._view.notice(f"not an event: {said.data[:100].decode(errors='replace')}")
            return True
        self._view.show(event, said.data)
        notice = sentence(event)
        if notice:
            self._view.notice(notice)
        if event.get("type") == "goaway":
            if said.id:
                self._last_event_id = said.id
            raise goodbye(event)
        if self._left is not None and event.get("type") not in self._uncounted:
            self._left -= 1
            if self._left == 0:
                self._view.flush()
                return False
        return True
