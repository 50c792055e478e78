"""A page with EventSources, in a real browser: what each is told, and every change of its state.

The page does nothing but note. Reconnecting, `Last-Event-ID` and giving up are the browser's own.
"""

import json
from collections.abc import Callable, Iterator, Sequence
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
%s.forEach((url, number) => {
  const source = new EventSource(url);
  const note = (kind, { data, lastEventId: id }) => notes.push({ number, kind, state: source.readyState, data, id });
  source.onopen = (event) => note('open', event);
  source.onerror = (event) => note('error', event);
  for (const kind of %s) source.addEventListener(kind, (event) => note(kind, event));
});
const post = async () => {
  const some = notes.splice(0);
  if (some.length) await fetch('/', { method: 'POST', body: JSON.stringify(some) });
  setTimeout(post, 20);
};
post();
"""


@dataclass
class Watched:
    """What a page has noted of one source so far.

    Attributes:
        pump: takes in what the page has noted meanwhile, of any source.
        reader: the events, as any other client of ours has them.
        states: the source's state at each `open` and `error`.
        before: where the reader stood when each `stream` came; None = it had no cursor.
    """

    pump: Callable[[], None]
    reader: Reader = field(default_factory=lambda: Reader(""))
    states: list[int] = field(default_factory=list)
    before: list[str | None] = field(default_factory=list)

    def look(self) -> "Watched":
        """Take in what has been noted meanwhile."""
        self.pump()
        return self

    def take(self, note: dict[str, Any]) -> None:
        """Take in a note."""
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
def watching(site: Site, urls: Sequence[str], folder: Path) -> Iterator[list[Watched]]:
    """Open an EventSource for each address in a page of headless Chromium, which takes any certificate, until the block ends."""
    site.script = NOTES % (json.dumps(urls), json.dumps(KINDS))

    def pump() -> None:
        while not site.notes.empty():
            for note in site.notes.get():
                sources[note["number"]].take(note)

    sources = [Watched(pump) for _ in urls]
    with chromium(f"{site.url}/", folder, "--ignore-certificate-errors"):
        yield sources
