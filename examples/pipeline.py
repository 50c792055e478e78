"""A data pipeline: every trade into a file, once, even when this program is stopped and started again.

    python examples/pipeline.py trade:BTC-USD --out trades.jsonl

It polls with a cursor. Each line holds the cursor that it reaches, so the file itself says where to go on, even when the
program was killed in the middle of a line. What the bridge could not keep is written as a `gap` line: a hole in the file is
declared, never silent.

Try: stopping it for a minute and starting it again; stopping it for longer than the bridge keeps history
(limits.history_seconds) or goes on listening (limits.linger_seconds); two topics (trade:BTC-USD,trade:ETH-USD).
"""

import argparse
import contextlib
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path


def page(url: str, topics: str, cursor: str | None) -> dict:
    """Ask for what came after the cursor; waits up to ten seconds for the first of it."""
    query = {"subscribe": topics, "wait": "10"} | ({"after": cursor} if cursor else {})
    with urllib.request.urlopen(f"{url}/v1/poll?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        return json.load(answer)


def resume(out: Path) -> str | None:
    """Return the cursor where the file ends; a last line that was not written to its end is taken out."""
    text = out.read_text() if out.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        out.write_text(whole)
    return json.loads(whole.splitlines()[-1])["cursor"] if whole else None


def reached(event: dict) -> str:
    """Return the cursor that is reached with an event: its id, or where its hole ends."""
    return event["to"] if event["type"] == "gap" else event["id"]


def main() -> None:
    arguments = argparse.ArgumentParser(description="Write every trade into a file, once.")
    arguments.add_argument("topics", nargs="?", default="trade:BTC-USD")
    arguments.add_argument("--url", default="http://127.0.0.1:8080")
    arguments.add_argument("--out", type=Path, default=Path("trades.jsonl"))
    arguments.add_argument("--count", type=int, default=0, help="end after so many trades")
    options = arguments.parse_args()

    cursor = resume(options.out)
    written, connected = 0, False
    with options.out.open("a") as out:
        while not options.count or written < options.count:
            try:
                answer = page(options.url, options.topics, cursor)
            except urllib.error.HTTPError as error:
                if error.code not in {429, 500, 502, 503}:
                    raise SystemExit(f"refused: {error.code} {error.read().decode()}") from None
                print(f"! {error.code}; asking again", file=sys.stderr, flush=True)
                time.sleep(int(error.headers.get("Retry-After") or 1))
                continue
            except OSError as error:
                reason = getattr(error, "reason", error)
                if not connected:
                    raise SystemExit(f"cannot reach {options.url}: {reason}; is it running there?") from None
                print(f"! lost the bridge ({reason}); asking again", file=sys.stderr, flush=True)
                time.sleep(1)
                continue
            connected = True
            events = [event for event in answer["events"] if event["type"] in {"trade", "gap"}]
            out.writelines(json.dumps({"cursor": reached(event), **event}) + "\n" for event in events)
            out.flush()
            cursor = answer["cursor"]
            written += sum(event["type"] == "trade" for event in events)
            if events:
                print(f"{written} trades, cursor {cursor}", flush=True)
            else:
                time.sleep(0.2)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
