"""What a party can be asked once, outside any stream, and what may become of that."""

import enum

import msgspec

from bridge.model import AccountId, InstrumentId, Interval, UpstreamEvent


class QuestionKind(enum.StrEnum):
    """What can be asked of a vendor once, over REST."""

    QUOTE = "quote"
    BOOK = "book"
    ORDER = "order"
    BARS = "bars"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question to a vendor.

    Attributes:
        instrument: of `quote`, `book` and `bars`.
        order_id: of `order`.
        interval: of `bars`.
        limit: how many bars at most.
        account: of `order`: whose it is; the feed fills in its own. Without one an answer has no order events.
    """

    kind: QuestionKind
    instrument: InstrumentId | None = None
    order_id: str | None = None
    interval: Interval | None = None
    limit: int = 100
    account: AccountId | None = None


class Outcome(enum.StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"
    FAILED = "failed"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a question.

    Attributes:
        outcome: `unsupported` = this vendor cannot be asked that; `unknown` = it does not know the thing; `failed` = it did
            not answer in time or refused.
        events: what it said; already published, except bars, which are history and not news.
    """

    outcome: Outcome
    events: tuple[UpstreamEvent, ...] = ()
