"""What an operator may say of a feed: `[feeds.<name>]`. Everything else about a vendor is a constant of its dialect."""

from typing import Self

import msgspec

from bridge.dialects.contract import Transport


class FileText(str):
    """A value that stands in a file (`{ file = "…" }`), and where, so that a running feed can read it again.

    Args:
        text: what the file held.
        path: the file's.
    """

    __slots__ = ("path",)

    def __new__(cls, text: str, path: str) -> Self:
        """Make one."""
        made = super().__new__(cls, text)
        made.path = path
        return made

    path: str


class TokenSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an access token comes from: `{ file = "…" }` or `{ command = ["…"], refresh_seconds = … }`; exactly one.

    Attributes:
        file: read again when it changes, on 401 and before the token expires.
        command: its standard output is the token; run again likewise, and every `refresh_seconds`.
        value: the token itself (from the environment by `{ env = "…" }`).
    """

    file: str | None = None
    command: tuple[str, ...] | None = None
    refresh_seconds: float | None = None
    value: str | None = None

    def __repr__(self) -> str:
        return f"<TokenSource {'file' if self.file else 'command' if self.command else 'value'}>"

    __str__ = __repr__


class ClientTokens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who brings the vendor's own token: `[feeds.<name>.client_tokens]`. Without keys the vendor is asked.

    Attributes:
        jwks_url: the vendor's keys; `issuer` and `audience` are then mandatory.
        algorithms: accepted for them.
        issuer: the only `iss` that is looked at here.
        audience: what `aud` must be or hold.
        check_url: what is asked with the token, instead of what the dialect would ask.
        topics: globs of the shared market data that such a user may see; None = `auth.default_topics`.
    """

    jwks_url: str | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    issuer: str | None = None
    audience: str | None = None
    check_url: str | None = None
    topics: tuple[str, ...] | None = None


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feed. Durations in seconds; 0 = unlimited for counts.

    Attributes:
        transports: in order of preference: the first that works is used, and a better one again when it does.
        url: the vendor's base URL.
        token: an access token's source; `api_key` mints one instead.
        token_refresh_margin_seconds: how long before its end a token is replaced; never more than half its life.
        instruments: globs of unlisted ids that this feed may serve.
        account: whose order events these are, the `<name>` of `<feed>/<name>`; None = order events are ignored.
        order_check_seconds: how often open orders are compared with what REST says; 0 = never.
        max_connections: instead of the vendor's own number, for each transport.
        book_depth: levels a side asked of the vendor; None = its default.
        stale_seconds: how long a topic may be silent before the vendor is looked at beside the stream; 0 = never looked.
        proxy: `http://[user:password@]host:port`, an HTTP CONNECT proxy.
        settle_seconds: how long it must have been live before instruments that prefer it come back to it from another feed.
        client_tokens: lets the vendor's users in with its tokens, each with a private session for orders; None = they are not.
        connect_to: `ip:port` to connect to instead of what the URL's name resolves to; TLS still checks the URL's name.
    """

    dialect: str
    url: str
    transports: tuple[Transport, ...] = (Transport.SSE,)
    websocket_url: str | None = None
    rest_url: str | None = None
    realtime_path: str | None = None
    token: TokenSource | None = None
    token_url: str | None = None
    api_key: str | None = None
    token_auth: str | None = None
    token_body: str | None = None
    tenant_token: str | None = None
    credential_place: str | None = None
    token_refresh_margin_seconds: float = 60
    instruments: tuple[str, ...] = ("*",)
    account: str | None = None
    order_check_seconds: float = 30
    max_connections: int | None = None
    book_depth: int | None = None
    settle_seconds: float = 30
    stale_seconds: float = 30
    proxy: str | None = None
    connect_to: str | None = None
    ca_file: str | None = None
    client_certificate: str | None = None
    client_tokens: ClientTokens | None = None

    def __repr__(self) -> str:
        return f"<FeedSettings {self.dialect} {self.url}>"

    __str__ = __repr__
