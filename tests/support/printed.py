"""The clients that the vendors' pages print, cut out of the pages and run under Node.

What is changed is the base URL, and what cannot work as printed: an EventSource of Node is npm's `eventsource` 2, which sends
the header that a browser's ignores; a WebSocket may only be talked to once it is open; where a client shows no credential
(the hook) or cannot (the WebSocket class), it connects as nobody or with `?token=`.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from tests.support.data import ROOT, absent

CLIENTS = ROOT / "tests/clients"
MODULES = CLIENTS / "node_modules"
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


@contextmanager
def running(code: str, folder: Path, **environ: str) -> Iterator[Callable[[int], list[str]]]:
    """Run a client until the block ends; yields what returns its next so many lines."""
    if which("node") is None:
        absent("Node is not installed")
    if not MODULES.is_dir():
        absent("npm's modules are not installed: npm install --no-package-lock --prefix tests/clients")
    script = folder / "client.tsx"
    script.write_text(code)
    paths = f"{MODULES}{os.pathsep}{CLIENTS}"
    with subprocess.Popen(
        ["node", "-r", "sucrase/register/tsx", str(script)],
        cwd=CLIENTS,
        env={**os.environ, "NODE_PATH": paths, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield lambda count: [line.rstrip("\n") for _, line in zip(range(count), process.stdout, strict=False)]
        finally:
            process.kill()
