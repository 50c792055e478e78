"""A vendor's stream goes mute while its TCP connection stays open, over real sockets: clients are told, also of the end."""

import pytest
import trio

from bridge.upstream.standing import freshness
from bridge.upstream.watches import lookout
from tests.support.readers import TRANSPORTS, Reader, until
from tests.support.stage import bridge, config_of, feed_of, vendor


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Its looks are seldom for the vendor's sake; here nobody minds."""
    monkeypatch.setattr(freshness, "FIRST_LOOK_SECONDS", 1.0)
    monkeypatch.setattr(lookout, "GRACE_SECONDS", 0.5)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_stream_that_goes_mute_while_rest_has_news_is_stale_and_live_again_with_its_first_word(transport):
    reader = Reader("book:BTC-USD")
    async with vendor("liquidity", speed=5) as party:
        feed = feed_of(party, transport, stale_seconds=1, rest_url=party.running.urls[0])
        async with bridge(config_of({"liquidity": feed})) as running, trio.open_nursery() as nursery:
            nursery.start_soon(TRANSPORTS["sse"], running.urls[0], reader)
            await until(lambda: len(reader.of("book_delta")) > 5)
            party.proxy.black_hole = True

            def said(status):
                return [
                    event for event in reader.of("feed_status") if event["status"] == status and "instrument" in event
                ]

            await until(lambda: said("stale"), 40)
            (stale,) = said("stale")
            assert stale["instrument"] == "BTC-USD"
            assert "while the vendor has news of it over REST" in stale["reason"]
            place = len(reader.events)
            party.proxy.black_hole = False
            party.proxy.drop()
            await until(lambda: reader.of("feed_status")[-1]["status"] == "live", 60)
            await until(lambda: any(event["type"] == "book_delta" for event in reader.events[place:]), 40)
            kinds = [event["type"] for event in reader.events[place:]]
            assert kinds.index("gap") < kinds.index("book_snapshot") < kinds.index("book_delta")
            nursery.cancel_scope.cancel()
