"""What all streams share, shown with the vendors' dialects: they say books whole, orders unasked, and when a token ends."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.downstream.fanout.batch import SLICE_BYTES
from bridge.model import BookDelta, BookLevel, BookSnapshot, InstrumentId, exact
from tests.support.asgi import FEED, JWT, NOTHING_LEFT, Bench, Client, open_bench, sse, websocket, with_limits
from tests.support.garbage import uncollected


def book(bench: Bench, *bids: str, snapshot: bool = False) -> None:
    make = BookSnapshot if snapshot else BookDelta
    levels = tuple(BookLevel(exact(price), exact("1")) for price in bids)
    event = make(instrument=InstrumentId("BTC"), feed=FEED, ts_recv=bench.clock(), bids=levels, asks=())
    bench.hub.publish(event)


async def test_changes_of_a_book_that_is_said_whole_become_one_when_they_pile_up(autojump_clock):
    async with open_bench(dialect="liquidity") as (bench, nursery):
        bench.cover("book:BTC", "trade:BTC")
        book(bench, "10", snapshot=True)
        client = sse(bench, nursery, "book:BTC,trade:BTC")
        await client.until(lambda: len(client.blocks) > 1)
        await wait_all_tasks_blocked()
        seen = len(client.blocks)
        client.stop_reading()
        bench.trade("1", "BTC")
        await wait_all_tasks_blocked()
        for price in ("11", "12", "13"):
            book(bench, price)
        bench.trade("2", "BTC")
        client.read_on()
        await client.until(lambda: sum(block.get("event") == "trade" for block in client.blocks) == 2)
        new = client.blocks[seen:]
        assert [block["event"] for block in new] == ["trade", "book", "trade"]
        assert [level["price"] for level in new[1]["json"]["bids"]] == [13, 12, 11, 10]


async def test_a_party_that_sends_orders_unasked_does_so_only_to_who_holds_the_account(autojump_clock):
    async with open_bench(auth=JWT, dialect="liquidity", limits=with_limits(subscriptions_per_connection=1)) as (
        bench,
        nursery,
    ):
        bench.cover_orders("lq/acme")
        acme = sse(bench, nursery, "quote:BTC", token=bench.token("a", accounts=("lq/acme",)))
        other = sse(bench, nursery, "quote:BTC", token=bench.token("b", accounts=("lq/other",)))
        none = sse(bench, nursery, "quote:BTC", token=bench.token("c"))
        await wait_all_tasks_blocked()
        assert len(bench.house.connections) == 3, "orders count as nothing, and who holds no account is not refused"
        bench.order("lq/acme", "ord-1")
        await acme.until(lambda: any(block.get("event") == "order" for block in acme.blocks))
        await trio.sleep(1)
        for client in (other, none):
            assert not any(block.get("event") == "order" for block in client.blocks)


async def test_a_client_is_warned_once_before_its_token_ends_where_the_party_has_a_word_for_it(autojump_clock):
    async with open_bench(auth=JWT, dialect="tradingview") as (bench, nursery):
        exchange = bench.exchange("sse", "symbols=NASDAQ:AAPL", token=bench.token(ttl=100))
        client = bench.stream(nursery, exchange)
        await client.until(lambda: client.messages)
        await trio.sleep(39)
        assert client.of("auth_expiring") == []
        await client.done.wait()
        kinds = [message["type"] for message in client.messages]
        assert kinds[0] == "connected"
        assert kinds[-2:] == ["auth_expiring", "auth_expired"]
        assert client.ended
        assert bench.left() == NOTHING_LEFT


async def test_every_stream_of_a_vendors_dialect_ends_with_the_tables_close_code(autojump_clock):
    async with open_bench(auth=JWT, dialect="liquidity") as (bench, nursery):
        client = websocket(bench, nursery, token=bench.token(ttl=5))
        client.say({"type": "subscribe", "channel": "trades", "symbol": "BTC-USD"})
        await wait_all_tasks_blocked()
        bench.cover("trade:BTC-USD")
        bench.trade("1.50")
        await client.until(lambda: client.of("trade"))
        await client.done.wait()
        assert client.closed == (4401, "token_expired")


async def test_a_long_replay_leaves_in_slices_and_a_goodbye_between_them_loses_nothing(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover("trade:BTC-USD")
        first = await sse(bench, nursery, "trade:BTC-USD").opened()
        cursor = first.blocks[-1]["id"]
        for price in range(3_000):
            bench.trade(str(price))
        again = await sse(bench, nursery, "trade:BTC-USD", headers={"last-event-id": cursor}).opened()
        again.stop_reading()
        await wait_all_tasks_blocked()
        bench.house.closing.set()
        await wait_all_tasks_blocked()
        again.read_on()
        await again.done.wait()
        pieces = [message["body"] for message in again.sent if message["type"] == "http.response.body"]
        assert max(map(len, pieces)) < SLICE_BYTES + 1_000
        trades = again.of("trade")
        assert 0 < len(trades) < 3_000
        assert again.of("goaway")[0]["id"] == trades[-1]["id"]


async def test_an_answer_precedes_the_events_it_announces(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover("quote:BTC-USD", "quote:ETH-USD")
        bench.quote("1")
        bench.quote("2", "ETH-USD")
        client = websocket(bench, nursery)
        client.say({"op": "subscribe", "topics": ["quote:BTC-USD"]})
        client.say({"op": "subscribe", "topics": ["quote:ETH-USD"]})
        await client.until(lambda: len(client.of("quote")) == 2)
        kinds = [(message["type"], message.get("instrument")) for message in client.messages]
        assert kinds.index(("ok", None)) < kinds.index(("quote", "BTC-USD"))
        second = [place for place, kind in enumerate(kinds) if kind == ("ok", None)][1]
        assert second < kinds.index(("quote", "ETH-USD"))


@pytest.mark.parametrize("said", [1, 500])
async def test_a_client_that_asks_much_and_reads_nothing_is_bounded(autojump_clock, said):
    limits = with_limits(pending_bytes_per_connection=2_000, write_deadline_seconds=50)
    async with open_bench(limits=limits) as (bench, nursery):
        client = websocket(bench, nursery)
        client.say({"op": "subscribe", "topics": ["quote:X"]})
        await client.until(lambda: client.of("ok"))
        client.stop_reading()
        for number in range(said):
            client.say({"op": "ping", "ref": str(number)})
            await trio.sleep(0.02)
        (shown,) = bench.house.connections.statistics()
        assert shown.pending_bytes < 2_200
        client.read_on()
        await trio.sleep(1)
        assert client.closed == (None if said == 1 else (4408, "slow_consumer"))


async def test_a_mistake_of_ours_ends_the_stream_and_leaves_nothing(autojump_clock, monkeypatch):
    async with open_bench() as (bench, _):
        client = Client()

        async def broken() -> dict:
            raise KeyError("a bug")

        monkeypatch.setattr(client, "receive", broken)
        with pytest.RaisesGroup(KeyError, flatten_subgroups=True):
            async with trio.open_nursery() as inner:
                inner.start_soon(bench._serve, client, bench.exchange("sse", "subscribe=quote:X"), ())
        assert bench.left() == NOTHING_LEFT


async def test_a_connection_is_welcome_once_its_stream_is_open_and_not_when_it_is_refused(autojump_clock):
    async with open_bench() as (bench, nursery):
        assert (await sse(bench, nursery, "trade:BTC-USD").opened()).welcomed
        refused = sse(bench, nursery, "nonsense")
        await refused.done.wait()
        assert refused.refused is not None
        assert not refused.welcomed


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_nothing_of_an_ended_stream_waits_for_a_collection(autojump_clock, transport: str):
    """A collection is a pause for all streams, and a thousand that come back would make it a long one."""
    async with open_bench() as (bench, nursery):
        bench.cover("trade:BTC-USD")
        with uncollected() as left:
            if transport == "sse":
                client = sse(bench, nursery, "trade:BTC-USD")
            else:
                client = websocket(bench, nursery)
                client.say({"op": "subscribe", "topics": ["trade:BTC-USD"]})
            await wait_all_tasks_blocked()
            bench.trade("1")
            await wait_all_tasks_blocked()
            assert client.of("trade")
            client.leave("http.disconnect" if transport == "sse" else "websocket.disconnect")
            await client.done.wait()
            del client
            assert bench.left() == NOTHING_LEFT
            await trio.sleep(60)  # its alarms have rung
    assert [name for name in left if name.startswith("bridge.")] == []
