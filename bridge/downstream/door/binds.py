"""Where we listen: reading `host:port`, what is wrong with it, and opening the sockets."""

import errno
import ipaddress
import os
import ssl
from collections.abc import Sequence
from typing import Final

import msgspec
import trio

from bridge.downstream.access.origin import proxy_networks
from bridge.downstream.door.certificates import Keyring
from bridge.downstream.door.eager import EagerListener
from bridge.downstream.settings import AuthSettings, ListenSettings
from bridge.errors import ConfigError

BACKLOG: Final = 1_024
"""Connections the kernel keeps until we accept them: all clients of a restarted bridge come at once."""

_EVERYWHERE: Final = frozenset({"", "*"})


class Bind(msgspec.Struct, frozen=True, kw_only=True):
    """One place to listen. `host` "" = every interface; `port` 0 = any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_bind(text: str) -> Bind:
    """Read `host:port`; an IPv6 address stands in brackets.

    Raises:
        ValueError: the sentence says what is wrong.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} is not host:port, such as 127.0.0.1:8080")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets, such as [::1]:8080")
    return Bind(host="" if host in _EVERYWHERE else host, port=int(port))


def bind_problems(listen: ListenSettings, auth: AuthSettings) -> list[str]:
    """Return what is wrong with `[listen]`, one sentence each; opens nothing."""
    problems = []
    if listen.tls_bind and not listen.certificates:
        problems.append("listen.certificates: listen.tls_bind needs at least one certificate with its private key")
    if not listen.bind and not listen.tls_bind:
        problems.append("listen.bind: there is nowhere to listen")
    try:
        proxy_networks(listen)
    except ConfigError as error:
        problems += error.problems
    for key, texts in (("listen.bind", listen.bind), ("listen.tls_bind", listen.tls_bind)):
        for text in texts:
            problems += _bind_problem(key, text, listen, auth)
    return problems


def _bind_problem(key: str, text: str, listen: ListenSettings, auth: AuthSettings) -> list[str]:
    try:
        bind = parse_bind(text)
    except ValueError as error:
        return [f"{key}: {error}"]
    if auth.mode == "none" and not bind.loopback and not listen.allow_anonymous:
        return [
            f"{key}: {text!r} can be reached from other machines, and auth.mode = 'none' lets everyone in; "
            "listen on 127.0.0.1, set auth.mode = 'jwt', or set listen.allow_anonymous = true"
        ]
    return []


async def open_listeners(listen: ListenSettings, keyring: Keyring | None) -> tuple[list[EagerListener], list[str]]:
    """Open every place to listen; returns the listeners and the URLs at which they can be reached.

    Args:
        listen: where.
        keyring: the certificates; None = there is no `tls_bind`.

    Raises:
        ConfigError: a port is in use, an address is not ours. Nothing is left open.
    """
    opened: list[EagerListener] = []
    urls: list[str] = []
    try:
        for text in listen.bind:
            sockets = await _open("listen.bind", text, None)
            opened += sockets
            urls += [f"http://{_where(each)}" for each in sockets]
        for text in listen.tls_bind:
            assert keyring is not None  # noqa: S101 - there is a tls_bind
            sockets = await _open("listen.tls_bind", text, keyring.context)
            opened += sockets
            urls += [f"https://{_where(each)}" for each in sockets]
    except BaseException:
        await _close(opened)
        raise
    return opened, urls


async def _open(key: str, text: str, tls: ssl.SSLContext | None) -> Sequence[EagerListener]:
    try:
        bind = parse_bind(text)
        opened = await trio.open_tcp_listeners(bind.port, host=bind.host or None, backlog=BACKLOG)
        return [EagerListener(each, tls) for each in opened]
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from error
    except OSError as error:
        raise ConfigError(f"{key}: cannot listen on {text}: {_reason(error)}") from error


async def _close(listeners: Sequence[EagerListener]) -> None:
    with trio.CancelScope(shield=True):
        for listener in listeners:
            await listener.aclose()


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is in use; stop what listens there, or choose another"
        case errno.EACCES:
            return "ports below 1024 need a privilege; choose another"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _where(listener: EagerListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return str(Bind(host=host, port=port))
