"""Our events as a bridge says them: JSON with `type` and `id` first, exact digits in strings, nothing that is not known.

This is the hot path of every canonical client, so events are put together as text, key by key in the contract's order, and
never pass through a dict. What keeps that honest: every string that comes from outside goes through `_quoted`, every number
through `decimal_text`, every time through `rfc3339`, and the tests read each message back with a JSON parser.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from bridge.dialects.contract import EncoderOptions, Message, Transport
from bridge.errors import Unspeakable
from bridge.model import (
    QUOTE_FIELDS,
    Bar,
    BookDelta,
    BookSnapshot,
    FeedStatus,
    Gap,
    Levels,
    LogEvent,
    OrderUpdate,
    Quote,
    Trade,
    decimal_text,
    rfc3339,
)

_RECEIPT = {
    "ts_recv": "the reader stamps its own",
    "feed": "the reader names it as its configuration does",
    "source": "a client is told one feed: the one that told us",
}
_QUOTE = {
    **_RECEIPT,
    "changed": "a quote is always said whole",
    "changed_extra": "a quote is always said whole",
    "conflated": "the reader's own clients see its own conflation",
    "extra": "said only to who asked with `extra=true`",
}
_BOOK = {
    **_RECEIPT,
    "sequence": "every bridge numbers its own chain",
    "depth": "a cut book read is the reader's full book",
}
_LOSSES: Mapping[type, Mapping[str, str]] = {
    Quote: _QUOTE,
    Trade: _RECEIPT,
    BookSnapshot: _BOOK,
    BookDelta: {**_BOOK, "prev_sequence": "every bridge numbers its own chain"},
    Bar: _RECEIPT,
    OrderUpdate: {**_RECEIPT, "account": "an account is named by the reader's own configuration"},
    FeedStatus: {"*": "the reader's feed is as well as the worst of those behind it, and says so in its own name"},
    Gap: {"*": "read as lost coverage, from which the reader's hub declares a gap of its own"},
}

LOSSES: Mapping[Transport, Mapping[type, Mapping[str, str]]] = dict.fromkeys(Transport, _LOSSES)
"""What encode → decode loses, by transport, event and field (`*` = the whole event), and why."""


class CanonicalEncoder:
    """One for all clients with the same options; the transport makes no difference.

    Args:
        options: `extra` = quotes carry the vendor's other fields.
    """

    def __init__(self, options: EncoderOptions) -> None:
        self._spell: dict[type, Callable[[Any], tuple[str, str]]] = dict(_SPELL)
        if options.extra:
            self._spell[Quote] = _quote_with_extra

    def encode(self, event: LogEvent, cursor: str, *, whole: bool) -> Sequence[Message]:
        """Spell an event as one message, named by its type and numbered by its cursor.

        Raises:
            Unspeakable: coverage and refusals are the hub's business, not a client's.
        """
        spell = self._spell.get(type(event))
        if spell is None:
            raise Unspeakable(f"{type(event).__name__} is never delivered")
        name, fields = spell(event)
        return (Message(f'{{"type":"{name}","id":{_quoted(cursor)}{fields}}}'.encode(), name, cursor),)


def events_page(events: Sequence[bytes]) -> bytes:
    """Spell the answer of a state endpoint that lists events."""
    return b'{"events":[%b]}' % b",".join(events)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


@functools.lru_cache(maxsize=16_384)
def _source(instrument: str, feed: str) -> str:
    return f',"instrument":{_quoted(instrument)},"feed":{_quoted(feed)}'


def _head(event: Quote | Trade | BookSnapshot | BookDelta | Bar | OrderUpdate) -> str:
    source = _source(event.instrument, event.source or event.feed)
    if event.ts_event is None:
        return f'{source},"ts_recv":"{rfc3339(event.ts_recv)}"'
    return f'{source},"ts_event":"{rfc3339(event.ts_event)}","ts_recv":"{rfc3339(event.ts_recv)}"'


_quote_values = attrgetter(*QUOTE_FIELDS)
_QUOTE_KEYS = tuple(f',"{name}":' for name in QUOTE_FIELDS)


def _quote(event: Quote) -> tuple[str, str]:
    parts = [_head(event)]
    for key, value in zip(_QUOTE_KEYS, _quote_values(event), strict=True):
        if value is None:
            continue
        if type(value) is Decimal:
            parts.append(f'{key}"{decimal_text(value)}"')
        elif type(value) is str:
            parts.append(key + _quoted(value))
        elif key == ',"last_time":':
            parts.append(f'{key}"{rfc3339(value)}"')
        else:
            parts.append(f"{key}{value}")
    if event.conflated:
        parts.append(',"conflated":true')
    if event.derived:
        parts.append(',"derived":true')
    return "quote", "".join(parts)


def _quote_with_extra(event: Quote) -> tuple[str, str]:
    name, fields = _quote(event)
    known = [f"{_quoted(key)}:{_one_line(raw)}" for key, raw in (event.extra or {}).items() if bytes(raw) != b"null"]
    return name, f'{fields},"extra":{{{",".join(known)}}}' if known else fields


def _one_line(raw: msgspec.Raw) -> str:
    """JSON verbatim; line breaks can only stand between its tokens, where a space says the same."""
    return bytes(raw).decode().replace("\r", " ").replace("\n", " ")


def _trade(event: Trade) -> tuple[str, str]:
    trade_id = "" if event.trade_id is None else f',"trade_id":{_quoted(event.trade_id)}'
    side = "" if event.aggressor_side is None else f',"aggressor_side":"{event.aggressor_side.value}"'
    double = ',"possible_duplicate":true' if event.possible_duplicate else ""
    price, size = decimal_text(event.price), decimal_text(event.size)
    return "trade", f'{_head(event)}{trade_id},"price":"{price}","size":"{size}"{side}{double}'


def _levels(levels: Levels) -> str:
    return ",".join([f'["{decimal_text(price)}","{decimal_text(size)}"]' for price, size in levels])


def _changes(levels: Levels) -> str:
    return ",".join(
        [f'["{decimal_text(price)}","{decimal_text(size) if size else 0}"]' for price, size in levels]
    )  # the contract: size "0" removes, however many zeros the vendor wrote


def _snapshot(event: BookSnapshot) -> tuple[str, str]:
    depth = "" if event.depth is None else f',"depth":{event.depth}'
    bids, asks = _levels(event.bids), _levels(event.asks)
    return "book_snapshot", f'{_head(event)},"bids":[{bids}],"asks":[{asks}]{depth},"sequence":{event.sequence}'


def _delta(event: BookDelta) -> tuple[str, str]:
    depth = "" if event.depth is None else f',"depth":{event.depth}'
    bids, asks = _changes(event.bids), _changes(event.asks)
    chain = f'"sequence":{event.sequence},"prev_sequence":{event.prev_sequence}'
    return "book_delta", f'{_head(event)},"bids":[{bids}],"asks":[{asks}]{depth},{chain}'


def _bar(event: Bar) -> tuple[str, str]:
    opened = "" if event.ts_open is None else f',"ts_open":"{rfc3339(event.ts_open)}"'
    prices = (
        f'"open":"{decimal_text(event.open)}","high":"{decimal_text(event.high)}",'
        f'"low":"{decimal_text(event.low)}","close":"{decimal_text(event.close)}"'
    )
    volume = "" if event.volume is None else f',"volume":"{decimal_text(event.volume)}"'
    final = "" if event.is_final is None else f',"is_final":{"true" if event.is_final else "false"}'
    made = (',"derived":true' if event.derived else "") + (',"partial":true' if event.partial else "")
    return "bar", f'{_head(event)},"interval":{_quoted(event.interval)}{opened},{prices}{volume}{final}{made}'


def _order(event: OrderUpdate) -> tuple[str, str]:
    average = "" if event.average_price is None else f',"average_price":"{decimal_text(event.average_price)}"'
    looked = ',"reconciled":true' if event.reconciled else ""
    return "order", (
        f'{_head(event)},"order_id":{_quoted(event.order_id)},"account":{_quoted(event.account)},'
        f'"side":"{event.side.value}","order_type":{_quoted(event.order_type)},'
        f'"quantity":"{decimal_text(event.quantity)}","filled_quantity":"{decimal_text(event.filled_quantity)}"'
        f'{average},"status":{_quoted(event.status)}{looked}'
    )


def _feed_status(event: FeedStatus) -> tuple[str, str]:
    part = "" if event.instrument is None else f',"instrument":{_quoted(event.instrument)}'
    part += "" if event.topic is None else f',"topic":{_quoted(str(event.topic))}'
    reason = "" if event.reason is None else f',"reason":{_quoted(event.reason)}'
    since = "" if event.since is None else f',"since":"{rfc3339(event.since)}"'
    via = "" if not event.via else f',"via":{msgspec.json.encode(event.via).decode()}'
    feed = f',"feed":{_quoted(event.source or event.feed)}{part},"ts_recv":"{rfc3339(event.ts_recv)}"'
    return "feed_status", f'{feed},"status":"{event.status.value}"{reason}{since}{via}'


def _gap(event: Gap) -> tuple[str, str]:
    topics = ",".join([_quoted(str(topic)) for topic in event.topics])
    missed = "" if event.missed is None else f',"missed":{event.missed}'
    begun = "" if event.ts_from is None else f',"ts_from":"{rfc3339(event.ts_from)}"'
    ended = "" if event.ts_to is None else f',"ts_to":"{rfc3339(event.ts_to)}"'
    feed = "" if event.feed is None else f',"feed":{_quoted(event.feed)}'
    return "gap", (
        f'{feed},"ts_recv":"{rfc3339(event.ts_recv)}","topics":[{topics}],"from":{_quoted(event.from_)},"to":{_quoted(event.to)},'
        f'"cause":"{event.cause.value}"{missed}{begun}{ended},"repaired":{"true" if event.repaired else "false"}'
    )


_SPELL: Mapping[type, Callable[[Any], tuple[str, str]]] = {
    Quote: _quote,
    Trade: _trade,
    BookSnapshot: _snapshot,
    BookDelta: _delta,
    Bar: _bar,
    OrderUpdate: _order,
    FeedStatus: _feed_status,
    Gap: _gap,
}
