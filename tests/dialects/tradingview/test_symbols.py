"""`EXCHANGE:TICKER`, listed or not; a bare ticker names nothing."""

import pytest

from bridge.dialects.contract import SymbolTable, Transport
from bridge.dialects.tradingview import DIALECT
from bridge.dialects.tradingview.symbols import bar_id, from_client, read_bar_id
from bridge.model import InstrumentId, Interval

TABLE = SymbolTable(DIALECT.spelling, {InstrumentId("BTC-USD"): "COINBASE:BTCUSD"})


@pytest.mark.parametrize("symbol", ["NASDAQ:AAPL", "BINANCE:BTCUSDT.P", "CME_MINI:ES1!", "NSE:M&M", "TVC:A^B"])
def test_an_unlisted_symbol_is_its_own_id(symbol):
    assert TABLE.vendor_symbol(InstrumentId(symbol), Transport.SSE) == symbol
    assert TABLE.instrument(symbol, Transport.WEBSOCKET) == symbol


@pytest.mark.parametrize(
    "symbol", ["AAPL", "BTC-USD2", ":AAPL", "NASDAQ:", "NASDAQ:AA PL", "N:" + "A" * 63, "", "NASDAQ:Ä"]
)
def test_what_is_no_exchange_and_ticker_is_nothing(symbol):
    assert TABLE.vendor_symbol(InstrumentId(symbol), Transport.SSE) is None
    assert TABLE.instrument(symbol, Transport.SSE) is None


def test_a_listed_instrument_has_the_listed_spelling_and_no_other_id_has_it():
    assert TABLE.vendor_symbol(InstrumentId("BTC-USD"), Transport.WEBSOCKET) == "COINBASE:BTCUSD"
    assert TABLE.instrument("COINBASE:BTCUSD", Transport.SSE) == "BTC-USD"
    assert TABLE.vendor_symbol(InstrumentId("COINBASE:BTCUSD"), Transport.SSE) is None


@pytest.mark.parametrize(
    ("text", "instrument"),
    [
        ("NASDAQ:AAPL", "NASDAQ:AAPL"),
        (" NASDAQ-AAPL ", "NASDAQ:AAPL"),
        ("NYSE-BRK-B", "NYSE:BRK-B"),
        ("COINBASE-BTCUSD", "BTC-USD"),
        ("AAPL", None),
        ("", None),
    ],
)
def test_a_client_may_write_a_hyphen_for_the_colon(text, instrument):
    assert from_client(text, TABLE, Transport.SSE) == instrument


@pytest.mark.parametrize("interval", list(Interval))
def test_a_bar_id_says_interval_and_symbol(interval):
    assert read_bar_id(bar_id(interval, "NASDAQ:AAPL")) == (interval, "NASDAQ:AAPL")


@pytest.mark.parametrize("text", ["", "price_btc", "bar.5m", "bar.5m:", "bar.7m:A:B", "quote.5m:A:B", "bar:A:B"])
def test_another_ones_id_is_not_read_as_a_bar_id(text):
    assert read_bar_id(text) is None
