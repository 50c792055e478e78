"""Tells when a price crosses a line.

    python examples/price_alert.py quote:NASDAQ:AAPL 249.95

Try: a line just above the price of the moment; another instrument (quote:BTC-USD); stopping the bridge and starting it
again while this runs. It also speaks up when the feed goes down, because a silent alert is worse than none.
"""

import argparse
from decimal import Decimal

from sse import events


def main() -> None:
    arguments = argparse.ArgumentParser(description="Tell when a price crosses a line.")
    arguments.add_argument("topic", nargs="?", default="quote:NASDAQ:AAPL")
    arguments.add_argument("line", nargs="?", type=Decimal, help="default: the first price seen")
    arguments.add_argument("--url", default="http://127.0.0.1:8080")
    arguments.add_argument("--count", type=int, default=0, help="end after so many crossings")
    options = arguments.parse_args()

    line, above, crossings = options.line, None, 0
    for event in events(f"{options.url}/v1/stream?subscribe={options.topic}"):
        if event["type"] in {"feed_status", "gap"}:
            print(
                f"! {event['type']}: {event.get('status', '')} {event.get('reason', event.get('cause', ''))}",
                flush=True,
            )
        if event["type"] != "quote" or "last" not in event:
            continue
        price = Decimal(event["last"])  # a string with the vendor's exact digits: never a float
        line = price if line is None else line
        if above is not None and (price > line) != above:
            crossings += 1
            print(
                f"{event['ts_recv']} {event['instrument']} {price} crossed {line} {'up' if price > line else 'down'}",
                flush=True,
            )
        above = price > line
        if options.count and crossings >= options.count:
            return


if __name__ == "__main__":
    main()
