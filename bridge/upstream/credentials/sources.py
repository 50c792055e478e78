"""Where a feed's credential comes from: a setting, a file, a command, or the vendor's own mint.

Each source gives a credential on demand and says when asking again might give another one. Its sentences name the file or
the command, never what came out of it.
"""

import math
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import jwt
import msgspec
import trio

from bridge.dialects.contract import Credential, Frame, HttpRequest
from bridge.errors import ConfigError, VendorRefused
from bridge.model import SECONDS, UnixNanos
from bridge.upstream.network.in_force import Stamp, stamp_of
from bridge.upstream.network.refusals import Head, words_of

COMMAND_SECONDS = 30.0
"""For a command: some ask a vault over the network."""

POLL_SECONDS = 1.0
"""Between two looks at a file's date: a new token is in use within about a second."""

MAX_TOKEN_BYTES = 64 * 1024
"""A file or an output longer than this is not a token."""

_LAST_MOMENT = 2**62


class Source(Protocol):
    """Gives credentials. Its `repr` names it in sentences."""

    async def get(self) -> Credential:
        """Return a credential; asks afresh each time.

        Raises:
            ConfigError: the operator must mend something; the sentence says what.
            VendorRefused, TransportLost, VendorProtocolError: the vendor's mint did not give one.
        """
        ...

    async def changed(self) -> None:
        """Return when `get` might give another credential than it last did; may never."""
        ...


class ValueSource:
    """A token that stands in the configuration (or the environment).

    Args:
        token: the secret.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self) -> Credential:
        """Return it."""
        await trio.lowlevel.checkpoint()
        return _credential(self._token, "token: the configured value")

    async def changed(self) -> None:
        """Never return."""
        await trio.sleep_forever()

    def __repr__(self) -> str:
        return "the configured token"


class HandedSource:
    """A token that somebody handed us, and may replace.

    Args:
        token: the secret.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._replaced = trio.Event()

    def replace(self, token: str) -> None:
        """Take another from now on."""
        if token != self._token:
            self._token = token
            self._replaced.set()

    async def get(self) -> Credential:
        """Return the newest."""
        await trio.lowlevel.checkpoint()
        self._replaced = trio.Event()
        return _credential(self._token, "the token that was handed to us")

    async def changed(self) -> None:
        """Return when another was handed to us since the last `get`."""
        await self._replaced.wait()

    def __repr__(self) -> str:
        return "the token that was handed to us"


class FileSource:
    """A token in a file, which another program may replace at any time.

    The file is small and local, so it is read in place: no thread is worth it.

    Args:
        path: the file's.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._seen: Stamp = None

    async def get(self) -> Credential:
        """Read it; white space around the token does not count."""
        await trio.lowlevel.checkpoint()
        self._seen = stamp_of(self._path)
        return _credential(self._read(), f"token.file: {self._path}")

    async def changed(self) -> None:
        """Return when the file is another one, or was written to, since it was last read."""
        while True:  # no event tells of a file: it may lie on any file system
            if stamp_of(self._path) != self._seen:
                return
            await trio.sleep(POLL_SECONDS)

    def _read(self) -> str:
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_TOKEN_BYTES + 1).decode("ascii", "replace")
        except OSError as error:
            raise ConfigError(f"token.file: {self._path} cannot be read: {error.strerror}") from error

    def __repr__(self) -> str:
        return f"the token file {self._path}"


class CommandSource:
    """A token that a command prints. It runs with the bridge's own environment and rights, and without an input.

    Args:
        command: the program and its arguments; no shell.
        refresh_seconds: run again so often; None = only when the token ends or is refused.
    """

    def __init__(self, command: tuple[str, ...], refresh_seconds: float | None) -> None:
        self._command = command
        self._refresh_seconds = refresh_seconds or math.inf

    async def get(self) -> Credential:
        """Run it; its standard output, without white space around it, is the token."""
        name = f"token.command: {self._command[0]}"
        try:
            with trio.fail_after(COMMAND_SECONDS):
                done = await trio.run_process(
                    self._command, capture_stdout=True, stderr=subprocess.DEVNULL, check=False
                )
        except trio.TooSlowError as error:
            raise ConfigError(f"{name} did not end within {COMMAND_SECONDS:g} s") from error
        except OSError as error:
            raise ConfigError(f"{name} cannot be run: {error.strerror}") from error
        if done.returncode != 0:
            raise ConfigError(f"{name} ended with status {done.returncode}")
        return _credential(done.stdout.decode("ascii", "replace"), name)

    async def changed(self) -> None:
        """Return after `refresh_seconds`."""
        await trio.sleep(self._refresh_seconds)

    def __repr__(self) -> str:
        return f"the token command {self._command[0]}"


class MintSource:
    """A token that the vendor mints for our key.

    Args:
        request: the dialect's `mint`, asked each time: the key may be another one.
        minted: the dialect's `minted`, which reads the answer.
        fetch: sends the request.
    """

    def __init__(
        self,
        request: Callable[[], HttpRequest],
        minted: Callable[[bytes], Credential],
        fetch: Callable[[HttpRequest], Awaitable[Frame]],
    ) -> None:
        self._request = request
        self._minted = minted
        self._fetch = fetch

    async def get(self) -> Credential:
        """Mint one."""
        request = self._request()
        answer = await self._fetch(request)
        if answer.status not in (200, 201):
            reason = words_of(request, Head(answer.status, "", {}), answer.data)
            raise VendorRefused(answer.status, f"no token: {reason}", answer.retry_after_seconds)
        credential = self._minted(answer.data)
        if credential.expires_at is not None:
            return credential
        return msgspec.structs.replace(credential, expires_at=expiry_of(credential.token))

    async def changed(self) -> None:
        """Never return: a minted token lasts until it ends."""
        await trio.sleep_forever()

    def __repr__(self) -> str:
        return f"the mint {self._request().url.partition('?')[0]}"


def expiry_of(token: str) -> UnixNanos | None:
    """Return when a token ends if it is a JWT that says so; its signature is not ours to check."""
    try:
        expires = jwt.decode(token, options={"verify_signature": False}).get("exp")
    except (jwt.InvalidTokenError, ValueError):
        return None
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        return None
    return UnixNanos(int(expires * SECONDS)) if 0 < expires * SECONDS < _LAST_MOMENT else None


def _credential(text: str, name: str) -> Credential:
    """Make a credential of what a source holds.

    Raises:
        ConfigError: it is empty, or holds what no header or query may.
    """
    token = text.strip()
    if not token:
        raise ConfigError(f"{name} is empty, a token was expected")
    if len(token) > MAX_TOKEN_BYTES or any(not "!" <= letter <= "~" for letter in token):
        raise ConfigError(f"{name} is not a token: one word of printable ASCII was expected")
    return Credential(token=token, expires_at=expiry_of(token))
