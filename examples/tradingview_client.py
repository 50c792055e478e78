"""A client in TradingView's own style: a token for an API key, then its SSE stream.

    feedbridge simulate tradingview --port 9102
    python examples/tradingview_client.py

Try: --type price --timeframe 5 for candles; eleven symbols (the vendor allows ten); a wrong --api-key.
"""

import argparse
import contextlib
import json
import urllib.error
import urllib.request

from sse import events


def token_for(url: str, api_key: str) -> dict:
    headers = {
        "X-RapidAPI-Key": api_key,
        "X-RapidAPI-Host": "tradingview-data1.p.rapidapi.com",
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(f"{url}/api/token/generate", data=b"{}", headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"no token: {error.code} {error.read().decode()}") from None
    except OSError as error:
        raise SystemExit(f"cannot reach {url}: {getattr(error, 'reason', error)}; is it running there?") from None


def main() -> None:
    arguments = argparse.ArgumentParser(description="Follow TradingView's own stream.")
    arguments.add_argument("--url", default="http://127.0.0.1:9102")
    arguments.add_argument("--api-key", default="demo")
    arguments.add_argument("--symbols", default="NASDAQ:AAPL,NYSE:TSLA,BINANCE:BTCUSDT")
    arguments.add_argument("--type", default="quote", choices=("quote", "price"))
    arguments.add_argument("--timeframe", default="5")
    arguments.add_argument("--count", type=int, default=0, help="end after so many updates")
    options = arguments.parse_args()

    minted = token_for(options.url, options.api_key)
    query = f"token={minted['token']}&symbols={options.symbols}&type={options.type}&timeframe={options.timeframe}"
    seen = 0
    for event in events(f"{minted['sseUrl']}?{query}"):
        match event:
            case {"type": "connected", "symbols": symbols}:
                print(f"connected: {', '.join(symbols)}", flush=True)
            case {"type": "quote_update", "symbol": symbol, "data": data}:
                print(f"{symbol}: {' '.join(f'{key} {value}' for key, value in data.items())}", flush=True)
                seen += 1
            case {"type": "price_update", "symbol": symbol, "data": candle}:
                print(f"{symbol}: {' '.join(f'{key} {value}' for key, value in candle.items())}", flush=True)
                seen += 1
            case {"type": "error"}:
                raise SystemExit(event.get("message"))
        if options.count and seen >= options.count:
            return


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
