"""The token keeper: a feed's one credential, fetched once for all who need it and replaced before it ends.

Sessions ask for `current()` when they connect, tell `spoiled()` after a 401, and wait for `renewal()` to open a new
connection before the old credential ends. Whatever happens, the source is not asked again within `MIN_INTERVAL_SECONDS` of
the last credential, nor within the backoff after a failure: a token that is refused for ever never becomes a minting loop.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import trio

from bridge.clock import Clock
from bridge.dialects.contract import Credential, Dialect, Site
from bridge.errors import BridgeError, ConfigError, TransportLost, VendorRefused
from bridge.model import SECONDS, rfc3339
from bridge.upstream.backoff import Backoff
from bridge.upstream.credentials.sources import CommandSource, FileSource, MintSource, Source, ValueSource
from bridge.upstream.network.http import HttpClient
from bridge.upstream.settings import FeedSettings, TokenSource

MIN_INTERVAL_SECONDS = 10.0
"""Between two credentials asked for because the one held was refused or ended: some vendors' first 401 is a passing one."""

SHORT_LIFE_SECONDS = 4.0
"""A credential that comes with less than this left has no time for a hand-over; rather, one of the clocks is wrong."""

MIN_LIFE_SECONDS = 30.0
"""Such a credential is not renewed ahead of time sooner than this after it came."""

RECHECK_SECONDS = 30.0
"""How often the wall clock, which may be set, is compared with the credential's end."""

RETRY_CAP_SECONDS = 60.0
"""The longest ceiling between two attempts that fail; below the refresh margin's default with several attempts to spare."""


class TokenKeeper(Protocol):
    """Keeps one feed's credential.

    Attributes:
        problem: why there is no fresh credential, for an operator and without secrets; None when all is well.
    """

    problem: str | None

    async def current(self) -> Credential | None:
        """Return the credential to connect with; None when the feed has none. Many may ask at once: one request goes out.

        Raises:
            ConfigError, VendorRefused, TransportLost, VendorProtocolError: there is none to be had now; the caller retries.
        """
        ...

    def spoiled(self, credential: Credential | None) -> None:
        """Note that the vendor refused this credential: the next `current()` asks for another, though not in a loop."""
        ...

    async def renewal(self, held: Credential | None) -> Credential:
        """Return the credential that replaces `held`, once there is one; never when the feed has none."""
        ...

    async def run(self) -> None:
        """Keep the credential fresh until cancelled; begins with the first one that somebody asked for. Never raises."""
        ...


class NoTokens:
    """The keeper of a feed without credentials."""

    problem: str | None = None

    async def current(self) -> None:
        """Return None."""
        await trio.lowlevel.checkpoint()

    def spoiled(self, credential: Credential | None) -> None:
        """Do nothing."""

    async def renewal(self, held: Credential | None) -> Credential:
        """Never return."""
        await trio.sleep_forever()

    async def run(self) -> None:
        """Wait to be cancelled."""
        await trio.sleep_forever()


class KeeperTerms(msgspec.Struct, frozen=True):
    """What a keeper needs beside its source.

    Attributes:
        margin_seconds: how long before its end a credential is replaced; never more than half its life.
        clock: wall time.
        random: draws from [0, 1).
    """

    margin_seconds: float
    clock: Clock
    random: Callable[[], float]


class SourceKeeper:
    """A `TokenKeeper` over a source.

    Args:
        source: where credentials come from.
        terms: the feed's.
    """

    def __init__(self, source: Source, terms: KeeperTerms) -> None:
        self.problem: str | None = None
        self._source = source
        self._terms = terms
        self._backoff = Backoff(1.0, RETRY_CAP_SECONDS, terms.random)
        self._flight = trio.Lock()
        self._flights = 0
        self._held: Credential | None = None
        self._is_spoiled = False
        self._fault: BridgeError | None = None
        self._obtained_at = terms.clock()
        self._held_since = 0.0
        self._not_before = 0.0
        self._replaced = trio.Event()

    async def current(self) -> Credential:
        """See `TokenKeeper.current`."""
        held = self._held
        if held is not None and not (self._is_spoiled or self._has_ended(held)):
            await trio.lowlevel.checkpoint()
            return held
        if trio.current_time() < self._not_before:
            await trio.lowlevel.checkpoint()
            return self._outcome()
        return await self._renew()

    def spoiled(self, credential: Credential | None) -> None:
        """See `TokenKeeper.spoiled`."""
        if credential is not None and self._held is not None and credential.token == self._held.token:
            self._is_spoiled = True

    async def renewal(self, held: Credential | None) -> Credential:
        """See `TokenKeeper.renewal`."""
        while self._held is None or (held is not None and self._held.token == held.token):
            await self._replaced.wait()
        return self._held

    async def run(self) -> None:
        """See `TokenKeeper.run`."""
        while self._held is None:
            await self._replaced.wait()
        while True:
            if self._fault is None:
                await _first(self._source.changed, self._margin_reached)
            else:
                await trio.sleep_until(self._not_before)
            try:
                await self._renew()
            except BridgeError:
                continue  # `problem` tells, and the fault's backoff makes us wait

    def __repr__(self) -> str:
        held = self._held
        state = (
            "nothing yet" if held is None else "ends " + (rfc3339(held.expires_at) if held.expires_at else "unknown")
        )
        return f"<TokenKeeper {self._source!r}, {state}>"

    async def _renew(self) -> Credential:
        """Ask the source; who comes while a question is out shares its answer."""
        flights = self._flights
        async with self._flight:
            if self._flights == flights:
                try:
                    self._keep(await self._source.get())
                except BridgeError as error:
                    self._fail(error)
                self._flights += 1
        return self._outcome()

    def _outcome(self) -> Credential:
        """Return what is held, unless the last question failed and what is held is of no use."""
        held = self._held
        if self._fault is not None and (held is None or self._is_spoiled or self._has_ended(held)):
            raise self._fault
        if held is None:  # nothing was asked yet, so `_not_before` cannot have kept anybody here
            raise ConfigError(f"{self._source!r} was not asked yet")
        return held

    def _keep(self, credential: Credential) -> None:
        is_new = self._held is None or credential.token != self._held.token
        self._held = credential
        self._obtained_at = self._terms.clock()
        self._held_since = trio.current_time()
        self._is_spoiled = False
        self._fault = None
        self._backoff.reset()
        self._not_before = trio.current_time() + MIN_INTERVAL_SECONDS
        self.problem = None
        if credential.expires_at is not None and self._has_ended(credential):
            self.problem = f"{self._source!r}: the token ended at {rfc3339(credential.expires_at)}"
        if is_new:
            self._replaced.set()
            self._replaced = trio.Event()

    def _fail(self, error: BridgeError) -> None:
        self._fault = _about_the_token(self._source, error)
        self.problem = f"{self._source!r}: {error}"
        away = error.retry_after_seconds if isinstance(error, VendorRefused) else None
        self._not_before = trio.current_time() + self._backoff.next(away)

    def _has_ended(self, credential: Credential) -> bool:
        return credential.expires_at is not None and credential.expires_at <= self._terms.clock()

    async def _margin_reached(self) -> None:
        while True:
            seconds = self._seconds_to_margin()
            if seconds <= 0:
                return
            await trio.sleep(min(seconds, RECHECK_SECONDS))

    def _seconds_to_margin(self) -> float:
        if self._held is None or self._held.expires_at is None:
            return RECHECK_SECONDS
        life = (self._held.expires_at - self._obtained_at) / SECONDS
        margin = min(self._terms.margin_seconds, life / 2)
        due = MIN_LIFE_SECONDS if life < SHORT_LIFE_SECONDS else life - margin
        # a wall clock that is set back must not keep a credential beyond its life
        return due - max((self._terms.clock() - self._obtained_at) / SECONDS, trio.current_time() - self._held_since)


def make_keeper(
    settings: FeedSettings, dialect: Dialect, site: Callable[[], Site], client: HttpClient, random: Callable[[], float]
) -> TokenKeeper:
    """Make a feed's keeper: the configured token's, else the dialect's mint, else none.

    Raises:
        ConfigError: `token` names no source, or several.
    """
    terms = KeeperTerms(settings.token_refresh_margin_seconds, client.clock, random)
    if settings.token is not None:
        return SourceKeeper(_configured(settings.token), terms)
    first = dialect.mint(site())
    if first is None:
        return NoTokens()
    return SourceKeeper(MintSource(lambda: dialect.mint(site()) or first, dialect.minted, client.fetch), terms)


def _configured(source: TokenSource) -> Source:
    match source:
        case TokenSource(value=str(value), file=None, command=None):
            return ValueSource(value)
        case TokenSource(file=str(path), value=None, command=None):
            return FileSource(path)
        case TokenSource(command=tuple(command), value=None, file=None) if command:
            return CommandSource(command, source.refresh_seconds)
        case _:
            raise ConfigError("token: exactly one of file, command and a value must be given")


def _about_the_token(source: Source, error: BridgeError) -> BridgeError:
    """Return an error of the same kind that says what it was about: whoever connects reads it as a feed's reason."""
    words = f"no token from {source!r}"
    match error:
        case VendorRefused():
            return VendorRefused(error.status, f"{words}: {error.reason}", error.retry_after_seconds)
        case TransportLost():
            return TransportLost(f"{words}: {error}")
        case _:
            return error


async def _first(*functions: Callable[[], Awaitable[None]]) -> None:
    """Return when the first of them does; the others are cancelled."""
    async with trio.open_nursery() as nursery:

        async def run(function: Callable[[], Awaitable[None]]) -> None:
            await function()
            nursery.cancel_scope.cancel()

        for function in functions:
            nursery.start_soon(run, function)
