"""The clients that the vendors' pages print, cut out of the pages and run under Node and in a browser.

What is changed is the base URL, and what cannot work as printed: an EventSource of Node is npm's `eventsource` 2, which sends
the header that a browser's ignores; a WebSocket may only be talked to once it is open; where a client shows no credential
(the hook) or cannot (the WebSocket class), it connects as nobody or with `?token=`.
"""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.programs import CLIENTS, chromium, environment, needs_modules, node

SSE = "const EventSource = require('eventsource');\n"
BASE = "process.env.BASE"


def cut(page: str, start: str, end: str) -> str:
    """Return what a page has from one text on, up to the next one, which is left out."""
    begin = page.index(start)
    return page[begin : page.index(end, begin)]


def put(text: str, printed: str, ours: str) -> str:
    """Replace what is printed, which must be there."""
    assert printed in text, printed
    return text.replace(printed, ours)


def event_source_client(page: str) -> str:
    """Liquidity's `connectRealtime`, with its usage."""
    code = cut(page, "const BASE_URL = ", "// Cleanup")
    return f"{SSE}const accessToken = process.env.TOKEN;\n{put(code, repr('https://api.stage.satschel.com'), BASE)}"


def hook(page: str) -> str:
    """Liquidity's React hook and its ticker."""
    code = cut(page, "import { useEffect", "Event Types\n")
    head = f"import * as React from 'react';\n{SSE}const BASE_URL = {BASE}; const accessToken = '';\n"
    return f"{head}{code}\nReact.run(() => PriceTicker({{ assetId: 'AAPL' }}));\n"


def websocket_client(page: str) -> str:
    """Liquidity's WebSocket class, with its usage: what it subscribes to waits until the socket is open."""
    code = cut(page, "class RealtimeClient {", "WebSocket Error Handling")
    address = f"{BASE}.replace('http', 'ws') + '/ws?token=' + process.env.TOKEN"
    code = put(code, repr("wss://api.stage.satschel.com/ws"), address)
    asks = "".join(re.findall(r"^client\.subscribe\(.*\n", code, re.MULTILINE))
    code = put(code, asks, f"(client as any).ws.onopen = () => {{\n{asks}}};\n")
    return f"const WebSocket = require('ws');\n{code}"


def quick_start(page: str) -> str:
    """TradingView's quick start: a token, then a stream."""
    code = cut(page, "// Step 1: Generate JWT token", "// To stream price candles")
    code = put(code, repr("https://api.tradingviewapi.com/api/token/generate"), f"{BASE} + '/api/token/generate'")
    code = put(code, repr("YOUR_RAPIDAPI_KEY"), "process.env.KEY")
    return f"{SSE}(async () => {{\n{code}\n}})();\n"


def candles(page: str) -> str:
    """The quick start as its last comment has it: candles instead of quotes, and so another type and field to print."""
    url = cut(page, "// const url = ", "\n\nGet Started").removeprefix("// ").strip()
    code = put(quick_start(page), cut(page, "const url = ", "\n\nconst eventSource").strip(), url)
    return put(put(code, "'quote_update'", "'price_update'"), "data.data.lp", "data.data.close")


Lines = Callable[[int], list[str]]
"""Returns the next so many lines that a client prints; fewer when it has ended."""


@contextmanager
def in_node(code: str, folder: Path, environ: Mapping[str, str]) -> Iterator[Lines]:
    """Run a client under Node until the block ends."""
    script = folder / "client.tsx"
    script.write_text(code)
    with node(script, "-r", "sucrase/register/tsx", environ=environ, output=subprocess.PIPE) as process:
        yield lambda count: [line.rstrip("\n") for _, line in zip(range(count), process.stdout, strict=False)]


@contextmanager
def in_browser(code: str, folder: Path, environ: Mapping[str, str]) -> Iterator[Lines]:
    """Run a client in a page of headless Chromium until the block ends; the page's origin is `PAGE` of `environ`."""
    needs_modules()
    (folder / "client.tsx").write_text(code)
    make = ["node", str(CLIENTS / "page.cjs"), str(folder / "client.tsx")]
    page = subprocess.run(make, capture_output=True, env=environment(environ), check=True).stdout
    told = {"environ": environ, "output": subprocess.PIPE}
    with (
        _site(page, int(environ["PAGE"].rpartition(":")[2])),
        chromium(environ["PAGE"], folder, "--enable-logging=stderr", **told) as process,
    ):
        said = (found[1] for line in process.stdout if (found := CONSOLE.search(line)))
        yield lambda count: [line for _, line in zip(range(count), said, strict=False)]


CONSOLE = re.compile(r':CONSOLE[:(]\d+\)?\] "(.*)", source: ')
"""How Chromium logs what a page prints."""

WAYS = {"Node": in_node, "Chromium": in_browser}


@contextmanager
def _site(page: bytes, port: int) -> Iterator[None]:
    """Serve one page on a port of 127.0.0.1."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
