"""Puts the line-ups between feeds, hub and endpoints: for the instruments that name several feeds, or could."""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace

import msgspec

from bridge.clock import wall_clock
from bridge.config import Config
from bridge.dialects.contract import Answer, Question, Transport
from bridge.downstream.contract import House
from bridge.downstream.readiness import FeedReadiness, Readiness
from bridge.hub.hub import Hub
from bridge.hub.lineups.lineups import Lineups
from bridge.hub.lineups.tap import Tap
from bridge.model import FeedHealth, FeedName
from bridge.upstream.arbiter import Arbiter
from bridge.upstream.contract import Feed
from bridge.upstream.feed import FeedTools


def line_up(hub: Hub, config: Config) -> Lineups:
    """Return the line-ups of a bridge, with a tap for every feed that shares an instrument with another."""
    listed = [config.feeds_of(instrument) for instrument in config.instruments]
    shared = dict.fromkeys(name for names in listed if len(names) > 1 for name in names)
    return Lineups(hub, wall_clock, {name: config.feeds[name].settle_seconds for name in shared})


def tapped(tools: FeedTools, tap: Tap | None) -> FeedTools:
    """Return what a feed is handed: of one in a line-up, the tap's instead of the hub's."""
    return tools if tap is None else msgspec.structs.replace(tools, publish=tap.publish, interest=tap)


def readiness_of(feeds: Mapping[FeedName, Feed]) -> Readiness:
    """Ready when no feed that is wanted is down; with nothing wanted yet, ready."""
    seen = []
    for name, feed in feeds.items():
        now = feed.statistics()
        seen.append(FeedReadiness(feed=name, status=now.status, wanted=now.wanted > 0, reason=now.reason))
    return Readiness(ready=not any(one.wanted and one.status == FeedHealth.DOWN for one in seen), feeds=tuple(seen))


def with_lineups(house: House, lineups: Lineups) -> House:
    """Return a house that asks the feed that serves, and that is ready while another serves for one that is down."""

    def ask(name: FeedName, question: Question, deadline_seconds: float) -> Awaitable[Answer]:
        return house.ask(lineups.serving(name, question.instrument), question, deadline_seconds)

    def via(names: Iterable[FeedName]) -> tuple[str, ...]:
        return house.via(feed for name in names for feed in lineups.behind(name))

    return replace(house, ask=ask, via=via, readiness=lambda: _spared(house.readiness(), lineups))


def _spared(readiness: Readiness, lineups: Lineups) -> Readiness:
    feeds = tuple(
        one if lineups.tap(one.feed) is None else msgspec.structs.replace(one, wanted=lineups.needs(one.feed))
        for one in readiness.feeds
    )
    return Readiness(ready=not any(one.wanted and one.status == FeedHealth.DOWN for one in feeds), feeds=feeds)


def follow(hub: Hub, arbiter: Arbiter, feed: FeedName, transport: Transport) -> None:
    """Let what is made of a feed's data be made of what it has over the transport that it uses now."""
    arbiter.moved(feed, transport)
    hub.look_again(feed)
