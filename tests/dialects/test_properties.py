"""What holds of every dialect for any input: bad bytes only ever raise the one error, and any event survives the way and back."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.dialects.contract import EndpointKind, Frame, Refusal, Request, Transport
from bridge.dialects.loader import load_dialect
from bridge.errors import OFFENDING_BYTES, Unspeakable, VendorProtocolError
from bridge.model import Topic, topic_of
from tests.dialects.sample import CURSOR, FEED, PLAIN, TS_RECV
from tests.dialects.stage import SAMPLES, asked_of, compared_fields, content, facts, hear, symbols_of
from tests.dialects.strategies import market_events, mutated

each_dialect = pytest.mark.parametrize("name", sorted(SAMPLES))
often = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def error_of(read, kind: type[Exception]) -> Exception | None:
    """Return what a call raised, if it is of this kind; anything else goes on up and fails the test."""
    try:
        read()
    except kind as error:
        return error
    return None


def assert_malformed_at_most(read) -> None:
    error = error_of(read, VendorProtocolError)
    if error is not None:
        assert len(error.offending) <= OFFENDING_BYTES
        assert len(str(error)) < 2_000


def assert_refused_at_most(read) -> None:
    refusal = error_of(read, Refusal)
    assert refusal is None or len(refusal.message) < 1_000


@each_dialect
@often
@given(data=st.data())
def test_a_bad_frame_raises_a_vendor_protocol_error_and_nothing_else(name, data):
    sample = data.draw(st.sampled_from(SAMPLES[name].heard))
    frame = data.draw(mutated(sample.frame))
    event = data.draw(st.sampled_from(sorted({sample.event, *(heard.event for heard in SAMPLES[name].heard)})))
    asked = asked_of(name, sample.lane, sample.topics, sample.account)
    decoder = load_dialect(name).decoder(asked)
    assert_malformed_at_most(lambda: decoder.decode(Frame(data=frame, event=event, ts_recv=TS_RECV)))


@each_dialect
@often
@given(data=st.data())
def test_a_bad_answer_raises_a_vendor_protocol_error_and_nothing_else(name, data):
    if not SAMPLES[name].answered:
        return
    sample = data.draw(st.sampled_from(SAMPLES[name].answered))
    body = data.draw(mutated(sample.body))
    dialect, symbols = load_dialect(name), symbols_of(name)
    assert_malformed_at_most(lambda: dialect.answer(sample.question, body, FEED, symbols, TS_RECV))
    assert_malformed_at_most(lambda: dialect.minted(body))


@each_dialect
@often
@given(data=st.data())
def test_a_bad_client_message_is_refused_and_nothing_else(name, data):
    if not SAMPLES[name].requested:
        return
    sample = data.draw(st.sampled_from(SAMPLES[name].requested))
    text: bytes | str = data.draw(mutated(sample.text))
    if data.draw(st.booleans()):
        text = text.decode("utf-8", "surrogateescape")
    conversation = load_dialect(name).conversation(Transport.WEBSOCKET, symbols_of(name))
    assert_refused_at_most(lambda: conversation.receive(text, TS_RECV))


@each_dialect
@often
@given(
    query=st.dictionaries(st.sampled_from(["subscribe", "symbols", "type", "timeframe", "after"]), st.lists(st.text()))
)
def test_a_bad_query_is_refused_and_nothing_else(name, query):
    dialect = load_dialect(name)
    (endpoint,) = (e for e in dialect.endpoints if e.kind is EndpointKind.SSE)
    conversation = dialect.conversation(Transport.SSE, symbols_of(name))
    assert_refused_at_most(lambda: conversation.open(Request(endpoint=endpoint, query=query)))


def lane_back(name: str, transport: Transport, topic: Topic):
    return load_dialect(name).lane(msgspec.structs.replace(topic, scope=None), transport)


@each_dialect
@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
@often
@given(data=st.data())
def test_any_event_that_can_be_said_is_read_again_but_for_the_named_losses(name, transport, data):
    event = data.draw(market_events(SAMPLES[name].said[0].event.instrument))
    topic = topic_of(event)
    lane = lane_back(name, transport, topic)
    try:
        messages = load_dialect(name).encoder(transport, symbols_of(name), PLAIN).encode(event, CURSOR, whole=True)
    except Unspeakable:
        return
    assert lane is not None, f"{topic} can be said on {transport} but not be asked for there"
    asked = asked_of(name, lane, [str(topic)], account="sample/acme-1")
    said = [e for heard in hear(name, asked, *((m.event, m.data) for m in messages)) for e in facts(heard)]
    fields = compared_fields(name, transport, event)
    assert [content(e, fields) for e in said] == [content(event, fields)]
