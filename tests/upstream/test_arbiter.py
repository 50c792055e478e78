"""The arbiter names the feed of a topic, or says at once why there is none."""

import pytest

from bridge.dialects.contract import Lane, Refusal, SymbolTable, Transport
from bridge.model import AccountId, Code, FeedName, InstrumentId, Topic, TopicKind, Want
from bridge.model.account import private_account
from bridge.upstream.arbiter import IDLE_SECONDS, Arbiter, FeedEntry

LIQUIDITY, TRADINGVIEW = FeedName("liquidity"), FeedName("tradingview")
ACME = AccountId("liquidity/acme")


class Party:
    """A dialect as far as an arbiter looks: its kinds by transport, and its spelling: with or without a colon."""

    def __init__(self, name, colon, **kinds) -> None:
        self.name = name
        self.colon = colon
        self.kinds = kinds

    def lane(self, topic, transport):
        return Lane(transport) if topic.depth is None and topic.kind in self.kinds[transport] else None

    def vendor_symbol(self, instrument, _):
        return str(instrument) if (":" in instrument) == self.colon else None

    def instrument(self, vendor_symbol, _):
        return InstrumentId(vendor_symbol)


LIQUID = Party("liquidity", False, sse="quote book trade order".split(), websocket="book trade".split())  # noqa: SIM905
TV = Party("tradingview", True, sse=["quote", "bar"])


def arbiter(transport=Transport.SSE, *, strict=False, max_unlisted=0, now=lambda: 0.0) -> Arbiter:
    listed = InstrumentId("BTC-USD")
    entries = [
        FeedEntry(
            name=LIQUIDITY,
            dialect=LIQUID,
            symbols=SymbolTable(LIQUID, {listed: "BTC"}),
            globs=("*",),
            transport=transport,
            account=ACME,
            visited=True,
        ),
        FeedEntry(
            name=TRADINGVIEW,
            dialect=TV,
            symbols=SymbolTable(TV, {listed: "COINBASE:BTCUSD"}),
            globs=("NASDAQ:*", "NYSE:*"),
            transport=Transport.SSE,
            account=None,
        ),
    ]
    instruments = {listed: (LIQUIDITY, TRADINGVIEW), InstrumentId("GONE"): ()}
    return Arbiter(entries, instruments, strict=strict, max_unlisted=max_unlisted, now=now)


def resolve(topic: str, accounts=(), **options):
    return arbiter(**options).resolve(Topic.parse(topic), accounts)


def served(topic: str, **options):
    return [f"{want.feed} {want.topic}" for want in resolve(topic, **options)]


def refusal(topic: str, accounts=(), **options) -> Code:
    with pytest.raises(Refusal) as refused:
        resolve(topic, accounts, **options)
    assert refused.value.topic == topic
    return refused.value.code


def test_a_listed_instrument_goes_to_the_first_of_its_feeds_that_has_such_data():
    assert served("quote:BTC-USD") == ["liquidity quote:BTC-USD"]
    assert served("bar.5m:BTC-USD") == ["tradingview bar.5m:BTC-USD"]
    assert served("quote:BTC-USD", transport=Transport.WEBSOCKET) == ["tradingview quote:BTC-USD"]


def test_all_is_what_the_feed_has_or_can_be_made_of_on_its_transport_of_quote_book_and_trade():
    assert served("all:BTC-USD") == [f"liquidity {kind}:BTC-USD" for kind in ("quote", "book", "trade")]
    assert served("all:AAPL", transport=Transport.WEBSOCKET) == [
        f"liquidity {kind}:AAPL" for kind in ("quote", "book", "trade")
    ]
    assert served("all:NASDAQ:AAPL") == ["tradingview quote:NASDAQ:AAPL"]


def test_a_cut_book_is_served_where_the_full_one_is():
    (want,) = resolve("book.20:AAPL")
    assert want == Want(Topic(TopicKind.BOOK, InstrumentId("AAPL"), depth=20), LIQUIDITY)


def test_an_unlisted_id_goes_to_the_first_feed_that_matches_and_can_spell_it_and_to_no_other():
    assert served("quote:AAPL") == ["liquidity quote:AAPL"]
    assert served("quote:NYSE:TSLA") == ["tradingview quote:NYSE:TSLA"]
    assert refusal("trade:NYSE:TSLA") is Code.UNSUPPORTED_TOPIC
    assert refusal("book:NYSE:TSLA") is Code.UNSUPPORTED_TOPIC


def test_what_a_feed_lacks_is_made_of_what_it_has_where_no_other_feed_of_the_instrument_has_it():
    assert served("bar.5m:AAPL") == ["liquidity bar.5m:AAPL"]
    assert served("quote:AAPL", transport=Transport.WEBSOCKET) == ["liquidity quote:AAPL"]
    assert served("quote:BTC-USD", transport=Transport.WEBSOCKET) == ["tradingview quote:BTC-USD"]


def test_a_feed_is_asked_for_what_a_topic_is_made_of():
    def asked(topic, transport=Transport.SSE):
        one = arbiter(transport)
        (want,) = one.resolve(Topic.parse(topic), ())
        return [str(source) for source in one.sources(want)]

    assert asked("quote:AAPL") == ["quote:AAPL"]
    assert asked("book.20:AAPL") == ["book:AAPL"]
    assert asked("bar.5m:NYSE:TSLA") == ["bar.5m:NYSE:TSLA"]
    assert asked("quote:AAPL", Transport.WEBSOCKET) == ["book:AAPL", "trade:AAPL"]
    status = Want(Topic(TopicKind.ORDER, scope=ACME), LIQUIDITY)
    assert arbiter().sources(status) == (status.topic,)


def test_what_no_feed_takes_is_unknown():
    assert refusal("quote:BINANCE:BTCUSDT") is Code.UNKNOWN_INSTRUMENT
    assert refusal("quote:AAPL", strict=True) is Code.UNKNOWN_INSTRUMENT
    assert served("quote:BTC-USD", strict=True) == ["liquidity quote:BTC-USD"]


def test_what_is_listed_without_a_feed_is_unknown_though_a_feeds_glob_would_take_it():
    entry = FeedEntry(
        name=LIQUIDITY,
        dialect=LIQUID,
        symbols=SymbolTable(LIQUID, {}),
        globs=("*",),
        transport=Transport.SSE,
        account=None,
    )
    nowhere = Arbiter([entry], {InstrumentId("AAPL"): []}, strict=False, max_unlisted=0)
    with pytest.raises(Refusal) as caught:
        nowhere.resolve(Topic.parse("quote:AAPL"), ())
    assert caught.value.code is Code.UNKNOWN_INSTRUMENT


def test_globs_mind_the_case():
    assert refusal("quote:nyse:TSLA") is Code.UNKNOWN_INSTRUMENT


def test_orders_are_one_want_for_each_account_held_that_a_feed_brings():
    wants = resolve("order", [AccountId("elsewhere/x"), ACME])
    assert wants == (Want(Topic(TopicKind.ORDER, scope=ACME), LIQUIDITY),)
    assert refusal("order", [AccountId("elsewhere/x")]) is Code.FORBIDDEN
    assert refusal("order") is Code.FORBIDDEN


def test_status_is_one_want_for_each_feed():
    assert [(want.topic.scope, want.feed) for want in resolve("status")] == [
        ("liquidity", "liquidity"),
        ("tradingview", "tradingview"),
    ]


def test_made_up_ids_are_bounded_and_forgotten_when_idle():
    time = [0.0]
    one = arbiter(max_unlisted=2, now=lambda: time[0])

    def ask(name):
        return one.resolve(Topic.parse(f"quote:{name}"), ())

    ask("A")
    ask("B")
    ask("A")
    with pytest.raises(Refusal) as refused:
        ask("C")
    assert refused.value.code is Code.OVERLOADED
    assert one.resolve(Topic.parse("quote:BTC-USD"), ())
    time[0] = IDLE_SECONDS
    assert ask("C")


PRIVATE = private_account(LIQUIDITY, "https://id", "alice")


def test_the_orders_of_a_vendors_user_are_wanted_of_the_feed_that_has_that_users_name():
    order = Topic(TopicKind.ORDER, scope=PRIVATE)
    assert resolve("order", (PRIVATE,)) == (Want(order, FeedName(PRIVATE)),)
    assert [want.feed for want in resolve("order", (ACME, PRIVATE))] == [LIQUIDITY, PRIVATE]


@pytest.mark.parametrize("feed", [TRADINGVIEW, FeedName("elsewhere")])
def test_a_feed_that_nobody_may_visit_has_no_orders_of_its_vendors_users(feed):
    assert refusal("order", (private_account(feed, "https://id", "alice"),)) is Code.FORBIDDEN


def test_private_feeds_are_in_nobodys_status():
    assert {want.feed for want in resolve("status", (PRIVATE,))} == {LIQUIDITY, TRADINGVIEW}


def test_what_a_feed_lacks_on_the_transport_it_has_fallen_to_is_made_of_what_it_has_there():
    one = arbiter()
    quote, trade = Topic.parse("quote:AAPL"), Topic.parse("trade:AAPL")
    (want,) = one.resolve(quote, ())
    assert one.sources(want) == (quote,)
    one.moved(LIQUIDITY, Transport.WEBSOCKET)
    assert one.sources(want) == (Topic.parse("book:AAPL"), trade)
    assert one.sources(Want(Topic.parse("bar.5m:AAPL"), LIQUIDITY)) == (trade,)
    one.moved(LIQUIDITY, Transport.SSE)
    assert one.sources(want) == (quote,)


def test_what_cannot_be_had_on_the_transport_in_use_waits_as_what_the_preferred_one_makes_it_of():
    one = arbiter()
    LIQUID.kinds["polling"] = ["quote"]
    one.moved(LIQUIDITY, Transport.POLLING)
    assert one.sources(Want(Topic.parse("bar.5m:AAPL"), LIQUIDITY)) == (Topic.parse("trade:AAPL"),)
    assert one.resolve(Topic.parse("trade:AAPL"), ()) == (Want(Topic.parse("trade:AAPL"), LIQUIDITY),)
