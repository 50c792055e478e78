"""Asks a vendor whether it takes a token that somebody brought, where it has published no keys to check the token with.

Theory of operation: the vendor's answer to one harmless request (`Dialect.check`) tells, by its status alone. 2xx and 404 are
said to its users, 401 and 403 to everybody else; 429, 5xx and silence tell nothing now, and any other status nothing ever. That
this vendor tells them apart is itself asked first, with a token that it takes: without a token, and with that one's signature
spoiled, it must refuse. Otherwise its endpoint answers guests, a yes is worth nothing, and nobody is let in.

A token is asked about once, however many connections bring it, and is known here by its hash only. Questions are paced, and
few may wait, so whatever clients invent never becomes a flood for the vendor.
"""

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog
import trio

from bridge.clock import Clock
from bridge.dialects.contract import Credential, Dialect, HttpRequest, Refusal
from bridge.errors import TransportLost
from bridge.model import Code, FeedName, UnixNanos
from bridge.upstream.ask import INTERVAL_SECONDS
from bridge.upstream.feed import site_of
from bridge.upstream.network.http import HttpClient, open_client
from bridge.upstream.settings import ClientTokens, FeedSettings

ANSWER_SECONDS = 5.0
"""For the head of one answer: a client waits for it with its own patience."""

NO_SECONDS = 60.0
"""How long a no is remembered, and an endpoint that tells nothing is left alone; as long as any refusal of a vendor's."""

SOUND_SECONDS = 3_600.0
"""How long an endpoint that tells users from guests is trusted to go on doing so."""

REMEMBERED = 10_000
"""Tokens remembered of each kind: more than have a connection at the same time; the one that came first is forgotten first."""

WAITING = 25
"""Questions that may wait for their turn: five seconds' worth, as nobody waits longer for a handshake."""

RETRY_SECONDS = 5.0

_NO = frozenset({401, 403})
_NOT_NOW = frozenset({0, 429})

_log = structlog.get_logger(__name__)


class VouchingStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How asking fares.

    Attributes:
        asked: requests sent to the vendor; `remembered` tokens whose answer is known now.
        problem: why nobody can be let in, for an operator; None when all is well, or nothing was asked yet.
    """

    asked: int
    remembered: int
    problem: str | None


class Vouching:
    """One feed's questions; made by `open_vouching`.

    Args:
        name: the feed's.
        request: makes the request from a credential, or for a guest.
        client: sends it.
    """

    def __init__(self, name: FeedName, request: Callable[[Credential | None], HttpRequest], client: HttpClient) -> None:
        self._name = name
        self._request = request
        self._client = client
        self._yes: OrderedDict[bytes, UnixNanos] = OrderedDict()
        self._no: OrderedDict[bytes, float] = OrderedDict()
        self._flights: dict[bytes, _Flight] = {}
        self._turn = trio.Lock()
        self._next_at = 0.0
        self._waiting = 0
        self._control = trio.Lock()
        self._examined_until = 0.0
        self._wondered: set[int] = set()
        self._asked = 0
        self._problem: str | None = None

    def __repr__(self) -> str:
        return f"<Vouching {self._name} {self._problem or 'well'}, {self._asked} asked>"

    def statistics(self) -> VouchingStatistics:
        """A snapshot."""
        return VouchingStatistics(asked=self._asked, remembered=len(self._yes) + len(self._no), problem=self._problem)

    async def takes(self, token: str, expires: UnixNanos) -> bool:
        """Say whether the vendor takes a token.

        Args:
            token: shaped like a JWT.
            expires: when it ends, as it says itself; a yes is remembered until then.

        Raises:
            Refusal: `upstream_unavailable`: the vendor cannot say; `overloaded`: too many ask at once.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known(digest)
        while known is None and (flight := self._flights.get(digest)) is not None:
            await flight.landed.wait()
            known = flight.answer  # None: who asked was cancelled, so somebody else asks
            if flight.refusal is not None:
                raise Refusal(flight.refusal.code, flight.refusal.message, retry_after_seconds=RETRY_SECONDS)
        return await self._fly(digest, token, expires) if known is None else known

    async def _fly(self, digest: bytes, token: str, expires: UnixNanos) -> bool:
        flight = self._flights[digest] = _Flight()
        try:
            flight.answer = await self._ask(token)
        except Refusal as refusal:
            flight.refusal = refusal
            raise
        finally:
            del self._flights[digest]
            flight.landed.set()
        self._remember(digest, expires, yes=flight.answer)
        return flight.answer

    # ── memory ──
    def _known(self, digest: bytes) -> bool | None:
        if self._yes.get(digest, 0) > self._client.clock():
            return True
        return False if self._no.get(digest, 0.0) > trio.current_time() else None

    def _remember(self, digest: bytes, expires: UnixNanos, *, yes: bool) -> None:
        if yes:
            self._yes[digest] = expires
        else:
            self._no[digest] = trio.current_time() + NO_SECONDS
        for memory in (self._yes, self._no):
            while len(memory) > REMEMBERED:
                memory.popitem(last=False)

    # ── questions ──
    async def _ask(self, token: str) -> bool:
        status = await self._status(token)
        if status in _NO:
            return False
        if not _is_good(status):
            self._wonder(status)
            return False
        async with self._control:
            if trio.current_time() >= self._examined_until:
                self._problem = await self._examine(token)
        return self._problem is None

    async def _examine(self, token: str) -> str | None:
        """Look whether it refuses a guest and a forged token, too; return what is wrong, or None.

        Args:
            token: one that it takes, or seems to.
        """
        for shown, who in ((None, "comes without a token"), (_spoiled(token), "comes with a forged one")):
            status = await self._status(shown)
            if status not in _NO:
                self._examined_until = trio.current_time() + NO_SECONDS
                reason = f"it answers {status} to one who {who}"
                if self._problem is None:
                    _log.error("a vendor lets anybody in, so we let nobody in", feed=self._name, reason=reason)
                return f"{reason}, so its yes proves nothing; set check_url to what only users may ask, or jwks_url"
        self._examined_until = trio.current_time() + SOUND_SECONDS
        return None

    def _wonder(self, status: int) -> None:
        """Say that a status means nothing to us, once: it may be all that an operator finds who wonders why nobody gets in."""
        if status not in self._wondered:
            self._wondered.add(status)
            _log.warning("a vendor's answer to a token is neither yes nor no", feed=self._name, status=status)

    async def _status(self, token: str | None) -> int:
        """Ask once, in turn.

        Raises:
            Refusal: there is no answer that tells anything.
        """
        request = self._request(None if token is None else Credential(token=token))
        await self._in_turn()
        self._asked += 1
        status = 0  # nothing came
        try:
            with trio.move_on_after(ANSWER_SECONDS):
                answer = await self._client.open(request)
                status = answer.head.status
                await answer.aclose()
        except TransportLost as error:
            _log.warning("a vendor cannot be asked about a token", feed=self._name, reason=str(error))
        if status in _NOT_NOW or status >= 500:
            raise Refusal(
                Code.UPSTREAM_UNAVAILABLE,
                f"{self._name} cannot say now whether it knows this token; try again",
                retry_after_seconds=RETRY_SECONDS,
            )
        return status

    async def _in_turn(self) -> None:
        if self._waiting >= WAITING:
            raise Refusal(Code.OVERLOADED, "too many new tokens at once; try again", retry_after_seconds=RETRY_SECONDS)
        self._waiting += 1
        try:
            async with self._turn:
                await trio.sleep_until(self._next_at)
                self._next_at = trio.current_time() + INTERVAL_SECONDS
        finally:
            self._waiting -= 1


class _Flight:
    """A question that is out."""

    def __init__(self) -> None:
        self.landed = trio.Event()
        self.answer: bool | None = None
        self.refusal: Refusal | None = None


@asynccontextmanager
async def open_vouching(
    name: FeedName, settings: FeedSettings, dialect: Dialect, clock: Clock
) -> AsyncIterator[Vouching]:
    """Open what asks a feed's vendor, over the feed's own way out; leaving the block closes it.

    Raises:
        ConfigError: the settings' certificate, proxy or address is none.
    """
    site, asked = site_of(settings), settings.client_tokens or ClientTokens()
    async with open_client(settings, clock) as client:
        yield Vouching(name, lambda credential: dialect.check(site, credential, asked.check_url), client)


def _is_good(status: int) -> bool:
    return 200 <= status < 300 or status == 404


def _spoiled(token: str) -> str:
    """Return the token with every byte of its signature another one: nobody's, and in all else the same."""
    signed, _, signature = token.rpartition(".")
    try:
        raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except binascii.Error:
        raw = signature.encode()
    spoiled = base64.urlsafe_b64encode(bytes(byte ^ 0x55 for byte in raw)).rstrip(b"=").decode()
    return f"{signed}.{spoiled}"
