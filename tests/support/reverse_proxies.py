"""nginx and HAProxy in front of a port of this machine, each with the configuration that its how-to prints."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import trustme

from tests.support.commands import PATIENCE_SECONDS, ROOT, free_port, wait_for_port
from tests.support.data import absent

NAME = "bridge.corp"


class Proxy(NamedTuple):
    """A proxy that runs.

    Attributes:
        authority: what its clients call it.
        resolve: curl's option that leads there.
        ca: the file of the authority that signed its certificate.
    """

    port: int
    authority: str
    resolve: tuple[str, ...]
    ca: Path


def printed(name: str) -> str:
    """Return the configuration that a how-to prints."""
    page = (ROOT / f"docs/how-to/{name}.md").read_text()
    return re.search(rf"```{name}\n(.*?)```", page, re.DOTALL)[1]


def nginx(folder: Path, bridge_port: int, port: int) -> list[str]:
    """Write nginx's configuration; return its command."""
    site = (
        printed("nginx").replace("127.0.0.1:8080", f"127.0.0.1:{bridge_port}").replace("listen 443", f"listen {port}")
    )
    site = site.replace("/etc/ssl/bridge.pem", str(folder / "chain.pem")).replace(
        "/etc/ssl/bridge.key", str(folder / "key.pem")
    )
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"daemon off; master_process off; pid {folder}/pid; error_log stderr;"
    text = f"{head}\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\n{site}}}\n"
    (folder / "nginx.conf").write_text(text)
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def haproxy(folder: Path, bridge_port: int, port: int, *, http2: bool = False) -> list[str]:
    """Write HAProxy's configuration; return its command. `http2` is toward the bridge."""
    toward = f"127.0.0.1:{bridge_port} check{' proto h2' if http2 else ''}"
    text = printed("haproxy").replace("127.0.0.1:8080 check", toward).replace("bind :443", f"bind 127.0.0.1:{port}")
    text = text.replace("/etc/haproxy/bridge.pem", str(folder / "both.pem"))
    (folder / "haproxy.cfg").write_text(text)
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


KINDS = {
    "nginx": nginx,
    "haproxy": haproxy,
    "haproxy with HTTP/2 to the bridge": lambda *arguments: haproxy(*arguments, http2=True),
}


@contextmanager
def reverse_proxy(kind: str, folder: Path, bridge_port: int) -> Iterator[Proxy]:
    """Run a proxy in front of the bridge until the block ends; skip the test where its program is absent."""
    if shutil.which(kind.partition(" ")[0]) is None:
        absent(f"{kind.partition(' ')[0]} is not installed")
    authority = trustme.CA()
    certificate = authority.issue_cert(NAME)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    (folder / "chain.pem").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    port = free_port()
    command = KINDS[kind](folder, bridge_port, port)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr) as process:
        try:
            wait_for_port(port)
            resolve = ("--resolve", f"{NAME}:{port}:127.0.0.1", "--cacert", str(folder / "ca.pem"))
            yield Proxy(port, f"{NAME}:{port}", resolve, folder / "ca.pem")
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
