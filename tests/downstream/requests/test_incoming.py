"""Credentials are taken out of a request before anybody else sees it."""

import pytest

from bridge.dialects.contract import Endpoint, EndpointKind
from bridge.downstream.requests.incoming import arrival, peer_of, request_of
from bridge.downstream.requests.routes import Match, Route
from tests.support.serving import plainly

KINDS = {kind: Endpoint(kind=kind, path="/x") for kind in EndpointKind}


def scope(*headers: tuple[str, str], query: str = "", protocols: tuple[str, ...] = (), scheme: str = "http"):
    return {
        "scheme": scheme,
        "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "query_string": query.encode(),
        "client": ("::ffff:192.0.2.1", 4711),
        "subprotocols": protocols,
    }


def match(endpoint: Endpoint) -> Match:
    return Match(
        route=Route(served=plainly("alpha", endpoint), endpoint=endpoint, pattern=("", "x")), segments={"id": "A"}
    )


def tokens(kind: EndpointKind, *headers: tuple[str, str], **parts) -> tuple[str, ...]:
    return peer_of(arrival(scope(*headers, **parts), ()), KINDS[kind]).tokens


def test_peer_is_described_by_what_is_believed():
    came = arrival(scope(("host", "Bridge.Corp:80"), ("origin", "https://a.example"), scheme="wss"), ())
    peer = peer_of(came, KINDS[EndpointKind.WEBSOCKET])
    assert (peer.address, peer.scheme, peer.host, peer.origin) == (
        "192.0.2.1",
        "https",
        "bridge.corp",
        "https://a.example",
    )
    assert peer.http_version == "1.1"


@pytest.mark.parametrize("kind", list(EndpointKind))
def test_bearer_is_read_everywhere(kind: EndpointKind):
    assert tokens(kind, ("authorization", "Bearer abc.def")) == ("abc.def",)
    assert tokens(kind, ("Authorization", "bearer  abc.def ")) == ("abc.def",)
    assert tokens(kind, ("authorization", "Basic dXNlcg==")) == ()
    assert tokens(kind, ("authorization", "Bearer a"), ("authorization", "Bearer b")) == ("a", "b")


def test_token_in_the_query_is_read_on_streams_only():
    assert tokens(EndpointKind.SSE, query="token=abc&subscribe=quote:A") == ("abc",)
    assert tokens(EndpointKind.WEBSOCKET, query="token=abc&token=def") == ("abc", "def")
    assert tokens(EndpointKind.STATE, query="token=abc") == ()
    assert tokens(EndpointKind.MINT, query="token=abc") == ()


def test_token_behind_the_bearer_subprotocol_is_read_on_websockets_only():
    assert tokens(EndpointKind.WEBSOCKET, protocols=("bearer", "abc")) == ("abc",)
    assert tokens(EndpointKind.WEBSOCKET, protocols=("v1", "bearer", "abc")) == ("abc",)
    assert tokens(EndpointKind.WEBSOCKET, protocols=("bearer",)) == ()
    assert tokens(EndpointKind.SSE, protocols=("bearer", "abc")) == ()


SECRETS = (
    ("authorization", "Bearer s3cret"),
    ("cookie", "s3cret"),
    ("x-api-key", "s3cret"),
    ("x-rapidapi-key", "s3cret"),
    ("sec-websocket-protocol", "bearer, s3cret"),
    ("proxy-authorization", "s3cret"),
    ("last-event-id", "e-1"),
)


@pytest.mark.parametrize("kind", [EndpointKind.SSE, EndpointKind.WEBSOCKET, EndpointKind.STATE])
def test_request_holds_no_credential(kind: EndpointKind):
    came = arrival(scope(*SECRETS, query="token=s3cret&subscribe=quote%3AA%26B&extra="), ())
    request = request_of(came, match(KINDS[kind]))
    assert request.headers == {"last-event-id": "e-1"}
    assert request.query == {"subscribe": ["quote:A&B"], "extra": [""]}
    assert request.segments == {"id": "A"}
    assert "s3cret" not in f"{request} {request!r} {came} {came!r} {peer_of(came, KINDS[kind])!r}"


def test_request_for_a_token_holds_the_keys_it_is_about():
    came = arrival(scope(*SECRETS), ())
    request = request_of(came, match(KINDS[EndpointKind.MINT]), b"{}")
    assert set(request.headers) == {"authorization", "x-api-key", "x-rapidapi-key", "last-event-id"}
    assert request.body == b"{}"
    assert "s3cret" not in f"{request} {request!r}"


def test_last_of_several_lines_counts():
    came = arrival(scope(("x-a", "1"), ("x-a", "2")), ())
    assert request_of(came, match(KINDS[EndpointKind.STATE])).headers == {"x-a": "2"}


def test_query_with_masses_of_fields_is_refused():
    with pytest.raises(ValueError, match="fields"):
        arrival(scope(query="&".join(["a=1"] * 1_001)), ())
