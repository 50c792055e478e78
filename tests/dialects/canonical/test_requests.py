"""What we send to another bridge."""

from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from bridge.dialects.canonical import DIALECT
from bridge.dialects.contract import Asked, Credential, Lane, Question, QuestionKind, Site, SymbolTable, Transport
from bridge.model import FeedName, InstrumentId, Interval, Topic

TOKEN = Credential(token="s3cret")


def requests(*topics, transport=Transport.SSE, site=None, aliases=None, depth=None):
    asked = Asked(FeedName("relay"), Lane(transport), SymbolTable(DIALECT.spelling, aliases or {}), depth=depth)
    asked.add([Topic.parse(topic) for topic in topics])
    return DIALECT.requests(asked, site or Site(url="https://bridge.corp"))


def test_a_stream_is_opened_with_all_topics_the_token_and_the_place_to_resume_from():
    request = requests("quote:A&B=C", "book:BTC-USD", "bar.5m:X", depth=20).open(TOKEN, "e-7")
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "bridge.corp", "/v1/stream")
    assert parse_qs(parts.query, strict_parsing=True) == {
        "subscribe": ["quote:A&B=C,book.20:BTC-USD,bar.5m:X"],
        "extra": ["true"],
    }
    headers = dict(request.headers)
    assert (headers["authorization"], headers["last-event-id"]) == ("Bearer s3cret", "e-7")
    assert "s3cret" not in f"{request!r}{request.url}"


def test_without_token_or_id_the_headers_are_left_out():
    assert dict(requests("quote:A").open(None, None).headers) == {"accept": "text/event-stream"}


def test_the_path_may_be_elsewhere():
    site = Site(url="https://bridge.corp/md", realtime_path="/events")
    assert (
        requests("quote:A", site=site).open(None, None).url
        == "https://bridge.corp/md/events?subscribe=quote:A&extra=true"
    )


@pytest.mark.parametrize(
    ("site", "url"),
    [
        (Site(url="https://bridge.corp/md"), "wss://bridge.corp/md/v1/ws?extra=true"),
        (Site(url="http://127.0.0.1:8080"), "ws://127.0.0.1:8080/v1/ws?extra=true"),
        (Site(url="https://x", websocket_url="wss://y/z"), "wss://y/z?extra=true"),
        (Site(url="https://x", credential_place="none"), "wss://x/v1/ws?extra=true"),
        (Site(url="https://x", credential_place="query"), "wss://x/v1/ws?extra=true&token=s3cret"),
        (
            Site(url="https://x", credential_place="query", websocket_url="wss://y?a=1"),
            "wss://y?a=1&extra=true&token=s3cret",
        ),
    ],
)
def test_a_websocket_is_opened_where_the_site_says(site, url):
    request = requests(transport=Transport.WEBSOCKET, site=site).open(TOKEN, None)
    assert request.url == url
    bearer = () if site.credential_place else (("authorization", "Bearer s3cret"),)
    assert request.headers == bearer


def test_an_aliased_instrument_is_asked_for_by_its_name_there():
    request = requests("quote:bitcoin", aliases={InstrumentId("bitcoin"): "BTC-USD"}).open(None, None)
    assert parse_qs(urlsplit(request.url).query)["subscribe"] == ["quote:BTC-USD"]


def test_on_sse_nothing_is_sent_after_opening():
    sent = requests("quote:A")
    topics = [Topic.parse("quote:A")]
    assert (sent.subscribe(topics), sent.unsubscribe(topics), sent.ping()) == ([], [], None)


def test_one_refused_topic_must_not_take_others_down():
    sent = requests("quote:A", "trade:B", transport=Transport.WEBSOCKET)
    assert sent.subscribe([Topic.parse("quote:A"), Topic.parse("trade:B")]) == [
        b'{"op":"subscribe","topics":["quote:A"],"ref":"quote:A"}',
        b'{"op":"subscribe","topics":["trade:B"],"ref":"trade:B"}',
    ]
    assert sent.unsubscribe([]) == []
    assert sent.ping() == b'{"op":"ping"}'


def asked(kind, token=None, **more):
    symbols = SymbolTable(DIALECT.spelling, {})
    question = Question(kind=kind, **{"instrument": InstrumentId("NASDAQ:A/B"), **more})
    return DIALECT.question(question, symbols, Site(url="https://x", rest_url="https://r"), token)


def test_questions_go_to_the_state_endpoints_with_the_id_as_one_segment():
    assert asked(QuestionKind.QUOTE).url == "https://r/v1/instruments/NASDAQ%3AA%2FB/quote"
    assert asked(QuestionKind.BOOK, TOKEN).headers == (("authorization", "Bearer s3cret"),)
    bars = asked(QuestionKind.BARS, interval=Interval.M5, limit=9_000)
    assert bars.url == "https://r/v1/instruments/NASDAQ%3AA%2FB/bars?interval=5m&limit=500"


def test_what_a_bridge_cannot_be_asked_is_none():
    assert asked(QuestionKind.ORDER, order_id="o") is None
    assert asked(QuestionKind.BARS) is None
    assert asked(QuestionKind.QUOTE, instrument=None) is None


def test_on_a_websocket_all_that_is_resumed_is_asked_for_in_the_first_operation_and_the_rest_one_by_one():
    session = requests("quote:A", "trade:B", "trade:C", transport=Transport.WEBSOCKET)
    session.open(None, "e-7")
    (first,) = session.subscribe([Topic.parse("quote:A"), Topic.parse("trade:B")])
    assert msgspec.json.decode(first) == {
        "op": "subscribe",
        "topics": ["quote:A", "trade:B"],
        "after": "e-7",
        "ref": "resume",
    }
    (second,) = session.subscribe([Topic.parse("trade:C")])
    assert msgspec.json.decode(second) == {"op": "subscribe", "topics": ["trade:C"], "ref": "trade:C"}
