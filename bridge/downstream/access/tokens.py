"""Tokens of our own and of an identity provider: minted here, and read here, and nowhere else.

Alg confusion is impossible because the key's source decides the algorithms, never the token: our secret knows HS256 alone,
the provider's keys know the configured asymmetric ones alone. Times are judged by the house's clock, not PyJWT's, so that
a test's virtual time counts. A token is never logged and stands in no error.
"""

import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import jwt
import msgspec

from bridge.dialects.contract import Refusal
from bridge.downstream.access import grounds
from bridge.downstream.contract import Identity, User
from bridge.downstream.settings import AuthSettings
from bridge.model import SECONDS, AccountId, Code, UnixNanos
from bridge.model.account import is_private

OWN_ALGORITHM = "HS256"
CLAIM = "feedbridge"
"""The private claim that says what a token entitles to."""

CLOCK_SKEW_SECONDS = 5
"""How far in the future a provider's `nbf` may lie: its clock and ours are two."""

MAX_TOKEN_CHARS = 16_384
"""A longer token is refused unread; header limits are of the same size."""

ID_BYTES = 8
"""Of the id of a token that we mint, by which it can be revoked: two are never the same in practice."""

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

NOT_VALID = "the token is not valid here"

NO_JWT = (jwt.DecodeError, UnicodeError, RecursionError)
"""What reading a token may raise; the last when its JSON is nested a thousand deep."""

_UNSIGNED = (*NO_JWT, jwt.InvalidKeyError, jwt.InvalidAlgorithmError)

KeyOf = Callable[[str], Awaitable[jwt.PyJWK]]
"""Returns the identity provider's key of an id; raises `jwt.PyJWTError` when there is none."""


class Entitlement(msgspec.Struct, frozen=True, kw_only=True):
    """The `feedbridge` claim. Keys that we do not know are ignored.

    Attributes:
        topics: None = the configured default.
        key: the ground (`grounds`) of the API key that it was minted for; None = for none.
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
        key: the ground (`grounds`) of the API key that it is minted for; with that key it ends. None = for none.
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
    begins = now // SECONDS
    expires = begins + max(1, math.floor(min(grant.ttl_seconds, auth.max_ttl_seconds)))
    entitlement = _entitlement(grant)
    claims: dict[str, Any] = {"sub": grant.sub, "iat": begins, "exp": expires, "jti": secrets.token_hex(ID_BYTES)}
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


class Foreign(Refusal):
    """No key of ours made this token. It may be a vendor's; every other refused token is ours, and no vendor's business."""

    def __init__(self) -> None:
        super().__init__(Code.UNAUTHORIZED, NOT_VALID)


async def read_token(auth: AuthSettings, token: str, key_of: KeyOf | None, now: UnixNanos) -> Identity:
    """Return whose a token is and what it entitles to. One signature check.

    Args:
        auth: the rules.
        token: as the client sent it.
        key_of: the identity provider's keys; None when there is no provider.
        now: the wall time.

    Raises:
        Foreign: `unauthorized`, because no key of ours made it.
        Refusal: `unauthorized` or `token_expired`.
    """
    claims = await verified(auth, token, key_of)
    ground = grounds.of_secret(auth) if _is_ours(auth, token) else grounds.of_provider(auth)
    expires = _expiry(claims, auth, now)
    try:
        entitlement = msgspec.convert(claims.get(CLAIM, {}), Entitlement)
    except (msgspec.ValidationError, UnicodeError, RecursionError) as error:
        raise Refusal(Code.UNAUTHORIZED, f"the token's {CLAIM} claim is malformed") from error
    limits = {name: value for name, value in entitlement.limits.items() if name in LIMIT_NAMES}
    if any(not (math.isfinite(value) and value >= 0) for value in limits.values()):
        raise Refusal(Code.UNAUTHORIZED, f"the token's {CLAIM} claim is malformed")
    return Identity(
        user=User(claims["sub"], claims.get("iss") or ""),
        topics=auth.default_topics if entitlement.topics is None else entitlement.topics,
        accounts=tuple(AccountId(account) for account in entitlement.accounts if not is_private(account)),
        limits=limits,
        scopes=frozenset(entitlement.scopes),
        expires=expires,
        grounds=(ground,) if entitlement.key is None else (ground, entitlement.key),
        token_id=token_id(claims),
        issued=issued(claims),
    )


def token_id(claims: Mapping[str, Any]) -> str | None:
    """Return a token's own id, if it has one."""
    said = claims.get("jti")
    return said if isinstance(said, str) else None


def issued(claims: Mapping[str, Any]) -> UnixNanos | None:
    """Return when a token says that it was made; None = it does not, or not so that it can be read."""
    try:
        return moment(claims["iat"]) if "iat" in claims else None
    except Refusal:
        return None


async def verified(auth: AuthSettings, token: str, key_of: KeyOf | None) -> dict[str, Any]:
    """Return a token's claims, once its signature, issuer and audience are found right; its times are not looked at.

    Raises:
        Foreign: no key made it; which keys there are, `auth` and `key_of` say.
        Refusal: `unauthorized`: a key of ours did, and it is not for us; or what `key_of` says.
    """
    try:
        key, algorithms = await _key(auth, token, key_of)
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
    except _UNSIGNED as error:
        raise Foreign from error
    except jwt.PyJWTError as error:
        raise Refusal(Code.UNAUTHORIZED, NOT_VALID) from error
    if not claims["sub"] or not _is_text(claims["sub"]) or not _is_text(claims.get("iss", "")):
        raise Refusal(Code.UNAUTHORIZED, NOT_VALID)
    return claims


def _is_text(claim: object) -> bool:
    """Whether a claim can be told to logs and pages: JSON may spell half a character, which no encoding has."""
    return isinstance(claim, str) and not any("\ud800" <= letter <= "\udfff" for letter in claim)


async def _key(auth: AuthSettings, token: str, key_of: KeyOf | None) -> tuple[str | jwt.PyJWK, list[str]]:
    """Return what a token must be signed with; a provider is not asked for keys of tokens that another one issued."""
    if len(token) > MAX_TOKEN_CHARS:
        raise jwt.DecodeError("too long")
    header = jwt.get_unverified_header(token)
    if auth.secret and _is_ours(auth, token):
        return auth.secret, [OWN_ALGORITHM]
    if key_of is None or header.get("alg") not in provider_algorithms(auth):
        raise jwt.InvalidAlgorithmError("no key source knows this algorithm")
    if auth.issuer is not None and unverified(token).get("iss") != auth.issuer:
        raise jwt.DecodeError("another issuer's")
    return await key_of(str(header.get("kid", ""))), provider_algorithms(auth)


def _is_ours(auth: AuthSettings, token: str) -> bool:
    """Whether it is our own secret that a token must be signed with."""
    return bool(auth.secret) and jwt.get_unverified_header(token).get("alg") == OWN_ALGORITHM


def unverified(token: str) -> dict[str, Any]:
    """Return what a token says, whoever made it.

    Raises:
        jwt.DecodeError, UnicodeError, RecursionError: it is no JWT.
    """
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def provider_algorithms(auth: AuthSettings) -> list[str]:
    """Return the algorithms accepted for the identity provider's keys: never a symmetric one, never `none`."""
    return [name for name in auth.algorithms if not name.startswith("HS") and name != "none"]


def _expiry(claims: dict[str, Any], auth: AuthSettings, now: UnixNanos) -> UnixNanos:
    expires = moment(claims["exp"])
    if "nbf" in claims and moment(claims["nbf"]) > now + CLOCK_SKEW_SECONDS * SECONDS:
        raise Refusal(Code.UNAUTHORIZED, "the token is not valid yet")
    if expires <= now:
        raise Refusal(Code.TOKEN_EXPIRED, "the token has expired; get a new one")
    if expires - now > auth.max_ttl_seconds * SECONDS:
        raise Refusal(
            Code.UNAUTHORIZED, f"the token lives too long: at most {auth.max_ttl_seconds:g} s are accepted here"
        )
    return expires


def moment(value: object) -> UnixNanos:
    """Read a NumericDate; a huge one is cut, never an overflow.

    Raises:
        Refusal: `unauthorized`: it is none.
    """
    finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or not finite:
        raise Refusal(Code.UNAUTHORIZED, "the token's times are malformed")
    return UnixNanos(round(min(max(value, 0), 1 << 40) * SECONDS))
