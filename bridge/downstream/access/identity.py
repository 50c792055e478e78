"""Who a peer is: from the credentials it showed, or from its address where none are needed.

| mode | credential | identity |
|---|---|---|
| any | two different ones | `bad_request` |
| `none` | ignored | the peer's address; every topic, no orders, no scopes |
| `jwt` | none | the peer's address with `auth.anonymous_topics`; `unauthorized` when there are none |
| `jwt` | one | the token's (issuer, subject) |
"""

from bridge.dialects.contract import Refusal
from bridge.downstream.access.grounds import ANONYMOUS
from bridge.downstream.contract import Identity, Peer, User
from bridge.downstream.settings import AuthSettings
from bridge.model import Code

EVERY_TOPIC = ("*",)


def shown_token(peer: Peer) -> str | None:
    """Return the one credential that a peer showed, or None.

    Raises:
        Refusal: `bad_request`: it showed two that differ.
    """
    if len(set(peer.tokens)) > 1:
        raise Refusal(Code.BAD_REQUEST, "two different credentials in one request; send one")
    return peer.tokens[0] if peer.tokens else None


def without_token(auth: AuthSettings, peer: Peer) -> Identity:
    """Return who a peer is when no token counts.

    Raises:
        Refusal: `unauthorized`: nothing is open to peers without a token.
    """
    topics = EVERY_TOPIC if auth.mode == "none" else auth.anonymous_topics
    if not topics:
        raise Refusal(Code.UNAUTHORIZED, "a token is needed: Authorization: Bearer <token>")
    return Identity(user=User(peer.address, by_address=True), topics=topics, anonymous=True, grounds=(ANONYMOUS,))
