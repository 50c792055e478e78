"""What a portfolio is worth now, over one WebSocket.

    python examples/portfolio.py BTC-USD=0.5 NASDAQ:AAPL=120 NASDAQ:TSLA=-30

Needs `pip install websockets` (`make test` installs it). Try: adding an instrument; asking for one that does not exist and
reading the `problem`; pulling the plug and seeing the subscribe with the last cursor bring it back.
"""

import argparse
import json
from decimal import Decimal

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def main() -> None:
    arguments = argparse.ArgumentParser(description="Value a portfolio from live quotes.")
    arguments.add_argument(
        "positions", nargs="*", default=["BTC-USD=0.5", "NASDAQ:AAPL=120"], metavar="INSTRUMENT=SIZE"
    )
    arguments.add_argument("--url", default="ws://127.0.0.1:8080")
    arguments.add_argument("--count", type=int, default=0, help="end after so many valuations")
    options = arguments.parse_args()

    sizes = {name: Decimal(size) for name, _, size in (text.rpartition("=") for text in options.positions)}
    prices: dict[str, Decimal] = {}
    cursor, shown = None, 0
    while True:
        try:
            with connect(f"{options.url}/v1/ws") as socket:
                subscribe = {"op": "subscribe", "topics": [f"quote:{name}" for name in sizes], "ref": "portfolio"}
                socket.send(json.dumps(subscribe | ({"after": cursor} if cursor else {})))
                for text in socket:
                    event = json.loads(text)
                    cursor = event.get("id", cursor)
                    if event["type"] in {"problem", "gap", "feed_status"}:
                        print(f"! {text}", flush=True)
                    if event["type"] == "quote" and "last" in event:
                        prices[event["instrument"]] = Decimal(event["last"])
                        missing = sizes.keys() - prices.keys()
                        value = sum(size * prices[name] for name, size in sizes.items() if name in prices)
                        print(
                            f"{value:,.2f}" + (f"  (no price yet: {', '.join(sorted(missing))})" if missing else ""),
                            flush=True,
                        )
                        shown += 1
                        if options.count and shown >= options.count:
                            return
        except (ConnectionClosed, OSError) as error:
            print(f"! lost the connection ({error}); coming back")


if __name__ == "__main__":
    main()
