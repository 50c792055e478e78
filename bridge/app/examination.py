"""Looks at a valid configuration as the server and the feeds would, without opening or connecting anything.

`check` and `serve` both ask here, so that what the one accepts the other can run.
"""

from collections.abc import Iterator
from pathlib import Path

from bridge.app.ourselves import circles
from bridge.app.plaintext import plain_places
from bridge.app.visiting import has_private_feeds
from bridge.config import Config
from bridge.dialects.contract import Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.door.binds import bind_problems, parse_bind
from bridge.downstream.door.certificates import read_certificates
from bridge.errors import ConfigError
from bridge.model import InstrumentId, Interval, Topic, TopicKind
from bridge.upstream.derivable import sources_of
from bridge.upstream.network.route import read_route
from bridge.upstream.settings import FeedSettings

_LADDER_KINDS = (TopicKind.QUOTE, TopicKind.TRADE, TopicKind.BOOK)


def examine(config: Config) -> list[str]:
    """Return what an operator should know of a configuration that is valid so far, one sentence each.

    Raises:
        ConfigError: what only the server and the feeds know to be wrong with it: addresses, certificates, proxies, and
            feeds that would read this bridge itself.
    """
    problems = [*bind_problems(config.listen, config.auth), *_unusable(config)]
    if problems:
        raise ConfigError(*problems)
    found = [
        f"feeds.{name}.transports: over {transport}, when it is used, there is no {' and no '.join(missing)}"
        for name, feed in config.feeds.items()
        for transport, missing in _lacking(feed)
    ]
    found += [
        f"feeds.{name}.token.file: there is no {feed.token.file} yet; the feed stays down until there is"
        for name, feed in config.feeds.items()
        if feed.token is not None and feed.token.file is not None and not Path(feed.token.file).exists()
    ]
    found += [*_of_client_tokens(config), *plain_places(config)]
    if not config.feeds:
        found.append("feeds: none is configured, so every topic is unknown")
    if config.auth.mode == "jwt" and not config.auth.default_topics and not config.auth.anonymous_topics:
        found.append(
            "auth.default_topics is empty, so a token without a feedbridge.topics claim may subscribe to nothing"
        )
    return found


def _of_client_tokens(config: Config) -> list[str]:
    found = []
    for name, feed in config.feeds.items():
        if feed.client_tokens is None:
            continue
        if not has_private_feeds(feed):
            found.append(
                f"feeds.{name}.client_tokens: none of its transports brings orders, so its users see market data only"
            )
        if feed.client_tokens.topics is None and not config.auth.default_topics:
            found.append(
                f"feeds.{name}.client_tokens.topics and auth.default_topics are empty, so its users see their orders only"
            )
    return found


def _lacking(feed: FeedSettings) -> Iterator[tuple[Transport, list[str]]]:
    """Return what each transport further down has not, though the preferred one has; what can be derived is not missing."""
    dialect = load_dialect(feed.dialect)
    asked = [Topic(kind, InstrumentId("X")) for kind in _LADDER_KINDS]
    asked.append(Topic(TopicKind.BAR, InstrumentId("X"), interval=Interval.M5))

    def served(transport: Transport) -> set[Topic]:
        return {one for one in asked if sources_of(one, lambda part: dialect.lane(part, transport) is not None)}

    for transport in feed.transports[1:]:
        lost = served(feed.transports[0]) - served(transport)
        if lost:
            yield transport, [topic.kind.value for topic in asked if topic in lost]


def _unusable(config: Config) -> list[str]:
    """Look at what a running bridge would open, so that `check` and `serve` say the same."""
    problems = []
    try:
        parse_bind(config.listen.admin_bind)
    except ValueError as error:
        problems.append(f"listen.admin_bind: {error}")
    if config.listen.tls_bind:
        try:
            read_certificates(config.listen.certificates)
        except ConfigError as error:
            problems += error.problems
    for name, feed in config.feeds.items():
        try:
            read_route(feed)
        except ConfigError as error:
            problems += [f"feeds.{name}.{problem}" for problem in error.problems]
    return problems + circles(config)
