"""What comments of an event stream are taken for."""

import pytest

from bridge.dialects.contract import Asked, Heartbeat, Lane, Missed, SymbolTable, Transport, Unknown, read_comment
from bridge.dialects.loader import dialect_names, load_dialect
from bridge.model import Cause, FeedName, Topic

TOPICS = (Topic.parse("trade:AAPL"), Topic.parse("book:AAPL"))


@pytest.mark.parametrize("text", ["", " ", "heartbeat", "HEARTBEAT", "keep-alive", "ping"])
def test_a_sign_of_life_says_nothing(text):
    assert read_comment(text, TOPICS) == Heartbeat()


@pytest.mark.parametrize(
    "text",
    [
        "you are reading too slowly, dropped 10000 messages",  # Alpaca's broker events
        "slow consumer: skipped 12 events",
        "buffer overflow",
        "3 messages lost",
    ],
)
def test_a_text_of_loss_is_a_loss_of_all_that_the_connection_carries(text):
    said = read_comment(text, TOPICS)
    assert isinstance(said, Missed)
    assert said.topics == TOPICS
    assert said.cause is Cause.VENDOR
    assert text in said.reason


def test_any_other_text_is_unknown_and_of_one_kind_whatever_its_numbers():
    first, second = (read_comment(f"internal server error {number}", TOPICS) for number in (17, 5))
    assert first == second == Unknown("comment: internal server error 0")
    assert len(read_comment("x" * 5000, TOPICS).kind) <= 64


@pytest.mark.parametrize("name", dialect_names())
def test_every_dialect_reads_comments(name):
    dialect = load_dialect(name)
    asked = Asked(FeedName("f"), Lane(Transport.SSE), SymbolTable(dialect.spelling, {}))
    asked.add(TOPICS)
    decoder = dialect.decoder(asked)
    assert list(decoder.comment("heartbeat")) == [Heartbeat()]
    (said,) = decoder.comment("dropped 3 messages")
    assert said.topics == TOPICS
