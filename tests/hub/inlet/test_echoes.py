"""A trade that a vendor says twice is told once; what only looks like it passes."""

from decimal import Decimal

import pytest

from bridge.hub.inlet.echoes import REMEMBERED, Echoes
from bridge.model import FeedName, InstrumentId, Side, Trade, UnixNanos


def trade(trade_id: str | None = "t1", price: str = "10.5", **words: object) -> Trade:
    said = {"instrument": InstrumentId("X"), "feed": FeedName("f"), "ts_recv": UnixNanos(1), "ts_event": UnixNanos(1)}
    return Trade(price=Decimal(price), size=Decimal(2), trade_id=trade_id, **{**said, **words})


def test_the_same_trade_again_is_an_echo_whenever_it_comes():
    echoes = Echoes()
    assert not echoes.hears(trade())
    assert not echoes.hears(trade("t2"))
    assert echoes.hears(trade(ts_recv=UnixNanos(9), possible_duplicate=True))
    assert echoes.count == 1


@pytest.mark.parametrize(
    "other",
    [
        trade(price="10.6"),
        trade("t2"),
        trade(ts_event=UnixNanos(2)),
        trade(aggressor_side=Side.BUY),
        trade(instrument=InstrumentId("Y")),
        trade(feed=FeedName("g")),
    ],
    ids=["price", "id", "time", "side", "instrument", "feed"],
)
def test_what_differs_in_a_word_is_none(other):
    echoes = Echoes()
    echoes.hears(trade())
    assert not echoes.hears(other)


def test_equal_trades_without_ids_are_trades():
    echoes = Echoes()
    for none in (None, ""):
        assert [echoes.hears(trade(none)) for _ in range(3)] == [False] * 3


def test_only_so_many_are_remembered_and_none_of_what_nobody_wants():
    echoes = Echoes()
    for number in range(REMEMBERED + 1):
        echoes.hears(trade(str(number)))
    assert not echoes.hears(trade("0")), "it was forgotten"
    assert echoes.hears(trade(str(REMEMBERED)))
    echoes.forget(FeedName("f"), InstrumentId("X"))
    assert not echoes.hears(trade(str(REMEMBERED)))
