"""Reads a server-sent event stream with the standard library alone; the other examples use it.

It comes back by itself after a loss, with the cursor of the last event, so nothing is missed: the bridge sends what came
meanwhile, or a `gap` event that says what it no longer has.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator


def events(url: str, headers: dict[str, str] | None = None) -> Iterator[dict]:
    """Yield each event of the stream at `url` as a dict, for ever; reconnects with the last event's id."""
    last_id = None
    while True:
        request = urllib.request.Request(url, headers={"Accept": "text/event-stream", **(headers or {})})
        if last_id:
            request.add_header("Last-Event-ID", last_id)
        try:
            with urllib.request.urlopen(request, timeout=60) as stream:
                data = []
                for raw in stream:
                    line = raw.decode().rstrip("\r\n")
                    field, _, value = line.partition(":")
                    if field == "data":
                        data.append(value.removeprefix(" "))
                    elif field == "id":
                        last_id = value.removeprefix(" ")
                    elif not line and data:
                        yield json.loads("\n".join(data))
                        data = []
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{error.code}: {error.read().decode()}") from None
        except OSError as error:
            print(f"lost the stream ({error}); coming back in a second")
        time.sleep(1)
