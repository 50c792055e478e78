"""Who gets in, and how much: the one door before every endpoint.

It only joins `identity`, `tokens`, `vouching`, `entitlement` and `limits`; the rules are there. One signature is checked per
connection, and again only when a client renews its token.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from bridge.clock import Clock
from bridge.dialects.contract import Refusal, Transport
from bridge.downstream.access import entitlement
from bridge.downstream.access.grounds import standing
from bridge.downstream.access.identity import shown_token, without_token
from bridge.downstream.access.jwks import JwksCache
from bridge.downstream.access.limits import LIMIT_OF, Seats, SeatStatistics, effective_limits
from bridge.downstream.access.revocation import Revocations
from bridge.downstream.access.tokens import Foreign, read_token
from bridge.downstream.access.vouching import Vouchers
from bridge.downstream.contract import Granted, Identity, Peer, Resolve, ServedDialect
from bridge.downstream.settings import AuthSettings, LimitSettings
from bridge.model import Code, Topic


class Gate:
    """The house's `Admission`.

    Args:
        auth: the rules.
        clock: judges tokens' times.
        keys: the identity provider's; None = made from `auth.jwks_url`, if it is set.
        vouchers: vendors that vouch for tokens which no key of ours made; None = there are none.
    """

    def __init__(
        self, auth: AuthSettings, clock: Clock, keys: JwksCache | None = None, vouchers: Vouchers | None = None
    ) -> None:
        self._auth = auth
        self._clock = clock
        self._keys = keys or (JwksCache(auth.jwks_url) if auth.jwks_url else None)
        self._vouchers = vouchers
        self._standing = standing(auth)
        self._revocations = Revocations(auth.revoked)
        self._seats = Seats()

    def __repr__(self) -> str:
        return f"<Gate {self._auth.mode}, {self._seats.statistics().users} users>"

    async def identify(self, peer: Peer) -> Identity:
        """Say who a peer is; see `contract.Admission`."""
        token = shown_token(peer)
        if token is None or self._auth.mode == "none":
            return without_token(self._auth, peer)
        return await self.verify(token)

    async def verify(self, token: str) -> Identity:
        """Say whose a token is; see `contract.Admission`."""
        if self._auth.mode == "none":
            raise Refusal(Code.BAD_REQUEST, "this bridge asks for no tokens; there is nothing to renew")
        try:
            identity = await read_token(self._auth, token, self._keys.key if self._keys else None, self._clock())
        except Foreign:
            visitor = None if self._vouchers is None else await self._vouchers.identify(token)
            if visitor is None:
                raise
            identity = visitor
        if not self.stands(identity):
            raise Refusal(Code.UNAUTHORIZED, "what this token rests on was withdrawn; get a new one")
        return identity

    def stands(self, identity: Identity) -> bool:
        """Whether all that an identity rests on is still in force; see `contract.Admission`."""
        return self._standing.issuperset(identity.grounds) and not self._revocations.strike(identity)

    def adopt(self, auth: AuthSettings) -> None:
        """Go by other rules from now on; what open streams rest on is asked for at their next look."""
        if auth.jwks_url != self._auth.jwks_url:
            self._keys = JwksCache(auth.jwks_url) if auth.jwks_url else None
        self._auth = auth
        self._standing = standing(auth)
        self._revocations = Revocations(auth.revoked)

    def limits(self, identity: Identity, served: ServedDialect) -> LimitSettings:
        """Return what holds for this user on this dialect's endpoints."""
        return effective_limits(identity, served)

    def seat(self, identity: Identity, transport: Transport, served: ServedDialect) -> AbstractContextManager[None]:
        """Return a seat, taken until the context is left; see `contract.Admission`."""
        limit: int = getattr(effective_limits(identity, served), LIMIT_OF[transport])
        return self._seats.seat(identity.user, transport, limit)

    def grant(self, identity: Identity, topics: Sequence[Topic], resolve: Resolve) -> tuple[Granted, ...]:
        """Say what serves each topic; see `contract.Admission`."""
        return entitlement.grant(identity, topics, resolve)

    def statistics(self) -> SeatStatistics:
        """Who has how much open."""
        return self._seats.statistics()
