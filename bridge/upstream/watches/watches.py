"""What watches over a feed's books and orders, whichever transport brings them: one set of watches a feed.

They follow what the feed publishes (`Witness`), and go to the transport in use for what they need of the vendor.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from bridge.dialects.contract import Question, Signal
from bridge.model import AccountId, Topic, UpstreamEvent
from bridge.upstream.contract import Suspicions
from bridge.upstream.standing.standing import Standing
from bridge.upstream.watches.orders import OrderCheck
from bridge.upstream.watches.repairs import Repairs
from bridge.upstream.watches.witness import Witness


class WatchTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to watch over.

    Attributes:
        witness: what the feed publishes by.
        random: draws from [0, 1).
        suspicions: of the feed's books; None = none.
        account: whose orders arrive; None = nobody's.
        order_check_seconds: how often open orders are compared with REST; 0 = never.
    """

    witness: Witness
    random: Callable[[], float]
    suspicions: Suspicions | None = None
    account: AccountId | None = None
    order_check_seconds: float = 0


class Watched(Protocol):
    """What watches need of a feed."""

    async def fetch(self, question: Question) -> Sequence[UpstreamEvent | Signal] | None:
        """Ask the vendor once; see `ask.Asker.fetch`."""
        ...

    async def say_anew(self, book: Topic) -> None:
        """Have the vendor say a book whole, by the transport in use; whatever comes of it comes as an event."""
        ...


def watches_of(standing: Standing, terms: WatchTerms, feed: Watched) -> list[Repairs | OrderCheck]:
    """Make a feed's watches, which follow it from now on; somebody has to run them.

    Args:
        standing: the feed's, toward the hub.
        terms: what there is to watch over.
        feed: the feed.
    """
    watches: list[Repairs | OrderCheck] = []
    if terms.suspicions is not None:
        watches.append(Repairs(standing, terms.suspicions, feed.say_anew, terms.random))
    if terms.account is not None and terms.order_check_seconds:
        watches.append(OrderCheck(standing, feed.fetch, terms.order_check_seconds))
    for watch in watches:
        watch.follow(terms.witness)
    return watches
