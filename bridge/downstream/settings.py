"""What an operator may say of the way out: `[listen]`, `[auth]`, `[limits]` and `[dialects.<name>]`."""

import msgspec


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A certificate chain and its key, as paths of PEM files."""

    certificate: str
    private_key: str


class ListenSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where we listen.

    Attributes:
        bind: `host:port`, plain: HTTP/1.1, HTTP/2 by prior knowledge, WebSocket. Port 0 = any free one.
        tls_bind: the same with TLS and ALPN.
        certificates: for `tls_bind`, by SNI; the first is the default.
        public_url: what a client should use, for URLs that we tell; None = derived from the request.
        trusted_proxies: addresses or networks whose `Forwarded` and `X-Forwarded-*` are believed.
        allowed_origins: `scheme://host[:port]` of pages that may use us from a browser.
        allowed_hosts: names, beside localhost and IP literals, that a `Host` may have with `auth.mode = "none"`.
        default_websocket_dialect: who answers on `/ws` when no host decides.
        padding_bytes: of a comment that follows each write of an event stream, for proxies that hold back what is short;
            0 = none.
        admin_bind: one address for metrics and admin.
        allow_anonymous: lets `auth.mode = "none"` listen beyond loopback.
    """

    bind: tuple[str, ...] = ("127.0.0.1:8080",)
    tls_bind: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    default_websocket_dialect: str = "liquidity"
    padding_bytes: int = 0
    admin_bind: str = "127.0.0.1:8081"
    allow_anonymous: bool = False


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that mints tokens at `POST /api/token/generate`. Either `key` or `sha256` (hex).

    Attributes:
        topics: globs the minted token grants; None = `auth.default_topics`.
    """

    sub: str
    key: str | None = None
    sha256: str | None = None
    ttl_seconds: float = 1800
    topics: tuple[str, ...] | None = None
    accounts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<ApiKey {self.sub}>"

    __str__ = __repr__


class Revoked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token, or all of a user's, that counts no more. Either `jti` or `sub`.

    Attributes:
        jti: the token's own id.
        sub: whose tokens.
        iss: of `sub`: only those that this issuer made; None = whoever made them.
        issued_before: of `sub`: only those issued (`iat`) before this moment, or that do not say when; RFC 3339. None = all.
    """

    jti: str | None = None
    sub: str | None = None
    iss: str | None = None
    issued_before: str | None = None


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets in.

    Attributes:
        mode: `jwt` or `none`.
        secret: HS256; signs what we mint.
        jwks_url: keys of an identity provider; `issuer` and `audience` are then mandatory.
        algorithms: accepted for keys of `jwks_url`.
        max_ttl_seconds: how far away `exp` may be at most.
        default_topics: globs granted to a token whose claim names no topics.
        anonymous_topics: globs granted to a peer without a token in mode `jwt`.
        revoked: tokens that count no more although they have not ended.
    """

    mode: str = "jwt"
    secret: str | None = None
    jwks_url: str | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    issuer: str | None = None
    audience: str | None = None
    max_ttl_seconds: float = 86_400
    default_topics: tuple[str, ...] = ()
    anonymous_topics: tuple[str, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    revoked: tuple[Revoked, ...] = ()

    def __repr__(self) -> str:
        return f"<AuthSettings {self.mode}>"

    __str__ = __repr__


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every bound, with its unit in the name; 0 = unlimited for counts.

    Attributes:
        inbound_messages_burst: how many messages of a WebSocket client may come at once; 0 = as many as a second's.
        connections_per_address: an IPv6 address counts as its /64; a trusted proxy's not at all, here and in the next.
        arrivals_per_address_per_second: new connections from one address, and requests that are answered 4xx; those of ten
            seconds, or as many as it may have open, may come at once.
        connections: in all, as far as the process may open files (256 are kept for what is ours).
        linger_seconds: how long an upstream subscription outlives its last subscriber: a page reload should not cost one.
        heartbeat_seconds: how often a quiet stream says that it lives, where its party has no habit of its own; below the 30 to
            60 s after which proxies give up.
        unready_seconds: how long a bridge that is to stop goes on as ever, but for `/readyz`, so that balancers turn to others.
        drain_seconds: how long it then lets its streams say goodbye.
        connection_lifetime_seconds: after how long a stream is told to come back, each a little earlier; 0 = never.
        write_deadline_seconds: how long one write may wait for a peer that does not read.
        pending_bytes_per_connection: what may wait for a slow client; kernel buffers come on top.
        slow_trades: what becomes of trades past that: `gap` (declared missing, and on from the newest) or `goodbye`.
        history_events: kept per topic, likewise `history_bytes` and `history_seconds`: what resume and polling can go back to.
        instruments: distinct unlisted instruments remembered at once.
    """

    sse_connections_per_user: int = 5
    websocket_connections_per_user: int = 5
    subscriptions_per_connection: int = 50
    inbound_messages_per_second: float = 100
    inbound_messages_burst: int = 0
    polls_per_user: int = 5
    connections_per_address: int = 1_000
    arrivals_per_address_per_second: float = 100
    connections: int = 20_000
    linger_seconds: float = 30
    heartbeat_seconds: float = 15
    unready_seconds: float = 0
    drain_seconds: float = 10
    connection_lifetime_seconds: float = 0
    write_deadline_seconds: float = 10
    pending_bytes_per_connection: int = 8_388_608
    slow_trades: str = "gap"
    history_events: int = 10_000
    history_bytes: int = 8_388_608
    history_seconds: float = 900
    instruments: int = 10_000


class DialectLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits on one dialect's endpoints; None = as `[limits]`."""

    sse_connections_per_user: int | None = None
    websocket_connections_per_user: int | None = None
    subscriptions_per_connection: int | None = None
    inbound_messages_per_second: float | None = None
    inbound_messages_burst: int | None = None


class DialectSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[dialects.<name>]`: how we answer as this party.

    Attributes:
        hosts: `Host` values that select it.
        sse_refusal: `status`, or `retry` (200, `retry: 15000`, end) for EventSource clients that never come back.
        heartbeat_seconds: instead of the party's own.
        realtime_path: where its event stream stands, instead of its documents' place; this and the next are members of
            `dialects.contract.Manner`, which not every dialect heeds.
        named_events: whether the messages of an event stream have a name beside the `type` in their data.
        timestamp_unit: of the times that its messages have: `s` or `ms`.
        orders_by_asset: whether a stream tells only the orders of what it subscribes to.
    """

    hosts: tuple[str, ...] = ()
    limits: DialectLimits = DialectLimits()
    sse_refusal: str = "status"
    heartbeat_seconds: float | None = None
    realtime_path: str | None = None
    named_events: bool | None = None
    timestamp_unit: str | None = None
    orders_by_asset: bool | None = None
