"""A bridge's side of a connection: what it reads from clients, what it answers, and what it refuses."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.dialects.canonical import DIALECT
from bridge.dialects.contract import (
    EndpointKind,
    Refusal,
    Request,
    Subscribe,
    SymbolTable,
    Transport,
    Unsubscribe,
)
from bridge.model import Code, Goaway, Problem, Retry, Stream, Topic, UnixNanos, Verdict

NOW = UnixNanos(1_773_880_484_250_000_000)
SSE = next(endpoint for endpoint in DIALECT.endpoints if endpoint.kind is EndpointKind.SSE)
WEBSOCKET = next(endpoint for endpoint in DIALECT.endpoints if endpoint.kind is EndpointKind.WEBSOCKET)


def conversation(transport=Transport.WEBSOCKET):
    return DIALECT.conversation(transport, SymbolTable(DIALECT.spelling, {}))


def opened(headers=None, **query):
    request = Request(
        endpoint=SSE, query={name: tuple(values) for name, values in query.items()}, headers=headers or {}
    )
    (action,) = conversation(Transport.SSE).open(request)
    return action


def topics(*texts):
    return tuple(Topic.parse(text) for text in texts)


def said(messages):
    (message,) = messages
    return json.loads(message.data)


def refused(what):
    with pytest.raises(Refusal) as caught:
        what()
    assert caught.value.code is Code.BAD_REQUEST
    return caught.value


def test_sse_topics_come_separated_by_commas_or_repeated_and_count_once():
    action = opened(subscribe=["all:BTC-USD,quote:NASDAQ:AAPL", "bar.5m:NASDAQ:AAPL,", "all:BTC-USD"])
    assert action.topics == topics("all:BTC-USD", "quote:NASDAQ:AAPL", "bar.5m:NASDAQ:AAPL")
    assert action.after is None


def test_a_reconnecting_eventsource_goes_on_where_it_stopped_not_where_its_url_began():
    assert opened(subscribe=["quote:A"], after=["e-1"]).after == "e-1"
    assert opened({"last-event-id": "e-9"}, subscribe=["quote:A"], after=["e-1"]).after == "e-9"
    assert opened({"last-event-id": ""}, subscribe=["quote:A"], after=["e-1"]).after == "e-1"
    assert opened(subscribe=["quote:A"], after=[""]).after is None


def test_query_parameters_that_are_not_ours_are_ignored():
    assert opened(subscribe=["quote:A"], utm_source=["x"], extra=["true"]).topics == topics("quote:A")


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({}, "subscribe"),
        ({"subscribe": [""]}, "subscribe"),
        ({"subscribe": ["quote:A,nonsense"]}, "nonsense"),
        ({"subscribe": ["quote:A"], "conflate": ["maybe"]}, "conflate"),
        ({"subscribe": ["quote:A"], "max_rate": ["fast"]}, "max_rate"),
        ({"subscribe": ["quote:A"], "max_rate": ["-1"]}, "max_rate"),
        ({"subscribe": ["quote:A"], "max_rate": ["nan"]}, "max_rate"),
        ({"subscribe": ["quote:A"], "max_rate": ["0.001"]}, "max_rate"),
    ],
)
def test_a_wrong_stream_request_says_what_is_wrong(query, word):
    assert word in refused(lambda: opened(**query)).message


def test_a_stream_request_may_wish_to_be_slowed():
    assert (opened(subscribe=["quote:A"]).conflate, opened(subscribe=["quote:A"]).max_rate) == (None, None)
    for text, meant in (("true", True), ("1", True), ("false", False), ("0", False)):
        assert opened(subscribe=["quote:A"], conflate=[text]).conflate is meant
    assert opened(subscribe=["quote:A"], max_rate=["2.5"]).max_rate == 2.5


def test_a_later_subscribe_may_be_nothing_but_a_wish():
    talk = conversation()
    (first,) = talk.receive('{"op":"subscribe","topics":["quote:A"],"conflate":true,"max_rate":3}', NOW)
    assert (first.conflate, first.max_rate) == (True, 3)
    answer = said(talk.subscribed(first, first.topics, "e-1", NOW))
    assert (answer["conflate"], answer["max_rate"]) == (True, 3)
    (wish,) = talk.receive('{"op":"subscribe","conflate":false}', NOW)
    assert (wish.topics, wish.conflate, wish.max_rate) == ((), False, None)
    assert said(talk.subscribed(wish, (), "e-1", NOW)) == {
        "type": "ok",
        "op": "subscribe",
        "topics": [],
        "cursor": "e-1",
        "conflate": False,
    }
    assert refused(lambda: talk.receive('{"op":"subscribe","topics":[]}', NOW)).code is Code.BAD_REQUEST


def test_a_websocket_opens_silently_and_subscribes_by_operations():
    talk = conversation()
    assert list(talk.open(Request(endpoint=WEBSOCKET))) == []
    assert list(talk.greeting(NOW)) == []
    (action,) = talk.receive('{"op":"subscribe","topics":["quote:A","order"],"ref":"r1","mood":"calm"}', NOW)
    assert action == Subscribe(topics=topics("quote:A", "order"), ref="r1")
    assert said(talk.subscribed(action, topics("quote:A", "order"), "e-5", NOW)) == {
        "type": "ok",
        "op": "subscribe",
        "ref": "r1",
        "topics": ["quote:A", "order"],
        "cursor": "e-5",
    }


def test_after_is_only_for_the_first_accepted_subscribe():
    talk = conversation()
    resume = '{"op":"subscribe","topics":["quote:A"],"after":"e-1","ref":"r"}'
    (first,) = talk.receive(resume, NOW)
    assert first.after == "e-1"
    (again,) = talk.receive(resume, NOW)
    assert again.after == "e-1", "the first was not accepted, so this is still the first"
    talk.subscribed(again, again.topics, "e-1", NOW)
    assert refused(lambda: talk.receive(resume, NOW)).ref == "r"
    (fresh,) = talk.receive('{"op":"subscribe","topics":["quote:B"]}', NOW)
    assert fresh.after is None


def test_scopes_are_never_spelled_so_topics_that_differ_in_them_are_said_once():
    talk = conversation()
    served = (Topic.parse("order"), *(Topic(Topic.parse("order").kind, scope=account) for account in ("a/1", "a/2")))
    assert said(talk.subscribed(Subscribe(topics=served), served, "e-1", NOW))["topics"] == ["order"]


def test_unsubscribe_names_topics_or_means_all():
    talk = conversation()
    assert list(talk.receive(b'{"op":"unsubscribe"}', NOW)) == [Unsubscribe(topics=None)]
    (action,) = talk.receive('{"op":"unsubscribe","topics":["quote:A"],"ref":"u"}', NOW)
    assert said(talk.unsubscribed(action, topics("quote:A"), "e-6", NOW)) == {
        "type": "ok",
        "op": "unsubscribe",
        "ref": "u",
        "topics": ["quote:A"],
        "cursor": "e-6",
    }


def test_renewal_is_answered_with_when_the_token_ends():
    talk = conversation()
    (action,) = talk.receive('{"op":"renew","token":"s3cret"}', NOW)
    assert action.token == "s3cret"
    assert "s3cret" not in f"{action!r} {action}"
    answer = said(talk.renewed(action, NOW, "e-6", NOW))
    assert answer == {"type": "ok", "op": "renew", "expires": "2026-03-19T00:34:44.250Z", "cursor": "e-6"}


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("", None),
        ("{", None),
        ("[]", None),
        ('"subscribe"', None),
        ('{"op":"dance","ref":"r"}', "r"),
        ('{"topics":["quote:A"],"ref":"r"}', "r"),
        ('{"op":"subscribe","ref":"r"}', "r"),
        ('{"op":"subscribe","topics":[],"ref":"r"}', "r"),
        ('{"op":"subscribe","topics":"quote:A","ref":"r"}', "r"),
        ('{"op":"subscribe","topics":["quote:A","nonsense"],"ref":"r"}', "r"),
        ('{"op":"subscribe","conflate":true,"ref":"r"}', "r"),
        ('{"op":"subscribe","topics":["quote:A"],"conflate":"yes","ref":"r"}', "r"),
        ('{"op":"subscribe","topics":["quote:A"],"max_rate":-1,"ref":"r"}', "r"),
        ('{"op":"unsubscribe","topics":["nonsense"],"ref":"r"}', "r"),
        ('{"op":"renew","ref":"r"}', "r"),
        ('{"op":"ping","ref":7}', None),
        (json.dumps({"op": "ping", "ref": "x" * 201}), None),
        (json.dumps({"op": "dance", "ref": "x" * 201}), None),
        ("[" * 100_000, None),
        (b"\xff", None),
    ],
)
def test_a_wrong_operation_is_a_bad_request_with_its_ref(text, ref):
    assert refused(lambda: conversation().receive(text, NOW)).ref == ref


@given(st.binary(max_size=40) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_whatever_a_client_sends_is_read_or_refused(text):
    with contextlib.suppress(Refusal):
        conversation().receive(text, NOW)


def test_a_stream_begins_with_all_the_contract_names():
    stream = Stream(
        at="e-5",
        stream="x9",
        verdict=Verdict.RESUMED,
        topics=("quote:A",),
        limits={"subscriptions_per_connection": 50},
        ts_recv=NOW,
    )
    for transport in (Transport.SSE, Transport.WEBSOCKET):
        (message,) = conversation(transport).stream(stream)
        assert (message.event, message.id) == ("stream", "e-5")
        assert list(json.loads(message.data).items())[:2] == [("type", "stream"), ("id", "e-5")]
        assert json.loads(message.data) == {
            "type": "stream",
            "id": "e-5",
            "ts_recv": "2026-03-19T00:34:44.250Z",
            "stream": "x9",
            "verdict": "resumed",
            "topics": ["quote:A"],
            "limits": {"subscriptions_per_connection": 50},
        }
    ends = Stream(at="e-5", stream="x", verdict=Verdict.FRESH, topics=(), limits={}, ts_recv=NOW, expires=NOW)
    assert said(conversation().stream(ends))["expires"] == "2026-03-19T00:34:44.250Z"
    passed = Stream(at="e-5", stream="x", verdict=Verdict.FRESH, topics=(), limits={}, ts_recv=NOW, via=("us", "them"))
    assert said(conversation().stream(passed))["via"] == ["us", "them"]


def test_problems_and_goodbyes_have_the_contracts_fields():
    problem = Problem(
        at="e-5", code=Code.FORBIDDEN, message="no", retry=Retry.NO, ts_recv=NOW, topic="quote:A", ref="r"
    )
    assert said(conversation().problem(problem)) == {
        "type": "problem",
        "id": "e-5",
        "ts_recv": "2026-03-19T00:34:44.250Z",
        "code": "forbidden",
        "message": "no",
        "topic": "quote:A",
        "retry": "no",
        "ref": "r",
    }
    goaway = Goaway(at="e-5", reason=Code.GOING_AWAY, retry=Retry.AFTER, ts_recv=NOW, retry_after_ms=1_500)
    assert said(conversation().goodbye(goaway)) == {
        "type": "goaway",
        "id": "e-5",
        "ts_recv": "2026-03-19T00:34:44.250Z",
        "reason": "going_away",
        "retry": "after",
        "retry_after_ms": 1500,
    }


def test_a_warning_tells_when_the_token_ends_and_where_the_stream_stands():
    assert said(conversation().expiring(UnixNanos(NOW + 60 * 10**9), "e-5", NOW)) == {
        "type": "expiring",
        "id": "e-5",
        "ts_recv": "2026-03-19T00:34:44.250Z",
        "expires": "2026-03-19T00:35:44.250Z",
    }


def test_the_heartbeat_is_a_comment_on_sse_and_the_transports_own_on_websocket():
    (beat,) = conversation(Transport.SSE).heartbeat(NOW)
    assert (beat.comment, beat.data, beat.event) == ("heartbeat", b"", "")
    assert list(conversation().heartbeat(NOW)) == []


def test_sse_needs_no_answer_to_its_subscribe():
    action = opened(subscribe=["quote:A"])
    assert list(conversation(Transport.SSE).subscribed(action, action.topics, "e-1", NOW)) == []
