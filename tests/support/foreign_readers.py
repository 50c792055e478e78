"""EventSources that we did not write, given raw event streams: a real browser's, and npm's `eventsource` 2 under Node.

A small server hands out each stream with its cuts as they are, one piece a write. The reader's program opens one after another,
notes what is dispatched, and posts its notes.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tests.support.pages import Page, Site, served
from tests.support.printed import SSE
from tests.support.programs import chromium, node

READ_SECONDS = 120

READS = """
const base = %s, names = %s, count = %d;
const read = (number) => new Promise((done) => {
  const notes = [];
  const source = new EventSource(base + '/stream/' + number);
  const note = (event) => notes.push([event.data, event.type, event.lastEventId || '']);
  for (const name of names[number]) source.addEventListener(name, note);
  source.onerror = () => { source.close(); done(notes); };
});
(async () => {
  const all = [];
  let next = 0;
  const some = async () => { while (next < count) { const number = next; next += 1; all[number] = await read(number); } };
  await Promise.all([some(), some(), some(), some()]);
  await fetch(base + '/notes', { method: 'POST', body: JSON.stringify(all) });
})();
"""

Notes = list[list[tuple[str, str, str]]]
"""Stream by stream, what was dispatched: data, event name, last event id ("" = none)."""


Run = Callable[[str, str, Path], AbstractContextManager[object]]
"""Runs a reader's program until a block ends, given the page that has it, its text, and a folder."""


def in_browser(page: str, script: str, folder: Path) -> AbstractContextManager[object]:
    """Run it in headless Chromium."""
    return chromium(page, folder)


def in_node(page: str, script: str, folder: Path) -> AbstractContextManager[object]:
    """Run it under Node with npm's `eventsource`."""
    (folder / "reader.js").write_text(SSE + script, "utf-8")
    return node(folder / "reader.js")


def read(run: Run, streams: Sequence[Sequence[bytes]], names: Sequence[Sequence[str]], folder: Path) -> Notes:
    """Have a foreign reader read streams.

    Args:
        run: which one.
        streams: each in pieces.
        names: the event names to listen to, for each; `message` is the nameless one's.
        folder: for the program's files.
    """
    site = _Streams(streams)
    site.script = READS % (json.dumps(site.url), json.dumps(names), len(streams))
    with served(site), run(f"{site.url}/", site.script, folder):
        return [[tuple(note) for note in notes] for notes in site.notes.get(timeout=READ_SECONDS)]


class _Answer(Page):
    server: "_Streams"

    def do_GET(self) -> None:  # noqa: N802 - the library's name
        if self.path.startswith("/stream/"):
            self._stream(self.server.streams[int(self.path.rpartition("/")[2])])
        else:
            super().do_GET()

    def _stream(self, pieces: Sequence[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if piece:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


class _Streams(Site):
    """A site that has streams too: `/stream/<number>`."""

    def __init__(self, streams: Sequence[Sequence[bytes]]) -> None:
        super().__init__(_Answer)
        self.streams = streams
