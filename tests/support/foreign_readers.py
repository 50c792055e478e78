"""EventSources that we did not write, given raw event streams: a real browser's, and npm's `eventsource` 2 under Node.

A small server hands out each stream with its cuts as they are, one piece a write. The reader's program opens one after another,
notes what is dispatched, and posts its notes.
"""

import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
    with _site(streams, names) as (base, site), run(f"{base}/", site.script, folder):
        return [[tuple(note) for note in notes] for notes in site.heard.get(timeout=READ_SECONDS)]


class _Server(ThreadingHTTPServer):
    """What a reader's program talks to; its page is `/`, its streams `/stream/<number>`, and it posts its notes."""

    daemon_threads = True

    def __init__(self, streams: Sequence[Sequence[bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.streams = streams
        self.script = ""
        self.heard: queue.Queue[Notes] = queue.Queue()

    def handle_error(self, *arguments: object) -> None:
        """Let a reader hang up as it likes."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/":
            self._say("text/html", f"<meta charset=utf-8><script>{self.server.script}</script>".encode())
        elif self.path.startswith("/stream/"):
            self._stream(self.server.streams[int(self.path.rpartition("/")[2])])
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        notes = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._say("text/plain", b"")
        self.server.heard.put(notes)

    def _say(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, pieces: Sequence[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if piece:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def _site(streams: Sequence[Sequence[bytes]], names: Sequence[Sequence[str]]) -> Iterator[tuple[str, _Server]]:
    with _Server(streams) as server:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        server.script = READS % (json.dumps(base), json.dumps(names), len(streams))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield base, server
        finally:
            server.shutdown()
            thread.join()
