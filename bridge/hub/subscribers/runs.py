"""What is pending of one book for one who lags: a run of deltas to be folded, or the word that a fresh snapshot will do.

A fold grows with what changed, a snapshot does not; so past `MAX_DELTAS` or `MAX_LEVELS` nothing more is held, and when a run
leaves it is said in whichever way has fewer levels.
"""

from typing import Protocol

from bridge.hub.contract import Publication
from bridge.hub.policy import Policy
from bridge.hub.subscribers.folding import Folds
from bridge.model import BookDelta, BookSnapshot, Want

MAX_DELTAS = 256
"""More than a full book's worth of changes is rarely in fewer; bounds what a fold costs."""

MAX_LEVELS = 2_000
"""Of all deltas held: some 60 kB once they are bytes."""

FEW_LEVELS = 20
"""A fold that small is never compared with the book, whose snapshot would have to be made first."""


class Books(Protocol):
    """Where the books stand: the hub.

    Attributes:
        folds: the folds that subscribers share.
    """

    folds: Folds

    def state(self, want: Want) -> Publication | None:
        """The newest state, at the log's head."""
        ...


class Run:
    """One book's.

    Args:
        policy: of each event in it.

    Attributes:
        offset: of the newest publication in it.
    """

    __slots__ = ("_base", "_deltas", "_levels", "_whole", "offset", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.offset = 0
        self._base: Publication | None = None
        self._deltas: list[Publication] = []
        self._levels = 0
        self._whole = False

    def add(self, publication: Publication) -> bool:
        """Take in the next of the book; return whether it was folded with something that was pending."""
        pending = self.offset > 0
        self.offset = publication.offset
        event = publication.event
        if isinstance(event, BookSnapshot):
            self._forget()
            self._base = publication
            self._whole = False
        elif isinstance(event, BookDelta) and not self._whole:
            self._deltas.append(publication)
            self._levels += len(event.bids) + len(event.asks)
            if self._base is not None or len(self._deltas) > MAX_DELTAS or self._levels > MAX_LEVELS:
                self._forget()
                self._whole = True
        return pending

    def parts(self) -> list[Publication]:
        """What is held of it, for who weighs it."""
        return self._deltas if self._base is None else [self._base]

    def said(self, books: Books) -> Publication | None:
        """Return the one publication that brings its reader to where the run ends, or to the head; None = not known."""
        if self._base is not None:
            return self._base
        want = self.policy.want
        if self._whole and want is not None:
            return books.state(want)
        folded = books.folds.delta(self._deltas)
        if len(self._deltas) == 1 or _levels(folded) <= FEW_LEVELS or want is None:
            return folded
        state = books.state(want)
        return folded if state is None or _levels(folded) <= _levels(state) else state

    def _forget(self) -> None:
        self._base = None
        self._deltas = []
        self._levels = 0


def _levels(publication: Publication) -> int:
    event = publication.event
    return len(event.bids) + len(event.asks) if isinstance(event, BookDelta | BookSnapshot) else 0
