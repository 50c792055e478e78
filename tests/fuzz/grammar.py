"""Small grammars: the event stream both ways, topics, cursors, a vendor's HTTP head, a terminal's lines."""

from random import Random

from bridge.dialects.contract import HttpRequest, Spelling, Transport
from bridge.dialects.loader import load_dialect
from bridge.errors import VendorProtocolError
from bridge.hub.cursor import Cursor
from bridge.model import Topic
from bridge.upstream.network.refusals import MAX_RETRY_AFTER_SECONDS, WORDS_LENGTH, parse_head, refusal, retry_after
from bridge.wire.sse import SseMessage, SseParser, sse_comment, sse_message
from tests.dialects.sample import TS_RECV
from tests.dialects.stage import NAMES
from tests.fuzz.hunt import Judge, Target, told

MAX_EVENT_BYTES = 8_192

STREAMS = (
    b'\xef\xbb\xbfretry: 1500\n\nid: epoch1-7\nevent: quote\ndata: {"type":"quote"}\n\n: heartbeat\n\n',
    b"data: a\r\ndata: b\r\n\r\nevent: x\rdata:c\r\rid\n\ndata\n\ndata:\n\n",
    b"id: 1\x00\nevent: \xff\ndata: \xe2\x80\xa8\nfoo: bar\nretry: 99999999999999\n:\n\ndata: z\n\n",
)
TOPICS = (
    b"quote:AAPL",
    b"trade:BTC-USD",
    b"book.20:COINBASE:BTCUSD",
    b"bar.5m:X^=!&@$/",
    b"all:A",
    b"order",
    b"status",
)
CURSORS = (b"epoch1-7", b"0-0", b"a1b2c3-9223372036854775807")
HEADS = (
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Type: application/json\r\n\r\n"
    b'{"error":{"code":"RATE","message":"eyJhbGciOiJIUzI1NiJ9.e30.c2ln is too fast"}}',
    b"HTTP/1.1 503 \r\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n<html>",
    b"HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example\r\n\r\n",
)
SECRET = "a-secret-of-the-request"


def _parser(random: Random) -> Judge:
    cuts = [random.randrange(1, 40) for _ in range(8)]

    def judge(data: bytes) -> str:
        whole, pieces = SseParser(MAX_EVENT_BYTES), SseParser(MAX_EVENT_BYTES)
        try:
            said = whole.feed(data)
        except VendorProtocolError as error:
            told(error)
            return "too big"
        assert _in_pieces(pieces, data, cuts) == said
        assert pieces.last_event_id == whole.last_event_id
        assert pieces.retry_ms == whole.retry_ms
        for one in said:
            if isinstance(one, SseMessage):
                assert "\n" not in (one.id or "") + one.event
                assert "\0" not in (one.id or "")
        return f"{'some' if said else 'no'} messages"

    return judge


def _in_pieces(parser: SseParser, data: bytes, cuts: list[int]) -> list[object]:
    said, at, turn = [], 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)] * (1 + turn)
        said += parser.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    return said


def _writer(_: Random) -> Judge:
    def judge(data: bytes) -> str:
        name, _, rest = data.partition(b":")
        text, body = name.decode("utf-8", "replace"), rest.strip(b"\r\n")
        outcome = "written"
        try:
            written = sse_message(body, text, text)
        except ValueError:
            outcome = "refused"
        else:
            (read,) = SseParser().feed(b": before\n\n" + written)[1:]
            assert (read.data.replace(b"\r", b"\n"), read.event, read.id) == (_lines(body), text, text or None)
        try:
            comment = sse_comment(text)
        except ValueError:
            return outcome
        assert len(SseParser().feed(comment + b"\n")) == 1
        return outcome

    return judge


def _lines(body: bytes) -> bytes:
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _topic(_: Random) -> Judge:
    spellings = [load_dialect(name).spelling for name in NAMES]

    def judge(data: bytes) -> str:
        text = data.decode("utf-8", "replace")
        try:
            topic = Topic.parse(text)
        except ValueError as error:
            return told(error)
        assert Topic.parse(str(topic)) == topic
        assert str(topic).isascii()
        assert str(topic).isprintable()
        assert len(str(topic)) < 90
        if topic.instrument is not None:
            for spelling in spellings:
                _and_back(spelling, topic)
        return "topic"

    return judge


def _and_back(spelling: Spelling, topic: Topic) -> None:
    for transport in Transport:
        symbol = spelling.vendor_symbol(topic.instrument, transport)
        if symbol is not None:
            assert symbol.isascii()
            assert symbol.isprintable()
            Topic.parse(f"quote:{spelling.instrument(symbol, transport)}")


def _cursor(_: Random) -> Judge:
    def judge(data: bytes) -> str:
        text = data.decode("utf-8", "replace")
        try:
            cursor = Cursor.parse(text)
        except ValueError as error:
            return told(error)
        assert str(cursor) == text
        return "cursor"

    return judge


def _head(_: Random) -> Judge:
    request = HttpRequest(
        url=f"https://vendor.example/s?token={SECRET}", headers=(("authorization", f"Bearer {SECRET}"),)
    )

    def judge(data: bytes) -> str:
        found = parse_head(data)
        if found is None:
            return "no head"
        head, body = found
        away = retry_after(head.headers, TS_RECV)
        assert away is None or 0 <= away <= MAX_RETRY_AFTER_SECONDS
        told = refusal(request, head, body + SECRET.encode(), TS_RECV)
        assert len(told.reason) <= WORDS_LENGTH
        assert SECRET not in str(told)
        return "head"

    return judge


def targets() -> list[Target]:
    """Return this family's."""
    return [
        Target("event-stream-parser", STREAMS, _parser),
        Target("event-stream-writer", (*STREAMS, b"quote:data", b"epoch1-7:{}"), _writer),
        Target("topic", TOPICS, _topic),
        Target("cursor", CURSORS, _cursor),
        Target("http-head", HEADS, _head),
    ]
