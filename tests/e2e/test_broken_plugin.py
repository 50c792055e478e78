"""A vendor's plug-in whose decoder breaks takes down its own feed and nothing else: real sockets, a dialect found by its name."""

import importlib
import sys
from itertools import pairwise

import pytest
import structlog
import trio

from bridge import dialects
from bridge.config.structs import Listed
from bridge.model import FeedName, InstrumentId
from tests.support.houses import LoudTape
from tests.support.readers import TRANSPORTS, Reader, until
from tests.support.stage import bridge, config_of, feed_of, vendor

PLUG_IN = '''
"""Liquidity, read by somebody clumsy: its decoder trips over every trade."""

from bridge.dialects.liquidity.dialect import LiquidityDialect


class ClumsyDecoder:
    cursor = None

    def __init__(self, decoder):
        self._decoder = decoder
        self.comment = decoder.comment

    def decode(self, frame):
        if frame.event == "trade":
            raise KeyError("price")
        return self._decoder.decode(frame)


class ClumsyDialect(LiquidityDialect):
    name = "clumsy"

    def decoder(self, asked):
        return ClumsyDecoder(super().decoder(asked))


DIALECT = ClumsyDialect()
'''


@pytest.fixture
def clumsy(tmp_path, monkeypatch):
    """A dialect `clumsy`, installed like any other: a folder where dialects are looked for."""
    (tmp_path / "clumsy").mkdir()
    (tmp_path / "clumsy" / "__init__.py").write_text(PLUG_IN)
    monkeypatch.setattr(dialects, "__path__", [*dialects.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield "clumsy"
    sys.modules.pop("bridge.dialects.clumsy", None)


async def test_a_broken_decoder_takes_down_its_feed_with_the_reason_and_nothing_else(clumsy):
    reader = Reader("trade:BTC-USD,trade:ETH-USD")
    with structlog.testing.capture_logs() as logs, trio.fail_after(60):
        async with vendor("liquidity", tape=LoudTape(["BTC-USD", "ETH-USD"], 3, 20)) as party:
            sound, broken = feed_of(party, "sse"), feed_of(party, "sse", dialect=clumsy)
            config = config_of({"sound": sound, "broken": broken})
            config.instruments.update(
                {
                    InstrumentId("BTC-USD"): Listed(symbols={"liquidity": "BTC"}, feeds=("sound",)),
                    InstrumentId("ETH-USD"): Listed(symbols={clumsy: "ETH"}, feeds=("broken",)),
                }
            )
            async with bridge(config) as running, trio.open_nursery() as nursery:
                nursery.start_soon(TRANSPORTS["sse"], running.urls[0], reader)
                feed = running.feeds[FeedName("broken")]
                await until(lambda: feed.statistics().mistakes >= 3, 30)
                before = len(reader.of("trade"))
                await until(lambda: len(reader.of("trade")) > before + 20)
                statistics = feed.statistics()
                nursery.cancel_scope.cancel()
    assert {trade["instrument"] for trade in reader.of("trade")} == {"BTC-USD"}
    numbers = [int(trade["trade_id"]) for trade in reader.of("trade")]
    assert all(after == before + 1 for before, after in pairwise(numbers))
    told = [event for event in reader.of("feed_status") if event["feed"] == "broken"]
    assert any(event["status"] == "down" and "KeyError" in event["reason"] for event in told)
    assert {event["status"] for event in reader.of("feed_status") if event["feed"] == "sound"} <= {"connecting", "live"}
    assert reader.ended is None
    assert statistics.connects <= statistics.mistakes + 1
    traced = [entry for entry in logs if entry["event"] == "a session broke by a mistake of ours"]
    assert len(traced) == 1
