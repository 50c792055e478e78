"""What a relay makes of another bridge's words, right and wrong."""

import contextlib

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.dialects.canonical import DIALECT
from bridge.dialects.contract import (
    Asked,
    Frame,
    Health,
    Heartbeat,
    Lane,
    Missed,
    Passage,
    Question,
    QuestionKind,
    Ready,
    Refused,
    SubscriptionsLost,
    SymbolTable,
    Transport,
    Unknown,
    VendorError,
)
from bridge.errors import VendorProtocolError
from bridge.model import AccountId, Cause, FeedHealth, FeedName, InstrumentId, Interval, Topic, UnixNanos

NOW = UnixNanos(1_800_000_000_000_000_000)
TRADE = '{"type":"trade","id":"e-1","instrument":"BTC-USD","feed":"x","ts_recv":"2026-03-19T00:34:44Z","price":"1","size":"2"}'
BOOK = '{"type":"book_snapshot","instrument":"BTC-USD","bids":[["1","2"]],"asks":[],"sequence":5%s}'


def decoder(*topics, transport=Transport.SSE, aliases=None, **how):
    symbols = SymbolTable(DIALECT.spelling, aliases or {})
    asked = Asked(FeedName("relay"), Lane(transport), symbols, **how)
    asked.add([Topic.parse(topic) for topic in topics])
    return DIALECT.decoder(asked)


def read(text, *topics, **how):
    return list(decoder(*topics, **how).decode(Frame(data=text.encode(), ts_recv=NOW)))


def test_what_was_not_asked_for_is_left_out():
    assert len(read(TRADE, "trade:BTC-USD")) == 1
    assert read(TRADE, "trade:ETH-USD", "quote:BTC-USD") == []
    assert read(TRADE.replace("BTC-USD", "no such id!?"), "trade:BTC-USD") == []


def test_orders_need_an_account_and_the_order_topic():
    order = (
        '{"type":"order","instrument":"A","order_id":"o","account":"them/1","side":"buy","order_type":"limit",'
        '"quantity":"3","filled_quantity":"1","status":"partially_filled"}'
    )
    assert read(order, "order") == []
    assert read(order, "quote:A", account=AccountId("relay/1")) == []
    (event,) = read(order, "order", account=AccountId("relay/1"))
    assert (event.account, event.status, event.average_price) == ("relay/1", "partially_filled", None)


def test_a_listed_instrument_goes_by_our_name():
    (trade,) = read(TRADE, "trade:bitcoin", aliases={InstrumentId("bitcoin"): "BTC-USD"})
    assert trade.instrument == "bitcoin"


def test_only_the_depth_that_was_asked_is_the_book():
    assert read(BOOK % "", "book:BTC-USD")[0].depth is None
    assert read(BOOK % ',"depth":20', "book:BTC-USD") == []
    (book,) = read(BOOK % ',"depth":20', "book:BTC-USD", depth=20)
    assert book.depth is None
    assert read(BOOK % "", "book:BTC-USD", depth=20) == []


DELTA = '{"type":"book_delta","instrument":"%s","bids":[["1","3"]],"asks":[],"sequence":%d,"prev_sequence":%d}'


def test_a_change_that_does_not_build_upon_the_message_before_leaves_that_book_in_doubt():
    reader = decoder("book:BTC-USD", "book:ETH-USD")
    texts = (
        BOOK % "",
        DELTA % ("BTC-USD", 6, 5),
        DELTA % ("ETH-USD", 90, 89),  # the first of a chain that goes on: nothing to compare it with
        DELTA % ("BTC-USD", 8, 7),
        DELTA % ("BTC-USD", 9, 8),
        DELTA % ("ETH-USD", 91, 90),
    )
    said = [reader.decode(Frame(data=text.encode(), ts_recv=NOW)) for text in texts]
    assert [[type(word).__name__ for word in words] for words in said] == [
        ["BookSnapshot"],
        ["BookDelta"],
        ["BookDelta"],
        ["Missed", "BookDelta"],
        ["BookDelta"],
        ["BookDelta"],
    ]
    (missed, _) = reader.decode(Frame(data=(DELTA % ("BTC-USD", 12, 11)).encode(), ts_recv=NOW))
    assert missed.topics == (Topic.parse("book:BTC-USD"),)
    assert missed.cause is Cause.VENDOR


def test_a_whole_book_begins_a_chain():
    reader = decoder("book:BTC-USD")
    for text in (DELTA % ("BTC-USD", 70, 69), BOOK % "", DELTA % ("BTC-USD", 6, 5)):
        (event,) = reader.decode(Frame(data=text.encode(), ts_recv=NOW))
        assert not isinstance(event, Missed)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("vendor", Cause.VENDOR),
        ("upstream", Cause.UPSTREAM),
        ("slow_consumer", Cause.UPSTREAM),
        ("new", Cause.UPSTREAM),
    ],
)
def test_a_loss_of_the_vendor_behind_is_the_vendors_all_the_way(theirs, ours):
    gap = f'{{"type":"gap","topics":["trade:A"],"from":"e-1","to":"e-4","cause":"{theirs}","repaired":false}}'
    (missed,) = read(gap, "trade:A")
    assert missed.cause is ours


def test_a_bar_of_another_interval_is_left_out():
    bar = '{"type":"bar","instrument":"A","interval":"5m","open":"1","high":"1","low":"1","close":"1"}'
    assert len(read(bar, "bar.5m:A")) == 1
    assert read(bar, "bar.1h:A") == []
    assert read(bar.replace("5m", "7m"), "bar.5m:A") == []


def test_a_gap_means_that_something_of_our_topics_is_missing():
    gap = (
        '{"type":"gap","topics":["trade:BTC-USD","order"],"from":"e-1","to":"e-4","cause":"upstream","repaired":%s,'
        '"ts_recv":"2026-03-19T00:34:44Z"}'
    )
    topics = (Topic.parse("trade:BTC-USD"),)
    (missed,) = read(gap % "false", "quote:BTC-USD", "trade:BTC-USD")
    assert isinstance(missed, Missed)
    assert missed.topics == topics
    assert "upstream" in missed.reason
    assert read(gap % "true", "trade:BTC-USD") == []
    assert read(gap % "false", "quote:BTC-USD") == []


def test_confirmation_is_stream_on_sse_and_ok_on_websocket():
    stream = '{"type":"stream","id":"e-1","stream":"s","verdict":"fresh","topics":["quote:A"],"limits":{}}'
    ok = '{"type":"ok","op":"subscribe","ref":"quote:A","topics":["quote:A"],"cursor":"e-1"}'
    assert read(stream, "quote:A", "quote:B") == [Ready(None)]
    assert read(stream, "quote:A", "quote:B", transport=Transport.WEBSOCKET) == [Ready((Topic.parse("quote:A"),))]
    assert read(ok, "quote:A", "quote:B", transport=Transport.WEBSOCKET) == [Ready((Topic.parse("quote:A"),))]
    assert read('{"type":"ok","op":"ping"}', transport=Transport.WEBSOCKET) == [WELL]


@pytest.mark.parametrize("verdict", ["resumed", "reset"])
def test_who_comes_back_goes_on_from_its_cursor_and_is_told_of_what_is_missing_by_gaps_alone(verdict):
    stream = f'{{"type":"stream","id":"e-1","stream":"s","verdict":"{verdict}","topics":["quote:A"],"limits":{{}}}}'
    assert read(stream, "quote:A") == [Ready(None, continued=True)]
    assert read(stream, "quote:A", transport=Transport.WEBSOCKET) == [Ready((Topic.parse("quote:A"),), continued=True)]


def test_the_bridges_on_the_way_are_told_and_our_own_among_them_ends_the_connection():
    stream = '{"type":"stream","id":"e-1","stream":"s","verdict":"fresh","topics":[],"limits":{},"via":["them","us"]}'
    assert read(stream, "quote:A", bridge="me") == [Passage(("them", "us")), Ready(None)]
    passage, circle = read(stream, "quote:A", bridge="us")
    assert passage == Passage(("them", "us")), "so that our own clients see the circle too"
    assert (circle.code, circle.fatal) == ("circle", True)
    assert "them → us" in circle.message


@pytest.mark.parametrize(
    "later",
    [
        '{"type":"ok","op":"subscribe","ref":"quote:B","topics":["quote:B"],"cursor":"e-1","via":["them","us"]}',
        '{"type":"feed_status","id":"e-2","feed":"f","status":"live","ts_recv":"2026-03-19T00:34:44Z","via":["us"]}',
    ],
)
def test_bridges_that_are_told_later_are_added_and_checked_as_those_of_the_beginning(later):
    stream = '{"type":"stream","id":"e-1","stream":"s","verdict":"fresh","topics":[],"limits":{},"via":["them"]}'
    for bridge, ends in (("me", False), ("us", True)):
        reader = decoder("quote:A", "quote:B", transport=Transport.WEBSOCKET, bridge=bridge)
        frames = [Frame(data=text.encode(), ts_recv=NOW) for text in (stream, later, later)]
        assert reader.decode(frames[0])[0] == Passage(("them",))
        first, second = reader.decode(frames[1]), reader.decode(frames[2])
        assert first[0] == Passage(("them", "us"))
        assert not any(isinstance(word, Passage) for word in second), "said once"
        assert getattr(first[-1], "fatal", False) is ends


def test_the_health_of_one_instrument_or_topic_is_no_more_than_that():
    status = (
        '{"type":"feed_status","id":"e-2","feed":"f","instrument":"A","ts_recv":"2026-03-19T00:34:44Z","status":"%s"%s}'
    )
    both = (Topic.parse("quote:A"), Topic.parse("trade:A"))
    wanted = ("quote:A", "trade:A", "quote:B")
    (stale,) = read(status % ("stale", ',"reason":"silent"'), *wanted)
    assert stale == Health(FeedHealth.STALE, "its feed f: silent", both, sound=False, instrument=InstrumentId("A"))
    (live,) = read(status % ("live", ""), *wanted)
    assert live == Health(FeedHealth.LIVE, None, both, sound=True, instrument=InstrumentId("A"))
    (part,) = read(status % ("down", ',"topic":"trade:A"'), *wanted)
    assert (part.topics, part.topic, part.instrument) == (both[1:], both[1], "A")
    assert read(status % ("stale", ""), "quote:B") == [Heartbeat()]


def test_a_resume_that_is_refused_is_asked_for_again_topic_by_topic():
    problem = '{"type":"problem","id":"e-1","code":"%s","message":"m","ref":"resume"%s,"retry":"no"}'
    refused, named = problem % ("forbidden", ',"topic":"quote:A"'), Refused(Topic.parse("quote:A"), "forbidden", "m")
    assert read(refused, "quote:A", "quote:B") == [named, SubscriptionsLost()]
    assert read(problem % ("bad_request", ""), "quote:A", "quote:B") == [SubscriptionsLost()]


def test_the_cursor_is_that_of_the_newest_message_that_has_one():
    reader = decoder("quote:A")
    assert reader.cursor is None
    for text, cursor in (
        ('{"type":"stream","id":"e-1","stream":"s","verdict":"fresh","topics":["quote:A"],"limits":{}}', "e-1"),
        ('{"type":"ok","op":"ping"}', "e-1"),
        ('{"type":"trade","id":"e-7","instrument":"other","price":"1","size":"1"}', "e-7"),
    ):
        reader.decode(Frame(data=text.encode(), ts_recv=NOW))
        assert reader.cursor == cursor


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("unknown_instrument", "unknown_instrument"),
        ("unsupported_topic", "unsupported_topic"),
        ("forbidden", "forbidden"),
        ("upstream_full", "upstream_full"),
        ("too_many_subscriptions", "upstream_full"),
    ],
)
def test_a_problem_with_a_topic_is_a_refusal_of_it(code, ours):
    by_topic = f'{{"type":"problem","id":"e-1","code":"{code}","message":"m","topic":"quote:A","retry":"no"}}'
    by_ref = by_topic.replace('"topic"', '"ref"')
    unnamed = by_topic.replace('"topic":"quote:A",', "")
    assert read(by_topic, "quote:A") == [Refused(Topic.parse("quote:A"), ours, "m")]
    assert read(by_ref, "quote:A") == [Refused(Topic.parse("quote:A"), ours, "m")]
    assert read(unnamed, "quote:A") == [Refused(None, ours, "m")]
    assert read(by_topic, "quote:B") == [VendorError(code, "m")], "not ours any more: it must not hit the others"


def test_other_words_about_the_stream():
    assert read('{"type":"problem","code":"rate_limited","message":"m"}') == [VendorError("rate_limited", "m")]
    (goodbye,) = read('{"type":"goaway","id":"e-1","reason":"going_away","retry":"after"}')
    assert (goodbye.code, goodbye.fatal) == ("going_away", True)


STATUS = '{"type":"feed_status","feed":"%s","status":"%s","reason":"no data"}'
WELL = Health(FeedHealth.LIVE, None, (), sound=True)


def hear(reader, text):
    return list(reader.decode(Frame(data=text.encode(), ts_recv=NOW)))


@pytest.mark.parametrize("status", ["connecting", "stale", "down"])
def test_a_feed_of_the_other_bridge_that_is_not_well_makes_ours_as_bad_and_voids_what_came_from_it(status):
    reader = decoder("trade:BTC-USD", "quote:BTC-USD", "trade:ETH-USD")
    assert hear(reader, STATUS % ("x", "live")) == [WELL]
    hear(reader, TRADE)
    known = (Topic.parse("trade:BTC-USD"), Topic.parse("quote:BTC-USD"))
    assert hear(reader, STATUS % ("x", status)) == [
        Health(FeedHealth(status), "its feed x: no data", known, sound=False)
    ]
    assert hear(reader, STATUS % ("x", "live")) == [Health(FeedHealth.LIVE, None, known, sound=True)]


def test_of_several_feeds_the_worst_that_may_serve_us_counts():
    reader = decoder("trade:BTC-USD", "trade:ETH-USD")
    hear(reader, TRADE)
    hear(reader, STATUS % ("y", "stale"))
    (health,) = hear(reader, STATUS % ("x", "connecting"))
    assert (health.status, health.reason) == (FeedHealth.STALE, "its feed y: no data"), "ETH-USD may come from y"
    hear(reader, TRADE.replace("BTC", "ETH"))
    (health,) = hear(reader, '{"type":"ok","op":"unsubscribe"}')
    assert health.status is FeedHealth.CONNECTING, "both come from x"


def test_when_another_feed_of_the_other_bridge_serves_what_is_wrong_with_the_old_one_counts_no_more():
    reader = decoder("trade:BTC-USD")
    hear(reader, TRADE)
    (health,) = hear(reader, STATUS % ("x", "down"))
    assert health.status is FeedHealth.DOWN
    told, trade = hear(reader, TRADE.replace('"x"', '"z"'))
    assert told == WELL
    assert trade.instrument == "BTC-USD"
    assert len(hear(reader, TRADE.replace('"x"', '"z"'))) == 1


def test_words_of_a_newer_bridge_change_nothing():
    assert read(STATUS % ("x", "dreaming"), "quote:A") == [Heartbeat()]


def test_a_word_that_is_not_known_is_counted_not_fatal():
    assert read('{"type":"hologram","instrument":7}') == [Unknown("hologram")]
    assert read('{"type":"%s"}' % ("x" * 100)) == [Unknown("x" * 64)]


def test_keys_that_are_not_known_are_ignored_and_null_is_as_absent():
    (trade,) = read(TRADE.replace('"size":"2"', '"size":"2","mood":"calm","trade_id":null'), "trade:BTC-USD")
    assert (str(trade.size), trade.trade_id) == ("2", None)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "{",
        "[]",
        "null",
        '{"no":"type"}',
        '{"type":7}',
        TRADE.replace('"price":"1"', '"price":1'),
        TRADE.replace('"price":"1"', '"price":"1_0"'),
        TRADE.replace('"price":"1"', '"price":" 1"'),
        TRADE.replace('"price":"1"', '"price":"1E+1000000"'),
        TRADE.replace('"price":"1"', '"price":"NaN"'),
        TRADE.replace('"price":"1",', ""),
        TRADE.replace('"size":"2"', '"size":"2","aggressor_side":"both"'),
        TRADE.replace('"size":"2"', '"size":"2","ts_event":"yesterday"'),
        TRADE.replace('"size":"2"', '"size":"2","ts_event":"2026-02-30T00:00:00Z"'),
        (BOOK % "").replace('["1","2"]', '["1"]'),
        (BOOK % "").replace('["1","2"]', '["1","x"]'),
        "[" * 100_000,
    ],
)
def test_what_the_contract_does_not_allow_is_the_other_bridges_fault(wrong):
    with pytest.raises(VendorProtocolError) as caught:
        read(wrong, "trade:BTC-USD", "book:BTC-USD")
    assert len(caught.value.offending) <= 256


TYPES = "quote trade book_snapshot book_delta bar order feed_status gap stream expiring goaway problem ok other"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "instrument price size bids asks interval open high low close topics cause code message op reason retry side "
    "verdict feed status ts_event delay_seconds extra depth expires"
)
NEARLY = st.builds(
    lambda kind, fields: msgspec.json.encode({"type": kind, "instrument": "A", **fields}),
    st.sampled_from(TYPES.split()),
    st.dictionaries(st.sampled_from(FIELDS.split()), JSON | st.sampled_from(["A", "1", "5m", "buy", [["1", "2"]]])),
)


@given(st.binary(max_size=60) | NEARLY)
@example(b'{"type":"trade"\xff}')
@example(b'{"type":"trade","instrument":"\xff"}')
def test_no_bytes_raise_anything_else(data):
    reader = decoder("quote:A", "trade:A", "book:A", "bar.5m:A", "order", account=AccountId("relay/1"))
    with contextlib.suppress(VendorProtocolError):
        reader.decode(Frame(data=data, ts_recv=NOW))


def question(kind, **more):
    return Question(kind=kind, instrument=InstrumentId("BTC-USD"), **more)


def answered(which, text):
    symbols = SymbolTable(DIALECT.spelling, {})
    return list(DIALECT.answer(which, text.encode(), FeedName("relay"), symbols, NOW))


def test_answers_of_state_endpoints_are_read():
    (quote,) = answered(question(QuestionKind.QUOTE), '{"type":"quote","instrument":"BTC-USD","bid":"1.50"}')
    assert (quote.full, str(quote.bid)) == (True, "1.50")
    (book,) = answered(question(QuestionKind.BOOK), BOOK % "")
    assert str(book.bids[0].size) == "2"
    bar = '{"type":"bar","instrument":"BTC-USD","interval":"5m","open":"1","high":"3","low":"1","close":"2"}'
    bars = answered(question(QuestionKind.BARS, interval=Interval.M5), f'{{"events":[{bar},{bar}]}}')
    assert [str(one.high) for one in bars] == ["3", "3"]


QUOTE = '{"type":"quote","instrument":"BTC-USD","bid":"1"}'


@pytest.mark.parametrize(
    "wrong", [QUOTE.replace("BTC", "ETH"), '{"type":"trade"}', "<html>", QUOTE.replace('"1"', '"x"')]
)
def test_an_answer_to_something_else_is_malformed(wrong):
    with pytest.raises(VendorProtocolError):
        answered(question(QuestionKind.QUOTE), wrong)
