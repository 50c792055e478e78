"""The parts of the dialect contract that are more than words: the symbol table, what a session asked for, and the loader."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from bridge.dialects.contract import (
    Asked,
    Credential,
    HttpRequest,
    Lane,
    Mint,
    Renew,
    Request,
    Site,
    SymbolTable,
    Transport,
)
from bridge.dialects.contract.profile import alias_key
from bridge.dialects.contract.server import Endpoint, EndpointKind
from bridge.dialects.loader import dialect_names, load_dialect
from bridge.errors import ConfigError
from bridge.model import FeedName, InstrumentId, Topic

SSE, WEBSOCKET, POLLING = Transport.SSE, Transport.WEBSOCKET, Transport.POLLING


class Lower:
    """A vendor that spells ids in lower case and knows none with a dash."""

    def vendor_symbol(self, instrument, transport):
        return None if "-" in instrument else instrument.lower()

    def instrument(self, vendor_symbol, transport):
        return InstrumentId(vendor_symbol.upper()) if vendor_symbol else None


ALIASES = {"BTC-USD": {"sse": "BTC", "websocket": "BTC-USD", "rest": "XBT"}, "GOLD": "xau"}


def table() -> SymbolTable:
    return SymbolTable(Lower(), ALIASES)


def test_a_listed_instrument_has_one_symbol_a_transport():
    spelled = [table().vendor_symbol("BTC-USD", transport) for transport in (SSE, WEBSOCKET, POLLING)]
    assert spelled == ["BTC", "BTC-USD", "XBT"]
    assert [table().vendor_symbol("GOLD", transport) for transport in Transport] == ["xau"] * 3


def test_a_listed_symbol_is_read_on_its_own_transport():
    assert table().instrument("BTC", SSE) == "BTC-USD"
    assert table().instrument("XBT", POLLING) == "BTC-USD"
    assert table().instrument("XBT", SSE) == "XBT", "there it is an unlisted symbol like any other"


def test_an_unlisted_instrument_follows_the_dialects_rules():
    assert table().vendor_symbol("AAPL", SSE) == "aapl"
    assert table().instrument("aapl", SSE) == "AAPL"
    assert table().vendor_symbol("ETH-USD", SSE) is None


def test_an_unlisted_id_cannot_take_the_symbol_of_a_listed_one():
    assert table().vendor_symbol("XAU", SSE) is None


def test_a_symbol_that_reads_as_a_listed_id_but_is_not_its_symbol_is_nobodys():
    assert table().instrument("gold", SSE) is None


def test_a_listed_id_without_a_symbol_for_a_transport_has_none_there():
    symbols = SymbolTable(Lower(), {"ONLY": {"sse": "only"}})
    assert symbols.vendor_symbol("ONLY", SSE) == "only"
    assert symbols.vendor_symbol("ONLY", WEBSOCKET) is None


def test_two_ids_with_one_symbol_are_a_conflict():
    symbols = SymbolTable(Lower(), {"A": "x", "B": {"rest": "x"}})
    assert symbols.conflicts == ["'B' and 'A' are both 'x' on rest"]
    assert not table().conflicts


def test_the_configuration_calls_polling_rest():
    assert [alias_key(transport) for transport in Transport] == ["sse", "websocket", "rest"]


def asked() -> Asked:
    return Asked(FeedName("f"), Lane(SSE), table())


def test_asked_keeps_the_order_of_asking_and_nothing_twice():
    topics = [Topic.parse(text) for text in ("trade:A", "quote:A", "trade:A", "bar.5m:A", "bar.1h:A", "bar.5m:B")]
    session = asked()
    session.add(topics)
    session.discard([Topic.parse("quote:A"), Topic.parse("quote:Z")])
    assert [str(topic) for topic in session.topics] == ["trade:A", "bar.5m:A", "bar.1h:A", "bar.5m:B"]
    assert Topic.parse("trade:A") in session
    assert Topic.parse("quote:A") not in session
    assert [str(topic) for topic in session.bars_of("A")] == ["bar.5m:A", "bar.1h:A"]


def test_asked_spells_a_topics_instrument_or_says_that_it_cannot():
    assert asked().symbol(Topic.parse("trade:BTC-USD")) == "BTC"
    with pytest.raises(ValueError, match="no spelling on sse"):
        asked().symbol(Topic.parse("trade:ETH-USD"))
    with pytest.raises(ValueError, match="no spelling"):
        asked().symbol(Topic.parse("order"))


@pytest.mark.parametrize(
    "secret",
    [
        Credential(token="s3cret"),
        Site(url="https://v.example", api_key="s3cret", tenant_token="s3cret"),
        Renew(token="s3cret"),
        Mint(api_key="s3cret"),
        Request(endpoint=Endpoint(kind=EndpointKind.SSE, path="/x"), query={"token": ["s3cret"]}),
    ],
)
def test_what_holds_a_secret_never_prints_it(secret):
    assert "s3cret" not in f"{secret} {secret!r}"


def test_a_dialect_is_found_by_its_folder():
    assert "liquidity" in dialect_names()
    assert "contract" not in dialect_names()
    assert load_dialect("liquidity").name == "liquidity"


def test_an_unknown_dialect_is_a_config_error_that_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"no dialect 'liquidty'; there are .*liquidity"):
        load_dialect("liquidty")


CHECKS = {
    "canonical": ("https://v/v1/instruments", "authorization"),
    "liquidity": ("https://v/v1/orders/ord_00000000000000000000", "authorization"),
    "tradingview": ("https://v/sse/stream", "token"),
}


def shown(request: HttpRequest) -> tuple[str, str | None]:
    """Where a request goes, and the token in it, header or query."""
    query = dict(parse_qsl(urlsplit(request.url).query))
    headers = {name.lower(): value.removeprefix("Bearer ") for name, value in request.headers}
    return request.url.partition("?")[0], query.get("token") or headers.get("authorization")


@pytest.mark.parametrize("name", dialect_names())
def test_a_dialect_knows_what_to_ask_so_that_a_status_tells_whether_a_token_is_good(name):
    dialect, token = load_dialect(name), Credential(token="the-token")
    assert shown(dialect.check(Site(url="https://v"), token, None)) == (CHECKS[name][0], "the-token")
    assert shown(dialect.check(Site(url="https://v"), None, None)) == (CHECKS[name][0], None), "as a guest"
    elsewhere = dialect.check(Site(url="https://v"), token, "https://v/other?x=1")
    assert shown(elsewhere) == ("https://v/other", "the-token")
    assert "x=1" in elsewhere.url
    assert elsewhere.method == "GET"
    assert "the-token" not in repr(elsewhere)


def test_what_liquiditys_rest_wants_beside_the_token_goes_with_the_question_about_it():
    request = load_dialect("liquidity").check(Site(url="https://v", rest_url="https://r", tenant_token="t"), None, None)
    assert request.url.startswith("https://r/v1/orders/")
    assert ("tenant-authorization", "t") in request.headers
