"""The secrets of the test that is running, and whether anything written holds one: every test is searched.

A test's secrets are noted by themselves: whatever signs a token is one, and so is the token's signature. `note` adds others.
"""

import base64
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import jwt

from tests.support.broker_desk import OWN

SHORTEST = 16
"""Characters: what is shorter may stand in a text by chance, and is no secret anybody should use."""

ALWAYS = frozenset({OWN})

_noted: set[str] = set(ALWAYS)
_encode = jwt.encode


def note(*secrets: str) -> None:
    """Search for these as well, until the test's end."""
    _noted.update(secret for secret in secrets if len(secret) >= SHORTEST)


def forget() -> None:
    """Begin another test."""
    _noted.clear()
    _noted.update(ALWAYS)


def found_in(text: str, secrets: Iterable[str] | None = None) -> list[str]:
    """Return the secrets that a text holds, as they are, percent-encoded or in base64."""
    return [
        secret for secret in (_noted if secrets is None else secrets) if any(form in text for form in forms(secret))
    ]


def forms(secret: str) -> tuple[str, ...]:
    """Return the ways in which a secret may be written."""
    in_base64 = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]  # its last digit depends on what follows
    return (secret, quote(secret, safe=""), in_base64)


def watch() -> None:
    """Note what signs tokens from now on, and what they are signed with."""

    def encode(payload: dict[str, Any], key: Any, *arguments: Any, **options: Any) -> str:
        token = _encode(payload, key, *arguments, **options)
        if isinstance(key, str):
            note(key)
        note(token.rpartition(".")[2])
        return token

    jwt.encode = encode
