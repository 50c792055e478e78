"""A client in Liquidity's own style: its SSE stream, named events, bearer token.

    feedbridge simulate liquidity --port 9101          # prints a token
    python examples/liquidity_client.py --token TOKEN

Try: other channels (--subscribe quote:AAPL,book:AAPL,trade:BTC); a sixth copy of this program (the vendor allows five
connections a user); no token.
"""

import argparse
import contextlib

from sse import events


def main() -> None:
    arguments = argparse.ArgumentParser(description="Follow Liquidity's own stream.")
    arguments.add_argument("--url", default="http://127.0.0.1:9101")
    arguments.add_argument("--token", required=True)
    arguments.add_argument("--subscribe", default="all:BTC,quote:AAPL")
    arguments.add_argument("--count", type=int, default=0, help="end after so many events")
    options = arguments.parse_args()

    headers = {"Authorization": f"Bearer {options.token}"}
    seen = 0
    for event in events(f"{options.url}/api/realtime?subscribe={options.subscribe}", headers):
        match event:
            case {"clientId": client}:
                print(f"connected as {client}", flush=True)
                continue
            case {"bids": bids, "asks": asks, "assetId": asset}:
                best = " / ".join(
                    f"{side[0]['size']} @ {side[0]['price']}" if side else "none" for side in (bids, asks)
                )
                print(f"{asset} book: {len(bids)} bids, {len(asks)} asks, best {best}", flush=True)
            case {"orderId": order, "status": status}:
                print(f"order {order}: {status}", flush=True)
            case {"price": price, "size": size, "assetId": asset}:
                print(f"{asset} trade: {size} @ {price}", flush=True)
            case {"last": last, "assetId": asset}:
                print(f"{asset}: {last} ({event.get('changePercent', '?')} %)", flush=True)
        seen += 1
        if options.count and seen >= options.count:
            return


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
