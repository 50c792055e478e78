import json

import pytest
import structlog

from bridge.dialects.contract import EncoderOptions, Message, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.fanout.codec import UNENCODED_COST_BYTES, Codec, Codecs, framed, texts
from bridge.errors import Unspeakable
from bridge.hub.contract import Publication
from bridge.hub.hub import Bound
from bridge.model import BookDelta, BookLevel, BookSnapshot, Gap, InstrumentId, Topic, TopicRefused, Trade, Want, exact
from bridge.wire.websocket import texts_of
from tests.support.asgi import FEED, START, Bench

PLAIN = EncoderOptions()
EXTRA = EncoderOptions(extra=True)


def codec(transport: Transport, dialect: str = "canonical") -> Codec:
    loaded = load_dialect(dialect)
    return Codec(loaded, SymbolTable(loaded.spelling, {}), transport, PLAIN)


def levels(*pairs: tuple[str, str]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(exact(price), exact(size)) for price, size in pairs)


def published(bench: Bench) -> Publication:
    (want,) = bench.house.resolve(Topic.parse("trade:BTC-USD"), ())
    bench.hub.lease([want], 60)
    bench.trade("1.50")
    return bench.hub.recent(want, 1)[0]


def test_messages_are_framed_as_their_transport_wants_them():
    messages = [Message(b'{"a":1}', "quote", "e-1"), Message(b"", comment="alive"), Message(b"{}")]
    assert framed(Transport.SSE, messages) == b'id: e-1\nevent: quote\ndata: {"a":1}\n\n: alive\n\ndata: {}\n\n'
    assert framed(Transport.WEBSOCKET, messages) == b'\x81\x07{"a":1}\x81\x02{}'
    assert framed(Transport.POLLING, messages) == b'{"a":1}\n{}\n'
    assert texts(framed(Transport.POLLING, messages)) == [b'{"a":1}', b"{}"]
    assert texts(b"") == []


async def test_bytes_are_made_once_for_all_who_share_them(autojump_clock):
    bench = Bench()
    publication = published(bench)
    stream, socket = codec(Transport.SSE), codec(Transport.WEBSOCKET)
    first = stream.encode(publication, bench.hub)
    assert stream.encode(publication, bench.hub) is first
    assert stream.cost([publication], bench.hub) == len(first)
    assert socket.encode(publication, bench.hub) != first
    assert (stream.statistics().encoded, socket.statistics().encoded) == (1, 1)
    assert json.loads(texts_of(socket.encode(publication, bench.hub))[0])["price"] == "1.50"


async def test_one_codec_serves_all_with_the_same_options(autojump_clock):
    codecs, dialect = Codecs(), load_dialect("canonical")
    symbols = SymbolTable(dialect.spelling, {})
    one = codecs.of(dialect, symbols, Transport.SSE, PLAIN)
    assert codecs.of(dialect, symbols, Transport.SSE, PLAIN) is one
    assert codecs.of(dialect, symbols, Transport.SSE, EXTRA) is not one
    assert codecs.of(dialect, symbols, Transport.WEBSOCKET, PLAIN) is not one
    assert [(row.transport, row.extra) for row in codecs.statistics()] == [
        ("sse", False),
        ("sse", True),
        ("websocket", False),
    ]


async def test_what_a_dialect_cannot_say_is_left_out_and_counted_once(autojump_clock, monkeypatch):
    bench = Bench()
    publication = published(bench)
    one = codec(Transport.SSE)

    class Speechless:
        def encode(self, event, cursor, *, whole):
            raise Unspeakable("no word")

    monkeypatch.setattr(one, "_encoder", Speechless())
    assert one.encode(publication, bench.hub) == one.encode(publication, bench.hub) == b""
    assert (one.statistics().encoded, one.statistics().unspeakable) == (0, 1)


async def test_an_event_that_breaks_the_encoder_is_declared_missing_and_ends_nothing(autojump_clock, monkeypatch):
    bench = Bench()
    publication = published(bench)
    one = codec(Transport.SSE)
    encoder = one._encoder

    class Clumsy:
        def encode(self, event, cursor, *, whole):
            if isinstance(event, Trade):
                raise KeyError("price")
            return encoder.encode(event, cursor, whole=whole)

    monkeypatch.setattr(one, "_encoder", Clumsy())
    with structlog.testing.capture_logs() as logs:
        said = [one.encode(Publication(offset, publication.event), bench.hub) for offset in (5, 6)]
    gaps = [json.loads(text.split(b"data: ")[1]) for text in said]
    epoch = bench.hub.epoch
    assert [(gap["type"], gap["from"], gap["to"]) for gap in gaps] == [
        ("gap", f"{epoch}-4", f"{epoch}-5"),
        ("gap", f"{epoch}-5", f"{epoch}-6"),
    ]
    assert gaps[0]["topics"] == ["trade:BTC-USD"]
    assert (gaps[0]["cause"], gaps[0]["missed"]) == ("bridge", 1)
    assert one.statistics().mistakes == 2
    assert len(logs) == 1

    class Hopeless:
        def encode(self, event, cursor, *, whole):
            raise KeyError("anything")

    assert not one.hides(Publication(6, publication.event)), "its gap was told"
    monkeypatch.setattr(one, "_encoder", Hopeless())
    assert one.encode(Publication(7, publication.event), bench.hub) == b""
    assert one.hides(Publication(7, publication.event)), "who should have been told is sent away"


async def test_where_there_is_no_word_for_a_hole_a_trade_that_cannot_be_told_is_one(autojump_clock, monkeypatch):
    bench = Bench()
    publication = published(bench)
    one = codec(Transport.SSE, "liquidity")

    class Clumsy:
        def encode(self, event, cursor, *, whole):
            raise Unspeakable("no word") if isinstance(event, Gap) else KeyError("price")

    monkeypatch.setattr(one, "_encoder", Clumsy())
    lost, other = Publication(5, publication.event), Publication(6, publication.event)
    assert not one.hides(lost)
    assert one.encode(lost, bench.hub) == b""
    assert one.hides(lost)
    assert not one.hides(other)


async def test_a_refused_topic_has_no_bytes_but_a_cost(autojump_clock):
    bench = Bench()
    event = TopicRefused(feed=FEED, topic=Topic.parse("quote:X"), code="forbidden", message="no", ts_recv=START)
    one = codec(Transport.SSE)
    assert one.encode(Publication(1, event), bench.hub) == b""
    assert one.cost([Publication(1, event)], bench.hub) == UNENCODED_COST_BYTES


@pytest.mark.parametrize(("transport", "whole"), [(Transport.SSE, True), (Transport.WEBSOCKET, False)])
async def test_where_books_are_said_whole_a_change_is_the_book_as_it_stands(autojump_clock, transport, whole):
    bench = Bench()
    want = Want(Topic.parse("book:BTC"), FEED)
    follower = bench.hub.open([want], None, Bound(pending_bytes=10_000, cost=len, wake=lambda: None))
    bench.cover("book:BTC")
    common = {"instrument": InstrumentId("BTC"), "feed": FEED, "ts_recv": bench.clock(), "ts_event": START}
    bench.hub.publish(BookSnapshot(bids=levels(("10", "1"), ("9", "2")), asks=levels(("11", "3")), **common))
    bench.hub.publish(BookDelta(bids=levels(("10", "0")), asks=(), **common))
    bench.hub.publish(BookDelta(bids=(), asks=levels(("12", "4")), **common))
    first, second = (one for one in follower.take() if isinstance(one.event, BookDelta))
    one = codec(transport, "liquidity")
    assert one.replaces_books is whole
    said = one.encode(first, bench.hub)
    assert one.encode(first, bench.hub) is said
    if whole:
        data = json.loads(said.split(b"data: ")[1])
        assert [level["price"] for level in data["bids"]] == [9]
        assert [level["price"] for level in data["asks"]] == [11, 12], "as it stands now, not as it stood then"
        assert one.cost([second], bench.hub) == UNENCODED_COST_BYTES
    else:
        data = json.loads(texts_of(said)[0])
        assert (data["type"], data["bids"], data["asks"]) == ("orderbook_update", [[10, 0]], [])
