"""The rules that hold between the keys of a configuration; each broken one is a sentence that names the key."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from bridge.config.client_tokens import ALGORITHMS, account_rules, client_token_rules
from bridge.config.numbers import wrong_numbers
from bridge.config.revocation import revocation_rules
from bridge.config.structs import BrokerSettings, Config
from bridge.dialects.contract import Manner, SymbolTable
from bridge.dialects.loader import dialect_names, load_dialect
from bridge.downstream.settings import AuthSettings, LimitSettings, ListenSettings
from bridge.model import FeedName
from bridge.upstream.settings import FeedSettings

MIN_SECRET_BYTES = 32
"""An HS256 key is no shorter than its hash (RFC 7518, section 3.2)."""


MAX_PADDING_BYTES = 65_536
"""No proxy that we know of holds back more; every write of every event stream has as many."""

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")

_HOST = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]+")
"""A name, an IPv4 address, or an IPv6 one without brackets: as a `Host` is compared."""

_FEED_NAME = re.compile(r"[A-Za-z0-9_-]+")


def broken_rules(config: Config) -> list[str]:
    """Return every rule between keys that the configuration breaks, one sentence each."""
    return [
        *_number_rules(config),
        *_feed_rules(config),
        *_dialect_rules(config),
        *_instrument_rules(config),
        *_auth_rules(config),
        *client_token_rules(config),
        *account_rules(config),
        *_listen_rules(config.listen),
        *_limit_rules(config.limits),
        *_broker_rules(config.broker),
    ]


def _number_rules(config: Config) -> list[str]:
    parts = ("listen", "auth", "limits", "feeds", "dialects")
    return [problem for part in parts for problem in wrong_numbers(getattr(config, part), part)]


def _dialect_rules(config: Config) -> list[str]:
    problems = []
    for name, dialect in config.dialects.items():
        if name not in dialect_names():
            problems.append(f"dialects.{name}: no such dialect; there are {', '.join(dialect_names())}")
        if dialect.sse_refusal not in ("status", "retry"):
            problems.append(f"dialects.{name}.sse_refusal: status or retry, not {dialect.sse_refusal!r}")
    return [*problems, *_manner_rules(config), *_host_rules(config)]


def _manner_rules(config: Config) -> list[str]:
    problems = []
    for name, dialect in config.dialects.items():
        heeded = load_dialect(name).manners if name in dialect_names() else frozenset(Manner.__struct_fields__)
        said = [key for key in Manner.__struct_fields__ if getattr(dialect, key) is not None]
        problems += [f"dialects.{name}.{key}: {name} has nothing of the kind" for key in said if key not in heeded]
        if dialect.timestamp_unit not in (None, "s", "ms"):
            problems.append(f"dialects.{name}.timestamp_unit: s or ms, not {dialect.timestamp_unit!r}")
        path = dialect.realtime_path
        if path is not None and not _PATH.fullmatch(path):
            problems.append(f"dialects.{name}.realtime_path: a path such as /v1/realtime, not {path!r}")
    return problems


def _host_rules(config: Config) -> list[str]:
    problems = []
    owners: dict[str, str] = {}
    for name, dialect in config.dialects.items():
        for host in dialect.hosts:
            if not _HOST.fullmatch(host):
                problems.append(
                    f"dialects.{name}.hosts: {host!r} is no name or address; leave out scheme, port and path"
                )
            owner = owners.setdefault(host.lower(), name)
            if owner != name:
                problems.append(
                    f"dialects.{name}.hosts: {host} is dialects.{owner}'s already; a host selects one dialect"
                )
    return problems


def _feed_rules(config: Config) -> list[str]:
    problems = []
    for name, feed in config.feeds.items():
        where = f"feeds.{name}"
        if not _FEED_NAME.fullmatch(name):
            problems.append(f"{where}: a feed's name has letters, digits, - and _, since accounts are <feed>/<name>")
        if feed.dialect not in dialect_names():
            problems.append(f"{where}.dialect: no dialect {feed.dialect!r}; there are {', '.join(dialect_names())}")
            continue
        profile = load_dialect(feed.dialect).profile
        unknown = [transport.value for transport in feed.transports if transport not in profile.transports]
        problems += [f"{where}.transports: {feed.dialect} has no {transport}" for transport in unknown]
        if not feed.transports:
            problems.append(f"{where}.transports: name at least one of {', '.join(profile.transports)}")
        problems += _url_rules(feed, where) + _credential_rules(feed, where)
    return problems


def _url_rules(feed: FeedSettings, where: str) -> list[str]:
    problems = []
    for key in ("url", "websocket_url", "rest_url", "token_url", "proxy"):
        value = getattr(feed, key)
        allowed = ("ws", "wss") if key == "websocket_url" else ("http",) if key == "proxy" else ("http", "https")
        if value is not None and not _is_url(value, allowed):
            problems.append(f"{where}.{key}: expected {' or '.join(f'{scheme}://host' for scheme in allowed)}")
        elif value is not None and key != "proxy" and "@" in urlsplit(value).netloc:
            problems.append(f"{where}.{key}: a URL is no place for a secret; see token and api_key")
    return problems


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port >= 0)
    except ValueError:  # its port is no port, or its brackets hold no address
        return False


def _credential_rules(feed: FeedSettings, where: str) -> list[str]:
    problems = []
    if feed.token is not None and feed.api_key is not None:
        problems.append(f"{where}: token and api_key exclude each other")
    if (
        feed.token is not None
        and sum(bool(way) for way in (feed.token.file, feed.token.command, feed.token.value)) != 1
    ):
        problems.append(f'{where}.token: one of {{ file = "…" }}, {{ command = ["…"] }} or {{ env = "…" }}')
    if feed.token_auth not in (None, "rapidapi", "bearer"):
        problems.append(f"{where}.token_auth: rapidapi or bearer")
    if feed.credential_place not in (None, "header", "query", "none"):
        problems.append(f"{where}.credential_place: header, query or none")
    return problems


def _instrument_rules(config: Config) -> list[str]:
    problems = []
    for name, listed in config.instruments.items():
        for feed in listed.feeds:
            if feed not in config.feeds:
                problems.append(
                    f'instruments."{name}".feeds: no feed {feed!r}; there are {", ".join(config.feeds) or "none"}'
                )
            elif config.feeds[FeedName(feed)].dialect not in listed.symbols:
                problems.append(
                    f'instruments."{name}": feed {feed} needs a symbol for {config.feeds[FeedName(feed)].dialect}'
                )
    for dialect in dialect_names():
        conflicts = SymbolTable(load_dialect(dialect).spelling, config.aliases(dialect)).conflicts
        problems += [
            f"instruments: two ids with one spelling in {dialect}: {conflict}" for conflict in dict.fromkeys(conflicts)
        ]
    return problems


def _auth_rules(config: Config) -> list[str]:
    problems = []
    auth = config.auth
    visited = any(feed.client_tokens is not None for feed in config.feeds.values())
    if auth.mode not in ("jwt", "none"):
        problems.append(f"auth.mode: jwt or none, not {auth.mode!r}")
    if auth.mode == "jwt" and not (auth.secret is not None or auth.jwks_url or auth.anonymous_topics or visited):
        problems.append(
            'auth: mode "jwt" needs auth.secret (such as { env = "BRIDGE_SECRET" }) or auth.jwks_url; nobody could get in'
        )
    if auth.secret is not None and len(auth.secret.encode()) < MIN_SECRET_BYTES:
        problems.append(f"auth.secret: at least {MIN_SECRET_BYTES} bytes; make one with: openssl rand -hex 32")
    return [*problems, *_provider_rules(auth), *_api_key_rules(auth), *revocation_rules(auth)]


def _provider_rules(auth: AuthSettings) -> list[str]:
    problems = []
    if auth.jwks_url is not None and not _is_url(auth.jwks_url, ("http", "https")):
        problems.append("auth.jwks_url: expected http://host or https://host")
    if auth.jwks_url is not None and not (auth.issuer and auth.audience):
        problems.append("auth.jwks_url: needs auth.issuer and auth.audience, or any token of that provider would do")
    unknown = [name for name in auth.algorithms if name not in ALGORITHMS]
    if unknown:
        problems.append(f"auth.algorithms: no {', '.join(unknown)}; there are {', '.join(sorted(ALGORITHMS))}")
    return problems


def _api_key_rules(auth: AuthSettings) -> list[str]:
    problems = []
    if auth.api_keys and auth.secret is None:
        problems.append("auth.api_keys: minting needs auth.secret")
    for place, key in enumerate(auth.api_keys):
        if (key.key is None) == (key.sha256 is None):
            problems.append(f"auth.api_keys[{place}]: exactly one of key and sha256")
    return problems


def _listen_rules(listen: ListenSettings) -> list[str]:
    problems = []
    if not listen.bind and not listen.tls_bind:
        problems.append("listen: name at least one address in bind or tls_bind")
    if listen.tls_bind and not listen.certificates:
        problems.append("listen.tls_bind: needs listen.certificates")
    problems += _certificate_rules(listen)
    if listen.public_url is not None and not _is_url(listen.public_url, ("http", "https")):
        problems.append("listen.public_url: expected http://host or https://host")
    if listen.default_websocket_dialect not in dialect_names():
        problems.append(f"listen.default_websocket_dialect: one of {', '.join(dialect_names())}")
    if listen.padding_bytes > MAX_PADDING_BYTES:
        problems.append(f"listen.padding_bytes: at most {MAX_PADDING_BYTES}, not {listen.padding_bytes}")
    return problems


def _certificate_rules(listen: ListenSettings) -> list[str]:
    problems = []
    for place, pair in enumerate(listen.certificates):
        for key in ("certificate", "private_key"):
            file = Path(getattr(pair, key))
            if not (file.is_file() and os.access(file, os.R_OK)):
                problems.append(f"listen.certificates[{place}].{key}: cannot read {file}")
    return problems


def _limit_rules(limits: LimitSettings) -> list[str]:
    if limits.slow_trades in ("gap", "goodbye"):
        return []
    return [f"limits.slow_trades: gap or goodbye, not {limits.slow_trades!r}"]


def _broker_rules(broker: BrokerSettings) -> list[str]:
    return (
        []
        if broker.url.startswith("memory:")
        else [f"broker.url: only memory: for now, not {broker.url.split(':')[0]}:"]
    )
