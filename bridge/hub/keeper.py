"""What a subscription asks of the hub that keeps it in its index."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from bridge.hub.backlog import Source
from bridge.model import Want

if TYPE_CHECKING:
    from bridge.hub.subscription import Subscription


class Keeper(Source, Protocol):
    """Whose index the subscription stands in: the hub."""

    def admit(self, subscription: "Subscription", wants: Sequence[Want]) -> None:
        """Enter it for more wants, freshly: what state they have becomes pending."""
        ...

    def dismiss(self, subscription: "Subscription", wants: Sequence[Want]) -> None:
        """Take it out of the index for these wants and let go of the interest."""
        ...

    def forget(self, subscription: "Subscription") -> None:
        """It is closed."""
        ...
