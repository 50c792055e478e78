"""Users who bring a vendor's own token: which feed's vendor it may be of, whether that vendor vouches for it, and who it then is.

A token goes to one vendor at most, chosen by the issuer that it names, and only when it is shaped like a JWT that has not ended.
What it says of accounts, topics or limits of ours counts for nothing: its user may see what the feed's settings say, and one
account, made here of issuer and subject.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.clock import Clock
from bridge.dialects.contract import Refusal
from bridge.downstream.access.tokens import (
    CLOCK_SKEW_SECONDS,
    MAX_TOKEN_CHARS,
    NO_JWT,
    Foreign,
    issued,
    moment,
    token_id,
    unverified,
    verified,
)
from bridge.downstream.contract import Identity, User, Voucher
from bridge.model import SECONDS, Code, UnixNanos
from bridge.model.account import private_account

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
"""A signed JWT (RFC 7515, section 7.1): the signature is not empty, and nothing in it could break out of a header or URL."""


class Vouchers:
    """All feeds whose vendors' tokens let their users in.

    Args:
        vouchers: in the configuration's order; no two of the same issuer.
        clock: judges tokens' times.
    """

    def __init__(self, vouchers: Sequence[Voucher], clock: Clock) -> None:
        self._vouchers = vouchers
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Vouchers {', '.join(one.feed for one in self._vouchers)}>"

    async def identify(self, token: str) -> Identity | None:
        """Say whose token of a vendor's this is; None = no vendor vouches for it.

        Raises:
            Refusal: `token_expired`; or `upstream_unavailable` or `overloaded`, when it cannot be said now.
        """
        said = _read(token)
        voucher = None if said is None else self._choose(said)
        if said is None or voucher is None:
            return None
        try:
            return await self._vouched(voucher, token, said)
        except Foreign:
            return None

    def _choose(self, said: Mapping[str, Any]) -> Voucher | None:
        """Return the one voucher that a token may be meant for: its issuer's, or else the one that takes any."""
        named = (one for one in self._vouchers if one.rules.issuer is not None and one.rules.issuer == said.get("iss"))
        others = (one for one in self._vouchers if one.rules.issuer is None)
        return next(named, None) or next(others, None)

    async def _vouched(self, voucher: Voucher, token: str, said: Mapping[str, Any]) -> Identity | None:
        if voucher.keys is not None:
            said = await verified(voucher.rules, token, voucher.keys.key)
        elif not _is_for(voucher.rules.audience, said):
            return None
        issuer = said.get("iss") or voucher.place
        subject = said.get(voucher.subject)
        if not isinstance(subject, str):
            return None
        try:
            account = private_account(voucher.feed, issuer, subject)
        except ValueError:
            return None
        expires = self._in_time(said)
        if voucher.keys is None and not await voucher.takes(token, expires):
            return None
        return Identity(
            user=User(subject, issuer, vouched_by=voucher.feed),
            topics=voucher.topics,
            accounts=(account,),
            expires=expires,
            token_id=token_id(said),
            issued=issued(said),
            visit=voucher.show(account, token, expires),
        )

    def _in_time(self, said: Mapping[str, Any]) -> UnixNanos:
        """Return a token's end.

        Raises:
            Refusal: `token_expired`; `unauthorized`: its time has not come, or its times are none.
        """
        now = self._clock()
        expires = moment(said["exp"])
        if expires <= now:
            raise Refusal(Code.TOKEN_EXPIRED, "the token has expired; get a new one")
        if "nbf" in said and moment(said["nbf"]) > now + CLOCK_SKEW_SECONDS * SECONDS:
            raise Refusal(Code.UNAUTHORIZED, "the token is not valid yet")
        return expires


def _read(token: str) -> Mapping[str, Any] | None:
    """Return what a token says, unless it can be no user's: it must name an end."""
    if len(token) > MAX_TOKEN_CHARS or _SHAPE.fullmatch(token) is None:
        return None
    try:
        said = unverified(token)
    except NO_JWT:
        return None
    return said if isinstance(said.get("iss", ""), str) and "exp" in said else None


def _is_for(audience: str | None, said: Mapping[str, Any]) -> bool:
    """Whether a token is meant for an audience; None = whoever it is meant for."""
    meant = said.get("aud")
    return audience is None or (audience in meant if isinstance(meant, list) else meant == audience)
