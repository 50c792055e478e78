"""A real browser's EventSource comes back by itself, over HTTP/1.1 and over HTTP/2, and is told everything once or of the hole.

A page of another origin opens one EventSource and does nothing else. The waits that we tell a browser are seconds long, so that
many do not come at once; here they are shorter.
"""

from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import pytest
import trio
import trustme

from bridge.app import Running
from bridge.downstream import comebacks
from bridge.downstream.guard.h2 import GuardedH2
from bridge.downstream.guard.h11 import GuardedH11
from bridge.downstream.settings import ApiKey, AuthSettings, Certificate, DialectSettings
from bridge.downstream.streams import sse
from bridge.model import Trade
from tests.support.browser import CLOSED, CONNECTING, OPEN, Watched, page_site, watching
from tests.support.faults import End, FaultProxy, fault_proxy
from tests.support.readers import until
from tests.support.stage import Vendor, bridge, client_token, config_of, feed_of, vendor
from tests.support.truth import Book, assert_told_in_runs, runs, said

SPEED = 5
TOPICS = "trade:BTC-USD,book:BTC-USD"
PATIENCE_SECONDS = 60
PROTOCOLS = {"HTTP/1.1": GuardedH11, "HTTP/2": GuardedH2}
AUTH = AuthSettings(
    secret="a-secret-of-more-than-32-bytes-for-tests", default_topics=("*",), api_keys=(ApiKey(key="k", sub="alice"),)
)
protocols = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(sse, "RETRY_MS", 50)
    monkeypatch.setattr(sse, "RETRY_SPREAD_MS", 50)
    monkeypatch.setattr(sse, "REFUSAL_RETRY_MS", 100)
    monkeypatch.setattr(comebacks, "SPREAD_SECONDS", 0.1)


class Stage(NamedTuple):
    """A browser before a bridge.

    Attributes:
        party: the vendor.
        config: the bridge's; may be run again.
        proxy: the network between browser and bridge.
        sources: what the page sees, one for each EventSource.
    """

    party: Vendor
    config: Any
    proxy: FaultProxy
    sources: list[Watched]

    @property
    def watched(self) -> Watched:
        """The first."""
        return self.sources[0]

    def verdicts(self) -> list[str]:
        return self.watched.look().reader.verdicts

    def goes_on(self, streams: int, *more: str) -> bool:
        return goes_on(self.watched, streams, *more)


def goes_on(watched: Watched, streams: int, *more: str) -> bool:
    """Whether a source was opened so often, and has been told trades since then."""
    reader = watched.look().reader
    if len(reader.verdicts) < streams:
        return False
    begun = [place for place, event in enumerate(reader.events) if event["type"] == "stream"][streams - 1]
    return {"trade", *more} <= {event["type"] for event in reader.events[begun:]}


def port_of(running: Running, protocol: str) -> int:
    return int(running.urls[list(PROTOCOLS).index(protocol)].rpartition(":")[2])


@asynccontextmanager
async def staged(protocol, folder, *, auth=None, query="", settings=None, sources=1, **limits):
    """Open a page's EventSources before a bridge that is not up yet; the proxy in between refuses."""
    pem = folder / "chain.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    scheme = {"HTTP/1.1": "http", "HTTP/2": "https"}[protocol]
    async with vendor("liquidity", speed=SPEED) as party, fault_proxy(0) as proxy:
        with page_site() as site:
            config = config_of({"liquidity": feed_of(party, "sse")}, auth, **limits)
            listen = msgspec.structs.replace(
                config.listen,
                tls_bind=("127.0.0.1:0",),
                certificates=(Certificate(certificate=pem, private_key=pem),),
                allowed_origins=(site.url,),
            )
            dialects = {"canonical": settings} if settings else {}
            config = msgspec.structs.replace(config, listen=listen, dialects=dialects)
            proxy.refusing = True
            url = f"{scheme}://127.0.0.1:{proxy.port}/v1/stream?subscribe={TOPICS}{query}"
            with watching(site, [url] * sources, folder) as watched:
                yield Stage(party, config, proxy, watched)


@asynccontextmanager
async def serving(stage, protocol):
    """Run the bridge, and let the browser through to it."""
    async with bridge(stage.config) as running:
        stage.proxy.target_port = port_of(running, protocol)
        stage.proxy.refusing = False
        yield running


def assert_whole(watched, truth):
    """Every trade once, and a book that was never in doubt."""
    reader = watched.look().reader
    (stretch,) = runs(reader.events, "trade", "trade:BTC-USD")
    told = [event["trade_id"] for event in stretch]
    assert_told_in_runs([told], said(truth, Trade, lambda trade: trade.trade_id))
    book = Book("book:BTC-USD")
    assert sum(book.take(event) for event in reader.events)


@protocols
async def test_a_browser_whose_connection_is_cut_resumes_where_it_was(protocol, tmp_path):
    async with staged(protocol, tmp_path) as stage, serving(stage, protocol) as running:
        truth = stage.party.listen("trade:BTC-USD")
        for streams, how in enumerate((End.RST, End.FIN), 1):
            await until(lambda streams=streams: stage.goes_on(streams, "book_snapshot"), PATIENCE_SECONDS)
            (spoken,) = {
                type(found._terms.peer.protocol.protocol) for found in running.house.connections._open.values()
            }
            assert spoken is PROTOCOLS[protocol]
            assert stage.proxy.drop(how)
        await until(lambda: stage.goes_on(3, "book_snapshot"), PATIENCE_SECONDS)
        assert stage.verdicts() == ["fresh", "resumed", "resumed"]
        assert_whole(stage.watched, truth.take())
    assert CLOSED not in stage.watched.states
    assert stage.watched.states[-3:] == [OPEN, CONNECTING, OPEN]


async def test_many_sources_of_a_page_share_one_connection_of_http2_and_all_of_them_come_back(tmp_path):
    """More than the six connections that a browser opens to one host over HTTP/1.1."""
    async with (
        staged("HTTP/2", tmp_path, sources=8, sse_connections_per_user=0) as stage,
        serving(stage, "HTTP/2") as running,
    ):
        truth = stage.party.listen("trade:BTC-USD")
        await until(lambda: all(goes_on(each, 1) for each in stage.sources), PATIENCE_SECONDS)
        assert (len(running.house.connections), stage.proxy.open_connections) == (8, 1)
        stage.proxy.drop()
        await until(lambda: all(goes_on(each, 2) for each in stage.sources), PATIENCE_SECONDS)
        assert stage.proxy.open_connections == 1
        told = truth.take()
    for each in stage.sources:
        assert each.reader.verdicts == ["fresh", "resumed"]
        assert_whole(each, told)


@protocols
async def test_a_browser_that_is_sent_away_after_a_while_resumes_where_it_was(protocol, tmp_path):
    async with staged(protocol, tmp_path, connection_lifetime_seconds=1) as stage, serving(stage, protocol):
        truth = stage.party.listen("trade:BTC-USD")
        await until(lambda: stage.goes_on(4), PATIENCE_SECONDS)
        assert stage.verdicts()[:4] == ["fresh", "resumed", "resumed", "resumed"]
        assert_whole(stage.watched, truth.take())
        goodbyes = stage.watched.reader.of("goaway")
        assert len(goodbyes) >= 3
        assert {goodbye["retry"] for goodbye in goodbyes} <= {"now", "after"}
    assert CLOSED not in stage.watched.states


@protocols
@pytest.mark.parametrize("end", ["stopped in order", "killed"])
async def test_a_browser_comes_back_to_a_bridge_that_began_anew_and_is_told_of_the_hole(protocol, end, tmp_path):
    async with staged(protocol, tmp_path) as stage:
        truth = stage.party.listen("trade:BTC-USD")
        async with serving(stage, protocol) as running:
            await until(lambda: stage.goes_on(1, "book_snapshot"), PATIENCE_SECONDS)
            if end == "stopped in order":
                running.closing.set()
                with trio.fail_after(PATIENCE_SECONDS):
                    await running.closed.wait()
        stage.proxy.refusing = True
        stage.proxy.drop()
        seen = len(stage.watched.look().states)
        await until(lambda: len(stage.watched.look().states) > seen + 1, PATIENCE_SECONDS)  # it tries in vain
        async with serving(stage, protocol):
            await until(lambda: stage.goes_on(2, "book_snapshot"), PATIENCE_SECONDS)
        watched = stage.watched.look()
        told = truth.take()
    assert watched.reader.verdicts == ["fresh", "reset"]
    assert len(watched.reader.of("goaway")) == (end == "stopped in order")
    (hole,) = [
        gap for gap in watched.reader.of("gap") if "trade:BTC-USD" in gap["topics"] and gap["cause"] == "history"
    ]
    assert hole["from"] == watched.before[1]
    events = watched.reader.events
    split = events.index(hole)
    stretches = [
        [event["trade_id"] for event in part if event["type"] == "trade"] for part in (events[:split], events[split:])
    ]
    assert all(stretches)
    assert_told_in_runs(stretches, said(told, Trade, lambda trade: trade.trade_id))
    book = Book("book:BTC-USD")
    assert sum(book.take(event) for event in events[split:])
    assert CLOSED not in watched.states


@protocols
@pytest.mark.parametrize("refusal", ["status", "retry"])
async def test_a_browser_that_is_refused_gives_up_for_ever_unless_refusals_are_spelled_for_it(
    protocol, refusal, tmp_path
):
    """A token of nobody: 401. As `status` that is the end; as `retry` it comes again and again."""
    nobody = {"auth": AUTH, "query": "&token=nobodys", "settings": DialectSettings(sse_refusal=refusal)}
    async with staged(protocol, tmp_path, **nobody) as stage, serving(stage, protocol):
        if refusal == "status":
            await until(lambda: CLOSED in stage.watched.look().states, PATIENCE_SECONDS)
        else:
            await until(lambda: stage.watched.look().states.count(OPEN) >= 3, PATIENCE_SECONDS)
    states = stage.watched.look().states
    assert not stage.verdicts(), "it was let in"
    if refusal == "status":
        assert states[-1] == CLOSED
        assert OPEN not in states
    else:
        assert CLOSED not in states


@protocols
@pytest.mark.parametrize("refusal", ["status", "retry"])
async def test_a_browser_before_a_full_house_gets_in_later_only_if_refusals_are_spelled_for_it(
    protocol, refusal, tmp_path
):
    """One stream for each user, and it is taken: 429."""
    query = f"&token={client_token(AUTH, 600)}"
    alice = {"auth": AUTH, "query": query, "settings": DialectSettings(sse_refusal=refusal)}
    async with (
        staged(protocol, tmp_path, **alice, sse_connections_per_user=1) as stage,
        bridge(stage.config) as running,
    ):
        seat = await taken(running, query)
        stage.proxy.target_port = port_of(running, protocol)
        stage.proxy.refusing = False
        if refusal == "status":
            await until(lambda: CLOSED in stage.watched.look().states, PATIENCE_SECONDS)
            await seat.aclose()
            assert not stage.verdicts()
        else:
            await until(lambda: stage.watched.look().states.count(OPEN) >= 2, PATIENCE_SECONDS)
            assert not stage.verdicts()
            await seat.aclose()
            await until(lambda: stage.goes_on(1), PATIENCE_SECONDS)
            assert CLOSED not in stage.watched.states


async def taken(running, query):
    """Open a stream on a bare socket, and return it when it has begun."""
    seat = await trio.open_tcp_stream("127.0.0.1", port_of(running, "HTTP/1.1"))
    await seat.send_all(f"GET /v1/stream?subscribe={TOPICS}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    with trio.fail_after(PATIENCE_SECONDS):
        assert (await seat.receive_some()).startswith(b"HTTP/1.1 200")
    return seat
