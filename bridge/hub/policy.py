"""What becomes of an event while its subscriber lags: one table, by class of event.

| class | rule | what that means |
|---|---|---|
| quote, feed_status, open bar | `NEWEST` | the newest of its kind replaces the pending one |
| book snapshot, book delta | `BOOK` | what is pending of the book is folded into one event |
| trade, final bar | `BOUNDED` | kept in order up to the bound, then declared missing (or goodbye, as configured) |
| order, gap, refusal | `KEPT` | kept in order, never dropped; past the bound: goodbye |

`NEWEST` and `BOOK` are state: they cannot grow, so they pass no bound. `BOUNDED` and `KEPT` are the log.
"""

import enum
from collections.abc import Collection, Hashable

import msgspec

from bridge.model import (
    Bar,
    BookDelta,
    BookSnapshot,
    Covered,
    FeedStatus,
    Gap,
    LogEvent,
    OrderUpdate,
    Quote,
    Topic,
    TopicKind,
    TopicRefused,
    Trade,
    Uncovered,
    Want,
    topic_of,
)


class Rule(enum.Enum):
    """See the module."""

    NEWEST = enum.auto()
    BOOK = enum.auto()
    BOUNDED = enum.auto()
    KEPT = enum.auto()


class Policy(msgspec.Struct, frozen=True):
    """How one event is treated.

    Attributes:
        rule: its row of the table.
        key: state of the same key replaces it; of a final bar, the key of the open bar that it closes; None = nothing does.
        want: whose event it is; None when it names its topics itself.
        slowed: whether `max_rate` holds it back: state, but not health, which says whether the rest can be believed.
    """

    rule: Rule
    key: Hashable = None
    want: Want | None = None
    slowed: bool = False


_STATE = {Quote: Rule.NEWEST, BookSnapshot: Rule.BOOK, BookDelta: Rule.BOOK, Bar: Rule.NEWEST}

_UNPLACED = Policy(Rule.KEPT)


def policy_of(event: LogEvent) -> Policy:
    """Find an event's row."""
    if isinstance(event, Gap | TopicRefused | Covered | Uncovered):
        return _UNPLACED
    want = Want(topic_of(event), event.feed)
    if isinstance(event, FeedStatus):
        return Policy(Rule.NEWEST, (want, event.instrument, event.topic), want)
    if isinstance(event, OrderUpdate):
        return Policy(Rule.KEPT, want=want)
    if isinstance(event, Trade):
        return Policy(Rule.BOUNDED, want=want)
    final = isinstance(event, Bar) and event.is_final is True
    return Policy(Rule.BOUNDED if final else _STATE[type(event)], want, want, slowed=not final)


def concerns(policy: Policy, event: LogEvent | None, topics: Collection[Topic]) -> bool:
    """Whether something pending is needless once these topics are held no longer. Health never is.

    Args:
        policy: its row.
        event: itself; None where the row tells its topic.
        topics: those held no longer.
    """
    if policy.want is not None:
        return policy.want.topic in topics and policy.want.topic.kind is not TopicKind.STATUS
    if isinstance(event, Gap):
        return all(topic in topics for topic in event.topics)
    return isinstance(event, TopicRefused) and event.topic in topics
