"""The clients that the vendors' pages print, with another base URL, at a bridge before either vendor.

Told is what an upstream itself sends; what the bridge makes of it for those who lack it is tested where it is made.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from bridge.app import TokenGrant, mint
from bridge.config.structs import Listed
from bridge.downstream.settings import ApiKey, AuthSettings
from bridge.model import InstrumentId
from tests.support import printed
from tests.support.commands import free_port
from tests.support.stage import bridge, config_of, feed_of, vendor

PRICE = r"\d+(\.\d+)?"
AUTH = AuthSettings(
    secret="a-secret-of-more-than-32-bytes-for-tests",
    default_topics=("*",),
    anonymous_topics=("quote:*", "book:*", "trade:*"),
    api_keys=(ApiKey(key="the-key", sub="alice"),),
)
TOKEN = TokenGrant(sub="alice", ttl_seconds=600, accounts=("f/demo",))

TABLE = {
    "AAPL": {"liquidity": "AAPL", "tradingview": "NASDAQ:AAPL"},
    "BTC-USD": {
        "liquidity": {"sse": "BTC", "websocket": "BTC-USD", "rest": "BTC"},
        "tradingview": "BINANCE:BTCUSDT",
    },
    "ETH-USD": {"liquidity": {"sse": "ETH", "websocket": "ETH-USD", "rest": "ETH"}, "tradingview": "NYSE:TSLA"},
}
"""Each vendor's spelling of what the pages' clients ask for. That Ether is a share of Tesla is a table's business, not ours."""

QUOTE = rf"AAPL: \${PRICE} \(-?{PRICE}%\)"
BOOK = r"BTC book: [1-9]\d* bids, [1-9]\d* asks"
TRADE = rf"ETH trade: {PRICE} @ \${PRICE}"
ORDER = r"Order \S+ status: [A-Z_]+"
TICKER = (
    "<div>Loading...</div>",
    rf"<div><span>AAPL</span><span>\${PRICE}</span><span (green|red)>-?{PRICE}%</span></div>",
)
LEGACY = (r"BTC-USD book: [1-9]\d* bids, [1-9]\d* asks", rf"AAPL: {PRICE} @ {PRICE}")
STREAM = (
    "SSE connection established",
    r"Connected, streaming: \[ 'NASDAQ:AAPL', 'NYSE:TSLA', 'BINANCE:BTCUSDT' \]",
    *(rf"{symbol}: {PRICE}" for symbol in ("NASDAQ:AAPL", "NYSE:TSLA", "BINANCE:BTCUSDT")),
)

CLIENTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "EventSource": ("liquidity", printed.event_source_client),
    "React hook": ("liquidity", printed.hook),
    "WebSocket class": ("liquidity", printed.websocket_client),
    "quick start": ("tradingview", printed.quick_start),
}
"""Name → whose client it is, and its code."""

CELLS = [
    ("EventSource", "liquidity sse", (QUOTE, BOOK, TRADE, ORDER)),
    ("EventSource", "liquidity websocket", (BOOK, TRADE)),
    ("EventSource", "liquidity polling", (QUOTE, BOOK)),
    ("EventSource", "tradingview sse", (QUOTE,)),
    ("EventSource", "tradingview websocket", (QUOTE,)),
    ("React hook", "liquidity sse", TICKER),
    ("React hook", "liquidity polling", TICKER),
    ("React hook", "tradingview sse", TICKER),
    ("React hook", "tradingview websocket", TICKER),
    ("WebSocket class", "liquidity sse", LEGACY),
    ("WebSocket class", "liquidity websocket", LEGACY),
    ("quick start", "liquidity sse", STREAM),
    ("quick start", "liquidity polling", STREAM),
    ("quick start", "tradingview sse", STREAM),
    ("quick start", "tradingview websocket", STREAM),
]
"""A client, the bridge's upstream, and what it prints there, in any order, of what the upstream itself sends."""

MOST_LINES = 400


def missing_of(patterns: tuple[str, ...], lines: list[str]) -> list[str]:
    return [pattern for pattern in patterns if not any(re.fullmatch(pattern, line) for line in lines)]


def watch(way: str, code: str, patterns: tuple[str, ...], folder: Path, environ: dict[str, str]) -> list[str]:
    """Run a client until it has printed all that is expected; return what it printed."""
    lines: list[str] = []
    with printed.WAYS[way](code, folder, environ) as next_lines:
        while missing_of(patterns, lines) and len(lines) < MOST_LINES:
            more = next_lines(1)
            if not more:
                break
            lines += more
    return lines


NOT_IN_A_PAGE = {
    ORDER: "a browser's EventSource sends no header, and nobody has no orders",
    STREAM[1]: "Chromium logs an array as no more than its type",
}
"""What a client prints under Node alone, and why."""


@pytest.mark.parametrize("way", printed.WAYS)
@pytest.mark.parametrize("cell", [pytest.param(cell, id=" over ".join(cell[:2])) for cell in CELLS])
async def test_a_printed_client_goes_on_working(way, cell, tmp_path, vendor_page):
    client, upstream, patterns = cell
    dialect, code = CLIENTS[client]
    party_name, transport = upstream.split()
    account = {"account": "demo"} if party_name == "liquidity" else {}
    expected = patterns if way == "Node" else tuple(one for one in patterns if one not in NOT_IN_A_PAGE)
    site = f"http://127.0.0.1:{free_port()}"
    async with vendor(party_name) as party:
        config = config_of({"f": feed_of(party, transport, instruments=("*",), **account)}, AUTH)
        listed = {InstrumentId(name): Listed(symbols=symbols) for name, symbols in TABLE.items()}
        listen = msgspec.structs.replace(config.listen, allowed_origins=(site,))
        async with bridge(msgspec.structs.replace(config, instruments=listed, listen=listen)) as running:
            environ = {"BASE": running.urls[0], "TOKEN": mint(AUTH, TOKEN), "KEY": "the-key", "PAGE": site}
            with trio.fail_after(60):
                watching = partial(watch, way, code(vendor_page(dialect)), expected, tmp_path, environ)
                lines = await trio.to_thread.run_sync(watching, abandon_on_cancel=True)
    assert missing_of(expected, lines) == [], lines[:20]
    assert not [line for line in lines if "rror" in line]
