"""Lets vendors' users in: puts each feed's `client_tokens` between the door, the vendor, and the private feeds of its users."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import msgspec

from bridge.clock import wall_clock
from bridge.config import Config
from bridge.dialects.contract import Answer, Question, SymbolTable
from bridge.dialects.loader import load_dialect
from bridge.downstream.access.admission import Gate
from bridge.downstream.access.jwks import JwksCache
from bridge.downstream.access.vouching import Vouchers
from bridge.downstream.contract import House, Show, Voucher
from bridge.downstream.readiness import Readiness
from bridge.downstream.settings import AuthSettings
from bridge.model import FeedName
from bridge.model.account import is_private
from bridge.upstream.feed import FeedTools
from bridge.upstream.network.http import plain_client
from bridge.upstream.network.route import read_route
from bridge.upstream.settings import ClientTokens, FeedSettings
from bridge.upstream.visitors import Visited, Visitors, VisitorTools, order_transport
from bridge.upstream.vouching import Vouching


class Visiting(msgspec.Struct, frozen=True):
    """A feed whose vendor's users are let in.

    Attributes:
        vouching: asks the vendor about a token, where there are no keys.
    """

    feed: FeedName
    settings: FeedSettings
    vouching: Vouching


def has_private_feeds(settings: FeedSettings) -> bool:
    """Whether a feed's vendor has orders for users who bring its tokens."""
    return (
        settings.client_tokens is not None
        and order_transport(load_dialect(settings.dialect), settings.transports) is not None
    )


def make_visitors(
    config: Config,
    symbols: Callable[[str], SymbolTable],
    feed_tools: Callable[[FeedName], FeedTools],
    retire: Callable[[FeedName], None],
) -> Visitors:
    """Return the private feeds of a bridge.

    Args:
        config: which feeds may be visited.
        symbols: the symbols of a dialect.
        feed_tools: what a feed of some name is handed.
        retire: is told the name of a private feed that is over.
    """
    visited = {
        name: Visited(settings, load_dialect(settings.dialect), symbols(settings.dialect))
        for name, settings in config.feeds.items()
        if settings.client_tokens is not None
    }
    tools = VisitorTools(
        feed_tools=feed_tools, retire=retire, clock=wall_clock, linger_seconds=config.limits.linger_seconds
    )
    return Visitors(visited, tools)


def with_visitors(house: House, visitors: Visitors, visiting: list[Visiting]) -> House:
    """Return a house that lets vendors' users in, and asks their private feeds for their orders."""
    if not visiting:
        return house

    def ask(name: FeedName, question: Question, deadline_seconds: float) -> Awaitable[Answer]:
        asked = visitors.ask if is_private(name) else house.ask
        return asked(name, question, deadline_seconds)

    vouchers = [_voucher(one, house.auth, visitors.show) for one in visiting]
    gate = Gate(house.auth, wall_clock, vouchers=Vouchers(vouchers, wall_clock))
    return replace(house, ask=ask, admission=gate, readiness=lambda: _with_problems(house.readiness(), visiting))


def _with_problems(readiness: Readiness, visiting: list[Visiting]) -> Readiness:
    """Say of a feed that is well why its vendor's users are not let in."""
    problems = {one.feed: one.vouching.statistics().problem for one in visiting}
    feeds = tuple(
        msgspec.structs.replace(one, reason=one.reason or (f"client_tokens: {problem}" if problem else None))
        for one in readiness.feeds
        for problem in (problems.get(one.feed),)
    )
    return msgspec.structs.replace(readiness, feeds=feeds)


def _voucher(one: Visiting, auth: AuthSettings, show: Show) -> Voucher:
    brought = one.settings.client_tokens or ClientTokens()
    keys = None
    if brought.jwks_url is not None:
        keys = JwksCache(brought.jwks_url, partial(plain_client, read_route(one.settings)))
    return Voucher(
        feed=one.feed,
        rules=AuthSettings(issuer=brought.issuer, audience=brought.audience, algorithms=brought.algorithms),
        place=brought.jwks_url or one.settings.url,
        subject=load_dialect(one.settings.dialect).profile.subject_claim,
        topics=auth.default_topics if brought.topics is None else brought.topics,
        takes=one.vouching.takes,
        show=show,
        keys=keys,
    )
