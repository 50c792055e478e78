"""Every dialect folder keeps the same promises: its samples hold both ways, and all it must be able to say it can say."""

import importlib
import json
from pathlib import Path

import pytest

import bridge.dialects
from bridge.dialects.contract import (
    Endpoint,
    EndpointKind,
    Question,
    QuestionKind,
    Request,
    Site,
    StateAnswer,
    Transport,
    Unsubscribe,
)
from bridge.dialects.contract.site import Credential
from bridge.dialects.loader import load_dialect
from bridge.errors import Unspeakable
from bridge.model import Code, Goaway, Problem, Retry, Topic, TopicKind
from tests.dialects.exact import exact_json
from tests.dialects.sample import CURSOR, FEED, PLAIN, TS_RECV
from tests.dialects.stage import (
    NAMES,
    SAMPLES,
    asked_of,
    compared_fields,
    content,
    each,
    each_dialect,
    facts,
    hear,
    symbols_of,
)

STREAMS = (Transport.SSE, Transport.WEBSOCKET)


@each_dialect
def test_every_dialect_has_samples(name):
    assert name in SAMPLES, f"tests/dialects/{name}/samples.py is missing"


def test_all_dialect_folders_hold_the_same_files():
    root = Path(bridge.dialects.__path__[0])
    files = {name: tuple(sorted(path.name for path in (root / name).glob("*.py"))) for name in NAMES}
    assert len(set(files.values())) == 1, files


@each_dialect
def test_a_dialect_is_called_as_its_folder(name):
    assert load_dialect(name).name == name


@each("heard")
def test_a_frame_is_read_as_its_events(name, sample):
    asked = asked_of(name, sample.lane, sample.topics, sample.account)
    assert hear(name, asked, *sample.before, (sample.event, sample.frame))[-1] == list(sample.yields)


@each("heard")
def test_nothing_is_told_of_what_was_not_asked(name, sample):
    asked = asked_of(name, sample.lane, account=sample.account)
    assert facts(hear(name, asked, *sample.before, (sample.event, sample.frame))[-1]) == []


@each("answered")
def test_an_answer_is_read_as_its_events(name, sample):
    dialect = load_dialect(name)
    said = dialect.answer(sample.question, sample.body, FEED, symbols_of(name), TS_RECV)
    assert list(said) == list(sample.yields)


@each("said")
def test_an_event_is_written_as_its_messages(name, sample):
    encoder = load_dialect(name).encoder(sample.transport, symbols_of(name), sample.options)
    messages = encoder.encode(sample.event, sample.cursor, whole=sample.whole)
    written = [(message.event, message.id, exact_json(message.data)) for message in messages]
    assert written == [(message.event, message.id, exact_json(message.data)) for message in sample.messages]
    assert not any(b"\n" in message.data or b"\r" in message.data for message in messages)


@each("unsaid")
def test_an_event_without_a_word_is_unspeakable(name, sample):
    encoder = load_dialect(name).encoder(sample.transport, symbols_of(name), PLAIN)
    with pytest.raises(Unspeakable):
        encoder.encode(sample.event, CURSOR, whole=True)


@each("said")
def test_what_was_written_is_read_again_but_for_the_named_losses(name, sample):
    encoder = load_dialect(name).encoder(sample.transport, symbols_of(name), sample.options)
    if sample.back is None:
        return  # nothing reads it: it is only for clients
    messages = encoder.encode(sample.event, sample.cursor, whole=True)
    asked = asked_of(name, sample.back, sample.topics, sample.account)
    said = [event for heard in hear(name, asked, *((m.event, m.data) for m in messages)) for event in facts(heard)]
    fields = compared_fields(name, sample.transport, sample.event)
    assert [content(event, fields) for event in said] == [content(sample.event, fields)]


@each_dialect
def test_every_named_loss_is_of_a_field_there_is(name):
    losses = importlib.import_module(f"bridge.dialects.{name}.encode").LOSSES
    for transport, types in losses.items():
        assert transport in set(Transport)
        for event, fields in types.items():
            assert set(fields) <= {*event.__struct_fields__, "*"}, (transport, event)
            assert all(fields.values()), "every loss says why"


@each("stated")
def test_a_state_request_is_understood_and_answered(name, sample):
    dialect = load_dialect(name)
    symbols = symbols_of(name)
    (endpoint,) = (e for e in dialect.endpoints if e.kind is EndpointKind.STATE and e.path == sample.endpoint)
    request = Request(endpoint=endpoint, segments=sample.segments, query=sample.query)
    assert dialect.state_question(request, symbols) == sample.question
    answer = dialect.state_answer(request, StateAnswer(events=tuple((e, CURSOR) for e in sample.events)), symbols)
    assert exact_json(answer.body) == exact_json(sample.body)


@each("requested")
def test_a_clients_message_is_understood(name, sample):
    if sample.actions is not None:
        conversation = load_dialect(name).conversation(sample.lane.transport, symbols_of(name))
        assert list(conversation.receive(sample.text, TS_RECV)) == list(sample.actions)


@each("requested")
def test_a_session_sends_the_clients_message(name, sample):
    asked = asked_of(name, sample.lane, (*sample.subscribes, *sample.unsubscribes), depth=sample.depth)
    requests = load_dialect(name).requests(asked, Site(url="https://vendor.example"))
    if sample.subscribes:
        written = requests.subscribe([Topic.parse(topic) for topic in sample.subscribes])
        assert [exact_json(text) for text in written] == [exact_json(sample.text)]
    if sample.unsubscribes:
        topics = [Topic.parse(topic) for topic in sample.unsubscribes]
        asked.discard(topics)
        assert [exact_json(text) for text in requests.unsubscribe(topics)] == [exact_json(sample.text)]


@each_dialect
def test_every_code_has_an_http_error_body(name):
    dialect = load_dialect(name)
    for code in Code:
        for status in (0, 404):
            answer = dialect.refusal(code, 'no <such> "thing"', Retry.NO, None, status)
            assert b"no <such>" in answer.body
            assert json.loads(answer.body)
            assert answer.status == 0 or 400 <= answer.status <= 599


@each_dialect
@pytest.mark.parametrize("transport", STREAMS)
def test_every_problem_and_goodbye_can_be_said_or_is_silent(name, transport):
    dialect = load_dialect(name)
    for code in Code:
        conversation = dialect.conversation(transport, symbols_of(name))
        for topic in (None, "quote:AAPL", "bar.5m:AAPL", "book.20:BTC-USD", "trade:^^^", "order", "nonsense"):
            problem = Problem(at=CURSOR, code=code, message="m", retry=Retry.NO, ts_recv=TS_RECV, topic=topic, ref="r")
            for message in conversation.problem(problem):
                assert json.loads(message.data)
        for message in conversation.goodbye(Goaway(at=CURSOR, reason=code, retry=Retry.NOW, ts_recv=TS_RECV)):
            assert json.loads(message.data)


@each_dialect
@pytest.mark.parametrize("transport", STREAMS)
def test_a_heartbeat_is_a_comment_or_a_message_but_not_both(name, transport):
    conversation = load_dialect(name).conversation(transport, symbols_of(name))
    for message in conversation.heartbeat(TS_RECV):
        assert not (message.comment and message.data)
        assert message.data or transport is Transport.SSE, "only an event stream has comments"


@each_dialect
def test_a_lane_is_only_promised_on_a_transport_that_has_numbers(name):
    dialect = load_dialect(name)
    topics = [
        Topic.parse(text) for text in ("quote:A", "trade:A", "book:A", "bar.5m:A", "bar.1mo:A", "order", "status")
    ]
    for transport in Transport:
        lanes = [dialect.lane(topic, transport) for topic in topics]
        assert all(lane is None or lane.transport is transport for lane in lanes)
        if transport not in dialect.profile.transports:
            assert lanes == [None] * len(topics)


@each_dialect
@pytest.mark.parametrize("transport", STREAMS)
def test_a_topic_costs_at_most_one_subscription_and_nothing_costs_none(name, transport):
    dialect = load_dialect(name)
    one = dialect.subscriptions([Topic.parse("quote:A")], transport)
    two = dialect.subscriptions([Topic.parse("quote:A"), Topic.parse("quote:B")], transport)
    assert dialect.subscriptions([], transport) == 0
    assert 1 == one <= two <= 2, "a party may take several topics in one subscription"


@each_dialect
@pytest.mark.parametrize("transport", STREAMS)
def test_no_request_shows_its_credential_when_it_is_printed(name, transport):
    dialect = load_dialect(name)
    lane = dialect.lane(Topic.parse("quote:A"), transport) or dialect.lane(Topic.parse("trade:A"), transport)
    if lane is None:
        return
    site = Site(url="https://vendor.example", tenant_token="s3cret", api_key="s3cret")
    requests = dialect.requests(asked_of(name, lane), site)
    opening = requests.open(Credential(token="s3cret"), None)
    question = dialect.question(
        Question(kind=QuestionKind.QUOTE, instrument="A"), symbols_of(name), site, Credential(token="s3cret")
    )
    for request in (opening, question, dialect.mint(site)):
        assert "s3cret" not in repr(request)
        assert "s3cret" not in str(request)
    assert "s3cret" in opening.url or any("s3cret" in value for _, value in opening.headers)


@each_dialect
def test_a_conversation_forgets_an_unsubscribed_topic(name):
    topic = Topic(TopicKind.TRADE, "A")
    conversation = load_dialect(name).conversation(Transport.WEBSOCKET, symbols_of(name))
    action = Unsubscribe(topics=(topic,))
    assert all(json.loads(m.data) for m in conversation.unsubscribed(action, (topic,), CURSOR, TS_RECV))


@each_dialect
def test_endpoints_are_absolute_and_distinct(name):
    endpoints: list[Endpoint] = list(load_dialect(name).endpoints)
    assert all(endpoint.path.startswith("/") for endpoint in endpoints)
    assert len({(e.path, e.method) for e in endpoints}) == len(endpoints)
    assert {EndpointKind.SSE, EndpointKind.WEBSOCKET} <= {endpoint.kind for endpoint in endpoints}
