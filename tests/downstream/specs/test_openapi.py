"""The published specifications: valid by their standards' own words, complete, and true of what is said."""

import json
import re

import jsonschema
import msgspec
import openapi_spec_validator
import pytest

from bridge.dialects.contract import EndpointKind
from bridge.downstream.contract import ServedDialect
from bridge.downstream.goodbyes import GOODBYES
from bridge.downstream.requests.endpoints import HEALTH
from bridge.downstream.requests.routes import routes_of
from bridge.downstream.settings import LimitSettings
from bridge.downstream.specs.asyncapi import asyncapi
from bridge.downstream.specs.openapi import openapi
from bridge.model import Code, Topic
from bridge.model.topic import TOPIC_PATTERN
from tests.dialects.liquidity.samples import SAMPLES as LIQUIDITY
from tests.dialects.tradingview.samples import SAMPLES as TRADINGVIEW
from tests.support.data import ROOT, absent
from tests.support.published import (
    PLACED,
    assert_published,
    asyncapi_document,
    judge_of_events,
    openapi_document,
    operation_at,
    validator,
)
from tests.test_docs import CONTROL, LOGGED, said

TOPICS = "quote:AAPL trade:BTC-USD book:A book.1:A book.20:A book.5000:A bar.1mo:A:B all:A/B order status"
NO_TOPICS = """book.0:A book.05:A book.5001:A book.:A bar:A bar.2m:A quote: quote quote.1:A order:A status. :A Quote:A
quote:a%20b"""

OFFICIAL = ROOT / "tests/clients/node_modules/@asyncapi/specs/schemas/3.0.0.json"


def operations():
    return [
        (path, method, operation)
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_openapi_document_is_one():
    openapi_spec_validator.validate(openapi_document())


def test_the_asyncapi_document_is_one():
    if not OFFICIAL.is_file():
        absent("npm's @asyncapi/specs is not installed in tests/clients")
    schema = json.loads(OFFICIAL.read_text())
    assert not [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(asyncapi_document())]


def references(part):
    if isinstance(part, dict):
        yield from ([part["$ref"]] if "$ref" in part else [])
        yield from (found for each in part.values() for found in references(each))
        mapping = part.get("mapping", {})
        yield from (mapping.values() if part.get("propertyName") else ())
    elif isinstance(part, list):
        yield from (found for each in part for found in references(each))


@pytest.mark.parametrize("document", [openapi_document(), asyncapi_document()], ids=["openapi", "asyncapi"])
def test_every_reference_of_a_document_leads_somewhere_in_it(document):
    found = set(references(document))
    assert found
    for reference in found:
        part = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_every_endpoint_of_every_dialect_is_published_and_nothing_else():
    served = [
        ServedDialect(dialect=dialect, symbols=None, limits=LimitSettings(), prefixes=(prefix,))
        for dialect, prefix in PLACED
    ]
    routes = routes_of(served)
    channels = {one["address"] for one in asyncapi_document()["channels"].values()}
    asked = {(path, method.upper()) for path, method, _ in operations()}
    streams = {EndpointKind.SSE, EndpointKind.WEBSOCKET}
    plain = [route for route in routes if route.endpoint.kind is not EndpointKind.WEBSOCKET]
    assert asked == {(path, "GET") for path in HEALTH} | {
        ("/".join(route.pattern), route.endpoint.method) for route in plain
    }
    assert channels == {"/".join(route.pattern) for route in routes if route.endpoint.kind in streams}


def test_operations_have_names_of_their_own_and_every_path_parameter():
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    for path, _, operation in operations():
        placed = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert placed == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert operation["summary"]


def test_every_code_that_may_be_answered_is_published_with_its_status_and_the_waiting():
    responses = openapi_document()["paths"]["/v1/poll"]["get"]["responses"]
    for code, row in GOODBYES.items():
        if code is not Code.SLOW_CONSUMER:
            told = responses[str(row.http)]
            assert f"`{code}`" in told["description"]
            if row.retry_after_seconds is not None:
                assert "Retry-After" in told["headers"]
    assert openapi_document()["components"]["schemas"]["Code"]["enum"] == sorted(Code)


def test_nobody_needs_a_token_for_the_documents_and_for_health():
    for path in (*HEALTH, "/v1/openapi.json", "/v1/asyncapi.json"):
        assert openapi_document()["paths"][path]["get"]["security"] == []
    assert {"bearer": []} in openapi_document()["paths"]["/v1/poll"]["get"]["security"]


@pytest.mark.parametrize("name", [*LOGGED, *CONTROL])
def test_every_event_that_has_everything_is_as_published(name):
    event = said(name)
    assert not [error.message for error in judge_of_events().iter_errors(event)]
    messages = asyncapi_document()["components"]["messages"]
    judge = validator(asyncapi_document(), messages[f"canonical_said_{name}"]["payload"])
    assert not [error.message for error in judge.iter_errors(event)]
    for key in ("type", "id", "ts_recv"):
        assert list(judge.iter_errors({other: value for other, value in event.items() if other != key})), key


@pytest.mark.parametrize(
    ("prefix", "stated"),
    [("/liquidity", one) for one in LIQUIDITY.stated] + [("/tradingview", one) for one in TRADINGVIEW.stated],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_the_vendors_pages_print_as_an_answer_is_as_published_for_their_endpoint(prefix, stated):
    assert operation_at(prefix + stated.endpoint) == prefix + stated.endpoint
    assert_published(prefix + stated.endpoint, "GET", 200, {"content-type": "application/json"}, stated.body)
    assert not re.search(rb":\s*null", stated.body)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bid": 1.5},
        {"bid": "1e5"},
        {"bid": None},
        {"instrument": "two words"},
        {"delay_seconds": "3"},
        {"never_heard_of": 1},
    ],
)
def test_what_we_never_say_is_not_as_published(wrong):
    assert list(judge_of_events().iter_errors({**said("quote"), **wrong}))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('{"op":"subscribe","topics":["quote:AAPL"],"after":"a-1","conflate":true,"max_rate":2,"ref":"r"}', True),
        ('{"op":"unsubscribe"}', True),
        ('{"op":"renew","token":"t"}', True),
        ('{"op":"renew"}', False),
        ('{"op":"ping","ref":1}', False),
    ],
)
def test_what_a_websocket_is_told_is_as_published(text, good):
    operation = json.loads(text)
    payload = asyncapi_document()["components"]["messages"][f"canonical_heard_{operation['op']}"]["payload"]
    assert list(validator(asyncapi_document(), payload).iter_errors(operation)) is not good


@pytest.mark.parametrize(
    "text",
    [
        "quote:AAPL",
        "trade:BTC-USD",
        "book:A",
        "book.1:A",
        "book.20:A",
        "book.5000:A",
        "bar.1mo:A:B",
        "all:A/B",
        "order",
        "status",
        "book.0:A",
        "book.05:A",
        "book.5001:A",
        "book.:A",
        "bar:A",
        "bar.2m:A",
        "quote:",
        "quote",
        "quote.1:A",
        "order:A",
        "status.",
        ":A",
        "Quote:A",
        "quote:a%20b",
    ],
)
def test_the_published_pattern_of_topics_takes_what_is_taken(text):
    judge = validator({}, {"pattern": f"^{TOPIC_PATTERN}$"})
    try:
        Topic.parse(text)
    except ValueError:
        taken = False
    else:
        taken = True
    assert judge.is_valid(text) is taken is (text in TOPICS.split())


def test_the_documents_say_what_the_bridge_is_called():
    placed = PLACED[:1]
    assert openapi(placed, "https://bridge.corp")["servers"] == [{"url": "https://bridge.corp"}]
    servers = asyncapi(placed, "https://bridge.corp/feeds")["servers"]
    assert {(one["host"], one["pathname"], one["protocol"]) for one in servers.values()} == {
        ("bridge.corp", "/feeds", "https"),
        ("bridge.corp", "/feeds", "wss"),
    }


def test_the_documents_are_json_as_they_are():
    for document in (openapi_document(), asyncapi_document()):
        assert json.loads(msgspec.json.encode(document)) == document


def test_a_path_is_found_by_its_pattern():
    assert operation_at("http://h/v1/instruments/A%2FB/quote?x=1") == "/v1/instruments/{id}/quote"
    assert operation_at("http://h/nothing") is None
