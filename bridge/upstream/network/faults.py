"""Foreign errors of the network, in an operator's words.

The libraries below us hide the reason behind a general class with an empty text (a failed TLS handshake arrives as
`ConnectError('')`), so the whole chain of causes is searched, and the most telling link speaks. One table; its order is the
order of telling. Nothing here repeats what *we* sent: a header that HTTP does not allow may hold a credential.
"""

import re
import socket
import ssl
from collections.abc import Callable, Iterator

import httpx2
import trio

from bridge.errors import TransportLost

FOREIGN = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)
"""What a network call may raise and `lost` can put into words; anything else is our own mistake."""

_WORDS_LENGTH = 160


def _certificate(error: BaseException) -> str:
    verdict = getattr(error, "verify_message", "") or "it could not be verified"
    return f"the certificate was not accepted: {verdict}"


def _tls(error: BaseException) -> str:
    return f"TLS failed: {getattr(error, 'reason', None) or error}"


def _own_words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _system(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


_TABLE: tuple[tuple[type[BaseException], str | Callable[[BaseException], str]], ...] = (
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLEOFError, "the peer hung up during TLS"),
    (ssl.SSLError, _tls),
    (socket.gaierror, "the name could not be resolved"),
    (httpx2.LocalProtocolError, "our request is not HTTP as it should be"),
    (httpx2.ProxyError, lambda error: f"the proxy answered {error}"),
    (httpx2.ConnectTimeout, "no connection in time"),
    (httpx2.WriteTimeout, "the peer stopped reading"),
    (httpx2.TimeoutException, "no answer in time"),
    (trio.TooSlowError, "no answer in time"),
    (httpx2.RemoteProtocolError, lambda error: f"the answer is not HTTP as it should be: {error}"),
    (httpx2.UnsupportedProtocol, "the URL is not http or https"),
    (httpx2.InvalidURL, lambda error: f"the URL is malformed: {error}"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionResetError, "the peer reset the connection"),
    (BrokenPipeError, "the peer closed the connection"),
    (TimeoutError, "no connection in time"),
    (OSError, _system),
    (trio.ClosedResourceError, "closed on this side"),
    (trio.BrokenResourceError, "the connection broke"),
    (httpx2.StreamError, "closed on this side"),
    (httpx2.NetworkError, "the connection broke"),
    (httpx2.HTTPError, _own_words),
)


def words(error: BaseException) -> str:
    """Return what happened, as the end of a sentence that begins with the peer's name."""
    links = list(_links(error))
    for kind, phrase in _TABLE:
        for link in links:
            if isinstance(link, kind):
                return _bounded(phrase if isinstance(phrase, str) else phrase(link))
    return type(error).__name__


def lost(peer: str, error: BaseException) -> TransportLost:
    """Put a foreign error into a `TransportLost`; the caller raises it `from error`.

    Args:
        peer: who it was, `host:port` as a rule.
        error: what a library raised.
    """
    return TransportLost(f"{peer}: {words(error)}")


def _links(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, what it is made of and what caused it, each once."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        if isinstance(link, BaseExceptionGroup):
            todo.extend(link.exceptions)
        todo += [link.__context__, link.__cause__]


def _bounded(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()[:_WORDS_LENGTH]
