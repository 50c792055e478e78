"""A data pipeline: every trade into a file, once, even when this program is stopped and started again.

    python examples/pipeline.py trade:BTC-USD --out trades.jsonl

It polls with a cursor and writes cursor and trades together, so a restart goes on where the file ends. What the bridge could
not keep is written as a `gap` line: a hole in the file is declared, never silent.

Try: stopping it for a minute and starting it again; stopping it for longer than the bridge keeps history
(limits.history_seconds); two topics (trade:BTC-USD,trade:ETH-USD).
"""

import argparse
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path


def page(url: str, topics: str, cursor: str | None) -> dict:
    query = {"subscribe": topics, "wait": "10"} | ({"after": cursor} if cursor else {})
    with urllib.request.urlopen(f"{url}/v1/poll?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        return json.load(answer)


def main() -> None:
    arguments = argparse.ArgumentParser(description="Write every trade into a file, once.")
    arguments.add_argument("topics", nargs="?", default="trade:BTC-USD")
    arguments.add_argument("--url", default="http://127.0.0.1:8080")
    arguments.add_argument("--out", type=Path, default=Path("trades.jsonl"))
    arguments.add_argument("--count", type=int, default=0, help="end after so many trades")
    options = arguments.parse_args()

    kept = options.out.read_text().splitlines() if options.out.exists() else []
    cursor = json.loads(kept[-1])["cursor"] if kept else None
    written = 0
    with options.out.open("a") as out:
        while not options.count or written < options.count:
            answer = page(options.url, options.topics, cursor)
            events = [event for event in answer["events"] if event["type"] in {"trade", "gap"}]
            cursor = answer["cursor"]
            out.writelines(json.dumps({"cursor": cursor, **event}) + "\n" for event in events)
            out.flush()
            written += sum(event["type"] == "trade" for event in events)
            print(f"{written} trades, cursor {cursor}", flush=True)
            if not events:
                time.sleep(0.2)


if __name__ == "__main__":
    main()
