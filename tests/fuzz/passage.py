"""The way that events take through a bridge, as short as it can be: what a decoder says must come out in every spelling.

Publishes into a real hub, spells what the hub makes of it in every dialect, and reads our own spelling back: what stands there
must be the event that was meant.
"""

from collections.abc import Iterable, Sequence

import msgspec

from bridge.broker.memory import MemoryLog
from bridge.dialects.contract import Asked, EncoderOptions, Frame, Lane, Message, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.errors import Unspeakable
from bridge.hub.contract import Publication
from bridge.hub.hub import Bound, Hub
from bridge.hub.settings import HubSettings
from bridge.model import BookDelta, Covered, MarketEvent, Topic, Want, topic_of
from bridge.wire.sse import SseParser, sse_message
from tests.dialects.sample import FEED, TS_RECV
from tests.dialects.stage import compared_fields, content, facts, symbols_of

ACCOUNT = "sample/acme-1"
OURS = "canonical"
OPTIONS = EncoderOptions(extra=True)
STREAMS = (Transport.SSE, Transport.WEBSOCKET)
LANES = {
    (topic.split(":")[0], transport): load_dialect(OURS).lane(Topic.parse(topic), transport)
    for topic in ("quote:A", "trade:A", "book:A", "book.20:A", "bar.5m:A", "order", "status")
    for transport in STREAMS
}
_SETTINGS = HubSettings(history_events=16, history_bytes=100_000)
_read_json = msgspec.json.decode


class Passage:
    """A hub with one follower of all topics.

    Args:
        topics: as the decoder was asked for them.
        dialects: whose spellings are tried, beside our own.
    """

    def __init__(self, topics: Sequence[Topic], dialects: Iterable[str]) -> None:
        self._hub = Hub(MemoryLog(), lambda: TS_RECV, _SETTINGS)
        wants = [Want(topic, FEED) for topic in topics]
        self._hub.publish(Covered(feed=FEED, topics=tuple(topics), ts_recv=TS_RECV))
        self._follower = self._hub.open(wants, None, Bound(10**9, lambda some: 100 * len(some), lambda: None))
        self._follower.take()
        self._encoders = [
            (name, transport, load_dialect(name).encoder(transport, symbols_of(name), OPTIONS))
            for name in dict.fromkeys((OURS, *dialects))
            for transport in STREAMS
        ]

    def take(self, events: Iterable[object]) -> int:
        """Publish events, spell what becomes of them, and return how many publications that were."""
        for event in events:
            self._hub.publish(event)
        said = self._follower.take()
        if said:
            assert not self._hub.statistics().mistakes, "the hub could not take an event in"
        for publication in said:
            self._spell(publication)
        return len(said)

    def _spell(self, publication: Publication) -> None:
        event, cursor = publication.event, self._hub.cursor(publication.offset)
        for name, transport, encoder in self._encoders:
            if name != OURS and isinstance(event, BookDelta):
                continue  # may be a party that says books whole; then the hub's snapshot stands in for it
            try:
                messages = encoder.encode(event, cursor, whole=True)
            except Unspeakable:
                assert name != OURS, "our own dialect has a word for everything"
                continue
            for message in messages:
                assert_message(message, transport)
            if name == OURS and isinstance(event, MarketEvent):
                _read_back(event, messages, transport)


def assert_message(message: Message, transport: Transport) -> None:
    """Check that a message can go out on a transport and forges nothing there."""
    if message.data:
        _read_json(message.data)
        assert b"\n" not in message.data
        assert b"\r" not in message.data
    if transport is Transport.SSE and message.data:
        (read,) = SseParser().feed(sse_message(message.data, message.event, message.id))
        assert (read.data, read.event, read.id or "") == (message.data, message.event, message.id)


def _read_back(event: MarketEvent, messages: Sequence[Message], transport: Transport) -> None:
    topic = topic_of(event)
    lane = LANES[str(topic).partition(":")[0].replace("bar." + str(topic.interval), "bar.5m"), transport]
    assert lane is not None
    asked = Asked(FEED, lane, _OURS_SYMBOLS, ACCOUNT)
    asked.add([topic])
    decoder = load_dialect(OURS).decoder(asked)
    said = [
        one
        for message in messages
        for one in facts(decoder.decode(Frame(data=message.data, event=message.event, ts_recv=TS_RECV)))
    ]
    fields = compared_fields(OURS, transport, event)
    assert [content(one, fields) for one in said] == [content(event, fields)], (said, event)


_OURS_SYMBOLS = SymbolTable(load_dialect(OURS).spelling, {})


def lane_topics(lane: Lane, topics: Iterable[str]) -> list[Topic]:
    """Parse what a sample asked for; orders are of the sample's account."""
    parsed = [Topic.parse(topic) for topic in topics]
    return [msgspec.structs.replace(one, scope=ACCOUNT) if one.kind == "order" else one for one in parsed]
