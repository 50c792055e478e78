"""Tells when a price crosses a line.

    python examples/price_alert.py quote:NASDAQ:AAPL 249.95

Try: a line just above the price of the moment; another instrument (quote:BTC-USD); stopping the bridge and starting it
again while this runs. It also speaks up when the feed goes down, because a silent alert is worse than none.
"""

import argparse
import contextlib
from decimal import Decimal, InvalidOperation

from sse import events


def number(text: str) -> Decimal:
    """Read the line."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no price, such as 249.95") from None


def main() -> None:
    arguments = argparse.ArgumentParser(description="Tell when a price crosses a line.")
    arguments.add_argument("topic", nargs="?", default="quote:NASDAQ:AAPL")
    arguments.add_argument("line", nargs="?", type=number, help="default: the first price seen")
    arguments.add_argument("--url", default="http://127.0.0.1:8080")
    arguments.add_argument("--count", type=int, default=0, help="end after so many crossings")
    options = arguments.parse_args()

    line, above, crossings = options.line, None, 0
    for event in events(f"{options.url}/v1/stream?subscribe={options.topic}"):
        match event:
            case {"type": "problem", "message": message}:
                raise SystemExit(message)
            case {"type": "feed_status", "feed": feed, "status": status}:
                print(f"! feed {feed} is {status}{': ' * ('reason' in event)}{event.get('reason', '')}", flush=True)
            case {"type": "quote", "last": last}:
                price = Decimal(last)  # a string with the vendor's exact digits: never a float
                if line is None:
                    line = price
                if price == line:  # touching is not crossing
                    continue
                if above is not None and (price > line) != above:
                    crossings += 1
                    direction = "up" if price > line else "down"
                    print(f"{event['ts_recv']} {event['instrument']} {last} crossed {line} {direction}", flush=True)
                above = price > line
        if options.count and crossings >= options.count:
            return


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
