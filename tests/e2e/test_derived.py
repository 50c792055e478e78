"""A feed that has trades and a book, and clients that want bars and quotes: what the bridge makes is what they could have made.

The clients also ask for the trades and the book, on the same stream, and compute bars and quotes of them by plain dictionaries.
"""

from datetime import datetime
from decimal import Decimal

import pytest
import trio

from tests.support.readers import TRANSPORTS, Reader, until
from tests.support.stage import bridge, config_of, feed_of, vendor

SPEED = 40
"""A recorded minute is over in a second and a half."""


class Checker(Reader):
    """A reader that computes, event by event, what the next derived ones must say."""

    def __init__(self, topics):
        super().__init__(topics)
        self.minutes = {}
        self.book = {"bids": {}, "asks": {}}
        self.last = None
        self.final = []
        self.opened = 0
        self.quotes = 0
        self.days = 0

    def take(self, event):
        super().take(event)
        check = getattr(self, f"take_{event['type']}", None)
        if check is not None:
            check(event)

    def take_trade(self, event):
        minute = event["ts_event"][:16]
        self.minutes.setdefault(minute, []).append((Decimal(event["price"]), Decimal(event["size"])))
        self.last = event

    def take_bar(self, event):
        minute = datetime.fromisoformat(event["ts_open"]).strftime("%Y-%m-%dT%H:%M")
        prices, sizes = zip(*self.minutes[minute], strict=True)
        told = [Decimal(event[name]) for name in ("open", "high", "low", "close", "volume")]
        assert told == [prices[0], max(prices), min(prices), prices[-1], sum(sizes)]
        assert event["derived"] is True
        assert not event.get("partial") or minute == min(self.minutes), "only the first may have begun before us"
        if event["is_final"]:
            self.final.append(minute)
        else:
            self.opened += 1

    def take_book_snapshot(self, event):
        self.book = {side: dict(event[side]) for side in ("bids", "asks")}

    def take_book_delta(self, event):
        for side in ("bids", "asks"):
            self.book[side].update(dict(event[side]))

    def take_quote(self, event):
        best = {side: [level for level in self.book[side].items() if Decimal(level[1])] for side in self.book}
        assert (event["bid"], event["bid_size"]) == max(best["bids"], key=lambda level: Decimal(level[0]))
        assert (event["ask"], event["ask_size"]) == min(best["asks"], key=lambda level: Decimal(level[0]))
        if self.last is not None:
            assert (event["last"], event["last_size"]) == (self.last["price"], self.last["size"])
        assert event["derived"] is True
        if self.last is not None and "prev_close" in event:
            last = Decimal(event["last"])
            assert Decimal(event["change"]) == last - Decimal(event["prev_close"])
            assert Decimal(event["low"]) <= last <= Decimal(event["high"])
            self.days += 1
        self.quotes += 1

    def enough(self):
        return len(self.final) >= 2 and self.opened > 20 and self.quotes > 20 and self.days > 20


async def test_bars_and_quotes_of_a_feed_that_has_neither_are_what_its_trades_and_book_say():
    topics = "trade:BTC-USD,book:BTC-USD,bar.1m:BTC-USD,quote:BTC-USD"
    checkers = {name: Checker(topics) for name in ("sse", "websocket")}
    async with vendor("liquidity", speed=SPEED) as party:
        config = config_of({"liquidity": feed_of(party, "websocket")})
        async with bridge(config) as running, trio.open_nursery() as nursery:
            for name, checker in checkers.items():
                nursery.start_soon(TRANSPORTS[name], running.urls[0], checker)
            for checker in checkers.values():
                await until(checker.enough, seconds=60)
            nursery.cancel_scope.cancel()
    for checker in checkers.values():
        assert checker.final == sorted(set(checker.final))


@pytest.mark.parametrize("topic", ["bar.1m:BTC-USD", "trade:BTC-USD"])
async def test_what_cannot_be_made_of_what_there_is_is_refused(topic):
    async with vendor("liquidity", speed=1) as party:
        config = config_of({"liquidity": feed_of(party, "polling")})
        async with bridge(config) as running:
            reader = Reader(topic)
            await TRANSPORTS["sse"](running.urls[0], reader)
    assert reader.ended == 404
    assert reader.body["error"]["code"] == "unsupported_topic"
