"""An identity provider's public keys, fetched over HTTP and remembered.

Many connections that need a key at once cause one fetch; an unknown key id causes at most one fetch per
`MIN_REFRESH_SECONDS`, so a client that invents key ids cannot make us hammer the provider; when the provider is away, the
keys we have stay good. Redirects are not followed and symmetric keys (`oct`) are dropped.
"""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx2
import jwt
import msgspec
import structlog
import trio

from bridge.dialects.contract import Refusal
from bridge.model import Code

TTL_SECONDS = 300.0
"""How long keys are used before they are looked at again: a withdrawn key dies within this."""

MIN_REFRESH_SECONDS = 10.0
FETCH_SECONDS = 5.0
MAX_BODY_BYTES = 1_048_576
"""A set of a hundred RSA keys has about 50 kB."""

_log = structlog.get_logger("bridge.downstream.access.jwks")


_ASYMMETRIC = frozenset({"RSA", "EC", "OKP"})


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class JwksCache:
    """The keys of one `jwks_url`.

    Args:
        url: where they are.
        client: makes the HTTP client for one fetch; a test hands in another.
    """

    def __init__(self, url: str, client: Callable[[], httpx2.AsyncClient] | None = None) -> None:
        self._url = url
        self._client = client or _client
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -float("inf")
        self._tried_at = -float("inf")
        self._lock = trio.Lock()
        self.fetches = 0

    def __repr__(self) -> str:
        return f"<JwksCache {len(self._keys)} keys, {self.fetches} fetches>"

    async def key(self, key_id: str) -> jwt.PyJWK:
        """Return the provider's key of this id.

        Raises:
            jwt.InvalidKeyError: the provider has no such key.
            Refusal: `overloaded`, when the provider has never been reached.
        """
        if not self._knows(key_id):
            async with self._lock:
                if not self._knows(key_id):
                    await self._refresh()
        found = self._keys.get(key_id)
        if found is not None:
            return found
        if self._fetched_at == -float("inf"):
            raise Refusal(Code.OVERLOADED, "the identity provider cannot be reached; try again")
        raise jwt.InvalidKeyError("no such key at the identity provider")

    def _knows(self, key_id: str) -> bool:
        return key_id in self._keys and trio.current_time() - self._fetched_at < TTL_SECONDS

    async def _refresh(self) -> None:
        now = trio.current_time()
        if now - self._tried_at < MIN_REFRESH_SECONDS:
            return
        self._tried_at = now
        self.fetches += 1
        try:
            with trio.fail_after(FETCH_SECONDS):
                keys = await self._fetch()
        except (httpx2.HTTPError, jwt.PyJWTError, trio.TooSlowError, ValueError) as error:
            _log.warning("identity provider's keys not fetched", error=type(error).__name__, kept=len(self._keys))
            return
        self._keys = keys
        self._fetched_at = trio.current_time()

    async def _fetch(self) -> dict[str, jwt.PyJWK]:
        async with self._client() as client, client.stream("GET", self._url, follow_redirects=False) as response:
            if response.status_code != 200:
                raise httpx2.HTTPStatusError(
                    f"status {response.status_code}", request=response.request, response=response
                )
            body = b""
            async with aclosing(response.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > MAX_BODY_BYTES:
                        raise ValueError("the key set is too big")
        return usable(body)


def usable(body: bytes) -> dict[str, jwt.PyJWK]:
    """Return the keys that may check signatures, by id; those that are malformed or of no use are left out.

    Raises:
        ValueError: it is no set of keys, or one without any of use.
    """
    try:
        said = msgspec.json.decode(body, type=_KeySet).keys
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError("no set of keys") from error
    keys = [key for key in map(_key, said) if key is not None]
    if not keys:
        raise ValueError("no key of any use")
    return {key.key_id: key for key in keys if key.key_id and key.public_key_use in (None, "sig")}


def _key(said: dict[str, Any]) -> jwt.PyJWK | None:
    """Read one key; None when it is symmetric, or none. A provider's other keys are good all the same."""
    try:
        wanted = said.get("kty") in _ASYMMETRIC and isinstance(said.get("kid"), str)
        return jwt.PyJWK(said) if wanted else None
    except (
        jwt.PyJWTError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ):  # what the library makes of a malformed key
        return None


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False)
