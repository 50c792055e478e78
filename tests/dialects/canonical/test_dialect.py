"""The canonical dialect as a whole: its endpoints, its numbers, its state and error answers."""

import json

import pytest

from bridge.dialects.canonical import DIALECT
from bridge.dialects.contract import EndpointKind, Lane, Refusal, Request, Site, SymbolTable, Transport
from bridge.errors import Unspeakable, VendorProtocolError
from bridge.model import Code, InstrumentId, Retry, Topic, UnixNanos

SYMBOLS = SymbolTable(DIALECT.spelling, {})


def state_request(name, id_="BTC-USD", **query):
    (endpoint,) = (endpoint for endpoint in DIALECT.endpoints if endpoint.name == name)
    return Request(endpoint=endpoint, segments={"id": id_}, query={key: (value,) for key, value in query.items()})


def test_the_endpoints_are_the_contracts():
    assert {(endpoint.kind, endpoint.method, endpoint.path) for endpoint in DIALECT.endpoints} == {
        (EndpointKind.SSE, "GET", "/v1/stream"),
        (EndpointKind.WEBSOCKET, "GET", "/v1/ws"),
        (EndpointKind.STATE, "GET", "/v1/instruments/{id}/quote"),
        (EndpointKind.STATE, "GET", "/v1/instruments/{id}/book"),
        (EndpointKind.STATE, "GET", "/v1/instruments/{id}/trades"),
        (EndpointKind.STATE, "GET", "/v1/instruments/{id}/bars"),
    }


def test_the_numbers_are_the_contracts_defaults():
    limits = DIALECT.profile.limits
    assert (limits.sse_connections_per_user, limits.websocket_connections_per_user) == (5, 5)
    assert (limits.subscriptions_per_connection, limits.inbound_messages_per_second) == (50, 100)
    assert DIALECT.profile.heartbeat_seconds == {}, "limits.heartbeat_seconds decides"
    for profile in DIALECT.profile.transports.values():
        assert profile.read_timeout_seconds > 2 * 15


def test_any_topics_share_a_connection_and_polling_knows_quotes_and_books():
    for text in ("quote:A", "trade:A", "book:A", "bar.5m:A", "order"):
        assert DIALECT.lane(Topic.parse(text), Transport.SSE) == Lane(Transport.SSE)
        assert DIALECT.lane(Topic.parse(text), Transport.WEBSOCKET) == Lane(Transport.WEBSOCKET)
    polled = [
        text for text in ("quote:A", "trade:A", "book:A", "order") if DIALECT.lane(Topic.parse(text), Transport.POLLING)
    ]
    assert polled == ["quote:A", "book:A"]
    assert DIALECT.lane(Topic.parse("status"), Transport.SSE) is None


@pytest.mark.parametrize(
    ("name", "id_", "query"),
    [
        ("quote", "", {}),
        ("quote", "a b", {}),
        ("quote", "x" * 65, {}),
        ("bars", "A", {}),
        ("bars", "A", {"interval": "7m"}),
        ("trades", "A", {"limit": "0"}),
        ("trades", "A", {"limit": "501"}),
        ("trades", "A", {"limit": "+5"}),
        ("trades", "A", {"limit": "²"}),
        ("book", "A", {"depth": "0"}),
        ("book", "A", {"depth": "5001"}),
        ("book", "A", {"depth": "ten"}),
    ],
)
def test_a_wrong_state_request_is_a_bad_request(name, id_, query):
    with pytest.raises(Refusal) as caught:
        DIALECT.state_question(state_request(name, id_, **query), SYMBOLS)
    assert caught.value.code is Code.BAD_REQUEST


def test_a_book_may_be_asked_for_cut():
    assert str(DIALECT.state_question(state_request("book", depth="20"), SYMBOLS).topic) == "book.20:BTC-USD"
    assert str(DIALECT.state_question(state_request("book"), SYMBOLS).topic) == "book:BTC-USD"


def test_an_id_may_hold_colons_and_slashes():
    question = DIALECT.state_question(state_request("quote", "NASDAQ:A/B"), SYMBOLS)
    assert (question.topic.instrument, question.limit) == ("NASDAQ:A/B", 100)


def test_errors_have_the_contracts_body():
    answer = DIALECT.refusal(Code.RATE_LIMITED, 'too "fast"', Retry.AFTER, 1.2, 0)
    assert json.loads(answer.body) == {
        "error": {"code": "rate_limited", "message": 'too "fast"', "retry": "after", "retry_after": 2}
    }
    assert (answer.status, dict(answer.headers)["content-type"]) == (0, "application/json")
    answer = DIALECT.refusal(Code.FORBIDDEN, "no", Retry.NO, None, 0)
    assert json.loads(answer.body) == {"error": {"code": "forbidden", "message": "no", "retry": "no"}}


def test_it_mints_no_tokens():
    assert DIALECT.mint(Site(url="https://x", api_key="k")) is None
    with pytest.raises(VendorProtocolError):
        DIALECT.minted(b"{}")
    with pytest.raises(Refusal):
        DIALECT.mint_question(state_request("quote"))
    with pytest.raises(Unspeakable):
        DIALECT.mint_answer(state_request("quote"), "t", UnixNanos(0), "", "")


def test_every_id_is_spelled_as_itself_and_nothing_else_is_an_id():
    for transport in Transport:
        assert SYMBOLS.vendor_symbol(InstrumentId("NASDAQ:AAPL"), transport) == "NASDAQ:AAPL"
        assert SYMBOLS.instrument("NASDAQ:AAPL", transport) == "NASDAQ:AAPL"
        assert SYMBOLS.instrument("no id", transport) is None
        assert SYMBOLS.instrument("", transport) is None
