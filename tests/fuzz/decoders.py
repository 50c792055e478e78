"""What a vendor sends: every dialect's decoder on every transport, answers to questions, tokens minted, comments.

An input of a stream is the event's name, a line feed, and the data; what a session remembers between messages takes part.
"""

from functools import partial
from random import Random

from bridge.dialects.contract import Frame, Signal, Transport
from bridge.dialects.loader import load_dialect
from bridge.errors import OFFENDING_BYTES, VendorProtocolError
from tests.dialects.sample import FEED, TS_RECV
from tests.dialects.stage import NAMES, SAMPLES, asked_of, symbols_of
from tests.fuzz.hunt import Judge, Target
from tests.fuzz.passage import ACCOUNT, Passage

STATUSES = (200, 200, 200, 400, 404, 429, 500)


def malformed_at_most(error: VendorProtocolError) -> str:
    """Check that an error is bounded."""
    assert len(error.offending) <= OFFENDING_BYTES
    assert len(str(error)) < 4_000
    return "malformed"


def _stream(name: str, transport: Transport, random: Random) -> Judge:
    heard = [one for one in SAMPLES[name].heard if one.lane.transport is transport]
    one = random.choice(heard)
    topics = dict.fromkeys(topic for other in heard if other.lane == one.lane for topic in other.topics)
    asked = asked_of(name, one.lane, topics, ACCOUNT)
    decoder = load_dialect(name).decoder(asked)
    passage = Passage(asked.topics, [name])

    def judge(data: bytes) -> str:
        event, _, body = data.partition(b"\n")
        frame = Frame(data=body, event=event.decode("utf-8", "replace"), ts_recv=TS_RECV)
        try:
            said = decoder.decode(frame)
            heard = decoder.comment(frame.event)
        except VendorProtocolError as error:
            return malformed_at_most(error)
        assert all(isinstance(one, Signal) for one in heard)
        assert decoder.cursor is None or isinstance(decoder.cursor, str)
        events = [one for one in said if not isinstance(one, Signal)]
        return "event" if passage.take(events) or events else "signal" if said else "nothing"

    return judge


def _answers(name: str, random: Random) -> Judge:
    dialect, symbols = load_dialect(name), symbols_of(name)
    question = random.choice(SAMPLES[name].answered).question
    asked = asked_of(name, next(iter(_lanes(name))), [], ACCOUNT)
    instruments = [question.instrument] if question.instrument else ["AAPL"]
    asked.add(asked_of(name, asked.lane, [f"{kind}:{one}" for kind in ("quote", "book") for one in instruments]).topics)
    passage = Passage(asked.topics, [name])
    status = random.choice(STATUSES)

    def judge(data: bytes) -> str:
        outcome = "nothing"
        try:
            dialect.minted(data)
            outcome = "token"
        except VendorProtocolError as error:
            outcome = malformed_at_most(error)
        try:
            if status == 200:
                said = dialect.answer(question, data, FEED, symbols, TS_RECV)
            else:
                frame = Frame(data=data, ts_recv=TS_RECV, answers=question, status=status)
                said = dialect.decoder(asked).decode(frame)
        except VendorProtocolError as error:
            return malformed_at_most(error)
        events = [one for one in said if not isinstance(one, Signal)]
        return "event" if passage.take(events) or events else "signal" if said else outcome

    return judge


def _lanes(name: str) -> dict[object, None]:
    lanes = dict.fromkeys(one.lane for one in SAMPLES[name].heard)
    polled = {lane: None for lane in lanes if lane.transport is Transport.POLLING}
    return polled or lanes


def _wire(event: str, data: bytes) -> bytes:
    return event.encode() + b"\n" + data


def targets() -> list[Target]:
    """Return this family's."""
    found = []
    for name in NAMES:
        for transport in (Transport.SSE, Transport.WEBSOCKET):
            heard = [one for one in SAMPLES[name].heard if one.lane.transport is transport]
            frames = [_wire(one.event, one.frame) for one in heard]
            frames += [_wire(event, data) for one in heard for event, data in one.before]
            if heard:
                found.append(Target(f"decode-{name}-{transport}", frames, partial(_stream, name, transport)))
        if SAMPLES[name].answered:
            bodies = [one.body for one in SAMPLES[name].answered]
            found.append(Target(f"answers-{name}", [*bodies, *_MINTED], partial(_answers, name)))
    return found


_MINTED = (
    b'{"success":true,"token":"eyJhbGciOiJIUzI1NiJ9.e30.c2ln","expiresIn":1800,"sseUrl":"https://ws.example/sse/stream",'
    b'"wsUrl":"wss://ws.example/ws"}',
    b'{"token":"t","expires_in":60}',
)
