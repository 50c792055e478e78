"""What a list of revoked tokens may say."""

from collections.abc import Iterator

from bridge.downstream.settings import AuthSettings, Revoked
from bridge.model import unix_nanos


def revocation_rules(auth: AuthSettings) -> Iterator[str]:
    """Return what is wrong with `auth.revoked`, one sentence a mistake."""
    for place, entry in enumerate(auth.revoked):
        where = f"auth.revoked[{place}]"
        if (entry.jti is None) == (entry.sub is None):
            yield f"{where}: exactly one of jti and sub"
        elif entry.jti is not None and (entry.iss is not None or entry.issued_before is not None):
            yield f"{where}: iss and issued_before go with sub; a jti is one token"
        elif not _is_moment(entry):
            yield f'{where}.issued_before: a moment such as "2026-03-19T12:00:00Z", not {entry.issued_before!r}'


def _is_moment(entry: Revoked) -> bool:
    try:
        return entry.issued_before is None or unix_nanos(entry.issued_before) >= 0
    except ValueError:
        return False
