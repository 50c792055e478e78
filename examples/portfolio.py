"""What a portfolio is worth now, over one WebSocket.

    python examples/portfolio.py BTC-USD=0.5 NASDAQ:AAPL=120 NASDAQ:TSLA=-30

Needs `pip install websockets` (`make test` installs it). Try: adding an instrument; asking for one that does not exist and
reading the `problem`; stopping the bridge and starting it again, and seeing the subscribe with the last cursor bring it back.
"""

import argparse
import contextlib
import json
import sys
import time
from decimal import Decimal, InvalidOperation

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect


def position(text: str) -> tuple[str, Decimal]:
    """Read INSTRUMENT=SIZE."""
    name, _, size = text.rpartition("=")
    try:
        return name, Decimal(size)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not INSTRUMENT=SIZE, such as BTC-USD=0.5") from None


def valuation(sizes: dict[str, Decimal], prices: dict[str, Decimal]) -> str:
    """Say what the positions with a known price are worth, and how that comes about."""
    parts = [f"{size} x {prices[name]}" for name, size in sizes.items() if name in prices]
    value = sum((size * prices[name] for name, size in sizes.items() if name in prices), Decimal())
    missing = sizes.keys() - prices.keys()
    return f"{value:,.2f} = {' + '.join(parts)}" + (
        f"  (no price yet: {', '.join(sorted(missing))})" if missing else ""
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description="Value a portfolio from live quotes.")
    arguments.add_argument(
        "positions", nargs="*", type=position, default=["BTC-USD=0.5", "NASDAQ:AAPL=120"], metavar="INSTRUMENT=SIZE"
    )
    arguments.add_argument("--url", default="ws://127.0.0.1:8080")
    arguments.add_argument("--count", type=int, default=0, help="end after so many valuations")
    options = arguments.parse_args()

    sizes = dict(position(one) if isinstance(one, str) else one for one in options.positions)
    prices: dict[str, Decimal] = {}
    cursor, connected, shown = None, False, 0
    while True:
        try:
            with connect(f"{options.url}/v1/ws") as socket:
                connected = True
                subscribe = {"op": "subscribe", "topics": [f"quote:{name}" for name in sizes], "ref": "portfolio"}
                socket.send(json.dumps(subscribe | ({"after": cursor} if cursor else {})))
                for text in socket:
                    event = json.loads(text)
                    cursor = event.get("id", cursor)
                    match event:
                        case {"type": "problem", "message": message}:
                            print(f"! {message}", flush=True)
                            if event.get("ref") == "portfolio":  # the subscribe was refused: all or nothing
                                raise SystemExit(1)
                        case {"type": "feed_status", "feed": feed, "status": status}:
                            print(f"! feed {feed} is {status}", flush=True)
                        case {"type": "quote", "instrument": name, "last": last}:
                            prices[name] = Decimal(last)
                            print(valuation(sizes, prices), flush=True)
                            shown += 1
                    if options.count and shown >= options.count:
                        return
        except InvalidStatus as error:
            raise SystemExit(f"refused: {error.response.status_code} {error.response.body.decode()}") from None
        except (ConnectionClosed, OSError) as error:
            if not connected:
                raise SystemExit(f"cannot reach {options.url}: {error}; is it running there?") from None
            print(f"! lost the connection ({error}); coming back", file=sys.stderr, flush=True)
            time.sleep(1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
