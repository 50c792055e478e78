"""Nothing that a vendor or a client says ends a line of a log, a header or an event, or steers a terminal."""

import io
import json
import sys

import pytest
import structlog
from rich.console import Console

from bridge.cli.tail_views import Lines, LiveTable, read_event
from bridge.dialects.contract import EncoderOptions, Transport
from bridge.dialects.loader import dialect_names, load_dialect
from bridge.downstream.failures import described
from bridge.errors import Unspeakable
from bridge.model import Code, Problem, Quote, Retry, Trade, exact
from bridge.observe.log import configure_logging
from bridge.wire.sse import SseParser, sse_message
from tests.dialects.sample import CURSOR, FEED, TS_RECV
from tests.dialects.stage import SAMPLES, symbols_of

EVIL = [
    "a\nevent: order\ndata: {}\n\n",
    "a\r\rdata: {}\r\r",
    "a\0b",
    "a\u2028b\u2029c\u0085d",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe\u2066",
    '"}\n\n</script><script>',
    "\x9b31m",
]


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("evil", EVIL)
def test_words_of_others_neither_end_a_log_line_nor_steer_a_terminal(monkeypatch, evil, terminal):
    err = io.StringIO()
    err.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", err)
    configure_logging("info")
    structlog.get_logger().info("refused " + evil, user=evil, reasons=[evil], told={evil: evil}, of=Exception(evil))
    written = err.getvalue().replace("\x1b[0m", "")
    for style in ("\x1b[2m", "\x1b[1m", "\x1b[32m", "\x1b[36m", "\x1b[35m"):  # the renderer's own
        written = written.replace(style, "")
    assert written.endswith("\n")
    assert written[:-1].isprintable(), ascii(written)
    if not terminal:
        assert json.loads(written)["user"]


def test_a_traceback_keeps_its_lines_and_shows_no_variables(monkeypatch):
    err = io.StringIO()
    err.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", err)
    configure_logging("info")
    try:
        token = "a-secret-on-the-stack"
        raise ValueError("\x1b[2J" + str(len(token)))  # noqa: TRY301 - a traceback is wanted
    except ValueError:
        structlog.get_logger().exception("a mistake")
    assert "Traceback" in err.getvalue()
    assert "\\x1b[2J21" in err.getvalue()
    assert "a-secret-on-the-stack" not in err.getvalue().replace('token = "a-secret-on-the-stack"', "")
    assert err.getvalue().count("\n") > 3


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("name", dialect_names())
@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
def test_a_vendors_words_stay_within_their_event(name, transport, evil):
    encoder = load_dialect(name).encoder(transport, symbols_of(name), EncoderOptions(extra=True))
    instrument = SAMPLES[name].said[0].event.instrument
    fact = {"instrument": instrument, "feed": FEED, "ts_recv": TS_RECV}
    price = exact("1")
    for event in (
        Trade(**fact, price=price, size=price, trade_id=evil),
        Quote(**fact, last=price, session=evil),
    ):
        try:
            messages = encoder.encode(event, CURSOR, whole=True)
        except Unspeakable:
            continue
        for message in messages:
            json.loads(message.data)
            assert not {b"\n", b"\r", b"\0"} & {bytes([byte]) for byte in message.data}
            if transport is Transport.SSE:
                (read,) = SseParser().feed(sse_message(message.data, message.event, message.id))
                assert (read.data, read.event, read.id or "") == (message.data, message.event, message.id)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("name", dialect_names())
def test_a_clients_words_stay_within_the_answer(name, evil):
    conversation = load_dialect(name).conversation(Transport.WEBSOCKET, symbols_of(name))
    said = Problem(
        at=CURSOR, code=Code.BAD_REQUEST, message=evil, retry=Retry.NO, ts_recv=TS_RECV, topic="quote:AAPL", ref=evil
    )
    for message in conversation.problem(said):
        json.loads(message.data)
        assert b"\n" not in message.data
        assert b"\r" not in message.data
    answer = load_dialect(name).refusal(Code.BAD_REQUEST, evil, Retry.NO, None, 0)
    json.loads(answer.body)
    assert all(value.isprintable() for _, value in answer.headers)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("field", ["event", "id"])
def test_an_event_stream_refuses_names_and_ids_that_would_forge_a_line(field, evil):
    try:
        written = sse_message(b"{}", **{field: evil})
    except ValueError:
        assert set("\r\n\0") & set(evil)
        return
    assert len(SseParser().feed(written)) == 1


@pytest.mark.parametrize("evil", EVIL)
def test_tail_shows_what_others_say_as_text(evil, capsys):
    out = io.StringIO()
    table = LiveTable(Console(file=out, force_terminal=True, width=140))
    event = {"type": "feed_status", "feed": evil, "status": evil, "reason": evil, "ts_recv": evil}
    data = json.dumps(event, ensure_ascii=False).encode()
    table.show(read_event(data) or {}, data)
    table.notice(evil)
    Console(file=out, force_terminal=True, width=140).print(table.render())
    shown = out.getvalue()
    for control in ("\x1b[2J", "\x1b]0;", "\u202e", "\u2066", "\0", "\x9b", "\u2028", "\r"):
        assert control not in shown
    lines = Lines(io.BytesIO())
    lines.notice(evil)
    told = capsys.readouterr().err
    assert told.endswith("\n")
    assert told[:-1].isprintable()


def test_an_unexpected_error_is_told_by_its_kind_and_place_and_not_by_its_words():
    try:
        raise ExceptionGroup("a-secret-in-a-group", [ValueError("a-secret-in-words")])  # noqa: TRY301 - as above
    except ExceptionGroup as group:
        (told,) = described(group)
    assert told.startswith("ValueError at ")
    assert "a-secret" not in told
