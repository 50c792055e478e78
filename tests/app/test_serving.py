"""How a bridge serves its dialects: where, with which limits, and in which manner."""

from pathlib import Path

import msgspec

from bridge.app.serving import limits_of, manner_of, served_dialects
from bridge.config import parse_config
from bridge.dialects.contract import EncoderOptions, EndpointKind, Manner, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.settings import DialectLimits, DialectSettings, LimitSettings
from bridge.model import Code, InstrumentId, Problem, Quote, Retry, UnixNanos

OPEN = '[auth]\nmode = "none"\n'


def served(text=""):
    config = parse_config(OPEN + text, Path("bridge.toml"), {})
    return {one.dialect.name: one for one in served_dialects(config)}


def stream_path(one):
    return next(endpoint.path for endpoint in one.dialect.endpoints if endpoint.kind is EndpointKind.SSE)


def test_every_dialect_is_served_and_each_vendor_under_its_name_as_well():
    prefixes = {name: one.prefixes for name, one in served().items()}
    assert prefixes == {"canonical": ("",), "liquidity": ("", "/liquidity"), "tradingview": ("", "/tradingview")}
    assert next(iter(prefixes)) == "canonical"


def test_a_vendors_clients_spell_instruments_as_the_table_says_and_ours_by_our_ids():
    table = '[instruments."BTC-USD"]\nliquidity = { sse = "BTC" }\ntradingview = "COINBASE:BTCUSD"\n'
    both = served(table)
    assert both["liquidity"].symbols.instrument("BTC", Transport.SSE) == "BTC-USD"
    assert both["tradingview"].symbols.instrument("COINBASE:BTCUSD", Transport.WEBSOCKET) == "BTC-USD"
    assert both["canonical"].symbols.instrument("COINBASE:BTCUSD", Transport.SSE) == "COINBASE:BTCUSD"


def test_a_dialects_own_limits_stand_above_the_common_ones_and_zero_is_one_of_them():
    own = DialectSettings(limits=DialectLimits(sse_connections_per_user=0, inbound_messages_burst=7))
    limits = limits_of(LimitSettings(websocket_connections_per_user=3), own)
    assert limits.sse_connections_per_user == 0
    assert limits.inbound_messages_burst == 7
    assert limits.websocket_connections_per_user == 3
    assert limits.subscriptions_per_connection == 50


def test_what_is_not_said_is_as_the_documents_have_it():
    assert manner_of(DialectSettings()) == Manner()
    assert stream_path(served()["liquidity"]) == "/api/realtime"


def test_an_operators_path_is_where_the_event_stream_stands_and_nothing_else_moves():
    before = {endpoint.path for endpoint in load_dialect("liquidity").endpoints}
    moved = served('[dialects.liquidity]\nrealtime_path = "/v1/realtime"\n')["liquidity"]
    assert stream_path(moved) == "/v1/realtime"
    assert {endpoint.path for endpoint in moved.dialect.endpoints} ^ before == {"/api/realtime", "/v1/realtime"}
    assert stream_path(served()["liquidity"]) == "/api/realtime"


QUOTE = Quote(
    instrument=InstrumentId("NASDAQ:AAPL"),
    feed="f",
    ts_recv=UnixNanos(1_774_000_000_123_456_789),
    ts_event=UnixNanos(1_774_000_000_123_456_789),
    last_time=UnixNanos(1_774_000_000_000_000_000),
    changed=frozenset({"last_time"}),
)
PROBLEM = Problem(at="a-1", code=Code.FORBIDDEN, message="no", retry=Retry.NO, ts_recv=QUOTE.ts_recv)


def said_by(text, transport):
    """A quote and a problem, as a TradingView client is told: event name and data."""
    dialect = served(text)["tradingview"].dialect
    symbols = SymbolTable(dialect.spelling, {})
    messages = dialect.encoder(transport, symbols, EncoderOptions()).encode(QUOTE, "a-1", whole=False)
    messages = (*messages, *dialect.conversation(transport, symbols).problem(PROBLEM))
    return [(message.event, msgspec.json.decode(message.data)) for message in messages]


def test_events_have_names_when_the_operator_says_so_but_for_errors_and_on_a_websocket():
    named = "[dialects.tradingview]\nnamed_events = true\n"
    assert [event for event, _ in said_by(named, Transport.SSE)] == ["quote_update", ""]
    assert [event for event, _ in said_by(named, Transport.WEBSOCKET)] == ["", ""]
    assert [event for event, _ in said_by("", Transport.SSE)] == ["", ""]


def test_times_are_in_the_operators_unit_and_a_quotes_own_time_stays_in_seconds():
    for text, timestamp in (
        ("", 1_774_000_000),
        ('[dialects.tradingview]\ntimestamp_unit = "ms"\n', 1_774_000_000_123),
    ):
        (_, quote), (_, error) = said_by(text, Transport.WEBSOCKET)
        assert quote["timestamp"] == error["timestamp"] == timestamp
        assert quote["data"] == {"lp_time": 1_774_000_000}
