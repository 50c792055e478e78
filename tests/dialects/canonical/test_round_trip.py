"""What one bridge says, another reads: equal but for what the dialect's LOSSES name."""

import msgspec
import pytest
from hypothesis import given

from bridge.dialects.canonical import DIALECT
from bridge.dialects.canonical.encode import LOSSES
from bridge.dialects.contract import Asked, EncoderOptions, Frame, Lane, SymbolTable, Transport
from bridge.model import (
    QUOTE_FIELDS,
    AccountId,
    Bar,
    BookDelta,
    BookSnapshot,
    FeedName,
    FeedStatus,
    Gap,
    OrderUpdate,
    Quote,
    QuotePatch,
    Topic,
    TopicKind,
    Trade,
    UnixNanos,
    topic_of,
)
from tests.dialects.canonical import events

SYMBOLS = SymbolTable(DIALECT.spelling, {})
FEED, RECEIVED = FeedName("relay"), UnixNanos(1_800_000_000_000_000_000)


def relayed(event, transport=Transport.SSE, *, extra=False):
    """Encode an event, and read it in a session that asked for exactly its topic."""
    asked = Asked(FEED, Lane(transport), SYMBOLS, account=AccountId("relay/mine"), depth=getattr(event, "depth", None))
    topic = topic_of(event)
    asked.add([topic if topic.depth is None else Topic(TopicKind.BOOK, topic.instrument)])
    encoder = DIALECT.encoder(transport, SYMBOLS, EncoderOptions(extra=extra))
    messages = encoder.encode(event, "e-1", whole=True)
    decoder = DIALECT.decoder(asked)
    return [
        said
        for message in messages
        for said in decoder.decode(Frame(data=message.data, ts_recv=RECEIVED, event=message.event))
    ]


def kept(event, losses):
    return {name: value for name, value in msgspec.structs.asdict(event).items() if name not in losses}


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
@given(event=events.trades | events.snapshots | events.deltas | events.bars | events.orders)
def test_what_is_said_is_read_back_but_for_the_named_losses(transport, event):
    (read,) = relayed(event, transport)
    losses = LOSSES[transport][type(event)]
    assert type(read) is type(event)
    assert kept(read, losses) == kept(event, losses)
    assert (read.feed, read.ts_recv) == (FEED, RECEIVED)
    assert getattr(read, "account", None) in (None, "relay/mine")
    assert (getattr(read, "depth", None), getattr(read, "sequence", 0)) == (None, 0)


@given(event=events.quotes)
def test_a_quote_is_read_as_a_patch_that_replaces_everything(event):
    (read,) = relayed(event, extra=True)
    assert isinstance(read, QuotePatch)
    assert read.full
    known = {name: getattr(event, name) for name in QUOTE_FIELDS if getattr(event, name) is not None}
    assert {n: getattr(read, n) for n in QUOTE_FIELDS if getattr(read, n) is not msgspec.UNSET} == known
    assert (read.instrument, read.ts_event) == (event.instrument, event.ts_event)
    assert {key: msgspec.json.decode(raw) for key, raw in read.extra.items()} == {
        key: msgspec.json.decode(raw) for key, raw in (event.extra or {}).items()
    }


@given(event=events.trades)
def test_digits_survive_exactly(event):
    (read,) = relayed(event)
    assert (format(read.price, "f"), format(read.size, "f")) == (format(event.price, "f"), format(event.size, "f"))


def test_losses_name_every_event_that_is_said_and_only_fields_that_exist():
    for losses in LOSSES.values():
        assert set(losses) == {Quote, Trade, BookSnapshot, BookDelta, Bar, OrderUpdate, FeedStatus, Gap}
        for event, fields in losses.items():
            assert set(fields) <= {"*", *event.__struct_fields__}
            assert all(fields.values())
