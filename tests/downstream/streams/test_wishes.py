"""`conflate` and `max_rate` as clients of both transports see them, in virtual time."""

import trio

from tests.support.asgi import Bench, Client, open_bench, sse, websocket, with_limits

QUOTE, TRADE = "quote:BTC-USD", "trade:BTC-USD"


def bids(client: Client) -> list[str]:
    return [quote["bid"] for quote in client.of("quote")]


def ids(client: Client) -> list[int]:
    return [int(message["id"].partition("-")[2]) for message in client.messages if message["type"] != "ok"]


def burst(bench: Bench, *prices: int) -> None:
    for price in prices:
        bench.quote(str(price))
        bench.trade(str(price))


async def test_a_stream_says_the_wishes_in_force_and_no_others(autojump_clock):
    async with open_bench() as (bench, nursery):
        plain = await sse(bench, nursery, QUOTE).opened()
        wished = await sse(bench, nursery, f"{QUOTE}&conflate=true&max_rate=2.5").opened()
        fast = await sse(bench, nursery, f"{QUOTE}&max_rate=100000&conflate=false").opened()
        assert not plain.of("stream")[0].keys() & {"conflate", "max_rate"}
        assert (wished.of("stream")[0]["conflate"], wished.of("stream")[0]["max_rate"]) == (True, 2.5)
        assert fast.of("stream")[0]["max_rate"] == 1_000, "what the server really does"
        assert "conflate" not in fast.of("stream")[0]


async def test_who_wished_conflation_gets_the_newest_quote_and_every_trade_of_a_burst(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover(QUOTE, TRADE)
        plain = await sse(bench, nursery, f"{QUOTE},{TRADE}").opened()
        wished = await sse(bench, nursery, f"{QUOTE},{TRADE}&conflate=true").opened()
        burst(bench, 1, 2, 3)
        await wished.until(lambda: len(wished.of("trade")) == 3)
        await plain.until(lambda: len(plain.of("trade")) == 3)
        assert bids(plain) == ["1", "2", "3"]
        assert bids(wished) == ["3"]
        assert wished.of("quote")[0]["conflated"] is True
        assert "conflated" not in plain.of("quote")[0]
        assert ids(wished) == sorted(ids(wished))


async def test_a_quote_leaves_no_oftener_than_wished_and_trades_at_once(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover(QUOTE, TRADE)
        client = await sse(bench, nursery, f"{QUOTE},{TRADE}&max_rate=1").opened()
        for price in range(100):
            burst(bench, price)
            await trio.sleep(0.1)
            assert len(client.of("trade")) == price + 1
        assert 9 <= len(client.of("quote")) <= 11
        await trio.sleep(1.5)
        assert bids(client)[-1] == "99"
        assert ids(client) == sorted(ids(client))


async def test_what_was_held_back_when_the_feed_was_lost_is_not_shown_as_live(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover(QUOTE)
        client = await sse(bench, nursery, f"{QUOTE}&max_rate=0.1").opened()
        burst(bench, 1)
        await client.until(lambda: bids(client) == ["1"])
        burst(bench, 2)
        bench.uncover(QUOTE)
        await trio.sleep(20)
        assert bids(client) == ["1"]


async def test_a_websocket_changes_its_wishes_by_a_subscribe_that_has_nothing_new(autojump_clock):
    async with open_bench() as (bench, nursery):
        bench.cover(QUOTE, TRADE)
        client = websocket(bench, nursery)
        client.say({"op": "subscribe", "topics": [QUOTE, TRADE]})
        await client.until(lambda: client.of("ok"))
        assert not client.of("ok")[0].keys() & {"conflate", "max_rate"}
        burst(bench, 1, 2)
        await client.until(lambda: bids(client) == ["1", "2"])
        client.say({"op": "subscribe", "topics": [QUOTE], "conflate": True, "max_rate": 2, "ref": "a"})
        await client.until(lambda: len(client.of("ok")) == 2)
        assert {"conflate": True, "max_rate": 2, "ref": "a"}.items() <= client.of("ok")[1].items()
        burst(bench, 3, 4)
        await client.until(lambda: len(client.of("trade")) == 4)
        burst(bench, 5)
        await client.until(lambda: len(client.of("trade")) == 5)
        assert bids(client) == ["1", "2", "4"]
        client.say({"op": "subscribe", "conflate": False, "max_rate": 0})
        await client.until(lambda: len(client.of("ok")) == 3)
        assert (client.of("ok")[2]["conflate"], client.of("ok")[2]["max_rate"]) == (False, 0)
        await client.until(lambda: bids(client)[-1] == "5")
        burst(bench, 6, 7)
        await client.until(lambda: bids(client)[-2:] == ["6", "7"])


async def test_a_websocket_may_wish_in_its_first_subscribe(autojump_clock):
    async with open_bench() as (bench, nursery):
        client = websocket(bench, nursery)
        client.say({"op": "subscribe", "topics": [QUOTE], "conflate": True})
        await client.until(lambda: client.of("ok"))
        assert client.of("stream")[0]["conflate"] is True


async def test_who_stops_reading_is_told_which_trades_it_missed_and_goes_on_from_the_newest(autojump_clock):
    limits = with_limits(pending_bytes_per_connection=10_000, write_deadline_seconds=100)
    async with open_bench(limits=limits) as (bench, nursery):
        bench.cover(QUOTE, TRADE)
        client = await sse(bench, nursery, f"{QUOTE},{TRADE}").opened()
        burst(bench, 0)
        await client.until(lambda: client.of("trade"))
        client.stop_reading()
        await trio.sleep(0.1)
        for price in range(1, 201):
            burst(bench, price)
            await trio.sleep(0.01)
        (shown,) = bench.house.connections.statistics()
        assert shown.bound_bytes == 10_000
        assert shown.pending_bytes <= 12_000
        assert shown.lag.conflated > 150
        client.read_on()
        await client.until(lambda: bids(client)[-1] == "200")
        burst(bench, 201)
        await client.until(lambda: client.of("trade")[-1]["price"] == "201")
        (gap,) = client.of("gap")
        prices = [int(trade["price"]) for trade in client.of("trade")]
        missing = sorted(set(range(202)) - set(prices))
        assert prices == sorted(prices)
        assert missing == list(range(missing[0], 201))
        assert (gap["cause"], gap["missed"], gap["topics"]) == ("slow_consumer", len(missing), [TRADE])
        place = client.messages.index(gap)
        assert gap["id"] == gap["from"] == client.messages[place - 1]["id"]
        assert client.of("goaway") == []
        (shown,) = bench.house.connections.statistics()
        assert (shown.lag.gaps, shown.lag.missed) == (1, len(missing))
        again = sse(bench, nursery, TRADE, headers={"last-event-id": gap["from"]})
        await again.until(lambda: again.of("trade") and again.of("trade")[-1]["price"] == "201")
        assert [int(trade["price"]) for trade in again.of("trade")] == [*missing, 201]


async def test_a_dialect_without_a_word_for_a_gap_ends_the_stream_instead(autojump_clock):
    limits = with_limits(pending_bytes_per_connection=5_000, write_deadline_seconds=100)
    async with open_bench(limits=limits, dialect="liquidity") as (bench, nursery):
        bench.cover(TRADE)
        client = bench.stream(nursery, bench.exchange("sse", "subscribe=trade:BTC-USD"))
        await trio.sleep(0.1)
        client.stop_reading()
        for price in range(200):
            bench.trade(str(price))
            await trio.sleep(0.01)
        client.read_on()
        with trio.fail_after(200):
            await client.done.wait()
        assert client.ended
