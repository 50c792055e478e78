"""What a client says: WebSocket operations of every dialect, the change of an open stream, and what we answer to them."""

from collections.abc import Iterable
from functools import partial
from random import Random

import msgspec

from bridge.dialects.contract import (
    Action,
    Conversation,
    Message,
    Refusal,
    Renew,
    Reply,
    Subscribe,
    Transport,
    Unsubscribe,
)
from bridge.dialects.loader import load_dialect
from bridge.downstream.goodbyes import problem
from bridge.downstream.requests.patch import _read as read_change
from bridge.model import Topic
from tests.dialects.sample import CURSOR, TS_RECV
from tests.dialects.stage import NAMES, SAMPLES, symbols_of
from tests.fuzz.hunt import Judge, Target
from tests.fuzz.passage import assert_message

MAX_ANSWER_BYTES = 64 * 1024
"""Of one answer to one message: more would let a client make us work by saying little."""

CANONICAL = (
    b'{"op":"subscribe","topics":["quote:AAPL","book.20:BTC-USD","bar.5m:AAPL","all:AAPL","order"],"ref":"r1"}',
    b'{"op":"subscribe","topics":["trade:AAPL"],"after":"epoch1-7","conflate":true,"max_rate":2.5}',
    b'{"op":"subscribe","topics":[],"max_rate":0}',
    b'{"op":"unsubscribe","topics":["quote:AAPL"],"ref":"r2"}',
    b'{"op":"unsubscribe"}',
    b'{"op":"renew","token":"eyJhbGciOiJIUzI1NiJ9.e30.c2ln","ref":"r3"}',
    b'{"op":"ping","ref":"r4"}',
)
CHANGES = (
    b'{"add":["quote:AAPL","trade:BTC-USD"],"remove":["book.20:BTC-USD"],"conflate":true,"max_rate":2.5}',
    b'{"token":"eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}',
)


def refused_at_most(refusal: Refusal) -> str:
    """Check that a refusal is bounded."""
    assert len(refusal.message) < 2_000
    assert refusal.ref is None or len(refusal.ref) < 1_000
    return str(refusal.code)


def _conversation(name: str, _: Random) -> Judge:
    conversation = load_dialect(name).conversation(Transport.WEBSOCKET, symbols_of(name))

    def judge(data: bytes) -> str:
        text: str | bytes = data
        if len(data) % 2:
            try:
                text = data.decode()
            except UnicodeDecodeError:
                return "not text"  # what the transport refuses
        try:
            actions = conversation.receive(text, TS_RECV)
        except Refusal as refusal:
            _answered(conversation.problem(problem(refusal, CURSOR, TS_RECV)))
            return refused_at_most(refusal)
        for action in actions:
            _act(conversation, action)
        return type(actions[0]).__name__.lower() if actions else "nothing"

    return judge


def _act(conversation: Conversation, action: Action) -> None:
    match action:
        case Subscribe(topics=topics):
            _spelled_as_parsed(topics)
            _answered(conversation.subscribed(action, topics, CURSOR, TS_RECV))
            _answered(conversation.history(action, (), TS_RECV))
            assert all(isinstance(topic, Topic) for topic in conversation.wordings())
        case Unsubscribe(topics=topics):
            _spelled_as_parsed(topics or ())
            _answered(conversation.unsubscribed(action, topics or (), CURSOR, TS_RECV))
        case Renew():
            assert action.token not in repr(action) or len(action.token) < 8
            _answered(conversation.renewed(action, TS_RECV, CURSOR, TS_RECV))
        case Reply(messages=messages):
            _answered(messages)


def _spelled_as_parsed(topics: Iterable[Topic]) -> None:
    for topic in topics:
        assert Topic.parse(str(topic)) == msgspec.structs.replace(topic, scope=None)


def _answered(messages: Iterable[Message]) -> None:
    for message in messages:
        assert_message(message, Transport.WEBSOCKET)
        assert len(message.data) < MAX_ANSWER_BYTES


def _change(_: Random) -> Judge:
    def judge(data: bytes) -> str:
        try:
            change = read_change(data)
        except Refusal as refusal:
            return refused_at_most(refusal)
        assert change.token is None or change.token not in repr(change) or len(change.token) < 8
        return "change"

    return judge


def targets() -> list[Target]:
    """Return this family's."""
    found = []
    for name in NAMES:
        texts = [one.text for one in SAMPLES[name].requested] + (list(CANONICAL) if name == "canonical" else [])
        found.append(Target(f"operations-{name}", texts, partial(_conversation, name)))
    return [*found, Target("change-of-a-stream", CHANGES, _change)]
