"""Clients that we did not write, as processes and libraries: curl for HTTP/1.1 and HTTP/2, `websockets` for WebSocket.

They know nothing of our code; what they were answered is handed to the test as plain status, headers and JSON.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import jwt
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.published import assert_published

PATIENCE_SECONDS = 15
"""A bound, not an expectation."""

HTTP1 = "--http1.1"
HTTP2 = "--http2-prior-knowledge"


class Answer(NamedTuple):
    """A whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def curl(url: str, *options: str) -> Answer:
    """Ask with curl and return the answer once it has ended."""
    done = subprocess.run(
        ["curl", "-sS", "-i", "-g", "--max-time", str(PATIENCE_SECONDS), *options, url],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    answer = Answer(int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)
    if not {"-X", "-I", "-d", "--data", "--head", "--request"} & set(options):
        assert_published(url, "GET", *answer)  # whatever a test asks for, it is also told as it is published
    return answer


class CurlStream:
    """An event stream that curl holds open."""

    def __init__(self, url: str, *options: str) -> None:
        self.process = subprocess.Popen(
            ["curl", "-sSN", "-i", "-g", "--max-time", "60", *options, url],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.status = int(self.process.stdout.readline().split(" ")[1])
        self.headers: dict[str, str] = {}
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def events(self) -> Iterator[Any]:
        """Read events until the stream ends."""
        for line in self.process.stdout:
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))

    def until(self, kind: str, key: str = "type") -> Any:
        """Read until an event of this kind; all others are skipped."""
        return next(event for event in self.events() if event.get(key) == kind)

    def close(self) -> None:
        """Have curl end; its machine says FIN."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def stream(url: str, *options: str) -> Iterator[CurlStream]:
    """Hold an event stream open until the block ends."""
    opened = CurlStream(url, *options)
    try:
        yield opened
    finally:
        opened.close()


def websocket(url: str, **options: Any) -> ClientConnection:
    """Open a WebSocket; `websockets` raises `InvalidStatus` when the handshake is refused."""
    return connect(url.replace("http", "ws", 1), open_timeout=PATIENCE_SECONDS, max_queue=None, proxy=None, **options)


def handshake(url: str, **options: Any) -> Answer:
    """Return the answer to a WebSocket handshake that is refused."""
    try:
        websocket(url, **options).close()
    except InvalidStatus as refused:
        answer = refused.response
        headers = {name.lower(): value for name, value in answer.headers.raw_items()}
        return Answer(answer.status_code, headers, bytes(answer.body or b""))
    raise AssertionError("the handshake was accepted")


def said(socket: ClientConnection, *kinds: str, **message: Any) -> Any:
    """Say something on a WebSocket and return the next message of these kinds."""
    socket.send(json.dumps(message))
    return heard(socket, *kinds)


def heard(socket: ClientConnection, *kinds: str) -> Any:
    """Return the next message of these kinds; all others are skipped."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        event = json.loads(socket.recv(timeout=max(0.01, deadline - time.monotonic())))
        if event["type"] in kinds:
            return event


def token(secret: Any, sub: str, *, algorithm: str | None = "HS256", ttl: float = 600, **claim: Any) -> str:
    """Sign a token with PyJWT itself; `claim` is what it entitles to."""
    claims: dict[str, Any] = {"sub": sub, "exp": int(time.time() + ttl)}
    if claim:
        claims["feedbridge"] = claim
    return jwt.encode(claims, secret, algorithm=algorithm)


def eventually(what: Callable[[], bool], seconds: float) -> bool:
    """Whether something became true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
