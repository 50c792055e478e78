"""A client that leaves and returns is given all it missed, or is told of the hole: on every transport, with one cursor.

Also what must not be noticed at all: that another client's wish changes what is subscribed upstream.
"""

import json
from collections import Counter

import pytest
import trio

from bridge.model import Trade, rfc3339
from bridge.tape import read_tape
from tests.support.readers import TRANSPORTS, Reader, read_until, until
from tests.support.stage import bridge, config_of, feed_of, vendor
from tests.support.truth import Book, assert_told_in_runs, offset, runs, said

SPEED = 5
TOPICS = "trade:BTC-USD,book:BTC-USD"
names = pytest.mark.parametrize("name", TRANSPORTS)


def back(reader, cursor=None):
    """The same client, come back with its cursor."""
    return Reader(reader.topics, cursor=cursor or reader.cursor)


def has(reader, *kinds):
    return lambda: all(reader.of(kind) for kind in kinds)


def id_of(event):
    return event["trade_id"]


def assert_whole(reader, truth, *, holes=0):
    """Trades are a stretch of what the vendor said, but for so many declared holes; the book never was in doubt."""
    stretches = runs(reader.events, "trade", "trade:BTC-USD")
    assert len(stretches) == holes + 1
    assert_told_in_runs(
        [[id_of(event) for event in run] for run in stretches], said(truth, Trade, lambda t: t.trade_id)
    )
    book = Book("book:BTC-USD")
    for event in reader.events:
        book.take(event)


@names
async def test_only_client_that_returns_after_the_linger_is_told_of_the_hole_from_exactly_its_cursor(name):
    follow = TRANSPORTS[name]
    async with vendor("liquidity", speed=SPEED) as party:
        truth = party.listen("trade:BTC-USD")
        config = config_of({"liquidity": feed_of(party, "sse")}, linger_seconds=0.3)
        async with bridge(config) as running:
            # A poll of a book leases it for longer than this test wants to wait.
            reader = Reader("trade:BTC-USD" if name == "polling" else TOPICS)
            kinds = ["trade"] if name == "polling" else ["trade", "book_snapshot", "book_delta"]
            await read_until(follow, running.urls[0], reader, has(reader, *kinds))
            await until(lambda: not party.connections)
            await trio.sleep(0.5)  # trades that nobody receives
            returned = back(reader)
            await read_until(follow, running.urls[0], returned, has(returned, *kinds))
        vendor_said = truth.take()
    assert returned.verdicts[0] == "reset"
    gap = next(event for event in returned.events if event["type"] == "gap")
    assert (gap["topics"], gap["from"], gap["cause"]) == (["trade:BTC-USD"], reader.cursor, "upstream")
    if name != "polling":
        assert returned.events[0]["id"] == reader.cursor
    together = Reader(TOPICS, events=[*reader.events, *returned.events])
    stretches = [[id_of(event) for event in run] for run in runs(together.events, "trade", "trade:BTC-USD") if run]
    told = said(vendor_said, Trade, lambda trade: trade.trade_id)
    assert len(stretches) == 2
    assert_told_in_runs(stretches, told)
    lost = told[told.index(stretches[0][-1]) + 1 : told.index(stretches[1][0])]
    assert lost, "nothing happened meanwhile, so nothing was shown"
    book = Book("book:BTC-USD")
    assert any(book.take(event) for event in returned.events) == (name != "polling")


@names
async def test_client_that_returns_within_the_linger_has_missed_nothing(name):
    follow = TRANSPORTS[name]
    async with vendor("liquidity", speed=SPEED) as party:
        truth = party.listen("trade:BTC-USD")
        async with bridge(config_of({"liquidity": feed_of(party, "sse")}, linger_seconds=20)) as running:
            reader = Reader(TOPICS)
            await read_until(follow, running.urls[0], reader, has(reader, "trade", "book_delta"))
            await trio.sleep(1)
            returned = back(reader)
            await read_until(follow, running.urls[0], returned, lambda: len(returned.of("trade")) > 20)
        vendor_said = truth.take()
    assert set(returned.verdicts) == {"resumed"}
    assert not returned.of("gap")
    assert_whole(Reader(TOPICS, events=[*reader.events, *returned.events]), vendor_said)


@names
async def test_cursor_of_a_bridge_that_was_restarted_is_answered_by_a_gap_for_each_log_topic(name):
    follow = TRANSPORTS[name]
    topics = "trade:BTC-USD,trade:ETH-USD,book:BTC-USD,quote:BTC-USD"
    async with vendor("liquidity", speed=SPEED) as party:
        config = config_of({"liquidity": feed_of(party, "sse")})
        reader = Reader(topics)
        async with bridge(config) as running:
            await read_until(follow, running.urls[0], reader, has(reader, "trade", "book_delta"))
        returned = back(reader)
        async with bridge(config) as running:
            await read_until(
                follow, running.urls[0], returned, has(returned, "trade", "book_snapshot", "book_delta", "quote")
            )
    assert returned.verdicts[0] == "reset"
    gaps = returned.of("gap")
    own = [gap for gap in gaps if gap["from"] == reader.cursor]
    assert Counter(topic for gap in own for topic in gap["topics"]) == {"trade:BTC-USD": 1, "trade:ETH-USD": 1}
    assert {gap["cause"] for gap in own} == {"history"}
    epoch = gaps[0]["to"].partition("-")[0]
    assert epoch != reader.cursor.partition("-")[0]
    if name != "polling":
        assert returned.events[0]["id"] == f"{epoch}-0"
    book = Book("book:BTC-USD")
    assert [book.take(event) for event in returned.events].count(True) >= 2


async def test_one_cursor_goes_from_transport_to_transport_and_loses_nothing():
    events = []
    async with vendor("liquidity", speed=SPEED) as party:
        truth = party.listen("trade:BTC-USD")
        async with bridge(config_of({"liquidity": feed_of(party, "sse")})) as running:
            cursor = None
            for name in ("sse", "websocket", "polling", "websocket", "polling", "sse"):
                reader = Reader(TOPICS, cursor=cursor)
                await read_until(
                    TRANSPORTS[name], running.urls[0], reader, lambda r=reader: len(r.of("trade")) > 5 and r.cursor
                )
                assert set(reader.verdicts) == {"resumed" if cursor else "fresh"}, name
                cursor, events = reader.cursor, events + reader.events
        vendor_said = truth.take()
    logged = [offset(event["id"]) for event in events if event["type"] == "trade"]
    assert logged == sorted(set(logged))
    assert_whole(Reader(TOPICS, events=events), vendor_said)


def tape_without_ids(path):
    """Trades of three instruments, four to a moment and equal but for their moments, which stand in a second together."""
    rows = []
    for step in range(20_000):
        for instrument in ("BTC-USD", "ETH-USD", "AAPL"):
            row = {"ts": step * 50_000_000, "ts_event": step // 20 * 10**9, "kind": "trade", "instrument": instrument}
            rows += [row | {"price": f"10{step // 7 % 3}.5", "size": "1", "side": "buy"}] * (1 + step % 4 // 3)
    path.write_text("\n".join(map(json.dumps, rows)))
    return read_tape(path)


@pytest.mark.parametrize("has_ids", [True, False], ids=["with ids", "equal, without ids"])
async def test_topics_that_others_add_and_drop_upstream_are_not_noticed(tmp_path, has_ids):
    tape = None if has_ids else tape_without_ids(tmp_path / "tape.jsonl")
    readers = {name: Reader("trade:BTC-USD") for name in TRANSPORTS}
    async with vendor("liquidity", speed=SPEED if has_ids else 1, tape=tape) as party:
        truth = party.listen("trade:BTC-USD")
        config = config_of({"liquidity": feed_of(party, "sse")}, linger_seconds=0.3)
        async with bridge(config) as running, trio.open_nursery() as nursery:
            for name, reader in readers.items():
                nursery.start_soon(TRANSPORTS[name], running.urls[0], reader)
                await until(has(reader, "trade"))
            for topic in ("trade:ETH-USD", "trade:AAPL"):
                other = Reader(topic)
                async with trio.open_nursery() as visit:
                    visit.start_soon(TRANSPORTS["sse"], running.urls[0], other)
                    await until(has(other, "trade"))
                    accepted = (
                        party.proxy.accepted
                    )  # before it leaves: the linger is short, and this machine may be slow
                    visit.cancel_scope.cancel()
                await until(lambda n=accepted: party.proxy.accepted > n)  # it is dropped upstream again
            await until(lambda: party.connections == 1)
            await trio.sleep(2.5)  # the aftermath of the last change
            nursery.cancel_scope.cancel()
            removed = running.feeds["liquidity"].statistics().overlaps_removed
        vendor_said = truth.take()
    assert removed, "there was no overlap"

    def key(trade):
        return trade.trade_id or (str(trade.price), str(trade.size), rfc3339(trade.ts_event))

    told = said(vendor_said, Trade, key)
    for name, reader in readers.items():
        assert not reader.of("gap"), name
        assert [event["status"] for event in reader.of("feed_status")][-1] == "live"
        assert_told_exactly(reader.of("trade"), told, has_ids)


def assert_told_exactly(trades, told, has_ids):
    """All there is from the first to the last one; a doubt is marked, and only where no id decides."""
    sure = [event for event in trades if not event.get("possible_duplicate")]
    if has_ids:
        assert sure == trades
        assert_told_in_runs([[id_of(event) for event in trades]], told)
        return
    assert len(sure) > 0.9 * len(trades)
    assert_told_in_runs(
        [[(event["price"], event["ts_event"]) for event in sure]], [(price, at) for price, _, at in told]
    )
