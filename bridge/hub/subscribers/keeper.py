"""What a subscription asks of the hub that keeps it in its index."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bridge.hub.subscribers.backlog import Source
from bridge.model import Want

Held_contra = TypeVar("Held_contra", contravariant=True)
"""The subscription."""


class Keeper(Source, Protocol[Held_contra]):
    """Whose index the subscription stands in: the hub."""

    def admit(self, subscription: Held_contra, wants: Sequence[Want]) -> None:
        """Enter it for more wants, freshly: what state they have becomes pending."""
        ...

    def dismiss(self, subscription: Held_contra, wants: Sequence[Want]) -> None:
        """Take it out of the index for these wants and let go of the interest."""
        ...

    def forget(self, subscription: Held_contra) -> None:
        """It is closed."""
        ...
