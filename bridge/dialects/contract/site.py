"""Where a party lives for one feed, and what lets us in there."""

import msgspec

from bridge.model import UnixNanos


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What lets us in. Its text never holds the secret.

    Attributes:
        token: the secret.
        expires_at: when it ends; None = not known.
        sse_url: where the vendor said to connect, or None.
        websocket_url: likewise.
    """

    token: str
    expires_at: UnixNanos | None = None
    sse_url: str | None = None
    websocket_url: str | None = None

    def __repr__(self) -> str:
        return f"<Credential expires_at={self.expires_at}>"

    __str__ = __repr__


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor lives for one feed, and what differs between installations.

    Attributes:
        url: the base URL, without a trailing slash.
        websocket_url: the whole WebSocket URL; None = as the dialect derives it from `url`.
        token_url: where tokens are minted; None = as the dialect says.
        rest_url: the base URL for questions; None = `url`.
        realtime_path: the path of the SSE stream; None = as the dialect says.
        api_key: what mints tokens; None = the dialect does not mint.
        credential_place: where the token goes on a WebSocket upgrade: `header`, `query` or `none`; None = the dialect's default.
        token_auth: how the key is sent when minting (`rapidapi` or `bearer`); None = the dialect's default.
        token_body: the JSON text sent when minting; None = the dialect's default.
        tenant_token: a second token some vendors want on REST; None = none.
    """

    url: str
    websocket_url: str | None = None
    token_url: str | None = None
    rest_url: str | None = None
    realtime_path: str | None = None
    api_key: str | None = None
    credential_place: str | None = None
    token_auth: str | None = None
    token_body: str | None = None
    tenant_token: str | None = None

    def __repr__(self) -> str:
        return f"<Site {self.url}>"

    __str__ = __repr__
