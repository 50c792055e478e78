"""Foreign errors in an operator's words."""

import itertools
import socket
import ssl

import httpx2
import pytest
import trio

from bridge.errors import TransportLost
from bridge.upstream.network.faults import lost, words


def caused(*errors):
    """Chain errors as libraries do: each raised from the next."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (
            caused(httpx2.ConnectError(""), OSError("all attempts"), ConnectionRefusedError(111, "x")),
            "connection refused",
        ),
        (
            caused(httpx2.ReadError(""), trio.BrokenResourceError(), ConnectionResetError(104, "x")),
            "the peer reset the connection",
        ),
        (caused(httpx2.ConnectError(""), socket.gaierror(-2, "x")), "the name could not be resolved"),
        (
            caused(httpx2.ConnectError(""), trio.BrokenResourceError(), ssl.SSLEOFError(8, "EOF")),
            "the peer hung up during TLS",
        ),
        (caused(httpx2.ConnectTimeout(""), trio.TooSlowError()), "no connection in time"),
        (
            httpx2.ProxyError("407 Proxy Authentication Required"),
            "the proxy answered 407 Proxy Authentication Required",
        ),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (trio.ClosedResourceError(), "closed on this side"),
        (caused(httpx2.ReadError(""), trio.ClosedResourceError()), "closed on this side"),
        (KeyError("x"), "KeyError"),
    ],
)
def test_most_telling_link_of_the_chain_speaks(error, expected):
    assert words(error) == expected


def test_group_of_attempts_speaks_with_its_members_voice():
    attempts = ExceptionGroup("", [ConnectionRefusedError(111, "x"), ConnectionRefusedError(111, "x")])
    assert words(caused(OSError("all attempts to connect to h:1 failed"), attempts)) == "connection refused"


def test_words_are_one_line_within_a_bound():
    assert words(httpx2.RemoteProtocolError("a\r\nb" + "c" * 1000)).startswith(
        "the answer is not HTTP as it should be: a b"
    )
    assert len(words(httpx2.RemoteProtocolError("c" * 1000))) <= 160


def test_chain_that_bites_its_tail_ends():
    one, other = OSError(1, "one"), OSError(2, "other")
    one.__cause__, other.__cause__ = other, one
    assert words(one) == "one"


def test_loss_names_the_peer():
    assert str(lost("api.example.test:443", OSError(101, "Network is unreachable"))) == (
        "api.example.test:443: Network is unreachable"
    )
    assert isinstance(lost("h:1", OSError()), TransportLost)
