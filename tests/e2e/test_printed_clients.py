"""The clients that the vendors' pages print, with another base URL, at a bridge before either vendor, over each transport."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import trio

from bridge.app import TokenGrant, mint
from bridge.config.structs import Listed
from bridge.downstream.settings import ApiKey, AuthSettings
from bridge.model import InstrumentId
from tests.support import printed
from tests.support.commands import ROOT, free_port
from tests.support.stage import bridge, config_of, feed_of, vendor

PRICE = r"\d+(\.\d+)?"
AUTH = AuthSettings(
    secret="a-secret-of-more-than-32-bytes-for-tests",
    default_topics=("*",),
    anonymous_topics=("quote:*", "book:*", "trade:*", "bar:*"),
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

UPSTREAMS = ("liquidity sse", "liquidity websocket", "liquidity polling", "tradingview sse", "tradingview websocket")

NATIVE = "native"
QUOTE_OF_BOTH = "derived (book, trades; the day by REST)"
BARS_OF_TRADES = "derived (trades)"
NO_BOOK = "not possible (TradingView sends no book)"
NO_TRADES = "not possible (TradingView sends no trades)"
NO_ORDERS = "not possible (TradingView has no orders)"
NO_POLLED_TRADES = "not possible (polling has no trades)"
NO_TOLD_ORDERS = "not possible (only SSE tells orders)"
ALL_NATIVE = (NATIVE,) * len(UPSTREAMS)


class Part(NamedTuple):
    """A kind of data that a client shows.

    Attributes:
        pattern: what it prints of it.
        verdicts: of each of `UPSTREAMS`.
    """

    pattern: str
    verdicts: tuple[str, ...]


PARTS: dict[str, dict[str, Part]] = {
    "Liquidity `EventSource`": {
        "quote": Part(rf"AAPL: \${PRICE} \(-?{PRICE}%\)", (NATIVE, QUOTE_OF_BOTH, *ALL_NATIVE[2:])),
        "book": Part(r"BTC book: [1-9]\d* bids, [1-9]\d* asks", (*ALL_NATIVE[:3], NO_BOOK, NO_BOOK)),
        "trade": Part(rf"ETH trade: {PRICE} @ \${PRICE}", (NATIVE, NATIVE, NO_POLLED_TRADES, NO_TRADES, NO_TRADES)),
        "order": Part(r"Order \S+ status: [A-Z_]+", (NATIVE, NO_TOLD_ORDERS, NO_TOLD_ORDERS, NO_ORDERS, NO_ORDERS)),
    },
    "Liquidity React hook": {
        "ticker": Part(
            rf"<div><span>AAPL</span><span>\${PRICE}</span><span (green|red)>-?{PRICE}%</span></div>",
            (NATIVE, QUOTE_OF_BOTH, *ALL_NATIVE[2:]),
        ),
    },
    "Liquidity WebSocket class": {
        "orderbook": Part(r"BTC-USD book: [1-9]\d* bids, [1-9]\d* asks", (*ALL_NATIVE[:3], NO_BOOK, NO_BOOK)),
        "trades": Part(rf"AAPL: {PRICE} @ {PRICE}", (NATIVE, NATIVE, NO_POLLED_TRADES, NO_TRADES, NO_TRADES)),
    },
    "Liquidity polling": {
        "quote": Part(rf'.*"assetId":"AAPL".*"last":{PRICE}.*', (NATIVE, QUOTE_OF_BOTH, *ALL_NATIVE[2:])),
        "book": Part(r'.*"assetId":"BTC","bids":\[\{.*', (*ALL_NATIVE[:3], NO_BOOK, NO_BOOK)),
    },
    "TradingView quick start (SSE)": {
        "quotes": Part(rf"BINANCE:BTCUSDT: {PRICE}", (NATIVE, QUOTE_OF_BOTH, *ALL_NATIVE[2:])),
    },
    "TradingView quick start (SSE), `type=price`": {
        "candles": Part(
            rf"BINANCE:BTCUSDT: {PRICE}", (BARS_OF_TRADES, BARS_OF_TRADES, NO_POLLED_TRADES, NATIVE, NATIVE)
        ),
    },
    "TradingView WebSocket": {
        "quote_update": Part(rf'.*"quote_update".*"lp":{PRICE}.*', (NATIVE, QUOTE_OF_BOTH, *ALL_NATIVE[2:])),
        "update": Part(
            r'.*"type":"update".*"symbol":"BINANCE:BTCUSDT".*',
            (BARS_OF_TRADES, BARS_OF_TRADES, NO_POLLED_TRADES, NATIVE, NATIVE),
        ),
    },
}
"""Client → what it shows, and what becomes of that over each upstream. `docs/reference/compatibility.md` is made of this."""

POLLS = """
const ask = async (path) => {
  const answer = await fetch(process.env.BASE + path, { headers: { Authorization: `Bearer ${process.env.TOKEN}` } });
  if (answer.ok) console.log(await answer.text());
};
const both = async () => { await ask('/v1/assets/AAPL/quote'); await ask('/v1/assets/BTC/book'); };
both();
setInterval(both, 1000);
"""
"""The page prints its paths and intervals, but no client; the intervals are shorter here."""

TALKS = """
const WebSocket = require('ws');
const address = process.env.BASE.replace('http', 'ws') + '/tradingview/ws?token=' + process.env.TOKEN;
const ws = new WebSocket(address);
ws.onopen = () => {
  ws.send(JSON.stringify({ action: 'subscribe_quote', symbols: ['NASDAQ:AAPL'], id: 'q' }));
  ws.send(JSON.stringify({ action: 'subscribe', symbol: 'BINANCE:BTCUSDT', timeframe: '5', id: 'c' }));
};
ws.onmessage = (event) => console.log(event.data);
"""
"""The page prints none for its WebSocket."""

CLIENTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "Liquidity `EventSource`": ("liquidity", printed.event_source_client),
    "Liquidity React hook": ("liquidity", printed.hook),
    "Liquidity WebSocket class": ("liquidity", printed.websocket_client),
    "Liquidity polling": ("liquidity", lambda page: POLLS),
    "TradingView quick start (SSE)": ("tradingview", printed.quick_start),
    "TradingView quick start (SSE), `type=price`": ("tradingview", printed.candles),
    "TradingView WebSocket": ("tradingview", lambda page: TALKS),
}
"""Name → whose client it is, and its code."""

NODE_ALONE = {
    "Liquidity polling": "a page sends its token across origins with the same fetch, and Node's is enough",
    "order": "a browser's EventSource sends no header, and nobody has no orders",
}
"""What is shown under Node and not in a page, and why."""


def cells(way: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each client and upstream with what it prints there, in any order."""
    for client, parts in PARTS.items():
        for place, upstream in enumerate(UPSTREAMS):
            shown = {name: part for name, part in parts.items() if not part.verdicts[place].startswith("not possible")}
            if way != "Node":
                shown = {
                    name: part for name, part in shown.items() if client not in NODE_ALONE and name not in NODE_ALONE
                }
            if shown:
                yield client, upstream, tuple(part.pattern for part in shown.values())


MOST_LINES = 400

PAGE = ROOT / "docs/reference/compatibility.md"


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


CASES = [pytest.param(way, cell, id=f"{way}: {cell[0]} over {cell[1]}") for way in printed.WAYS for cell in cells(way)]


@pytest.mark.parametrize(("way", "cell"), CASES)
async def test_an_existing_client_goes_on_working(way, cell, tmp_path, vendor_page):
    client, upstream, patterns = cell
    dialect, code = CLIENTS[client]
    party_name, transport = upstream.split()
    account = {"account": "demo"} if party_name == "liquidity" else {}
    site = f"http://127.0.0.1:{free_port()}"
    async with vendor(party_name) as party:
        config = config_of({"f": feed_of(party, transport, instruments=("*",), **account)}, AUTH)
        listed = {InstrumentId(name): Listed(symbols=symbols) for name, symbols in TABLE.items()}
        listen = msgspec.structs.replace(config.listen, allowed_origins=(site,))
        async with bridge(msgspec.structs.replace(config, instruments=listed, listen=listen)) as running:
            environ = {"BASE": running.urls[0], "TOKEN": mint(AUTH, TOKEN), "KEY": "the-key", "PAGE": site}
            with trio.fail_after(60):
                watching = partial(watch, way, code(vendor_page(dialect)), patterns, tmp_path, environ)
                lines = await trio.to_thread.run_sync(watching, abandon_on_cancel=True)
    assert missing_of(patterns, lines) == [], lines[:20]
    refusals = [line for line in lines if "rror" in line]
    impossible = len(patterns) < len(PARTS[client])
    assert impossible or not refusals


def table() -> str:
    """Return the page's table."""
    head = ["client", "shows", *UPSTREAMS]
    rows = [head, ["---"] * len(head)]
    rows += [[client, f"`{name}`", *part.verdicts] for client, parts in PARTS.items() for name, part in parts.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def test_the_page_has_the_table_that_is_shown_here():
    """To write it anew: python -m tests.e2e.test_printed_clients."""
    assert table() in PAGE.read_text("utf-8")


if __name__ == "__main__":
    written = PAGE.read_text("utf-8")
    PAGE.write_text(re.sub(r"(\| .*\|\n)+", lambda _: table(), written, count=1), "utf-8")
