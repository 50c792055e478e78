"""No secret stands in anything that a bridge writes: a bridge and its vendor in processes of their own, whose every word is kept.

Each kind of secret has a value of its own. The vendor repeats whatever it was shown, the client everything that it can do wrong,
the operator's reload fails, and in the end the process crashes with tokens on its stack. Searched are both output streams, every
answer with its headers, and every file that was written, for each secret as it is, percent-encoded and in base64.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import jwt
import pytest
import trustme
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.commands import PATIENCE_SECONDS, ROOT, Command, free_port, get, running
from tests.support.watched_secrets import forms, found_in

CANARIES = {
    "auth.secret": "canary-auth-secret-0123456789abcdef",
    "auth.secret after a reload": "canary-another-secret-0123456789abc",
    "API key of a client": "canary-client-api-key-0123456789",
    "a wrong API key": "canary-wrong-api-key-0123456789",
    "a vendor's token": "canary-vendor-token-0123456789",
    "a vendor's second token": "canary-tenant-token-0123456789",
    "a vendor's API key": "canary-vendor-api-key-0123456789",
    "a token that a vendor minted": "canary-minted-by-vendor-0123456789",
    "a proxy's password": "canary-proxy-p@ssword-0123456789",
    "a token that is none": "canary-garbage-token-0123456789",
}

CONFIG = """
[listen]
bind = ["127.0.0.1:0"]
tls_bind = ["127.0.0.1:0"]
certificates = [{{ certificate = "bridge.pem", private_key = "bridge.key" }}]
[auth]
secret = {{ env = "AUTH_SECRET" }}
default_topics = ["*"]
api_keys = [{{ key = {{ env = "CLIENT_KEY" }}, sub = "alice" }}]
[feeds.lq]
dialect = "liquidity"
url = "http://127.0.0.1:{vendor}"
token = {{ env = "VENDOR_TOKEN" }}
tenant_token = {{ env = "TENANT" }}
instruments = ["*"]
[feeds.lqws]
dialect = "liquidity"
transports = ["websocket"]
url = "http://127.0.0.1:{vendor}"
credential_place = "query"
token = {{ env = "VENDOR_TOKEN" }}
[feeds.tv]
dialect = "tradingview"
url = "http://127.0.0.1:{vendor}"
token_url = "http://127.0.0.1:{vendor}/api/token/generate"
api_key = {{ env = "VENDOR_KEY" }}
instruments = ["*:*"]
[feeds.proxied]
dialect = "liquidity"
url = "http://vendor.invalid"
token = {{ env = "VENDOR_TOKEN" }}
proxy = {{ env = "PROXY" }}
[instruments."WS-USD"]
liquidity = "WS"
feeds = ["lqws"]
[instruments."PROXIED-USD"]
liquidity = "PROXIED"
feeds = ["proxied"]
"""


class Parrot(BaseHTTPRequestHandler):
    """A vendor and a proxy that refuse, and repeat all that they were shown."""

    protocol_version = "HTTP/1.1"
    minted = 0

    def do_GET(self) -> None:
        """Refuse."""
        length = int(self.headers.get("content-length") or 0)
        shown = f"{self.command} {self.path}\n{self.headers}\n{self.rfile.read(length).decode()}"
        body = json.dumps({"error": {"code": "NO", "message": shown}, "message": shown, "status": 401}).encode()
        status = 407 if self.command == "CONNECT" else 401
        if self.path == "/api/token/generate":
            Parrot.minted += 1
            if Parrot.minted > 1:  # at first it refuses, then it mints
                status, body = (
                    200,
                    json.dumps({"success": True, "token": CANARIES["a token that a vendor minted"]}).encode(),
                )
        self.send_response(status, "No " + self.path.replace("\n", " "))
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the library's
    do_CONNECT = do_GET  # noqa: N815 - the library's

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def vendor():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def folder(tmp_path, vendor):
    certificate = trustme.CA().issue_cert("localhost")
    (tmp_path / "bridge.key").write_bytes(certificate.private_key_pem.bytes())
    (tmp_path / "bridge.pem").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    (tmp_path / "bridge.toml").write_text(CONFIG.format(vendor=vendor))
    return tmp_path


def environment(vendor: int) -> dict[str, str]:
    password = quote(CANARIES["a proxy's password"], safe="")
    return {
        "AUTH_SECRET": CANARIES["auth.secret"],
        "CLIENT_KEY": CANARIES["API key of a client"],
        "VENDOR_TOKEN": CANARIES["a vendor's token"],
        "TENANT": CANARIES["a vendor's second token"],
        "VENDOR_KEY": CANARIES["a vendor's API key"],
        "PROXY": f"http://operator:{password}@127.0.0.1:{vendor}",
    }


def token(secret: str = CANARIES["auth.secret"], **claims: object) -> str:
    return jwt.encode({"sub": "alice", "exp": time.time() + 600, **claims}, secret, algorithm="HS256")


def asked(port: int, *requests: bytes) -> list[str]:
    """Send raw requests, one a connection; return all that came back."""
    heard = []
    for request in requests:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as peer:
            peer.settimeout(PATIENCE_SECONDS)
            peer.sendall(request)
            peer.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := peer.recv(65_536):
                answer += chunk
            heard.append(answer.decode("latin-1"))
    return heard


def misuse(port: int, tokens: list[str]) -> list[str]:
    """Do wrong all that a client can with these tokens; return everything that was answered."""
    url = f"http://127.0.0.1:{port}"
    heard = []
    for one in tokens:
        escaped = quote(one, safe="")
        for path in (
            "/v1/stream?subscribe=nonsense",
            "/v1/poll?subscribe=quote:AAPL&limit=x",
            "/v1/stream",
            "/ws",
            "/nothing",
        ):
            joint = "&" if "?" in path else "?"
            bearer = {"Authorization": f"Bearer {one}"}
            heard += [get(f"{url}{path}{joint}token={escaped}")[1], get(f"{url}{path}", **bearer)[1]]
        heard += asked(
            port,
            f"GET /v1/stream?subscribe=order&token={escaped} HTTP/1.1\r\nHost: [\r\n\r\n".encode(),
            f"GET /v1/stream?token={escaped}&token=other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(),
            f"NONSENSE {one}\r\nAuthorization: Bearer {one}\r\n\r\n".encode(),
            f"PATCH /v1/stream/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {one}\r\nConnection: close\r\n"
            f'Content-Length: {len(one) + 13}\r\n\r\n{{"token":"{one}",]'.encode(),
            f"GET /v1/stream HTTP/1.1\r\nHost: a\r\nX-Long: {one * 4_000}\r\n\r\n".encode(),
        )
        try:
            with connect(f"ws://127.0.0.1:{port}/v1/ws?token={escaped}", open_timeout=PATIENCE_SECONDS) as client:
                for text in (
                    f'{{"op":"renew","token":"{one}x"}}',
                    f'{{"op":"renew","token":["{one}"]}}',
                    f'{{"token":"{one}"',
                ):
                    client.send(text)
                    heard.append(str(client.recv(PATIENCE_SECONDS)))
        except InvalidStatus as refused:
            heard.append(refused.response.body.decode() + str(refused.response.headers))
    return heard


def follow_all(port: int, good: str) -> list[str]:
    """Make every feed ask its vendor; return what clients hear of that, which ends with the feeds' health."""
    topics = ["quote:AAPL", "quote:WS-USD", "quote:PROXIED-USD", "quote:A:B", "status"]
    heard = []
    with connect(f"ws://127.0.0.1:{port}/v1/ws?token={good}", open_timeout=PATIENCE_SECONDS) as client:
        client.send(json.dumps({"op": "subscribe", "topics": topics}))
        deadline = time.monotonic() + PATIENCE_SECONDS
        troubled: set[str] = set()
        while troubled != {"lq", "lqws", "tv", "proxied"} and time.monotonic() < deadline:
            heard.append(str(client.recv(PATIENCE_SECONDS)))
            event = json.loads(heard[-1])
            if "refused" in event.get("reason", "") or "answered 407" in event.get("reason", ""):
                troubled.add(event.get("feed", ""))
    assert troubled == {"lq", "lqws", "tv", "proxied"}, "every feed was refused, and said so"
    return heard


CRASH = """
import os, sys
import trio
from bridge.cli import main
import bridge.downstream.server as server
async def crash(*_):
    held = dict(os.environ)  # every secret on the stack
    await trio.sleep(0.2)
    raise SystemError("a mistake that ends the process")
server._accept = crash
sys.exit(main(["serve", "--log-level", "debug", "--config", sys.argv[1]]))
"""


def searched(texts: list[str], secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if found_in("\n".join(texts), [secret])]


def printed(command: Command) -> list[str]:
    command.close()
    return command.lines


def test_no_secret_is_in_anything_that_is_written(folder: Path, vendor: int):
    config, environ = str(folder / "bridge.toml"), environment(vendor)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    good = token()
    tokens = [good, token(exp=1), token("x" * 40), CANARIES["a token that is none"], token(feedbridge=7)]
    key = before[folder / "bridge.key"].decode().splitlines()[2]
    secrets = {**CANARIES, "the private key": key, **{f"token {n}": one for n, one in enumerate(tokens)}}
    secrets |= {f"signature {n}": one.rpartition(".")[2] for n, one in enumerate(tokens) if "." in one}
    with running("serve", "--log-level", "debug", "--config", config, **environ) as bridge:
        port = int(bridge.wait_for(r"serves http://127.0.0.1:(\d+)")[1])
        heard = misuse(port, tokens)
        heard += follow_all(port, good)
        for shown in (CANARIES["a wrong API key"], ""):
            heard.append(get(f"http://127.0.0.1:{port}/healthz", **{"X-RapidAPI-Key": shown})[1])
            head = f"POST /api/token/generate HTTP/1.1\r\nHost: a\r\nX-RapidAPI-Key: {shown}\r\nConnection: close"
            heard += asked(port, f"{head}\r\nContent-Length: 0\r\n\r\n".encode())
        heard += [get(f"http://127.0.0.1:{port}{path}")[1] for path in ("/healthz", "/readyz")]
        changed = (folder / "bridge.toml").read_text()
        another = CANARIES["auth.secret after a reload"]
        for broken, complaint in (
            (f'{changed}\n[auth]\nsecret = "{another}"', "not TOML"),
            (changed.replace('{ env = "AUTH_SECRET" }', f'["{another}"]'), "auth.secret: "),
        ):
            (folder / "bridge.toml").write_text(broken)
            bridge.process.send_signal(signal.SIGHUP)
            bridge.wait_for(f"{complaint}.*reload_refused")
        (folder / "bridge.toml").write_text(changed)
        assert bridge.stop() == 0
        heard += printed(bridge)
    heard += _commands(folder, config, environ)
    heard += _crash(config, environ)
    heard += [path.read_text("latin-1") for path in folder.rglob("*") if path.is_file() and path not in before]
    assert len("".join(heard)) > 5_000, "there was something to search"
    assert searched(heard, secrets) == []
    assert searched([environ["PROXY"], good], secrets) == ["a proxy's password", "token 0", "signature 0"], (
        "it searches"
    )


def _commands(folder: Path, config: str, environ: dict[str, str]) -> list[str]:
    """What the other commands print, with a right and a wrong configuration; a minted token is what one of them is for."""
    wrong = folder / "wrong.toml"
    wrong.write_text(Path(config).read_text().replace("api_keys =", "api_key =") + "\n[auth2]\nsecret = 1\n")
    garbage = CANARIES["a token that is none"]
    calls = [
        ("check", "--config", config),
        ("check", "--config", str(wrong)),
        ("serve", "--config", str(wrong)),
        ("tail", f"http://127.0.0.1:{free_port()}", "quote:A", "--token", garbage),
        ("tail", "http://127.0.0.1:1", "quote:A", "--token", garbage + "\n"),
    ]
    told = []
    for call in calls:
        done = subprocess.run(
            [sys.executable, "-m", "bridge", *call],
            cwd=ROOT,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        told += [done.stdout, done.stderr]
    wrong.unlink()
    assert "********" in told[0]
    return told


def _crash(config: str, environ: dict[str, str]) -> list[str]:
    """What a process says that ends by a mistake of ours."""
    done = subprocess.run(
        [sys.executable, "-c", CRASH, config],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode != 0
    assert "a mistake that ends the process" in done.stderr
    return [done.stdout, done.stderr]


@pytest.mark.parametrize("secret", CANARIES.values())
def test_the_search_finds_a_secret_in_each_form(secret):
    assert all(found_in(f"… {form} …", [secret]) == [secret] for form in forms(secret))
