"""Tokens of our own and of an identity provider: minted here, and read here, and nowhere else.

Alg confusion is impossible because the key's source decides the algorithms, never the token: our secret knows HS256 alone,
the provider's keys know the configured asymmetric ones alone. Times are judged by the house's clock, not PyJWT's, so that
a test's virtual time counts. A token is never logged and stands in no error.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import msgspec

from bridge.dialects.contract import Refusal
from bridge.downstream import vouchers
from bridge.downstream.contract import Identity, User
from bridge.downstream.settings import AuthSettings
from bridge.model import SECONDS, AccountId, Code, UnixNanos

OWN_ALGORITHM = "HS256"
CLAIM = "feedbridge"
"""The private claim that says what a token entitles to."""

CLOCK_SKEW_SECONDS = 5
"""How far in the future a provider's `nbf` may lie: its clock and ours are two."""

MAX_TOKEN_CHARS = 16_384
"""A longer token is refused unread; header limits are of the same size."""

LIMIT_NAMES = frozenset(
    {
        "sse_connections_per_user",
        "websocket_connections_per_user",
        "subscriptions_per_connection",
        "inbound_messages_per_second",
        "polls_per_user",
    }
)
"""What a token's `limits` may name, spelled as in `[limits]`; other names are ignored."""

KeyOf = Callable[[str], Awaitable[jwt.PyJWK]]
"""Returns the identity provider's key of an id; raises `jwt.PyJWTError` when there is none."""


class Entitlement(msgspec.Struct, frozen=True, kw_only=True):
    """The `feedbridge` claim. Keys that we do not know are ignored.

    Attributes:
        topics: None = the configured default.
        key: the voucher of the API key that it was minted for; None = for none.
    """

    topics: tuple[str, ...] | None = None
    accounts: tuple[str, ...] = ()
    limits: dict[str, float] = msgspec.field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    key: str | None = None


class TokenGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a token that we mint shall say.

    Attributes:
        sub: whose it is.
        ttl_seconds: how long it lives; cut to `auth.max_ttl_seconds`.
        topics: globs; None = whatever `auth.default_topics` says when the token is used.
        accounts: `<feed>/<name>`.
        scopes: such as `admin`.
        key: the voucher of the API key that it is minted for; with that key it ends. None = for none.
    """

    sub: str
    ttl_seconds: float
    topics: tuple[str, ...] | None = None
    accounts: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    key: str | None = None


def mint_token(auth: AuthSettings, grant: TokenGrant, now: UnixNanos) -> tuple[str, UnixNanos]:
    """Return a new token, signed with the configured secret, and when it ends.

    Raises:
        Refusal: `unsupported_topic`, when no secret is configured.
    """
    if not auth.secret:
        raise Refusal(Code.UNSUPPORTED_TOPIC, "this bridge mints no tokens: auth.secret is not set")
    issued = now // SECONDS
    expires = issued + max(1, math.floor(min(grant.ttl_seconds, auth.max_ttl_seconds)))
    entitlement = _entitlement(grant)
    claims: dict[str, Any] = {"sub": grant.sub, "iat": issued, "exp": expires}
    if auth.issuer is not None:
        claims["iss"] = auth.issuer
    if auth.audience is not None:
        claims["aud"] = auth.audience
    if entitlement:
        claims[CLAIM] = entitlement
    return jwt.encode(claims, auth.secret, algorithm=OWN_ALGORITHM), UnixNanos(expires * SECONDS)


def _entitlement(grant: TokenGrant) -> dict[str, Any]:
    """Return what stands in our claim; {} when nothing need be said."""
    said = {
        "topics": grant.topics,
        "accounts": grant.accounts or None,
        "scopes": grant.scopes or None,
        "key": grant.key,
    }
    return {name: value for name, value in said.items() if value is not None}


async def read_token(auth: AuthSettings, token: str, key_of: KeyOf | None, now: UnixNanos) -> Identity:
    """Return whose a token is and what it entitles to. One signature check.

    Args:
        auth: the rules.
        token: as the client sent it.
        key_of: the identity provider's keys; None when there is no provider.
        now: the wall time.

    Raises:
        Refusal: `unauthorized` or `token_expired`.
    """
    try:
        claims, voucher = await _verified(auth, token, key_of)
    except (jwt.PyJWTError, UnicodeError) as error:
        raise Refusal(Code.UNAUTHORIZED, "the token is not valid here") from error
    expires = _expiry(claims, auth, now)
    try:
        entitlement = msgspec.convert(claims.get(CLAIM, {}), Entitlement)
    except msgspec.ValidationError as error:
        raise Refusal(Code.UNAUTHORIZED, f"the token's {CLAIM} claim is malformed") from error
    limits = {name: value for name, value in entitlement.limits.items() if name in LIMIT_NAMES}
    if any(not (math.isfinite(value) and value >= 0) for value in limits.values()):
        raise Refusal(Code.UNAUTHORIZED, f"the token's {CLAIM} claim is malformed")
    return Identity(
        user=User(claims["sub"], claims.get("iss") or ""),
        topics=auth.default_topics if entitlement.topics is None else entitlement.topics,
        accounts=tuple(AccountId(account) for account in entitlement.accounts),
        limits=limits,
        scopes=frozenset(entitlement.scopes),
        expires=expires,
        vouchers=(voucher,) if entitlement.key is None else (voucher, entitlement.key),
    )


async def _verified(auth: AuthSettings, token: str, key_of: KeyOf | None) -> tuple[dict[str, Any], str]:
    """Return a token's claims, and what vouches for them."""
    if len(token) > MAX_TOKEN_CHARS:
        raise jwt.DecodeError("too long")
    header = jwt.get_unverified_header(token)
    key: str | jwt.PyJWK
    if auth.secret and header.get("alg") == OWN_ALGORITHM:
        key, algorithms, voucher = auth.secret, [OWN_ALGORITHM], vouchers.of_secret(auth)
    elif key_of is not None and header.get("alg") in provider_algorithms(auth):
        key, algorithms = await key_of(str(header.get("kid", ""))), provider_algorithms(auth)
        voucher = vouchers.of_provider(auth)
    else:
        raise jwt.InvalidAlgorithmError("no key source knows this algorithm")
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=algorithms,
        audience=auth.audience,
        issuer=auth.issuer,
        options={
            "require": ["exp", "sub"],
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_aud": auth.audience is not None,
            "verify_iss": auth.issuer is not None,
        },
    )
    if not claims["sub"] or not isinstance(claims.get("iss", ""), str):
        raise jwt.InvalidTokenError("no subject")
    return claims, voucher


def provider_algorithms(auth: AuthSettings) -> list[str]:
    """Return the algorithms accepted for the identity provider's keys: never a symmetric one, never `none`."""
    return [name for name in auth.algorithms if not name.startswith("HS") and name != "none"]


def _expiry(claims: dict[str, Any], auth: AuthSettings, now: UnixNanos) -> UnixNanos:
    expires = _moment(claims["exp"])
    if "nbf" in claims and _moment(claims["nbf"]) > now + CLOCK_SKEW_SECONDS * SECONDS:
        raise Refusal(Code.UNAUTHORIZED, "the token is not valid yet")
    if expires <= now:
        raise Refusal(Code.TOKEN_EXPIRED, "the token has expired; get a new one")
    if expires - now > auth.max_ttl_seconds * SECONDS:
        raise Refusal(
            Code.UNAUTHORIZED, f"the token lives too long: at most {auth.max_ttl_seconds:g} s are accepted here"
        )
    return expires


def _moment(value: object) -> UnixNanos:
    """Read a NumericDate; a huge one is cut, never an overflow."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refusal(Code.UNAUTHORIZED, "the token's times are malformed")
    return UnixNanos(round(min(max(value, 0), 1 << 40) * SECONDS))
