"""Five-minute candles as they grow.

    python examples/candles.py NASDAQ:AAPL

Try: another interval (--interval 1m, 1h, 1d); an instrument of the other vendor, which has no candles. A candle is printed
once more, marked `final`, when the next one has begun.
"""

import argparse
import contextlib
from decimal import Decimal

from sse import events


def main() -> None:
    arguments = argparse.ArgumentParser(description="Print candles as they grow.")
    arguments.add_argument("instrument", nargs="?", default="NASDAQ:AAPL")
    arguments.add_argument("--interval", default="5m")
    arguments.add_argument("--url", default="http://127.0.0.1:8080")
    arguments.add_argument("--count", type=int, default=0, help="end after so many lines")
    options = arguments.parse_args()

    printed = 0
    for event in events(f"{options.url}/v1/stream?subscribe=bar.{options.interval}:{options.instrument}"):
        if event["type"] == "problem":
            raise SystemExit(event["message"])
        if event["type"] != "bar":
            continue
        rising = Decimal(event["close"]) >= Decimal(event["open"])
        print(
            f"{event.get('ts_open', '?')} {'▲' if rising else '▼'} O {event['open']} H {event['high']} L {event['low']} "
            f"C {event['close']} V {event.get('volume', '?')}{' final' if event.get('is_final') else ''}",
            flush=True,
        )
        printed += 1
        if options.count and printed >= options.count:
            return


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
