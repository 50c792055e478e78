"""Endpoints are found on the raw path, and a shared path goes to the right dialect."""

import pytest

from bridge.dialects.contract import Endpoint, EndpointKind
from bridge.downstream.requests.endpoints import INSTRUMENTS, POLL
from bridge.downstream.requests.routes import allowed_methods, choose, matches, raw_path, routes_of, way_to
from tests.support.serving import plainly

QUOTE = Endpoint(kind=EndpointKind.STATE, path="/v1/instruments/{id}/quote", name="quote")
MINT = Endpoint(kind=EndpointKind.MINT, path="/api/token/generate", method="POST")
SOCKET = Endpoint(kind=EndpointKind.WEBSOCKET, path="/ws")

CANONICAL = plainly("canonical", QUOTE)
ALPHA = plainly("alpha", SOCKET, MINT, prefixes=("", "/alpha"))
BETA = plainly("beta", SOCKET, hosts=("ws.beta.example",), prefixes=("/beta", ""))
ROUTES = routes_of([CANONICAL, ALPHA, BETA])


@pytest.mark.parametrize(
    ("path", "instrument"),
    [
        ("/v1/instruments/AAPL/quote", "AAPL"),
        ("/v1/instruments/BTC%2FUSD/quote", "BTC/USD"),
        ("/v1/instruments/NASDAQ:AAPL/quote", "NASDAQ:AAPL"),
        ("/v1/instruments/%5EGSPC/quote", "^GSPC"),
        ("/v1/instruments/a%2Bb+c/quote", "a+b+c"),
        ("/v1/%69nstruments/AAPL/quote", "AAPL"),
    ],
)
def test_an_id_is_one_percent_encoded_segment(path: str, instrument: str):
    (match,) = matches(ROUTES, path)
    assert match.segments == {"id": instrument}
    assert match.route.endpoint is QUOTE


@pytest.mark.parametrize(
    "path",
    ["/v1/instruments//quote", "/v1/instruments/BTC/USD/quote", "/v1/instruments/%FF/quote", "/v1/poll/", "/", "", "*"],
)
def test_nothing_stands_at_other_paths(path: str):
    assert matches(ROUTES, path) == []


def test_poll_and_instruments_stand_beside_the_canonical_dialect_only():
    assert [match.route.endpoint for match in matches(ROUTES, "/v1/poll")] == [POLL]
    assert [match.route.endpoint for match in matches(ROUTES, "/v1/instruments")] == [INSTRUMENTS]
    assert matches(routes_of([ALPHA]), "/v1/poll") == []


def test_target_may_be_a_whole_url_as_proxies_are_sent_it():
    assert raw_path(b"http://bridge.corp/v1/instruments/BTC%2FUSD/quote") == "/v1/instruments/BTC%2FUSD/quote"
    assert raw_path(b"http://bridge.corp") == "/"
    assert raw_path(b"/a://b") == "/a://b"


@pytest.mark.parametrize(
    ("path", "host", "default", "name"),
    [
        ("/ws", "ws.beta.example", "alpha", "beta"),
        ("/ws", "localhost", "alpha", "alpha"),
        ("/ws", "localhost", "beta", "beta"),
        ("/ws", None, "gamma", "alpha"),
        ("/beta/ws", "localhost", "alpha", "beta"),
        ("/alpha/ws", "ws.beta.example", "beta", "alpha"),
        ("/api/token/generate", "ws.beta.example", "beta", "alpha"),
    ],
)
def test_shared_path_goes_by_host_then_by_the_configured_default(path: str, host: str | None, default: str, name: str):
    assert choose(matches(ROUTES, path), host, default).route.served.dialect.name == name


@pytest.mark.parametrize(
    ("served", "host", "default", "prefix"),
    [
        (ALPHA, "localhost", "alpha", ""),
        (ALPHA, "localhost", "beta", "/alpha"),
        (ALPHA, "ws.beta.example", "alpha", "/alpha"),
        (BETA, "ws.beta.example", "alpha", "/beta"),
    ],
)
def test_a_client_is_led_where_its_name_for_us_meets_the_dialect(served, host: str, default: str, prefix: str):
    assert way_to([CANONICAL, ALPHA, BETA], served, SOCKET, host, default) == prefix


def test_head_comes_with_get_and_options_with_everything():
    assert allowed_methods(matches(ROUTES, "/v1/poll")) == ("GET", "HEAD", "OPTIONS")
    assert allowed_methods(matches(ROUTES, "/api/token/generate")) == ("POST", "OPTIONS")
