"""What an identity rests on: the secret, API key or identity provider, each by a name that tells nothing of it.

A reload may withdraw any of these. An identity stands as long as all of its grounds are among those of the rules in force;
that is asked when a token is read, and again at every look at an open stream.
"""

import hashlib
import hmac
from typing import Final

from bridge.downstream.settings import ApiKey, AuthSettings

ANONYMOUS: Final = "anonymous"
"""The ground of peers without a token, as long as something is open to them."""

_NAME_CHARS: Final = 24


def of_secret(auth: AuthSettings) -> str:
    """Name our own secret, together with what else every token signed by it must say."""
    return "secret:" + _name(auth.secret or "", auth.issuer or "", auth.audience or "")


def of_provider(auth: AuthSettings) -> str:
    """Name the identity provider."""
    return "provider:" + _name(auth.jwks_url or "", auth.issuer or "", auth.audience or "")


def of_key(key: ApiKey, auth: AuthSettings) -> str:
    """Name an API key and whose it is. Keyed by our secret, so that whoever reads a token cannot guess the key from it."""
    known = key.sha256.lower() if key.sha256 else hashlib.sha256((key.key or "").encode()).hexdigest()
    return "key:" + _name(auth.secret or "", known, key.sub)


def standing(auth: AuthSettings) -> frozenset[str]:
    """Return every ground that these rules give."""
    found = [of_key(key, auth) for key in auth.api_keys]
    if auth.secret:
        found.append(of_secret(auth))
    if auth.jwks_url:
        found.append(of_provider(auth))
    if auth.mode == "none" or auth.anonymous_topics:
        found.append(ANONYMOUS)
    return frozenset(found)


def _name(secret: str, *parts: str) -> str:
    return hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha256).hexdigest()[:_NAME_CHARS]
