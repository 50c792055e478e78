"""The rules of `[feeds.X.client_tokens]`: tokens can be checked, go to one vendor at most, and grant what nothing else does."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from bridge.config.structs import Config
from bridge.model.account import PRIVATE, is_private
from bridge.upstream.settings import ClientTokens, FeedSettings

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""What may verify an identity provider's signature: public keys alone, since ours is the only shared secret."""


def client_token_rules(config: Config) -> list[str]:
    """Return what is wrong with the feeds' `client_tokens`, one sentence each."""
    visited = {name: feed.client_tokens for name, feed in config.feeds.items() if feed.client_tokens is not None}
    problems = (
        []
        if not visited or config.auth.mode != "none"
        else ['auth.mode = "none" looks at no tokens, client_tokens need "jwt"']
    )
    for name, brought in visited.items():
        where = f"feeds.{name}.client_tokens"
        problems += [f"{where}{problem}" for problem in _problems(config, config.feeds[name], brought)]
    issuers = [brought.issuer for brought in visited.values()]
    for name, brought in visited.items():
        if issuers.count(brought.issuer) > 1:
            problems.append(
                f"feeds.{name}.client_tokens.issuer: each feed with client_tokens needs one of its own, or a token could go "
                "to a vendor whose it is not"
            )
    return problems


def _problems(config: Config, feed: FeedSettings, brought: ClientTokens) -> Iterator[str]:
    for key in ("jwks_url", "check_url"):
        url = getattr(brought, key)
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            yield f".{key}: expected http://host or https://host"
        elif url is not None and urlsplit(feed.url).scheme == "https" != urlsplit(url).scheme:
            yield f".{key}: expected https, as the feed's own url"
    if brought.jwks_url is not None:
        yield from _key_problems(config, brought)
    if brought.issuer is not None and brought.issuer == config.auth.issuer:
        yield ".issuer: is auth.issuer, whose tokens [auth] judges"
    unknown = [name for name in brought.algorithms if name not in ALGORITHMS]
    if unknown:
        yield f".algorithms: no {', '.join(unknown)}; there are {', '.join(sorted(ALGORITHMS))}"


def _key_problems(config: Config, brought: ClientTokens) -> Iterator[str]:
    if not (brought.issuer and brought.audience):
        yield ".jwks_url: needs issuer and audience, or any token of that provider would do"
    if brought.check_url is not None:
        yield ": jwks_url and check_url exclude each other; with keys nobody is asked"
    if brought.jwks_url == config.auth.jwks_url:
        yield ".jwks_url: is auth.jwks_url, whose tokens [auth] judges"


def account_rules(config: Config) -> list[str]:
    """Return a sentence for each account that is written down and may not be: a vendor's user's is granted by nobody."""
    named = [(f"feeds.{name}.account", f"{name}/{feed.account}") for name, feed in config.feeds.items() if feed.account]
    for place, key in enumerate(config.auth.api_keys):
        named += [(f"auth.api_keys[{place}].accounts", account) for account in key.accounts]
    return [
        f"{where}: {account!r} has {PRIVATE!r}, as only accounts of users with a vendor's own token have"
        for where, account in named
        if is_private(account)
    ]
