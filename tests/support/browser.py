"""A page with one EventSource, in a real browser: what the page is told, and every change of the source's state.

The page does nothing but note. Reconnecting, `Last-Event-ID` and giving up are the browser's own.
"""

import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.pages import Site, served
from tests.support.programs import chromium
from tests.support.readers import Reader

KINDS = (
    *("stream", "quote", "trade", "book_snapshot", "book_delta", "bar", "feed_status"),
    *("gap", "problem", "expiring", "goaway"),
)
CONNECTING, OPEN, CLOSED = range(3)
"""EventSource's `readyState`."""

NOTES = """
const notes = [];
const source = new EventSource(%s);
const note = (kind, event) => notes.push({ kind, state: source.readyState, data: event.data, id: event.lastEventId });
source.onopen = (event) => note('open', event);
source.onerror = (event) => note('error', event);
for (const kind of %s) source.addEventListener(kind, (event) => note(kind, event));
const post = async () => {
  const some = notes.splice(0);
  if (some.length) await fetch('/', { method: 'POST', body: JSON.stringify(some) });
  setTimeout(post, 20);
};
post();
"""


@dataclass
class Watched:
    """What a page has noted so far.

    Attributes:
        reader: the events, as any other client of ours has them.
        states: the source's state at each `open` and `error`.
        before: where the reader stood when each `stream` came; None = it had no cursor.
    """

    notes: "queue.Queue[list[dict[str, Any]]]"
    reader: Reader = field(default_factory=lambda: Reader(""))
    states: list[int] = field(default_factory=list)
    before: list[str | None] = field(default_factory=list)

    def look(self) -> "Watched":
        """Take in what has been noted meanwhile."""
        while not self.notes.empty():
            for note in self.notes.get():
                self._take(note)
        return self

    def _take(self, note: dict[str, Any]) -> None:
        if note["kind"] in ("open", "error"):
            self.states.append(note["state"])
            return
        event = json.loads(note["data"])
        assert event["type"] == note["kind"]
        if event["type"] == "stream":
            self.before.append(self.reader.cursor)
        self.reader.take(event)
        assert note["id"] == (self.reader.cursor or ""), "the browser would come back from elsewhere"


@contextmanager
def page_site() -> Iterator[Site]:
    """Serve the page's site; `watching` gives it its script."""
    with served(Site()) as site:
        yield site


@contextmanager
def watching(site: Site, url: str, folder: Path) -> Iterator[Watched]:
    """Open an EventSource in headless Chromium, which takes any certificate, until the block ends."""
    site.script = NOTES % (json.dumps(url), json.dumps(KINDS))
    with chromium(f"{site.url}/", folder, "--ignore-certificate-errors"):
        yield Watched(site.notes)
