"""Tokens that count no more although they have not ended: one by its `jti`, or all that a user has had so far.

A list in the configuration, read again by a reload. It is asked for when a token is shown, and at every look at an open stream
(`tenure`), so that what is struck out ends within `tenure.LOOK_SECONDS` and not when its token would have.
"""

from collections.abc import Sequence

from bridge.downstream.contract import Identity
from bridge.downstream.settings import Revoked
from bridge.model import UnixNanos, unix_nanos


class Revocations:
    """The list, indexed: it is asked for each stream, and may be long.

    Args:
        entries: the configuration's, each valid.
    """

    def __init__(self, entries: Sequence[Revoked]) -> None:
        self._tokens = frozenset(entry.jti for entry in entries if entry.jti is not None)
        self._users: dict[str, list[tuple[str | None, UnixNanos | None]]] = {}
        for entry in entries:
            if entry.sub is not None:
                before = None if entry.issued_before is None else unix_nanos(entry.issued_before)
                self._users.setdefault(entry.sub, []).append((entry.iss, before))

    def __repr__(self) -> str:
        return f"<Revocations {len(self._tokens)} tokens, {len(self._users)} users>"

    def strike(self, identity: Identity) -> bool:
        """Whether an identity's token is struck out. One that does not say when it was issued is older than any moment."""
        if identity.anonymous:
            return False
        if identity.token_id is not None and identity.token_id in self._tokens:
            return True
        return any(
            (issuer is None or issuer == identity.user.issuer)
            and (before is None or identity.issued is None or identity.issued < before)
            for issuer, before in self._users.get(identity.user.subject, ())
        )
