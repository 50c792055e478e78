"""Reads a server-sent event stream with the standard library alone; the other examples use it.

    python examples/sse.py 'http://127.0.0.1:8080/v1/stream?subscribe=all:BTC-USD'

It comes back by itself after a loss, with the cursor of the last event, so nothing is missed: the bridge sends what came
meanwhile, or a `gap` event that says what it no longer has.

Try: stopping the bridge and starting it again while this runs, and reading the `gap`.
"""

import contextlib
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal

COMES_BACK_SECONDS = 1


def events(url: str, headers: dict[str, str] | None = None) -> Iterator[dict]:
    """Yield each event of the stream at `url` as a dict, for ever; reconnects with the last event's id."""
    last_id, connected = None, False
    while True:
        request = urllib.request.Request(url, headers={"Accept": "text/event-stream", **(headers or {})})
        if last_id:
            request.add_header("Last-Event-ID", last_id)
        try:
            with urllib.request.urlopen(request, timeout=60) as stream:
                connected, data, event_id = True, [], None
                for raw in stream:
                    line = raw.decode().rstrip("\r\n")
                    field, _, value = line.partition(":")
                    if field == "data":
                        data.append(value.removeprefix(" "))
                    elif field == "id":
                        event_id = value.removeprefix(" ")
                    elif not line:  # the end of a message: only now it counts, for it may have been cut off before
                        last_id = event_id or last_id
                        if data:
                            yield json.loads("\n".join(data), parse_float=Decimal)
                        data = []
            lost = "it ended"
        except urllib.error.HTTPError as error:
            lost = f"{error.code} {error.read().decode()}"
            if error.code not in {429, 500, 502, 503}:  # asking again would not help
                raise SystemExit(f"refused: {lost}") from None
        except OSError as error:
            lost = str(getattr(error, "reason", error))
            if not connected:
                raise SystemExit(f"cannot reach {url}: {lost}; is it running there?") from None
        print(f"! lost the stream ({lost}); coming back", file=sys.stderr, flush=True)
        time.sleep(COMES_BACK_SECONDS)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        for event in events(sys.argv[1]):
            print(json.dumps(event, default=str), flush=True)
