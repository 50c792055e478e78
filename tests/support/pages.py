"""A web site of one page, whose script posts notes of what it sees: how a test hears from a browser."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Page(BaseHTTPRequestHandler):
    """`/` is the page; what is posted becomes a note."""

    protocol_version = "HTTP/1.1"
    server: "Site"

    def do_GET(self) -> None:
        if self.path == "/":
            self.say("text/html", f"<meta charset=utf-8><script>{self.server.script}</script>".encode())
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        note = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.say("text/plain", b"")
        self.server.notes.put(note)

    def say(self, kind: str, body: bytes) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class Site(ThreadingHTTPServer):
    """The site.

    Attributes:
        script: the page's.
        notes: what was posted, in the order in which it came.
    """

    daemon_threads = True

    def __init__(self, answers: type[Page] = Page) -> None:
        super().__init__(("127.0.0.1", 0), answers)
        self.script = ""
        self.notes: queue.Queue[Any] = queue.Queue()

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *arguments: object) -> None:
        """Let a reader hang up as it likes."""


@contextmanager
def served(site: Site) -> Iterator[Site]:
    """Serve a site until the block ends."""
    with site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()
