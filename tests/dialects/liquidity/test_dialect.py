"""Liquidity's constants against its page, its lanes, and what it says over HTTP."""

import json

import pytest

from bridge.dialects.contract import Lane, Refusal, Request, Site, SymbolTable, Transport
from bridge.dialects.liquidity import DIALECT
from bridge.errors import Unspeakable, VendorProtocolError
from bridge.model import Code, Retry, Topic

SYMBOLS = SymbolTable(DIALECT.spelling, {})
SSE, WEBSOCKET, POLLING = Transport.SSE, Transport.WEBSOCKET, Transport.POLLING


def test_the_limits_are_the_pages(vendor_page):
    page = vendor_page("liquidity")
    limits = DIALECT.profile.limits
    assert f"| SSE connections per user | {limits.sse_connections_per_user} |" in page
    assert f"| WebSocket connections per user | {limits.websocket_connections_per_user} |" in page
    assert f"| Subscriptions per connection | {limits.subscriptions_per_connection} |" in page
    assert f"| Message rate (inbound, WebSocket) | {limits.inbound_messages_per_second} messages/second |" in page
    for transport in (SSE, WEBSOCKET):
        profile = DIALECT.profile.transports[transport]
        assert profile.max_connections == 5
        assert profile.subscriptions_per_connection == limits.subscriptions_per_connection
    assert DIALECT.profile.transports[WEBSOCKET].messages_per_second == limits.inbound_messages_per_second


def test_the_polling_table_is_the_pages(vendor_page):
    page = vendor_page("liquidity")
    seconds = DIALECT.profile.transports[POLLING].poll_seconds
    paths = {endpoint.name: endpoint.path for endpoint in DIALECT.endpoints if endpoint.name}
    assert f"| Quote | GET {paths['quote']} | {seconds['quote']} seconds |" in page
    assert f"| Order book | GET {paths['book']} | {seconds['book']} seconds |" in page
    assert f"| Order status | GET {paths['order']} | {seconds['order']} seconds |" in page


@pytest.mark.parametrize(
    ("topic", "carriers"),
    [
        ("quote:AAPL", {SSE, POLLING}),
        ("book:AAPL", {SSE, WEBSOCKET, POLLING}),
        ("trade:AAPL", {SSE, WEBSOCKET}),
        ("order", {SSE, POLLING}),
        ("bar.5m:AAPL", set()),
        ("status", set()),
    ],
)
def test_a_topic_goes_where_the_vendor_has_such_data(topic, carriers):
    lanes = {transport: DIALECT.lane(Topic.parse(topic), transport) for transport in Transport}
    assert lanes == {transport: Lane(transport) if transport in carriers else None for transport in Transport}


def test_orders_need_no_subscription():
    topics = [Topic.parse(text) for text in ("quote:AAPL", "order", "trade:AAPL")]
    assert all(DIALECT.subscriptions(topics, transport) == 2 for transport in Transport)


@pytest.mark.parametrize("symbol", ["AAPL", "BTC-USD", "SPACEX-PRE", "BRK.B", "EUR/USD", "^GSPC"])
def test_an_id_is_spelled_as_it_is(symbol):
    for transport in Transport:
        assert DIALECT.spelling.vendor_symbol(symbol, transport) == symbol
        assert DIALECT.spelling.instrument(symbol, transport) == symbol


@pytest.mark.parametrize("symbol", ["NASDAQ:AAPL", "", "A,B", "A B", "Ä", "A" * 65, "A\n"])
def test_what_would_break_the_query_is_no_id(symbol):
    assert DIALECT.spelling.vendor_symbol(symbol, SSE) is None
    assert DIALECT.spelling.instrument(symbol, SSE) is None


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.UNAUTHORIZED, 401),
        (Code.TOO_MANY_CONNECTIONS, 429),
        (Code.TOO_MANY_SUBSCRIPTIONS, 400),
        (Code.INTERNAL, 500),
    ],
)
def test_an_http_error_has_the_base_protocols_body(code, status):
    answer = DIALECT.refusal(code, "Too Many Requests.", Retry.AFTER, 5, 0)
    assert json.loads(answer.body) == {"data": {}, "message": "Too Many Requests.", "status": status}
    assert answer.status == status


def test_the_body_repeats_the_status_that_http_has_for_it():
    answer = DIALECT.refusal(Code.BAD_REQUEST, "nothing is here", Retry.NO, None, 404)
    assert json.loads(answer.body)["status"] == 404


def test_a_state_request_for_what_cannot_be_an_asset_is_refused():
    endpoint = next(endpoint for endpoint in DIALECT.endpoints if endpoint.name == "quote")
    with pytest.raises(Refusal) as caught:
        DIALECT.state_question(Request(endpoint=endpoint, segments={"id": "A:B"}), SYMBOLS)
    assert caught.value.code is Code.UNKNOWN_INSTRUMENT


def test_liquidity_mints_nothing():
    request = Request(endpoint=DIALECT.endpoints[0])
    assert DIALECT.mint(Site(url="https://h", api_key="k")) is None
    with pytest.raises(VendorProtocolError):
        DIALECT.minted(b"{}")
    with pytest.raises(Refusal):
        DIALECT.mint_question(request)
    with pytest.raises(Unspeakable):
        DIALECT.mint_answer(request, "t", 0, "", "")
